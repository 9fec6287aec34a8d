"""Realized volatility from daily prices, for many names at once.

Panels are float64 arrays of shape (names, sessions), oldest session first, NaN where a session has no
price; the last column is each name's latest close. Results are annual volatilities as fractions, of
shape (names,) unless said otherwise, and NaN wherever a window is not complete: a window is never
shortened and never filled. Years have 252 trading days.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from engine.arrays import FloatArray

TRADING_DAYS = 252
_BAR_TOLERANCE = 1e-6
_NAMES_PER_BLOCK = 128


def sampling_error(window: int) -> float:
    """Relative standard error of a close-to-close volatility over `window` returns: 1 / sqrt(2 (w - 1)).

    Holds for independent normal returns (the sample variance is then chi-squared with w - 1 degrees of
    freedom); 0.131 for 30 days. Fat tails and overlapping jumps make it larger.

    Raises ValueError for a window below 2.
    """
    _require_window(window)
    return 1.0 / math.sqrt(2.0 * (window - 1))


def log_returns(close: FloatArray) -> FloatArray:
    """Daily log returns ln(C_t / C_{t-1}), shape (names, sessions - 1).

    NaN where either close is missing, infinite, zero or negative.
    """
    logs = _log_prices(close)
    returns: FloatArray = np.diff(logs, axis=1)
    return returns


def close_to_close(close: FloatArray, window: int) -> FloatArray:
    """Sample standard deviation (ddof 1) of the last `window` log returns, times sqrt(252).

    Shape (names,). Needs window + 1 valid closes in the last window + 1 sessions; NaN otherwise. One
    price that is missing or not positive invalidates the window. Raises ValueError for a window below 2.
    """
    volatility: FloatArray = close_to_close_many(close, (window,))[0]
    return volatility


def close_to_close_many(close: FloatArray, windows: Sequence[int]) -> FloatArray:
    """`close_to_close` for several windows, shape (len(windows), names), from one set of returns.

    Only the columns the longest window needs are read. Raises ValueError for a window below 2.
    """
    for window in windows:
        _require_window(window)
    result = np.full((len(windows), len(close)), np.nan)
    sessions = close.shape[1]
    columns = max((window for window in windows if window < sessions), default=0) + 1
    for block in blocks(len(close)):
        logs = _log_prices(close[block, -columns:])
        returns = logs[:, 1:] - logs[:, :-1]
        for row, window in enumerate(windows):
            if window < sessions:
                drift = (logs[:, -1] - logs[:, -1 - window]) / window
                deviation = returns[:, -window:] - drift[:, None]
                result[row, block] = np.einsum("ij,ij->i", deviation, deviation) / (window - 1)
    return annual_volatility(result)


def rolling_close_to_close(close: FloatArray, window: int) -> FloatArray:
    """`close_to_close` as of every session, shape (names, sessions); NaN until a window is complete.

    Sums of squares are built by merging neighbouring stretches of returns (Chan, Golub and LeVeque
    1983, "Algorithms for computing the sample variance"), doubling the length each time. Unlike a
    difference of running totals it loses no digits after a jump, gives exactly 0 for a constant price,
    and a missing price touches only the windows that hold it. Raises ValueError for a window below 2.
    """
    _require_window(window)
    result = np.full(close.shape, np.nan)
    if close.shape[1] <= window:
        return result
    for block in blocks(len(close)):
        logs = _log_prices(np.ascontiguousarray(close[block].T))
        squares = _stretches(logs[1:] - logs[:-1], window).squares
        squares *= TRADING_DAYS / (window - 1)
        result[block, window:] = np.sqrt(squares, out=squares).T
    return result


def yang_zhang(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, window: int = 30
) -> FloatArray:
    """Yang-Zhang volatility of the last `window` sessions, shape (names,).

    sqrt(252 (V_overnight + k V_open_to_close + (1 - k) V_RS)) with sample variances of ln(O_t / C_{t-1})
    and of ln(C_t / O_t), the mean of the Rogers-Satchell terms u(u - c) + d(d - c), and
    k = 0.34 / (1.34 + (n + 1) / (n - 1)). Independent of drift and of opening gaps.

    Needs the close before the window and every price of the window. NaN when one is missing, not
    positive, or contradicts its bar (a high below open or close, a low above them, by more than one
    part in a million: rounding of adjusted prices stays within that). Raises ValueError for a window
    below 2 or panels of different shapes.

    Source: Yang and Zhang (2000), "Drift-independent volatility estimation based on high, low, open,
    and close prices", Journal of Business 73.
    """
    _require_window(window)
    moves = _last_moves(open, high, low, close, window)
    if moves is None:
        return np.full(len(close), np.nan)
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    range_part = _rogers_satchell(moves).mean(axis=1)
    variance = moves.overnight.var(axis=1, ddof=1) + k * moves.body.var(axis=1, ddof=1) + (1 - k) * range_part
    return annual_volatility(variance)


def garman_klass_overnight(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, window: int = 30
) -> FloatArray:
    """Garman-Klass volatility with opening gaps over the last `window` sessions, shape (names,).

    sqrt(252 mean[ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2 + ln(O_t / C_{t-1})^2]): the figure Interactive
    Brokers publishes as 30-day historical volatility. No mean is removed.

    Needs the close before the window; NaN for bars as in `yang_zhang`. Raises ValueError for a window
    below 2 or panels of different shapes.

    Source: Garman and Klass (1980), "On the estimation of security price volatilities from historical
    data", Journal of Business 53.
    """
    _require_window(window)
    moves = _last_moves(open, high, low, close, window)
    if moves is None:
        return np.full(len(close), np.nan)
    daily = 0.5 * (moves.up - moves.down) ** 2 - (2 * math.log(2) - 1) * moves.body**2 + moves.overnight**2
    return annual_volatility(daily.mean(axis=1))


def daily_variance(open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Each session's own variance, ln(O_t / C_{t-1})^2 + ln(H/L)^2 / (4 ln 2), shape (names, sessions - 1).

    Not annualised: the square of the opening gap and Parkinson's estimate of the session. NaN for a
    session whose bar, or the close before it, is unusable as in `yang_zhang`. Raises ValueError for
    panels of different shapes.

    Source: Parkinson (1980), "The extreme value method for estimating the variance of the rate of
    return", Journal of Business 53.
    """
    _require_same_shape(open, high, low, close)
    before, start, end = close[:, :-1], open[:, 1:], close[:, 1:]
    top, bottom = np.maximum(start, end), np.minimum(start, end)
    top *= 1 - _BAR_TOLERANCE
    bottom *= 1 + _BAR_TOLERANCE
    sound = (low[:, 1:] > 0) & (low[:, 1:] <= bottom) & (high[:, 1:] >= top)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap, span = np.log(start / before), np.log(high[:, 1:] / low[:, 1:])
    variance: FloatArray = gap * gap
    span *= span
    span *= 0.25 / math.log(2)
    variance += span
    variance[~(sound & np.isfinite(variance))] = np.nan
    return variance


