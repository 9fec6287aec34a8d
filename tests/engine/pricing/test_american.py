"""The American tree against a plain tree, published values, QuantLib and what must hold for any option."""

import itertools
import math

import numpy as np
import pytest
import QuantLib  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import FloatArray
from engine.pricing import american_price, early_exercise_premium, price

Leg = tuple[float, float, float, float, float, float, bool]


def plain_tree(leg: Leg, steps: int) -> tuple[float, float]:
    """American and European price, written as the 1979 paper has it: one leg, one node at a time."""
    spot, strike, years, rate, carry, vol, is_call = leg
    dt = years / steps
    up = math.exp(vol * math.sqrt(dt))
    chance = (math.exp((rate - carry) * dt) - 1 / up) / (up - 1 / up)
    discount = math.exp(-rate * dt)

    def payoff(node: int) -> float:
        level = spot * up**node
        return max(level - strike, 0.0) if is_call else max(strike - level, 0.0)

    american = [payoff(2 * ups - steps) for ups in range(steps + 1)]
    european = american
    for step in range(steps - 1, -1, -1):
        waiting = [discount * (chance * b + (1 - chance) * a) for a, b in itertools.pairwise(american)]
        american = [max(value, payoff(2 * ups - step)) for ups, value in enumerate(waiting)]
        european = [discount * (chance * b + (1 - chance) * a) for a, b in itertools.pairwise(european)]
    return american[0], european[0]


def random_legs(count: int, seed: int) -> list[Leg]:
    """Legs of every kind: far in and out of the money, negative rates and yields, zero rates."""
    rng = np.random.default_rng(seed)
    spot = rng.uniform(20, 300, count)
    strike = spot * np.exp(rng.normal(0, 0.4, count))
    rate = np.where(rng.random(count) < 0.1, 0.0, rng.uniform(-0.03, 0.1, count))
    carry = np.where(rng.random(count) < 0.1, 0.0, rng.uniform(-0.05, 0.12, count))
    columns = (spot, strike, rng.uniform(1, 730, count) / 365, rate, carry, rng.uniform(0.15, 1.5, count))
    calls = rng.random(count) < 0.5
    return [(*map(float, row), bool(call)) for *row, call in zip(*columns, calls, strict=True)]  # type: ignore[misc]


def columns_of(legs: list[Leg]) -> list[FloatArray]:
    return [np.array(column) for column in zip(*legs, strict=True)]


def quantlib_premium(leg: Leg) -> float:
    """American less European, both by finite differences on the same fine grid."""
    spot, strike, years, rate, carry, vol, is_call = leg
    today = QuantLib.Date(2, 1, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    count, expiry = QuantLib.Actual365Fixed(), today + round(years * 365)
    curves = [
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, rate_, count))
        for rate_ in (carry, rate)
    ]
    surface = QuantLib.BlackVolTermStructureHandle(
        QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), vol, count)
    )
    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot)), *curves, surface
    )
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if is_call else QuantLib.Option.Put, strike)
    prices = []
    for exercise in (QuantLib.AmericanExercise(today, expiry), QuantLib.EuropeanExercise(expiry)):
        option = QuantLib.VanillaOption(payoff, exercise)
        option.setPricingEngine(QuantLib.FdBlackScholesVanillaEngine(process, 400, 400))
        prices.append(option.NPV())
    return float(prices[0] - prices[1])


QUANTLIB_GRID: list[Leg] = [
    (100.0, strike, days / 365, rate, carry, vol, is_call)
    for strike, days, (rate, carry), vol, is_call in itertools.product(
        (70.0, 90.0, 100.0, 110.0, 140.0),
        (30, 365),
        ((0.04, 0.0), (0.04, 0.02), (0.05, 0.05), (0.02, 0.08)),
        (0.2, 0.7),
        (True, False),
    )
]


@pytest.fixture(scope="module")
def from_quantlib() -> FloatArray:
    return np.array([quantlib_premium(leg) for leg in QUANTLIB_GRID])


