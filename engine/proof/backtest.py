"""A past judged day by day as it came, and scored like the record (methodology 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from engine import __version__
from engine.arrays import CodeArray, IntArray
from engine.errors import UnreadableError
from engine.proof.dayrows import ROWS
from engine.proof.days import DUAL, LISTED, NONE, NOT_LISTED, NameDays, StateArray
from engine.proof.judged import BOTH, NOT_JUDGED, JudgedDays, OneLens, judged_days, judged_gates
from engine.proof.result import Backtest, By, Curve, Group
from engine.proof.scorecard import Scorer
from engine.proof.series import Past
from engine.proof.unsettled import Unsettled
from engine.rules import Rules
from engine.screen.gates import structural, tactical

Progress = Callable[[int, int], None]
LISTS = ("listed", "not listed")
THRESHOLDS: Mapping[OneLens, tuple[float, ...]] = {
    "quarterly": (1.0, 1.1, 1.2, 1.3, 1.4, 1.5),
    "yearly": (0.7, 0.8, 0.9, 1.0, 1.1, 1.2),
}
"""Limits every backtest tries on either premium, besides the lens's own."""
EDGES = np.round(np.arange(-200, 201) * 0.005, 3)
"""Half a point of volatility a bin; the outermost hold everything beyond."""


def backtest(
    past: Past,
    rules: Rules,
    benchmark: str,
    by: By | None = None,
    first: date | None = None,
    last: date | None = None,
    progress: Progress | None = None,
    rows_at_once: int = ROWS,
) -> Backtest:
    """Judge every session from `first` to `last` (of those with an IV30) as it came, and score the calls.

    A day is measured from what lies at or before it; days before `first` serve its windows, days after
    `last` its outcomes. Gates that a past has no data for are not judged (`settings["gates_not_judged"]`).
    Memory beside the past does not grow with its length, but for a number a session and curve: blocks
    of about `rows_at_once` name-days are judged together. `progress` is told (sessions judged, all).
    Raises UnreadableError when no session is left. Source: methodology 8.
    """
    begin, end = span(past, first, last)
    scorer = Scorer(rules, benchmark, by, _families(rules), past.sessions)
    sums = _Sums(end - begin, begin, past.symbols.index(benchmark) if benchmark in past.symbols else None)
    unsettled = Unsettled(past, rules.proof.horizon_sessions)
    for judged in judged_days(past, rules, begin, end, rows_at_once):
        scorer.add(judged.own, dict(_codes(judged, rules)))
        sums.add(judged.own, judged.rows.session)
        unsettled.add(judged)
        if progress is not None:
            progress(int(judged.rows.session[-1]) + 1 - begin, end - begin)
    notes = (*past.notes, *unsettled.notes(), *_no_benchmark(past, benchmark))
    settings = {
        **settings_of(past, rules, begin, end),
        "benchmark": benchmark,
        "notes": list(notes),
    }
    card = scorer.result(settings, waiting=unsettled.waiting, lost=unsettled.lost)
    lenses: dict[str, tuple[Group, ...]] = {
        lens: (*scorer.family(f"dual {lens}"), *scorer.family(f"list {lens}")) for lens in BOTH
    }
    if by in (None, "gate"):
        card = replace(card, groups=(*card.groups, *_named_by_lens(lenses)))
    return Backtest(
        scorecard=card,
        lenses=lenses,
        thresholds=tuple(group for name in _limits(rules) for group in scorer.family(name)),
        sessions=past.sessions[begin:end],
        curves=sums.curves(benchmark),
        edges=EDGES,
        counts=sums.counts,
        notes=notes,
    )


def _no_benchmark(past: Past, benchmark: str) -> tuple[str, ...]:
    if benchmark in past.symbols:
        return ()
    return (f"{benchmark} is not in both files: the baseline of that name is empty.",)


def span(past: Past, first: date | None, last: date | None) -> tuple[int, int]:
    """Columns of the sessions from `first` to `last` between the first IV30 and the last.

    Raises UnreadableError when there is none.
    """
    known = np.flatnonzero(np.isfinite(past.iv30).any(axis=0))
    begin, end = int(known[0]), int(known[-1]) + 1
    if first is not None:
        begin = max(begin, int(np.searchsorted(past.sessions, np.datetime64(first))))
    if last is not None:
        end = min(end, int(np.searchsorted(past.sessions, np.datetime64(last), side="right")))
    if begin >= end:
        raise UnreadableError(
            f"No session to judge is left: the files hold IV30 from {past.sessions[known[0]]} "
            f"to {past.sessions[known[-1]]}."
        )
    return begin, end


