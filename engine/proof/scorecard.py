"""The scorecard (methodology 8): what became of judged names, counted block by block as time goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from engine.arrays import CodeArray, IntArray
from engine.proof.days import DUAL, LISTED, NONE, NOT_LISTED, DayArray, NameDays
from engine.proof.result import ALL, UNIVERSE, By, Group, Scorecard
from engine.proof.tally import EXACT_UP_TO, Outcomes, SymbolTally, Tally
from engine.proof.whipsaw import WhipsawCounter
from engine.rules import Rules
from engine.screen.gates import GATE_NAMES
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

_ROWS_AT_ONCE = 2**17
_GATE = "gate "
Codes = Mapping[str, CodeArray]


class Scorer:
    """Counts name-days into a scorecard; what it keeps does not grow with the number of sessions.

    By symbol alone every gap is kept, 24 bytes an observation, as each ticker's median is exact.

    by         which groups: signal, regime (with the zones), gate (with DUAL and the list) or symbol; None
               for all of these but the symbols, regimes then called "regime COILED" ...
    families   further groups of the caller's own, by a label: names of groups that exclude each other
    sessions   the exchange's sessions, ascending, when they are known; without them the sessions of the
               blocks are taken to follow each other without a gap
    """

    def __init__(
        self,
        rules: Rules,
        benchmark: str,
        by: By | None = None,
        families: Mapping[str, Sequence[str]] | None = None,
        sessions: DayArray | None = None,
    ) -> None:
        self._proof, self._benchmark, self._by = rules.proof, benchmark, by
        self._calendar = sessions
        horizon = rules.proof.horizon_sessions
        self._every, self._bench = Tally((ALL,), horizon), Tally((benchmark,), horizon)
        self._tallies = {label: Tally(names, horizon) for label, names in _families(by).items()}
        self._own = {label: Tally(names, horizon) for label, names in (families or {}).items()}
        self._symbols = SymbolTally(horizon) if by == "symbol" else None
        within = rules.proof.whipsaw_sessions
        self._whipsaw = {lens: WhipsawCounter(lens, within) for lens in ("quarterly", "yearly")}
        self._places: dict[str, int] = {}
        self._judged = 0
        self._seen: np.datetime64 | None = None
        self._position = -1
        self._first: date | None = None
        self._last: date | None = None
        self._buffer: list[tuple[Outcomes, Codes]] = []
        self._rows = 0

    def add(self, days: NameDays, codes: Codes | None = None) -> None:
        """The next whole sessions; `codes` give each row's group in every family of the caller's, else NONE.

        Blocks may hold different symbols. Rows without an outcome count for whipsaw only. Raises ValueError
        when sessions do not ascend, within the block or after the one before, or are none of the exchange's,
        and KeyError when `codes` lack a family.
        """
        if not len(days):
            return
        late = self._seen is not None and days.session[0] <= self._seen
        if late or (np.diff(days.session) < np.timedelta64(0, "D")).any():
            raise ValueError("sessions must ascend, within a block and from one block to the next")
        self._seen = days.session[-1]
        for part in _parts(days.session):
            self._add(days.rows(part), {label: code[part] for label, code in (codes or {}).items()})

    def _add(self, days: NameDays, codes: Codes) -> None:
        session, positions = self._sessions(days.session)
        name = self._names(days)
        for lens, listed in (("quarterly", days.listed_quarterly), ("yearly", days.listed_yearly)):
            self._whipsaw[lens].add(positions, session, name, listed)
        self._judged |= int(np.bitwise_or.reduce(days.known))
        gap = days.gap
        known = np.flatnonzero(np.isfinite(gap))
        if not len(known):
            return
        self._first = self._first or days.session[known[0]].item()
        self._last = days.session[known[-1]].item()
        every = {**_codes(days, self._tallies), **{label: codes[label] for label in self._own}}
        is_benchmark = name == self._places.get(self._benchmark, -1)
        every[UNIVERSE] = np.where(is_benchmark, 0, NONE).astype(np.uint8)
        block = Outcomes(name[known], positions[session[known]], gap[known])
        self._buffer.append((block, {label: code[known] for label, code in every.items()}))
        self._rows += len(known)
        if self._rows >= _ROWS_AT_ONCE:
            self._count()

    def result(
        self,
        settings: Mapping[str, Any] | None = None,
        waiting: int = 0,
        lost: Mapping[str, int] | None = None,
    ) -> Scorecard:
        """The scorecard of everything so far; more may be added afterwards.

        `settings` are kept with how it was counted, `waiting` and `lost` are passed on as they are.
        """
        self._count()
        every = self._every.groups()[0]
        groups = list(self._symbols.groups(list(self._places)) if self._symbols else self._groups())
        return Scorecard(
            groups=(every, *groups),
            baselines=(replace(every, name=UNIVERSE), *self._bench.groups()),
            whipsaw=tuple(counter.result() for counter in self._whipsaw.values()),
            first=self._first,
            last=self._last,
            waiting=waiting,
            lost=dict(lost or {}),
            settings={**self._settings(), **(settings or {})},
        )

    def family(self, label: str) -> tuple[Group, ...]:
        """The groups of one of the caller's families, the empty ones too. KeyError for another label."""
        self._count()
        return self._own[label].groups()

    def _groups(self) -> Iterator[Group]:
        for label, tally in self._tallies.items():
            gate = label.removeprefix(_GATE)
            if gate == label or self._judged >> GATE_NAMES.index(gate) & 1:
                yield from tally.groups()

    def _settings(self) -> dict[str, Any]:
        proof = self._proof
        tallies = (self._every, self._bench, *self._tallies.values())
        exact = all(tally.exact for tally in tallies)
        folded = f"exact up to {EXACT_UP_TO} observations of a group, else from bins of 0.01 points"
        return {
            "horizon_sessions": proof.horizon_sessions,
            "whipsaw_sessions": proof.whipsaw_sessions,
            "small_sample_below": proof.evidence_least_n,
            "effective_n": "windows without overlap, name by name, over the design effect of common movement",
            "interval": "Wilson 95 % at the effective n",
            "median": "exact" if exact else folded,
        }

    def _sessions(self, session: DayArray) -> tuple[IntArray, IntArray]:
        """Index of each row's session within the block, (rows,), and the sessions' numbers."""
        step = np.diff(session).astype(np.int64)
        index: IntArray = np.concatenate([[0], np.cumsum(step > 0)])
        count = int(index[-1]) + 1
        if self._calendar is None:
            positions = self._position + 1 + np.arange(count)
        else:
            days = session[np.concatenate([[True], step > 0])]
            positions = np.searchsorted(self._calendar, days)
            inside = np.minimum(positions, len(self._calendar) - 1)
            if (self._calendar[inside] != days).any():
                raise ValueError("every session must be one of the exchange's")
        self._position = int(positions[-1])
        return index, positions

    def _names(self, days: NameDays) -> IntArray:
        """Number of each row's ticker, the same in every block."""
        places = [self._places.setdefault(symbol, len(self._places)) for symbol in days.symbols]
        return np.array(places, dtype=np.int64)[days.name]

    def _count(self) -> None:
        if not self._buffer:
            return
        blocks, codes = zip(*self._buffer, strict=True)
        self._buffer, self._rows = [], 0
        block = Outcomes(
            name=np.concatenate([each.name for each in blocks]),
            position=np.concatenate([each.position for each in blocks]),
            gap=np.concatenate([each.gap for each in blocks]),
        )
        every = {label: np.concatenate([each[label] for each in codes]) for label in codes[0]}
        self._every.add(block, np.zeros(len(block.gap), dtype=np.uint8))
        self._bench.add(block, every.pop(UNIVERSE))
        for label, code in every.items():
            (self._own if label in self._own else self._tallies)[label].add(block, code)
        if self._symbols is not None:
            self._symbols.add(block)


