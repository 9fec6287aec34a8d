"""The engine as the bot sees it: one measured market, asked from many sides, never on the event loop."""

from __future__ import annotations

import asyncio
import gc
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import pandas as pd
import structlog

from bot.failures import NoMarketError, RunGoneError, TooSlowError
from bot.inputs import SymbolIndex
from engine.errors import UnknownSymbolError, VarianceError
from engine.market.columns import panel_of
from engine.market.snapshot import SIMULATED, LiveProvider, Provider, Snapshot
from engine.panel import Kind, Panel
from engine.record.rows import Realm, realm_of
from engine.record.store import Counts, Point, Store
from engine.rules import Listing, Rules
from engine.screen.lens import measurement_key
from engine.screen.measure import measure
from engine.screen.result import Row, Screen
from engine.screen.screen import run_screen, screen_of

T = TypeVar("T")
log = structlog.get_logger("variance.service")

DEADLINE = 60.0
"""Seconds a person's question may take before it is answered with a sentence instead."""
REFRESH_DEADLINE = 3600.0
"""The same for a whole run; the sources have a deadline of their own well before."""
AT_THE_LINE = 4
"""Questions that may wait for a live market at a time."""
KEPT_RUNS = 8
"""Stored runs held in memory for buttons of earlier posts."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """No cyclic garbage collection while thousands of rows are made, nor of them afterwards.

    A full collection holds every thread, the event loop among them: 100 ms with 5,000 names in memory.
    Rows hold no cycles, so they are freed all the same.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True, slots=True)
class Judged:
    """A screen with the id the record gave it."""

    run_id: int
    screen: Screen


