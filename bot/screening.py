"""The engine's work for the bot, without a loop: a market taken, measured, judged and kept."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import pandas as pd
import structlog

from bot.bookmarket import BookMarket, Wanted, known_part, told
from bot.failures import RunGoneError
from bot.inputs import SymbolIndex
from engine.errors import ConfigError, HoldingsError, SnapshotError, StoreError
from engine.market.columns import panel_of
from engine.market.snapshot import (
    SIMULATED,
    HoldingProvider,
    Holdings,
    LiveProvider,
    PlayedProvider,
    Progress,
    Provider,
    Snapshot,
)
from engine.panel import Kind, Panel
from engine.portfolio.analysis import screen_beside
from engine.portfolio.book import Leg
from engine.record.pairs import save_pairs, stored_pairs
from engine.record.rows import Realm
from engine.record.scorecards import keep_up, last_close
from engine.record.store import Store
from engine.relative.pairs import measure_pairs
from engine.rules import Listing, Pair, Rules
from engine.screen.lens import measurement_key
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import run_screen, screen_of

log = structlog.get_logger("variance.service")

Variant = tuple[str, tuple[tuple[str, float], ...]]
"""A profile and own thresholds."""


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

    @property
    def facts(self) -> dict[str, str | int]:
        """What the log says of it."""
        run, coverage = self.official.screen.run, self.official.screen.coverage
        return {
            "session": run.session.isoformat(),
            "kind": run.kind,
            "source": run.source,
            "state": run.state,
            "measured": coverage.measured,
            "passed": coverage.passed,
            "run_id": self.official.run_id,
        }


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An official run, and the same market under the rules of those who chose their own."""

    run_id: int
    variants: dict[Variant, int]
    screen: Screen
    next_try: datetime | None
    """When asking again may bring more; None where that is not known."""


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


