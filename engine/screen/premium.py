"""What IV30 stands above: the premium in both lenses, and the regime of the movement beside it."""

from __future__ import annotations

import numpy as np

from engine.arrays import FloatArray
from engine.rules import Rules
from engine.screen.iv import Columns

REGIMES = ("COILED", "EXPANDING", "NORMAL", "UNKNOWN")
"""The first that matches; UNKNOWN where an input is missing."""
ZONES = ("severe compression", "mild compression", "normal", "mild expansion", "severe expansion")


def premiums(columns: Columns, used30: FloatArray, used90: FloatArray, rules: Rules) -> Columns:
    """VRP in both lenses, with the floor on every denominator (methodology 3).

    Wants `iv30`, `hv20` and `hv252`, all (rows,), and the HV30 and HV90 that the rules name; a row is a name
    or a name on a day. NaN where a part is missing.
    """
    iv = columns["iv30"].astype(np.float64)
    hv20, hv252 = columns["hv20"].astype(np.float64), columns["hv252"].astype(np.float64)
    floor = rules.hv_floor
    quarterly = iv / np.maximum(used90, floor), iv / np.maximum(used30, floor)
    yearly = iv / np.maximum(hv252, floor), iv / np.maximum(hv20, floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        momentum = np.where(used90 > 0, used30 / used90, np.nan)
    return {
        "vrp_structural": quarterly[0],
        "vrp_tactical": quarterly[1],
        "structural_252": yearly[0],
        "tactical_20": yearly[1],
        "spread_vol": iv - used30,
        "spread_variance": iv**2 - used30**2,
        "momentum": momentum,
    }


def regimes(columns: Columns, rules: Rules) -> Columns:
    """Regime and zone of the compression ratio (methodology 4).

    Wants `hv20`, `hv60`, `hv252` and `momentum`, all (rows,). The regime is UNKNOWN and the zone None where
    an input is missing.
    """
    hv20, hv60, hv252 = (columns[name].astype(np.float64) for name in ("hv20", "hv60", "hv252"))
    limits = rules.regime
    with np.errstate(divide="ignore", invalid="ignore"):
        to60, to252 = hv20 / hv60, hv20 / hv252
    coiled = (to60 < limits.coiled_hv20_hv60) & (to252 < limits.coiled_hv20_hv252)
    unknown = ~np.isfinite(to60) | ~np.isfinite(to252)
    conditions = [coiled & ~unknown, ~unknown & (to252 > limits.expanding_hv20_hv252), ~unknown]
    regime = np.select(conditions, REGIMES[:-1], REGIMES[-1]).astype(object)
    ratio = columns["momentum"].astype(np.float64)
    zones = rules.zones
    zone = np.select(
        [
            ratio < zones.severe_compression_below,
            ratio < zones.mild_compression_below,
            ratio <= zones.normal_up_to,
            ratio <= zones.mild_expansion_up_to,
        ],
        ZONES[:-1],
        ZONES[-1],
    ).astype(object)
    zone[np.isnan(ratio)] = None
    return {"regime": regime, "zone": zone}
