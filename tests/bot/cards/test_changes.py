"""What changed between two runs, read off stored verdicts."""

from dataclasses import replace

import pytest

from bot.cards.changes import MOVE_PLACES, compare
from tests.bot.cards.builders import a_miss, a_row, a_run, a_screen, simulated_run, unmeasured


def listed(*symbols):
    return a_screen([a_row(symbol) for symbol in symbols])


def test_new_left_and_stayed():
    changes = compare(a_screen([a_row("XLE"), a_row("AAPL"), a_miss("KO")]), listed("KO", "AAPL"))
    assert [arrival.row.symbol for arrival in changes.new] == ["XLE"]
    assert [(gone.symbol, gone.row.failed[0].name) for gone in changes.left] == [("KO", "tactical")]
    assert changes.stayed == 1
    assert changes.obstacle is None


def test_new_names_come_in_the_order_of_the_list():
    changes = compare(listed("C", "A", "B"), a_screen([]))
    assert [arrival.row.symbol for arrival in changes.new] == ["C", "A", "B"]


def test_a_new_name_that_could_not_be_measured_before_is_told_apart():
    before = a_screen([unmeasured("XLE"), a_miss("AAPL")])
    changes = compare(a_screen([a_row("XLE"), a_row("AAPL"), a_row("NEW")]), before)
    assert {arrival.row.symbol: arrival.measured_before for arrival in changes.new} == {
        "XLE": False,
        "AAPL": True,
        "NEW": False,
    }


def test_a_name_this_run_does_not_hold_has_left_without_a_verdict():
    changes = compare(listed("A"), listed("A", "GONE"))
    assert [(gone.symbol, gone.row) for gone in changes.left] == [("GONE", None)]


def test_small_moves_are_no_news_and_large_ones_come_first():
    before = listed("A", "B", "C", "D", "E", "F")
    now = listed("F", "B", "A", "D", "E", "C")
    moved = compare(now, before).moved
    assert [(move.now.symbol, move.places) for move in moved] == [("F", 5), ("C", -3)]
    assert MOVE_PLACES == 3


def test_another_signal_is_news_without_a_move():
    now = a_screen([a_row("A", signal="EVENT")])
    (move,) = compare(now, listed("A")).moved
    assert (move.places, move.signal_changed) == (0, True)


def test_a_run_compared_with_itself_shows_no_change():
    screen = listed("A", "B")
    changes = compare(screen, screen)
    assert (changes.new, changes.left, changes.moved, changes.stayed) == ((), (), (), 2)


@pytest.mark.parametrize(
    ("before", "word"),
    [
        (None, "No earlier"),
        (a_screen([a_row("A")], run=a_run(state="outage")), "ranked nothing"),
        (a_screen([], run=a_run(state="aborted")), "ranked nothing"),
        (a_screen([a_row("A")], run=simulated_run()), "another market"),
        (a_screen([a_row("A")], run=a_run(rules_hash="other")), "rules changed"),
    ],
)
def test_what_cannot_be_compared_says_why_and_claims_no_change(before, word):
    changes = compare(listed("B"), before)
    assert word in (changes.obstacle or "")
    assert (changes.new, changes.left, changes.moved) == ((), (), ())


def test_a_degraded_run_is_still_compared():
    before = replace(listed("A"), run=a_run(state="degraded"))
    assert compare(listed("A", "B"), before).obstacle is None