def _families(by: By | None) -> dict[str, tuple[str, ...]]:
    """Families of groups that exclude each other, in the order they are shown."""
    families: dict[str, tuple[str, ...]] = {}
    if by in (None, "signal"):
        families["signal"] = SIGNALS
    if by in (None, "regime"):
        prefix = "" if by else "regime "
        families |= {"regime": tuple(prefix + name for name in REGIMES), "zone": ZONES}
    if by in (None, "gate"):
        families |= {"dual": DUAL, "listed": ("listed", "not listed")}
        families |= {_GATE + name: (f"{name}: pass", f"{name}: fail") for name in GATE_NAMES}
    return families


def _parts(session: DayArray) -> Iterator[slice]:
    """Slices of whole sessions, about _ROWS_AT_ONCE rows each, so that working arrays stay small."""
    start = 0
    while start < len(session):
        last = session[min(start + _ROWS_AT_ONCE, len(session)) - 1]
        stop = start + int(np.searchsorted(session[start:], last, side="right"))
        yield slice(start, stop)
        start = stop


def _codes(days: NameDays, labels: Iterable[str]) -> dict[str, CodeArray]:
    """Each row's group in every family; NONE where it has none."""
    return {label: _code(days, label) for label in labels}


def _code(days: NameDays, label: str) -> CodeArray:
    if label == "listed":
        return np.select([days.listed == LISTED, days.listed == NOT_LISTED], [0, 1], NONE).astype(np.uint8)
    if not label.startswith(_GATE):
        code: CodeArray = getattr(days, label)
        return code
    bit = np.uint16(1 << GATE_NAMES.index(label.removeprefix(_GATE)))
    failed = np.where((days.passes & bit) > 0, 0, 1)
    return np.where((days.known & bit) > 0, failed, NONE).astype(np.uint8)
