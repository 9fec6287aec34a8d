"""The alternatives seed 004 rejected, counted on the same closes: what they would have listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


def what_ifs(looks: Sequence[Look], rules: Rules, ratio: float | None) -> tuple[WhatIf, ...]:
    """Threshold by rank, thresholds by regime, consensus, and the seed's formula with this ratio.

    By rank: the quantile (linear) of VRP structural that leaves `top_percent` above it, of each close by
    itself. By regime: HV90 below `calm_below_percent` is calm, above `wild_above_percent` wild, each with its
    threshold on IV30/HV90. Consensus: both lenses with their own thresholds. Formula: quarterly threshold =
    yearly threshold times the ratio. Consensus and formula are left out when no name has both lenses. A name
    without VRP structural does not pass; a threshold by rank is None when no name has it. Source: seed 004.
    """
    found = [_by_rank(looks, rules), _by_regime(looks, rules)]
    if ratio is not None:
        found += [_consensus(looks, rules), _formula(looks, rules, ratio)]
    return tuple(found)


def _by_rank(looks: Sequence[Look], rules: Rules) -> WhatIf:
    top = rules.calibration.top_percent
    limits = [_quantile(look.own.ratio, 1.0 - top / 100.0) for look in looks]
    passes = [_over(look.own.ratio, limit) for look, limit in zip(looks, limits, strict=True)]
    part = Part(
        f"top {top:g} %",
        float(np.nanmean(limits)) if np.isfinite(limits).any() else None,
        _mean(np.isfinite(look.own.ratio) for look in looks),
        _mean(passes),
    )
    return _what_if("by rank", (part,), looks, passes, lambda look, own: look.own.replaced(own))


def _by_regime(looks: Sequence[Look], rules: Rules) -> WhatIf:
    c = rules.calibration
    calm, wild = c.calm_below_percent, c.wild_above_percent
    labels = (f"HV90 below {calm:g} %", "between", f"HV90 above {wild:g} %")
    limits = np.array([c.calm_threshold, c.normal_threshold, c.wild_threshold])
    groups: list[list[BoolArray]] = [[], [], []]
    passes = []
    for look in looks:
        ratio = look.quarterly.ratio
        percent = 100.0 * look.numbers("iv30") / ratio
        regime = np.select([percent < calm, percent > wild], [0, 2], 1)
        passes.append(_over(ratio, limits[regime]))
        for code, group in enumerate(groups):
            group.append(np.isfinite(ratio) & (regime == code))
    parts = tuple(
        Part(label, float(limit), _mean(group), _mean(g & p for g, p in zip(group, passes, strict=True)))
        for label, limit, group in zip(labels, limits, groups, strict=True)
    )
    return _what_if("by regime", parts, looks, passes, lambda look, own: look.quarterly.replaced(own))


def _consensus(looks: Sequence[Look], rules: Rules) -> WhatIf:
    parts = tuple(
        Part(
            lens,
            rules.lenses[lens].vrp_structural_threshold,
            _mean(np.isfinite(getattr(look, lens).ratio) for look in looks),
            _mean(_passing(getattr(look, lens)) for look in looks),
        )
        for lens in rules.lenses
    )
    passes = [_passing(look.quarterly) & _passing(look.yearly) for look in looks]
    both = under(rules, "consensus")
    return _what_if("consensus", parts, looks, passes, lambda look, _: sight(look.close.table, both).passed)


def _formula(looks: Sequence[Look], rules: Rules, ratio: float) -> WhatIf:
    lenses = rules.lenses
    moves = [
        Move(
            "quarterly",
            key,
            getattr(lenses["quarterly"], key),
            max(LEAST_THRESHOLD, round(getattr(lenses["yearly"], key) * ratio, 4)),
        )
        for key in _SCALED
    ]
    other = under(moved(rules, moves), "quarterly")
    seen = [sight(look.close.table, other) for look in looks]
    n = _mean(np.isfinite(each.ratio) for each in seen)
    threshold = other.lenses["quarterly"].vrp_structural_threshold
    passes = [_passing(each) for each in seen]
    part = Part("yearly threshold x ratio", threshold, n, _mean(passes))
    listed = {id(look): each.passed for look, each in zip(looks, seen, strict=True)}
    return _what_if("formula", (part,), looks, passes, lambda look, _: listed[id(look)])


def _what_if(
    name: str,
    parts: tuple[Part, ...],
    looks: Sequence[Look],
    passes: Sequence[BoolArray],
    listed: Callable[[Look, BoolArray], BoolArray],
) -> WhatIf:
    newest, present = looks[-1].symbols, _passing(looks[-1].own)
    changed = passes[-1] & ~present, present & ~passes[-1]
    gained, lost = (tuple(newest[row] for row in np.flatnonzero(each)) for each in changed)
    count = _mean(listed(look, own) for look, own in zip(looks, passes, strict=True))
    return WhatIf(name, parts, _mean(passes), count, gained, lost)


def _passing(seen: Sight) -> BoolArray:
    passing: BoolArray = seen.structural == State.PASS
    return passing


def _over(ratio: FloatArray, limit: float | FloatArray) -> BoolArray:
    with np.errstate(invalid="ignore"):
        over: BoolArray = ratio > limit
    return over


def _quantile(values: FloatArray, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")


def _mean(masks: Iterable[BoolArray]) -> float:
    """Names a close."""
    return float(np.mean([int(mask.sum()) for mask in masks]))
