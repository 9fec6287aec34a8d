"""One market out of several sources: who is asked for what, in which order, and until when."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import numpy as np

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Fact, History, IvHistory, Source
from engine.market.live.assemble import Gathered, snapshot_of
from engine.market.live.calendar import earnings_dates
from engine.market.live.failures import OF_THE_SYMBOL, Failure, SourceError
from engine.market.live.fetch import Fetcher
from engine.market.live.indices import is_index
from engine.market.live.merge import Found
from engine.market.live.rates import Rate, risk_free_rate
from engine.market.live.rules import Proxy
from engine.market.live.splits import JUMP
from engine.market.live.stages import Loosest, ruled_out
from engine.market.live.web import Web
from engine.market.sessions import close_of, session_of
from engine.market.snapshot import Held, Progress, Snapshot
from engine.panel import Kind
from engine.rules import Listing, Rules

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Names under way at a time; the sources' own limits are narrower."""
OF_A_BOOK = 3
"""The same for a person's book: sources serve in turn, so a run beside two such keeps most of their pace."""
_SETTLED = timedelta(minutes=15)
"""Index and fund options trade this long after the close; later nothing moves."""
_FEW = 5
"""Up to here a request for the calendar of every coming day costs more than it tells."""
_NO_SUCH_NAME = (Failure.UNKNOWN_SYMBOL, Failure.NOT_FOUND)


@dataclass
class Gatherer:
    """Asks the sources for a market and merges what they say. Lives on one event loop."""

    access: Access
    sources: Mapping[str, Source]
    web: Web
    rules: Rules
    proxies: Mapping[str, Proxy]
    every_profile: bool = True
    """Whether the market will be judged under other profiles and lenses too than that of the rules."""
    always: frozenset[str] = frozenset()
    """Names whose chains are asked for whatever the first look says, as legs of pairs are."""
    fetcher: Fetcher = field(init=False)

    def __post_init__(self) -> None:
        self.fetcher = Fetcher(self.access, self.sources)

    async def snapshot(
        self, listings: Sequence[Listing], progress: Progress | None = None, held: Held | None = None
    ) -> Snapshot:
        """The market of the names, as complete as the sources and the deadline allow.

        With `held` it is that of a book: contracts still alive are asked for as well, no name is ruled out by
        a first look, and a run goes first. A name that could not be had stays in it with the reason; nothing
        here raises for a source.
        """
        run = _Run(self, listings, progress, held)
        if len(listings) > _FEW:
            # Once a run is often enough to keep the file from growing with what nobody will read.
            await asyncio.to_thread(self.access.cache.drop_old, self.access.clock.now())
        return await run.snapshot()

    async def aclose(self) -> None:
        """Let go of every connection."""
        for source in self.sources.values():
            await source.aclose()
        await self.web.aclose()


