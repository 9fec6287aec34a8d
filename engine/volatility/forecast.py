"""A forecast of realized volatility, for many names at once.

Heterogeneous autoregression (Corsi 2009, "A simple approximate long-memory model of realized
volatility", Journal of Financial Econometrics 7) on the logarithm of variance, fitted to each name
alone, so that a name gets the same forecast by itself as in a screen of thousands. Where its history
does not carry that, RiskMetrics' exponential average. Each result names the method behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arrays import BoolArray, FloatArray
from engine.volatility.realized import annual_volatility, blocks, daily_variance, log_returns

MIN_SESSIONS = 250
EWMA_DECAY = 0.94
EWMA_RETURNS = 75
EWMA_MIN_RETURNS = 61

_BAR_WINDOWS = (1, 5, 22)
_CLOSE_WINDOWS = (5, 22)
# A single quiet day may have no variance at all; its logarithm must not drown the others.
_FLOOR = 0.05
# A year holds about a dozen independent 21-day targets: too few to trust free coefficients.
_RIDGE = 0.25
# Neighbouring days share 20 of their 21 target days: every third tells as much.
_TRAINING_STEP = 3


class Forecast(NamedTuple):
    """What `forecast` returns, both of shape (names,)."""

    volatility: FloatArray
    """Annual fraction; NaN when no method applies."""
    method: npt.NDArray[np.str_]
    """har, har_close, ewma, or empty when missing."""


class Bars(NamedTuple):
    """Open, high and low beside the closes, each of shape (names, sessions)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray


def forecast(close: FloatArray, horizon: int = 21, bars: Bars | None = None) -> Forecast:
    """Volatility expected over the next `horizon` sessions.

    It aims at sqrt(252 mean r^2) of the log returns to come, which is what the scorecard will measure.
    Tried in this order, each for the names the one before left missing:

    har        ln(mean r^2 of the next h days) regressed on ln of the last day's, 5 days' and 22 days'
               mean of `daily_variance` (needs `bars`). Coefficients are shrunk by a ridge of 0.25 (in
               units of the mean squared log deviation); exp(fit + residual variance / 2) undoes the bias
               of the logarithm.
    har_close  the same on squared returns, without the single day, which is too noisy to help.
    ewma       RiskMetrics (J.P. Morgan 1996): squared returns weighted by 0.94^age over the last 75
               returns (99 % of the weight), flat over the horizon.

    Both HAR forms need as many training days as `MIN_SESSIONS` unbroken sessions give, the average needs
    61 valid returns of its 75; all need the latest close. NaN and an empty method otherwise.

    Raises ValueError for a horizon below 1 or panels of different shapes.
    """
    if horizon < 1:
        raise ValueError(f"a forecast looks at least one session ahead, got {horizon}")
    if bars is not None and any(panel.shape != close.shape for panel in bars):
        raise ValueError(f"open, high and low must have the shape of close, {close.shape}")
    variance = np.full(len(close), np.nan)
    method = np.full(len(close), "", dtype="<U9")
    for block in blocks(len(close)):
        of_block = None if bars is None else Bars(*(panel[block] for panel in bars))
        for name, estimate in _estimates(close[block], of_block, horizon):
            missing = np.isnan(variance[block])
            variance[block][missing] = estimate[missing]
            method[block][missing & np.isfinite(estimate)] = name
            if np.isfinite(estimate[missing]).all():
                break
    return Forecast(annual_volatility(variance), method)


def _estimates(close: FloatArray, bars: Bars | None, horizon: int) -> Iterator[tuple[str, FloatArray]]:
    """Methods and their mean daily variance ahead, the preferred one first."""
    squared = log_returns(close) ** 2
    if bars is not None:
        yield "har", _har(daily_variance(*bars, close), squared, _BAR_WINDOWS, horizon)
    yield "har_close", _har(squared, squared, _CLOSE_WINDOWS, horizon)
    yield "ewma", _ewma(squared)


