"""DXLink, Tastytrade's stream, on loopback: greeks, quotes, underlyings and daily candles of a Snapshot."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from tests.loopback.book import Contract, MarketBook
from tests.loopback.faults import Handler

Event = dict[str, Any]

LONGEST = 1 << 16
"""Bytes of a message above which the server hangs up."""
AT_ONCE = 100
"""Events in one message."""
BEGIN, END, REMOVE = 0x4, 0x8, 0x2
_DAY_MS = 86_400_000
TOO_LONG = 1009
_BAR = ("open", "high", "low", "close", "volume")


def stream(book: MarketBook, token: str, silent: bool = False) -> Handler:
    """The websocket of the stream. `silent` opens every channel and never sends an event."""

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        talk = _Talk(book, token, silent, socket)
        async for message in socket:
            if not await talk.hear(message):
                break
        await socket.close(code=talk.code)
        return socket

    return answer


class _Talk:
    """One connection."""

    def __init__(self, book: MarketBook, token: str, silent: bool, socket: web.WebSocketResponse) -> None:
        self.code = 1000
        self._feed = _Feed(book)
        self._token = token
        self._silent = silent
        self._socket = socket
        self._let_in = False
        self._fields: dict[int, dict[str, list[str]]] = {}

    async def hear(self, message: WSMessage) -> bool:
        """Answer one message; False ends the connection."""
        if message.type is not WSMsgType.TEXT:
            return False
        if len(message.data) > LONGEST:
            self.code = TOO_LONG
            return False
        said = json.loads(message.data)
        kind, channel = said["type"], said["channel"]
        if kind == "SETUP":
            await self._say(
                "SETUP", 0, keepaliveTimeout=60, acceptKeepaliveTimeout=60, version="1.0-loopback"
            )
            await self._say("AUTH_STATE", 0, state="UNAUTHORIZED")
        elif kind == "AUTH":
            return await self._authorize(said)
        elif kind == "KEEPALIVE":
            await self._say("KEEPALIVE", 0)
        elif not self._let_in:
            await self._say("ERROR", 0, error="UNAUTHORIZED", message="Authorize first")
            return False
        else:
            await self._channel(kind, channel, said)
        return True

    async def _authorize(self, said: Event) -> bool:
        self._let_in = said["token"] == self._token
        if self._let_in:
            await self._say("AUTH_STATE", 0, state="AUTHORIZED", userId="loopback")
        else:
            await self._say("ERROR", 0, error="UNAUTHORIZED", message="Token is invalid")
        return self._let_in

    async def _channel(self, kind: str, channel: int, said: Event) -> None:
        if kind == "CHANNEL_REQUEST":
            terms = {"contract": said["parameters"]["contract"], "subFormat": "LIST"}
            await self._say("CHANNEL_OPENED", channel, service="FEED", parameters=terms)
        elif kind == "CHANNEL_CANCEL":
            await self._say("CHANNEL_CLOSED", channel)
        elif kind == "FEED_SETUP":
            self._fields[channel] = said["acceptEventFields"]
            period = said["acceptAggregationPeriod"]
            terms = self._fields[channel]
            await self._say(
                "FEED_CONFIG", channel, aggregationPeriod=period, dataFormat="COMPACT", eventFields=terms
            )
        elif kind == "FEED_SUBSCRIPTION" and not self._silent:
            for wanted in said.get("add", ()):
                await self._send(channel, wanted)

    async def _send(self, channel: int, wanted: Event) -> None:
        kind = wanted["type"]
        fields = self._fields[channel][kind]
        events = list(self._feed.events(kind, wanted["symbol"], wanted.get("fromTime", 0)))
        for first in range(0, len(events), AT_ONCE):
            flat = [event[name] for event in events[first : first + AT_ONCE] for name in fields]
            await self._say("FEED_DATA", channel, data=[kind, flat])

    async def _say(self, kind: str, channel: int, **content: Any) -> None:
        await self._socket.send_json({"type": kind, "channel": channel, **content})


class _Feed:
    """Events of a Snapshot, in the stream's field names."""

    def __init__(self, book: MarketBook) -> None:
        self._book = book
        self._contracts: dict[str, tuple[str, Contract]] | None = None

    def events(self, kind: str, symbol: str, since_ms: int) -> Iterator[Event]:
        """What the stream sends for a subscription; nothing for symbols it does not know."""
        if kind == "Candle":
            yield from self._candles(symbol, since_ms)
        elif kind == "Underlying":
            yield from self._underlying(symbol)
        elif kind in ("Greeks", "Quote"):
            found = self._contract(symbol)
            if found is not None:
                name, contract = found
                yield from self._greeks(name, contract) if kind == "Greeks" else self._quote(contract)
            elif kind == "Quote" and _ours(symbol) in self._book.rows:
                spot = self._book.value(_ours(symbol), "spot")
                yield _quote_event(symbol, spot, spot, self._at(_ours(symbol)))

    def _contract(self, symbol: str) -> tuple[str, Contract] | None:
        if self._contracts is None:
            self._contracts = {
                contract.streamed: (name, contract)
                for name in self._book.rows
                for contract in self._book.contracts(name)
            }
        return self._contracts.get(symbol)

    def _at(self, name: str) -> int:
        return round(self._book.traded(name).timestamp() * 1000)

    def _candles(self, symbol: str, since_ms: int) -> Iterator[Event]:
        name = symbol.partition("{")[0]
        # The server writes the attributes its own way: a period of one day is plain `d`.
        shown = symbol.replace("{=1d", "{=d")
        days = [
            (at, iv)
            for day, iv in (self._book.iv_series(_ours(name)) if _ours(name) in self._book.rows else ())
            if (at := _midnight(day)) >= since_ms
        ]
        if not days:
            yield _candle(shown, since_ms - since_ms % _DAY_MS, math.nan, BEGIN | END | REMOVE)
        bars = self._book.bars[_ours(name)].set_index("date") if days else None
        for place, (at, iv) in enumerate(reversed(days)):
            flags = BEGIN * (place == 0) | END * (place == len(days) - 1)
            event = _candle(shown, at, iv, flags)
            day = datetime.fromtimestamp(at / 1000, tz=UTC).replace(tzinfo=None)
            if bars is not None and day in bars.index:
                bar: Any = bars.loc[day]
                event |= {
                    name: _number(float(bar[name])) for name in ("open", "high", "low", "close", "volume")
                }
            yield event

    def _underlying(self, symbol: str) -> Iterator[Event]:
        name = _ours(symbol)
        if name not in self._book.rows:
            return
        volumes = {
            right: sum(
                int(contract.quote["volume"])
                for contract in self._book.contracts(name)
                if contract.right == right and not math.isnan(contract.quote["volume"])
            )
            for right in "CP"
        }
        iv30 = _number(self._book.iv30(name))
        yield _event(symbol, self._at(name)) | {
            "volatility": iv30,
            "frontVolatility": iv30,
            "backVolatility": iv30,
            "callVolume": volumes["C"],
            "putVolume": volumes["P"],
            "optionVolume": volumes["C"] + volumes["P"],
            "putCallRatio": _number(volumes["P"] / volumes["C"] if volumes["C"] else math.nan),
        }

    def _quote(self, contract: Contract) -> Iterator[Event]:
        at = round(self._book.snapshot.asof.timestamp() * 1000)
        yield _quote_event(contract.streamed, contract.quote["bid"], contract.quote["ask"], at)

    def _greeks(self, name: str, contract: Contract) -> Iterator[Event]:
        price = (contract.quote["bid"] + contract.quote["ask"]) / 2
        numbers = _black(self._book, name, contract, price)
        if numbers is not None:
            yield _event(contract.streamed, self._at(name)) | {"price": price, **numbers}