class _Run:
    """One gathering: its moment, its deadline, what was found so far."""

    def __init__(
        self,
        gatherer: Gatherer,
        listings: Sequence[Listing],
        progress: Progress | None,
        held: Held | None,
    ) -> None:
        self._access = gatherer.access
        self._gatherer = gatherer
        self._fetcher = gatherer.fetcher
        self._run_rules = gatherer.access.rules.run
        self._founds = {listing.symbol: Found(listing) for listing in listings}
        self._progress = progress
        self._until = self._access.clock.ticks() + 60.0 * self._run_rules.deadline_minutes
        self._done = 0
        self._notes: list[str] = []
        self._benchmark: History | None = None
        self._of_a_book = held is not None
        asked = moment(self._access.clock.now(), gatherer.rules)
        self.asked = replace(asked, held=_alive(held or {}, asked.session))
        self.kind: Kind = "close" if self.asked.now >= close_of(self.asked.session) else "open"

    async def snapshot(self) -> Snapshot:
        if self._progress is not None:
            self._progress(0, len(self._founds))
        whole = len(self._founds) > _FEW
        rate, calendar, series = await asyncio.gather(
            self._fetcher.once(("rate", str(self.asked.session)), self._rate),
            self._calendar() if whole else _nothing(),
            self._names(),
        )
        for symbol, fact in calendar.items():
            if symbol in self._founds:
                self._founds[symbol].earnings = fact
        if rate.note:
            self._notes.append(rate.note)
        self._notes += _replacements(self.asked.replaced)
        gathered = Gathered(
            asked=self.asked,
            kind=self.kind,
            founds=list(self._founds.values()),
            benchmark=self._benchmark,
            rate=rate.value,
            iv_series=series,
            notes=tuple(dict.fromkeys(self._notes)),
            next_try=self._next_try(),
        )
        return await asyncio.to_thread(snapshot_of, gathered, self._access.rules)

    async def _rate(self) -> Rate:
        constant = self._gatherer.rules.volatility.risk_free_rate_percent / 100.0
        return await risk_free_rate(self._access, self._gatherer.web, self.asked.session, constant)

    async def _calendar(self) -> Mapping[str, Fact]:
        days = self._run_rules.earnings_days_ahead
        found, errors = await self._fetcher.once(
            ("calendar", str(self.asked.session)),
            lambda: earnings_dates(self._access, self._gatherer.web, self.asked.session, days),
        )
        if errors:
            self._notes.append(f"Earnings calendar incomplete: {errors[0]}.")
        return found

    async def _names(self) -> dict[str, IvHistory]:
        own = [symbol for symbol in self._founds if symbol not in self._gatherer.proxies]
        metrics = await self._fetcher.metrics(own, self.asked)
        for symbol, facts in metrics.items():
            self._founds[symbol].metrics = facts
        # Whether a name would pass the gates is no question of a book.
        many = len(own) > self._run_rules.stage_from_names and not self._of_a_book
        open_names = await self._first_look(own) if many else own
        borrowers = [symbol for symbol in self._founds if symbol in self._gatherer.proxies]
        await self._each([*open_names, *borrowers])
        await self._each(self._lenders())
        await self._of_benchmark()
        return await self._series(open_names)

    async def _first_look(self, symbols: Sequence[str]) -> list[str]:
        """Names still in after a look at closes and metrics alone."""
        closes = await self._fetcher.closes(symbols, self.asked)
        loosest = Loosest.of(self._gatherer.rules, self._gatherer.every_profile)
        margin = self._run_rules.stage_margin_percent / 100.0
        left: list[str] = []
        for symbol in symbols:
            found, history = self._founds[symbol], closes.get(symbol)
            if isinstance(history, History):
                found.history = history
                facts = found.metrics[0] if found.metrics else {}
                if symbol not in self._gatherer.always:
                    found.ruled_out = ruled_out(history, facts, loosest, margin)
            elif isinstance(history, SourceError) and history.failure in _NO_SUCH_NAME:
                found.problem = history
            if found.ruled_out is None and found.problem is None:
                left.append(symbol)
        self._done += len(symbols) - len(left)
        self._notes.append(
            f"{len(symbols) - len(left)} of {len(symbols)} names were ruled out by closes and metrics alone; "
            "their chains were not asked for."
        )
        return left

    async def _each(self, symbols: Sequence[str]) -> None:
        waiting = iter(symbols)
        at_once = OF_A_BOOK if self._of_a_book else AT_ONCE
        await asyncio.gather(*(self._worker(waiting) for _ in range(at_once)))

    async def _worker(self, waiting: Iterator[str]) -> None:
        for symbol in waiting:
            found = self._founds[symbol]
            left = self._until - self._access.clock.ticks()
            try:
                if left <= 0:
                    # Not even begun: what is begun goes on behind the run, for whoever asks next.
                    raise TimeoutError
                async with asyncio.timeout(left):
                    await self._fill(found)
            except TimeoutError:
                found.problem = SourceError("variance", Failure.DEADLINE)
            except SourceError as error:
                found.problem = error
            except Exception as error:  # one name must not stop the others
                # What somebody holds is in no log.
                log.exception("%s could not be gathered", "a name of a book" if self._of_a_book else symbol)
                found.problem = SourceError("variance", Failure.UNEXPECTED, detail=type(error).__name__)
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, max(len(self._founds), self._done))

    async def _fill(self, found: Found) -> None:
        symbol = found.listing.symbol
        if symbol in self._gatherer.proxies:
            await self._borrow(found, self._gatherer.proxies[symbol])
            return
        try:
            found.history = await self._fetcher.history(symbol, self.asked)
        except SourceError as error:
            if error.failure in _NO_SUCH_NAME and error.source == self._first("chain"):
                raise
            # A first look's closes are better than nothing, and are marked as such.
            found.problem = error if found.history is None else None
        try:
            found.chain = await self._fetcher.chain(symbol, self.asked)
        except SourceError as error:
            # What opened a pause tells more than the pause.
            raise (found.problem if error.failure is Failure.PAUSED and found.problem else error) from None
        found.fallback = found.chain.source != self._first("chain")
        if _overtaken(found, self.asked.session) and found.history is not None:
            found.history = await self._fetcher.history_anew(found.history, self.asked)

    async def _borrow(self, found: Found, proxy: Proxy) -> None:
        """A future's own prices, and the implied volatility of an index or a fund (methodology 9)."""
        own = await self._fetcher.history(proxy.history, self.asked)
        found.history = replace(own, symbol=proxy.symbol)
        stale: Fact | None = None
        problem: SourceError | None = None
        for ticker in proxy.iv:
            if not ticker.startswith("^"):
                found.iv_proxy = ticker
                return
            try:
                level = _level(ticker, await self._fetcher.history(ticker, self.asked), self.asked)
            except SourceError as error:
                problem = error
                continue
            if level is not None and session_of(level.at or self.asked.now) == self.asked.session:
                found.iv_given = level
                return
            stale = stale or level
        found.iv_given = stale
        if stale is None:
            found.problem = problem or SourceError("variance", Failure.NO_HISTORY)

    def _lenders(self) -> list[str]:
        """Funds somebody borrows from that nobody asked for; they join the names."""
        wanted = {found.iv_proxy for found in self._founds.values() if found.iv_proxy}
        added = sorted(wanted - set(self._founds))
        for symbol in added:
            self._founds[symbol] = Found(listing_of(symbol))
            self._notes.append(f"{symbol} was added, as a future borrows its implied volatility.")
        return added

    async def _of_benchmark(self) -> None:
        symbol = self._gatherer.rules.benchmark
        held = self._founds.get(symbol)
        if held is not None and held.history is not None:
            return
        try:
            async with asyncio.timeout(max(1.0, self._until - self._access.clock.ticks())):
                self._benchmark = await self._fetcher.history(symbol, self.asked)
        except SourceError as error:
            self._notes.append(f"No prices of {symbol}: {error}.")
        except TimeoutError:
            self._notes.append(f"No prices of {symbol}: {Failure.DEADLINE}.")

    async def _series(self, symbols: Sequence[str]) -> dict[str, IvHistory]:
        measured = [symbol for symbol in symbols if self._founds[symbol].chain is not None]
        if not measured or self._access.clock.ticks() >= self._until:
            return {}
        await self._fill_iv(measured)
        answers = await self._fetcher.iv_history(measured, self.asked)
        failed = [answer for answer in answers.values() if isinstance(answer, SourceError)]
        if failed:
            self._notes.append(f"No daily implied volatility for {len(failed)} names: {failed[0].reason}.")
        return {symbol: answer for symbol, answer in answers.items() if not isinstance(answer, SourceError)}

    async def _fill_iv(self, symbols: Sequence[str]) -> None:
        """The stream's IV30 where a source's ready-made metrics have none."""
        founds = [self._founds[symbol] for symbol in symbols]
        lacking = [
            found.listing.symbol
            for found in founds
            if not any("iv30_provider" in facts for facts in found.metrics)
        ]
        company = self._gatherer.rules.benchmark
        for symbol, answer in (await self._fetcher.streamed_iv(lacking, company)).items():
            if isinstance(answer, Fact):
                self._founds[symbol].metrics.append({"iv30_provider": answer})

    def _first(self, group: str) -> str | None:
        order = getattr(self._access.rules.order, group)
        names = (name for name in order if name in self._gatherer.sources)
        return next((name for name in names if group in self._gatherer.sources[name].serves), None)

    def _next_try(self) -> datetime | None:
        """When asking again may bring more; None when every name that failed did so by itself."""
        problems = [found.problem for found in self._founds.values() if found.problem is not None]
        passing = [problem for problem in problems if problem.failure not in OF_THE_SYMBOL]
        if not passing:
            return None
        now = self._access.clock.now()
        pauses = [problem.again for problem in passing if problem.again is not None]
        return max([now + timedelta(minutes=self._run_rules.retry_minutes), *pauses])


