"""Prices and greeks against textbooks, vollib and QuantLib, and the identities they must keep."""

import itertools
import math

import numpy as np
import pytest
import QuantLib  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from vollib.black import undiscounted_black  # type: ignore[import-untyped]
from vollib.black_scholes_merton.greeks import analytical  # type: ignore[import-untyped]

from engine.pricing import Greeks, greeks, price

SPOT, RATE, CARRY = 100.0, 0.045, 0.02
GRID = list(
    itertools.product((60.0, 90.0, 100.0, 115.0, 180.0), (7, 45, 365), (0.08, 0.3, 1.2), (True, False))
)
RIGHT = {"forward": 100.0, "strike": 105.0, "years": 0.5, "vol": 0.3, "discount": 0.98}
OUT_OF_RANGE = [
    (name, value)
    for name in ("forward", "strike", "years", "vol", "discount")
    for value in (np.nan, np.inf, -np.inf, -1.0)
] + [("forward", 0.0), ("strike", 0.0), ("discount", 0.0)]


def greeks_of(strike: float, days: float, vol: float, is_call: bool) -> Greeks:
    years = days / 365
    forward = SPOT * math.exp((RATE - CARRY) * years)
    return greeks(SPOT, forward, strike, years, vol, math.exp(-RATE * years), is_call)


@pytest.mark.parametrize(
    ("published", "forward", "strike", "years", "vol", "rate", "is_call"),
    [
        (4.76, 42 * math.exp(0.05), 40.0, 0.5, 0.20, 0.10, True),
        (0.81, 42 * math.exp(0.05), 40.0, 0.5, 0.20, 0.10, False),
        (1.12, 20.0, 20.0, 4 / 12, 0.25, 0.09, False),
    ],
)
def test_price_of_hulls_examples(
    published: float, forward: float, strike: float, years: float, vol: float, rate: float, is_call: bool
) -> None:
    ours = price(forward, strike, years, vol, math.exp(-rate * years), is_call)
    assert float(ours) == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize(("strike", "days", "vol", "is_call"), GRID)
def test_price_agrees_with_vollib_and_quantlib(strike: float, days: int, vol: float, is_call: bool) -> None:
    years = days / 365
    ours = float(price(SPOT, strike, years, vol, 0.97, is_call))
    vollib = 0.97 * undiscounted_black(SPOT, strike, vol, years, "c" if is_call else "p")
    right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    quantlib = QuantLib.blackFormula(right, strike, SPOT, vol * math.sqrt(years), 0.97)
    assert ours == pytest.approx(vollib, rel=1e-11, abs=1e-13)
    assert ours == pytest.approx(quantlib, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize(("strike", "days", "vol", "is_call"), GRID)
def test_greeks_agree_with_vollib_in_our_units(strike: float, days: int, vol: float, is_call: bool) -> None:
    ours = greeks_of(strike, days, vol, is_call)
    flag, market = "c" if is_call else "p", (SPOT, strike, days / 365, RATE, vol, CARRY)
    assert float(ours.delta) == pytest.approx(analytical.delta(flag, *market), rel=1e-10, abs=1e-13)
    assert float(ours.gamma) == pytest.approx(analytical.gamma(flag, *market), rel=1e-10, abs=1e-13)
    assert float(ours.theta) == pytest.approx(analytical.theta(flag, *market), rel=1e-10, abs=1e-12)
    per_point = analytical.vega(flag, *market)
    assert float(ours.vega) == pytest.approx(100 * per_point, rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("is_call", [True, False])
def test_greeks_agree_with_quantlib(is_call: bool) -> None:
    today = QuantLib.Date(2, 1, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    count = QuantLib.Actual365Fixed()
    carry, rate = (
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, level, count))
        for level in (CARRY, RATE)
    )
    vol = QuantLib.BlackConstantVol(today, QuantLib.NullCalendar(), 0.28, count)
    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(SPOT)),
        carry,
        rate,
        QuantLib.BlackVolTermStructureHandle(vol),
    )
    right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    option = QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(right, 104.0), QuantLib.EuropeanExercise(today + 60)
    )
    option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process))
    ours = greeks_of(104.0, 60, 0.28, is_call)
    assert float(ours.delta) == pytest.approx(option.delta(), rel=1e-10)
    assert float(ours.gamma) == pytest.approx(option.gamma(), rel=1e-10)
    assert float(ours.theta) == pytest.approx(option.theta() / 365, rel=1e-10)
    assert float(ours.vega) == pytest.approx(option.vega(), rel=1e-10)


