"""Realized volatility against pandas, simulation and Interactive Brokers' published figures."""

import math
import statistics
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.arrays import FloatArray
from engine.volatility.realized import (
    close_to_close,
    close_to_close_many,
    daily_variance,
    garman_klass_overnight,
    log_returns,
    rolling_close_to_close,
    sampling_error,
    yang_zhang,
)

WINDOWS = (20, 30, 60, 90, 252)
Panels = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def walk(names: int, sessions: int, seed: int = 7) -> FloatArray:
    rng = np.random.default_rng(seed)
    return 50 * np.exp(np.cumsum(rng.normal(0.0003, 0.02, (names, sessions)), axis=1))


def pandas_rolling(close: FloatArray, window: int) -> FloatArray:
    returns = pd.DataFrame(np.log(close.T)).diff()
    return np.asarray(returns.rolling(window).std(ddof=1) * math.sqrt(252), dtype=np.float64).T


def bars(names: int, sessions: int, seed: int = 3, steps: int = 400) -> Panels:
    """Sessions of 24 % volatility within and 16 % overnight: sqrt(0.24^2 + 0.16^2) = 28.8 % a year."""
    rng = np.random.default_rng(seed)
    start, panels = np.zeros(names), []
    for _ in range(sessions):
        start = start + rng.normal(0, 0.16 / math.sqrt(252), names)
        path = start[:, None] + np.cumsum(
            rng.normal(0, 0.24 / math.sqrt(252 * steps), (names, steps)), axis=1
        )
        end = path[:, -1]
        high, low = np.maximum(path.max(axis=1), start), np.minimum(path.min(axis=1), start)
        panels.append((start, high, low, end))
        start = end
    open_, high, low, close = (100 * np.exp(np.stack(days, axis=1)) for days in zip(*panels, strict=True))
    return open_, high, low, close


TRUE_VOLATILITY = math.hypot(0.24, 0.16)


@pytest.fixture(scope="module")
def simulated() -> Panels:
    return bars(600, 31)


@pytest.mark.parametrize("window", WINDOWS)
def test_latest_and_rolling_agree_with_pandas(window: int) -> None:
    close = walk(40, 300)
    close[3, 120], close[5, 299], close[7, 100], close[9, -window - 1] = np.nan, np.nan, 0.0, -1.0
    valid = np.where(close > 0, close, np.nan)
    expected = pandas_rolling(valid, window)
    np.testing.assert_allclose(rolling_close_to_close(close, window), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(close_to_close(close, window), expected[:, -1], rtol=1e-12, atol=1e-12)


def test_many_windows_are_the_single_ones_in_order() -> None:
    close = walk(200, 260)
    expected = [pandas_rolling(close, window)[:, -1] for window in WINDOWS]
    np.testing.assert_allclose(close_to_close_many(close, WINDOWS), expected, rtol=1e-12, equal_nan=True)
    assert close_to_close_many(close, ()).shape == (0, 200)


def test_a_hand_computed_case() -> None:
    close = [100.0, 102.0, 101.0, 103.0]
    expected = statistics.stdev(math.log(b / a) for a, b in pairwise(close)) * math.sqrt(252)
    assert close_to_close(np.array([close]), 3)[0] == pytest.approx(expected, rel=1e-14)


def test_a_window_is_never_shortened() -> None:
    close = walk(2, 31)
    assert np.isfinite(close_to_close(close, 30)).all()
    assert np.isnan(close_to_close(close[:, 1:], 30)).all()
    close[0, 0] = np.nan
    assert np.isnan(close_to_close(close, 30)).tolist() == [True, False]


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan, np.inf])
def test_one_bad_price_invalidates_its_windows_only(bad: float) -> None:
    close = walk(1, 60)
    close[0, 30] = bad
    rolling = rolling_close_to_close(close, 10)[0]
    assert np.flatnonzero(np.isnan(rolling)).tolist() == [*range(10), *range(30, 41)]
    assert np.isnan(close_to_close(close, 30)[0])
    assert np.isfinite(close_to_close(close, 28)[0])
    assert np.flatnonzero(np.isnan(log_returns(close)[0])).tolist() == [29, 30]


