"""IV30 and what stands beside it: straddle, model-free, IV60, skew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains
from engine.rules import Rules
from engine.volatility.implied import atm_volatility, rows_of, two_sided
from engine.volatility.model_free import interpolate_total_variance, model_free_variance
from engine.volatility.smile import skew_25_delta, straddle_volatility
from engine.volatility.term import (
    INTERPOLATED,
    NONE,
    ConstantMaturity,
    ExpiryGrid,
    constant_maturity,
    nearest_of,
)

YEAR = 365.0
Columns = dict[str, np.ndarray[tuple[int], np.dtype[np.generic]]]


@dataclass(frozen=True, slots=True)
class Implied:
    """The columns, and what the flags need to know beside them."""

    columns: Columns
    far: IntArray
    quoted: IntArray
    """Usable two-sided strikes of each name."""


def implied_columns(
    chains: Chains, grid: ExpiryGrid, spot: FloatArray, american: BoolArray, rules: Rules, rate: float
) -> Implied:
    """Columns iv30, iv_method, iv_near_days, iv_far_days, iv_error, iv60, term_slope, iv_straddle, skew_25,
    iv_model_free and iv_model_free_complete of every name (methodology 2); NaN or None where missing.
    """
    usable = two_sided(chains)
    strikes = (
        np.add.reduceat(usable, chains.expiry_start[:-1], dtype=np.int64) if len(usable) else np.zeros(0, int)
    )
    quoted = np.bincount(grid.name_of, weights=strikes, minlength=grid.names).astype(np.int64)
    forward, error, atm = (np.full(len(strikes), np.nan) for _ in range(3))
    limits = rules.iv30

    def solve(expiries: IntArray) -> FloatArray:
        known = np.isfinite(atm[expiries])
        fresh = expiries[~known]
        owner = grid.name_of[fresh]
        result = atm_volatility(
            chains,
            usable,
            fresh,
            spot[owner],
            american[owner],
            rate,
            limits.parity_strikes,
            limits.tree_steps,
        )
        atm[fresh], forward[fresh], error[fresh] = result.iv, result.forward, result.error
        return atm[expiries]

    priced = (strikes >= 2) & (grid.exact_days > 0)
    at30 = constant_maturity(
        grid,
        priced,
        solve,
        limits.target_days,
        limits.near_min_days,
        (limits.nearest_min_days, limits.nearest_max_days),
    )
    at60 = constant_maturity(grid, priced, solve, limits.slope_days, limits.near_min_days, None)
    columns: Columns = {
        "iv30": at30.vol,
        "iv_method": at30.method,
        "iv_near_days": _taken(grid.calendar_days, at30.near),
        "iv_far_days": _taken(grid.calendar_days, at30.far),
        "iv_error": _worse(error, at30),
        "iv60": at60.vol,
        "term_slope": at30.vol / at60.vol,
    }
    columns |= _beside(chains, grid, usable, priced & np.isfinite(atm), spot, forward, rate, rules)
    columns |= _model_free(chains, grid, at30, rate, limits.target_days / YEAR)
    return Implied(columns, at30.far, quoted)


def _taken(values: FloatArray, rows: IntArray) -> FloatArray:
    if not len(values):
        return np.full(len(rows), np.nan)
    return np.where(rows == NONE, np.nan, values[rows])


def _worse(error: FloatArray, at30: ConstantMaturity) -> FloatArray:
    return np.fmax(_taken(error, at30.near), _taken(error, at30.far))


def _beside(
    chains: Chains,
    grid: ExpiryGrid,
    usable: BoolArray,
    solved: BoolArray,
    spot: FloatArray,
    forward: FloatArray,
    rate: float,
    rules: Rules,
) -> Columns:
    """The seeds' straddle and the skew, at the solved expiry nearest 30 days."""
    chosen = nearest_of(solved, grid, rules.iv30.target_days)
    has = np.flatnonzero((chosen != NONE) & np.isfinite(spot))
    expiries = chosen[has]
    straddle, skew = np.full(grid.names, np.nan), np.full(grid.names, np.nan)
    straddle[has] = straddle_volatility(chains, usable, expiries, spot[has], forward[expiries], rate)
    skew[has] = skew_25_delta(chains, expiries, forward[expiries], rate)
    return {"iv_straddle": straddle, "skew_25": skew}


def _model_free(
    chains: Chains, grid: ExpiryGrid, at30: ConstantMaturity, rate: float, years: float
) -> Columns:
    """Model-free IV at 30 days where IV30 was interpolated; None/NaN elsewhere (it is not comparable)."""
    vol, complete = np.full(grid.names, np.nan), np.full(grid.names, None, dtype=object)
    names = np.flatnonzero((at30.near != NONE) & (at30.method == INTERPOLATED))
    if not len(names):
        return {"iv_model_free": vol, "iv_model_free_complete": complete}
    expiries, where = np.unique(np.concatenate((at30.near[names], at30.far[names])), return_inverse=True)
    near, far = where[: len(names)], where[len(names) :]
    rows, begins = rows_of(chains.expiry_start, expiries)
    result = model_free_variance(
        chains.strike[rows],
        chains.call_bid[rows],
        chains.call_ask[rows],
        chains.put_bid[rows],
        chains.put_ask[rows],
        np.append(begins, len(rows)),
        chains.expiry_years[expiries],
        rate,
    )
    years_of = chains.expiry_years[expiries]
    vol[names] = interpolate_total_variance(
        years_of[near], result.variance[near], years_of[far], result.variance[far], years
    )
    complete[names] = result.complete[near] & result.complete[far] & np.isfinite(vol[names])
    complete[np.isnan(vol)] = None
    return {"iv_model_free": vol, "iv_model_free_complete": complete}