markets = st.tuples(
    st.floats(1, 5000), st.floats(0.3, 3.0), st.floats(1e-3, 3.0), st.floats(0.03, 3.0), st.floats(0.5, 1.02)
).map(lambda m: (m[0], m[0] * m[1], *m[2:]))
Market = tuple[float, float, float, float, float]


@given(markets)
def test_call_less_put_is_the_discounted_forward(market: Market) -> None:
    forward, strike, *_, discount = market
    gap = float(price(*market, True) - price(*market, False))
    assert gap == pytest.approx(discount * (forward - strike), abs=1e-13 * max(forward, strike))


@given(markets, st.booleans())
def test_price_lies_between_its_bounds(market: Market, is_call: bool) -> None:
    forward, strike, *_, discount = market
    intrinsic = max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)
    bound = forward if is_call else strike
    slack = 1e-15 * max(forward, strike)
    assert discount * intrinsic - slack <= float(price(*market, is_call)) <= discount * bound + slack


@given(markets, st.booleans(), st.floats(1.001, 2.0))
def test_price_rises_with_volatility(market: Market, is_call: bool, factor: float) -> None:
    forward, strike, years, vol, discount = market
    wilder = float(price(forward, strike, years, vol * factor, discount, is_call))
    assert wilder >= float(price(*market, is_call)) - 1e-14 * max(forward, strike)


@pytest.mark.parametrize(("years", "vol"), [(0.0, 0.3), (0.5, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize(("strike", "call", "put"), [(90.0, 9.8, 0.0), (100.0, 0.0, 0.0), (110.0, 0.0, 9.8)])
def test_without_time_or_volatility_the_discounted_intrinsic_is_left(
    years: float, vol: float, strike: float, call: float, put: float
) -> None:
    assert float(price(100.0, strike, years, vol, 0.98, True)) == pytest.approx(call)
    assert float(price(100.0, strike, years, vol, 0.98, False)) == pytest.approx(put)


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_price_is_missing_where_an_input_is(name: str, value: float) -> None:
    assert np.isnan(price(**(RIGHT | {name: value}), is_call=True))


@pytest.mark.parametrize(("name", "value"), [*OUT_OF_RANGE, ("years", 0.0), ("vol", 0.0)])
def test_greeks_are_missing_where_an_input_is(name: str, value: float) -> None:
    ours = greeks(**({"spot": 99.0} | RIGHT | {name: value}), is_call=True)
    assert np.isnan([ours.delta, ours.gamma, ours.theta, ours.vega]).all()


@pytest.mark.parametrize("spot", [np.nan, 0.0, -1.0, np.inf])
def test_without_a_spot_only_vega_is_left(spot: float) -> None:
    ours = greeks(spot=spot, **RIGHT, is_call=True)
    assert np.isnan([ours.delta, ours.gamma, ours.theta]).all()
    per_point = analytical.vega("c", 100.0, 105.0, 0.5, -math.log(0.98) / 0.5, 0.3, -math.log(0.98) / 0.5)
    assert float(ours.vega) == pytest.approx(100 * per_point, rel=1e-10)


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=3), st.floats(0, 50), st.floats(0, 1e3), st.booleans()
)
def test_no_market_however_strange_raises_a_warning(
    levels: list[float], years: float, vol: float, is_call: bool
) -> None:
    spot, forward, strike = levels
    assert float(price(forward, strike, years, vol, 0.9, is_call)) >= 0.0
    greeks(spot, forward, strike, years, vol, 0.9, is_call)


def test_shapes_broadcast_and_one_missing_leg_harms_no_other() -> None:
    strikes = np.array([[90.0], [np.nan], [110.0]])
    vols = np.array([0.2, 0.4])
    prices = price(100.0, strikes, 0.25, vols, 0.99, True)
    assert prices.shape == (3, 2)
    assert np.isnan(prices).tolist() == [[False, False], [True, True], [False, False]]
    expected = 0.99 * undiscounted_black(100.0, 110.0, 0.4, 0.25, "c")
    assert prices[2, 1] == pytest.approx(expected, rel=1e-12)
    ours = greeks(100.0, 100.0, strikes, 0.25, vols, 0.99, True)
    assert {array.shape for array in (ours.delta, ours.gamma, ours.theta, ours.vega)} == {(3, 2)}
