"""A person's own names, and what is stored about the person."""

from __future__ import annotations

import pytest

from bot.cards.card import TABLE_WIDTH, Card
from bot.cards.embed import DESCRIPTION_LIMIT
from bot.cards.people import (
    added_card,
    export_card,
    going_card,
    privacy_card,
    ranked_card,
    standing_table,
    watchlist_card,
)
from bot.people.kept import KEPT
from tests.bot.cards.builders import a_gate, a_miss, a_row, a_run, a_screen, shown, simulated_run, unmeasured

TWO_GATES = (a_gate("tactical", "fail", 1.07, 1.15, ">"), a_gate("price", "fail", 21.0, 25.0))
SCREEN = a_screen([a_row("XLE"), a_miss("KO"), a_miss("BA", *TWO_GATES), unmeasured("ZZZ")])


def lines(card: Card) -> list[str]:
    return card.table.splitlines()[1:]


def test_a_line_tells_how_a_name_stands() -> None:
    table = standing_table(SCREEN, ["ZZZ", "BA", "KO", "XLE", "NEWCO"])
    assert table.splitlines() == [
        "# SYM    IV%  VRP STANDS",
        "- ZZZ      ?    ? no data: no option qu…",
        "- BA    27.4 1.51 tactical +1 more",
        "- KO    27.4 1.51 tactical short 0.08",
        "1 XLE   27.4 1.51 passes RICH",
        "- NEWCO    ?    ? not in this run",
    ]


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "LONGTICK.XY", "^SPX"])
def test_no_line_is_wider_than_a_phone(symbol: str) -> None:
    screen = a_screen([a_miss(symbol, *TWO_GATES, values={"iv30": 12.345, "vrp_tactical": 123.4})])
    for line in standing_table(screen, [symbol, "LONGTICK.ZZ"]).splitlines():
        assert len(line) <= TABLE_WIDTH


def test_the_ranked_list_has_the_order_of_the_run_and_the_absent_last() -> None:
    card = ranked_card(SCREEN, 7, ["NEWCO", "ZZZ", "BA", "KO", "XLE"])
    assert [line.split()[1] for line in lines(card)] == ["XLE", "KO", "BA", "ZZZ", "NEWCO"]
    assert "1 of your 5 names pass every gate" in card.headline
    assert [button.label for button in card.buttons] == ["Full list CSV", "Method"]


def test_a_page_out_of_range_is_brought_back() -> None:
    names = [f"N{number}" for number in range(30)]
    card = ranked_card(a_screen([a_row("XLE")]), 7, names, page=9, scope="watchlist/")
    assert "page 2 of 2" in card.headline
    assert len(lines(card)) == 6
    previous, following = card.buttons[-2:]
    assert (previous.argument, previous.disabled) == ("0|watchlist/", False)
    assert (following.argument, following.disabled) == ("1|watchlist/", True)


def test_a_degraded_run_says_how_far_it_reaches() -> None:
    screen = a_screen([a_row("XLE")], run=a_run(state="degraded", reason="Half of it is missing."))
    for card in (ranked_card(screen, 7, ["XLE"]), watchlist_card(["XLE"], 50, screen, 7)):
        assert "Half of it is missing" in card.headline
        assert card.state == "degraded"


def test_a_simulated_market_is_called_so() -> None:
    screen = a_screen([a_row("XLE")], run=simulated_run())
    for card in (ranked_card(screen, 7, ["XLE"]), watchlist_card(["XLE"], 50, screen, 7)):
        assert card.title.startswith("SIMULATED")


def test_a_list_without_a_run_is_its_names() -> None:
    assert "KO, BA" in shown(watchlist_card(["KO", "BA"], 50, None))
    stopped = a_screen([], run=a_run(state="aborted", reason="SPY has no price."))
    assert "no run" in shown(watchlist_card(["KO", "BA"], 50, stopped))


def test_few_refusals_stand_on_the_card_and_many_in_a_file() -> None:
    few = added_card("List", [("Added:", ["KO"]), ("None:", [])], [("line 2", "a formula, not a ticker")])
    assert few.details == ("**Added:** KO", "line 2: a formula, not a ticker")
    assert few.files == ()
    many = added_card("List", [], [(f"line {number}", "x is no ticker") for number in range(100)])
    assert many.details[-1] == "... and 85 more in the file."
    assert len(many.files[0].data.splitlines()) == 100


def test_what_goes_is_counted_by_kind() -> None:
    asked = going_card({"watched": 1, "a_table_of_tomorrow": 2}, {"guilds": 3}, done=False)
    assert asked.details[:3] == (
        "**Watchlist** 1 row will be deleted",
        "**a table of tomorrow** 2 rows will be deleted",
        "**Settings of a server** your id will be taken out of 3 rows",
    )
    done = going_card({"watched": 1}, {"guilds": 3}, done=True, log_left=True)
    assert done.details[:2] == (
        "**Watchlist** 1 row deleted",
        "**Settings of a server** your id taken out of 3 rows",
    )
    assert "its old pages" in done.details[-1]
    assert going_card({}, {}, done=True).headline == "Nothing is stored about you."


def test_an_export_of_nothing_has_no_file() -> None:
    assert export_card({}, b"zip").files == ()
    assert export_card({"watched": 2}, b"zip").files[0].data == b"zip"


def test_the_privacy_card_is_whole() -> None:
    text = shown(privacy_card("<@1>"))
    assert all(entry.what in text for entry in KEPT)
    assert "operator of this bot, <@1>." in text
    assert len(text) < DESCRIPTION_LIMIT