def settings_of(past: Past, rules: Rules, begin: int, end: int) -> dict[str, Any]:
    """How a past was judged, in plain values."""
    return {
        "source": "backtest",
        "lens": rules.lens,
        "profile": rules.profile,
        "rules_hash": rules.hash,
        "engine_version": __version__,
        "horizon_sessions": rules.proof.horizon_sessions,
        "gates_judged": list(judged_gates(rules)),
        "gates_not_judged": dict(NOT_JUDGED),
        "judged_from": str(past.sessions[begin]),
        "judged_to": str(past.sessions[end - 1]),
        "closes_to": str(past.sessions[past.closes_to]),
        "names": len(past.symbols),
        "sessions": end - begin,
    }


# --- groups of the backtest's own -----------------------------------------------------------------


def _families(rules: Rules) -> dict[str, tuple[str, ...]]:
    families: dict[str, tuple[str, ...]] = {}
    for lens in BOTH:
        families |= {f"dual {lens}": DUAL, f"list {lens}": LISTS}
    return families | {name: (name,) for name in _limits(rules)}


def _limits(rules: Rules) -> dict[str, tuple[str, float]]:
    """Name of each threshold tried, with its premium and limit."""
    lens: OneLens = "yearly" if rules.lens == "yearly" else "quarterly"
    own = rules.lenses[lens]
    tried = {
        "structural": {*THRESHOLDS[lens], own.vrp_structural_threshold},
        "tactical": {*THRESHOLDS[lens], own.vrp_tactical_threshold},
    }
    return {
        f"{premium} > {limit:.2f}": (premium, limit) for premium in tried for limit in sorted(tried[premium])
    }


def _codes(judged: JudgedDays, rules: Rules) -> Iterator[tuple[str, CodeArray]]:
    for lens, days in judged.lenses.items():
        yield f"dual {lens}", days.dual
        yield f"list {lens}", _list_codes(days.listed)
    ratio = {"structural": structural(judged.table), "tactical": tactical(judged.table)}
    for name, (premium, limit) in _limits(rules).items():
        yield name, np.where(ratio[premium] > limit, 0, NONE).astype(np.uint8)


def _list_codes(listed: StateArray) -> CodeArray:
    return np.select([listed == LISTED, listed == NOT_LISTED], [0, 1], NONE).astype(np.uint8)


def _named_by_lens(lenses: Mapping[str, tuple[Group, ...]]) -> Iterator[Group]:
    for lens, groups in lenses.items():
        for group in groups:
            name = f"{group.name} ({lens})" if group.name in LISTS else f"{lens} {group.name}"
            yield replace(group, name=name)


# --- what is summed beside the scorecard ------------------------------------------------------------


class _Sums:
    """Gaps session by session, and their histogram; of universe, list and benchmark."""

    def __init__(self, sessions: int, begin: int, benchmark: int | None) -> None:
        self._begin, self._benchmark = begin, benchmark
        self._total = np.zeros((3, sessions))
        self._n = np.zeros((3, sessions), dtype=np.int64)
        self.counts = {name: np.zeros(len(EDGES) - 1, dtype=np.int64) for name in ("universe", "listed")}

    def add(self, days: NameDays, session: IntArray) -> None:
        gap = days.gap
        known = np.isfinite(gap)
        listed = known & (days.listed == LISTED)
        benchmark = known & (days.name == self._benchmark) if self._benchmark is not None else ~known & known
        place = session - self._begin
        for row, chosen in enumerate((known, listed, benchmark)):
            self._n[row] += np.bincount(place[chosen], minlength=self._n.shape[1])
            self._total[row] += np.bincount(place[chosen], weights=gap[chosen], minlength=self._n.shape[1])
        for name, chosen in (("universe", known), ("listed", listed)):
            inside = np.clip(gap[chosen], EDGES[0], EDGES[-1])
            self.counts[name] += np.histogram(inside, EDGES)[0]

    def curves(self, benchmark: str) -> tuple[Curve, ...]:
        mean = np.full(self._total.shape, np.nan)
        np.divide(self._total, self._n, out=mean, where=self._n > 0)
        names = ("universe", "listed", benchmark)
        return tuple(Curve(name, mean[row], self._n[row]) for row, name in enumerate(names))
