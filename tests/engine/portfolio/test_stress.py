"""Books under stress: QuantLib's revaluation, hand-computed sums, and what is said of every liberty taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.snapshot import Snapshot
from engine.panel import Panel
from engine.portfolio.book import Leg
from engine.portfolio.result import Stress
from engine.portfolio.stress import scenario_pl, stress_book, vix_level
from engine.portfolio.value.valuation import value_book
from engine.portfolio.valued import ValuedBook
from engine.rules import Rules
from engine.rulesections import Scenario
from engine.screen.measure import measure
from tests.engine.markets import Name
from tests.engine.portfolio.valuing import Change, american, european, market, option, rules, shares, valued

VIX = 30.0
"""The test market's volatility is 0.30 flat, its benchmark's IV30 so many points."""


def pl_of(book: ValuedBook, move: float, points: float) -> list[float]:
    return [float(each) for each in scenario_pl(book, move, points, VIX, rules())[0]]


def stressed(
    legs: Sequence[Leg], *names: Name, change: Change = lambda whole: whole, by: Rules | None = None
) -> Stress:
    panel = market(*(names or (Name(),)), change=change)
    table = measure(panel, by or rules())
    return stress_book(value_book(legs, panel, table, by or rules()), panel, table, by or rules())


def under(*scenarios: Scenario, **changes: float) -> Rules:
    """The rules with other scenarios and other limits of the stress."""
    own = rules().portfolio.model_copy(update={"scenarios": list(scenarios), **changes})
    return rules().model_copy(update={"portfolio": own})


def scenario(move: float, points: float, often: float | None = None) -> Scenario:
    return Scenario(label="a day", move_percent=move, vol_points=points, frequency_percent=often)


# --- golden ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "points"), [(-0.05, 15.0), (-0.03, 5.0), (0.03, -5.0), (0.05, -10.0), (0, 10)]
)
def test_a_short_index_put_and_a_hundred_shares_against_quantlib(move: float, points: float) -> None:
    # Two puts short at 95 with 37 days: each share of them goes from vol 0.30 to 0.30 (1 + points / 30).
    now = european(100.0, 95.0, 37, 0.0, 0.30, "P").price
    then = european(100.0 * (1 + move), 95.0, 37, 0.0, 0.30 * (1 + points / VIX), "P").price
    put, stock = pl_of(valued([option(37, 95, "P", -2), shares(100)]), move, points)
    assert put == pytest.approx(-200 * (then - now), abs=0.01)
    assert stock == pytest.approx(100 * 100.0 * move)


def test_a_short_strangle_is_revalued_where_a_sum_of_greeks_misses_a_third() -> None:
    # Volatility and index at 20 points, about 15 delta a side: the crash costs 217, its greeks say 139.
    quiet = Name(vol=lambda days, strike: 0.20)
    true, taylor = 0.0, 0.0
    for strike, right in ((90.0, "P"), (110.0, "C")):
        now = european(100.0, strike, 37, 0.0, 0.20, right)
        true -= 100 * (european(95.0, strike, 37, 0.0, 0.35, right).price - now.price)
        taylor -= 100 * (-5 * now.delta + 0.5 * 25 * now.gamma + 0.15 * now.vega)
    stress = stressed([option(37, 90, "P", -1), option(37, 110, "C", -1)], quiet)
    assert stress.lines[0].pl == pytest.approx(true, abs=0.05)
    assert taylor / true - 1 == pytest.approx(-0.36, abs=0.01)


@pytest.mark.parametrize("strike", [90.0, 100.0, 103.0, 110.0, 120.0])
@pytest.mark.parametrize(("move", "points"), [(-0.05, 15.0), (0.05, -10.0), (-0.03, 5.0)])
def test_american_puts_against_finite_differences(strike: float, move: float, points: float) -> None:
    name = Name(american=True, days=(37, 91), strikes=(90.0, 95.0, 100.0, 103.0, 105.0, 110.0, 120.0))
    then = american(100.0 * (1 + move), strike, 91, 0.0, 0.30 * (1 + points / VIX), "P").price
    expected = 100 * (then - american(100.0, strike, 91, 0.0, 0.30, "P").price)
    (ours,) = pl_of(valued([option(91, strike, "P")], name), move, points)
    # Left out below 60 delta at both ends, the premium is worth some cents of a share.
    assert ours == pytest.approx(expected, abs=7.0)


def test_a_premium_never_enters_at_one_end_only() -> None:
    # A year's put of 51 delta passes 60 when the spot falls by 6 %; early exercise is worth 1.01 there.
    year = Name(american=True, days=(37, 365), strikes=(95.0, 100.0, 105.0, 110.0, 115.0))
    book = valued([option(365, 110, "P")], year)
    moves = np.linspace(-0.10, 0.0, 201)
    pl = scenario_pl(book, moves, np.zeros(201), VIX, rules())[:, 0] / 100
    truth = american(93.6, 110.0, 365, 0.0, 0.30, "P").price, european(93.6, 110.0, 365, 0.0, 0.30, "P").price
    assert truth[0] - truth[1] > 1.0
    # A step of 0.05 % moves the put by 0.03 at most; the rest is what the premiums at the two ends differ.
    assert np.abs(np.diff(pl)).max() < 0.03 + 0.3


# --- what moves, and by how much -----------------------------------------------------------------


def test_every_name_moves_by_its_beta_and_the_benchmark_by_itself() -> None:
    names = Name(), Name("BBB")
    change: Change = lambda whole: betas(whole, [np.nan, 1.5])  # noqa: E731
    book = valued([shares(100), shares(100, symbol="BBB")], *names, change=change)
    assert pl_of(book, -0.04, 0.0) == pytest.approx([-400.0, -600.0])


def test_a_name_without_a_beta_moves_as_the_benchmark_does_and_is_named() -> None:
    young = Name("BBB", sessions=40)
    stress = stressed([shares(100, symbol="BBB"), option(37, 95, "P", 1, symbol="BBB")], Name(), young)
    assert stress.lines[0].pl is not None
    assert "No beta is known for BBB: taken as 1" in stress.notes
    book = valued([shares(100, symbol="BBB")], Name(), young)
    assert pl_of(book, -0.05, 0.0) == pytest.approx([-500.0])


def test_no_scenario_takes_a_price_to_nothing() -> None:
    change: Change = lambda whole: betas(whole, [np.nan, 4.0])  # noqa: E731
    legs = [shares(1, symbol="BBB"), shares(1)]
    stress = stressed(legs, Name(), Name("BBB"), change=change, by=under(scenario(-50, 0), scenario(-5, 0)))
    assert [line.pl for line in stress.lines] == [pytest.approx(-99.0 - 50.0), pytest.approx(-20.0 - 5.0)]
    assert "The price of BBB is held at 1 % of today's" in stress.notes


def test_a_volatility_keeps_the_least_share_of_itself() -> None:
    stress = stressed([option(37, 95, "P", 1)], by=under(scenario(0, -40), least_volatility_factor=0.25))
    true = european(100.0, 95.0, 37, 0.0, 0.075, "P").price - european(100.0, 95.0, 37, 0.0, 0.30, "P").price
    assert stress.lines[0].pl == pytest.approx(100 * true, abs=0.01)
    assert "Volatilities are held at 25 % of today's where a VIX of 30.0 falls further" in stress.notes


def test_on_its_last_day_an_option_moves_with_its_intrinsic_value() -> None:
    book = valued([option(0, 103, "P", -1)], Name(days=(0, 23, 37, 51)))
    assert pl_of(book, -0.05, 15.0) == pytest.approx([-500.0])


def test_a_volatility_index_at_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="vix must be above 0, not 0"):
        scenario_pl(valued([shares(1)]), -0.05, 15.0, 0.0, rules())


# --- properties --------------------------------------------------------------------------------

LEGS = (
    *(option(days, strike, right) for days in (37, 79) for strike in (85, 100, 115) for right in ("C", "P")),
    shares(1),
)


@pytest.fixture(scope="module")
def mixed() -> ValuedBook:
    return valued(
        LEGS, Name(american=True, carry_yield=0.03, strikes=(85.0, 90.0, 95.0, 100.0, 105.0, 115.0))
    )


def sized(book: ValuedBook, sizes: Sequence[float]) -> ValuedBook:
    return replace(book, size=np.array(sizes) * np.array([leg.multiplier for leg in book.legs]))


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(-20, 20), min_size=len(LEGS), max_size=len(LEGS)),
    move=st.floats(-0.3, 0.3),
    points=st.floats(-25, 40),
)
def test_a_book_is_the_sum_of_its_legs_and_grows_with_its_size(
    mixed: ValuedBook, sizes: list[int], move: float, points: float
) -> None:
    one = np.array(pl_of(sized(mixed, [1.0] * len(LEGS)), move, points))
    assert pl_of(sized(mixed, sizes), move, points) == pytest.approx(one * sizes, rel=1e-9, abs=1e-7)


@settings(max_examples=40)
@given(move=st.floats(-0.3, 0.3), low=st.floats(-25, 40), more=st.floats(0, 20))
def test_a_long_option_never_loses_by_more_volatility(
    mixed: ValuedBook, move: float, low: float, more: float
) -> None:
    pl = scenario_pl(mixed, [move, move], [low, low + more], VIX, rules())
    # The premium enters at 60 delta: what it is worth there, some cents of a share, may come or go.
    assert (pl[1] - pl[0] >= -15.0).all()
    european_book = replace(mixed, american=np.zeros(len(LEGS), dtype=bool))
    pl = scenario_pl(european_book, [move, move], [low, low + more], VIX, rules())
    assert (pl[1] - pl[0] >= -1e-9).all()


@given(sizes=st.lists(st.integers(-20, 20), min_size=len(LEGS), max_size=len(LEGS)))
def test_where_nothing_moves_nothing_is_earned(mixed: ValuedBook, sizes: list[int]) -> None:
    pl = scenario_pl(sized(mixed, sizes), [0.0, -0.05, 0.0], [0.0, 15.0, 0.0], VIX, rules())
    assert (pl[[0, 2]] == 0.0).all()
    assert not np.signbit(pl[[0, 2]]).any()


# --- the whole answer ----------------------------------------------------------------------------


def test_all_scenarios_in_order_with_their_worst_legs_and_frequency() -> None:
    legs = [option(37, strike, right, -1) for strike in (85, 90, 95) for right in ("P", "C")]
    stress = stressed([*legs, shares(-50)])
    assert [(line.label, line.move, line.vol_points) for line in stress.lines] == [
        ("crash", -0.05, 15.0),
        ("sell-off", -0.03, 5.0),
        ("unchanged", 0.0, 0.0),
        ("rally", 0.03, -5.0),
        ("melt-up", 0.05, -10.0),
        ("fear without a move", 0.0, 10.0),
        ("calm without a move", 0.0, -10.0),
    ]
    often = [round(100 * (line.frequency or 0), 2) for line in stress.lines]
    assert often == [0.25, 1.25, 46.4, 1.10, 0.24, 0.22, 0.08]
    assert all(line.frequency_source for line in stress.lines)
    for line in stress.lines:
        losses = [loss for _, loss in line.worst]
        assert losses == sorted(losses)
        assert len(losses) <= 5
        assert all(loss < 0 for loss in losses)
    assert stress.lines[0].worst[0][0] == "-1 AAA 2026-06-05 95P"
    assert stress.lines[4].worst[-1][0] == "-50 AAA"
    assert stress.lines[2].worst == ()
    assert stress.lines[2].pl == 0.0


def test_lots_of_one_contract_lose_together() -> None:
    lots = [replace(option(37, 95, "P", -1), open_price=price) for price in (1.0, 2.0)]
    (worst,) = stressed(lots).lines[0].worst
    (alone,) = stressed(lots[:1]).lines[0].worst
    assert worst == ("-2 AAA 2026-06-05 95P", pytest.approx(2 * alone[1]))
    assert alone[0] == "-1 AAA 2026-06-05 95P @ 1"


def test_less_than_half_a_cent_is_no_loss_and_a_book_without_value_has_no_past() -> None:
    assert stressed([shares(0.0009)]).lines[0].worst == ()
    stress = stressed([shares(-1.0)])
    assert stress.lines[3].worst == (("-1 AAA", pytest.approx(-3.0)),)
    assert stress.notes
    assert not [note for note in stressed([]).notes if note.startswith("Of the last")]


def test_legs_without_a_value_are_left_out_and_counted() -> None:
    legs = [shares(10), shares(10, symbol="ZZZ")]
    stress = stressed(legs)
    assert stress.lines[0].pl == pytest.approx(-50.0)
    assert "1 leg without a value is left out" in stress.notes
    assert np.isnan(scenario_pl(valued(legs), 0.0, 0.0, VIX, rules())[0, 1])
    assert "2 legs without a value are left out" in stressed([*legs, shares(1, symbol="YYY")]).notes


@pytest.mark.parametrize("legs", [[], [shares(10, symbol="ZZZ")]])
def test_a_book_without_a_value_has_no_profit_no_loss_and_no_picture(legs: list[Leg]) -> None:
    stress = stressed(legs)
    assert all(line.pl is None and line.worst == () for line in stress.lines)
    assert len(stress.lines) == 7
    assert stress.surface is None


def test_the_surface_holds_what_single_scenarios_give() -> None:
    legs = [option(37, 90, "P", -3), option(37, 110, "C", -3), shares(10, symbol="ZZZ")]
    stress = stressed(legs)
    surface = stress.surface
    assert surface is not None
    assert surface.pl.shape == (len(surface.vol_points), len(surface.moves)) == (31, 41)
    for row, column in [(0, 0), (30, 0), (30, 40), (10, 20), (25, 10)]:
        move, points = float(surface.moves[column]), float(surface.vol_points[row])
        single = sum(
            -300
            * (
                european(100 * (1 + move), strike, 37, 0.0, 0.30 * (1 + points / VIX), right).price
                - european(100, strike, 37, 0.0, 0.30, right).price
            )
            for strike, right in ((90.0, "P"), (110.0, "C"))
        )
        assert surface.pl[row, column] == pytest.approx(single, abs=0.05)


# --- how often ---------------------------------------------------------------------------------


def test_without_a_long_run_figure_the_benchmarks_own_days_are_counted() -> None:
    # 280 returns of 0 but for 14 falls of 4 %, each made good by the next rise.
    closes = np.full(281, 100.0)
    closes[10:290:20] = 96.0
    panel = replace(market(Name()), benchmark_close=closes)
    by = under(scenario(-3, 5), scenario(0, 0), scenario(4, -5), scenario(0, 10))
    table = measure(panel, by)
    stress = stress_book(value_book([shares(1)], panel, table, by), panel, table, by)
    assert [line.frequency for line in stress.lines] == [14 / 280, 252 / 280, 14 / 280, None]
    assert [line.frequency_source for line in stress.lines] == ["AAA, the last 280 days"] * 3 + [""]
    assert stress.notes[-1] == (
        "Of the last 280 days AAA fell 3 % or more on 14, moved less than 0.5 % on 252, "
        "rose 4 % or more on 14"
    )


@pytest.mark.parametrize("closes", [None, np.full(250, 100.0), np.full(300, np.nan)])
def test_less_than_a_year_of_the_benchmark_says_nothing(closes: np.ndarray | None) -> None:  # type: ignore[type-arg]
    panel = replace(market(Name()), benchmark_close=closes)
    by = under(scenario(-3, 5))
    table = measure(panel, by)
    stress = stress_book(value_book([shares(1)], panel, table, by), panel, table, by)
    assert (stress.lines[0].frequency, stress.lines[0].frequency_source) == (None, "")
    assert stress.notes == ()


def test_the_rules_frequencies_are_those_of_the_recorded_days(shared_data: Path) -> None:
    indices = pd.read_csv(shared_data / "vol_indices" / "cboe_vol_indices_to_2022.csv.gz")
    steps = indices.loc[indices["index"] == "VIX"].sort_values("date")["close"].diff().dropna()
    closes = pd.read_csv(shared_data / "lean_daily_raw_with_factors" / "SPY_daily_raw.csv.gz")["close"]
    moves = closes.pct_change().dropna()
    by_label = {each.label: each.frequency_percent for each in rules().portfolio.scenarios}
    assert by_label["fear without a move"] == pytest.approx(100 * (steps >= 10).mean(), abs=0.005)
    assert by_label["calm without a move"] == pytest.approx(100 * (steps <= -10).mean(), abs=0.005)
    # Closes as traded: ex-dividend days shift a quarter of a percent of the days over the line.
    assert by_label["unchanged"] == pytest.approx(100 * (moves.abs() < 0.005).mean(), abs=0.3)
    # The index over 33 years against its fund over 23 of them, the calm nineties left out.
    for label, share in (("crash", (moves <= -0.05).mean()), ("melt-up", (moves >= 0.05).mean())):
        assert 1.0 < 100 * share / (by_label[label] or 0.0) < 1.5


# --- the level the shocks are relative to ----------------------------------------------------------


def level(panel: Panel) -> tuple[float, str]:
    return vix_level(panel, measure(panel, rules()), rules())


@pytest.mark.parametrize("symbol", ["^VIX", "VIX"])
def test_the_index_of_the_market_comes_first(symbol: str) -> None:
    assert level(market(Name(), Name(symbol, spot=17.5, days=()))) == (17.5, symbol)


def test_without_the_index_it_is_the_benchmarks_iv30_and_without_that_assumed() -> None:
    found, source = level(market(Name()))
    assert found == pytest.approx(30.0, abs=0.01)
    assert source == "IV30 of AAA"
    assert level(market(Name(days=()), Name("BBB"))) == (20.0, "assumed")


def betas(whole: Snapshot, values: list[float]) -> Snapshot:
    return replace(whole, underlyings=whole.underlyings.assign(beta=values))