def _black(book: MarketBook, name: str, contract: Contract, price: float) -> dict[str, float] | None:
    """Volatility and greeks by vollib, None where the price allows none."""
    from py_lets_be_rational.exceptions import BelowIntrinsicException
    from vollib.black_scholes.greeks import analytical
    from vollib.black_scholes.implied_volatility import implied_volatility

    spot, right = book.value(name, "spot"), contract.right.lower()
    years = ((contract.expiration - book.snapshot.session).days + 0.01) / 365.0
    rate = book.snapshot.rate or 0.0
    if math.isnan(price) or math.isnan(spot) or years <= 0:
        return None
    try:
        sigma = implied_volatility(price, spot, contract.strike, years, rate, right)
    except BelowIntrinsicException:
        return None
    names = ("delta", "gamma", "theta", "rho", "vega")
    greeks = {
        greek: float(getattr(analytical, greek)(right, spot, contract.strike, years, rate, sigma))
        for greek in names
    }
    return {"volatility": float(sigma), **greeks}


def _event(symbol: str, at: int, flags: int = 0) -> Event:
    return {
        "eventSymbol": symbol,
        "eventTime": 0,
        "eventFlags": flags,
        "index": (at // 1000) << 32,
        "time": at,
        "sequence": 0,
    }


def _candle(symbol: str, at: int, iv: float, flags: int) -> Event:
    blank = ("volume", "vwap", "bidVolume", "askVolume", "openInterest", "open", "high", "low", "close")
    return (
        _event(symbol, at, flags) | {"count": 1, "impVolatility": _number(iv)} | dict.fromkeys(blank, "NaN")
    )


def _quote_event(symbol: str, bid: float, ask: float, at: int) -> Event:
    return {
        "eventSymbol": symbol,
        "eventTime": 0,
        "sequence": 0,
        "timeNanoPart": 0,
        "bidTime": at,
        "bidExchangeCode": "Q",
        "askTime": at,
        "askExchangeCode": "Q",
        "bidPrice": _number(bid),
        "askPrice": _number(ask),
        "bidSize": 1.0,
        "askSize": 1.0,
    }


def _midnight(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else "NaN"


def _ours(theirs: str) -> str:
    return theirs.replace("/", ".")
