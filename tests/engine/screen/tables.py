"""Measured tables made by hand, in percent as the method's worked cases are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.rules import Rules, load_rules
from engine.screen.glossary import METRICS

ROOT = Path(__file__).resolve().parents[3]


def rules(profile: str | None = None, lens: str | None = None) -> Rules:
    return load_rules(ROOT / "config").using(profile, lens)


def row(iv: float = 30.0, hv90: float = 20.0, hv30: float = 20.0, **changes: object) -> dict[str, object]:
    """A healthy name that passes every gate unless `changes` says otherwise; volatilities in percent."""
    floor = 5.0
    hv20 = float(changes.pop("hv20", hv30))  # type: ignore[arg-type]
    hv252 = float(changes.pop("hv252", hv90))  # type: ignore[arg-type]
    values: dict[str, object] = {
        metric.column: None if metric.kind in ("text", "flag") else np.nan for metric in METRICS
    }
    values |= {
        "symbol": "AAA",
        "asset_class": "equity",
        "sector": "Sector",
        "spot": 100.0,
        "iv30": iv / 100,
        "hv20": hv20 / 100,
        "hv30": hv30 / 100,
        "hv90": hv90 / 100,
        "hv252": hv252 / 100,
        "vrp_structural": iv / max(hv90, floor),
        "vrp_tactical": iv / max(hv30, floor),
        "structural_252": iv / max(hv252, floor),
        "tactical_20": iv / max(hv20, floor),
        "momentum": hv30 / hv90,
        "regime": "NORMAL",
        "iv_percentile": 60.0,
        "iv_percentile_n": 252.0,
        "hv_rank": 50.0,
        "slippage": 0.02,
        "yield": 0.10,
        "atm_volume": 500.0,
        "atm_open_interest": 800.0,
        "flags": (),
    }
    return values | changes


def table(*rows: dict[str, object]) -> pd.DataFrame:
    named = [
        values | {"symbol": f"N{place}" if values["symbol"] == "AAA" else values["symbol"]}
        for place, values in enumerate(rows)
    ]
    frame = pd.DataFrame(named)
    frame["flags"] = [values["flags"] for values in named]
    return frame
