"""Greeks of the legs: Black-Scholes-Merton, and the tree where early exercise counts (methodology 7)."""

from __future__ import annotations

import numpy as np

from engine.arrays import FloatArray
from engine.portfolio.value.net_vol import Options
from engine.pricing import Greeks, early_exercise_premium, greeks
from engine.pricing.black import DAYS_A_YEAR

# In the spot the tree's premium has a kink at every node: a bump of two nodes sees the slope between them,
# and still little of what lies beyond the boundary of exercise, where the gamma jumps.
_NODES = 2.0
_LEAST_MOVE = 0.001
_VOL_POINT = 0.01


def leg_greeks(options: Options, vol: FloatArray, *, deep_delta: float, steps: int) -> Greeks:
    """Greeks of one share of one long option, arrays of shape (n,), units as in engine.pricing.Greeks.

    Where an option is American and its |delta| is above `deep_delta`, the differences of the early-exercise
    premium are added: central in the spot (the yield held) and in the volatility, and over one calendar day
    (half the time left at most). The sums keep the bounds of any American option: delta 0..1 of a call and
    -1..0 of a put, gamma and vega not below 0, theta not above 0.

    NaN where an input is missing or nothing is left to settlement. A tree that cannot be built (a volatility
    too small for the yield) leaves the formula's greeks.
    """
    base = greeks(
        options.spot,
        options.forward,
        options.strike,
        options.years,
        vol,
        options.discount,
        options.is_call,
    )
    deep = np.flatnonzero(options.american & (np.abs(base.delta) > deep_delta))
    if not len(deep):
        return base
    more = _premium_greeks(options.take(deep), vol[deep], steps)
    sound = np.all([np.isfinite(each) for each in more], axis=0)
    deep, more = deep[sound], [each[sound] for each in more]
    delta, gamma, theta, vega = base.delta.copy(), base.gamma.copy(), base.theta.copy(), base.vega.copy()
    is_call = options.is_call[deep]
    low, high = np.where(is_call, 0.0, -1.0), np.where(is_call, 1.0, 0.0)
    delta[deep] = np.clip(delta[deep] + more[0], low, high)
    gamma[deep] = np.maximum(gamma[deep] + more[1], 0.0)
    theta[deep] = np.minimum(theta[deep] + more[2], 0.0)
    vega[deep] = np.maximum(vega[deep] + more[3], 0.0)
    return Greeks(delta, gamma, theta, vega)


def _premium_greeks(options: Options, vol: FloatArray, steps: int) -> list[FloatArray]:
    """Delta, gamma, theta and vega of the early-exercise premium."""
    spot, years, carry = options.spot, options.years, options.carry

    def premium(spot: FloatArray, years: FloatArray, vol: FloatArray) -> FloatArray:
        return early_exercise_premium(
            spot, options.strike, years, options.rate, carry, vol, options.is_call, steps=steps
        )

    here = premium(spot, years, vol)
    move = spot * np.maximum(_NODES * vol * np.sqrt(years / steps), _LEAST_MOVE)
    lower, upper = premium(spot - move, years, vol), premium(spot + move, years, vol)
    point = np.minimum(_VOL_POINT, 0.1 * vol)
    day = np.minimum(1.0 / DAYS_A_YEAR, 0.5 * years)
    return [
        (upper - lower) / (2 * move),
        (upper - 2 * here + lower) / (move * move),
        (premium(spot, years - day, vol) - here) / (day * DAYS_A_YEAR),
        (premium(spot, years, vol + point) - premium(spot, years, vol - point)) / (2 * point),
    ]
