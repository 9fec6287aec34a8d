"""Cboe's delayed quotes on loopback, made from a Snapshot or of recorded files."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.market.sessions import NEW_YORK
from tests.loopback.book import Contract, MarketBook
from tests.loopback.faults import Handler
from tests.loopback.replies import Replies

HOME, FILES = "cdn.cboe.com", "cdn-api.cboe.com"
_OPTIONS = "/api/global/delayed_quotes/options/"
_EXTREMES = "/api/global/delayed_quotes/historical_data/"
_BLANK = (
    "bid_size ask_size iv delta gamma vega theta rho theo change open high low percent_change prev_day_close"
)
_DENIED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


def cboe(book: MarketBook) -> dict[str, Handler]:
    """Handlers of Cboe's two hosts: the old one redirects to the new one.

    Contracts are never priced here (`iv` and greeks 0), as for those Cboe's model has no answer to.
    """
    names = {_theirs(book, symbol): symbol for symbol in book.rows}
    replies = Replies()

    async def files(request: web.Request) -> web.StreamResponse:
        path = request.path
        for folder, made in ((_OPTIONS, _chain), (_EXTREMES, _extremes)):
            symbol = names.get(path.removeprefix(folder).removesuffix(".json"))
            if path.startswith(folder) and symbol is not None:
                if (fault := book.fault(symbol)) is not None:
                    return web.Response(status=502, text=fault)
                return replies.json(path, partial(made, book, symbol))
        return _denied()

    return {HOME: _moved, FILES: files}


def recorded_cboe(folder: Path) -> dict[str, Handler]:
    """Handlers that pass on the recorded chains of a folder (SYM_date_reassembled.json.gz), unchanged."""
    bodies = {
        f"{_OPTIONS}{path.name.partition('_')[0]}.json": gzip.decompress(path.read_bytes())
        for path in sorted(folder.glob("*_reassembled.json.gz"))
    }

    async def files(request: web.Request) -> web.StreamResponse:
        body = bodies.get(request.path)
        return _denied() if body is None else web.Response(body=body, content_type="application/json")

    return {HOME: _moved, FILES: files}


async def _moved(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": f"https://{FILES}{request.raw_path}"})


def _denied() -> web.Response:
    return web.Response(status=403, text=_DENIED, content_type="application/xml")


def _theirs(book: MarketBook, symbol: str) -> str:
    plain = symbol.removeprefix("^")
    return f"_{plain}" if book.rows[symbol]["asset_class"] == "index" else plain


def _chain(book: MarketBook, symbol: str) -> dict[str, Any]:
    spot, traded = book.value(symbol, "spot"), _eastern(book.traded(symbol))
    theirs = _theirs(book, symbol)
    data = {
        "options": [_option(contract, traded) for contract in book.contracts(symbol)],
        "symbol": theirs,
        "security_type": "index" if theirs.startswith("_") else "stock",
        "exchange_id": 5,
        "current_price": _number(spot),
        "price_change": 0.0,
        "price_change_percent": 0.0,
        "bid": _number(spot),
        "ask": _number(spot),
        "bid_size": 1,
        "ask_size": 1,
        **_day(book, symbol),
        "close": _number(spot),
        "iv30": _number(round(100 * book.iv30(symbol), 3)),
        "iv30_change": 0.0,
        "iv30_change_percent": 0.0,
        "seqno": 1,
        "last_trade_time": traded,
        "tick": "no_change",
    }
    return {"timestamp": _payload_time(book.snapshot.asof), "data": data, "symbol": theirs}


def _day(book: MarketBook, symbol: str) -> dict[str, float | None]:
    names = ("open", "high", "low", "volume")
    bars = book.bars.get(symbol)
    if bars is None or len(bars) < 2:
        return dict.fromkeys((*names, "prev_day_close"))
    day = {name: _number(bars[name].iloc[-1]) for name in names}
    return day | {"prev_day_close": _number(bars["close"].iloc[-2])}


def _option(contract: Contract, traded: str) -> dict[str, Any]:
    quote, last = contract.quote, contract.quote["last"]
    return {
        "option": contract.code,
        "bid": _number(quote["bid"]),
        "ask": _number(quote["ask"]),
        **dict.fromkeys(_BLANK.split(), 0.0),
        "open_interest": _number(quote["open_interest"]),
        "volume": _number(quote["volume"]),
        "tick": "no_change",
        # Of a contract that never traded there is neither; the price is a zero then.
        "last_trade_price": 0.0 if math.isnan(last) else last,
        "last_trade_time": None if math.isnan(last) else traded,
    }


def _extremes(book: MarketBook, symbol: str) -> dict[str, Any]:
    """Bounds of the year, in percent."""
    values = [100 * iv for _, iv in book.iv_series(symbol)]
    closes: list[float] = book.bars[symbol]["close"].iloc[-252:].tolist() if symbol in book.bars else []
    data: dict[str, Any] = {
        "symbol": _theirs(book, symbol),
        "annual_high": max(closes, default=None),
        "annual_low": min(closes, default=None),
    }
    for days in (30, 60, 90):
        data[f"iv{days}_annual_high"] = max(values, default=None)
        data[f"iv{days}_annual_low"] = min(values, default=None)
        data[f"hv{days}_annual_high"] = data[f"hv{days}_annual_low"] = _number(100 * book.hv(symbol, days))
    return {"timestamp": _payload_time(book.snapshot.asof), "data": data, "symbol": data["symbol"]}


def _payload_time(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _eastern(instant: datetime) -> str:
    return instant.astimezone(NEW_YORK).strftime("%Y-%m-%dT%H:%M:%S")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
