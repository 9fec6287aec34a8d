"""Ranks against scipy's strict percentile of a score and pandas' rolling deviation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import percentileofscore

from engine.arrays import FloatArray
from engine.volatility.rank import hv_rank, percentile, rank, trailing_percentile


def walk(names: int, sessions: int, seed: int = 11) -> FloatArray:
    """Prices whose volatility itself wanders, so that every rank occurs."""
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0, 0.05, (names, sessions)), axis=1) - 4)
    return 80 * np.exp(np.cumsum(level * rng.normal(size=(names, sessions)), axis=1))


def volatility_series(close: FloatArray, window: int) -> pd.DataFrame:
    return pd.DataFrame(np.log(close.T)).diff().rolling(window).std(ddof=1)


def test_hv_rank_is_the_strict_percentile_of_the_last_252_values() -> None:
    close = walk(60, 320)
    close[4, :30], close[5, :170] = np.nan, np.nan
    value, observations = hv_rank(close)
    for row in range(60):
        series = np.asarray(volatility_series(close[row : row + 1], 20)[0])[-252:]
        valid = series[~np.isnan(series)]
        assert observations[row] == len(valid)
        assert value[row] == pytest.approx(percentileofscore(valid, series[-1], kind="strict"), rel=1e-12)
    assert observations[:6].tolist() == [252, 252, 252, 252, 252, 130]


def test_the_latest_is_one_of_the_252_and_not_below_itself() -> None:
    moves = np.tile([0.01, -0.01], 150) * np.linspace(1, 2, 300)
    rising = 100 * np.exp(np.cumsum(moves))
    falling = 100 * np.exp(np.cumsum(moves[::-1]))
    value, _ = hv_rank(np.stack([rising, falling]))
    np.testing.assert_allclose(value, [100 * 251 / 252, 0.0])


def test_equal_windows_are_ties_whatever_their_rounding() -> None:
    close = np.tile([101.3, 102.7, 99.1, 100.9], 80)[None, :]
    value, observations = hv_rank(close, window=20)
    assert (value[0], observations[0]) == (0.0, 252)


@pytest.mark.parametrize(("sessions", "known"), [(79, False), (80, True)])
def test_hv_rank_needs_sixty_values(sessions: int, known: bool) -> None:
    value, observations = hv_rank(walk(3, sessions))
    assert observations.tolist() == [sessions - 20] * 3
    assert (np.isfinite(value) == known).all()


def test_hv_rank_without_a_latest_value_is_missing_and_still_counts() -> None:
    close = walk(2, 300)
    close[0, -5] = 0.0
    value, observations = hv_rank(close)
    assert math.isnan(value[0])
    assert observations.tolist() == [252 - 5, 252]


def test_nothing_to_rank_is_missing_without_a_warning() -> None:
    for history in (np.full((2, 300), np.nan), np.empty((2, 0))):
        for value, observations in (
            hv_rank(history),
            percentile(history, np.array([0.2, np.nan]), minimum=0),
            rank(history, np.array([0.2, np.nan]), minimum=0),
        ):
            assert np.isnan(value).all()
            assert observations.tolist() == [0, 0]


@pytest.mark.parametrize(("stored", "known"), [(59, False), (60, True)])
def test_a_short_history_shows_its_count_but_no_rank(stored: int, known: bool) -> None:
    history = np.full((1, 300), np.nan)
    history[0, 300 - 2 * stored :: 2] = np.linspace(0.1, 0.3, stored)
    for measure in (percentile, rank):
        value, observations = measure(history, np.array([0.2]))
        assert observations.tolist() == [stored]
        assert np.isfinite(value[0]) == known


def test_strictly_below_means_that_ties_do_not_count() -> None:
    history = np.array([[0.10] * 30 + [0.20] * 30 + [0.30] * 40])
    for latest, expected in ((0.20, 30.0), (0.2000001, 60.0), (0.10, 0.0), (0.5, 100.0)):
        assert percentile(history, np.array([latest])).value[0] == pytest.approx(expected)


def test_only_the_last_252_stored_sessions_are_looked_at() -> None:
    history = np.concatenate([np.full((1, 100), 0.01), np.full((1, 252), 0.4)], axis=1)
    latest = np.array([0.2])
    assert percentile(history, latest).value[0] == 0.0
    assert percentile(history, latest).observations[0] == 252
    assert percentile(history, latest, lookback=352).value[0] == pytest.approx(100 * 100 / 352)


def test_rank_is_the_place_between_low_and_high() -> None:
    history = np.array([np.linspace(0.15, 0.35, 100)] * 4)
    latest = np.array([0.20, 0.50, 0.10, np.nan])
    value, observations = rank(history, latest)
    np.testing.assert_allclose(value, [25.0, 100.0, 0.0, np.nan])
    assert observations.tolist() == [100] * 4


def test_a_flat_history_has_no_rank_but_a_percentile() -> None:
    history, latest = np.full((1, 100), 0.2), np.array([0.2])
    assert np.isnan(rank(history, latest).value[0])
    assert percentile(history, latest).value[0] == 0.0


@given(
    history=hnp.arrays(np.float64, (3, 20), elements=st.floats(0.01, 3.0) | st.just(math.nan)),
    latest=hnp.arrays(np.float64, 3, elements=st.sampled_from([0.01, 0.5, 3.0]) | st.floats(0.01, 3.0)),
    minimum=st.integers(1, 20),
)
def test_any_history_agrees_with_scipy(history: FloatArray, latest: FloatArray, minimum: int) -> None:
    shares, places = percentile(history, latest, minimum), rank(history, latest, minimum)
    for row in range(3):
        valid = history[row][~np.isnan(history[row])]
        assert shares.observations[row] == places.observations[row] == len(valid)
        if len(valid) < minimum:
            assert math.isnan(shares.value[row])
            assert math.isnan(places.value[row])
            continue
        separate = valid[np.abs(valid - latest[row]) > 1e-11]
        ties = len(valid) - len(separate)
        expected = percentileofscore(np.append(separate, [latest[row]] * ties), latest[row], kind="strict")
        assert shares.value[row] == pytest.approx(expected)
        assert math.isnan(places.value[row]) or 0.0 <= places.value[row] <= 100.0


@pytest.mark.parametrize("sessions", [1, 40, 299, 300])
def test_the_trailing_percentile_is_that_of_each_session_on_its_own(sessions: int) -> None:
    random = np.random.default_rng(12)
    values = np.round(random.normal(0.3, 0.05, (4, 300)), 2)  # rounded, so that there are ties
    values[random.random(values.shape) < 0.1] = np.nan
    values[1, :200] = np.nan
    found = trailing_percentile(values, sessions)
    for place in range(sessions):
        day = 300 - sessions + place
        alone = percentile(values[:, :day], values[:, day])
        np.testing.assert_array_equal(found.value[:, place], alone.value)
        np.testing.assert_array_equal(found.observations[:, place], alone.observations)
