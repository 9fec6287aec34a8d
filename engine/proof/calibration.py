"""Calibration: do the thresholds still fit the market they judge (seed 004, methodology 8)?

It measures and suggests; nothing is ever applied by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import starmap
from typing import Any, Literal

import numpy as np

from engine.arrays import FloatArray
from engine.proof.lenses import (
    LEAST_THRESHOLD,
    Close,
    Look,
    Move,
    Pool,
    Sight,
    candidates,
    look_at,
    moved,
    pooled,
)
from engine.proof.whatif import WhatIf, what_ifs
from engine.rules import Lens, Rules
from engine.screen.gates import State, StateArray

LensName = Literal["quarterly", "yearly"]
TriggerName = Literal["ratio above", "ratio below", "candidates above", "candidates below", "drift"]
Direction = Literal["raise", "lower", "diagnostic"]

BAND_CANDIDATES = (10, 30)
BAND_PASS_RATE = (0.30, 0.40)
BAND_MEAN, BAND_SD = 1.0, 0.2
"""What seed 004 calls success; context, never a limit."""
LONG_RUN_RATIO = 1.04
"""Median of HV252/HV90 on the S&P 500 over the long run (methodology 8)."""
QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
EDGES = tuple(round(step / 10, 1) for step in range(6, 17))
"""Of the histogram of VRP: one bin below the first, one from the last on."""
_JUDGING: Mapping[Lens, tuple[LensName, ...]] = {
    "quarterly": ("quarterly",),
    "yearly": ("yearly",),
    "consensus": ("quarterly", "yearly"),
}
_PREMIUM_KEYS = ("vrp_structural_threshold", "vrp_tactical_threshold")
_KEYS = ("vrp_structural_threshold", "vrp_structural_rich_threshold", "vrp_tactical_threshold")


@dataclass(frozen=True, slots=True)
class Name:
    """One name of the newest close under both lenses; volatilities are fractions, missing is None.

    hv90, hv252   the denominators: floor applied, HV90 of the source the rules name
    ratio         quarterly over yearly
    structural_*, tactical_*   whether the gate of that lens passes
    candidate     passes every gate of the rules in force
    """

    symbol: str
    iv30: float | None
    hv90: float | None
    hv252: float | None
    quarterly: float | None
    yearly: float | None
    ratio: float | None
    structural_quarterly: bool | None
    tactical_quarterly: bool | None
    structural_yearly: bool | None
    tactical_yearly: bool | None
    candidate: bool

    def passes(self, lens: LensName) -> bool | None:
        """Whether both premium gates of a lens pass; None when one is unknown."""
        gates = (
            (self.structural_quarterly, self.tactical_quarterly)
            if lens == "quarterly"
            else (self.structural_yearly, self.tactical_yearly)
        )
        return None if None in gates else all(gates)


@dataclass(frozen=True, slots=True)
class Stage:
    """How many of `n` name-days with a known verdict pass."""

    n: int
    passing: int

    @property
    def share(self) -> float | None:
        """0..1, None without any."""
        return self.passing / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of VRP structural over name-days: sd is the sample's (ddof 1), None below two; `counts` a bin more than
    EDGES has edges; `quantiles` at QUANTILES, empty without any name."""

    n: int
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LensFigures:
    """One lens over all closes, whether the rules use it or not; `candidates` is names a close."""

    distribution: Distribution
    structural: Stage
    tactical: Stage
    both: Stage
    candidates: float


