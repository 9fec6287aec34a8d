"""Implied volatility of whole arrays of quotes, without a branch or a loop over options.

Every price is reduced to its out-of-the-money time value. In the normalised coordinates
a = |ln(F/K)|, beta = time value / sqrt(F K), s = sigma sqrt(T), the Black (1976) value is

    b(s) = exp(-a/2) N(s/2 - a/s) - exp(a/2) N(-s/2 - a/s),    0 < b < exp(-a/2).

The start is the closed form of Stefanica and Radoicic; two third-order Householder steps on
ln b(s) = ln beta then reach what double precision can carry. Nothing is bracketed, clipped or retried.

Sources: F. Black, "The pricing of commodity contracts", 1976; D. Stefanica and R. Radoicic, "An explicit
implied volatility formula", 2017; A. S. Householder, "The Numerical Treatment of a Single Nonlinear
Equation", 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from engine.arrays import CodeArray, Column, Columns, FloatArray

# Options solved at a time: the scratch rows stay in the cache nearest the core. Unblocked, each of the
# hundred passes goes through main memory.
_BLOCK = 16384
_SCRATCH_ROWS = 9
_STEPS = 2
# Undiscounting and subtracting the intrinsic value cost a few roundings, each half a unit of it.
_ROUNDING = 8 * float(np.finfo(np.float64).eps)
# Each step takes the fourth power of the relative error: a last step this small leaves less than 1e-11. Only
# prices within 1e-5 of the upper bound or beyond any market (K/F over 1e40) fail to get there.
_SETTLED = 1e-3
# Below it N(d1) and N(d2) agree to more digits than a vol of 1e-8 needs: 20 % for less than a millisecond.
_SMALLEST = 1e-6
_POLYA = 2 / np.pi
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


class Reason(IntEnum):
    """Why a quote has no implied volatility. OK is the only code that comes with a number."""

    OK = 0
    NOT_FINITE = 1
    NON_POSITIVE_VALUE = 2
    BELOW_INTRINSIC = 3
    ABOVE_BOUND = 4
    EXPIRED = 5
    BAD_STRIKE = 6
    NO_TIME_VALUE = 7
    UNUSABLE_QUOTE = 8


@dataclass(frozen=True, slots=True)
class ImpliedVol:
    """Implied volatilities and, of the same shape, the code that says why one is missing.

    Attributes:
        vol: annualised volatility as a fraction, NaN where missing.
        reason: a `Reason` for each element; OK exactly where vol is a number.
    """

    vol: FloatArray
    reason: CodeArray


def mid_price(bid: npt.ArrayLike, ask: npt.ArrayLike) -> tuple[FloatArray, CodeArray]:
    """Mid of a two-sided quote, (bid + ask) / 2, in the currency of the quote.

    A missing or infinite side gives NaN and NOT_FINITE; bid <= 0 or ask < bid gives NaN and
    UNUSABLE_QUOTE. Inputs broadcast. Source: methodology, section 2, usable quote.
    """
    low, high = np.broadcast_arrays(np.asarray(bid, np.float64), np.asarray(ask, np.float64))
    finite = np.isfinite(low) & np.isfinite(high)
    usable = finite & (low > 0) & (high >= low)
    reason = np.where(usable, Reason.OK, np.where(finite, Reason.UNUSABLE_QUOTE, Reason.NOT_FINITE))
    mid = np.full(low.shape, np.nan)
    np.add(low, high, out=mid, where=usable)
    mid *= 0.5
    return mid, reason.astype(np.uint8)


def implied_volatility(
    value: npt.ArrayLike,
    forward: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    discount: npt.ArrayLike,
    is_call: npt.ArrayLike,
) -> ImpliedVol:
    """Black (1976) implied volatility of European option prices.

    Parameters
    ----------
    value : price of the option today, in the currency of forward and strike
    forward, strike : forward of the expiry and strike, both > 0
    years : time to expiry in years, > 0; the volatility is annualised over the same year
    discount : discount factor to expiry, > 0 (1.0 for an undiscounted price)
    is_call : True for a call, False for a put

    All of them broadcast; a scalar is not expanded.

    Returns
    -------
    ImpliedVol
        Of the broadcast shape, vol as a fraction. Its error is a few units in the last place of the
        price divided by vega; below 1e-9 on every price that carries as much. NaN with a reason
        otherwise, the first of these that applies: NOT_FINITE (an input is NaN or infinite, or the
        discount factor is not positive), BAD_STRIKE (forward or strike <= 0), EXPIRED (years <= 0),
        NON_POSITIVE_VALUE, BELOW_INTRINSIC (value at or below the discounted intrinsic), ABOVE_BOUND
        (value at or above the discounted forward of a call, strike of a put), NO_TIME_VALUE (within
        rounding of one of those two bounds: the price no longer tells one volatility from another).

    Raises
    ------
    ValueError
        When the shapes do not broadcast.
    """
    columns = Columns(value, forward, strike, years, discount, is_call)
    vol, reason = np.empty(columns.size), np.zeros(columns.size, np.uint8)
    # An unusable price runs through the block as NaN, which is cheaper than sorting it out beforehand;
    # it is named afterwards, so what numpy would say about it on the way is noise.
    with np.errstate(all="ignore"):
        for part, scratch in _blocks(columns.size):
            quotes = columns.block(part.start, part.stop)
            _invert(quotes, vol[part], reason[part], scratch)
    return ImpliedVol(vol.reshape(columns.shape), reason.reshape(columns.shape))


def implied_total_volatility(
    time_value: npt.ArrayLike, forward: npt.ArrayLike, strike: npt.ArrayLike
) -> FloatArray:
    """s = sigma sqrt(T) of undiscounted out-of-the-money time values; the bare kernel, for hot loops.

    time_value is the undiscounted price less the undiscounted intrinsic value, which is the same for
    the call and the put of a strike. All broadcast; s is a fraction, not annualised. NaN wherever
    0 < time_value < min(forward, strike) does not hold or an input is missing: `implied_volatility`
    is the function that says why. The caller answers for a time value that is only rounding noise.
    """
    columns = Columns(time_value, forward, strike)
    total = np.empty(columns.size)
    with np.errstate(all="ignore"):  # as in implied_volatility
        for part, scratch in _blocks(columns.size):
            worth, ahead, struck = columns.block(part.start, part.stop)
            low, high, kept = scratch[:3]
            _order(ahead, struck, low, high)
            kept[:] = worth
            np.putmask(kept, ~((kept > 0.0) & (kept < low)), np.nan)
            _solve(total[part], scratch)
    return total.reshape(columns.shape)


def _blocks(size: int) -> Iterator[tuple[slice, FloatArray]]:
    """Slices that cover 0..size, each with scratch rows of its length in memory shared by all."""
    memory = np.empty(_SCRATCH_ROWS * min(size, _BLOCK))
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        width = stop - start
        yield slice(start, stop), memory[: _SCRATCH_ROWS * width].reshape(_SCRATCH_ROWS, width)


def _order(forward: Column, strike: Column, low: FloatArray, high: FloatArray) -> None:
    np.minimum(forward, strike, out=low)
    np.maximum(forward, strike, out=high)


def _invert(quotes: list[Column], vol: FloatArray, reason: CodeArray, scratch: FloatArray) -> None:
    """Fill vol and reason of one block from value, forward, strike, years, discount and is_call."""
    value, forward, strike, years, discount, is_call = quotes
    low, high, worth, intrinsic, root = scratch[:5]
    np.multiply(is_call, 2.0, out=root)
    root -= 1.0
    np.subtract(forward, strike, out=intrinsic)
    intrinsic *= root
    np.maximum(intrinsic, 0.0, out=intrinsic)
    np.divide(value, discount, out=worth)
    worth -= intrinsic
    _order(forward, strike, low, high)

    intrinsic *= _ROUNDING
    usable = np.greater(worth, intrinsic)
    usable &= np.less(worth, low)
    usable &= np.greater(low, 0.0)
    usable &= np.greater(years, 0.0)
    usable &= np.greater(discount, 0.0)
    np.putmask(worth, ~usable, np.nan)

    _solve(vol, scratch)
    np.sqrt(years, out=root)
    vol /= root
    np.greater(vol, 0.0, out=usable)
    if not usable.all():
        missing = np.flatnonzero(~usable)
        vol[missing] = np.nan
        reason[missing] = _why(*Columns(*quotes, vol).take(missing)[:6])


def _why(
    value: Column, forward: Column, strike: Column, years: Column, discount: Column, is_call: Column
) -> CodeArray:
    """The first reason that applies to quotes already known to have no volatility."""
    finite = np.isfinite(value) & np.isfinite(forward) & np.isfinite(strike) & np.isfinite(years)
    undiscounted = value / discount
    intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
    reasons = {
        Reason.NOT_FINITE: ~(finite & np.isfinite(discount) & (discount > 0)),
        Reason.BAD_STRIKE: (forward <= 0) | (strike <= 0),
        Reason.EXPIRED: years <= 0,
        Reason.NON_POSITIVE_VALUE: value <= 0,
        Reason.BELOW_INTRINSIC: undiscounted <= intrinsic,
        Reason.ABOVE_BOUND: undiscounted >= np.where(is_call, forward, strike),
    }
    codes = np.select(list(reasons.values()), [int(code) for code in reasons], int(Reason.NO_TIME_VALUE))
    return codes.astype(np.uint8)


def _solve(s: FloatArray, scratch: FloatArray) -> None:
    """Write sigma sqrt(T) into s; the first scratch rows hold min(F, K), max(F, K) and the time value."""
    low, ratio, beta, minus_a, *spare = scratch
    beta /= low
    ratio /= low
    np.log(ratio, out=minus_a)
    np.negative(minus_a, out=minus_a)
    _closed_form(s, minus_a, ratio, beta, low, *spare[:4])
    for _ in range(_STEPS):
        moved = _householder(s, minus_a, ratio, beta, low, *spare)
    moved -= 1.0
    np.abs(moved, out=moved)
    settled = np.less(moved, _SETTLED)
    settled &= np.greater(s, _SMALLEST)
    np.putmask(s, ~settled, np.nan)


def _closed_form(
    s: FloatArray,
    minus_a: FloatArray,
    ratio: FloatArray,
    beta: FloatArray,
    A: FloatArray,
    B: FloatArray,
    C: FloatArray,
    h: FloatArray,
    t: FloatArray,
) -> None:
    """The start, at most 12 percent off: Polya's N(x) ~ (1 +- sqrt(1 - exp(-2 x^2/pi))) / 2 in b(s).

    With q = exp(a), h = q - 1, g = a^2/s^2 + s^2/4 and y = exp(-2 g/pi), squaring twice leaves
    A y^2 + 2 B y = C, written here with positive terms only so that no digit cancels:

        A = sinh^2((1 - 2/pi) a)
        B = D sqrt(1 + A) + sinh((2/pi - 1/2) a) h/sqrt(q),    D = 2 beta (beta + h) / q
        C = 2 D (1 - beta) (q + beta) / q
    """
    np.subtract(ratio, 1.0, out=h)
    np.add(beta, h, out=C)
    C *= beta
    C *= 2.0
    C /= ratio
    np.multiply(minus_a, 1 - _POLYA, out=A)
    np.sinh(A, out=A)
    A *= A
    np.add(A, 1.0, out=B)
    np.sqrt(B, out=B)
    B *= C
    np.multiply(minus_a, 0.5 - _POLYA, out=t)
    np.sinh(t, out=t)
    t *= h
    np.sqrt(ratio, out=s)
    t /= s
    B += t
    np.subtract(1.0, beta, out=t)
    C *= t
    np.add(ratio, beta, out=t)
    C *= t
    C /= ratio
    C *= 2.0

    A *= C
    np.multiply(B, B, out=t)
    A += t
    np.sqrt(A, out=A)
    A += B
    y = C
    y /= A
    _from_polya(s, y, minus_a, ratio, beta, h, t)


def _from_polya(
    s: FloatArray,
    y: FloatArray,
    minus_a: FloatArray,
    ratio: FloatArray,
    beta: FloatArray,
    side: FloatArray,
    t: FloatArray,
) -> None:
    """s = sqrt(g + a) + sqrt(g - a) if beta exceeds the price at s = sqrt(2 a), their difference if not."""
    np.multiply(minus_a, 2 * _POLYA, out=side)
    np.exp(side, out=side)
    np.subtract(1.0, side, out=t)
    np.sqrt(t, out=t)
    t += 1.0
    side *= ratio
    side /= t
    side += beta
    side += beta
    side -= 1.0
    g = y
    np.log(g, out=g)
    g *= -1 / _POLYA
    np.add(g, minus_a, out=t)
    np.maximum(t, 0.0, out=t)
    np.sqrt(t, out=t)
    np.copysign(t, side, out=t)
    g -= minus_a
    np.sqrt(g, out=g)
    np.add(g, t, out=s)


def _householder(
    s: FloatArray,
    minus_a: FloatArray,
    ratio: FloatArray,
    beta: FloatArray,
    slope: FloatArray,
    curve: FloatArray,
    z: FloatArray,
    d2: FloatArray,
    b: FloatArray,
    L: FloatArray,
) -> FloatArray:
    """One third-order step on ln b(s) = ln beta, in place; returns the factor by which s has moved.

    With d1 = s/2 - a/s, d2 = d1 - s, z = d1 d2, L = ln(beta/b) and the relative Newton step
    n = L b / (s phi(d1)), the derivatives of b give

        k = n z - L,    s <- s (1 + n (6 + 3 k) / (6 + k (6 + k - L) - n^2 (3 z + s^2))).
    """
    np.divide(minus_a, s, out=d2)
    np.multiply(s, 0.5, out=z)
    np.add(d2, z, out=slope)
    d2 -= z
    ndtr(slope, out=b)
    ndtr(d2, out=L)
    L *= ratio
    b -= L
    np.multiply(slope, d2, out=z)
    slope *= slope
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= s

    n = b
    np.divide(beta, b, out=L)
    np.log(L, out=L)
    n *= L
    n /= slope
    n *= _ROOT_TWO_PI

    k, t = z, d2
    k *= n
    np.multiply(k, n, out=t)
    t *= 3.0
    np.multiply(n, s, out=curve)
    curve *= curve
    curve += t
    k -= L
    np.subtract(k, L, out=t)
    t += 6.0
    t *= k
    t -= curve
    t += 6.0
    k *= 3.0
    k += 6.0
    n *= k
    n /= t
    n += 1.0
    s *= n
    return n