def _ewma(squared: FloatArray) -> FloatArray:
    recent = squared[:, -EWMA_RETURNS:]
    weight = EWMA_DECAY ** np.arange(recent.shape[1])[::-1]
    valid = np.isfinite(recent)
    total = np.where(valid, recent, 0.0) @ weight
    enough = valid.sum(axis=1) >= EWMA_MIN_RETURNS
    enough &= valid[:, -1:].all(axis=1)
    variance = np.full(len(squared), np.nan)
    np.divide(total, valid @ weight, out=variance, where=enough)
    return variance


def _har(daily: FloatArray, squared: FloatArray, windows: tuple[int, ...], horizon: int) -> FloatArray:
    """Mean squared return of the next `horizon` sessions, shape (names,); inputs are daily variances."""
    longest, sessions = max(windows), daily.shape[1]
    if sessions < MIN_SESSIONS - 1:
        return np.full(len(daily), np.nan)
    past, ahead = _RollingSums(daily), _RollingSums(squared)
    newest = sessions - longest - horizon
    days = slice(newest % _TRAINING_STEP, newest + 1, _TRAINING_STEP)
    x = np.stack([past.over(window)[longest - window :][days] / window for window in windows])
    y = ahead.over(horizon)[longest:][days] / horizon
    usable = np.isfinite(y) & np.isfinite(x).all(axis=0)
    x_floor, y_floor = _floor(x[-1], usable), _floor(y, usable)
    latest = _log_above(np.stack([past.over(window)[-1] / window for window in windows]), x_floor)
    fit, spread = _ridge_fit(_log_above(x, x_floor), _log_above(y, y_floor), usable, latest)
    enough = usable.sum(axis=0) >= (MIN_SESSIONS - longest - horizon) // _TRAINING_STEP
    return np.where(enough & (x_floor > 0) & (y_floor > 0), np.exp(fit + spread / 2), np.nan)


class _RollingSums:
    """Sums over windows of one block, time down the rows.

    They are built by doubling: no digits are lost after a jump, NaN stays within its windows, and the
    windows share their halves (5 is half of 10, half of 21 but one).
    """

    def __init__(self, daily: FloatArray) -> None:
        self._sums = {1: np.ascontiguousarray(daily.T)}

    def over(self, window: int) -> FloatArray:
        """Shape (sessions - window + 1, names)."""
        if window not in self._sums:
            half = self.over(window // 2)
            total = half[window // 2 :] + half[: len(half) - window // 2]
            if window % 2:
                single = self._sums[1]
                total = total[: len(single) - window + 1] + single[window - 1 :]
            self._sums[window] = total
        return self._sums[window]


def _ridge_fit(
    x: FloatArray, y: FloatArray, usable: BoolArray, latest: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fitted value at `latest` (predictors, names) and residual variance, one regression per name."""
    x, y = np.where(usable, x, 0.0), np.where(usable, y, 0.0)
    days = np.maximum(usable.sum(axis=0), 1)
    x_mean, y_mean = x.sum(axis=1).T / days[:, None], y.sum(axis=0) / days
    within = np.einsum("itn,jtn->nij", x, x) / days[:, None, None] - x_mean[:, :, None] * x_mean[:, None, :]
    across = np.einsum("itn,tn->ni", x, y) / days[:, None] - x_mean * y_mean[:, None]
    slope = np.linalg.solve(within + _RIDGE * np.eye(len(x)), across[:, :, None])[:, :, 0]
    explained = np.einsum("ni,ni->n", slope, 2 * across - np.einsum("nij,nj->ni", within, slope))
    spread = np.einsum("tn,tn->n", y, y) / days - y_mean**2 - explained
    return y_mean + np.einsum("ni,ni->n", slope, latest.T - x_mean), spread


def _floor(mean: FloatArray, usable: BoolArray) -> FloatArray:
    """The smallest variance taken as real: a share of the name's own average; 0 if it never moved."""
    total = np.where(usable, mean, 0.0).sum(axis=0)
    floor: FloatArray = _FLOOR * total / np.maximum(usable.sum(axis=0), 1)
    return floor


def _log_above(mean: FloatArray, floor: FloatArray) -> FloatArray:
    raised = np.maximum(mean, np.where(floor > 0, floor, 1.0))
    logs: FloatArray = np.log(raised, out=raised)
    return logs
