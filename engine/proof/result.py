"""What a scorecard says: frozen results that cards, command line and reports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.arrays import FloatArray, IntArray

By = Literal["signal", "regime", "gate", "symbol"]
BYS: tuple[By, ...] = ("signal", "regime", "gate", "symbol")
ALL = "all"
UNIVERSE = "universe"


@dataclass(frozen=True, slots=True)
class Group:
    """Outcomes of some observations. Gaps are fractions: 0.0411 is 4.11 points of volatility.

    n            observations with a known outcome
    effective_n  how many independent ones they are worth (engine.proof.statistics)
    hit_rate     share with a gap above 0, None without any
    ci_low, ci_high   95 % Wilson interval of the hit rate at the effective n
    mean_gap, median_gap, worst   of IV30 at entry less the movement after it; worst is the smallest
    over_universe   mean gap less that of the universe on the same sessions, weighted as the group's
    names, sessions   how many different ones the n are spread over
    """

    name: str
    n: int
    effective_n: float
    hit_rate: float | None
    ci_low: float | None
    ci_high: float | None
    mean_gap: float | None
    median_gap: float | None
    worst: float | None
    over_universe: float | None = None
    names: int = 0
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Whipsaw:
    """Of listed name-days whose next sessions are known, the share that left the list within them."""

    lens: str
    n: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Groups ("all" first, then in the method's order), both baselines, whipsaw under both lenses.

    waiting   observations whose sessions after are not over
    lost      observations that will never have an outcome, by reason
    first, last   sessions of the observations counted, None without any
    settings  how it was counted, plain values that go into JSON as they are
    """

    groups: tuple[Group, ...]
    baselines: tuple[Group, ...]
    whipsaw: tuple[Whipsaw, ...]
    first: date | None = None
    last: date | None = None
    waiting: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def group(self, name: str) -> Group | None:
        """The group of a name, None when there is none."""
        return next((group for group in self.groups if group.name == name), None)


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean gap of some observations session by session, in entry order; NaN on a session without any."""

    name: str
    mean_gap: FloatArray
    n: IntArray


@dataclass(frozen=True, slots=True)
class Backtest:
    """A past judged day by day as it came.

    scorecard   by the rules' own lens; its groups also hold "yearly both gates", "listed (quarterly)" ...
    lenses      groups of each lens: DUAL, "listed", "not listed"; keys quarterly, yearly
    thresholds  cumulative groups such as "structural > 1.20" and "tactical > 1.20"
    sessions    (sessions,) datetime64[D] of the curves
    curves      universe, listed, benchmark
    edges, counts   histogram of all gaps: edges (bins + 1,) as fractions, counts of universe and listed
    notes       what was found in the files and done about it, a sentence each
    """

    scorecard: Scorecard
    lenses: Mapping[str, tuple[Group, ...]]
    thresholds: tuple[Group, ...]
    sessions: npt.NDArray[np.datetime64]
    curves: tuple[Curve, ...]
    edges: FloatArray
    counts: Mapping[str, IntArray]
    notes: tuple[str, ...]
