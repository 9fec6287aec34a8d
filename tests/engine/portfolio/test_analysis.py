"""Whole books at a small market whose prices QuantLib and vollib made: what a trader would expect of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.columns import panel_of
from engine.panel import Panel
from engine.portfolio.analysis import analyse, fit_of, screen_beside
from engine.portfolio.book import Leg
from engine.portfolio.result import Analysis, PositionView
from engine.rules import Rules, load_rules
from engine.screen.measure import measure
from tests.engine.markets import SESSION, Name, snapshot

RULES = load_rules(Path(__file__).resolve().parents[3] / "config")
NEAR, FAR = SESSION + timedelta(days=23), SESSION + timedelta(days=51)


@cache
def market() -> tuple[Panel, pd.DataFrame, Rules]:
    """The benchmark and three names; BBB moves like AAA, CCC does not."""
    names = [
        Name("SPY", spot=500.0, strikes=[float(k) for k in range(400, 601, 25)], asset_class="index"),
        Name("AAA", days=(9, 23, 37, 51, 79)),
        Name("BBB", spot=50.0, strikes=[float(k) for k in range(30, 71, 5)]),
        Name(
            "CCC", spot=200.0, strikes=[float(k) for k in range(150, 251, 10)], american=True, days=(23, 51)
        ),
    ]
    made = snapshot(*names)
    history = made.history
    twin = history[history["symbol"] == "AAA"].assign(symbol="BBB")
    prices = ["open", "high", "low", "close"]
    twin[prices] = twin[prices] / 2
    made = replace(made, history=pd.concat([history[history["symbol"] != "BBB"], twin]))
    panel = panel_of(made, "SPY")
    return panel, measure(panel, RULES), RULES


def option(
    symbol: str, strike: float, right: str, quantity: float, day: date = FAR, paid: float | None = 1.0
) -> Leg:
    return Leg(symbol, "option", quantity, day, strike, "C" if right == "C" else "P", paid)


def shares(symbol: str, quantity: float, paid: float | None = None) -> Leg:
    return Leg(symbol, "shares", quantity, open_price=paid, multiplier=1.0)


def looked(*legs: Leg, worth: float | None = None) -> Analysis:
    return analyse(legs, *market(), worth)


def only(*legs: Leg, worth: float | None = None) -> PositionView:
    (position,) = looked(*legs, worth=worth).positions
    return position


def test_an_empty_book_has_no_sums() -> None:
    found = looked()
    assert found.positions == ()
    total = found.totals
    assert (total.legs, total.left_out) == (0, 0)
    assert total.pl is total.theta is total.alpha_theta is total.beta_delta is total.mean_correlation is None
    assert all(line.pl is None for line in found.stress.lines)


def test_alpha_theta_is_theta_at_the_premium_of_the_name() -> None:
    table = market()[1].set_index("symbol")
    position = only(option("AAA", 90, "P", -1), option("AAA", 110, "C", -1))
    ratio = table.loc["AAA", "vrp_structural"]
    assert position.strategy == "short strangle"
    assert position.quality == pytest.approx(ratio)
    assert position.alpha_theta == pytest.approx(position.theta * ratio)
    assert position.theta > 0


def test_the_lens_in_force_gives_the_denominator() -> None:
    panel, table, rules = market()
    found = analyse([option("AAA", 90, "P", -1)], panel, table, rules.using(lens="yearly"))
    assert found.positions[0].quality == pytest.approx(table.set_index("symbol").loc["AAA", "structural_252"])


def test_money_made_is_against_what_was_paid() -> None:
    short, long = only(option("AAA", 100, "C", -2, paid=9.0)), only(option("AAA", 100, "C", 2, paid=9.0))
    assert short.opened == -1800
    assert short.pl == pytest.approx(-long.pl)
    unknown = only(option("AAA", 100, "C", -2, paid=None))
    assert unknown.pl is None
    assert unknown.worth == pytest.approx(short.worth)


def test_names_that_move_together_are_told_from_those_that_do_not() -> None:
    twins = looked(option("AAA", 90, "P", -1), option("BBB", 45, "P", -1)).totals
    strangers = looked(option("AAA", 90, "P", -1), option("CCC", 180, "P", -1)).totals
    assert twins.mean_correlation == pytest.approx(1.0)
    assert twins.concentration == "CONCENTRATED"
    assert strangers.concentration == "diversified"
    assert looked(option("AAA", 90, "P", -1)).totals.mean_correlation is None


def test_size_is_held_against_net_liquidation() -> None:
    legs = [option("CCC", 180, "P", -10)]
    assert looked(*legs).totals.size_warning is None
    assert looked(*legs, worth=5_000_000.0).totals.size_warning is False
    small = looked(*legs, worth=10_000.0)
    assert small.totals.size_warning is True
    assert "SIZE" in [tag.name for tag in small.positions[0].triage]


@pytest.mark.parametrize(
    ("leg", "status", "valued"),
    [
        (option("AAA", 90, "P", -1, SESSION - timedelta(days=5)), "expired", False),
        (option("ZZZ", 90, "P", -1), "unknown underlying", False),
        (Leg("AAA", "adjusted option", -1, FAR, 90.0, "P", 1.0), "adjusted contract", False),
        (Leg("/ES", "future option", -1, FAR, 5000.0, "P", 1.0), "future option", False),
        (Leg("/ES", "future", 1, multiplier=50.0), "future", False),
        (option("AAA", 92.5, "P", -1), "valued", True),
        (option("AAA", 90, "P", -1, SESSION + timedelta(days=30)), "valued", True),
    ],
)
def test_what_is_unusual_is_said_and_never_a_zero(leg: Leg, status: str, valued: bool) -> None:
    (view,) = only(leg).legs
    assert view.status == status
    assert (view.mark is not None) is valued
    assert (view.delta is not None) is valued
    if valued:
        assert view.mark_method == "model"
        assert only(leg).flags


def test_shares_may_be_fractional_and_short() -> None:
    long, short = only(shares("AAA", 12.5, 80.0)), only(shares("AAA", -40, 110.0))
    assert (long.delta, long.theta, long.gamma) == (12.5, 0.0, 0.0)
    assert long.pl == pytest.approx(12.5 * 20)
    assert short.pl == pytest.approx(40 * 10)


def test_deep_in_the_money_an_american_put_is_worth_at_least_what_exercise_brings() -> None:
    position = only(option("CCC", 250, "P", -1))
    (view,) = position.legs
    assert view.mark >= 50.0
    assert position.delta == pytest.approx(100.0, abs=5)
    assert "EXPIRING" not in [tag.name for tag in position.triage]


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(6)))
def test_the_order_of_the_lines_changes_nothing(order: list[int]) -> None:
    legs = [
        option("AAA", 90, "P", -2),
        option("AAA", 110, "C", -2),
        option("BBB", 45, "P", -1, NEAR),
        option("BBB", 40, "P", 1, NEAR),
        shares("CCC", 100, 190.0),
        option("CCC", 220, "C", -1),
    ]
    straight, mixed = looked(*legs), looked(*(legs[place] for place in order))
    names = sorted((each.symbol, each.strategy, each.units) for each in straight.positions)
    assert sorted((each.symbol, each.strategy, each.units) for each in mixed.positions) == names
    for one, other in zip(straight.stress.lines, mixed.stress.lines, strict=True):
        assert one.pl == pytest.approx(other.pl)
    for sum_of in ("pl", "theta", "alpha_theta", "beta_delta", "vega"):
        assert getattr(straight.totals, sum_of) == pytest.approx(getattr(mixed.totals, sum_of))


def test_one_strangle_more_adds_what_it_is() -> None:
    panel, table, rules = market()
    book = [option("AAA", 90, "P", -1), option("AAA", 110, "C", -1)]
    fit = fit_of("CCC", book, panel, table, rules)
    assert fit.strangle is not None
    assert fit.after is not None
    assert fit.after.theta == pytest.approx(fit.before.theta + fit.strangle.theta)
    assert fit.after.mean_correlation is not None
    assert fit.before.mean_correlation is None
    assert fit.gates[-1].name == "correlation"
    twin = fit_of("BBB", book, panel, table, rules)
    assert twin.correlation == pytest.approx(1.0)
    assert twin.gates[-1].state == "fail"


def test_an_empty_book_has_nothing_to_correlate_with() -> None:
    fit = fit_of("CCC", [], *market())
    assert fit.correlation is None
    assert "correlation" not in [gate.name for gate in fit.gates]


def test_the_screen_beside_a_book_has_one_gate_more() -> None:
    panel, table, rules = market()
    screen = screen_beside([option("AAA", 90, "P", -1)], panel, table, rules, None)
    gates = {row.symbol: {gate.name: gate for gate in row.gates} for row in screen.rows}
    assert gates["BBB"]["correlation"].state == "fail"
    assert gates["CCC"]["correlation"].state == "pass"
    assert gates["BBB"]["correlation"].value == pytest.approx(1.0)
    unknown = screen_beside([option("ZZZ", 90, "P", -1)], panel, table, rules, None)
    row = unknown.find("CCC")
    assert row is not None
    assert [gate.state for gate in row.gates if gate.name == "correlation"] == ["unknown"]


def test_what_has_expired_is_no_part_of_what_is_left() -> None:
    gone = option("AAA", 90, "P", -1, SESSION - timedelta(days=3))
    found = looked(gone, option("AAA", 90, "P", 1))
    assert sorted(each.strategy for each in found.positions) == ["long put", "short put"]
    assert found.totals.theta is not None
    assert found.totals.theta < 0


def test_what_is_closed_asks_for_no_look() -> None:
    # In the money, on its last days, all of the credit won: rules that speak of what is open only.
    legs = [option("AAA", 110, "P", -1, NEAR, 9.0), option("AAA", 110, "P", 1, NEAR, 1.0)]
    closed = only(*legs, worth=10.0)
    assert (closed.strategy, closed.triage) == ("offset", ())
    assert closed.pl == pytest.approx(800.0)
    assert closed.flags == ("long and short lots of one contract close each other: nothing is left open",)


@pytest.mark.parametrize(("typed", "market_name"), [("BRK.B", "BRK-B"), ("BRK-B", "BRK.B"), ("SPX", "^SPX")])
def test_one_more_is_found_however_the_market_spells_the_name(typed: str, market_name: str) -> None:
    made = snapshot(Name("SPY"), Name(market_name, strikes=[float(k) for k in range(80, 121)]))
    panel = panel_of(made, "SPY")
    held = option("BRK.B" if "BRK" in typed else "^SPX", 90, "P", -1)
    fit = fit_of(typed, [held], panel, measure(panel, RULES), RULES)
    assert fit.reason == ""
    assert fit.strangle is not None
    # Spelt as the book spells it: what is added and what is held are one name.
    assert fit.strangle.symbol == held.symbol
    assert fit.gates
    assert fit.after is not None
    assert fit.after.left_out == 0
