"""Cboe's delayed option chains: one request a name, and only where the operator allowed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Chain, Fact, Facts, History
from engine.market.live.expiries import wanted_expiries
from engine.market.live.failures import OF_THE_SYMBOL, Failure, SourceError
from engine.market.live.indices import AFTERNOON_ROOTS, is_index
from engine.market.live.rules import SourceName
from engine.market.live.web import Reply, Web
from engine.market.sessions import NEW_YORK, close_of, sessions_between

CBOE: SourceName = "cboe"
METHOD = "delayed 15 min"
_DELAY = timedelta(minutes=16)
"""15 minutes and 27 seconds as measured, rounded up."""
_LAST_TRADES = timedelta(minutes=1)
"""A busy name's last regular trade comes that shortly before the close or earlier."""
_HOME = "https://cdn.cboe.com"
_PATH = "/api/global/delayed_quotes/options/{}.json"
_UNLISTED = frozenset({403})
"""How Cboe refuses a symbol it does not list."""
_NUMBERS = {
    "bid": "bid",
    "ask": "ask",
    "last": "last_trade_price",
    "volume": "volume",
    "open_interest": "open_interest",
}

Rows = Sequence[Mapping[str, Any]]


class CboeSource:
    """Source over Cboe's public chain files. Undocumented, for personal use; see the note on its terms.

    A chain costs one request and brings every expiry; those kept are the same as of other sources. Every
    method raises NOT_CONFIGURED while the operator has not allowed the source.
    """

    name = "cboe"
    serves = frozenset({"chain"})

    def __init__(self, access: Access, web: Web) -> None:
        self._access = access
        self._web = web
        self._base = _HOME

    async def chain(self, symbol: str, asked: Asked) -> Chain:
        """Quotes of the expiries the run needs, 15 minutes old while the market is open.

        Bids and asks of 0 stay as delivered. `traded` is the newest trade of the name or a contract, never
        the stamp of the file. Facts: spot (the session's close once that is over) and iv30_provider
        (fraction). Raises SourceError: UNKNOWN_SYMBOL, EMPTY_CHAIN, MISSING_FIELDS, UNREADABLE, or what
        the line did.
        """
        self._allowed()
        path = _PATH.format(cboe_symbol(symbol))

        def read(reply: Reply) -> tuple[Chain, str]:
            return _chain_of(reply.json()["data"], symbol, asked, self._access.clock.now()), reply.url

        try:
            chain, url = await self._web.get(CBOE, self._base + path, read, unlisted=_UNLISTED)
        except SourceError as error:
            if error.failure not in OF_THE_SYMBOL:
                self._base = _HOME
            raise
        self._remember(url, path)
        return chain

    async def history(self, symbol: str, asked: Asked) -> History:
        """Not served: Cboe's daily bars hold bad rows, and whether they are adjusted is unknown."""
        self._unserved("history")

    async def closes(self, symbols: list[str], asked: Asked) -> dict[str, History | SourceError]:
        """Not served."""
        self._unserved("closes")

    async def metrics(self, symbols: list[str], asked: Asked) -> dict[str, Facts | SourceError]:
        """Not served: an IV rank would cost a second request a name."""
        self._unserved("metrics")

    async def aclose(self) -> None:
        """Nothing to let go of: the session is the Web's."""

    def _allowed(self) -> None:
        if not self._access.cboe_allowed:
            raise SourceError(CBOE, Failure.NOT_CONFIGURED, detail="not allowed by the operator")

    def _unserved(self, group: str) -> NoReturn:
        self._allowed()
        raise SourceError(CBOE, Failure.NOT_CONFIGURED, detail=f"serves no {group}")

    def _remember(self, url: str, path: str) -> None:
        """Go straight where Cboe redirects to: a redirect a name would double the requests."""
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.path == path:
            self._base = f"https://{parts.netloc}"


def cboe_symbol(symbol: str) -> str:
    """SPX or ^SPX as _SPX, BRK.B as it is. Raises SourceError UNKNOWN_SYMBOL for a future."""
    if symbol.startswith("/") or "=" in symbol:
        raise SourceError(CBOE, Failure.UNKNOWN_SYMBOL, detail="no futures at Cboe")
    plain = symbol.removeprefix("^")
    return f"_{plain}" if is_index(symbol) else plain


