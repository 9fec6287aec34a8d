"""Beside IV30: the seeds' straddle volatility and the 25-delta skew of one expiry a name."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains
from engine.pricing.implied import implied_volatility
from engine.volatility.implied import rows_of


def nearest_strike(chains: Chains, expiries: IntArray, spot: FloatArray) -> IntArray:
    """Strike row nearest spot in each expiry, the lower of two as near; every listed strike counts."""
    rows, begins = rows_of(chains.expiry_start, expiries)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    counts = np.diff(np.append(begins, len(rows)))
    away = np.abs(chains.strike[rows] - np.repeat(spot, counts))
    smallest = np.minimum.reduceat(np.where(np.isnan(away), np.inf, away), begins)
    hits = np.flatnonzero(away == np.repeat(smallest, counts))
    chosen = rows[begins].copy()
    segment = np.searchsorted(begins, hits, side="right") - 1
    chosen[segment[::-1]] = rows[hits[::-1]]
    return chosen


def straddle_volatility(
    chains: Chains, usable: BoolArray, expiries: IntArray, spot: FloatArray, forward: FloatArray, rate: float
) -> FloatArray:
    """Mean of call and put implied volatility at the strike nearest spot, a row an expiry.

    Black-76 on the parity forward, mids as quoted (no early-exercise correction): the seeds' simple
    number, kept beside IV30. NaN when either leg cannot be used or solved. Annualised fraction.
    """
    rows = nearest_strike(chains, expiries, spot)
    years = chains.expiry_years[expiries]
    discount = np.exp(-rate * years)
    strike = chains.strike[rows]
    call = 0.5 * (chains.call_bid[rows] + chains.call_ask[rows])
    put = 0.5 * (chains.put_bid[rows] + chains.put_ask[rows])
    yes, no = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    vols = (
        implied_volatility(call, forward, strike, years, discount, yes).vol
        + implied_volatility(put, forward, strike, years, discount, no).vol
    )
    return np.where(usable[rows], 0.5 * vols, np.nan)


def skew_25_delta(chains: Chains, expiries: IntArray, forward: FloatArray, rate: float) -> FloatArray:
    """IV of the 25-delta put minus that of the call, a row an expiry, in volatility (0.02 is 2 points).

    Out-of-the-money quotes with bid > 0 and ask >= bid are inverted as quoted; delta is the undiscounted
    forward delta N(d1) at each strike's own volatility, interpolated linearly. NaN when a wing does not
    reach 25 delta: never extrapolated.
    """
    rows, begins = rows_of(chains.expiry_start, expiries)
    if not len(rows):
        return np.full(len(expiries), np.nan)
    segment = np.repeat(np.arange(len(expiries)), np.diff(np.append(begins, len(rows))))
    is_call = chains.strike[rows] >= forward[segment]
    bid = np.where(is_call, chains.call_bid[rows], chains.put_bid[rows])
    ask = np.where(is_call, chains.call_ask[rows], chains.put_ask[rows])
    kept = np.flatnonzero((bid > 0) & (ask >= bid) & np.isfinite(forward[segment]))
    rows, segment, is_call = rows[kept], segment[kept], is_call[kept]
    years, own_forward = chains.expiry_years[expiries][segment], forward[segment]
    vol = implied_volatility(
        0.5 * (bid + ask)[kept], own_forward, chains.strike[rows], years, np.exp(-rate * years), is_call
    ).vol
    solved = np.isfinite(vol)
    segment, vol, is_call = segment[solved], vol[solved], is_call[solved]
    deviation = vol * np.sqrt(years[solved])
    delta = ndtr(np.log(own_forward[solved] / chains.strike[rows[solved]]) / deviation + 0.5 * deviation)
    call = _crossing(segment, delta, vol, is_call, 0.25, len(expiries))
    put = _crossing(segment, delta, vol, ~is_call, 0.75, len(expiries))
    return put - call


def _crossing(
    segment: IntArray, delta: FloatArray, vol: FloatArray, wing: BoolArray, target: float, count: int
) -> FloatArray:
    """Volatility where N(d1) falls through `target` between neighbouring strikes of one wing."""
    same = (segment[1:] == segment[:-1]) & wing[1:] & wing[:-1]
    crosses = np.flatnonzero(same & (delta[:-1] >= target) & (delta[1:] < target))
    weight = (delta[crosses] - target) / (delta[crosses] - delta[crosses + 1])
    found = np.full(count, np.nan)
    values = vol[crosses] + weight * (vol[crosses + 1] - vol[crosses])
    found[segment[crosses][::-1]] = values[::-1]
    return found