@pytest.mark.parametrize(("steps", "tolerance"), [(25, 2.5e-3), (400, 3e-4)])
def test_premium_agrees_with_quantlib_within_thousandths_of_a_standard_deviation(
    from_quantlib: FloatArray, steps: int, tolerance: float
) -> None:
    spot, _, years, _, _, vol, _ = columns = columns_of(QUANTLIB_GRID)
    premium = early_exercise_premium(*columns, steps=steps)
    scale = spot * vol * np.sqrt(years)
    np.testing.assert_array_less(np.abs(premium - from_quantlib), tolerance * scale)


def test_premium_is_exactly_zero_where_quantlib_finds_none(from_quantlib: FloatArray) -> None:
    legs = [leg for leg in QUANTLIB_GRID if leg[-1] and leg[4] == 0.0]
    found = [value for leg, value in zip(QUANTLIB_GRID, from_quantlib, strict=True) if leg in legs]
    assert max(map(abs, found)) < 1e-5
    assert (early_exercise_premium(*columns_of(legs)) == 0.0).all()


def test_price_of_many_steps_agrees_with_quantlibs_binomial_engine() -> None:
    today = QuantLib.Date(2, 1, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    count = QuantLib.Actual365Fixed()
    dividends, rates = (
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, rate, count)) for rate in (0.03, 0.05)
    )
    vol = QuantLib.BlackVolTermStructureHandle(
        QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), 0.35, count)
    )
    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(80.0)), dividends, rates, vol
    )
    option = QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(QuantLib.Option.Put, 85.0), QuantLib.AmericanExercise(today, today + 200)
    )
    option.setPricingEngine(QuantLib.BinomialVanillaEngine(process, "crr", 1000))
    ours = american_price(80.0, 85.0, 200 / 365, 0.05, 0.03, 0.35, False, steps=1000)
    assert float(ours) == pytest.approx(option.NPV(), rel=2e-5)


@pytest.mark.parametrize(
    ("steps", "published"), [(5, 4.49), (30, 4.263), (50, 4.272), (100, 4.278), (500, 4.283)]
)
def test_put_of_hulls_textbook(steps: int, published: float) -> None:
    """Hull, Options, Futures and Other Derivatives, basic numerical procedures: S = K = 50, 5 months."""
    ours = american_price(50.0, 50.0, 5 / 12, 0.10, 0.0, 0.40, False, steps=steps)
    assert float(ours) == pytest.approx(published, abs=0.005 if steps == 5 else 0.0005)


@pytest.mark.parametrize("steps", [3, 24, 25, 60])
def test_every_leg_agrees_with_the_plain_tree(steps: int) -> None:
    legs = [leg for leg in random_legs(400, seed=steps) if abs(leg[3] - leg[4]) < leg[5] / math.sqrt(leg[2])]
    plain = np.array([plain_tree(leg, steps) for leg in legs])
    spot = columns_of(legs)[0]
    american = american_price(*columns_of(legs), steps=steps)
    premium = early_exercise_premium(*columns_of(legs), steps=steps)
    np.testing.assert_allclose(american / spot, plain[:, 0] / spot, rtol=0, atol=5e-14)
    np.testing.assert_allclose(premium / spot, (plain[:, 0] - plain[:, 1]) / spot, rtol=0, atol=5e-14)
    assert 0.4 < (premium > 0).mean() < 0.9


def test_legs_of_several_blocks_keep_their_places() -> None:
    legs = random_legs(20, seed=9)
    pairs = [plain_tree(leg, 25) for leg in legs]
    plain: FloatArray = np.array([american - european for american, european in pairs])
    columns = [np.tile(column, 150) for column in columns_of(legs)]
    np.testing.assert_allclose(early_exercise_premium(*columns), np.tile(plain, 150), rtol=0, atol=1e-11)


def test_premium_added_to_the_black_price_is_closer_than_the_tree_alone() -> None:
    """QuantLib's finite-difference price of this put on a 2000 x 2000 grid is 4.28395."""
    leg = (50.0, 50.0, 5 / 12, 0.10, 0.0, 0.40, False)
    black = price(50.0 * math.exp(0.10 * 5 / 12), 50.0, 5 / 12, 0.40, math.exp(-0.10 * 5 / 12), False)
    assert float(black + early_exercise_premium(*leg)) == pytest.approx(4.28395, abs=0.01)
    assert abs(float(american_price(*leg)) - 4.28395) > 0.015