def test_no_prices_at_all_is_missing_without_a_warning() -> None:
    nothing = np.full((3, 300), np.nan)
    assert np.isnan(close_to_close_many(nothing, WINDOWS)).all()
    assert np.isnan(rolling_close_to_close(nothing, 20)).all()
    assert np.isnan(yang_zhang(nothing, nothing, nothing, nothing)).all()
    assert np.isnan(garman_klass_overnight(nothing, nothing, nothing, nothing)).all()
    for sessions in (0, 1, 2):
        short = np.full((3, sessions), 10.0)
        assert np.isnan(close_to_close(short, 20)).all()
        assert np.isnan(rolling_close_to_close(short, 20)).all()
        assert np.isnan(yang_zhang(short, short, short, short)).all()
        assert log_returns(short).shape == daily_variance(short, short, short, short).shape
    assert close_to_close(np.empty((0, 300)), 20).shape == (0,)


def test_a_price_that_stops_moving_has_no_volatility_even_after_a_jump() -> None:
    close = np.full((1, 80), 31.7)
    close[0, :20] = 60.0
    assert close_to_close(close, 30)[0] == 0.0
    rolling = rolling_close_to_close(close, 30)[0]
    assert (rolling[50:] == 0.0).all()
    assert (rolling[30:50] > 1.0).all()


def test_quiet_windows_after_a_jump_keep_their_digits() -> None:
    close = walk(1, 300)
    close[0, :100] *= 400
    quiet = 1e-6 * np.random.default_rng(2).normal(size=200)
    close[0, 100:] = 20 * np.exp(np.cumsum(quiet))
    expected = [np.std(np.diff(np.log(close[0, end - 21 : end])), ddof=1) for end in range(122, 301)]
    got = rolling_close_to_close(close, 20)[0, 121:] / math.sqrt(252)
    np.testing.assert_allclose(got, expected, rtol=1e-8)


@given(
    close=hnp.arrays(np.float64, (3, 40), elements=st.floats(1.0, 1e4) | st.just(math.nan)),
    window=st.integers(2, 39),
)
def test_any_panel_and_window_agree_with_the_standard_library(close: FloatArray, window: int) -> None:
    rolling = rolling_close_to_close(close, window)
    latest = close_to_close(close, window)
    for row, prices in enumerate(close):
        for end in range(window, 40):
            stretch = prices[end - window : end + 1].tolist()
            if any(math.isnan(price) for price in stretch):
                assert math.isnan(rolling[row, end])
                continue
            moves = [math.log(b) - math.log(a) for a, b in pairwise(stretch)]
            expected = statistics.stdev(moves) * math.sqrt(252)
            assert rolling[row, end] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(latest, rolling[:, -1], rtol=1e-12, atol=1e-12)


@given(scale=st.floats(1e-3, 1e5))
def test_the_price_level_does_not_matter(scale: float) -> None:
    open_, high, low, close = bars(4, 31, steps=20)
    for measure in (yang_zhang, garman_klass_overnight):
        scaled = measure(scale * open_, scale * high, scale * low, scale * close)
        np.testing.assert_allclose(scaled, measure(open_, high, low, close), rtol=1e-9)
    np.testing.assert_allclose(close_to_close(scale * close, 30), close_to_close(close, 30), rtol=1e-9)


def yang_zhang_by_the_paper(open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray) -> float:
    """One name, term by term; the first session only lends its close."""
    n = len(close) - 1
    overnight = [math.log(open_[t] / close[t - 1]) for t in range(1, n + 1)]
    body = [math.log(close[t] / open_[t]) for t in range(1, n + 1)]
    ranges = [
        math.log(high[t] / open_[t]) * math.log(high[t] / close[t])
        + math.log(low[t] / open_[t]) * math.log(low[t] / close[t])
        for t in range(1, n + 1)
    ]
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    daily = statistics.variance(overnight) + k * statistics.variance(body)
    return math.sqrt(252 * (daily + (1 - k) * statistics.fmean(ranges)))


