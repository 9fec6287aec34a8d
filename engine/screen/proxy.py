"""Implied volatility borrowed from a volatility index or a fund (methodology 9)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.panel import Panel
from engine.rules import Rules
from engine.screen.iv import YEAR, Columns, implied_columns
from engine.volatility.term import ExpiryGrid

_OF_CHAINS = ("iv_near_days", "iv_far_days", "iv_error", "iv_straddle", "iv_model_free", "iv60", "term_slope")


def proxy_volatility(panel: Panel, rules: Rules, rate: float) -> FloatArray:
    """IV30 each name borrows, fraction, shape (names,); NaN for names that stand on their own.

    `iv_given` (the level of a volatility index) first, else the IV30 of the panel's name `iv_proxy`,
    measured as any other; NaN too when that name is absent or cannot be measured.
    """
    borrowed: FloatArray = panel.names["iv_given"].to_numpy(dtype=np.float64).copy()
    lenders = panel.names["iv_proxy"].to_numpy(dtype=object)
    place = {symbol: row for row, symbol in enumerate(panel.symbols)}
    for row in np.flatnonzero(pd.notna(lenders) & np.isnan(borrowed)):
        lender = place.get(lenders[row])
        if lender is not None:
            borrowed[row] = _own_iv30(panel.of_names(lender, lender + 1), rules, rate)
    return borrowed


def _own_iv30(name: Panel, rules: Rules, rate: float) -> float:
    chains = name.chains
    expiries = np.zeros(len(chains.expiry_days), dtype=np.int64)
    grid = ExpiryGrid(expiries, 1, chains.expiry_days, chains.expiry_years * YEAR)
    spot = name.names["spot"].to_numpy(dtype=np.float64)
    american = ~name.names["european"].to_numpy(dtype=bool)
    fresh = bool(name.names["fresh"].to_numpy(dtype=bool)[0])
    iv30 = implied_columns(chains, grid, spot, american, rules, rate).columns["iv30"]
    return float(iv30.astype(np.float64)[0]) if fresh else float("nan")


def with_given(columns: Columns, given: FloatArray) -> Columns:
    """The implied columns with borrowed volatilities put in, their method named `proxy`."""
    borrowed = np.isfinite(given)
    if not borrowed.any():
        return columns
    changed = dict(columns)
    changed["iv30"] = np.where(borrowed, given, columns["iv30"].astype(np.float64))
    changed["iv_method"] = np.where(borrowed, "proxy", columns["iv_method"].astype(object))
    for name in _OF_CHAINS:
        changed[name] = np.where(borrowed, np.nan, columns[name].astype(np.float64))
    return changed
