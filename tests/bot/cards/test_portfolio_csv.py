"""A book as a file: every leg, exact, no formula in it, and fit to be read in again."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import pytest

from bot.cards.portfolio_csv import COLUMNS, portfolio_csv, portfolio_csv_card
from engine.portfolio.reading.importers import read_book
from engine.portfolio.result import PositionView
from tests.bot.cards.books import (
    a_leg,
    a_market,
    a_mixed_book,
    a_position,
    a_simulated_market,
    a_tag,
    an_analysis,
    nothing_known,
)
from tests.bot.cards.builders import SESSION


def rows_of(positions: Sequence[PositionView]) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(portfolio_csv(an_analysis(positions), False).data.decode())))


def test_a_line_a_leg_with_what_is_known_of_it_and_of_its_position() -> None:
    put, call = rows_of([a_position(triage=(a_tag("GAMMA", "16 days left"),), flags=("thin", "wide"))])
    assert (put["symbol"], put["expiration"], put["strike"], put["right"]) == (
        "KO",
        "2026-06-19",
        "60.0",
        "P",
    )
    assert (put["quantity"], put["open_price"], put["mark"]) == ("-2.0", "1.15", "0.62")
    assert (call["right"], call["strategy"], call["position"], call["units"]) == (
        *("C", "short strangle", "1", "2.0"),
    )
    assert float(put["leg_delta"]) == pytest.approx(42.0)
    assert (put["pl"], put["theta"], put["quality"]) == ("176.0", "7.6", "1.33")
    assert (put["triage"], put["rules"], put["flags"]) == ("GAMMA", "16 days left", "thin; wide")
    assert (put["session"], put["lens"]) == ("2026-04-29", "quarterly")


def test_missing_is_empty_and_zero_is_zero() -> None:
    (row,) = rows_of([nothing_known("XYZ", "not listed")])
    assert (row["status"], row["mark"], row["leg_pl"], row["theta"], row["max_loss"]) == (
        *("not listed", "", "", "", ""),
    )
    (shares,) = rows_of([a_position("PEP", legs=(a_leg("100 PEP", theta=0.0, pl=math.nan),), days=None)])
    assert (shares["right"], shares["strike"], shares["days"]) == ("", "", "")
    assert (shares["leg_theta"], shares["leg_pl"]) == ("0.0", "")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_is_never_a_formula_but_a_number_stays_one(formula: str) -> None:
    position = a_position(
        formula, legs=(a_leg(),), strategy=formula, flags=(formula,), triage=(a_tag(rule=formula),)
    )
    (row,) = rows_of([position])
    for column in ("symbol", "strategy", "flags", "rules"):
        assert row[column].startswith("'")
    assert row["opened"] == "-412.0"


def test_the_file_can_be_read_in_again() -> None:
    listed = [each for each in a_mixed_book() if all(view.status == "valued" for view in each.legs)]
    reading = read_book(portfolio_csv(an_analysis(listed), False).data, SESSION)
    assert reading.rejected == ()
    written = [
        (view.leg.symbol, view.leg.expiration, view.leg.strike, view.leg.right, view.quantity)
        for each in listed
        for view in each.legs
    ]
    assert [
        (leg.symbol, leg.expiration, leg.strike, leg.right, leg.quantity) for leg in reading.legs
    ] == written


def test_500_legs_are_500_lines_in_order() -> None:
    rows = rows_of([a_position(f"N{n}", legs=(a_leg(),)) for n in range(500)])
    assert [row["symbol"] for row in rows] == [f"N{n}" for n in range(500)]


def test_an_empty_book_is_a_header() -> None:
    data = portfolio_csv(an_analysis([]), False).data.decode()
    assert data.strip() == ",".join(COLUMNS)


def test_the_card_carries_the_file_and_says_what_is_in_it() -> None:
    card = portfolio_csv_card(an_analysis(), a_market())
    assert card.headline == "2 legs in 1 position"
    assert card.files[0].filename == "variance_book_2026-04-29.csv"
    simulated = portfolio_csv_card(replace(an_analysis(), source="SIMULATED market"), a_simulated_market())
    assert simulated.files[0].filename == "SIMULATED_variance_book_2026-04-29.csv"
    assert simulated.files[0].description.startswith("SIMULATED")
