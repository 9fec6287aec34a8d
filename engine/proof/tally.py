"""Outcomes counted by group, block by block: sums, the gaps for the median, windows that do not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.arrays import CodeArray, FloatArray, IntArray
from engine.proof.result import Group
from engine.proof.statistics import SessionSums, effective_n, wilson

EXACT_UP_TO = 100_000
"""Gaps a group keeps for an exact median; beyond it they are folded into a histogram."""
BIN = 1e-4
_BINS_A_SIDE = 50_000
_NEVER = -(2**40)
_PLACES = 2**32


@dataclass(frozen=True)
class Outcomes:
    """Name-days with a known outcome, sessions ascending and whole.

    name       (rows,) number of the ticker, the same in every block
    position   (rows,) number of the session
    gap        (rows,) IV30 less the movement after it, fractions
    """

    name: IntArray
    position: IntArray
    gap: FloatArray

    @cached_property
    def hit(self) -> FloatArray:
        """1.0 where the gap is above 0."""
        return (self.gap > 0).astype(np.float64)

    @cached_property
    def session(self) -> IntArray:
        """(rows,) 0, 1, 2 ... as the sessions follow within the block."""
        place: IntArray = np.cumsum(np.diff(self.position, prepend=self.position[:1]) != 0)
        return place

    @cached_property
    def sessions(self) -> int:
        """How many sessions the block holds."""
        return int(self.session[-1]) + 1 if len(self.session) else 0

    @cached_property
    def excess(self) -> FloatArray:
        """(rows,) gap less the mean gap of all names of its session."""
        count = np.bincount(self.session, minlength=self.sessions)
        mean = np.bincount(self.session, weights=self.gap, minlength=self.sessions) / count
        over: FloatArray = self.gap - mean[self.session]
        return over

    @cached_property
    def by_name(self) -> IntArray:
        """Order of the rows by name, within a name by session."""
        return np.argsort(self.name, kind="stable")

    @cached_property
    def places(self) -> IntArray:
        """Name and position in one ascending number, in the order of `by_name`."""
        places: IntArray = self.name[self.by_name] * _PLACES + self.position[self.by_name]
        return places


class Windows:
    """Observations whose windows of `horizon` sessions do not overlap, counted name by name.

    Greedy in the order of time: one is taken, those within the next `horizon` - 1 sessions are passed over.
    """

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._last = np.full(0, _NEVER, dtype=np.int64)
        self.count = np.zeros(0, dtype=np.int64)
        """(names,) taken of each name."""

    def add(self, places: IntArray) -> None:
        """Further observations as ascending numbers of name and position (Outcomes.places)."""
        if not len(places):
            return
        every = places // _PLACES
        self._grow(int(every[-1]) + 1)
        names = every[np.flatnonzero(np.diff(every, prepend=-1))]
        floor = np.maximum(self._last[names] + self._horizon, 0)
        while len(names):
            at = np.searchsorted(places, names * _PLACES + floor)
            at = np.minimum(at, len(places) - 1)
            taken = places[at]
            there = (taken // _PLACES == names) & (taken % _PLACES >= floor)
            names, position = names[there], taken[there] % _PLACES
            self.count[names] += 1
            self._last[names] = position
            floor = position + self._horizon

    def _grow(self, size: int) -> None:
        more = size - len(self.count)
        if more > 0:
            self._last = np.concatenate([self._last, np.full(more, _NEVER, dtype=np.int64)])
            self.count = np.concatenate([self.count, np.zeros(more, dtype=np.int64)])


class Gaps:
    """Gaps kept for their median: exact up to EXACT_UP_TO, then counted in bins of 0.01 points."""

    def __init__(self) -> None:
        self._kept: list[FloatArray] = []
        self._n = 0
        self._bins: IntArray | None = None

    @property
    def exact(self) -> bool:
        """Whether every gap is still kept."""
        return self._bins is None

    def add(self, gaps: FloatArray) -> None:
        """Further gaps, fractions."""
        self._n += len(gaps)
        self._kept.append(gaps)
        if self._bins is None and self._n <= EXACT_UP_TO:
            return
        if self._bins is None:
            self._bins = np.zeros(2 * _BINS_A_SIDE, dtype=np.int64)
        place = np.floor(np.concatenate(self._kept) / BIN).astype(np.int64) + _BINS_A_SIDE
        self._bins += np.bincount(np.clip(place, 0, 2 * _BINS_A_SIDE - 1), minlength=2 * _BINS_A_SIDE)
        self._kept = []

    @property
    def median(self) -> float | None:
        """None without any; from the histogram by linear interpolation within its bin."""
        if self._n == 0:
            return None
        if self._bins is None:
            return float(np.median(np.concatenate(self._kept)))
        upto = np.cumsum(self._bins)
        place = int(np.searchsorted(upto, self._n / 2))
        before = upto[place] - self._bins[place]
        within = (self._n / 2 - before) / self._bins[place]
        return float((place - _BINS_A_SIDE + within) * BIN)


class Tally:
    """Groups that exclude each other: each observation is in one of them or in none."""

    def __init__(self, names: Sequence[str], horizon: int) -> None:
        self._members = tuple(_Member(name, horizon) for name in names)

    def add(self, block: Outcomes, code: CodeArray) -> None:
        """Further observations; code (rows,) is each one's group, engine.proof.days.NONE for none."""
        if not len(code):
            return
        ordered = code[block.by_name]
        n, hits = self._by_session(block, code, None), self._by_session(block, code, block.hit)
        positions = block.position[np.searchsorted(block.session, np.arange(block.sessions))]
        for place, member in enumerate(self._members):
            rows = np.flatnonzero(code == place)
            if len(rows):
                member.sums.add(n[:, place], hits[:, place])
                member.add(block.gap[rows], block.excess[rows])
                member.windows.add(block.places[ordered == place])
                member.periods.add(positions[n[:, place] > 0])

    def _by_session(self, block: Outcomes, code: CodeArray, weights: FloatArray | None) -> FloatArray:
        """Sums by session and group, (sessions, groups); without weights the counts."""
        groups = len(self._members)
        size = block.sessions * groups
        cell = np.where(code < groups, block.session * groups + code, size)
        sums: FloatArray = np.bincount(cell, weights=weights, minlength=size)[:size].astype(np.float64)
        return sums.reshape(block.sessions, groups)

    @property
    def exact(self) -> bool:
        """Whether every median is exact."""
        return all(member.gaps.exact for member in self._members)

    def groups(self) -> tuple[Group, ...]:
        """Every group, the empty ones too."""
        return tuple(member.group() for member in self._members)


