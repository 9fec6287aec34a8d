"""Strategies by name: the table a trader would write down, whatever the order of the legs."""

from dataclasses import replace
from itertools import islice, permutations

import pytest

from engine.portfolio.book import Leg
from engine.portfolio.strategies import Position, group
from tests.engine.portfolio.books import MONTHS, a_book, a_leg, names

ONE_STRATEGY = [
    ("+1 60C", "long call"),
    ("-1 60C", "short call"),
    ("+1 60P", "long put"),
    ("-1 60P", "short put"),
    ("100 shares", "100 long shares"),
    ("-100 shares", "100 short shares"),
    ("-1 55P, -1 65C", "short strangle"),
    ("+1 55P, +1 65C", "long strangle"),
    ("-1 60P, -1 60C", "short straddle"),
    ("+1 60P, +1 60C", "long straddle"),
    ("-1 65P, -1 55C", "short inverted strangle"),
    ("-1 60P, +1 55P", "bull put spread"),
    ("+1 60P, -1 55P", "bear put spread"),
    ("-1 60C, +1 65C", "bear call spread"),
    ("+1 60C, -1 65C", "bull call spread"),
    ("+1 50P, -1 55P, -1 65C, +1 70C", "iron condor"),
    ("-1 50P, +1 55P, +1 65C, -1 70C", "long iron condor"),
    ("+1 50P, -1 60P, -1 60C, +1 70C", "iron fly"),
    ("-1 50P, +1 60P, +1 60C, -1 70C", "long iron fly"),
    ("+1 55C, -2 60C, +1 65C", "long butterfly"),
    ("-1 55P, +2 60P, -1 65P", "short butterfly"),
    ("+1 50P, -2 60P, +1 65P", "broken-wing butterfly"),
    ("-1 55C, +2 60C, -1 70C", "short broken-wing butterfly"),
    ("-1 60C, +1 jan 60C", "calendar"),
    ("+1 60P, -1 jan 60P", "short calendar"),
    ("-1 65C, +1 jan 60C", "diagonal"),
    ("+1 55P, -1 jan 60P", "short diagonal"),
    ("-1 55P, -1 65C, +1 jan 55P, +1 jan 65C", "double calendar"),
    ("-1 55P, -1 65C, +1 jan 50P, +1 jan 65C", "double diagonal"),
    ("100 shares, -1 65C", "covered call"),
    ("-100 shares, -1 55P", "covered put"),
    ("100 shares, -1 55P, -1 65C", "covered strangle"),
    ("100 shares, +1 55P, -1 65C", "collar"),
    ("100 shares, +1 55P", "protective put"),
    ("-100 shares, +1 65C", "protective call"),
    ("-1 55P, -1 65C, +1 70C", "jade lizard"),
    ("+1 50P, -1 55P, -1 65C", "reverse jade lizard"),
    ("-1 60P, -1 60C, +1 70C", "big lizard"),
    ("+1 50P, -1 60P, -1 60C", "reverse big lizard"),
    ("+1 60P, -2 55P", "put ratio spread"),
    ("+1 60C, -2 65C", "call ratio spread"),
    ("-1 60P, +2 55P", "put ratio backspread"),
    ("-1 60C, +2 65C", "call ratio backspread"),
    ("+1 60P, -1 60P", "offset"),
]
SEVERAL = [
    ("-3 55P, -2 65C", ["2 short strangle", "short put"]),
    ("137 shares, -1 65C", ["37 long shares", "covered call"]),
    ("99.5 shares, -1 65C", ["99.5 long shares", "short call"]),
    ("200 shares, -2 65C, +1 55P", ["collar", "covered call"]),
    ("100 shares, -2 65C, -1 55P", ["covered strangle", "short call"]),
    # The put spread stands for itself, so no put of it joins the shares.
    ("100 shares, -1 65C, +1 50P, -1 55P", ["bull put spread", "covered call"]),
    ("100 shares, -2 65C, +1 50P, -1 55P", ["covered call", "reverse jade lizard"]),
    ("100 shares, -1 65C, +1 70C", ["covered call", "long call"]),
    ("100 shares, -1 55P, -1 65C, +1 70C", ["100 long shares", "jade lizard"]),
    ("100 shares, +1 50P, -1 55P, -1 65C, +1 70C", ["100 long shares", "iron condor"]),
    ("200 shares, +2 50P, -1 55P", ["100 long shares", "bull put spread", "protective put"]),
    (
        "200 shares, +1 50P, -2 55P, -2 65C",
        ["bull put spread", "covered call", "covered strangle"],
    ),
    ("-100 shares, -1 60P, +1 65C, +1 70C", ["covered put", "long call", "long call"]),
    ("+2 50P, -2 55P, -1 65C, +1 70C", ["bull put spread", "iron condor"]),
    ("+3 50P, -3 55P, -3 65C, +3 70C", ["3 iron condor"]),
    ("+1 45P, +1 50P, -1 55P, -1 58P, -1 65C, +1 70C", ["bull put spread", "iron condor"]),
    ("-1 55P, -1 50P, -1 65C, -1 70C", ["short strangle", "short strangle"]),
    ("-1 55P, -1 60P, -1 60C, -1 70C", ["short straddle", "short strangle"]),
    ("+1 50P, -1 55P, +1 57P, -1 60P", ["bull put spread", "bull put spread"]),
    ("-1 50P, +1 58P, -1 60P, +1 65P", ["bear put spread", "bear put spread"]),
    ("+1 60P, -3 55P", ["put ratio spread", "short put"]),
    ("+3 60P, -5 55P", ["2 put ratio spread", "bear put spread"]),
    ("+3 60P, -4 55P", ["2 bear put spread", "put ratio spread"]),
    # Rolled past each other: no condor, and no strangle either.
    ("+1 60P, -1 65P, -1 55C, +1 60C", ["bear call spread", "bull put spread"]),
    # Two shorts nearer to the money than the long: a spread and a naked one, no ratio spread.
    ("-2 60P, +1 55P", ["bull put spread", "short put"]),
    ("+1 60P, -2 55P, -1 65C", ["put ratio spread", "short call"]),
    ("+1 55P, -2 60P, +1 65P, -1 70C, +1 75C", ["bear call spread", "long butterfly"]),
    ("-3 60P, +1 55P, +1 65P", ["long butterfly", "short put"]),
    ("-1 55P, -1 65C, -1 jan 55P, -1 jan 65C", ["short strangle", "short strangle"]),
    ("-1 55P, -1 jan 65C", ["short call", "short put"]),
    ("+1 65P, -1 jan 60P, +1 feb 60P", ["calendar", "long put"]),
    # January's short is guarded by February's long, though December's is nearer.
    ("+1 60C, -1 jan 60C, +1 feb 60C", ["calendar", "long call"]),
    ("+1 58C, -1 jan 60C, +1 feb 62C", ["diagonal", "long call"]),
    ("+1 50P, -1 55P, -1 60C, +1 58C", ["bull call spread", "bull put spread"]),
    ("+2 60P, -1 60P, -1 65C", ["long put", "offset", "short call"]),
    ("150 shares, -50 shares, -1 65C", ["50 offset", "covered call"]),
    ("33.4 shares, 33.3 shares, 33.3 shares, -1 65C", ["covered call"]),
    ("+1 60C, -1 55P", ["long call", "short put"]),
]


