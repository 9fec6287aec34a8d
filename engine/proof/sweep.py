"""Pairs of premium thresholds tried on one past: each one's outcome, and what trying many of them costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np

from engine.arrays import BoolArray, FloatArray
from engine.errors import VarianceError
from engine.proof.backtest import settings_of, span
from engine.proof.dayrows import blocks_of, day_rows
from engine.proof.judged import seen_rows
from engine.proof.series import Past
from engine.proof.statistics import wilson
from engine.proof.trials import Leaving, Outcome, Trials
from engine.rules import Rules
from engine.screen.gates import structural, tactical

MOST_TRIALS = 1_000
LEVEL = 0.95
_SWEPT = ("structural", "tactical")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One pair of thresholds: what a list made with it would have held.

    candidates_a_day   names listed a session
    whipsaw_n, whipsaw   listed name-days whose next sessions are known, and the share that left
    """

    structural: float
    tactical: float
    outcome: Outcome
    candidates_a_day: float
    whipsaw_n: int
    whipsaw: float | None


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """The best pair of the first half of the sessions, judged on the second.

    universe   every observation of the second half, whatever its ratios
    middle     first session of the second half
    """

    structural: float
    tactical: float
    first: Outcome
    second: Outcome
    universe: Outcome
    middle: date


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every pair, in the order of the thresholds.

    best         the pair whose hit rate has the highest lower bound; None where no sample is large enough
    wide_low, wide_high   interval of the best, widened for the number of trials
    out_of_sample   None where no sample of the first half is large enough
    """

    trials: tuple[Trial, ...]
    best: Trial | None
    wide_low: float | None
    wide_high: float | None
    out_of_sample: OutOfSample | None
    settings: dict[str, Any]


def sweep(
    past: Past,
    rules: Rules,
    structurals: Sequence[float],
    tacticals: Sequence[float],
    first: date | None = None,
    last: date | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Judge every pair of thresholds of the rules' lens on the same measured days.

    Days are measured and judged once; a pair lists what no other gate keeps out and whose two ratios lie
    strictly above its thresholds. The best pair has the highest lower end of the 95 % interval among those
    with an effective n of `evidence_least_n`; its widened interval is that at the level 0.95^(1/trials)
    (Sidak), so that the best of many by luck alone is not taken for good. The first half ends `horizon`
    sessions before the middle: no outcome of it reaches into the second. Raises VarianceError for no or
    too many pairs, UnreadableError when no session is left.
    Source: Sidak (1967), "Rectangular confidence regions for the means of multivariate normal
    distributions", JASA 62.
    """
    pairs = [(one, other) for one in structurals for other in tacticals]
    if not 1 <= len(pairs) <= MOST_TRIALS:
        raise VarianceError(
            f"A sweep tries 1 to {MOST_TRIALS:,} pairs of thresholds; these are {len(pairs):,}."
        )
    begin, end = span(past, first, last)
    count = _Count(past, rules, np.array(structurals), np.array(tacticals), (begin, end))
    for start, stop in blocks_of(past, begin, end):
        count.block(start, stop)
        if progress is not None:
            progress(stop - begin, end - begin)
    trials = tuple(count.trial(place, *pair) for place, pair in enumerate(pairs))
    least = rules.proof.evidence_least_n
    best = _best([trial.outcome for trial in trials], least)
    low, high = (None, None) if best is None else _widened(trials[best].outcome, len(pairs))
    return Sweep(
        trials=trials,
        best=None if best is None else trials[best],
        wide_low=low,
        wide_high=high,
        out_of_sample=count.out_of_sample(pairs, least),
        settings=_settings(past, rules, begin, end, len(pairs)),
    )


def _settings(past: Past, rules: Rules, begin: int, end: int, trials: int) -> dict[str, Any]:
    return {
        **settings_of(past, rules, begin, end),
        "whipsaw_sessions": rules.proof.whipsaw_sessions,
        "small_sample_below": rules.proof.evidence_least_n,
        "trials": trials,
        "best": "highest lower end of the 95 % interval of the hit rate",
        "widened": f"Sidak: {100 * LEVEL ** (1 / trials):.3f} % an interval, {100 * LEVEL:.0f} % for all",
        "notes": list(past.notes),
    }