def test_yang_zhang_is_the_paper_term_by_term() -> None:
    panels = bars(20, 45, steps=50)
    for window in (2, 30, 44):
        got = yang_zhang(*panels, window)
        recent = [panel[:, -window - 1 :] for panel in panels]
        expected = [yang_zhang_by_the_paper(*days) for days in zip(*recent, strict=True)]
        np.testing.assert_allclose(got, expected, rtol=1e-11)


def test_yang_zhang_finds_the_true_volatility_with_a_third_of_the_error(simulated: Panels) -> None:
    ranged, plain = yang_zhang(*simulated), close_to_close(simulated[3], 30)
    # Extremes are seen at 400 points a session only, which costs the range about 4 %.
    assert np.mean(ranged) == pytest.approx(TRUE_VOLATILITY, rel=0.05)
    assert np.mean(plain) == pytest.approx(TRUE_VOLATILITY, rel=0.02)
    assert np.std(plain) / TRUE_VOLATILITY == pytest.approx(sampling_error(30), rel=0.1)
    assert np.std(ranged) / np.std(plain) < 0.65


def test_yang_zhang_uses_open_to_close_so_that_gaps_are_counted_once() -> None:
    """All movement overnight: the close-to-close form would count k of it a second time."""
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (1, 31)), axis=1))
    expected = np.std(np.diff(np.log(close[0])), ddof=1) * math.sqrt(252)
    assert yang_zhang(close, close, close, close)[0] == pytest.approx(expected, rel=1e-12)


def test_yang_zhang_ignores_a_trend() -> None:
    drift = np.exp(0.01 * np.arange(31))[None, :]
    open_, high, low, close = bars(200, 31)
    tilted = yang_zhang(open_ * drift, high * drift, low * drift, close * drift)
    np.testing.assert_allclose(tilted, yang_zhang(open_, high, low, close), rtol=1e-9)


@pytest.mark.parametrize("measure", [yang_zhang, garman_klass_overnight])
@pytest.mark.parametrize(
    ("panel", "factor", "valid"),
    [
        (1, 0.95, False),
        (2, 1.05, False),
        (1, np.nan, False),
        (0, 0.0, False),
        (3, -1.0, False),
        (1, 1.05, True),
    ],
)
def test_a_contradictory_bar_in_the_window_is_missing(
    measure: Callable[..., FloatArray], panel: int, factor: float, valid: bool
) -> None:
    panels = bars(2, 32, steps=30)
    panels[panel][0, 15] *= factor
    assert np.isfinite(measure(*panels)).tolist() == [valid, True]
    outside = tuple(panel_[:, 16:] for panel_ in panels)
    assert np.isfinite(measure(*outside, window=15)).all()


def test_the_session_before_the_window_lends_only_its_close() -> None:
    panels = bars(1, 31, steps=30)
    for panel in panels[:3]:
        panel[0, 0] = np.nan
    assert np.isfinite(yang_zhang(*panels)).all()
    panels[3][0, 0] = np.nan
    assert np.isnan(yang_zhang(*panels)).all()


def test_rounding_of_adjusted_prices_is_no_contradiction() -> None:
    open_, high, low, close = bars(3, 31, steps=30)
    high, low = np.maximum(open_, close) * (1 - 5e-7), np.minimum(open_, close) * (1 + 5e-7)
    exact = yang_zhang(open_, np.maximum(open_, close), np.minimum(open_, close), close)
    np.testing.assert_allclose(yang_zhang(open_, high, low, close), exact, rtol=1e-12)


def test_garman_klass_finds_the_true_volatility(simulated: Panels) -> None:
    estimate = garman_klass_overnight(*simulated)
    assert np.sqrt(np.mean(estimate**2)) == pytest.approx(TRUE_VOLATILITY, rel=0.05)


