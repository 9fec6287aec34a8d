"""The alternatives seed 004 rejected, counted on the same closes: what they would have listed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray
from engine.proof.lenses import LEAST_THRESHOLD, Look, Move, Sight, moved, sight, under
from engine.rules import Rules
from engine.screen.gates import State

_SCALED = ("vrp_structural_threshold", "vrp_structural_rich_threshold", "vrp_tactical_threshold")


@dataclass(frozen=True, slots=True)
class Part:
    """A group a threshold would hold for: names a close, and how many of them would pass it."""

    label: str
    threshold: float | None
    n: float
    passing: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One alternative. Counts are names a close.

    structural   would pass the structural stage; `candidates` would pass every gate
    gained, lost names of the newest close whose structural verdict would change
    """

    name: str
    parts: tuple[Part, ...]
    structural: float
    candidates: float
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def what_ifs(look: Look, rules: Rules, ratio: float | None) -> tuple[WhatIf, ...]:
    """Threshold by rank, thresholds by regime, consensus, and the seed's formula with this ratio.

    By rank: the quantile (linear) of VRP structural that leaves `top_percent` above it, of each close by
    itself. By regime: HV90 below `calm_below_percent` is calm, above `wild_above_percent` wild, each with its
    threshold on IV30/HV90. Consensus: both lenses with their own thresholds. Formula: quarterly threshold =
    yearly threshold times the ratio. Consensus and formula are left out when no name has both lenses. A name
    without VRP structural does not pass; a threshold by rank is None when no name has it. Source: seed 004.
    """
    found = [_by_rank(look, rules), _by_regime(look, rules)]
    if ratio is not None:
        found += [_consensus(look, rules), _formula(look, rules, ratio)]
    return tuple(found)


def _by_rank(look: Look, rules: Rules) -> WhatIf:
    top, ratio = rules.calibration.top_percent, look.own.ratio
    limits = np.array([_quantile(ratio[rows], 1.0 - top / 100.0) for rows in look.pool.slices])
    passes = _over(ratio, np.repeat(limits, np.diff(look.pool.start)))
    mean = float(np.nanmean(limits)) if np.isfinite(limits).any() else None
    part = _part(look, f"top {top:g} %", mean, np.isfinite(ratio), passes)
    return _what_if("by rank", (part,), look, passes, look.own.replaced(passes))


def _by_regime(look: Look, rules: Rules) -> WhatIf:
    c, ratio = rules.calibration, look.quarterly.ratio
    calm, wild = c.calm_below_percent, c.wild_above_percent
    percent = 100.0 * look.pool.numbers("iv30") / ratio
    regime = np.select([percent < calm, percent > wild], [0, 2], 1)
    limits = np.array([c.calm_threshold, c.normal_threshold, c.wild_threshold])
    passes = _over(ratio, limits[regime])
    labels = (f"HV90 below {calm:g} %", "between", f"HV90 above {wild:g} %")
    parts = tuple(
        _part(look, label, float(limit), np.isfinite(ratio) & (regime == code), passes)
        for code, (label, limit) in enumerate(zip(labels, limits, strict=True))
    )
    return _what_if("by regime", parts, look, passes, look.quarterly.replaced(passes))


def _consensus(look: Look, rules: Rules) -> WhatIf:
    sights = {"quarterly": look.quarterly, "yearly": look.yearly}
    parts = tuple(
        _part(
            look,
            name,
            lens.vrp_structural_threshold,
            np.isfinite(sights[name].ratio),
            _passing(sights[name]),
        )
        for name, lens in rules.lenses.items()
    )
    listed = sight(look.pool.table, under(rules, "consensus")).passed
    return _what_if("consensus", parts, look, _passing(look.quarterly) & _passing(look.yearly), listed)


def _formula(look: Look, rules: Rules, ratio: float) -> WhatIf:
    quarterly, yearly = rules.lenses["quarterly"], rules.lenses["yearly"]
    moves = [
        Move(
            "quarterly",
            key,
            getattr(quarterly, key),
            max(LEAST_THRESHOLD, round(getattr(yearly, key) * ratio, 4)),
        )
        for key in _SCALED
    ]
    other = under(moved(rules, moves), "quarterly")
    seen = sight(look.pool.table, other)
    threshold = other.lenses["quarterly"].vrp_structural_threshold
    part = _part(look, "yearly threshold x ratio", threshold, np.isfinite(seen.ratio), _passing(seen))
    return _what_if("formula", (part,), look, _passing(seen), seen.passed)


def _part(look: Look, label: str, threshold: float | None, group: BoolArray, passes: BoolArray) -> Part:
    return Part(label, threshold, look.pool.a_close(group), look.pool.a_close(group & passes))


def _what_if(name: str, parts: tuple[Part, ...], look: Look, passes: BoolArray, listed: BoolArray) -> WhatIf:
    newest, present = look.pool.slices[-1], _passing(look.own)
    symbols = [str(symbol) for symbol in look.pool.table["symbol"].iloc[newest]]
    changed = (passes & ~present)[newest], (present & ~passes)[newest]
    gained, lost = (tuple(symbols[row] for row in np.flatnonzero(each)) for each in changed)
    a_close = look.pool.a_close
    return WhatIf(name, parts, a_close(passes), a_close(listed), gained, lost)


def _passing(seen: Sight) -> BoolArray:
    passing: BoolArray = seen.structural == State.PASS
    return passing


def _over(ratio: FloatArray, limit: FloatArray) -> BoolArray:
    with np.errstate(invalid="ignore"):
        over: BoolArray = ratio > limit
    return over


def _quantile(values: FloatArray, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")