def moment(now: datetime, rules: Rules) -> Asked:
    """What a run at `now` is about: the session whose quotes stand, and an instant within it.

    After the close time stands still with the quotes: an option's life is counted from when it was quoted.
    """
    session = session_of(now)
    trade = rules.trade_expiry
    return Asked(
        now=min(now, close_of(session) + _SETTLED),
        session=session,
        target_days=int(rules.iv30.target_days),
        near_min_days=int(rules.iv30.near_min_days),
        nearest_days=(int(rules.iv30.nearest_min_days), int(rules.iv30.nearest_max_days)),
        trade_target=int(trade.target_days),
        trade_days=(int(trade.min_days), int(trade.max_days)),
    )


def listing_of(symbol: str) -> Listing:
    """A ticker that stands in no universe file, as one could be listed."""
    asset_class = "future" if symbol.startswith("/") else "index" if is_index(symbol) else "equity"
    return Listing(symbol=symbol, name=symbol, sector="Unlisted", asset_class=asset_class)


def _alive(held: Held, session: date) -> Held:
    """Without what has expired, which nobody lists."""
    left = {symbol: frozenset(each for each in own if each[0] >= session) for symbol, own in held.items()}
    return {symbol: own for symbol, own in left.items() if own}


async def _nothing() -> Mapping[str, Fact]:
    return {}


def _overtaken(found: Found, session: date) -> bool:
    """Whether the bars are of an earlier session and the price so far off that a split may lie between."""
    if found.history is None or found.chain is None or session_of(found.history.fetched) >= session:
        return False
    spot = found.chain.facts.get("spot")
    closes = found.history.bars["close"].to_numpy(dtype=np.float64)
    closes = closes[np.isfinite(closes) & (closes > 0)]
    if spot is None or not len(closes) or float(spot.value) <= 0:
        return False
    return bool(abs(np.log(float(spot.value) / closes[-1])) > JUMP)


def _level(ticker: str, history: History, asked: Asked) -> Fact | None:
    """The last close of a volatility index as a fraction."""
    closes = history.bars["close"].to_numpy(dtype=np.float64)
    valid = np.flatnonzero(np.isfinite(closes) & (closes > 0))
    if not len(valid):
        return None
    day: date = history.bars["date"].to_numpy().astype("datetime64[D]")[valid[-1]].astype(date)
    at = min(close_of(day), asked.now)
    return Fact(float(closes[valid[-1]]) / 100.0, history.source, f"level of {ticker}", at)


def _replacements(replaced: Counter[str]) -> list[str]:
    return [f"{count} x {what}." for what, count in sorted(replaced.items())]
