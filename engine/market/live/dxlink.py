"""DXLink, Tastytrade's stream: a year of daily implied volatility, IV of underlyings, greeks of options."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import numpy as np

from engine.market.live.answers import Asked, Fact, utc
from engine.market.live.failures import Failure, SourceError
from engine.market.live.tastytrade_session import TASTYTRADE, TastytradeLine, mapped
from engine.market.live.traffic import persistent
from engine.market.sessions import close_of, sessions_between

if TYPE_CHECKING:
    from tastytrade import DXLinkStreamer
    from tastytrade.dxfeed import Candle, Greeks, Underlying

T = TypeVar("T")
Series = list[tuple[date, float]]

AT_ONCE = 100
"""Symbols one connection subscribes to; far more than some hundred make the server hang up."""
YEAR_DAYS = 371
"""Calendar days of candles asked for: a year, and some for holidays at its end."""
_QUIET_SHARE = 0.15
"""Share of the timeout without any event after which no more is expected."""


@dataclass(frozen=True, slots=True)
class OptionGreeks:
    """What the stream says of one option: price in currency, volatility as a fraction, greeks a share."""

    price: float
    volatility: float
    delta: float
    gamma: float
    theta: float
    rho: float
    vega: float
    at: datetime


@dataclass
class _Catch:
    """Events of one question so far, by symbol; `complete` are those that nothing more is expected of."""

    values: dict[str, dict[int, Any]] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)


class DxLink:
    """Short subscriptions: connect, take what comes until all is there or it falls quiet, and leave."""

    def __init__(self, line: TastytradeLine) -> None:
        self._line = line

    async def iv_history(self, symbols: Sequence[str], asked: Asked) -> dict[str, Series | SourceError]:
        """A year of (session, implied volatility as a fraction) by streamer symbol, ascending.

        Taken from the daily candles. Values that are missing, NaN or 0, days without trading and a session
        that has not closed at `asked.now` are left out. A symbol nothing came of has a SourceError:
        NO_HISTORY when the stream said that was all, TIMED_OUT when it fell silent, or what the line did.
        """
        start = datetime.combine(asked.session, datetime.min.time(), UTC) - timedelta(days=YEAR_DAYS)

        async def subscribe(stream: DXLinkStreamer, part: Sequence[str]) -> None:
            await stream.subscribe_candle(part, "1d", start)

        caught = await self._many("Candle", symbols, subscribe, _take_candle, Failure.NO_HISTORY)
        closed = _closed_sessions(start.date(), asked)
        return {
            symbol: answer if isinstance(answer, SourceError) else _series(answer, closed)
            for symbol, answer in caught.items()
        }

    async def underlying_iv(self, symbols: Sequence[str]) -> dict[str, Fact | SourceError]:
        """30-day implied volatility (fraction, VIX method) by streamer symbol, or why it is missing."""
        caught = await self._many("Underlying", symbols, _subscriber("Underlying"), _take_underlying)
        return {symbol: _only(answer) for symbol, answer in caught.items()}

    async def greeks(self, streamer_symbols: Sequence[str]) -> dict[str, OptionGreeks | SourceError]:
        """Greeks by streamer symbol (`.AAPL261218P200`), or why they are missing."""
        caught = await self._many("Greeks", streamer_symbols, _subscriber("Greeks"), _take_greeks)
        return {symbol: _only(answer) for symbol, answer in caught.items()}

    async def _many(
        self,
        kind: str,
        symbols: Sequence[str],
        subscribe: Callable[[DXLinkStreamer, Sequence[str]], Awaitable[None]],
        take: Callable[[Any, _Catch], None],
        nothing: Failure = Failure.MISSING_FIELDS,
    ) -> dict[str, dict[int, Any] | SourceError]:
        names = list(dict.fromkeys(symbols))
        parts = [names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE)]
        found: dict[str, dict[int, Any] | SourceError] = {}

        async def one(part: Sequence[str]) -> None:
            caught = _Catch()
            error = SourceError(TASTYTRADE, Failure.TIMED_OUT, detail="the stream fell silent")
            try:
                await persistent(
                    self._line.traffic, lambda: self._stream(kind, part, subscribe, take, caught)
                )
            except SourceError as failed:
                error = failed
            lacking = SourceError(TASTYTRADE, nothing)
            for symbol in part:
                found[symbol] = caught.values.get(symbol) or (lacking if symbol in caught.complete else error)

        await asyncio.gather(*map(one, parts))
        return found

    async def _stream(
        self,
        kind: str,
        part: Sequence[str],
        subscribe: Callable[[DXLinkStreamer, Sequence[str]], Awaitable[None]],
        take: Callable[[Any, _Catch], None],
        caught: _Catch,
    ) -> None:
        """Connect and fill `caught`; a second try asks for what the first one did not complete.

        Raises SourceError TIMED_OUT when nothing at all came in time; some is an answer.
        """
        session = await self._line.session()
        from tastytrade import DXLinkStreamer, dxfeed

        wanted = [symbol for symbol in part if symbol not in caught.complete]
        seconds = self._line.traffic.limits.timeout_seconds
        with mapped(), anyio.move_on_after(seconds):
            async with _closing(DXLinkStreamer(session)) as stream:
                await subscribe(stream, wanted)
                await _drain(stream, getattr(dxfeed, kind), take, set(wanted), caught, seconds)
        if not caught.values and not caught.complete:
            raise SourceError(TASTYTRADE, Failure.TIMED_OUT, detail="nothing came from the stream")


@asynccontextmanager
async def _closing(stream: DXLinkStreamer) -> AsyncIterator[DXLinkStreamer]:
    """The stream connected; its queues closed afterwards, which the SDK leaves to the interpreter."""
    try:
        async with stream:
            yield stream
    finally:
        for sender in stream._send.values():
            sender.close()
        for receiver in stream._recv.values():
            receiver.close()


async def _drain(
    stream: DXLinkStreamer,
    event_class: Any,
    take: Callable[[Any, _Catch], None],
    wanted: set[str],
    caught: _Catch,
    seconds: float,
) -> None:
    wait = seconds
    while not wanted <= caught.complete:
        event = stream.get_event_nowait(event_class)
        if event is None:
            with anyio.move_on_after(wait):
                event = await stream.get_event(event_class)
        if event is None:
            return
        wait = seconds * _QUIET_SHARE
        take(event, caught)


def _subscriber(kind: str) -> Callable[[DXLinkStreamer, Sequence[str]], Awaitable[None]]:
    async def subscribe(stream: DXLinkStreamer, part: Sequence[str]) -> None:
        from tastytrade import dxfeed

        await stream.subscribe(getattr(dxfeed, kind), part)

    return subscribe


def _take_candle(candle: Candle, caught: _Catch) -> None:
    # The server writes the attributes behind the name in its own way: `AAPL{=d,tho=true}`.
    symbol = candle.event_symbol.partition("{")[0]
    value = candle.imp_volatility
    usable = value is not None and value.is_finite() and value > 0
    days = caught.values.setdefault(symbol, {})
    if candle.remove or not usable or value is None:
        days.pop(candle.time, None)
    else:
        days[candle.time] = float(value)
    if candle.snapshot_end or candle.snapshot_snip:
        caught.complete.add(symbol)


def _take_underlying(event: Underlying, caught: _Catch) -> None:
    caught.complete.add(event.event_symbol)
    if event.volatility.is_finite() and event.volatility > 0:
        at = utc(event.time / 1000.0) if event.time else None
        fact = Fact(float(event.volatility), TASTYTRADE, "stream, VIX method", at)
        caught.values[event.event_symbol] = {0: fact}


def _take_greeks(event: Greeks, caught: _Catch) -> None:
    caught.complete.add(event.event_symbol)
    names = ("price", "volatility", "delta", "gamma", "theta", "rho", "vega")
    numbers = {name: float(getattr(event, name)) for name in names}
    caught.values[event.event_symbol] = {0: OptionGreeks(**numbers, at=utc(event.time / 1000.0))}


def _only(answer: dict[int, T] | SourceError) -> T | SourceError:
    return answer if isinstance(answer, SourceError) else answer[0]


def _closed_sessions(first: date, asked: Asked) -> set[date]:
    days = sessions_between(first, asked.session)
    return {day for day in days.astype(object) if day < asked.session or close_of(day) <= asked.now}


def _series(candles: dict[int, float], closed: set[date]) -> Series | SourceError:
    # A daily candle begins at midnight UTC or in New York's morning: the same day in UTC.
    days = {utc(millis / 1000.0).date(): value for millis, value in sorted(candles.items())}
    series = [(day, value) for day, value in days.items() if day in closed and np.isfinite(value)]
    return series or SourceError(TASTYTRADE, Failure.NO_HISTORY)
