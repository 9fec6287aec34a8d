"""Greeks of American options deep in the money, at known volatility and yield, against QuantLib."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.portfolio.value.leg_greeks import leg_greeks
from engine.portfolio.value.leg_vol import STEPS
from engine.portfolio.value.net_vol import Options, net_volatility
from tests.engine.markets import RATE
from tests.engine.portfolio.valuing import american, european

CASES = [
    case
    for case in product(
        (72.0, 83.0, 94.0, 106.0, 117.0, 128.0), (8, 45, 380), (0.0, 0.035), (0.12, 0.3, 0.7), "CP"
    )
    if abs(european(100.0, *case).delta) > 0.6
]


def options(cases: list[tuple[float, int, float, float, str]]) -> tuple[Options, np.ndarray]:
    strike, days, carry, vol, right = (np.array(column) for column in zip(*cases, strict=True))
    years = days / 365
    return Options(
        np.full(len(cases), 100.0),
        100.0 * np.exp((RATE - carry) * years),
        strike.astype(float),
        years,
        RATE,
        right == "C",
        np.ones(len(cases), dtype=bool),
    ), vol


def test_against_quantlib() -> None:
    """Within the kink at the boundary of exercise gamma and delta are those of a bump of two nodes."""
    legs, vol = options(CASES)
    found = leg_greeks(legs, vol, deep_delta=0.6, steps=STEPS)
    truths = [american(100.0, *case) for case in CASES]
    value = np.array([true.price for true in truths])
    off = {
        name: np.abs(getattr(found, name) - np.array([getattr(true, name) for true in truths]))
        for name in ("delta", "gamma", "theta", "vega")
    }
    assert len(CASES) > 60
    assert np.abs(legs.values(vol, STEPS) - value).max() < 0.01
    assert off["delta"].max() < 0.003
    assert off["gamma"].max() < 0.01
    assert np.percentile(off["gamma"], 95) < 0.0002
    assert off["theta"].max() < 0.001
    assert off["vega"].max() < 0.4


@pytest.mark.parametrize("strike", [80.0, 90.0, 100.0, 110.0, 120.0])
@pytest.mark.parametrize("right", ["C", "P"])
def test_the_volatility_of_an_american_price_is_found_again(strike: float, right: str) -> None:
    case = (strike, 180, 0.03, 0.35, right)
    legs, vol = options([case])
    value = np.array([american(100.0, *case).price])
    assert net_volatility(value, legs, steps=STEPS) == pytest.approx(vol, abs=5e-4)


def test_a_price_at_or_below_what_exercise_brings_has_no_volatility() -> None:
    legs, _ = options([(120.0, 30, 0.0, 0.3, "P"), (120.0, 30, 0.0, 0.3, "P"), (80.0, 30, 0.0, 0.3, "C")])
    assert np.isnan(net_volatility(np.array([20.0, 19.5, np.nan]), legs, steps=STEPS)).all()


@given(
    strike=st.floats(50, 200),
    days=st.integers(1, 900),
    carry=st.floats(-0.05, 0.12),
    vol=st.floats(0.03, 2.0),
    right=st.sampled_from("CP"),
)
def test_the_greeks_keep_the_bounds_of_any_american_option(
    strike: float, days: int, carry: float, vol: float, right: str
) -> None:
    legs, vols = options([(strike, days, carry, vol, right)])
    found = leg_greeks(legs, vols, deep_delta=0.6, steps=50)
    low, high = (0.0, 1.0) if right == "C" else (-1.0, 0.0)
    if abs(found.delta[0]) > 0.6:
        assert low <= found.delta[0] <= high
        assert found.gamma[0] >= 0
        assert found.theta[0] <= 0
        assert found.vega[0] >= 0
    assert np.isfinite([found.delta[0], found.gamma[0], found.theta[0], found.vega[0]]).all()
