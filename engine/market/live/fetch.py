"""One question to one or several sources: from the cache, from a flight under way, or from the line."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from engine.market.live.access import Access
from engine.market.live.answers import (
    Asked,
    Chain,
    Contracts,
    Fact,
    Facts,
    History,
    IvHistory,
    KnowsIv,
    Source,
)
from engine.market.live.cache import Life
from engine.market.live.failures import OF_THE_SYMBOL, Failure, SourceError
from engine.market.live.splits import unadjusted_split

T = TypeVar("T")

_REMEMBERED = (Failure.UNKNOWN_SYMBOL, Failure.NO_OPTIONS, Failure.NOT_FOUND)
"""Refusals of a name worth a day's memory: asking again would cost a request a run for nothing."""
_REMEMBERED_SHORTLY = (Failure.EMPTY_CHAIN, Failure.NO_HISTORY, Failure.UNADJUSTED_SPLIT)
"""What may change with the next quotes: remembered as long as a chain."""
_STREAM = "stream"
"""Group of what a stream says of now; its silence about a name is remembered like a chain."""
_SILENCE = (*OF_THE_SYMBOL, Failure.TIMED_OUT)
_DELAYS = {"cboe": 16.0}
"""Minutes a source lags behind the market: its closing quotes are there that much after the close."""


