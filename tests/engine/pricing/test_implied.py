"""Implied volatility against vollib on a grid that hurts, round trips, and the reason of every failure."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vollib.black import undiscounted_black  # type: ignore[import-untyped]
from vollib.black.implied_volatility import implied_volatility as vollib_implied  # type: ignore[import-untyped]
from vollib.helpers.exceptions import (  # type: ignore[import-untyped]
    PriceIsAboveMaximum,
    PriceIsBelowIntrinsic,
)

from engine.arrays import FloatArray
from engine.pricing import (
    Reason,
    implied_total_volatility,
    implied_volatility,
    mid_price,
    price,
)

MONEYNESS = (*np.linspace(0.3, 3.0, 19).tolist(), 0.999, 0.999999, 1.000001, 1.001)
DAYS = (1, 2, 5, 14, 30, 90, 365, 730)
VOLS = (0.03, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
FORWARD = 100.0
TOLERANCE = 1e-9


def vega(strike: FloatArray, years: FloatArray, vol: FloatArray) -> FloatArray:
    total = vol * np.sqrt(years)
    d1 = np.log(FORWARD / strike) / total + total / 2
    return np.asarray(FORWARD * np.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) * np.sqrt(years))


def vollib_or_nan(value: float, strike: float, years: float, flag: str) -> float:
    try:
        return float(vollib_implied(value, FORWARD, strike, 0.0, years, flag))
    except (PriceIsAboveMaximum, PriceIsBelowIntrinsic):
        return math.nan


class HardGrid:
    """Prices by vollib, from ten standard deviations out to deep in the money."""

    def __init__(self) -> None:
        points = itertools.product(MONEYNESS, DAYS, VOLS, (True, False))
        ratio, days, vol, calls = (np.array(column) for column in zip(*points, strict=True))
        self.strike, self.years, self.vol, self.is_call = ratio * FORWARD, days / 365, vol, calls
        flags = np.where(calls, "c", "p")
        rows = list(zip(self.strike, self.vol, self.years, flags, strict=True))
        self.value = np.array([max(undiscounted_black(FORWARD, *row), 0.0) for row in rows])
        self.vollib = np.array(
            [
                vollib_or_nan(value, strike, years, flag)
                for value, (strike, _, years, flag) in zip(self.value, rows, strict=True)
            ]
        )
        slope = np.maximum(vega(self.strike, self.years, self.vol), 1e-300)
        # What one unit in the last place of the price is worth in volatility.
        self.grain = np.spacing(self.value) / slope


@pytest.fixture(scope="module")
def grid() -> HardGrid:
    return HardGrid()


def test_hard_grid_agrees_with_vollib_wherever_the_price_carries_it(grid: HardGrid) -> None:
    ours = implied_volatility(grid.value, FORWARD, grid.strike, grid.years, 1.0, grid.is_call)
    normal = grid.value > np.finfo(np.float64).tiny  # below it a price has fewer digits than a double
    carried = normal & (grid.grain < TOLERANCE / 10)
    assert carried.sum() > 1900
    assert (ours.reason[carried] == Reason.OK).all()
    np.testing.assert_allclose(ours.vol[carried], grid.vollib[carried], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(ours.vol[carried], grid.vol[carried], rtol=0, atol=TOLERANCE)


def test_hard_grid_is_never_silently_wrong(grid: HardGrid) -> None:
    ours = implied_volatility(grid.value, FORWARD, grid.strike, grid.years, 1.0, grid.is_call)
    given_ = np.isfinite(ours.vol)
    error = np.abs(ours.vol - grid.vol)[given_]
    np.testing.assert_array_less(error, TOLERANCE + 8 * grid.grain[given_])
    lost = set(ours.reason[~given_].tolist())
    assert lost <= {Reason.NON_POSITIVE_VALUE, Reason.BELOW_INTRINSIC, Reason.NO_TIME_VALUE}


quotes = st.tuples(
    st.floats(1, 5000),
    st.floats(0.5, 2.0),
    st.floats(1 / 365, 2.0),
    st.floats(0.05, 2.0),
    st.floats(0.7, 1.01),
    st.booleans(),
)


@given(quotes)
def test_price_to_volatility_and_back(quote: tuple[float, float, float, float, float, bool]) -> None:
    forward, ratio, years, vol, discount, is_call = quote
    strike = forward * ratio
    value = price(forward, strike, years, vol, discount, is_call)
    total = vol * math.sqrt(years)
    d1 = -math.log(ratio) / total + total / 2
    slope = discount * forward * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) * math.sqrt(years)
    # Above the discounting and the subtraction of the intrinsic value a few roundings are due.
    grain = 16 * float(np.spacing(max(float(value), discount * abs(forward - strike)))) / max(slope, 1e-300)
    ours = implied_volatility(value, forward, strike, years, discount, is_call)
    if grain < 1e-9:
        assert ours.reason == Reason.OK
        assert float(ours.vol) == pytest.approx(vol, abs=1e-9)
    elif np.isfinite(ours.vol):
        back = price(forward, strike, years, ours.vol, discount, is_call)
        assert float(back) == pytest.approx(float(value), rel=1e-12)


@given(quotes)
def test_call_and_put_of_a_strike_have_one_volatility(
    quote: tuple[float, float, float, float, float, bool],
) -> None:
    forward, ratio, years, _, discount, _ = quote
    worth = 0.05 * forward * min(ratio, 1.0)
    strike = forward * ratio
    values = discount * (worth + np.maximum([forward - strike, strike - forward], 0.0))
    ours = implied_volatility(values, forward, strike, years, discount, [True, False])
    assert ours.vol[0] == pytest.approx(ours.vol[1], rel=1e-11)


NAN, INF = math.nan, math.inf
RIGHT = {"value": 5.0, "forward": 100.0, "strike": 100.0, "years": 0.5, "discount": 0.98}


@pytest.mark.parametrize(
    ("wrong", "is_call", "reason"),
    [
        *(({name: bad}, True, Reason.NOT_FINITE) for name in RIGHT for bad in (NAN, INF, -INF)),
        ({"discount": 0.0}, True, Reason.NOT_FINITE),
        ({"discount": -0.9}, True, Reason.NOT_FINITE),
        ({"strike": 0.0}, True, Reason.BAD_STRIKE),
        ({"strike": -10.0}, False, Reason.BAD_STRIKE),
        ({"forward": 0.0}, True, Reason.BAD_STRIKE),
        ({"forward": -10.0, "strike": -10.0}, True, Reason.BAD_STRIKE),
        ({"years": 0.0}, True, Reason.EXPIRED),
        ({"years": -0.01}, False, Reason.EXPIRED),
        ({"value": 0.0}, True, Reason.NON_POSITIVE_VALUE),
        ({"value": -1.0}, False, Reason.NON_POSITIVE_VALUE),
        ({"value": 0.0, "strike": 150.0}, False, Reason.NON_POSITIVE_VALUE),
        ({"value": 9.7, "strike": 90.0}, True, Reason.BELOW_INTRINSIC),
        ({"value": 20.0, "strike": 80.0, "discount": 1.0}, True, Reason.BELOW_INTRINSIC),
        ({"value": 25.0, "strike": 130.0}, False, Reason.BELOW_INTRINSIC),
        ({"value": 98.0}, True, Reason.ABOVE_BOUND),
        ({"value": 500.0, "strike": 150.0}, True, Reason.ABOVE_BOUND),
        ({"value": 80.0, "strike": 80.0, "discount": 1.0}, False, Reason.ABOVE_BOUND),
        ({"value": 20 * (1 + 1e-15), "strike": 80.0, "discount": 1.0}, True, Reason.NO_TIME_VALUE),
        ({"value": 100 * (1 - 1e-15), "discount": 1.0}, True, Reason.NO_TIME_VALUE),
        ({"value": 1e-9}, True, Reason.NO_TIME_VALUE),
        ({"strike": NAN, "years": -1.0, "value": 0.0}, True, Reason.NOT_FINITE),
        ({"strike": -1.0, "years": -1.0, "value": 0.0}, True, Reason.BAD_STRIKE),
        ({"years": -1.0, "value": 0.0}, True, Reason.EXPIRED),
    ],
    ids=str,
)
def test_a_price_without_volatility_is_missing_with_its_reason(
    wrong: dict[str, float], is_call: bool, reason: Reason
) -> None:
    pair = [np.array([right, wrong.get(name, right)]) for name, right in RIGHT.items()]
    value, forward, strike, years, discount = pair
    ours = implied_volatility(value, forward, strike, years, discount, is_call)
    vollib = vollib_implied(5.0, 100.0, 100.0, -math.log(0.98) / 0.5, 0.5, "c" if is_call else "p")
    assert ours.vol[0] == pytest.approx(vollib, abs=1e-12)
    assert np.isnan(ours.vol[1])
    assert [Reason(code) for code in ours.reason] == [Reason.OK, reason]


anything = hnp.arrays(np.float64, 8, elements=st.floats(width=64))


@given(anything, anything, anything, anything, anything, hnp.arrays(np.bool_, 8))
def test_whatever_comes_in_a_number_and_a_reason_exclude_each_other(
    value: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    discount: FloatArray,
    is_call: np.typing.NDArray[np.bool_],
) -> None:
    ours = implied_volatility(value, forward, strike, years, discount, is_call)
    np.testing.assert_array_equal(np.isnan(ours.vol), ours.reason != Reason.OK)
    answered = ours.vol[ours.reason == Reason.OK]
    assert ((answered > 0) & (answered < INF)).all()


@given(anything, anything, anything)
def test_the_bare_kernel_answers_only_possible_time_values(
    worth: FloatArray, forward: FloatArray, strike: FloatArray
) -> None:
    total = implied_total_volatility(worth, forward, strike)
    possible = (worth > 0) & (worth < np.minimum(forward, strike))
    assert np.isnan(total[~possible]).all()
    assert ((total > 0) | np.isnan(total)).all()


def test_many_blocks_with_holes_keep_every_quote_in_its_place() -> None:
    count = 40_000
    rng = np.random.default_rng(11)
    strike, years = rng.uniform(70, 140, count), rng.uniform(0.05, 1.5, count)
    vol, calls = rng.uniform(0.2, 1.2, count), rng.random(count) < 0.5
    value = price(FORWARD, strike, years, vol, 0.97, calls)
    value[::7] = 0.0
    before = value.copy()
    ours = implied_volatility(value, FORWARD, strike, years, 0.97, calls)
    np.testing.assert_array_equal(value, before)
    hole = np.arange(count) % 7 == 0
    assert (ours.reason[hole] == Reason.NON_POSITIVE_VALUE).all()
    assert (ours.reason[~hole] == Reason.OK).all()
    np.testing.assert_allclose(ours.vol[~hole], vol[~hole], rtol=0, atol=TOLERANCE)


def test_shapes_broadcast_and_scalars_stay_scalar() -> None:
    vols = np.array([0.2, 0.4, 0.6, 0.8])
    strikes = np.array([[90.0], [100.0], [120.0]])
    value = price(100.0, strikes, 0.3, vols, 0.99, True)
    ours = implied_volatility(value, 100.0, strikes, 0.3, 0.99, True)
    np.testing.assert_allclose(ours.vol, np.tile(vols, (3, 1)), rtol=0, atol=1e-12)
    assert ours.reason.shape == (3, 4)
    assert ours.reason.dtype == np.uint8
    single = implied_volatility(value[1, 2], 100.0, 100.0, 0.3, 0.99, True)
    assert single.vol.shape == ()
    assert float(single.vol) == pytest.approx(0.6, abs=1e-12)
    assert implied_volatility([], 100.0, 100.0, 0.3, 0.99, True).vol.shape == (0,)


def test_the_bare_kernel_returns_total_volatility() -> None:
    strikes, years = np.array([80.0, 100.0, 125.0]), np.array([0.1, 0.5, 2.0])
    worth = [
        undiscounted_black(100.0, strike, 0.35, time, "p" if strike < 100 else "c")
        for strike, time in zip(strikes, years, strict=True)
    ]
    total = implied_total_volatility(worth, 100.0, strikes)
    np.testing.assert_allclose(total, 0.35 * np.sqrt(years), rtol=1e-12)


@pytest.mark.parametrize(
    ("bid", "ask", "mid", "reason"),
    [
        (1.0, 1.2, 1.1, Reason.OK),
        (1.0, 1.0, 1.0, Reason.OK),
        (0.0, 0.1, NAN, Reason.UNUSABLE_QUOTE),
        (-0.1, 0.1, NAN, Reason.UNUSABLE_QUOTE),
        (1.2, 1.0, NAN, Reason.UNUSABLE_QUOTE),
        (NAN, 1.0, NAN, Reason.NOT_FINITE),
        (1.0, NAN, NAN, Reason.NOT_FINITE),
        (1.0, INF, NAN, Reason.NOT_FINITE),
    ],
)
def test_mid_of_a_usable_quote_only(bid: float, ask: float, mid: float, reason: Reason) -> None:
    ours, code = mid_price(bid, [ask, ask])
    np.testing.assert_array_equal(ours, [mid, mid])
    assert code.tolist() == [reason, reason]