def realized_after(close: FloatArray, horizon: int) -> FloatArray:
    """Movement after each session: sqrt(252 mean(r^2)) of the next `horizon` log returns, (names, sessions).

    No mean is removed: what a seller of volatility pays for is the whole movement. NaN where one of the
    horizon + 1 closes from the session on is missing or not positive, so always for the last `horizon`
    sessions. Raises ValueError for a horizon below 2. Source: methodology 8.
    """
    _require_window(horizon)
    result = np.full(close.shape, np.nan)
    if close.shape[1] <= horizon:
        return result
    squares = log_returns(close) ** 2
    count = close.shape[1] - horizon
    total = np.zeros((len(close), count))
    for ahead in range(horizon):
        total += squares[:, ahead : ahead + count]
    result[:, :count] = annual_volatility(total / horizon)
    return result


def annual_volatility(variance: FloatArray) -> FloatArray:
    """The annual volatility of a daily variance: sqrt(252 variance)."""
    volatility: FloatArray = np.sqrt(TRADING_DAYS * variance)
    return volatility


def blocks(count: int) -> Iterator[slice]:
    """Slices over `count` names, small enough that a block's working arrays stay in the cache."""
    for start in range(0, count, _NAMES_PER_BLOCK):
        yield slice(start, start + _NAMES_PER_BLOCK)


class _Moves(NamedTuple):
    """Log moves of each session, (names, sessions): from the close before, and from the open."""

    overnight: FloatArray
    body: FloatArray
    up: FloatArray
    down: FloatArray


def _last_moves(
    open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray, window: int
) -> _Moves | None:
    _require_same_shape(open, high, low, close)
    if close.shape[1] <= window:
        return None
    recent = slice(-window - 1, None)
    moves = _moves(open[:, recent], high[:, recent], low[:, recent], close[:, recent])
    return _Moves(*(move[:, 1:] for move in moves))


def _moves(open: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> _Moves:
    start, end = _log_prices(open), _log_prices(close)
    peak, trough = _log_prices(high), _log_prices(low)
    overnight = np.full(close.shape, np.nan)
    np.subtract(start[:, 1:], end[:, :-1], out=overnight[:, 1:])
    end -= start
    peak -= start
    trough -= start
    top, bottom = np.maximum(end, 0.0), np.minimum(end, 0.0)
    sound = (peak >= top - _BAR_TOLERANCE) & (trough <= bottom + _BAR_TOLERANCE)
    # Within the tolerance the extreme is lifted onto the body, so that no term can turn negative.
    up = np.where(sound, np.maximum(peak, top, out=top), np.nan)
    down = np.where(sound, np.minimum(trough, bottom, out=bottom), np.nan)
    return _Moves(overnight, end, up, down)


def _rogers_satchell(moves: _Moves) -> FloatArray:
    return moves.up * (moves.up - moves.body) + moves.down * (moves.down - moves.body)


class _Stretch(NamedTuple):
    """Sums over every run of `length` returns, by its first row; time runs down the rows."""

    total: FloatArray
    squares: FloatArray
    length: int


def _stretches(returns: FloatArray, length: int) -> _Stretch:
    """Total and squared deviations from the mean of each `length` rows, (rows - length + 1, names)."""
    single = _Stretch(returns, np.zeros_like(returns), 1)
    if length == 1:
        return single
    half = _stretches(returns, length // 2)
    doubled = _merge(half, half)
    return _merge(doubled, single) if length % 2 else doubled


def _merge(left: _Stretch, right: _Stretch) -> _Stretch:
    """Each left stretch joined with the right one that follows it at once."""
    n, m = left.length, right.length
    rows = len(right.total) - n
    squares = right.total[n:] * (n / m)
    squares -= left.total[:rows]
    squares *= squares
    squares *= m / (n * (n + m))
    squares += left.squares[:rows]
    squares += right.squares[n:]
    return _Stretch(left.total[:rows] + right.total[n:], squares, n + m)


def _log_prices(price: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: FloatArray = np.log(price)
    logs[~np.isfinite(logs)] = np.nan
    return logs


def _require_window(window: int) -> None:
    if window < 2:
        raise ValueError(f"a volatility window needs at least 2 returns, got {window}")


def _require_same_shape(*panels: FloatArray) -> None:
    shapes = {panel.shape for panel in panels}
    if len(shapes) > 1:
        raise ValueError(f"open, high, low and close differ in shape: {sorted(shapes)}")