@dataclass
class Fetcher:
    """Asks sources in the configured order; equal questions under way share one answer."""

    access: Access
    sources: Mapping[str, Source]
    _flights: dict[tuple[str, str], asyncio.Future[Any]] = field(default_factory=dict)

    async def chain(self, symbol: str, asked: Asked) -> Chain:
        """Quotes from the first source that has them. Raises the first source's SourceError.

        A chain kept for the screen serves as well where it has every contract held.
        """
        held = asked.held_of(symbol)

        async def quoted(source: Source) -> Chain:
            whole = self._screened(source.name, symbol, held) if held else None
            if whole is not None:
                return whole
            key = f"chain:{symbol}{_held_mark(held)}"
            return await self._kept(
                source.name, key, "chain", Chain.dump, Chain.load, lambda: source.chain(symbol, asked)
            )

        return await self._first_of(self.access.rules.order.chain, "chain", asked, quoted)

    def _screened(self, source: str, symbol: str, held: Contracts) -> Chain | None:
        """The chain kept for the screen, if it has all of `held`. Raises SourceError for a day's refusal."""
        try:
            return self._held(source, f"chain:{symbol}", Chain.load, lambda chain: chain.has(held))
        except SourceError as refused:
            if refused.failure in _REMEMBERED:
                raise
            # No expiry the screen has a use for; one that is held may be listed all the same.
            return None

    async def history(self, symbol: str, asked: Asked) -> History:
        """Daily bars from the first source that has them, free of unadjusted splits."""

        async def checked(source: Source) -> History:
            async def ask() -> History:
                found = await source.history(symbol, asked)
                split = unadjusted_split(found)
                if split is not None:
                    raise SourceError(source.name, Failure.UNADJUSTED_SPLIT, detail=str(split))
                return found

            return await self._kept(
                source.name, f"history:{symbol}", "history", History.dump, History.load, ask
            )

        return await self._first_of(self.access.rules.order.history, "history", asked, checked)

    async def history_anew(self, held: History, asked: Asked) -> History:
        """The bars of a name once more, past a stored answer that has turned out to be overtaken."""
        self.access.cache.forget(held.source, f"history:{held.symbol}")
        return await self.history(held.symbol, asked)

    async def iv_history(self, symbols: Sequence[str], asked: Asked) -> dict[str, IvHistory | SourceError]:
        """A year of a source's own daily implied volatility, for the names it has."""
        source = next((each for each in self.sources.values() if isinstance(each, KnowsIv)), None)
        if source is None:
            return {}
        return await self._many(
            source.name,
            "iv",
            "history",
            symbols,
            lambda missing: source.iv_history(missing, asked),
            _dump_series,
            _load_series,
        )

    async def streamed_iv(self, symbols: Sequence[str], company: str) -> dict[str, Fact | SourceError]:
        """A source's 30-day implied volatility of now.

        Asked in the company of a name that surely trades: of one it does not know a stream says nothing,
        and nothing at all would be taken for a broken line.
        """
        source = next((each for each in self.sources.values() if isinstance(each, KnowsIv)), None)
        if source is None or not symbols:
            return {}

        async def ask(missing: list[str]) -> dict[str, Fact | SourceError]:
            answers = await source.underlying_iv([*missing, company])
            return {symbol: answer for symbol, answer in answers.items() if symbol in missing}

        return await self._many(source.name, _STREAM, "chain", symbols, ask, _dump_fact, _load_fact)

    async def closes(self, symbols: Sequence[str], asked: Asked) -> dict[str, History | SourceError]:
        """Closes for the first look, of the first source in the order that serves them in bulk."""
        source = self._serving("closes", self.access.rules.order.history)
        if source is None:
            return {}

        async def ask(missing: list[str]) -> dict[str, History | SourceError]:
            return await source.closes(missing, asked)

        return await self._many(source.name, "closes", "history", symbols, ask, History.dump, History.load)

    async def metrics(self, symbols: Sequence[str], asked: Asked) -> dict[str, list[Facts]]:
        """What every configured source knows ready-made, a list a name in no order."""
        found: dict[str, list[Facts]] = {symbol: [] for symbol in symbols}
        for source in self.sources.values():
            if "metrics" not in source.serves:
                continue

            async def ask(missing: list[str], source: Source = source) -> dict[str, Facts | SourceError]:
                return await source.metrics(missing, asked)

            answers = await self._many(
                source.name, "metrics", "chain", symbols, ask, _dump_facts, _load_facts
            )
            for symbol, answer in answers.items():
                if isinstance(answer, SourceError):
                    asked.replaced[f"metrics: {answer.reason}"] += 1
                else:
                    found[symbol].append(answer)
        return found

    def _serving(self, group: str, order: Sequence[str]) -> Source | None:
        served = (self.sources[name] for name in order if name in self.sources)
        return next((source for source in served if group in source.serves), None)

    async def _first_of(
        self, order: Sequence[str], group: str, asked: Asked, ask: Callable[[Source], Awaitable[T]]
    ) -> T:
        errors: list[SourceError] = []
        for name in order:
            source = self.sources.get(name)
            if source is None or group not in source.serves:
                continue
            try:
                found = await ask(source)
            except SourceError as error:
                errors.append(error)
            else:
                if errors:
                    asked.replaced[f"{group} from {name}, as {errors[0].reason}"] += 1
                return found
        if not errors:
            raise SourceError("variance", Failure.NOT_CONFIGURED, detail=f"no source serves {group}")
        raise errors[0]

    async def _kept(
        self,
        source: str,
        key: str,
        life: Life,
        dump: Callable[[T], str],
        load: Callable[[str], T],
        ask: Callable[[], Awaitable[T]],
    ) -> T:
        held = self._held(source, key, load)
        if held is not None:
            return held
        return await self.once((source, key), lambda: self._stored(source, key, life, dump, ask))

    async def once(self, key: tuple[str, str], start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `start` brings, begun once for all who ask for the same key meanwhile.

        Who stops waiting does not stop the others: it goes on behind them.
        """
        if key not in self._flights:
            flight = asyncio.ensure_future(start())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        result: T = await asyncio.shield(self._flights[key])
        return result

    def _landed(self, key: tuple[str, str], flight: asyncio.Future[Any]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # looked at, so that an abandoned one leaves no warning behind

    async def _stored(
        self, source: str, key: str, life: Life, dump: Callable[[T], str], ask: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            found = await ask()
        except SourceError as error:
            self._remember(source, key, error)
            raise
        self._put(source, key, dump(found), life)
        return found

    def _held(
        self, source: str, key: str, load: Callable[[str], T], fits: Callable[[T], bool] | None = None
    ) -> T | None:
        """A stored answer, None for one that does not fit. Raises SourceError for a stored refusal."""
        now = self.access.clock.now()
        refusal = self.access.cache.get(source, f"no {key}", now)
        if refusal is not None:
            raise SourceError(source, Failure(refusal[0]))
        hit = self.access.cache.get(source, key, now)
        if hit is None:
            return None
        try:
            found = load(hit[0])
        except (ValueError, KeyError, TypeError):
            # Written by another version, or damaged: asked for anew.
            self.access.cache.forget(source, key)
            return None
        if fits is not None and not fits(found):
            return None
        if source in self.access.traffic:
            self.access.traffic[source].counts["cached"] += 1
        return found

    def _remember(self, source: str, key: str, error: SourceError) -> None:
        if error.failure in _REMEMBERED:
            self._put(source, f"no {key}", error.failure.value, "day")
        elif (
            error.failure in _REMEMBERED_SHORTLY
            or (key.startswith("iv:") and error.failure in OF_THE_SYMBOL)
            or (key.startswith(f"{_STREAM}:") and error.failure in _SILENCE)
        ):
            self._put(source, f"no {key}", error.failure.value, "chain")

    def _put(self, source: str, key: str, text: str, life: Life) -> None:
        self.access.cache.put(source, key, text, life, self.access.clock.now(), _DELAYS.get(source, 0.0))

    async def _many(
        self,
        source: str,
        group: str,
        life: Life,
        symbols: Sequence[str],
        ask: Callable[[list[str]], Awaitable[dict[str, T | SourceError]]],
        dump: Callable[[T], str],
        load: Callable[[str], T],
    ) -> dict[str, T | SourceError]:
        found: dict[str, T | SourceError] = {}
        for symbol in symbols:
            try:
                held = self._held(source, f"{group}:{symbol}", load)
            except SourceError as error:
                found[symbol] = error
                continue
            if held is not None:
                found[symbol] = held
        missing = [symbol for symbol in symbols if symbol not in found]
        if not missing:
            return found

        async def asked() -> dict[str, T | SourceError]:
            try:
                answers = await ask(missing)
            except SourceError as error:
                answers = dict.fromkeys(missing, error)
            for symbol, answer in answers.items():
                if isinstance(answer, SourceError):
                    self._remember(source, f"{group}:{symbol}", answer)
                else:
                    self._put(source, f"{group}:{symbol}", dump(answer), life)
            return answers

        return found | await self.once((source, f"{group}:{','.join(missing)}"), asked)


def _held_mark(held: Contracts) -> str:
    """Tells a chain with contracts somebody holds from one without; says nothing of them."""
    if not held:
        return ""
    text = ";".join(f"{day.isoformat()} {strike:g}" for day, strike in sorted(held))
    return "+" + hashlib.sha256(text.encode()).hexdigest()[:16]


def _dump_series(series: IvHistory) -> str:
    return json.dumps([[day.isoformat(), iv] for day, iv in series])


def _load_series(text: str) -> IvHistory:
    return [(date.fromisoformat(day), float(iv)) for day, iv in json.loads(text)]


def _dump_fact(fact: Fact) -> str:
    return json.dumps(fact.shape())


def _load_fact(text: str) -> Fact:
    return Fact.of(json.loads(text))


def _dump_facts(facts: Facts) -> str:
    return json.dumps({name: fact.shape() for name, fact in facts.items()})


def _load_facts(text: str) -> Facts:
    return {name: Fact.of(shape) for name, shape in json.loads(text).items()}