def test_garman_klass_by_hand() -> None:
    open_, high = np.array([[10.0, 11.0, 12.0]]), np.array([[12.0, 13.0, 14.0]])
    low, close = np.array([[9.0, 10.0, 11.0]]), np.array([[10.8, 12.0, 12.5]])
    body_weight = 2 * math.log(2) - 1
    first = 0.5 * math.log(13 / 10) ** 2 - body_weight * math.log(12 / 11) ** 2 + math.log(11 / 10.8) ** 2
    second = 0.5 * math.log(14 / 11) ** 2 - body_weight * math.log(12.5 / 12) ** 2
    expected = math.sqrt(252 * (first + second) / 2)
    assert garman_klass_overnight(open_, high, low, close, window=2)[0] == pytest.approx(expected, rel=1e-14)


def test_garman_klass_is_interactive_brokers_historical_volatility(shared_data: Path) -> None:
    """40 names are in both recordings; the rest of the difference is prices rounded to the cent."""
    published = pd.read_csv(shared_data / "ibkr_iv_hv_daily" / "iv_hv_2025-06-17_2026-06-28.csv.gz")
    published = published[published["source"] == "ibkr"].drop_duplicates(["date", "ticker"])
    prices = pd.read_csv(shared_data / "ndx100_yahoo_2026-04" / "ohlcv_2024-04-30_2026-04-29.csv.gz")
    own = []
    for ticker, days in prices.sort_values("date").groupby("ticker"):
        open_, high, low, close = (
            np.lib.stride_tricks.sliding_window_view(days[column].to_numpy(np.float64), 31)
            for column in ("open", "high", "low", "close")
        )
        value = garman_klass_overnight(open_, high, low, close)
        own.append(pd.DataFrame({"date": days["date"].iloc[30:], "ticker": ticker, "own": value}))
    both = pd.concat(own).merge(published, on=["date", "ticker"]).dropna(subset=["own", "hv"])
    difference = (both["own"] - both["hv"]).abs()
    assert len(both) > 8_000
    assert difference.median() < 2e-5
    assert (difference < 1e-4).mean() > 0.89
    assert (difference < 1e-3).mean() > 0.99


def test_daily_variance_is_gap_and_range(simulated: Panels) -> None:
    variance = daily_variance(*simulated)
    assert variance.shape == (600, 30)
    assert math.sqrt(252 * variance.mean()) == pytest.approx(TRUE_VOLATILITY, rel=0.05)
    open_, high, low, close = (panel[:1, :2].copy() for panel in simulated)
    expected = math.log(open_[0, 1] / close[0, 0]) ** 2 + math.log(high[0, 1] / low[0, 1]) ** 2 / (
        4 * math.log(2)
    )
    assert daily_variance(open_, high, low, close)[0, 0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("panel", "session", "value"),
    [
        (0, 1, 0.0),
        (1, 1, 1.0),
        (2, 1, 1e6),
        (2, 1, -1.0),
        (3, 0, 0.0),
        (3, 0, -9.0),
        (3, 1, np.nan),
        (1, 1, np.inf),
    ],
)
def test_daily_variance_of_an_unusable_bar_is_missing(
    simulated: Panels, panel: int, session: int, value: float
) -> None:
    panels = [item[:1, :3].copy() for item in simulated]
    panels[panel][0, session] = value
    assert np.isnan(daily_variance(*panels)[0, 0])


def test_sampling_error_of_thirty_days_is_thirteen_percent() -> None:
    assert sampling_error(30) == pytest.approx(0.1313, abs=5e-5)
    assert sampling_error(252) == pytest.approx(1 / math.sqrt(502))


@pytest.mark.parametrize("window", [1, 0, -3])
def test_a_window_without_two_returns_is_refused(window: int) -> None:
    close = walk(1, 10)
    for measure in (close_to_close, rolling_close_to_close):
        with pytest.raises(ValueError, match=f"at least 2 returns, got {window}"):
            measure(close, window)
    with pytest.raises(ValueError, match="at least 2 returns"):
        yang_zhang(close, close, close, close, window)
    with pytest.raises(ValueError, match="at least 2 returns"):
        sampling_error(window)


def test_panels_of_different_shape_are_refused() -> None:
    close = walk(2, 40)
    with pytest.raises(ValueError, match="differ in shape"):
        yang_zhang(close, close, close[:, 1:], close)
    with pytest.raises(ValueError, match="differ in shape"):
        daily_variance(close[:1], close, close, close)
