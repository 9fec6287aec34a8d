"""Constant maturity: total variance between expiries, never beyond them (methodology 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.volatility.model_free import interpolate_total_variance

NONE = -1
"""No expiry on that side."""
MAX_ROUNDS = 6
"""How often a name may lose an expiry that turned out unsolvable before it goes without."""

INTERPOLATED = "interpolated"
NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class ExpiryGrid:
    """Expiries of many names: row of the name, calendar days (integer) and exact days to settlement."""

    name_of: IntArray
    names: int
    calendar_days: FloatArray
    exact_days: FloatArray


@dataclass(frozen=True, slots=True)
class ConstantMaturity:
    """A row a name; `near` and `far` are expiry rows, equal for a single expiry, NONE without."""

    vol: FloatArray
    near: IntArray
    far: IntArray
    method: np.ndarray[tuple[int], np.dtype[np.object_]]


def last_of(mask: BoolArray, grid: ExpiryGrid) -> IntArray:
    """The last expiry of each name for which `mask` holds (expiries ascend within a name)."""
    chosen = np.full(grid.names, NONE, dtype=np.int64)
    rows = np.flatnonzero(mask)
    chosen[grid.name_of[rows]] = rows
    return chosen


def first_of(mask: BoolArray, grid: ExpiryGrid) -> IntArray:
    """The first expiry of each name for which `mask` holds."""
    chosen = np.full(grid.names, NONE, dtype=np.int64)
    rows = np.flatnonzero(mask)[::-1]
    chosen[grid.name_of[rows]] = rows
    return chosen


def nearest_of(mask: BoolArray, grid: ExpiryGrid, target_days: float) -> IntArray:
    """The expiry nearest `target_days` for which `mask` holds; the earlier one of two as near."""
    chosen = np.full(grid.names, NONE, dtype=np.int64)
    rows = np.flatnonzero(mask)
    away = np.abs(grid.calendar_days[rows] - target_days)
    rows = rows[np.lexsort((-rows, -away))]
    chosen[grid.name_of[rows]] = rows
    return chosen


def constant_maturity(
    grid: ExpiryGrid,
    usable: BoolArray,
    solve: Callable[[IntArray], FloatArray],
    target_days: float,
    near_min_days: float,
    nearest_range: tuple[float, float] | None,
) -> ConstantMaturity:
    """Volatility at `target_days` of every name.

    vol = sqrt(w / T), w linear in time between the total variances iv^2 T of the nearest usable expiry on
    either side (near side at least `near_min_days` calendar days away). An expiry that `solve` cannot
    price is passed over for the next one. Without one side the single expiry nearest the target within
    `nearest_range` is taken as it is and the method says so; NaN when there is none. Never extrapolated.

    Parameters
    ----------
    usable : expiries that may be used, shape (expiries,)
    solve : at-the-money volatility of expiry rows; NaN where it has none
    """
    iv = np.full(len(usable), np.nan)
    solved = np.zeros(len(usable), dtype=bool)
    usable = usable.copy()
    days = grid.exact_days
    for _ in range(MAX_ROUNDS):
        near = last_of(usable & (grid.calendar_days >= near_min_days) & (days <= target_days), grid)
        far = first_of(usable & (days >= target_days), grid)
        both = (near != NONE) & (far != NONE)
        single = np.full(grid.names, NONE, dtype=np.int64)
        if nearest_range is not None:
            within = (grid.calendar_days >= nearest_range[0]) & (grid.calendar_days <= nearest_range[1])
            single = np.where(both, NONE, nearest_of(usable & within, grid, target_days))
        wanted = np.unique(np.concatenate((near[both], far[both], single[single != NONE])))
        wanted = wanted[~solved[wanted]]
        if not len(wanted):
            break
        iv[wanted] = solve(wanted)
        solved[wanted] = True
        usable[wanted[np.isnan(iv[wanted])]] = False
    near, far = np.where(both, near, single), np.where(both, far, single)
    vol = _between(iv, days, near, far, target_days)
    names = np.where(both, INTERPOLATED, NEAREST).astype(object)
    missing = np.isnan(vol)
    names[missing] = None
    return ConstantMaturity(vol, np.where(missing, NONE, near), np.where(missing, NONE, far), names)


def _between(iv: FloatArray, days: FloatArray, near: IntArray, far: IntArray, target: float) -> FloatArray:
    vol = np.full(len(near), np.nan)
    rows = np.flatnonzero(near != NONE)
    a, b = near[rows], far[rows]
    between = interpolate_total_variance(days[a], iv[a] ** 2, days[b], iv[b] ** 2, target)
    # A single expiry is taken as it is: its own volatility, not its variance spread over 30 days.
    vol[rows] = np.where(a == b, iv[a], between)
    return vol
