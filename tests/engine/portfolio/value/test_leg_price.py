"""The value of one leg against QuantLib, at the edges of time and volatility, and over whole scenarios."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import FloatArray
from engine.portfolio.value.leg_price import leg_values

DEEP, STEPS = 0.6, 25
RATE = 0.04
GRID = list(
    itertools.product(
        (70.0, 90.0, 100.0, 110.0, 140.0), (7, 45, 180), (0.0, 0.02, 0.07), (0.15, 0.4), (True, False)
    )
)


def values(*columns: object, american: bool, deep_delta: float = DEEP) -> FloatArray:
    return leg_values(*columns, american, deep_delta=deep_delta, steps=STEPS)  # type: ignore[arg-type]


def quantlib(
    strike: float, days: int, carry: float, vol: float, is_call: bool, american: bool
) -> list[float]:
    """Price and delta on a spot of 100: analytic for European, finite differences for American exercise."""
    today = ql.Date(2, 1, 2026)
    ql.Settings.instance().evaluationDate = today
    count, expiry = ql.Actual365Fixed(), today + days
    curves = [ql.YieldTermStructureHandle(ql.FlatForward(today, each, count)) for each in (carry, RATE)]
    smile = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(100.0)), *curves, smile)
    exercise = ql.AmericanExercise(today, expiry) if american else ql.EuropeanExercise(expiry)
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike), exercise
    )
    engine = (
        ql.FdBlackScholesVanillaEngine(process, 400, 400) if american else ql.AnalyticEuropeanEngine(process)
    )
    option.setPricingEngine(engine)
    return [option.NPV(), option.delta()]


def ours(american: bool, deep_delta: float = DEEP) -> FloatArray:
    strike, days, carry, vol, is_call = (np.array(column) for column in zip(*GRID, strict=True))
    return values(
        100.0, strike, days / 365, RATE, carry, vol, is_call, american=american, deep_delta=deep_delta
    )


def test_a_european_leg_is_priced_as_quantlib_does_it() -> None:
    expected = [quantlib(*each, american=False)[0] for each in GRID]
    np.testing.assert_allclose(ours(american=False), expected, rtol=1e-11, atol=1e-11)


def test_an_american_leg_is_priced_as_quantlib_does_it_where_the_tree_is_used() -> None:
    expected = [quantlib(*each, american=True)[0] for each in GRID]
    # Every leg through the tree: what 25 steps leave is under 3 cents on a spot of 100.
    np.testing.assert_allclose(ours(american=True, deep_delta=0.0), expected, atol=0.03)


def test_the_premium_is_added_beyond_the_deep_delta_and_nowhere_else() -> None:
    american, european = ours(american=True), ours(american=False)
    delta = np.array([abs(quantlib(*each, american=False)[1]) for each in GRID])
    everywhere = ours(american=True, deep_delta=0.0)
    strike, is_call = np.array([each[0] for each in GRID]), np.array([each[4] for each in GRID])
    intrinsic = np.where(is_call, 100.0 - strike, strike - 100.0)
    beyond = delta > DEEP
    assert 20 < beyond.sum() < len(GRID) - 20
    np.testing.assert_array_equal(american[beyond], everywhere[beyond])
    np.testing.assert_array_equal(american[~beyond], np.maximum(european, intrinsic)[~beyond])


def test_a_deep_american_put_is_worth_its_intrinsic_value() -> None:
    # 100 points in the money for half a year: exercised now, 100; held as a European, 2 % of 200 less.
    held = values(100.0, 200.0, 0.5, RATE, 0.0, 0.2, False, american=False)
    assert held == pytest.approx(200.0 * np.exp(-0.02) - 100.0)
    assert values(100.0, 200.0, 0.5, RATE, 0.0, 0.2, False, american=True) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("spot", "is_call", "worth"),
    [(103.0, True, 3.0), (97.0, True, 0.0), (97.0, False, 3.0), (103.0, False, 0.0)],
)
def test_at_and_after_settlement_only_the_intrinsic_value_is_left(
    spot: float, is_call: bool, worth: float
) -> None:
    for years, american in itertools.product((0.0, -0.01), (True, False)):
        assert values(spot, 100.0, years, RATE, 0.0, 0.3, is_call, american=american) == worth
        nothing_known = values(spot, 100.0, years, np.nan, np.nan, np.nan, is_call, american=american)
        assert nothing_known == worth


@pytest.mark.parametrize("place", range(6))
def test_a_missing_input_leaves_no_price(place: int) -> None:
    columns = [100.0, 100.0, 0.1, RATE, 0.0, 0.3]
    columns[place] = np.nan
    for american, is_call in itertools.product((True, False), repeat=2):
        assert np.isnan(values(*columns, is_call, american=american))


@pytest.mark.parametrize(
    ("spot", "strike", "vol"), [(0.0, 100.0, 0.3), (100.0, -1.0, 0.3), (100.0, 100.0, -0.3)]
)
def test_an_impossible_input_leaves_no_price(spot: float, strike: float, vol: float) -> None:
    assert np.isnan(values(spot, strike, 0.1, RATE, 0.0, vol, True, american=True))


def test_without_volatility_an_american_option_is_exercised_or_held() -> None:
    # A put 20 in the money: now 20, later 120 e^(-0.04) - 100. A call: now 20, later 100 - 80 e^(-0.04).
    put = values(100.0, 120.0, 1.0, RATE, 0.0, 0.0, False, american=True)
    call = values(100.0, 80.0, 1.0, RATE, 0.0, 0.0, True, american=True)
    assert put == pytest.approx(20.0)
    assert call == pytest.approx(100.0 - 80.0 * np.exp(-0.04))


def test_scenarios_and_legs_broadcast_and_each_is_priced_on_its_own() -> None:
    random = np.random.default_rng(1)
    legs, scenarios = 300, 120  # more than fits one block
    strike, years = random.uniform(60, 140, legs), random.uniform(-0.02, 1.0, legs)
    carry, is_call = random.uniform(-0.02, 0.08, legs), random.random(legs) < 0.5
    american = random.random(legs) < 0.5
    spot, vol = random.uniform(70, 130, (scenarios, 1)), random.uniform(0.1, 0.6, (scenarios, legs))
    together = leg_values(
        spot, strike, years, RATE, carry, vol, is_call, american, deep_delta=DEEP, steps=STEPS
    )
    assert together.shape == (scenarios, legs)
    for row, leg in [(0, 0), (7, 299), (54, 11), (55, 150), (119, 299)]:
        alone = leg_values(
            spot[row, 0],
            strike[leg],
            years[leg],
            RATE,
            carry[leg],
            vol[row, leg],
            is_call[leg],
            american[leg],
            deep_delta=DEEP,
            steps=STEPS,
        )
        assert alone == pytest.approx(together[row, leg], rel=1e-12)


def test_a_flag_a_leg_is_enough_to_ask_for_several() -> None:
    both = leg_values(100.0, 200.0, 0.5, RATE, 0.0, 0.2, False, [True, False], deep_delta=DEEP, steps=STEPS)
    assert both == pytest.approx([100.0, 200.0 * np.exp(-0.02) - 100.0])


@given(
    spot=st.floats(20, 300),
    strike=st.floats(20, 300),
    days=st.integers(0, 900),
    carry=st.floats(-0.05, 0.12),
    vol=st.floats(0.01, 2.0),
    is_call=st.booleans(),
)
def test_american_exercise_is_worth_something_or_nothing(
    spot: float, strike: float, days: int, carry: float, vol: float, is_call: bool
) -> None:
    columns = (spot, strike, days / 365, RATE, carry, vol, is_call)
    american, european = values(*columns, american=True), values(*columns, american=False)
    intrinsic = max(spot - strike if is_call else strike - spot, 0.0)
    assert american >= european
    assert american >= intrinsic
    assert american <= (spot * np.exp(max(-carry, 0) * days / 365) if is_call else strike) * (
        1 + 1e-9
    ) or np.isclose(american, european)