@dataclass(frozen=True, slots=True)
class Day:
    """One of the closes by itself; `ratio` is None when no name has both lenses."""

    session: date
    names: int
    ratio: float | None
    candidates: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """One condition of seed 004 with what it found. `moves` and `candidates` (names a close that would then
    pass every gate) only where it fired and asks for other thresholds."""

    name: TriggerName
    value: float
    limit: float
    fired: bool
    direction: Direction
    moves: tuple[Move, ...] = ()
    candidates: float | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Both lenses over one close or the pooled name-days of several; counts of names are means a close.

    profile, lens   of the rules the names were judged by
    days        every close by itself, oldest first
    names       of the newest close, in the table's order
    n           name-days with both lenses; `names_both` the same a close
    missing     name-days left out, by what they lack first: IV30, HV90, HV252
    fallen_back name-days the quarterly lens has no HV90 for: judged by the yearly lens in the list
    mean_quarterly, mean_yearly   over the n; their ratio, and the median of each name-day's own ratio
    candidates  pass every gate; `premium` pass the premium gates
    triggers    all five, fired or not; empty when `silence` says why none is evaluated
    """

    profile: str
    lens: str
    days: tuple[Day, ...]
    names: tuple[Name, ...]
    n: int
    names_both: float
    missing: Mapping[str, int]
    fallen_back: int
    mean_quarterly: float | None
    mean_yearly: float | None
    ratio: float | None
    median_ratio: float | None
    reference_ratio: float
    quarterly: LensFigures
    yearly: LensFigures
    candidates: float
    premium: float
    triggers: tuple[Trigger, ...]
    silence: str | None
    what_ifs: tuple[WhatIf, ...]

    @property
    def fired(self) -> tuple[Trigger, ...]:
        """The triggers whose condition holds."""
        return tuple(trigger for trigger in self.triggers if trigger.fired)

    @property
    def contradicts(self) -> bool:
        """Whether one trigger asks to raise thresholds and another to lower them."""
        return {"raise", "lower"} <= {trigger.direction for trigger in self.fired}

    def one_lens_only(self, lens: LensName) -> tuple[str, ...]:
        """Names of the newest close that pass both premium gates under this lens and not under the other."""
        other: LensName = "yearly" if lens == "quarterly" else "quarterly"
        return tuple(each.symbol for each in self.names if each.passes(lens) and each.passes(other) is False)


def calibrate(closes: Sequence[Close], rules: Rules, doubt: str | None = None) -> Calibration:
    """Both lenses over measured closes, oldest first, and what the triggers make of it.

    ratio = mean(IV30/HV90) / mean(IV30/HV252) over the name-days that have both, floor on each denominator.
    Several closes are pooled: every name-day weighs the same, so that one odd day decides nothing. With fewer
    than `rules.calibration.least_names` such names a close, or with a `doubt` (a sentence on why this market
    speaks for no universe), no trigger is evaluated. A missing value leaves the name-day out and is counted.
    Raises ValueError without any close. Source: seed 004, methodology 3 and 8.
    """
    if not closes:
        raise ValueError("a calibration takes at least one close")
    look = look_at(pooled(closes), rules)
    pool, both = look.pool, look.both
    quarterly, yearly = look.quarterly.ratio[both], look.yearly.ratio[both]
    n, names, least = len(quarterly), pool.a_close(both), rules.calibration.least_names
    ratio = float(quarterly.mean() / yearly.mean()) if n else None
    count = pool.a_close(look.own.passed)
    silence = doubt
    if silence is None and names < least:
        silence = f"Only {names:.3g} names have both lenses, fewer than {least}: no trigger is evaluated."
    return Calibration(
        profile=rules.profile,
        lens=rules.lens,
        days=_days(look),
        names=_names(look),
        n=n,
        names_both=names,
        missing=_missing(look),
        fallen_back=int((np.isnan(look.quarterly.ratio) & np.isfinite(look.yearly.ratio)).sum()),
        mean_quarterly=float(quarterly.mean()) if n else None,
        mean_yearly=float(yearly.mean()) if n else None,
        ratio=ratio,
        median_ratio=float(np.median(quarterly / yearly)) if n else None,
        reference_ratio=rules.calibration.reference_ratio,
        quarterly=_figures(look.quarterly, pool),
        yearly=_figures(look.yearly, pool),
        candidates=count,
        premium=pool.a_close(look.own.premium),
        triggers=_triggers(ratio, count, pool, rules) if silence is None and ratio is not None else (),
        silence=silence,
        what_ifs=what_ifs(look, rules, ratio),
    )


def _days(look: Look) -> tuple[Day, ...]:
    found = []
    for session, rows in zip(look.pool.sessions, look.pool.slices, strict=True):
        both = look.both[rows]
        quarterly, yearly = (each.ratio[rows][both] for each in (look.quarterly, look.yearly))
        ratio = float(quarterly.mean() / yearly.mean()) if both.any() else None
        found.append(Day(session, int(both.sum()), ratio, int(look.own.passed[rows].sum())))
    return tuple(found)


# --- names and missing values ---------------------------------------------------------------------


def _names(look: Look) -> tuple[Name, ...]:
    newest, pool = look.pool.slices[-1], look.pool
    iv30, quarterly, yearly = pool.numbers("iv30"), look.quarterly.ratio, look.yearly.ratio
    numbers = (
        iv30,
        np.where(np.isfinite(quarterly), iv30 / quarterly, pool.numbers("hv90")),
        np.where(np.isfinite(yearly), iv30 / yearly, pool.numbers("hv252")),
        quarterly,
        yearly,
        quarterly / yearly,
    )
    states = [
        state for sight in (look.quarterly, look.yearly) for state in (sight.structural, sight.tactical)
    ]
    columns: list[list[Any]] = [
        [str(symbol) for symbol in pool.table["symbol"].iloc[newest]],
        *(_plain(each[newest]) for each in numbers),
        *(_verdicts(each[newest]) for each in states),
        look.own.passed[newest].tolist(),
    ]
    return tuple(starmap(Name, zip(*columns, strict=True)))


def _plain(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _verdicts(states: StateArray) -> list[bool | None]:
    return [None if state == State.UNKNOWN else bool(state == State.PASS) for state in states]


def _missing(look: Look) -> dict[str, int]:
    """Name-days without both lenses, each under the first input it lacks."""
    lacking = {
        "IV30": np.isnan(look.pool.numbers("iv30")),
        "HV90": np.isnan(look.quarterly.ratio),
        "HV252": np.isnan(look.yearly.ratio),
    }
    counts, taken = {}, np.zeros(len(look.pool.table), dtype=np.bool_)
    for name, lacks in lacking.items():
        counts[name] = int((lacks & ~taken).sum())
        taken |= lacks
    return {name: count for name, count in counts.items() if count}


# --- figures of a lens ----------------------------------------------------------------------------


def _figures(sight: Sight, pool: Pool) -> LensFigures:
    return LensFigures(
        distribution=distribution(sight.ratio),
        structural=_stage(sight.structural),
        tactical=_stage(sight.tactical),
        both=Stage(int(sight.known.sum()), int(sight.premium.sum())),
        candidates=pool.a_close(sight.passed),
    )


def _stage(states: StateArray) -> Stage:
    return Stage(int((states != State.UNKNOWN).sum()), int((states == State.PASS).sum()))


def distribution(values: FloatArray) -> Distribution:
    """Mean, sample deviation, quantiles (linear) and histogram of the finite values, (name-days,)."""
    known = values[np.isfinite(values)]
    counts = np.bincount(np.digitize(known, EDGES), minlength=len(EDGES) + 1)
    return Distribution(
        n=len(known),
        mean=float(known.mean()) if len(known) else None,
        sd=float(known.std(ddof=1)) if len(known) > 1 else None,
        quantiles=tuple(map(float, np.quantile(known, QUANTILES))) if len(known) else (),
        counts=tuple(map(int, counts)),
    )


# --- triggers -------------------------------------------------------------------------------------


def _triggers(ratio: float, count: float, pool: Pool, rules: Rules) -> tuple[Trigger, ...]:
    """All five conditions of seed 004; those that fire with the thresholds they suggest."""
    c = rules.calibration
    drift = ratio / c.reference_ratio - 1.0
    edge = c.reference_ratio * (1.0 + np.sign(drift) * c.drift_percent / 100.0)
    found = (
        Trigger("ratio above", ratio, c.ratio_above, ratio > c.ratio_above, "raise"),
        Trigger("ratio below", ratio, c.ratio_below, ratio < c.ratio_below, "lower"),
        Trigger("candidates above", count, c.candidates_above, count > c.candidates_above, "raise"),
        Trigger("candidates below", count, c.candidates_below, count < c.candidates_below, "lower"),
        Trigger("drift", ratio, float(edge), 100.0 * abs(drift) > c.drift_percent, "diagnostic"),
    )
    return tuple(_suggesting(trigger, pool, rules) for trigger in found)


def _suggesting(trigger: Trigger, pool: Pool, rules: Rules) -> Trigger:
    if not trigger.fired or trigger.direction == "diagnostic":
        return trigger
    moves = _moves(trigger, rules)
    return replace(trigger, moves=moves, candidates=candidates(pool, moved(rules, moves)))


def _moves(trigger: Trigger, rules: Rules) -> tuple[Move, ...]:
    """A ratio moves all quarterly thresholds, which were scaled by it; a count the premium gates in force."""
    c, sign = rules.calibration, 1.0 if trigger.direction == "raise" else -1.0
    if trigger.name.startswith("ratio"):
        factor = 1.0 + sign * c.ratio_move_percent / 100.0
        return tuple(_move(rules, "quarterly", key, factor, 0.0) for key in _KEYS)
    added = sign * c.candidates_move
    return tuple(
        _move(rules, lens, key, 1.0, added) for lens in _JUDGING[rules.lens] for key in _PREMIUM_KEYS
    )


def _move(rules: Rules, lens: LensName, key: str, factor: float, added: float) -> Move:
    before = float(getattr(rules.lenses[lens], key))
    return Move(lens, key, before, max(LEAST_THRESHOLD, round(before * factor + added, 4)))
