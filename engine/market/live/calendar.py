"""Earnings dates of the whole market from Nasdaq's calendar: one request a day ahead, none a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta

from engine.market.live.access import Access
from engine.market.live.answers import Fact
from engine.market.live.failures import SourceError
from engine.market.live.web import Reply, Web
from engine.market.sessions import sessions_between
from engine.symbols import as_ticker

_URL = "https://api.nasdaq.com/api/calendar/earnings"
_HEADERS = {
    # The site leaves a client that does not call itself a browser without any answer.
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "Accept": "application/json, text/plain, */*",
    "Accept-Language": "en-US,en;q=0.9",
}
_TIMES = {"time-after-hours": "after hours", "time-pre-market": "pre-market"}
UNKNOWN_TIME = "time not supplied"
"""Method of a date that Nasdaq expects and the company has not announced."""
_FAILURES_IN_A_ROW = 2

Reports = list[tuple[str, str]]
"""Ticker and time of day of every report of one date."""


async def earnings_dates(
    access: Access, web: Web, first: date, days: int
) -> tuple[dict[str, Fact], list[SourceError]]:
    """The next report of every name with one in the sessions of [first, first + days].

    A fact holds the day (YYYY-MM-DD), its method the time of day: "after hours", "pre-market" or "time
    not supplied". The earliest date of a name wins. Every date that failed gives its SourceError; after
    two in a row the rest is not asked for. Each date is kept for the rest of the New York day.
    """
    found: dict[str, Fact] = {}
    errors: list[SourceError] = []
    in_a_row = 0
    for session in sessions_between(first, first + timedelta(days=days)):
        day: date = session.astype(date)
        try:
            reports = await _reports(access, web, day)
        except SourceError as error:
            errors.append(error)
            in_a_row += 1
            if in_a_row == _FAILURES_IN_A_ROW:
                break
            continue
        in_a_row = 0
        for symbol, time in reports:
            found.setdefault(symbol, Fact(day.isoformat(), "nasdaq", time))
    return found, errors


async def _reports(access: Access, web: Web, day: date) -> Reports:
    key = f"earnings:{day}"
    hit = access.cache.get("nasdaq", key, access.clock.now())
    if hit is not None:
        try:
            return [(str(symbol), str(time)) for symbol, time in json.loads(hit[0])]
        except (ValueError, TypeError):
            access.cache.forget("nasdaq", key)
    reports = await web.get(
        "nasdaq", _URL, lambda reply: list(_read(reply)), params={"date": day.isoformat()}, headers=_HEADERS
    )
    access.cache.put("nasdaq", key, json.dumps(reports), "day", access.clock.now())
    return reports


def _read(reply: Reply) -> Iterator[tuple[str, str]]:
    """Rows is null on a day without reports; a refusal has null data, which raises TypeError."""
    for row in reply.json()["data"]["rows"] or ():
        symbol = nasdaq_ticker(str(row["symbol"]))
        if symbol is not None:
            yield symbol, _TIMES.get(row.get("time") or "", UNKNOWN_TIME)


def nasdaq_ticker(text: str) -> str | None:
    """`BRK/B` as BRK.B; None for what has no options anyway, such as preferred shares (`ABR^D`)."""
    symbol = as_ticker(text.strip().replace("/", "."))
    return symbol if symbol is not None and symbol[0] not in "/^" else None