def orders(legs: list[Leg]) -> list[list[Leg]]:
    return [list(order) for order in islice(permutations(legs), 24)]


@pytest.mark.parametrize(("text", "name"), ONE_STRATEGY)
def test_a_strategy_is_called_what_traders_call_it(text: str, name: str) -> None:
    for legs in orders(a_book(text)):
        assert names(legs) == [name]


@pytest.mark.parametrize(("text", "name"), ONE_STRATEGY[6:])
def test_a_strategy_held_three_times_is_three_units_of_it(text: str, name: str) -> None:
    legs = [replace(leg, quantity=3 * leg.quantity) for leg in a_book(text)]
    assert names(legs) == [f"3 {name}"]
    in_lots = [leg for leg in a_book(text) for _ in range(3)]
    assert names(in_lots) == [f"3 {name}"]


@pytest.mark.parametrize(("text", "expected"), SEVERAL)
def test_what_is_left_over_forms_further_positions(text: str, expected: list[str]) -> None:
    for legs in orders(a_book(text)):
        assert names(legs) == expected


def strikes(position: Position, legs: list[Leg]) -> list[float]:
    return sorted(legs[place].strike or 0.0 for place, _ in position.parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The innermost go together, what is outside them goes around them.
        ("-1 55P, -1 50P, -1 65C, -1 70C", [[50, 70], [55, 65]]),
        # The wing next to the short strike is its wing.
        ("+1 40P, +1 50P, -1 55P", [[40], [50, 55]]),
        # Of two put spreads the one as wide as the call spread belongs to the condor.
        ("+1 45P, +1 50P, -1 55P, -1 58P, -1 65C, +1 70C", [[45, 58], [50, 55, 65, 70]]),
        # Two condors of one width: the inner spreads make one, the outer the other.
        (
            "+1 45P, -1 50P, +1 52P, -1 57P, -1 65C, +1 70C, -1 72C, +1 77C",
            [[45, 50, 72, 77], [52, 57, 65, 70]],
        ),
        # Equal wings before near ones.
        ("+1 50P, +1 56P, -2 60P, +1 70P", [[50, 60, 70], [56]]),
        # A tie between a credit and a debit of one width is a credit.
        ("+1 55P, -1 60P, +1 65P", [[55, 60], [65]]),
        ("+1 55C, -1 60C, +1 65C", [[55], [60, 65]]),
        # Without a tie the narrower.
        ("+1 54P, -1 60P, +1 63P", [[54], [60, 63]]),
    ],
)
def test_the_nearest_strikes_go_together(text: str, expected: list[list[float]]) -> None:
    for legs in orders(a_book(text)):
        assert sorted(strikes(each, legs) for each in group(legs)) == expected


