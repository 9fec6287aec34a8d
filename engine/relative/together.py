"""How names move together: correlations of daily log returns by session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import FloatArray
from engine.panel import Prices
from engine.volatility.realized import log_returns

YEAR, QUARTER = 252, 60
LEAST_COMMON = {YEAR: 200, QUARTER: 48}
"""Of a window's sessions, on how many both need a return."""


def session_returns(prices: Prices, rows: Sequence[int]) -> FloatArray:
    """Daily log returns of some names, (rows, sessions - 1), the last the run's own; NaN where missing."""
    return log_returns(prices.session_closes(rows))


def correlation(one: FloatArray, other: FloatArray, window: int) -> float | None:
    """Pearson's correlation of two series over the last `window` sessions, as far as both have a return.

    None with fewer than LEAST_COMMON of them, or when one did not move.
    """
    one, other = one[-window:], other[-window:]
    both = np.isfinite(one) & np.isfinite(other)
    x, y = one[both], other[both]
    if len(x) < LEAST_COMMON[window]:
        return None
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return None if scale == 0 else float(np.clip((x @ y) / scale, -1.0, 1.0))


def correlations(returns: FloatArray) -> FloatArray:
    """Every pair of a year of returns, (names, names), as `correlation` has one; NaN where that has none."""
    known = np.isfinite(returns)
    days = known.astype(np.float64)
    x = np.where(known, returns, 0.0)
    count = days @ days.T
    with np.errstate(divide="ignore", invalid="ignore"):
        own, squares = x @ days.T, (x * x) @ days.T
        mean = own / count
        spread = squares - own * mean
        found = (x @ x.T - own * mean.T) / np.sqrt(spread * spread.T)
    usable = (count >= LEAST_COMMON[YEAR]) & (spread > 0) & (spread.T > 0)
    return np.where(usable, np.clip(found, -1.0, 1.0), np.nan)