@dataclass(frozen=True, slots=True)
class Market:
    """One market: measured once, judged officially, and as others asked for it."""

    official: Judged
    panel: Panel
    table: pd.DataFrame | None
    """What `measure` found; None when the hard gate stopped the run."""
    index: SymbolIndex
    sectors: tuple[str, ...]
    asked: dict[tuple[str, str], Judged] = field(default_factory=dict)


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
        deadline: float = DEADLINE,
    ) -> None:
        self.rules = rules
        self.store = store
        self.market: Market | None = None
        self._provider = provider
        self._realm = realm
        self._universe = universe
        self._listed = SymbolIndex((listing.symbol, listing.name) for listing in listings)
        self._listed_sectors = tuple(sorted({listing.sector for listing in listings}))
        self._deadline = deadline
        self._live = provider if isinstance(provider, LiveProvider) else None
        self._far = (0, 0)
        self._line = ThreadPoolExecutor(AT_THE_LINE, thread_name_prefix="line")
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._flights: dict[object, asyncio.Future[Any]] = {}
        self._runs: OrderedDict[int, Screen] = OrderedDict()
        self._renewing: asyncio.Task[None] | None = None

    @property
    def index(self) -> SymbolIndex:
        """Tickers to complete from: the market's, or those of the universe file before there is one."""
        return self._listed if self.market is None else self.market.index

    @property
    def sectors(self) -> tuple[str, ...]:
        """Sectors of the market, or those of the universe file before there is one."""
        return self._listed_sectors if self.market is None else self.market.sectors

    @property
    def answers_any(self) -> bool:
        """Whether a name outside the universe may be asked for."""
        return self._live is not None

    async def refresh(self, deadline: float = REFRESH_DEADLINE) -> Market:
        """Take the provider's market, measure it once, judge it and keep the official run.

        Raises SnapshotError or StoreError when there is none to be had; the market before stays.
        """
        market = await self._shared("refresh", self._taken, deadline)
        if market is not self.market:
            self.market = market
            run, coverage = market.official.screen.run, market.official.screen.coverage
            log.info(
                "market screened",
                session=run.session.isoformat(),
                kind=run.kind,
                source=run.source,
                state=run.state,
                measured=coverage.measured,
                passed=coverage.passed,
                run_id=market.official.run_id,
            )
        return market

    async def ready(self) -> Market:
        """The market at hand, waiting for the first one when there is none yet.

        A live market that a newer run has overtaken is answered from and renewed meanwhile.
        """
        if self.market is not None:
            self._renew_if_due(self.market)
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

    def _renew_if_due(self, market: Market) -> None:
        run = market.official.screen.run
        if self._live is None or "refresh" in self._flights:
            return
        if _place(self._live.latest_run()) > _place((run.session, run.kind)):
            self._renewing = asyncio.create_task(self._renew(), name="renewal")

    async def _renew(self) -> None:
        try:
            await self.refresh()
        except VarianceError as error:
            log.error("no newer market", reason=str(error))

    async def screen(self, profile: str | None = None, lens: str | None = None) -> Judged:
        """The market judged under a profile and a lens; kept, so that its buttons find it again."""
        market = await self.ready()
        key = (profile or self.rules.profile, lens or self.rules.lens)
        if key == (self.rules.profile, self.rules.lens):
            return market.official
        if key not in market.asked:
            official = market.official.run_id
            market.asked[key] = await self._once(
                ("judge", official, *key), self._engine, lambda: self._judge(market, *key)
            )
        return market.asked[key]

    async def stored(self, run_id: int) -> Screen:
        """A run by its id, from memory or the record. Raises RunGoneError when neither holds it."""
        market = self.market
        if market is not None:
            for judged in (market.official, *market.asked.values()):
                if judged.run_id == run_id:
                    return judged.screen
        if run_id not in self._runs:
            self._runs[run_id] = await self._once(("load", run_id), self._desk, lambda: self._load(run_id))
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
        if self.market is None:
            return False
        screen = self.market.official.screen
        return screen.find(symbol) is not None and live.is_current(screen.run.asof)

    async def _looked_up(self, symbol: str) -> tuple[Row, Judged]:
        """The short way: one name, asked for by itself. Raises UnknownSymbolError, SnapshotError."""
        judged = await self._shared(("single", symbol), lambda: self._single(symbol))
        row = judged.screen.find(symbol)
        if row is None or (row.text("missing_reason") or "").startswith("unknown symbol"):
            raise UnknownSymbolError(symbol, self.index.near(symbol))
        return row, judged

    async def _single(self, symbol: str) -> Judged:
        loop = asyncio.get_running_loop()
        market = await loop.run_in_executor(self._line, self._provider.snapshot, [symbol])
        return await loop.run_in_executor(self._engine, self._judge_single, market, symbol)

    def _judge_single(self, market: Snapshot, symbol: str) -> Judged:
        panel = panel_of(market, self.rules.benchmark)
        table = self._measured(panel, self.rules) if panel.benchmark else None
        screen = self._screen(panel, table, self.rules, [symbol]).unranked()
        return Judged(self._save(screen, self.rules, official=False), screen)

    def history(self, symbol: str, screen: Screen) -> list[Point]:
        """Official closes of a name up to the screen's session, oldest first. Reads the disk: at the desk."""
        realm = realm_of(screen.run, self._realm)
        return self.store.history(symbol, realm, before=screen.run.session + timedelta(days=1))

    async def previous(self, screen: Screen) -> Screen | None:
        """The official run of the session before, judged by the same profile and lens."""
        run = screen.run
        found = await self.desk(
            lambda: self.store.previous_official(
                run.session,
                realm=realm_of(run, self._realm),
                kind=run.kind,
                profile=run.profile,
                lens=run.lens,
            )
        )
        return None if found is None else found[1]

    async def counts(self) -> Counts:
        """What the record holds."""
        return await self.desk(self.store.counts)

    async def desk(self, work: Callable[[], T]) -> T:
        """Reading or drawing, off the event loop."""
        return await self._once(object(), self._desk, work)

    def close(self) -> None:
        """Let the work under way finish, then close the record; harmless when repeated."""
        if self._live is not None:
            self._live.close()
        for pool in (self._line, self._engine, self._desk):
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
        snapshot = await loop.run_in_executor(self._line, self._asked_market)
        return await loop.run_in_executor(self._engine, self._take, snapshot)

    def _asked_market(self) -> Snapshot:
        if self._live is not None:
            return self._live.snapshot(None, self._note_progress)
        with _uncollected():
            return self._provider.snapshot()

    def _note_progress(self, done: int, total: int) -> None:
        self._far = (done, total)

    @_uncollected()
    def _take(self, snapshot: Snapshot) -> Market:
        panel = panel_of(snapshot, self.rules.benchmark)
        rules = self.rules
        table = self._measured(panel, rules) if panel.benchmark else None
        screen = self._screen(panel, table, rules, self._universe)
        names = [(row.symbol, row.text("name")) for row in screen.rows]
        sectors = sorted({sector for row in screen.rows if (sector := row.text("sector"))})
        return Market(
            official=Judged(self._save(screen, rules, official=True), screen),
            panel=panel,
            table=table,
            index=SymbolIndex(names) if names else self._listed,
            sectors=tuple(sectors) or self._listed_sectors,
        )

    def _measured(self, panel: Panel, rules: Rules) -> pd.DataFrame:
        realm: Realm = "simulated" if panel.source.startswith(SIMULATED) else self._realm
        return measure(panel, rules, self.store.iv_history(panel.symbols, panel.session, realm=realm))

    @_uncollected()
    def _judge(self, market: Market, profile: str, lens: str) -> Judged:
        rules = self.rules.using(profile, lens)
        table = market.table
        if table is not None and measurement_key(rules) != measurement_key(self.rules):
            # This profile changes how things are measured, not only how they are judged.
            table = self._measured(market.panel, rules)
        screen = self._screen(market.panel, table, rules, self._universe)
        return Judged(self._save(screen, rules, official=False), screen)

    @staticmethod
    def _screen(
        panel: Panel, table: pd.DataFrame | None, rules: Rules, universe: Sequence[str] | None
    ) -> Screen:
        if table is None:
            return run_screen(panel, rules, universe=universe)
        return screen_of(panel, table, rules, universe)

    def _save(self, screen: Screen, rules: Rules, official: bool) -> int:
        return self.store.save(screen, rules_body(rules), official, self._realm)

    @_uncollected()
    def _load(self, run_id: int) -> Screen:
        if self.store.run_info(run_id) is None:
            raise RunGoneError("That run is no longer in the record; /screen shows the current one.")
        return self.store.load(run_id)


def _place(run: tuple[date, Kind]) -> tuple[date, bool]:
    """Runs in the order of the day: the open before the close."""
    return run[0], run[1] == "close"


def rules_body(rules: Rules) -> str:
    """The JSON behind a run's rules hash."""
    return rules.model_dump_json(exclude={"profiles"}, by_alias=True)