def _chain_of(data: Mapping[str, Any], symbol: str, asked: Asked, now: datetime) -> Chain:
    rows: Rows = data["options"]
    parsed = [_occ(row["option"]) for row in rows]
    root_of = _roots(parsed, symbol)
    wanted = {day: root_of[day] for day in wanted_expiries(list(root_of), asked, symbol)}
    kept = [place for place, (root, day, _, _) in enumerate(parsed) if wanted.get(day) == root]
    if not kept:
        raise SourceError(CBOE, Failure.EMPTY_CHAIN)
    own = set(root_of.values())
    times = [row["last_trade_time"] for row, each in zip(rows, parsed, strict=True) if each[0] in own]
    underlying = _instants([data["last_trade_time"]])
    traded = max([*underlying, *_instants(times)], default=None)
    return Chain(
        symbol=symbol,
        source=CBOE,
        quotes=_quotes([rows[place] for place in kept], [parsed[place] for place in kept]),
        traded=traded,
        fetched=now,
        method=f"{METHOD}, {len(wanted)} of {len(root_of)} expiries",
        facts=_spot(data, underlying, now) | _iv30(data, traded),
    )


def _occ(contract: str) -> tuple[str, date, str, float]:
    """Root, expiry, right and strike of `SPY261120P00550000`. Raises ValueError for anything else."""
    root, tail = contract[:-15].rstrip(), contract[-15:]
    if not root or tail[6] not in "CP":
        raise ValueError("no OCC symbol")
    day = date(2000 + int(tail[:2]), int(tail[2:4]), int(tail[4:6]))
    return root, day, tail[6], int(tail[7:]) / 1000.0


def _roots(parsed: Iterable[tuple[str, date, str, float]], symbol: str) -> dict[date, str]:
    """The root to take of each expiry; those of an adjusted deliverable (MOD1) are not among them."""
    plain = symbol.removeprefix("^").replace(".", "")
    second = AFTERNOON_ROOTS.get(plain)
    found: dict[date, str] = {}
    for root, day, _, _ in parsed:
        if root == second:
            found[day] = root
        elif root == plain:
            found.setdefault(day, root)
    return found


def _quotes(rows: Rows, parsed: Sequence[tuple[str, date, str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame({ours: _floats(row[theirs] for row in rows) for ours, theirs in _NUMBERS.items()})
    # Cboe writes 0 for a contract that never traded.
    frame["last"] = frame["last"].where(frame["last"] > 0)
    frame["strike"] = np.array([strike for _, _, _, strike in parsed], dtype=np.float64)
    frame["expiration"] = np.array([day for _, day, _, _ in parsed], dtype="datetime64[s]")
    frame["right"] = [right for _, _, right, _ in parsed]
    frame["contract"] = [str(row["option"]) for row in rows]
    return frame


def _floats(values: Iterable[Any]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _instants(texts: Iterable[str | None]) -> list[datetime]:
    """Naive New York times as instants; contracts that never traded have none."""
    return [datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC) for text in texts if text]


def _spot(data: Mapping[str, Any], underlying: Sequence[datetime], now: datetime) -> dict[str, Fact]:
    """The regular session's price once that session is over: `current_price` is then one after hours.

    The trade time stays that of the last regular trade; it tells a file of the close from one of midday.
    """
    traded = underlying[0] if underlying else None
    close, current = _price(data.get("close")), _price(data.get("current_price"))
    closing = _close_on(traded) if traded is not None else None
    if traded is None or closing is None or now < closing + _DELAY or close is None:
        return {"spot": Fact(current, CBOE, f"last trade, {METHOD}", traded)} if current else {}
    settled = traded >= closing - _LAST_TRADES
    return {"spot": Fact(close, CBOE, f"{'close' if settled else 'last regular price'}, {METHOD}", traded)}


def _close_on(traded: datetime) -> datetime | None:
    """The close of the trade's own day, None where that is no session."""
    day = traded.astimezone(NEW_YORK).date()
    return close_of(day) if len(sessions_between(day, day)) else None


def _iv30(data: Mapping[str, Any], traded: datetime | None) -> dict[str, Fact]:
    percent = _price(data.get("iv30"))
    return {"iv30_provider": Fact(percent / 100.0, CBOE, METHOD, traded)} if percent is not None else {}


def _price(value: Any) -> float | None:
    """A positive number, or None: 0 stands for what Cboe does not have."""
    number = float(value) if value is not None else 0.0
    return number if np.isfinite(number) and number > 0 else None