legs_strategy = st.tuples(
    st.floats(5, 500),
    st.floats(0.4, 2.5),
    st.floats(2 / 365, 2.0),
    st.floats(-0.02, 0.12),
    st.floats(-0.02, 0.12),
    st.floats(0.15, 1.5),
    st.booleans(),
).map(lambda leg: (leg[0], leg[0] * leg[1], *leg[2:]))


@given(legs_strategy)
def test_premium_is_never_negative_and_the_price_never_below_intrinsic(leg: Leg) -> None:
    spot, strike, *_, is_call = leg
    intrinsic = max(spot - strike, 0.0) if is_call else max(strike - spot, 0.0)
    assert float(early_exercise_premium(*leg)) >= 0.0
    assert float(american_price(*leg)) >= intrinsic - 1e-13 * strike


@given(legs_strategy, st.floats(1.01, 2.0))
def test_price_rises_with_volatility(leg: Leg, factor: float) -> None:
    spot, strike, years, rate, carry, vol, is_call = leg
    wilder = american_price(spot, strike, years, rate, carry, vol * factor, is_call)
    assert float(wilder) >= float(american_price(*leg)) - 1e-10


@given(legs_strategy)
def test_a_call_is_the_put_of_the_swapped_market(leg: Leg) -> None:
    spot, strike, years, rate, carry, vol, is_call = leg
    swapped = (strike, spot, years, carry, rate, vol, not is_call)
    assert plain_tree(leg, 12)[0] == pytest.approx(float(american_price(*swapped, steps=12)), abs=1e-10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spot": np.nan},
        {"spot": 0.0},
        {"spot": np.inf},
        {"strike": -5.0},
        {"strike": np.nan},
        {"years": 0.0},
        {"years": -0.1},
        {"years": np.inf},
        {"rate": np.nan},
        {"rate": np.inf},
        {"carry_yield": np.nan},
        {"vol": 0.0},
        {"vol": -0.2},
        {"vol": np.nan},
        {"vol": np.inf},
        {"vol": 0.001, "rate": 0.10, "years": 2.0},
        {"vol": 200.0, "years": 3.0},
    ],
    ids=str,
)
def test_a_leg_the_tree_cannot_price_is_missing_and_harms_no_neighbour(wrong: dict[str, float]) -> None:
    leg = {"spot": 100.0, "strike": 105.0, "years": 0.5, "rate": 0.05, "carry_yield": 0.0, "vol": 0.3}
    pair = [np.array([right, wrong.get(name, right)]) for name, right in leg.items()]
    spot, strike, years, rate, carry, vol = pair
    american, european = plain_tree((100.0, 105.0, 0.5, 0.05, 0.0, 0.3, False), 25)
    prices = american_price(spot, strike, years, rate, carry, vol, False)
    premium = early_exercise_premium(spot, strike, years, rate, carry, vol, False)
    assert prices[0] == pytest.approx(american, rel=1e-12)
    assert premium[0] == pytest.approx(american - european, rel=1e-9)
    assert np.isnan(prices[1])
    assert np.isnan(premium[1])


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_out_of_range_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=r"steps must lie in 1\.\.1000"):
        american_price(100.0, 100.0, 1.0, 0.05, 0.0, 0.3, False, steps=steps)


def test_shape_of_the_result_is_the_broadcast_shape() -> None:
    strikes = np.linspace(80, 120, 5)[:, None]
    vols = np.array([0.2, 0.4, 0.6])
    prices = american_price(100.0, strikes, 0.5, 0.05, 0.0, vols, False)
    assert prices.shape == (5, 3)
    plain = plain_tree((100.0, 90.0, 0.5, 0.05, 0.0, 0.4, False), 25)[0]
    assert prices[1, 1] == pytest.approx(plain, rel=1e-12)
    assert american_price(np.array([]), 100.0, 0.5, 0.05, 0.0, 0.3, False).shape == (0,)
