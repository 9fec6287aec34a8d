"""The engine as the bot sees it: one measured market, asked from many sides, never on the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from bot.bookmarket import BookMarket, Wanted, instead, too_slow
from bot.failures import NoMarketError, RunGoneError, TooSlowError
from bot.inputs import SymbolIndex
from bot.screening import Judged, Market, Scheduled, Screening, Variant, rules_of
from bot.settling import Settling
from engine.errors import UnknownSymbolError
from engine.market.snapshot import Holdings, LiveProvider, Provider
from engine.panel import Kind
from engine.portfolio.book import Leg
from engine.record.rows import Realm, realm_of
from engine.record.series import Point
from engine.record.store import Counts, Store
from engine.rules import Listing, Pair, Rules
from engine.screen.result import Row, Run, Screen

T = TypeVar("T")
log = structlog.get_logger("variance.service")

DEADLINE = 60.0
"""Seconds a person's question may take before it is answered with a sentence instead."""
REFRESH_DEADLINE = 3600.0
"""The same for a whole run; the sources have a deadline of their own well before."""
AT_THE_LINE = 4
"""Questions that may wait for a live market at a time."""
BOOKS_AT_ONCE = 2
"""Books that sources are asked for at a time: they take minutes, and the line is for runs and names."""
KEPT_RUNS = 8
"""Stored runs held in memory for buttons of earlier posts."""