class SymbolTally:
    """One group a ticker."""

    def __init__(self, horizon: int) -> None:
        self._windows = Windows(horizon)
        self._name: list[IntArray] = []
        self._gap: list[FloatArray] = []
        self._excess: list[FloatArray] = []

    def add(self, block: Outcomes) -> None:
        """Further observations."""
        self._windows.add(block.places)
        self._name.append(block.name)
        self._gap.append(block.gap)
        self._excess.append(block.excess)

    def groups(self, symbols: Sequence[str]) -> Iterator[Group]:
        """Groups with an observation, by ticker; `symbols` are the tickers by their numbers."""
        if not self._name:
            return
        name = np.concatenate(self._name)
        gap, excess = np.concatenate(self._gap), np.concatenate(self._excess)
        order = np.argsort(name, kind="stable")
        ends = np.cumsum(np.bincount(name, minlength=len(symbols)))
        for place in sorted(range(len(symbols)), key=symbols.__getitem__):
            rows = order[ends[place - 1] if place else 0 : ends[place]]
            if len(rows):
                member = _Member(symbols[place], 1)
                one = np.ones(len(rows))
                member.sums.add(one, (gap[rows] > 0).astype(np.float64))
                member.add(gap[rows], excess[rows])
                member.windows.count = member.periods.count = self._windows.count[place : place + 1]
                yield member.group()


class _Member:
    """What is kept of one group."""

    def __init__(self, name: str, horizon: int) -> None:
        self.name = name
        self.sums = SessionSums()
        self.windows, self.periods = Windows(horizon), Windows(horizon)
        self.gaps = Gaps()
        self._total = self._over = 0.0
        self._worst = np.inf

    def add(self, gap: FloatArray, excess: FloatArray) -> None:
        self.gaps.add(gap)
        self._total += float(gap.sum())
        self._over += float(excess.sum())
        self._worst = min(self._worst, float(gap.min()))

    def group(self) -> Group:
        n = self.sums.n
        if n == 0:
            return _group(self.name)
        free, periods = int(self.windows.count.sum()), int(self.periods.count.sum())
        effective, rate = effective_n(self.sums, free, periods), self.sums.hits / n
        low, high = wilson(rate, effective)
        return Group(
            name=self.name,
            n=n,
            effective_n=effective,
            hit_rate=rate,
            ci_low=low,
            ci_high=high,
            mean_gap=self._total / n,
            median_gap=self.gaps.median,
            worst=self._worst,
            over_universe=self._over / n,
            names=int(np.count_nonzero(self.windows.count)),
            sessions=self.sums.sessions,
        )


def _group(name: str) -> Group:
    return Group(name, 0, 0.0, None, None, None, None, None, None)