def _best(outcomes: Sequence[Outcome], least: int) -> int | None:
    """Place of the highest lower bound among the samples that are large enough; ties by the mean gap."""
    ranked = [
        (outcome.ci_low, outcome.mean_gap, -place)
        for place, outcome in enumerate(outcomes)
        if outcome.effective_n >= least and outcome.ci_low is not None
    ]
    return -max(ranked)[2] if ranked else None


def _widened(outcome: Outcome, trials: int) -> tuple[float | None, float | None]:
    if outcome.hit_rate is None:
        return None, None
    level = LEVEL ** (1 / trials)
    return wilson(outcome.hit_rate, outcome.effective_n, NormalDist().inv_cdf((1 + level) / 2))


class _Count:
    """The pass over the days."""

    def __init__(
        self, past: Past, rules: Rules, structurals: FloatArray, tacticals: FloatArray, part: tuple[int, int]
    ) -> None:
        names, horizon = len(past.symbols), rules.proof.horizon_sessions
        self._past, self._rules, self._horizon = past, rules, horizon
        self._structurals, self._tacticals = structurals, tacticals
        self._sessions = part[1] - part[0]
        settled = max(part[0] + 1, min(part[1], past.closes_to + 1 - horizon))
        self._middle = part[0] + (settled - part[0]) // 2
        count = len(structurals) * len(tacticals)
        self._whole, self._first, self._second = (Trials(count, names, horizon) for _ in range(3))
        self._universe = Trials(1, names, horizon)
        self._leaving = Leaving(count, names, rules.proof.whipsaw_sessions)
        self._listed = np.zeros(count, dtype=np.int64)

    def block(self, start: int, stop: int) -> None:
        """Measure and judge some sessions once, then count them under every pair."""
        rows = day_rows(self._past, self._rules, start, stop, self._horizon)
        seen = seen_rows(rows.table, self._rules)
        shape = (stop - start, len(self._past.symbols))
        swept = np.array([spec.name in _SWEPT for spec in seen.verdicts.specs])
        iv30 = rows.table["iv30"].to_numpy(dtype=np.float64)
        measured = np.isfinite(iv30).reshape(shape)
        judged = measured & rows.table["missing_reason"].isna().to_numpy().reshape(shape)
        others = measured & ~seen.verdicts.blocks[~swept].any(axis=0).reshape(shape)
        one, other = structural(seen.table).reshape(shape), tactical(seen.table).reshape(shape)
        gap = (iv30 - rows.realized).reshape(shape)
        for place in range(stop - start):
            listed = self._selected(one[place], other[place]) & others[place]
            self._session(start + place, listed, (measured[place], judged[place]), gap[place])

    def _selected(self, one: FloatArray, other: FloatArray) -> BoolArray:
        above = one > self._structurals[:, None], other > self._tacticals[:, None]
        selected: BoolArray = (above[0][:, None] & above[1][None]).reshape(-1, len(one))
        return selected

    def _session(
        self, position: int, listed: BoolArray, known: tuple[BoolArray, BoolArray], gap: FloatArray
    ) -> None:
        measured, judged = known
        self._listed += np.count_nonzero(listed, axis=1)
        self._leaving.add(listed, judged)
        self._whole.add(position, listed, gap)
        if position >= self._middle:
            self._second.add(position, listed, gap)
            self._universe.add(position, measured[None], gap)
        elif position + self._horizon < self._middle:
            self._first.add(position, listed, gap)

    def trial(self, place: int, structural: float, tactical: float) -> Trial:
        n, left = int(self._leaving.n[place]), int(self._leaving.left[place])
        return Trial(
            structural=structural,
            tactical=tactical,
            outcome=self._whole.outcome(place),
            candidates_a_day=float(self._listed[place]) / self._sessions,
            whipsaw_n=n,
            whipsaw=left / n if n else None,
        )

    def out_of_sample(self, pairs: Sequence[tuple[float, float]], least: int) -> OutOfSample | None:
        first = [self._first.outcome(place) for place in range(len(pairs))]
        best = _best(first, least)
        if best is None:
            return None
        return OutOfSample(
            *pairs[best],
            first=first[best],
            second=self._second.outcome(best),
            universe=self._universe.outcome(0),
            middle=self._past.sessions[self._middle].item(),
        )