class MarketService:
    """Holds provider, rules and record; the only place of the bot that runs the engine.

    Waiting for a live market, measuring and judging, reading the record and drawing have threads of their
    own, so that a look-up does not wait for a screen. Equal requests under way share one piece of work.
    """

    def __init__(
        self,
        provider: Provider,
        rules: Rules,
        store: Store,
        *,
        realm: Realm = "recorded",
        universe: Sequence[str] | None = None,
        listings: Sequence[Listing] = (),
        pairs: Sequence[Pair] = (),
        own_pairs: Callable[[], Sequence[Pair]] = tuple,
        deadline: float = DEADLINE,
    ) -> None:
        self.rules = rules
        self.store = store
        self.pairs = tuple(pairs)
        """The operator's; `own_pairs` gives those of all servers, measured with every run as well."""
        self.market: Market | None = None
        self.clocked = False
        """Whether a clock makes the official runs; what is taken beside it is not official then."""
        self._work = Screening(provider, rules, store, realm, universe, listings, pairs, own_pairs)
        self._deadline = deadline
        self._live = self._work.live
        self._far = (0, 0)
        self._asked: dict[Wanted, tuple[int, int]] = {}
        self._line = ThreadPoolExecutor(AT_THE_LINE, thread_name_prefix="line")
        self._books = ThreadPoolExecutor(BOOKS_AT_ONCE, thread_name_prefix="books")
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self.settling = Settling(self._work, self._engine)
        """What became of earlier closes, once a market is at hand."""
        self._flights: dict[object, asyncio.Future[Any]] = {}
        self._runs: OrderedDict[int, Screen] = OrderedDict()

    @property
    def index(self) -> SymbolIndex:
        """Tickers to complete from: the market's, or those of the universe file before there is one."""
        return self._work.listed if self.market is None else self.market.index

    @property
    def sectors(self) -> tuple[str, ...]:
        """Sectors of the market, or those of the universe file before there is one."""
        return self._work.listed_sectors if self.market is None else self.market.sectors

    @property
    def simulated(self) -> bool:
        """Whether the market is made up."""
        return self._work.realm == "simulated"

    def troubles(self) -> tuple[str, ...] | None:
        """One sentence a source that did not answer when last asked; None for a market without sources."""
        return None if self._live is None else tuple(self._live.troubles())

    @property
    def answers_any(self) -> bool:
        """Whether a name outside the universe may be asked for."""
        return self._live is not None

    async def refresh(self, deadline: float = REFRESH_DEADLINE) -> Market:
        """Take the provider's market, measure it once, judge it and keep the run.

        It is an official one unless a clock makes those (`scheduled`). Raises SnapshotError or StoreError
        when there is none to be had; the market before stays.
        """
        market = await self._shared("refresh", self._taken, deadline)
        if market is not self.market:
            self._adopt(market, not self.clocked)
        return market

    async def scheduled(self, session: date, kind: Kind, variants: Collection[Variant]) -> Scheduled:
        """The official run of a session and kind, judged by the rules and by each variant.

        Raises SnapshotError when there is no market to be had or it is of another run, StoreError when it
        cannot be kept.
        """
        taken, runs = await self._shared(
            ("scheduled", session, kind), lambda: self._scheduled(session, kind, variants), REFRESH_DEADLINE
        )
        self._adopt(taken, True)
        return Scheduled(taken.official.run_id, runs, taken.official.screen, taken.panel.next_try)

    async def kept(
        self, session: date, kind: Kind, variants: Collection[Variant], floor: int
    ) -> Scheduled | None:
        """The same run out of the record, stored after run `floor`; None unless all of it is there."""
        return await self.desk(lambda: self._work.kept(session, kind, variants, floor))

    async def variant_runs(self, run_id: int, variants: Collection[Variant]) -> dict[Variant, int | None]:
        """The run of each variant beside an official run; None for rules that are not allowed any more.

        Variants chosen since are judged while the market is at hand, and left out when it is not.
        """
        runs = await self.desk(lambda: self._work.variant_runs(run_id, variants))
        market = self.market
        if market is None or market.official.run_id != run_id:
            return runs
        for variant in set(variants) - runs.keys():
            runs[variant] = await self._variant_of(market, variant)
        return runs

    async def _variant_of(self, market: Market, variant: Variant) -> int:
        rules = rules_of(self.rules, variant)
        judged = await self._once(
            ("variant", market.official.run_id, variant),
            self._engine,
            lambda: self._work.judge(market, rules, official=True),
        )
        return judged.run_id

    def next_try_of(self, run_id: int | None) -> datetime | None:
        """When asking again may bring more than a run has; None when it is whole or that is not known."""
        market = self.market
        if market is None or market.official.run_id != run_id:
            return None
        return None if market.official.screen.run.state == "complete" else market.panel.next_try

    def _adopt(self, market: Market, official: bool) -> None:
        self.market = market
        log.info("market screened", **market.facts)
        self.settling.after(market, official)

    async def ready(self) -> Market:
        """The market at hand, waiting for the first one when there is none yet."""
        if self.market is not None:
            return self.market
        try:
            return await self.refresh(self._deadline)
        except TooSlowError:
            done, total = self._far
            if self._live is None or not total:
                raise
            raise TooSlowError(
                f"The first screen is still being gathered ({done} of {total} names); "
                "a single name is answered at once: /vrp."
            ) from None

    async def screen(self, profile: str | None = None, lens: str | None = None) -> Judged:
        """The market judged under a profile and a lens; kept, so that its buttons find it again."""
        market = await self.ready()
        key = (profile or self.rules.profile, lens or self.rules.lens)
        if key == (self.rules.profile, self.rules.lens):
            return market.official
        if key not in market.asked:
            official = market.official.run_id
            market.asked[key] = await self._once(
                ("judge", official, *key),
                self._engine,
                lambda: self._work.judge(market, self.rules.using(*key), official=False),
            )
        return market.asked[key]

    async def beside(self, judged: Judged, legs: Sequence[Leg]) -> Judged:
        """A run of the market at hand with the gate on the correlation with a book added; kept nowhere.

        Raises RunGoneError when the market has moved on since.
        """
        market = self.market
        runs = [] if market is None else [market.official, *market.asked.values()]
        if market is None or judged.run_id not in [each.run_id for each in runs]:
            raise RunGoneError(
                "The market has moved on since that list; /screen mine:True shows the new one."
            )
        if market.table is None:
            return judged
        run = judged.screen.run
        rules = self.rules.using(run.profile, run.lens)
        return Judged(judged.run_id, await self.engine(lambda: self._work.beside(market, rules, legs)))

    async def stored(self, run_id: int) -> Screen:
        """A run by its id, from memory or the record. Raises RunGoneError when neither holds it."""
        market = self.market
        if market is not None:
            for judged in (market.official, *market.asked.values()):
                if judged.run_id == run_id:
                    return judged.screen
        if run_id not in self._runs:
            self._runs[run_id] = await self._once(
                ("load", run_id), self._desk, lambda: self._work.load(run_id)
            )
            while len(self._runs) > KEPT_RUNS:
                self._runs.popitem(last=False)
        return self._runs[run_id]

    async def row(self, symbol: str, run_id: int | None = None) -> tuple[Row, Judged]:
        """One name of a run, the official one by default.

        Raises UnknownSymbolError with suggestions, NoMarketError when the run ranks nothing at all.
        """
        if run_id is None and self._live is not None and not self._has_now(symbol, self._live):
            return await self._looked_up(symbol)
        judged = await self.screen() if run_id is None else Judged(run_id, await self.stored(run_id))
        row = judged.screen.find(symbol)
        if row is None:
            if judged.screen.run.state == "aborted":
                raise NoMarketError(judged.screen.run.reason or "The run was stopped and holds no name.")
            SymbolIndex((each.symbol, each.text("name")) for each in judged.screen.rows).require(symbol)
            raise RunGoneError("That name is not in the run any more.")
        return row, judged

    def _has_now(self, symbol: str, live: LiveProvider) -> bool:
        """Whether the market at hand answers for a name as well as a question to the sources would."""
        screen = None if self.market is None else self.market.official.screen
        return screen is not None and screen.find(symbol) is not None and live.is_current(screen.run.asof)

    async def _looked_up(self, symbol: str) -> tuple[Row, Judged]:
        """The short way: one name, asked for by itself. Raises UnknownSymbolError, SnapshotError."""
        judged = await self._shared(("single", symbol), lambda: self._single(symbol))
        row = judged.screen.find(symbol)
        if row is None or (row.text("missing_reason") or "").startswith("unknown symbol"):
            raise UnknownSymbolError(symbol, self.index.near(symbol))
        return row, judged

    async def _single(self, symbol: str) -> Judged:
        loop = asyncio.get_running_loop()
        market = await loop.run_in_executor(self._line, self._work.one, symbol)
        return await loop.run_in_executor(self._engine, self._work.single, symbol, market)

    async def book_market(self, legs: Sequence[Leg], extra_symbols: Sequence[str] = ()) -> BookMarket:
        """The market a book is looked at in: the one at hand, or with live sources its names asked for anew.

        The sources are asked for every contract of the book beside those a screen needs; the market at hand
        stands in where they bring no quotes. Its run's reason says what is lacking. Raises SnapshotError,
        TooSlowError; what is under way goes on, so that the next question finds it.
        """
        if self._live is None:
            market = await self.ready()
            return BookMarket(market.panel, market.table, market.official.screen)
        session, _ = self._live.latest_run()
        wanted = Wanted.of(legs, (self.rules.benchmark, *extra_symbols), session)
        try:
            found = await self._shared(wanted, lambda: self._book(wanted))
        except TooSlowError:
            raise too_slow(self._asked.get(wanted)) from None
        hand = self.market
        if found.is_quoted or hand is None or hand.table is None:
            return found
        return instead(found, BookMarket(hand.panel, hand.table, hand.official.screen))

    async def holdings(self) -> Holdings:
        """What the operator's own accounts hold, asked anew. Raises HoldingsError, TooSlowError."""
        return await self._once(object(), self._line, self._work.holdings)

    async def _book(self, wanted: Wanted) -> BookMarket:
        loop = asyncio.get_running_loop()

        def note(done: int, total: int) -> None:
            self._asked[wanted] = done, total

        try:
            market = await loop.run_in_executor(self._books, self._work.holding, wanted, note)
            return await loop.run_in_executor(self._engine, self._work.book, market, wanted)
        finally:
            self._asked.pop(wanted, None)

    def history(self, symbol: str, screen: Screen) -> list[Point]:
        """Official closes of a name up to the screen's session, oldest first. Reads the disk: at the desk."""
        realm = self.realm_of(screen.run)
        return self.store.history(symbol, realm, before=screen.run.session + timedelta(days=1))

    def realm_of(self, run: Run) -> Realm:
        """Where a run's series is kept."""
        return realm_of(run, self._work.realm)

    async def previous(self, screen: Screen) -> Screen | None:
        """The last official close before the run's session, judged by the same profile and lens."""
        run = screen.run
        found = await self.desk(
            lambda: self.store.previous_official(
                run.session,
                realm=self.realm_of(run),
                kind="close",
                profile=run.profile,
                lens=run.lens,
            )
        )
        return None if found is None else found[1]

    async def counts(self) -> Counts:
        """What the record holds."""
        return await self.desk(self.store.counts)

    async def engine(self, work: Callable[[], T]) -> T:
        """Computing on the market at hand, off the event loop. What is personal is shared with nobody."""
        return await self._once(object(), self._engine, work)

    async def desk(self, work: Callable[[], T]) -> T:
        """Reading or drawing, off the event loop, in the asker's context (the language of numbers)."""
        return await self._once(object(), self._desk, partial(copy_context().run, work))

    def close(self) -> None:
        """Let the work under way finish, then close the record; harmless when repeated."""
        if self._live is not None:
            self._live.close()
        for pool in (self._line, self._books, self._engine, self._desk):
            pool.shutdown(wait=True, cancel_futures=True)
        self.store.close()

    async def _once(
        self, key: object, pool: ThreadPoolExecutor, work: Callable[[], T], deadline: float | None = None
    ) -> T:
        def start() -> asyncio.Future[T]:
            return asyncio.get_running_loop().run_in_executor(pool, work)

        return await self._shared(key, start, deadline)

    async def _shared(
        self, key: object, start: Callable[[], Awaitable[T]], deadline: float | None = None
    ) -> T:
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.ensure_future(start())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        try:
            async with asyncio.timeout(self._deadline if deadline is None else deadline):
                result: T = await asyncio.shield(flight)
        except TimeoutError:
            if flight.done() and not flight.cancelled():
                raise  # the work's own time-out, not ours
            raise TooSlowError("This takes longer than usual; please ask again in a minute.") from None
        return result

    def _landed(self, key: object, flight: asyncio.Future[Any]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.debug("work failed", error=type(error).__name__)

    async def _taken(self) -> Market:
        loop = asyncio.get_running_loop()
        snapshot = await loop.run_in_executor(self._line, self._work.latest, self._note_progress)
        return await loop.run_in_executor(self._engine, self._work.take, snapshot, not self.clocked)

    async def _scheduled(
        self, session: date, kind: Kind, variants: Collection[Variant]
    ) -> tuple[Market, dict[Variant, int]]:
        loop = asyncio.get_running_loop()
        asked = (session, kind, self._note_progress)
        snapshot = await loop.run_in_executor(self._line, self._work.of_run, *asked)
        return await loop.run_in_executor(self._engine, self._work.take_all, snapshot, variants)

    def _note_progress(self, done: int, total: int) -> None:
        self._far = (done, total)
