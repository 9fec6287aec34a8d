"""The forecast against a plain regression, pandas' exponential mean, simulated and recorded markets."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from engine.arrays import FloatArray
from engine.volatility.forecast import Bars, forecast
from engine.volatility.realized import close_to_close, daily_variance, log_returns

HORIZON = 21


def garch(names: int, sessions: int, seed: int = 1) -> FloatArray:
    """Closes of GARCH(1, 1) with 24 % long-run volatility and a shock half-life of a month."""
    rng = np.random.default_rng(seed)
    long_run = 0.24**2 / 252
    variance, returns = np.full(names, long_run), []
    for _ in range(sessions):
        returns.append(np.sqrt(variance) * rng.normal(size=names))
        variance = 0.03 * long_run + 0.09 * returns[-1] ** 2 + 0.88 * variance
    close: FloatArray = 100 * np.exp(np.cumsum(np.stack(returns, axis=1), axis=1))
    return close


def stochastic(names: int, sessions: int, seed: int = 2) -> tuple[FloatArray, Bars]:
    """Closes and bars whose log volatility reverts to 30 %; 78 steps a session, no gap overnight."""
    rng = np.random.default_rng(seed)
    level, last, days = np.zeros(names), np.zeros(names), []
    for _ in range(sessions):
        level = 0.96 * level + 0.12 * rng.normal(size=names)
        step = 0.30 / math.sqrt(252 * 78) * np.exp(level)
        path = last[:, None] + np.cumsum(step[:, None] * rng.normal(size=(names, 78)), axis=1)
        high, low = np.maximum(path.max(axis=1), last), np.minimum(path.min(axis=1), last)
        days.append((last, high, low, path[:, -1]))
        last = path[:, -1]
    open_, high, low, close = (100 * np.exp(np.stack(panel, axis=1)) for panel in zip(*days, strict=True))
    return close, Bars(open_, high, low)


def losses(predicted: FloatArray, close: FloatArray) -> tuple[float, float]:
    """RMSE in volatility and QLIKE of the variance against the last `HORIZON` sessions of close."""
    actual = 252 * np.mean(log_returns(close)[:, -HORIZON:] ** 2, axis=1)
    ratio = actual / predicted**2
    rmse = math.sqrt(np.mean((predicted - np.sqrt(actual)) ** 2))
    return rmse, float(np.mean(ratio - np.log(ratio) - 1))


def cut(bars: Bars, sessions: slice) -> Bars:
    return Bars(*(panel[:, sessions] for panel in bars))


def regression_by_hand(daily: FloatArray, squared: FloatArray, windows: tuple[int, ...]) -> float:
    """One name: pandas' rolling means, every third training day, ridge as extra rows of least squares."""
    past, ahead = pd.Series(daily), pd.Series(squared)
    table = pd.DataFrame({window: past.rolling(window).mean() for window in windows})
    table["target"] = ahead.rolling(HORIZON).mean().shift(-HORIZON)
    days = table.dropna().iloc[::-1].iloc[::3]
    x_floor, y_floor = 0.05 * days[max(windows)].mean(), 0.05 * days["target"].mean()
    x = np.log(np.maximum(days[list(windows)].to_numpy(), x_floor))
    y = np.log(np.maximum(days["target"].to_numpy(), y_floor))
    center, middle, count = x.mean(axis=0), y.mean(), len(windows)
    rows = np.concatenate([x - center, math.sqrt(0.25 * len(y)) * np.eye(count)])
    slope = np.linalg.lstsq(rows, np.append(y - middle, np.zeros(count)))[0]
    residual = y - middle - (x - center) @ slope
    now = np.log(np.maximum(table[list(windows)].iloc[-1].to_numpy(), x_floor))
    return math.sqrt(252 * math.exp(middle + (now - center) @ slope + residual.var() / 2))


def test_har_is_the_regression_done_by_hand() -> None:
    close, bars = stochastic(6, 300)
    volatility, method = forecast(close, bars=bars)
    daily, squared = daily_variance(*bars, close), log_returns(close) ** 2
    expected = [regression_by_hand(daily[row], squared[row], (1, 5, 22)) for row in range(6)]
    assert method.tolist() == ["har"] * 6
    np.testing.assert_allclose(volatility, expected, rtol=1e-9)


def test_har_on_closes_is_the_regression_done_by_hand() -> None:
    close = garch(6, 280)
    volatility, method = forecast(close)
    squared = log_returns(close) ** 2
    expected = [regression_by_hand(squared[row], squared[row], (5, 22)) for row in range(6)]
    assert method.tolist() == ["har_close"] * 6
    np.testing.assert_allclose(volatility, expected, rtol=1e-9)


def test_ewma_is_the_exponential_mean_of_pandas() -> None:
    close = garch(5, 120)
    close[2, 80] = np.nan
    volatility, method = forecast(close)
    squared = pd.DataFrame(log_returns(close)[:, -75:].T ** 2)
    expected = np.sqrt(252 * squared.ewm(alpha=0.06, adjust=True, ignore_na=False).mean().iloc[-1])
    assert method.tolist() == ["ewma"] * 5
    np.testing.assert_allclose(volatility, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("sessions", "method"), [(250, "har_close"), (249, "ewma"), (62, "ewma"), (61, ""), (1, ""), (0, "")]
)
def test_the_history_decides_the_method(sessions: int, method: str) -> None:
    volatility, methods = forecast(garch(3, 260)[:, :sessions])
    assert methods.tolist() == [method] * 3
    assert (np.isfinite(volatility) == bool(method)).all()


