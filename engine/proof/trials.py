"""Many selections of the same name-days counted side by side, session by session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.proof.statistics import SessionSums, effective_n, wilson


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one selection; None where it holds no observation. Gaps are fractions."""

    n: int
    effective_n: float
    hit_rate: float | None
    ci_low: float | None
    ci_high: float | None
    mean_gap: float | None


class Trials:
    """Outcomes of `count` selections over `names` names: the figures of a scorecard's group, for each."""

    def __init__(self, count: int, names: int, horizon: int) -> None:
        self._horizon = horizon
        self._n, self._hits, self._sessions = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self._squares, self._shares, self._total = (np.zeros(count) for _ in range(3))
        # First session of each name, and of any, whose window overlaps none that was taken.
        self._free_from = np.zeros((count, names), dtype=np.int32)
        self._period_from = np.zeros(count, dtype=np.int32)
        self._free, self._periods = (np.zeros(count, dtype=np.int64) for _ in range(2))

    def add(self, position: int, chosen: BoolArray, gap: FloatArray) -> None:
        """One session: number `position`, chosen (count, names), gap (names,) NaN where not known."""
        known = np.isfinite(gap)
        chosen = chosen & known
        value, hit = np.where(known, gap, 0.0), (gap > 0).astype(np.float64)
        weight = chosen.astype(np.float64)
        n, hits = weight.sum(axis=1), weight @ hit
        self._total += weight @ value
        self._n += n.astype(np.int64)
        self._hits += hits.astype(np.int64)
        some = n > 0
        self._sessions += some
        self._squares += n * n
        self._shares[some] += hits[some] ** 2 / n[some]
        taken = chosen & (self._free_from <= position)
        self._free_from[taken] = position + self._horizon
        self._free += np.count_nonzero(taken, axis=1)
        begun = some & (self._period_from <= position)
        self._period_from[begun] = position + self._horizon
        self._periods += begun

    def outcome(self, trial: int) -> Outcome:
        """One selection so far, with the 95 % interval of its hit rate at its effective n."""
        n, hits = int(self._n[trial]), int(self._hits[trial])
        if n == 0:
            return Outcome(0, 0.0, None, None, None, None)
        sums = SessionSums(
            n, hits, int(self._sessions[trial]), float(self._squares[trial]), float(self._shares[trial])
        )
        effective = effective_n(sums, int(self._free[trial]), int(self._periods[trial]))
        low, high = wilson(hits / n, effective)
        return Outcome(n, effective, hits / n, low, high, float(self._total[trial]) / n)


class Leaving:
    """Whipsaw of many lists: of listed names, how many are off the list within the next sessions."""

    def __init__(self, count: int, names: int, within: int) -> None:
        self._within = within
        self._listed = np.zeros((within, count, names), dtype=bool)
        self._off = np.full((count, names), -1, dtype=np.int32)
        self._seen = 0
        self.n: IntArray = np.zeros(count, dtype=np.int64)
        self.left: IntArray = np.zeros(count, dtype=np.int64)

    def add(self, listed: BoolArray, measured: BoolArray) -> None:
        """The next session: listed (count, names), measured (names,)."""
        self._off[measured & ~listed] = self._seen
        slot = self._seen % self._within
        if self._seen >= self._within:
            then = self._listed[slot]
            self.n += np.count_nonzero(then, axis=1)
            self.left += np.count_nonzero(then & (self._off > self._seen - self._within), axis=1)
        self._listed[slot] = listed & measured
        self._seen += 1
