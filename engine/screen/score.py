"""The score, 0..100, its penalties by name, and the signal (methodology 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import FloatArray
from engine.rules import Rules
from engine.screen.gates import structural, tactical

ObjectArray = npt.NDArray[np.object_]

VOLATILITY_TRAP = "volatility_trap"
COMPRESSION = "compression"
PROXY_IV = "proxy_iv"
SIGNALS = ("EVENT", "RICH", "COILED", "EXPANDING", "DISCOUNT", "FAIR")


@dataclass(frozen=True, slots=True)
class Scores:
    """A row a name: score 0..100 after penalties, weight share of present components, penalties by name."""

    score: FloatArray
    share: FloatArray
    penalties: ObjectArray


def scores(table: pd.DataFrame, rules: Rules) -> Scores:
    """Weighted mean of the components that are present, times every penalty that applies.

    Weights are renormalised over the present components and their share is returned. NaN without IV30.
    The richness of a consensus row is that of the quarterly lens.
    """
    parts = _components(table, rules)
    weights = np.array([_weight(rules, name) for name in parts])
    stacked = np.stack(list(parts.values()))
    present = np.isfinite(stacked)
    share = weights @ present
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ np.where(present, stacked, 0.0) / share
    measured = np.isfinite(table["iv30"].to_numpy(dtype=np.float64)) & (share > 0)
    multiplier, penalties = _penalties(table, rules)
    return Scores(
        score=np.where(measured, mean * multiplier, np.nan),
        share=np.where(measured, share, np.nan),
        penalties=penalties,
    )


def _weight(rules: Rules, name: str) -> float:
    weights = rules.score.weights
    return weights.yield_ if name == "yield" else float(getattr(weights, name))


def _components(table: pd.DataFrame, rules: Rules) -> dict[str, FloatArray]:
    scale = rules.score

    def metric(name: str) -> FloatArray:
        return table[name].to_numpy(dtype=np.float64)

    def richness(ratio: FloatArray) -> FloatArray:
        return np.clip((ratio - 1.0) * scale.richness_per_unit, 0.0, 100.0)

    def between(values: FloatArray, low: float, high: float) -> FloatArray:
        return np.clip((values - low) / (high - low) * 100.0, 0.0, 100.0)

    worst = scale.slippage_at_0_percent / 100.0
    return {
        "structural": richness(structural(table)),
        "tactical": richness(tactical(table)),
        "iv_percentile": metric("iv_percentile"),
        "momentum": between(metric("momentum"), scale.momentum_at_0, scale.momentum_at_100),
        "yield": between(metric("yield"), scale.yield_at_0_percent / 100, scale.yield_at_100_percent / 100),
        "liquidity": np.clip((worst - metric("slippage")) / worst * 100.0, 0.0, 100.0),
    }


def _penalties(table: pd.DataFrame, rules: Rules) -> tuple[FloatArray, ObjectArray]:
    limits = rules.penalties
    flags = table["flags"].to_numpy(dtype=object)
    applied = {
        VOLATILITY_TRAP: (
            table["hv_rank"].to_numpy(dtype=np.float64) < limits.volatility_trap_hv_rank,
            limits.volatility_trap_multiplier,
        ),
        COMPRESSION: (
            table["regime"].to_numpy(dtype=object) == "COILED",
            limits.compression_multiplier,
        ),
        PROXY_IV: (
            np.array(["proxy_iv" in codes for codes in flags], dtype=bool),
            limits.proxy_iv_multiplier,
        ),
    }
    multiplier = np.ones(len(table))
    found: list[list[str]] = [[] for _ in range(len(table))]
    for name, (mask, factor) in applied.items():
        multiplier = np.where(mask, multiplier * factor, multiplier)
        for row in np.flatnonzero(mask):
            found[row].append(name)
    penalties = np.empty(len(table), dtype=object)
    penalties[:] = [tuple(names) for names in found]
    return multiplier, penalties


def signals(table: pd.DataFrame, rules: Rules) -> ObjectArray:
    """The first that matches of SIGNALS, None where the name could not be measured."""

    def metric(name: str) -> FloatArray:
        return table[name].to_numpy(dtype=np.float64)

    limits = rules.signal
    earnings, markup = metric("earnings_days"), metric("markup")
    regime = table["regime"].to_numpy(dtype=object)
    yearly = table["lens"].to_numpy(dtype=object) == "yearly"
    rich_limit = np.where(
        yearly,
        rules.lenses["yearly"].vrp_structural_rich_threshold,
        rules.lenses["quarterly"].vrp_structural_rich_threshold,
    )
    rich = (
        (metric("iv_percentile") > limits.rich_iv_percentile)
        | (markup > limits.rich_markup)
        | (structural(table) > rich_limit)
    )
    conditions = [
        (earnings >= 0) & (earnings <= rules.gates.earnings_days),
        rich,
        regime == "COILED",
        regime == "EXPANDING",
        markup < limits.discount_markup,
    ]
    found = np.select(conditions, list(SIGNALS[:-1]), SIGNALS[-1]).astype(object)
    found[table["missing_reason"].notna().to_numpy()] = None
    return found
