"""Names measured against each other: pairs and sectors of one run, asked and drawn.

Both come from the measured table behind the screen; nothing is measured a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import pandas as pd

from bot.cards.card import Card
from bot.cards.relative import Leg, PairView, pair_card, pairs_card, pairs_csv_card
from bot.cards.relative import stopped_card as stopped
from bot.cards.relative_sectors import sector_card, sectors_card
from bot.cards.text import listed
from bot.failures import InputError
from bot.inputs import one_of
from bot.people.pairs import GuildPairs
from bot.service import MarketService
from engine.panel import Panel
from engine.record.pairs import spread_history, stored_pairs
from engine.record.rows import Realm
from engine.record.series import official_closes
from engine.record.store import Store
from engine.relative.pairs import WITHOUT_EARNINGS, PairRow, Signal, measure_pairs, pair_detail
from engine.relative.sectors import (
    SectorReport,
    SmallSector,
    measure_sectors,
    ratio_column,
    small_sectors,
)
from engine.rules import Pair
from engine.screen.result import Run, Screen
from engine.screen.stored import table_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PairNews:
    """Pairs of a closing run that one server hears of, and the signals of the close before by pair."""

    rows: tuple[PairRow, ...] = ()
    before: Mapping[str, Signal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Base:
    """One run with its measured table; without the panel when it comes from the record."""

    run_id: int
    screen: Screen
    table: pd.DataFrame | None
    panel: Panel | None


class RelativeAnswers:
    """Pairs and sectors of the market at hand, or of a stored run for its buttons.

    A server sees the operator's pairs and its own, never another server's.
    """

    def __init__(self, service: MarketService) -> None:
        self.service = service
        self.own = GuildPairs(service.store)

    async def known(self, guild_id: int | None) -> tuple[Pair, ...]:
        """The operator's pairs, then those of a server; without one only the operator's."""
        config = self.service.pairs
        if guild_id is None:
            return config
        own = await self.service.desk(lambda: self.own.of(guild_id))
        ids = {pair.id for pair in config}
        return (*config, *(each.pair for each in own if each.pair.id not in ids))

    async def pairs(self, guild_id: int | None, page: int = 0, run_id: int | None = None) -> Card:
        """Every pair a server has."""
        base, rows = await self._rows(await self.known(guild_id), run_id)
        own, limit = self._own_ids(rows), self._limit
        return await self.service.desk(lambda: pairs_card(rows, base.screen, base.run_id, limit, own, page))

    async def pairs_csv(self, guild_id: int | None, run_id: int) -> Card:
        """The same as a file."""
        base, rows = await self._rows(await self.known(guild_id), run_id)
        return await self.service.desk(lambda: pairs_csv_card(rows, base.screen, base.run_id))

    async def pair(self, typed: str, guild_id: int | None, run_id: int | None = None) -> Card:
        """One pair with its history. Raises InputError naming what there is."""
        pair = find_pair(typed, await self.known(guild_id))
        base, rows = await self._rows([pair], run_id)
        if not rows:
            raise InputError("That pair was not measured in that run; /pairs shows the present one.")
        store, realm = self.service.store, self.service.realm_of(base.screen.run)
        own = bool(self._own_ids(rows))

        def draw() -> Card:
            view = _view(rows[0], base, store, realm, own)
            return pair_card(view, base.screen, base.run_id, self._limit)

        return await self.service.desk(draw)

    async def sectors(self, run_id: int | None = None) -> Card:
        """Every sector with enough names, the richest first."""
        base = await self._base(run_id)
        reports, small = await self._sectors(base)
        return await self.service.desk(lambda: sectors_card(reports, small, base.screen, base.run_id))

    async def sector(self, typed: str, run_id: int | None = None) -> Card:
        """One sector, name by name. Raises InputError when there is none such, or it has too few names."""
        base, rules = await self._base(run_id), self.service.rules
        if base.table is None:
            return await self.service.desk(lambda: stopped(base.screen, base.run_id, "Sector"))
        found, few = await self._sectors(base)
        reports = {each.sector: each for each in found}
        small = {each.sector: each.n for each in few if each.sector is not None}
        name = one_of(typed, sorted([*reports, *small]), "sector")
        if name not in reports:
            least = rules.relative.sector_min_names
            raise InputError(
                f"{name} has {small[name]} of the {least} names with {_SPOKEN[ratio_column(rules)]} that a "
                f"comparison takes. Sectors that have them: {listed(reports, 12) or 'none'}."
            )
        scope = f"all/{name}"
        return await self.service.desk(lambda: sector_card(reports[name], base.screen, base.run_id, scope))

    async def news(self, run_id: int, run: Run, guild_id: int | None) -> PairNews:
        """What a server's closing post may say of pairs; `run_id` is the official run that measured them.

        Empty for any other run, and for one that ranks nothing.
        """
        if run.kind != "close" or run.state in ("outage", "aborted"):
            return PairNews()
        wanted = {pair.id for pair in await self.known(guild_id)}
        store, realm = self.service.store, self.service.realm_of(run)

        def read() -> PairNews:
            rows = tuple(row for row in stored_pairs(store, run_id) if row.pair in wanted)
            return PairNews(rows, _signals_before(store, realm, run.session))

        return await self.service.desk(read)

    async def _sectors(self, base: _Base) -> tuple[tuple[SectorReport, ...], tuple[SmallSector, ...]]:
        table, rules = base.table, self.service.rules
        return await self.service.engine(lambda: (measure_sectors(table, rules), small_sectors(table, rules)))

    @property
    def _limit(self) -> float:
        return self.service.rules.relative.convergence_spread

    def _own_ids(self, rows: Sequence[PairRow]) -> frozenset[str]:
        config = {pair.id for pair in self.service.pairs}
        return frozenset(row.pair for row in rows if row.pair not in config)

    async def _base(self, run_id: int | None) -> _Base:
        """A run's table: the market's at hand, else read back from the record. Raises RunGoneError."""
        market = self.service.market if run_id is not None else await self.service.ready()
        if market is not None and run_id in (None, market.official.run_id):
            return _Base(market.official.run_id, market.official.screen, market.table, market.panel)
        assert run_id is not None
        screen = await self.service.stored(run_id)
        table = None if screen.run.state == "aborted" else await self.service.desk(lambda: table_of(screen))
        return _Base(run_id, screen, table, None)

    async def _rows(self, pairs: Sequence[Pair], run_id: int | None) -> tuple[_Base, tuple[PairRow, ...]]:
        """Pairs measured in a run; of a stored one those that were kept with it."""
        base = await self._base(run_id)
        panel, table, limit = base.panel, base.table, self._limit
        if panel is not None:
            return base, await self.service.engine(lambda: measure_pairs(panel, table, pairs, limit))
        wanted = {pair.id for pair in pairs}
        kept = await self.service.desk(lambda: stored_pairs(self.service.store, base.run_id))
        return base, tuple(row for row in kept if row.pair in wanted)


_SPOKEN = {"vrp_structural": "IV30/HV90", "structural_252": "IV30/HV252"}


def find_pair(typed: str, pairs: Sequence[Pair]) -> Pair:
    """The pair somebody meant by its id, its legs either way round, or a leg no other pair has.

    Raises InputError naming what there is.
    """
    wanted = _folded(typed)
    for pair in pairs:
        if wanted in (_folded(pair.id), _folded(pair.leg_a + pair.leg_b), _folded(pair.leg_b + pair.leg_a)):
            return pair
    held = [pair for pair in pairs if wanted in (_folded(pair.leg_a), _folded(pair.leg_b))]
    if len(held) == 1:
        return held[0]
    if held:
        raise InputError(f"That name is in several pairs: {', '.join(pair.id for pair in held)}.")
    if not pairs:
        raise InputError("There are no pairs here; /pair add keeps a server's own.")
    by_id = {pair.id: pair for pair in pairs}
    return by_id[one_of(typed, list(by_id), "pair")]


def _folded(text: str) -> str:
    """Only what a word cannot do without: `gld / slv` is `GLD/SLV`."""
    return "".join(character for character in text.casefold() if character.isalnum() or character in ".^")


def _view(row: PairRow, base: _Base, store: Store, realm: Realm, own: bool) -> PairView:
    history = spread_history(store, row.leg_a, row.leg_b, realm, base.screen.run.session)
    return PairView(
        row=row,
        detail=pair_detail(row, history, base.table),
        history=history,
        legs=(_leg(row.leg_a, base.table), _leg(row.leg_b, base.table)),
        own=own,
    )


def _leg(symbol: str, table: pd.DataFrame | None) -> Leg:
    found = table[table["symbol"] == symbol] if table is not None else None
    if found is None or found.empty:
        return Leg(symbol, None, None)
    iv30, hv252 = (float(found[column].iloc[0]) for column in ("iv30", "hv252"))
    return Leg(symbol, iv30, hv252, found["asset_class"].iloc[0] not in WITHOUT_EARNINGS)


def _signals_before(store: Store, realm: Realm, session: date) -> dict[str, Signal]:
    """The signals of the last official close before a session, by pair; of its last run that has any."""
    with store.reading() as db:
        closes = official_closes(db, realm, session, 1)
    for _, runs in closes:
        for run_id in reversed(runs):
            if rows := stored_pairs(store, run_id):
                return {row.pair: row.signal for row in rows}
    return {}
