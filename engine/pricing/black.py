"""Prices and greeks of European options over arrays, from the forward of their expiry.

The forward carries rate and dividends: with the parity forward F = S exp((r - q) T) and the discount factor
D = exp(-r T) the formulas of Black (1976) and of Black, Scholes and Merton are one.

Sources: F. Black, "The pricing of commodity contracts", 1976; R. Merton, "Theory of rational option
pricing", 1973.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from engine.arrays import FloatArray

DAYS_A_YEAR = 365.0
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities of one unit of an option (no multiplier, no quantity), arrays of one shape.

    Attributes:
        delta: price change per 1.00 of spot; calls 0..1, puts -1..0 (before the carry yield).
        gamma: delta change per 1.00 of spot.
        theta: price change per calendar day that passes (the annual figure / 365), usually negative.
        vega: price change per 1.00 of volatility (100 points).
    """

    delta: FloatArray
    gamma: FloatArray
    theta: FloatArray
    vega: FloatArray


def price(
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    vol: npt.ArrayLike,
    discount: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> FloatArray:
    """Black (1976) price D (F N(d1) - K N(d2)) of a call, D (K N(-d2) - F N(-d1)) of a put.

    d1 = ln(F/K)/s + s/2, d2 = d1 - s, s = vol sqrt(years). It is computed as intrinsic plus
    out-of-the-money value, so that a far option keeps its digits and parity holds to the last one.

    Parameters
    ----------
    forward, strike : in the currency of the price, > 0
    years : time to expiry in years, >= 0
    vol : annualised volatility as a fraction, >= 0
    discount : discount factor to expiry, > 0 (1.0 for the undiscounted price)
    is_call : True for a call, False for a put

    Returns
    -------
    FloatArray
        Of the broadcast shape. At years = 0 or vol = 0 the discounted intrinsic value. NaN when
        an input is missing, infinite or outside its range.

    Raises
    ------
    ValueError
        When the shapes do not broadcast.
    """
    ahead, struck, factor = _positive(forward), _positive(strike), _positive(discount)
    low, high = np.minimum(ahead, struck), np.maximum(ahead, struck)
    # What overflows here is a d1 or d2 beyond 1e308, whose N is 0 or 1 to the last digit.
    with np.errstate(over="ignore"):
        total = _not_negative(vol) * np.sqrt(_not_negative(years))
        scaled = _ratio_or_infinite(np.log(high / low), total)
    value = low * ndtr(total / 2 - scaled) - high * ndtr(-total / 2 - scaled)
    signed = np.where(is_call, ahead - struck, struck - ahead)
    return np.asarray(factor * (np.maximum(signed, 0.0) + value))


def greeks(
    spot: npt.ArrayLike,
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    vol: npt.ArrayLike,
    discount: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> Greeks:
    """Black-Scholes-Merton greeks per unit of spot, with r and q read from forward and discount factor.

    With r = -ln(D)/T, q = r - ln(F/S)/T, n the normal density and w = +1 for a call, -1 for a put:

        delta = w D F/S N(w d1)
        gamma = D F/S n(d1) / (S vol sqrt(T))
        vega  = D F n(d1) sqrt(T)
        theta = (w q D F N(w d1) - w r D K N(w d2) - vega vol / (2 T)) / 365

    Parameters
    ----------
    spot : price of the underlying, > 0
    forward, strike : forward of the expiry and strike, > 0
    years : time to expiry in years (ACT/365), > 0
    vol : annualised volatility as a fraction, > 0
    discount : discount factor to expiry, > 0
    is_call : True for a call, False for a put

    Returns
    -------
    Greeks
        Arrays of the broadcast shape. NaN when an input is missing, infinite or outside its range (vega
        needs no spot); at expiry or without volatility the greeks do not exist, and are NaN too.

    Raises
    ------
    ValueError
        When the shapes do not broadcast.
    """
    here, ahead, struck = _positive(spot), _positive(forward), _positive(strike)
    time, sigma, factor = _positive(years), _positive(vol), _positive(discount)
    side = np.where(is_call, 1.0, -1.0)
    root = np.sqrt(time)
    total = _positive(sigma * root)
    # An instant before expiry d1 outgrows its square, which leaves no density, and theta has no bound.
    with np.errstate(over="ignore"):
        d1 = np.log(ahead / struck) / total + total / 2
        density = np.exp(-0.5 * d1 * d1) / _ROOT_TWO_PI
        vega = factor * ahead * density * root
        held = factor * ahead * ndtr(side * d1)
        owed = factor * struck * ndtr(side * (d1 - total))
        interest = -np.log(factor)
        paid = interest - np.log(ahead / here)
        theta = (side * (paid * held - interest * owed) - vega * sigma / 2) / time
        gamma = factor * ahead * density / here / here / total
    return Greeks(
        delta=np.asarray(side * held / here),
        gamma=np.asarray(gamma),
        theta=np.asarray(theta / DAYS_A_YEAR),
        vega=np.asarray(vega),
    )


def _positive(value: npt.ArrayLike) -> FloatArray:
    """The numbers above zero; everything else, infinity included, becomes NaN."""
    numbers = np.asarray(value, np.float64)
    return np.where((numbers > 0) & (numbers < np.inf), numbers, np.nan)


def _not_negative(value: npt.ArrayLike) -> FloatArray:
    """The numbers from zero on; everything else, infinity included, becomes NaN."""
    numbers = np.asarray(value, np.float64)
    return np.where((numbers >= 0) & (numbers < np.inf), numbers, np.nan)


def _ratio_or_infinite(distance: FloatArray, total: FloatArray) -> FloatArray:
    """distance / total, infinite where nothing can move any more: only the intrinsic value is left there."""
    ratio = np.full(np.broadcast_shapes(distance.shape, total.shape), np.inf)
    np.divide(distance, total, out=ratio, where=total != 0)
    return ratio