def test_every_fallback_is_named_name_by_name() -> None:
    close, bars = stochastic(7, 300)
    bars.high[1, -1] = np.nan  # no bar today: the closes have to do
    bars.high[2, 120] = bars.low[2, 120] * 0.9  # one contradictory bar long ago
    close[3, :150] = np.nan  # a young listing
    close[4, :240] = np.nan  # too young for anything
    close[5, -1] = np.nan  # no latest close
    close[6, 140] = 0.0  # a hole in the middle
    volatility, method = forecast(close, bars=bars)
    assert method.tolist() == ["har", "har_close", "har", "ewma", "", "", "har"]
    assert (np.isnan(volatility) == (method == "")).all()


def test_too_many_holes_leave_the_average() -> None:
    close = garch(1, 300)
    close[0, [60, 120, 180]] = np.nan
    assert forecast(close).method.tolist() == ["ewma"]


def test_a_price_that_never_moves_has_a_forecast_of_zero() -> None:
    close = np.full((2, 300), 12.5)
    volatility, method = forecast(close, bars=Bars(close, close, close))
    assert volatility.tolist() == [0.0, 0.0]
    assert method.tolist() == ["ewma", "ewma"]


def test_no_prices_at_all_is_missing_without_a_warning() -> None:
    nothing = np.full((2, 300), np.nan)
    volatility, method = forecast(nothing, bars=Bars(nothing, nothing, nothing))
    assert np.isnan(volatility).all()
    assert method.tolist() == ["", ""]
    assert forecast(np.empty((0, 300))).volatility.shape == (0,)


def test_a_name_alone_gets_what_it_gets_among_many() -> None:
    close, bars = stochastic(150, 260)
    close[3, 100] = np.nan
    together = forecast(close, bars=bars)
    for row in (0, 3, 140):
        one = slice(row, row + 1)
        alone = forecast(close[one], bars=Bars(*(panel[one] for panel in bars)))
        assert alone.volatility[0] == pytest.approx(together.volatility[row], rel=1e-12)
        assert alone.method[0] == together.method[row]


@pytest.mark.parametrize("scale", [0.2, 3.0])
def test_moves_of_another_size_scale_the_forecast(scale: float) -> None:
    close = garch(20, 300)
    plain, scaled = forecast(close), forecast(close**scale)
    np.testing.assert_allclose(scaled.volatility, scale * plain.volatility, rtol=1e-9)
    np.testing.assert_allclose(forecast(7 * close).volatility, plain.volatility, rtol=1e-9)


def test_it_beats_the_naive_thirty_days_on_garch() -> None:
    close = garch(1500, 300 + HORIZON)
    known = close[:, :300]
    volatility, method = forecast(known)
    assert set(method) == {"har_close"}
    rmse, qlike = losses(volatility, close)
    naive_rmse, naive_qlike = losses(close_to_close(known, 30), close)
    assert rmse < 0.98 * naive_rmse
    assert qlike < 0.92 * naive_qlike


def test_bars_help_where_volatility_moves_fast() -> None:
    close, bars = stochastic(1000, 300 + HORIZON)
    known = close[:, :300]
    ranged, plain = forecast(known, bars=cut(bars, slice(300))), forecast(known)
    naive = close_to_close(known, 30)
    by_range, by_close, by_habit = (losses(x, close) for x in (ranged.volatility, plain.volatility, naive))
    assert by_range[0] < by_close[0] < by_habit[0]
    assert by_range[1] < by_close[1] < by_habit[1]


def test_the_bias_of_the_logarithm_is_undone() -> None:
    close = garch(1500, 300 + HORIZON, seed=9)
    volatility, _ = forecast(close[:, :300])
    actual = 252 * np.mean(log_returns(close)[:, -HORIZON:] ** 2, axis=1)
    assert np.mean(volatility**2) == pytest.approx(np.mean(actual), rel=0.06)


def recorded(shared_data: Path) -> dict[str, FloatArray]:
    prices = pd.read_csv(shared_data / "ndx100_yahoo_2026-04" / "ohlcv_2024-04-30_2026-04-29.csv.gz")
    factor = prices["adj_close"] / prices["close"]
    panels: dict[str, FloatArray] = {}
    for column in ("open", "high", "low", "close"):
        adjusted = prices.assign(value=prices[column] * factor)
        panels[column] = adjusted.pivot(index="ticker", columns="date", values="value").to_numpy(np.float64)
    return panels


def test_it_beats_the_naive_thirty_days_on_recorded_prices(shared_data: Path) -> None:
    panels = recorded(shared_data)
    results: list[npt.NDArray[np.float64]] = []
    for end in range(300, panels["close"].shape[1] - HORIZON, 10):
        whole = panels["close"][:, end - 300 : end + HORIZON]
        rows = np.isfinite(whole).all(axis=1)
        open_, high, low, close = (panels[name][rows, end - 300 : end] for name in panels)
        volatility, method = forecast(close, bars=Bars(open_, high, low))
        assert set(method) == {"har"}
        actual = np.sqrt(252 * np.mean(log_returns(whole[rows])[:, -HORIZON:] ** 2, axis=1))
        results.append(np.stack([volatility - actual, close_to_close(close, 30) - actual]))
    rmse, naive = np.sqrt(np.mean(np.concatenate(results, axis=1) ** 2, axis=1))
    assert rmse < 0.9 * naive


def test_what_cannot_be_forecast_is_refused() -> None:
    close = garch(2, 300)
    with pytest.raises(ValueError, match="at least one session ahead, got 0"):
        forecast(close, horizon=0)
    with pytest.raises(ValueError, match=r"shape of close, \(2, 300\)"):
        forecast(close, bars=Bars(close, close[:, 1:], close))
