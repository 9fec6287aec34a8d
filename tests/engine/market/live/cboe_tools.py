"""The made-up market in Cboe's files, a source that asks for them, and a look at its chains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from aiohttp import web

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Chain
from engine.market.live.cboe import CboeSource, cboe_symbol
from engine.market.live.web import Web
from engine.market.sessions import NEW_YORK, session_of
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import access_to
from tests.loopback.server import Loopback

HOST, MOVED = "cdn.cboe.com", "cdn-api.cboe.com"
FILES = "/api/global/delayed_quotes/options/"
SESSION = date(2026, 4, 28)
CLOSED = datetime(2026, 4, 28, 16, 20, tzinfo=NEW_YORK)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
NUMBERS = ["strike", "bid", "ask", "last", "volume", "open_interest"]


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX), SESSION).snapshot()


def occ(root: str, day: date, right: str, strike: float) -> str:
    return f"{root}{day:%y%m%d}{right}{round(strike * 1000):08d}"


def payload(symbol: str, **header: Any) -> dict[str, Any]:
    """A chain of the made-up market in Cboe's nesting; its last trades are those of the close."""
    quotes = market().quotes.query("symbol == @symbol")
    spot = float(market().underlyings.set_index("symbol")["spot"][symbol])
    columns = {"bid": "bid", "ask": "ask", "last_trade_price": "last"}
    rows: list[dict[str, Any]] = quotes.to_dict("records")  # type: ignore[assignment]
    options = [
        {
            "option": occ(symbol, row["expiration"].date(), row["right"], row["strike"]),
            **{theirs: row[ours] for theirs, ours in columns.items()},
            "iv": 0.25,
            "volume": row["volume"],
            "open_interest": row["open_interest"],
            "last_trade_time": "2026-04-28T15:59:30",
        }
        for row in rows
    ]
    data = {
        "symbol": symbol,
        "current_price": spot + 1.0,
        "close": spot,
        "iv30": 21.5,
        "last_trade_time": "2026-04-28T15:59:59",
        "options": options,
    }
    # The stamp is of the file's making, in another zone, and a day late here: nothing may trust it.
    return {"timestamp": "2026-04-29 02:20:00", "symbol": symbol, "data": data | header}


def files(replies: Mapping[str, Any]) -> dict[str, Any]:
    """Cboe's host: redirects to the other one, which gives the files and refuses other names with 403."""

    async def moved(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"https://{MOVED}{request.path_qs}")

    async def served(request: web.Request) -> web.StreamResponse:
        reply = replies.get(request.path.removeprefix(FILES).removesuffix(".json"))
        if reply is None:
            text = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
            return web.Response(status=403, text=text, content_type="application/xml")
        if isinstance(reply, bytes):
            return web.Response(body=reply, content_type="application/json")
        return web.json_response(reply)

    return {HOST: moved, MOVED: served}


@asynccontextmanager
async def source(
    net: Loopback | None, folder: Path, now: datetime = CLOSED, **how: Any
) -> AsyncIterator[tuple[CboeSource, Access]]:
    if net is not None:
        net.heal()
        net.clear()
    access = access_to(net, folder, now=now, **({"cboe_allowed": True} | how))
    browser = Web(access)
    try:
        yield CboeSource(access, browser), access
    finally:
        await browser.aclose()
        access.cache.close()


async def chain_of(reply: Any, folder: Path, symbol: str = "AAPL", now: datetime = CLOSED) -> Chain:
    """A chain made of one reply alone."""
    with Loopback(files({cboe_symbol(symbol): reply})) as net:
        async with source(net, folder, now) as (cboe, _):
            return await cboe.chain(symbol, Asked(now, session_of(now)))


def ordered(quotes: pd.DataFrame) -> pd.DataFrame:
    columns = quotes.assign(right=quotes["right"].astype("str"))[["expiration", "right", *NUMBERS]]
    return columns.sort_values(["expiration", "right", "strike"], kind="stable").reset_index(drop=True)
