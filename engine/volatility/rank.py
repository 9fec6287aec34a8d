"""Where a volatility stands in its own past year, for many names at once.

Ranks run from 0 to 100 and come with the number of observations behind them; with fewer than `minimum`
the rank is NaN and the number still tells how far the history is from it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.arrays import FloatArray, IntArray
from engine.volatility.realized import rolling_close_to_close

SESSIONS = 252
MINIMUM = 60

# Equal windows reach their volatility by different roundings: closer than this is a tie, not below.
_TIE = 1e-12


class Rank(NamedTuple):
    """What every rank here returns, both of shape (names,)."""

    value: FloatArray
    """0..100; NaN when the latest value is missing or the observations are too few."""
    observations: IntArray
    """Valid past values among those looked at."""


def hv_rank(close: FloatArray, window: int = 20, lookback: int = SESSIONS, minimum: int = MINIMUM) -> Rank:
    """Share of the last `lookback` daily close-to-close volatilities strictly below the latest, times 100.

    `close` is (names, sessions) as in `engine.volatility.realized`. The latest value is one of the
    `lookback` and never below itself, so the highest of 252 ranks 251 / 252. Observations are the valid
    values among them, the latest included; sessions whose window is incomplete do not count.

    NaN when the latest volatility is missing or observations < minimum. Raises ValueError for a window
    below 2.
    """
    series = rolling_close_to_close(close[:, -(lookback + window) :], window)[:, -lookback:]
    if series.shape[1] == 0:
        return _share_below(series, np.full(len(close), np.nan), minimum)
    return _share_below(series, series[:, -1], minimum)


def percentile(
    history: FloatArray, latest: FloatArray, minimum: int = MINIMUM, lookback: int = SESSIONS
) -> Rank:
    """IV percentile: share of the last `lookback` stored values strictly below the latest, times 100.

    `history` is (names, stored sessions), oldest first, NaN where nothing was stored; `latest` is
    (names,). Whether the latest is itself stored already moves the result by one observation at most.

    NaN when the latest is missing or fewer than `minimum` of the values looked at are valid.
    """
    return _share_below(history[:, -lookback:], latest, minimum)


def rank(history: FloatArray, latest: FloatArray, minimum: int = MINIMUM, lookback: int = SESSIONS) -> Rank:
    """IV rank: (latest - low) / (high - low) * 100 over the last `lookback` stored values and the latest.

    The latest belongs to the range, so a new high is 100 and a new low 0 by definition, not by clipping.
    One outlier in the year decides the scale; `percentile` does not have that weakness.

    Shapes and missing values as in `percentile`; NaN too when high and low are equal.
    """
    recent = history[:, -lookback:]
    observations = _valid(recent)
    low = np.fmin.reduce(recent, axis=1, initial=np.inf)
    high = np.fmax.reduce(recent, axis=1, initial=-np.inf)
    low, high = np.minimum(low, latest), np.maximum(high, latest)
    usable = (observations >= minimum) & (high > low)
    value = np.full(len(history), np.nan)
    np.divide(latest - low, high - low, out=value, where=usable)
    return Rank(100.0 * value, observations)


def trailing_percentile(
    values: FloatArray, sessions: int, minimum: int = MINIMUM, lookback: int = SESSIONS
) -> Rank:
    """`percentile` as of each of the last `sessions` sessions, against the `lookback` ones before it.

    `values` is (names, sessions held), oldest first, NaN where missing; both results are (names, sessions).
    Sessions before the first that is held count as missing.
    """
    # Time runs down the rows: each comparison is then of two whole stretches of memory.
    series = np.ascontiguousarray(values.T)
    held = len(series)
    first = held - sessions
    latest = series[first:] * (1 - _TIE)
    known = ~np.isnan(series)
    below = np.zeros(latest.shape, dtype=np.int64)
    observations = np.zeros_like(below)
    for back in range(1, min(lookback, held - 1) + 1):
        late = max(0, back - first)
        before = slice(first + late - back, held - back)
        below[late:] += series[before] < latest[late:]
        observations[late:] += known[before]
    usable = (observations >= max(minimum, 1)) & ~np.isnan(latest)
    value = np.full(latest.shape, np.nan)
    np.divide(100.0 * below, observations, out=value, where=usable)
    return Rank(np.ascontiguousarray(value.T), np.ascontiguousarray(observations.T))


def _share_below(values: FloatArray, latest: FloatArray, minimum: int) -> Rank:
    observations = _valid(values)
    below = np.count_nonzero(values < (latest * (1 - _TIE))[:, None], axis=1)
    usable = (observations >= max(minimum, 1)) & ~np.isnan(latest)
    value = np.full(len(values), np.nan)
    np.divide(100.0 * below, observations, out=value, where=usable)
    return Rank(value, observations)


def _valid(values: FloatArray) -> IntArray:
    count: IntArray = np.count_nonzero(~np.isnan(values), axis=1)
    return count
