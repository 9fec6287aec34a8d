"""The measured table as one lens sees it: which windows were judged, and what follows from that."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.arrays import BoolArray
from engine.rules import Rules

EARNINGS_SOON = "earnings_soon"
YEARLY_LENS = "yearly_lens"


def measurement_key(rules: Rules) -> str:
    """What a measured table depends on: two rules with one key may judge the same table."""
    parts = (rules.volatility, rules.iv30, rules.trade_expiry, rules.regime, rules.zones)
    numbers = (rules.score.yield_notional_percent, rules.gates.iv_history_min_days)
    return "|".join([*(part.model_dump_json() for part in parts), *map(str, numbers)])


def under_lens(table: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """A copy with `lens`, `markup`, `divergence` and the flags that depend on the rules in force.

    Under the quarterly lens a name without HV90 but with HV252 is judged by the yearly lens and its own
    thresholds, and is marked so. The consensus lens shows the quarterly markup.
    """
    structural = table["vrp_structural"].to_numpy(dtype=np.float64)
    structural_252 = table["structural_252"].to_numpy(dtype=np.float64)
    fallen_back = np.isnan(structural) & np.isfinite(structural_252) & (rules.lens == "quarterly")
    yearly = fallen_back | (rules.lens == "yearly")
    tactical = np.where(
        yearly,
        table["tactical_20"].to_numpy(dtype=np.float64),
        table["vrp_tactical"].to_numpy(dtype=np.float64),
    )
    earnings = table["earnings_days"].to_numpy(dtype=np.float64)
    soon = (earnings >= 0) & (earnings <= rules.gates.earnings_days)
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = tactical / np.where(yearly, structural_252, structural)
    lens = np.full(len(table), rules.lens, dtype=object)
    lens[yearly] = "yearly"
    flags = np.empty(len(table), dtype=object)
    flags[:] = _flagged(table["flags"].tolist(), {EARNINGS_SOON: soon, YEARLY_LENS: fallen_back})
    return table.assign(lens=lens, markup=tactical - 1.0, divergence=divergence, flags=flags)


def _flagged(flags: list[tuple[str, ...]], marks: dict[str, BoolArray]) -> list[tuple[str, ...]]:
    for code, mask in marks.items():
        for row in np.flatnonzero(mask):
            flags[row] = (*flags[row], code)
    return flags
