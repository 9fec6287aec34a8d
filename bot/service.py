"""The engine as the bot sees it: one measured market, asked from many sides, never on the event loop."""

from __future__ import annotations

import asyncio
import gc
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import pandas as pd
import structlog

from bot.failures import NoMarketError, RunGoneError, TooSlowError
from bot.inputs import SymbolIndex
from engine.market.columns import panel_of
from engine.market.snapshot import SIMULATED, Provider
from engine.panel import Panel
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
REFRESH_DEADLINE = 600.0
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

    Measuring and judging take turns on one worker thread, reading the record and drawing on another, so
    that a look-up does not wait for a screen. Equal requests under way share one piece of work.
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
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._flights: dict[object, asyncio.Future[Any]] = {}
        self._runs: OrderedDict[int, Screen] = OrderedDict()

    @property
    def index(self) -> SymbolIndex:
        """Tickers to complete from: the market's, or those of the universe file before there is one."""
        return self._listed if self.market is None else self.market.index

    @property
    def sectors(self) -> tuple[str, ...]:
        """Sectors of the market, or those of the universe file before there is one."""
        return self._listed_sectors if self.market is None else self.market.sectors

    async def refresh(self) -> Market:
        """Take the provider's market, measure it once, judge it and keep the official run.

        Raises SnapshotError or StoreError when there is none to be had; the market before stays.
        """
        market = await self._once("refresh", self._engine, self._take, REFRESH_DEADLINE)
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
        """The market at hand, waiting for the first one when there is none yet."""
        return self.market if self.market is not None else await self.refresh()

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
        judged = await self.screen() if run_id is None else Judged(run_id, await self.stored(run_id))
        row = judged.screen.find(symbol)
        if row is None:
            if judged.screen.run.state == "aborted":
                raise NoMarketError(judged.screen.run.reason or "The run was stopped and holds no name.")
            SymbolIndex((each.symbol, each.text("name")) for each in judged.screen.rows).require(symbol)
            raise RunGoneError("That name is not in the run any more.")
        return row, judged

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
        for pool in (self._engine, self._desk):
            pool.shutdown(wait=True, cancel_futures=True)
        self.store.close()

    async def _once(
        self, key: object, pool: ThreadPoolExecutor, work: Callable[[], T], deadline: float | None = None
    ) -> T:
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().run_in_executor(pool, work)
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

    @_uncollected()
    def _take(self) -> Market:
        snapshot = self._provider.snapshot()
        panel = panel_of(snapshot, self.rules.benchmark)
        rules = self.rules
        table = self._measured(panel, rules) if panel.benchmark else None
        screen = self._screen(panel, table, rules)
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
        screen = self._screen(market.panel, table, rules)
        return Judged(self._save(screen, rules, official=False), screen)

    def _screen(self, panel: Panel, table: pd.DataFrame | None, rules: Rules) -> Screen:
        if table is None:
            return run_screen(panel, rules, universe=self._universe)
        return screen_of(panel, table, rules, self._universe)

    def _save(self, screen: Screen, rules: Rules, official: bool) -> int:
        return self.store.save(screen, rules_body(rules), official, self._realm)

    @_uncollected()
    def _load(self, run_id: int) -> Screen:
        if self.store.run_info(run_id) is None:
            raise RunGoneError("That run is no longer in the record; /screen shows the current one.")
        return self.store.load(run_id)


def rules_body(rules: Rules) -> str:
    """The JSON behind a run's rules hash."""
    return rules.model_dump_json(exclude={"profiles"}, by_alias=True)
