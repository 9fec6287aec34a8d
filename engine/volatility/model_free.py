"""Model-free variance in the manner of the Cboe Volatility Index, for many expiries at once.

The rules are those of the VIX white paper (Cboe 2014 to 2019). An expiry is a segment of the strike
columns; nothing here loops over segments.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray

MIN_REACH = 2.0
MIN_WING_STRIKES = 5

_NONE = -1


class ModelFree(NamedTuple):
    """A row a segment; floats are NaN where the segment does not carry them."""

    variance: FloatArray
    """Annualised, as a fraction squared."""
    forward: FloatArray
    k0: FloatArray
    """The highest strike not above the forward."""
    puts: IntArray
    """Strikes that survive below k0."""
    calls: IntArray
    """Strikes that survive above k0."""
    reach_down: FloatArray
    """ln(forward / lowest surviving strike) in standard deviations, the at-the-money one."""
    reach_up: FloatArray
    """ln(highest surviving strike / forward) in standard deviations."""
    complete: BoolArray
    """Both wings have MIN_WING_STRIKES strikes and reach MIN_REACH standard deviations."""


def model_free_variance(
    strike: FloatArray,
    call_bid: FloatArray,
    call_ask: FloatArray,
    put_bid: FloatArray,
    put_ask: FloatArray,
    starts: IntArray,
    years: FloatArray,
    rate: FloatArray | float,
) -> ModelFree:
    """Variance the out-of-the-money quotes pay for, without a pricing model.

    sigma^2 = (2 / T) sum (dK / K^2) e^{rT} Q(K) - (F / K0 - 1)^2 / T, where Q is the mid quote: puts
    below K0, calls above, the mean of both at K0. dK is half the distance between the neighbours among
    the strikes used, the whole distance at the two ends. F = K + e^{rT} (C - P) at the strike with the
    smallest |C - P| of the mids, the lowest of them on a tie.

    strike, call_bid, call_ask, put_bid, put_ask: columns of one length; segments one after the other,
        strikes ascending within a segment, NaN where a quote is missing.
    starts: (segments + 1,) offsets of the segments into the columns.
    years: (segments,) to the settlement instant. rate: continuously compounded, one or (segments,).

    A quote is usable with bid > 0 and ask >= bid; any other counts as a zero bid. Walking away from K0,
    single unusable strikes are skipped and two in a row end the wing. The forward is searched only where
    call and put are both usable.

    Variance is NaN without a forward, without a strike at or below it, with call or put at K0 unusable,
    with no second strike, when it is not positive, or for years <= 0 or not finite.

    Completeness: the yardstick is the at-the-money standard deviation, sqrt(2 pi) e^{rT} Q(K0) / F,
    which unlike the result does not shrink when wings are cut. For a lognormal price, strikes out to 2
    of it leave out 1.2 % of the variance (15 % at 1), and 5 strikes within 2 are a grid of 0.4, which by
    the trapezoid rule reads the variance about 3 % high.

    Raises ValueError for columns of different length, offsets that do not cover them, or strikes that
    are not positive and ascending.
    """
    _require_segments(strike, (call_bid, call_ask, put_bid, put_ask), starts, years)
    years = np.where((years > 0) & (years < np.inf), years, np.nan)
    growth = np.exp(rate * years)
    segment = np.repeat(np.arange(len(years)), np.diff(starts))
    call, put = _mid(call_bid, call_ask), _mid(put_bid, put_ask)
    forward = _parity_forward(strike, call - put, segment, growth)
    center = _center(strike, forward, segment, starts)
    k0, at_k0 = _pick(strike, center), _pick((call + put) / 2, center)
    center = np.where(np.isnan(at_k0), _NONE, center)
    rows = _surviving(call, put, segment, center)
    strip = _Strip(strike[rows], segment[rows], len(years))
    below, above = rows < center[strip.segment], rows > center[strip.segment]
    quote = np.where(below, put[rows], np.where(above, call[rows], at_k0[strip.segment]))
    variance = (2 * growth * strip.integral(quote) - (forward / k0 - 1) ** 2) / years
    variance[~(variance > 0)] = np.nan
    deviation = math.sqrt(2 * math.pi) * growth * at_k0 / forward
    reach_down, reach_up = (
        np.log(forward / strip.lowest) / deviation,
        np.log(strip.highest / forward) / deviation,
    )
    puts, calls = strip.count(below), strip.count(above)
    complete = (np.minimum(puts, calls) >= MIN_WING_STRIKES) & (np.minimum(reach_down, reach_up) >= MIN_REACH)
    return ModelFree(variance, forward, k0, puts, calls, reach_down, reach_up, complete & (variance > 0))


def interpolate_total_variance(
    years_near: FloatArray,
    variance_near: FloatArray,
    years_far: FloatArray,
    variance_far: FloatArray,
    years: FloatArray | float,
) -> FloatArray:
    """Volatility at `years` from the annualised variances of the expiries around it.

    sqrt(w / T) with the total variance w = T sigma^2 linear in time between the two. Arguments broadcast.
    NaN when either variance is missing or negative or when `years` is not within [near, far]: nothing is
    extrapolated.
    """
    near, far = years_near * variance_near, years_far * variance_far
    span = years_far - years_near
    share = np.divide(years - years_near, span, out=np.zeros_like(near + far), where=span > 0)
    total = near + share * (far - near)
    inside = (years_near <= years) & (years <= years_far) & (variance_near >= 0) & (variance_far >= 0)
    inside &= np.asarray(years) > 0
    variance = np.divide(total, years, out=np.full(total.shape, np.nan), where=inside)
    volatility: FloatArray = np.sqrt(variance)
    return volatility


class _Strip:
    """The strikes that survive, segment after segment, and sums over them."""

    def __init__(self, strike: FloatArray, segment: IntArray, segments: int) -> None:
        self.strike, self.segment, self.segments = strike, segment, segments
        border = segment[1:] != segment[:-1]
        self._first, self._last = np.ones(len(strike), bool), np.ones(len(strike), bool)
        self._first[1:], self._last[:-1] = border, border
        self.lowest, self.highest = np.full(segments, np.nan), np.full(segments, np.nan)
        self.lowest[segment[self._first]] = strike[self._first]
        self.highest[segment[self._last]] = strike[self._last]

    def integral(self, quote: FloatArray) -> FloatArray:
        """Sum of dK Q / K^2 by segment; NaN below two strikes."""
        step = np.diff(self.strike)
        left, right = np.append(0.0, step), np.append(step, 0.0)
        width = np.where(self._first, right, np.where(self._last, left, (left + right) / 2))
        total = np.bincount(self.segment, width * quote / self.strike**2, minlength=self.segments)
        return np.where(self.highest > self.lowest, total, np.nan)

    def count(self, chosen: BoolArray) -> IntArray:
        """How many of the chosen strikes each segment holds."""
        return np.bincount(self.segment[chosen], minlength=self.segments)


def _mid(bid: FloatArray, ask: FloatArray) -> FloatArray:
    return np.where((bid > 0) & (ask >= bid) & (ask < np.inf), (bid + ask) / 2, np.nan)


def _parity_forward(strike: FloatArray, gap: FloatArray, segment: IntArray, growth: FloatArray) -> FloatArray:
    """Forward by segment from the smallest |call - put|; NaN where no strike has both."""
    forward = np.full(len(growth), np.nan)
    rows = np.flatnonzero(~np.isnan(gap))
    if len(rows) == 0:
        return forward
    owner, size = segment[rows], np.abs(gap[rows])
    begins = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    smallest = np.minimum.reduceat(size, begins)
    # Assigned from the top down, the lowest of equal strikes stays.
    nearest = rows[size == np.repeat(smallest, np.diff(begins, append=len(rows)))][::-1]
    owner = segment[nearest]
    forward[owner] = strike[nearest] + growth[owner] * gap[nearest]
    return forward


def _center(strike: FloatArray, forward: FloatArray, segment: IntArray, starts: IntArray) -> IntArray:
    """Row of the highest strike not above the forward by segment, _NONE without one."""
    below = np.bincount(segment[strike <= forward[segment]], minlength=len(forward))
    return np.where(below > 0, starts[:-1] + below - 1, _NONE)


def _pick(column: FloatArray, center: IntArray) -> FloatArray:
    picked = np.full(len(center), np.nan)
    picked[center != _NONE] = column[center[center != _NONE]]
    return picked


def _surviving(call: FloatArray, put: FloatArray, segment: IntArray, center: IntArray) -> IntArray:
    """Rows of the strikes that count: k0 and both wings up to the first two unusable quotes in a row."""
    row, middle = np.arange(len(call)), center[segment]
    below, above = row < middle, (row > middle) & (middle != _NONE)
    dead = np.isnan(np.where(below, put, call))
    pair = dead[1:] & dead[:-1]
    low_end, high_end = np.full(len(center), -1), np.full(len(center), len(call))
    # A later assignment overrides an earlier one: the pair nearest to k0 is written last.
    low = np.flatnonzero(pair & below[1:] & below[:-1])
    low_end[segment[low]] = low
    high = np.flatnonzero(pair & above[1:] & above[:-1])[::-1]
    high_end[segment[high]] = high
    alive = (below & (row > low_end[segment])) | (above & (row < high_end[segment]))
    alive &= ~dead
    alive[center[center != _NONE]] = True
    return np.flatnonzero(alive)


def _require_segments(
    strike: FloatArray, quotes: tuple[FloatArray, ...], starts: IntArray, years: FloatArray
) -> None:
    if any(len(column) != len(strike) for column in quotes):
        raise ValueError("strikes and quotes differ in length")
    if len(starts) != len(years) + 1:
        raise ValueError(f"{len(years)} segments need {len(years) + 1} offsets, got {len(starts)}")
    if starts[0] != 0 or starts[-1] != len(strike) or np.any(np.diff(starts) < 0):
        raise ValueError(f"offsets do not cover the {len(strike)} strikes from first to last")
    ascends = np.diff(strike, prepend=-np.inf) > 0
    ascends[starts[:-1][np.diff(starts) > 0]] = True
    if not np.all(ascends & (strike > 0) & (strike < np.inf)):
        raise ValueError("strikes must be positive and ascend within a segment")