class Screening:
    """Provider, rules and record at work. Every method blocks: call it from a worker thread."""

    def __init__(
        self,
        provider: Provider,
        rules: Rules,
        store: Store,
        realm: Realm,
        universe: Sequence[str] | None,
        listings: Sequence[Listing],
        pairs: Sequence[Pair],
        own_pairs: Callable[[], Sequence[Pair]] = tuple,
    ) -> None:
        self.rules = rules
        self.store = store
        self.realm = realm
        self.live = provider if isinstance(provider, LiveProvider) else None
        self.listed = SymbolIndex((listing.symbol, listing.name) for listing in listings)
        self.listed_sectors = tuple(sorted({listing.sector for listing in listings}))
        self._provider = provider
        self._universe = universe
        self._pairs = pairs
        self._own_pairs = own_pairs

    def latest(self, progress: Progress) -> Snapshot:
        """The provider's market as it is now."""
        if self.live is not None:
            return self.live.snapshot(None, progress)
        with _uncollected():
            return self._provider.snapshot()

    def one(self, symbol: str) -> Snapshot:
        """A single name as the provider has it now."""
        return self._provider.snapshot([symbol])

    def holding(self, wanted: Wanted, progress: Progress) -> Snapshot:
        """Some names of a live market, with the contracts somebody holds."""
        assert self.live is not None
        # The benchmark first: without it there is nothing to value the others by.
        symbols = sorted(wanted.symbols, key=lambda symbol: (symbol != self.rules.benchmark, symbol))
        return self.live.snapshot(symbols, progress, wanted.contracts)

    def holdings(self) -> Holdings:
        """What the operator's own accounts hold. Raises HoldingsError."""
        if not isinstance(self._provider, HoldingProvider):
            raise HoldingsError("This market has no account behind it; a live one with Tastytrade has.")
        return self._provider.holdings()

    def book(self, snapshot: Snapshot, wanted: Wanted) -> BookMarket:
        """A book's own market, measured and judged as any other, with a word on what it lacks."""
        benchmark = self.rules.benchmark
        panel = panel_of(known_part(snapshot, benchmark), benchmark)
        table = self._measured(panel, self.rules) if panel.benchmark else None
        screen = self._screen(panel, table, self.rules, sorted(wanted.symbols))
        return told(BookMarket(panel, table, screen), wanted, benchmark)

    def of_run(self, session: date, kind: Kind, progress: Progress) -> Snapshot:
        """The market of one run. Raises SnapshotError when the provider shows another one."""
        if isinstance(self._provider, PlayedProvider):
            with _uncollected():
                return self._provider.of_run(session, kind)
        market = self.latest(progress)
        if (market.session, market.kind) != (session, kind):
            raise SnapshotError(
                f"The market at hand is {market.session.isoformat()}/{market.kind}, "
                f"not {session.isoformat()}/{kind}."
            )
        return market

    def take_all(
        self, snapshot: Snapshot, variants: Collection[Variant]
    ) -> tuple[Market, dict[Variant, int]]:
        """The official run, and beside it one a variant; a variant the rules no longer allow is left out."""
        market = self.take(snapshot, True)
        runs: dict[Variant, int] = {}
        for variant in variants:
            try:
                rules = rules_of(self.rules, variant)
            except ConfigError as error:
                log.warning("a server's rules are not allowed any more", reason=str(error))
            else:
                same = rules.hash == self.rules.hash
                runs[variant] = (market.official if same else self.judge(market, rules, True)).run_id
        return market, runs

    def kept(self, session: date, kind: Kind, variants: Collection[Variant], floor: int) -> Scheduled | None:
        """What take_all has stored for a run after run `floor`; None unless all of it is there."""

        def find(rules: Rules) -> tuple[int, Screen] | None:
            found = self.store.official(
                session, kind=kind, realm=self.realm, profile=rules.profile, lens=rules.lens
            )
            return found if found is not None and found[0] > floor else None

        official = find(self.rules)
        try:
            others = {variant: find(rules_of(self.rules, variant)) for variant in variants}
        except ConfigError:
            return None
        if official is None or None in others.values():
            return None
        if self._every_pair() and not stored_pairs(self.store, official[0]):
            return None
        runs = {variant: found[0] for variant, found in others.items() if found is not None}
        return Scheduled(official[0], runs, official[1], None)

    def variant_runs(self, run_id: int, variants: Collection[Variant]) -> dict[Variant, int | None]:
        """The runs of an official run's market by variant; None for rules that are not allowed any more.

        A variant nobody had chosen when the market was judged is left out.
        """
        info = self.store.run_info(run_id)
        if info is None:
            raise RunGoneError("That run is no longer in the record.")
        runs: dict[Variant, int | None] = {}
        for variant in variants:
            try:
                rules = rules_of(self.rules, variant)
            except ConfigError:
                runs[variant] = None
                continue
            if rules.hash == info.run.rules_hash:
                runs[variant] = run_id
            elif (
                found := self.store.official(
                    info.run.session,
                    kind=info.run.kind,
                    realm=info.realm,
                    profile=rules.profile,
                    lens=rules.lens,
                )
            ) is not None:
                runs[variant] = found[0]
        return runs

    @_uncollected()
    def take(self, snapshot: Snapshot, official: bool) -> Market:
        """Measure a market once, judge it by the rules and keep the run."""
        panel = panel_of(snapshot, self.rules.benchmark)
        rules = self.rules
        table = self._measured(panel, rules) if panel.benchmark else None
        screen = self._screen(panel, table, rules, self._universe)
        run_id = self._save(screen, rules, official)
        apart = rules.relative.convergence_spread
        save_pairs(self.store, run_id, measure_pairs(panel, table, self._every_pair(), apart))
        names = [(row.symbol, row.text("name")) for row in screen.rows]
        sectors = sorted({sector for row in screen.rows if (sector := row.text("sector"))})
        return Market(
            official=Judged(run_id, screen),
            panel=panel,
            table=table,
            index=SymbolIndex(names) if names else self.listed,
            sectors=tuple(sectors) or self.listed_sectors,
        )

    @_uncollected()
    def settle(self, panel: Panel, official: bool) -> None:
        """Outcomes of earlier closes by this one's prices, and the scorecards that follow from them.

        The market of an official run settles, and one taken later of a session that has such a close: a
        process that ended before it had settled is made good by the next. Trouble with the record is
        logged: the run is kept whatever becomes of the outcomes, and the next close tries again.
        """
        realm = self._realm_of(panel)
        try:
            if official or last_close(self.store, realm, self.rules) == panel.session:
                found = keep_up(self.store, panel, realm, self.rules)
                log.info("outcomes settled", outcomes=found.outcomes, lost=sum(found.lost.values()))
        except StoreError as error:
            log.warning("outcomes could not be settled; the next close tries again", reason=str(error))

    def _every_pair(self) -> tuple[Pair, ...]:
        """The operator's pairs and those of all servers, an id once."""
        return tuple({pair.id: pair for pair in (*self._own_pairs(), *self._pairs)}.values())

    def _measured(self, panel: Panel, rules: Rules) -> pd.DataFrame:
        history = self.store.iv_history(panel.symbols, panel.session, realm=self._realm_of(panel))
        return measure(panel, rules, history)

    def _realm_of(self, panel: Panel) -> Realm:
        return "simulated" if panel.source.startswith(SIMULATED) else self.realm

    @_uncollected()
    def judge(self, market: Market, rules: Rules, official: bool) -> Judged:
        """The same market by other rules, kept as a run of its own."""
        screen = self._screen(market.panel, self._table_under(market, rules), rules, self._universe)
        return Judged(self._save(screen, rules, official), screen)

    def _table_under(self, market: Market, rules: Rules) -> pd.DataFrame | None:
        if market.table is not None and measurement_key(rules) != measurement_key(self.rules):
            # This profile changes how things are measured, not only how they are judged.
            return self._measured(market.panel, rules)
        return market.table

    def beside(self, market: Market, rules: Rules, legs: Sequence[Leg]) -> Screen:
        """The same market by the same rules, and the correlation with a book as one gate more."""
        table = self._table_under(market, rules)
        assert table is not None
        return screen_beside(legs, market.panel, table, rules, self._universe)

    def single(self, symbol: str, market: Snapshot) -> Judged:
        """A market of one name."""
        panel = panel_of(market, self.rules.benchmark)
        table = self._measured(panel, self.rules) if panel.benchmark else None
        screen = self._screen(panel, table, self.rules, [symbol]).unranked()
        return Judged(self._save(screen, self.rules, official=False), screen)

    @staticmethod
    def _screen(
        panel: Panel, table: pd.DataFrame | None, rules: Rules, universe: Sequence[str] | None
    ) -> Screen:
        if table is None:
            return run_screen(panel, rules, universe=universe)
        return screen_of(panel, table, rules, universe)

    def _save(self, screen: Screen, rules: Rules, official: bool) -> int:
        return self.store.save(screen, rules_body(rules), official, self.realm)

    @_uncollected()
    def load(self, run_id: int) -> Screen:
        """A run as it was kept. Raises RunGoneError when the record does not hold it."""
        if self.store.run_info(run_id) is None:
            raise RunGoneError("That run is no longer in the record; /screen shows the current one.")
        return self.store.load(run_id)


def rules_of(rules: Rules, variant: Variant) -> Rules:
    """The rules under a profile and own thresholds. Raises ConfigError when they do not exist any more."""
    profile, thresholds = variant
    return rules.using(profile).tuned(thresholds)


def rules_body(rules: Rules) -> str:
    """The JSON behind a run's rules hash."""
    return rules.model_dump_json(exclude={"profiles"}, by_alias=True)