def test_the_shares_go_with_the_call_that_expires_first() -> None:
    legs = a_book("100 shares, -1 jan 65C, -1 70C")
    covered = next(each for each in group(legs) if each.strategy == "covered call")
    assert {legs[place].expiration for place, _ in covered.parts} == {None, MONTHS["dec"]}


def test_a_short_option_goes_with_the_next_later_long_one() -> None:
    legs = a_book("-1 60C, +1 jan 60C, +1 feb 60C")
    assert names(legs) == ["calendar", "long call"]
    calendar = next(each for each in group(legs) if each.strategy == "calendar")
    assert {legs[place].expiration for place, _ in calendar.parts} == {MONTHS["dec"], MONTHS["jan"]}


def test_diagonals_take_the_nearest_expirations_and_then_the_nearest_strikes() -> None:
    legs = a_book("-1 65C, -1 jan 70C, +1 feb 60C, +1 feb 68C")
    assert names(legs) == ["diagonal", "diagonal"]
    assert sorted(strikes(each, legs) for each in group(legs)) == [[60, 65], [68, 70]]


def test_underlyings_do_not_mix() -> None:
    legs = [a_leg("-1 55P", "KO"), a_leg("-1 65C", "PEP"), a_leg("-1 65C", "KO"), a_leg("-1 55P", "PEP")]
    assert [(each.symbol, each.strategy) for each in group(legs)] == [
        ("KO", "short strangle"),
        ("PEP", "short strangle"),
    ]


def test_legs_entered_together_are_tried_among_themselves_first() -> None:
    put_side = a_book("+1 50P, -1 55P", together="a")
    call_side = a_book("-1 65C, +1 70C", together="b")
    assert names(put_side + call_side) == ["bear call spread", "bull put spread"]
    assert names(a_book("+1 50P, -1 55P, -1 65C, +1 70C")) == ["iron condor"]
    two = a_book("+1 50P, -1 60P", together="a") + a_book("+1 53P, -1 63P", together="b")
    assert sorted(strikes(each, two) for each in group(two)) == [[50, 60], [53, 63]]


def test_what_is_left_of_legs_entered_together_joins_the_rest() -> None:
    legs = a_book("-2 55P, -1 65C", together="a") + a_book("-1 70C")
    assert names(legs) == ["short strangle", "short strangle"]
    alone = a_book("-1 55P", together="a") + a_book("-1 65C", together="b")
    assert names(alone) == ["short strangle"]


def test_what_is_no_standard_option_stands_alone() -> None:
    put, call = a_book("-1 55P, -1 65C")
    legs = [
        replace(put, kind="adjusted option"),
        call,
        Leg("/ES", "future", -2.0, MONTHS["dec"], multiplier=50.0),
        Leg("/ES", "future option", -2.0, MONTHS["dec"], 5500.0, "P", multiplier=50.0),
        Leg("/ES", "future option", -2.0, MONTHS["dec"], 6500.0, "C", multiplier=50.0),
    ]
    expected = ["2 future", "2 future option", "2 future option", "adjusted option", "short call"]
    assert names(legs) == expected


def test_an_option_on_another_number_of_shares_pairs_with_its_like() -> None:
    mini = [replace(leg, multiplier=10.0) for leg in a_book("-1 55P, -1 65C")]
    assert names([*mini, *a_book("100 shares")]) == ["100 long shares", "short strangle"]
    assert names([mini[0], *a_book("-1 65C")]) == ["short call", "short put"]


def test_lots_of_one_contract_are_one_position_and_the_cheapest_leave_first() -> None:
    legs = a_book("-1 60P @ 2, -2 60P @ 1, -1 60P, -2 70C @ 3")
    strangle, single = sorted(group(legs), key=lambda each: each.strategy, reverse=True)
    assert (strangle.strategy, dict(strangle.parts)) == ("short strangle", {1: -2.0, 3: -2.0})
    assert (single.strategy, single.units, dict(single.parts)) == ("short put", 2.0, {0: -1.0, 2: -1.0})


def test_an_empty_book_has_no_position() -> None:
    assert group([]) == ()
