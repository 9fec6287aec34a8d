"""Pairs with premiums and correlations worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import FloatArray
from engine.market.columns import panel_of
from engine.panel import Panel, Prices
from engine.relative.pairs import PairRow, measure_pairs
from engine.rules import Pair, load_pairs, load_rules
from engine.screen.measure import measure
from tests.engine.market.simulation import CONFIG, demo_snapshot
from tests.engine.markets import Name, panel

PAIR = Pair(id="A_B", leg_a="AAA", leg_b="BBB", correlation_threshold=0.75)
# Two moves of equal size that share nothing: over whole fours their product adds up to 0.
UP_DOWN = 0.01 * np.tile([1.0, -1.0, 1.0, -1.0], 75)
TWO_AND_TWO = 0.01 * np.tile([1.0, 1.0, -1.0, -1.0], 75)
ALIKE = 0.8 * UP_DOWN + 0.6 * TWO_AND_TWO
"""Correlates with UP_DOWN at exactly 0.8."""


def a_panel(one: FloatArray, other: FloatArray, lags: tuple[float, float] = (0.0, 0.0)) -> Panel:
    """AAA and BBB with these log returns, each ending with its own latest close."""
    close = np.full((2, max(len(one), len(other)) + 1), np.nan)
    for row, returns in enumerate((one, other)):
        close[row, close.shape[1] - len(returns) - 1 :] = 100 * np.exp(np.append(0.0, np.cumsum(returns)))
    prices = Prices(open=close, high=close, low=close, close=close, lag=np.array(lags))
    return replace(panel(Name("AAA"), Name("BBB")), prices=prices)


def a_table(a: float, b: float, reason: str | None = None) -> pd.DataFrame:
    """What was measured of the two; `reason` is why BBB was not."""
    return pd.DataFrame(
        {
            "symbol": ["AAA", "BBB"],
            "structural_252": [a, b],
            "missing_reason": np.array([None, reason], dtype=object),
        }
    )


def the_pair(market: Panel, table: pd.DataFrame | None, pair: Pair = PAIR) -> PairRow:
    (row,) = measure_pairs(market, table, [pair], 0.5)
    return row


@pytest.fixture(scope="module")
def alike() -> Panel:
    return a_panel(UP_DOWN, ALIKE)


@pytest.mark.parametrize(
    ("a", "b", "spread", "signal", "rich"),
    [
        (1.50, 0.90, 0.60, "CONVERGENCE", "AAA"),
        (0.90, 1.50, -0.60, "CONVERGENCE", "BBB"),
        (1.50, 1.00, 0.50, "none", "AAA"),
        (1.10, 1.25, -0.15, "none", "BBB"),
        (1.25, 1.25, 0.0, "none", None),
    ],
)
def test_premiums_far_apart_converge_when_the_legs_move_together(
    alike: Panel, a: float, b: float, spread: float, signal: str, rich: str | None
) -> None:
    row = the_pair(alike, a_table(a, b))
    assert (row.pair, row.leg_a, row.leg_b, row.threshold) == ("A_B", "AAA", "BBB", 0.75)
    assert (row.structural_a, row.structural_b) == (a, b)
    assert row.spread == pytest.approx(spread, abs=1e-12)
    assert (row.signal, row.rich_leg) == (signal, rich)
    assert row.correlation == pytest.approx(0.8, abs=1e-9)
    assert row.correlation_60 == pytest.approx(0.8, abs=1e-9)


def test_below_its_threshold_a_correlation_is_broken_and_at_it_holds(alike: Panel) -> None:
    table = a_table(1.50, 0.90)
    broken = the_pair(alike, table, PAIR.model_copy(update={"correlation_threshold": 0.81}))
    assert broken.signal == "CORRELATION BROKEN"
    assert broken.rich_leg == "AAA"
    at = PAIR.model_copy(update={"correlation_threshold": the_pair(alike, table).correlation})
    assert the_pair(alike, table, at).signal == "CONVERGENCE"


def test_each_window_looks_at_its_own_days() -> None:
    # Of the last 252 days 192 in step and 60 against it: (192 - 60) / 252.
    turned = np.append(UP_DOWN[:-60], -UP_DOWN[-60:])
    row = the_pair(a_panel(UP_DOWN, turned), a_table(1.0, 1.0))
    assert row.correlation == pytest.approx(132 / 252, abs=1e-9)
    assert row.correlation_60 == pytest.approx(-1.0, abs=1e-9)
    assert row.signal == "CORRELATION BROKEN"


@pytest.mark.parametrize(
    ("days", "year", "quarter"), [(200, True, True), (199, False, True), (47, False, False)]
)
def test_a_correlation_needs_200_of_252_days_or_48_of_60(days: int, year: bool, quarter: bool) -> None:
    row = the_pair(a_panel(UP_DOWN, UP_DOWN[-days:]), a_table(1.5, 0.9))
    assert (row.correlation is not None, row.correlation_60 is not None) == (year, quarter)
    assert row.signal == ("CONVERGENCE" if year else "no data")
    # What is known is told all the same.
    assert row.spread == pytest.approx(0.6)


def test_a_leg_whose_prices_lag_is_compared_day_by_day() -> None:
    # One day apart UP_DOWN is its own opposite.
    late = a_panel(UP_DOWN, UP_DOWN[:-1], lags=(0.0, 1.0))
    row = the_pair(late, a_table(1.0, 1.0))
    assert row.correlation == pytest.approx(1.0, abs=1e-9)
    assert row.correlation_60 == pytest.approx(1.0, abs=1e-9)
    long_gone = a_panel(UP_DOWN, UP_DOWN[:-53], lags=(0.0, 53.0))
    assert the_pair(long_gone, a_table(1.0, 1.0)).signal == "no data"


def test_days_one_leg_lacks_are_left_out() -> None:
    market = a_panel(UP_DOWN, ALIKE)
    close = market.prices.close.copy()
    close[1, 100:104] = np.nan
    holed = replace(market, prices=replace(market.prices, close=close))
    row = the_pair(holed, a_table(1.0, 1.0))
    assert row.correlation is not None
    assert row.correlation == pytest.approx(0.8, abs=0.01)
    assert row.correlation != pytest.approx(0.8, abs=1e-9)


@pytest.mark.parametrize(
    "table", [a_table(1.5, np.nan), a_table(1.5, 0.9, "stale quotes"), a_table(np.nan, np.nan)]
)
def test_a_leg_without_a_premium_leaves_the_correlation(alike: Panel, table: pd.DataFrame) -> None:
    row = the_pair(alike, table)
    assert (row.structural_b, row.spread, row.rich_leg, row.signal) == (None, None, None, "no data")
    assert row.correlation == pytest.approx(0.8, abs=1e-9)
    broken = the_pair(alike, table, PAIR.model_copy(update={"correlation_threshold": 0.9}))
    assert broken.signal == "CORRELATION BROKEN"


def test_a_leg_that_stands_still_has_no_correlation() -> None:
    row = the_pair(a_panel(UP_DOWN, np.zeros(300)), a_table(1.5, 0.9))
    assert (row.correlation, row.correlation_60, row.signal) == (None, None, "no data")


def test_without_a_measurement_or_a_leg_there_is_no_data(alike: Panel) -> None:
    stranger = PAIR.model_copy(update={"leg_b": "ZZZ"})
    for row in (the_pair(alike, None), the_pair(alike, a_table(1.5, 0.9), stranger)):
        assert (row.spread, row.correlation, row.correlation_60) == (None, None, None)
        assert (row.signal, row.rich_leg) == ("no data", None)


ALIKE_PANEL = a_panel(UP_DOWN, ALIKE)
RATIO = st.floats(0.05, 5.0) | st.just(float("nan"))


@given(a=RATIO, b=RATIO, threshold=st.floats(-1.0, 1.0))
def test_turned_round_a_pair_says_the_same_with_the_other_sign(a: float, b: float, threshold: float) -> None:
    pair = PAIR.model_copy(update={"correlation_threshold": threshold})
    turned = pair.model_copy(update={"leg_a": pair.leg_b, "leg_b": pair.leg_a})
    row, other = (the_pair(ALIKE_PANEL, a_table(a, b), each) for each in (pair, turned))
    assert (other.structural_a, other.structural_b) == (row.structural_b, row.structural_a)
    assert other.spread == (None if row.spread is None else -row.spread)
    assert (other.correlation, other.correlation_60) == (row.correlation, row.correlation_60)
    assert (other.signal, other.rich_leg) == (row.signal, row.rich_leg)


def test_the_shipped_pairs_on_a_whole_market() -> None:
    market = demo_snapshot()
    seen, pairs = panel_of(market, "SPY"), load_pairs(CONFIG)
    rows = measure_pairs(seen, measure(seen, load_rules(CONFIG)), pairs, 0.5)
    assert [row.pair for row in rows] == [pair.id for pair in pairs]
    closes = market.history.pivot_table(index="date", columns="symbol", values="close", observed=True)
    returns = closes.apply(np.log).diff()
    for row in rows:
        for found, window in ((row.correlation, 252), (row.correlation_60, 60)):
            legs = returns[[row.leg_a, row.leg_b]].tail(window)
            assert found == pytest.approx(legs.corr().iloc[0, 1], abs=1e-9)
        assert row.spread is not None
        assert type(row.spread) is type(row.correlation) is float
