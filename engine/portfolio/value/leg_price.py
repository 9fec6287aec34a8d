"""What options are worth at any spot and volatility: the one formula behind marks, greeks and stress.

Sources: engine.pricing.black, engine.pricing.american; methodology 7.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from engine.arrays import BoolArray, Column, FloatArray
from engine.pricing.american import early_exercise_premium
from engine.pricing.black import price


def leg_values(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    carry: npt.ArrayLike,
    vol: npt.ArrayLike,
    is_call: npt.ArrayLike,
    american: npt.ArrayLike,
    *,
    deep_delta: float,
    steps: int,
) -> FloatArray:
    """Price of the option on one share, Black-Scholes-Merton and, deep in the money, the tree's premium.

    V = D (F N(d1) - K N(d2)) of a call, D (K N(-d2) - F N(-d1)) of a put, F = S exp((r - q) T),
    D = exp(-r T). An American option whose |delta| = exp(-q T) N(+-d1) is above `deep_delta` gets American
    minus European of one Cox-Ross-Rubinstein tree on top; nearer to the strike the premium is left out. No
    American option is worth less than its intrinsic value.

    Parameters
    ----------
    spot, strike : in one currency, > 0
    years : time to settlement (ACT/365); from 0 down the option is worth its intrinsic value, and rate,
        carry and vol are not asked for
    rate, carry : continuously compounded rate r and yield q, fraction a year
    vol : annualised volatility as a fraction, >= 0
    is_call, american : True for a call; True where it may be exercised early
    deep_delta : fraction, 0..1
    steps : steps of the tree, 1..1000

    All but deep_delta and steps broadcast, as (scenarios, legs) for one.

    Returns
    -------
    FloatArray
        Of the broadcast shape, in the currency of spot. NaN when an input is missing, infinite or outside
        its range. Where the tree cannot be built (a vol too small for its steps, or beyond several thousand
        percent) an American option is worth the larger of its European and its intrinsic value.

    Raises
    ------
    ValueError
        When the shapes do not broadcast, or steps is out of range where the tree is asked.
    """
    columns: list[Column] = [
        *(np.asarray(each, np.float64) for each in (spot, strike, years, rate, carry, vol)),
        *(np.asarray(each, np.bool_) for each in (is_call, american)),
    ]
    here, struck, time, interest, paid, sigma, calls, early = columns
    alive = time > 0
    left = np.maximum(time, 0.0)
    forward = here * np.exp(np.where(alive, (interest - paid) * left, left))
    discount = np.exp(np.where(alive, -interest * left, left))
    # A settled option asks for no volatility, and a time that is not known leaves no price.
    sigma = sigma if alive.all() else np.where(alive, sigma, 0.0)
    value = price(forward, struck, left, sigma, discount, calls)
    shape = np.broadcast_shapes(value.shape, early.shape)
    value = value if value.shape == shape else np.broadcast_to(value, shape).copy()
    if not early.any():
        return value
    deep = early & alive & beyond_delta(here, struck, left, interest, paid, sigma, calls, deep_delta)
    if deep.any():
        legs = [np.broadcast_to(each, shape)[deep] for each in columns[:7]]
        value[deep] += np.nan_to_num(early_exercise_premium(*legs, steps=steps))
    intrinsic = np.where(calls, here - struck, struck - here)
    return np.where(early, np.maximum(value, intrinsic), value)


def beyond_delta(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    carry: npt.ArrayLike,
    vol: npt.ArrayLike,
    is_call: npt.ArrayLike,
    limit: float,
) -> BoolArray:
    """Where |delta| = exp(-q T) N(w d1) > limit, w = +1 for a call, -1 for a put; False where unknown.

    Asked of d1 itself, which spares the normal integral. Inputs as in `leg_values`, they broadcast; settled
    options have no delta.
    """
    here, struck, time, interest, paid, sigma = (
        np.asarray(each, np.float64) for each in (spot, strike, years, rate, carry, vol)
    )
    left = np.maximum(time, 0.0)
    # A yield so high that no delta gets there has no quantile: NaN compares false, as all that is missing.
    with np.errstate(invalid="ignore", divide="ignore"):
        total = sigma * np.sqrt(left)
        way = np.log(here / struck) + ((interest - paid) * left + 0.5 * total * total)
        beyond = np.where(is_call, way, -way) > total * ndtri(limit * np.exp(paid * left))
    return np.asarray(beyond & (left > 0))
