"""What stands under the figures of a book: each fact once, with its names, before nobody asks for it."""

from __future__ import annotations

from dataclasses import replace

from bot.cards.portfolio import portfolio_card
from bot.cards.portfolio_fit import fit_card
from bot.cards.portfolio_stress import stress_card
from bot.cards.portfolio_words import reach
from bot.cards.table import numbers
from engine.portfolio.result import PositionView, Tag
from tests.bot.cards.books import (
    STRESS,
    TOTALS,
    a_fit,
    a_leg,
    a_market,
    a_position,
    a_tag,
    an_analysis,
    nothing_known,
)
from tests.bot.cards.builders import shown

MODEL = "not listed in this chain: marked by the formulas"
SMILE = "volatility from the smile of the expiry: the quote of this leg gives none"


def details(*positions: PositionView, **parts: object) -> tuple[str, ...]:
    return portfolio_card(an_analysis(positions, **parts), a_market()).details


def test_marks_and_volatilities_are_counted_once_with_their_names() -> None:
    by_model = a_leg("-1 KO 60P", mark_method="model", vol_method="smile")
    another, third = (replace(by_model, leg=replace(by_model.leg)) for _ in range(2))
    said = details(
        a_position(legs=(by_model, another), flags=(MODEL, SMILE)),
        a_position("PEP", legs=(a_leg(), third), flags=(MODEL, f"{SMILE}, and its strike lies beyond")),
        a_position("GLD", legs=(a_leg(mark_method="half of ask"),)),
    )
    assert (
        "**Marks** 1 of 5 legs at half of the ask, where nobody bids (GLD); "
        "3 by the formulas, without a quote of use (KO, PEP)." in said
    )
    assert "**Volatility** 3 of 5 legs from the smile of the expiration (KO, PEP)." in said
    text = "\n".join(said)
    assert text.count("formulas") == 1
    assert text.count("smile") == 1


def test_a_leg_that_two_positions_share_is_counted_once() -> None:
    half = a_leg("-2 KO 60P", quantity=-1.0, mark_method="model")
    lost = replace(half, status="no quotes", mark_method="")
    said = details(a_position(legs=(half,)), a_position(legs=(half,)))
    assert "**Marks** 1 of 1 leg by the formulas, without a quote of use (KO)." in said
    assert any(line.startswith("**Not valued** 1 leg,") for line in details(a_position(legs=(lost, lost))))


def test_a_quote_that_leaves_the_volatility_open_is_still_told() -> None:
    flag = "volatility from a quote that leaves it open: nothing else gives one"
    said = "\n".join(details(a_position(flags=(flag,))))
    assert "**Remarks** KO: volatility from a quote that leaves it open, nothing else gives one." in said


def test_earnings_before_the_expiration_are_one_line_the_next_first() -> None:
    ahead = "earnings in {} days, before the nearest expiration"
    said = details(
        a_position("KO", flags=(ahead.format(40),)),
        a_position("AAPL", flags=(ahead.format(31),)),
        a_position("KO", flags=(ahead.format(40),)),
        a_position("TSLA", flags=(ahead.format(4),), triage=(a_tag("EARNINGS", "earnings in 4 days"),)),
    )
    assert "**Earnings before the nearest expiration, in days** AAPL 31, KO 40." in said
    assert "\n".join(said).count("nearest expiration") == 1


def test_a_fact_of_several_names_is_told_once_and_what_differs_is_left_to_the_file() -> None:
    said = details(
        a_position("KO", flags=("dividend in 5 days", "wide quote: bid 1.00, ask 2.00")),
        a_position("PEP", flags=("dividend in 5 days", "wide quote: bid 0.10, ask 0.30")),
        a_position("GLD", flags=("early exercise is possible: no time value left",)),
    )
    assert (
        "**Remarks** KO, PEP: dividend in 5 days; KO, PEP: wide quote; "
        "GLD: early exercise is possible, no time value left." in said
    )


def test_what_a_sum_lacks_is_counted_in_the_headline_and_named_below() -> None:
    totals = replace(TOTALS, legs=11, left_out=1, without_pl=2, without_alpha=3, without_beta=0)
    held = (
        nothing_known("XYZ"),
        a_position("XLE", strategy="short call", units=3.0, pl=None),
        a_position("SPY", alpha_theta=None),
        a_position("PEP", strategy="long shares", units=100.0, legs=(a_leg("100 PEP"),), alpha_theta=None),
    )
    notes = (
        "2 legs without an opening price or a mark, not in the profit and loss",
        "constant rate of 3.6 % (the source brings none)",
    )
    card = portfolio_card(an_analysis(held, totals=totals, notes=notes), a_market())
    assert card.headline.splitlines()[2] == "Sums over 10 of 11 legs; P/L over 8, Alpha-Theta over 7"
    assert "**P/L** not known (no opening price, or no mark): XLE short call x3." in card.details
    assert "**Alpha-Theta** not known (no IV30, or no realized volatility): SPY short strangle x2." in (
        card.details
    )
    text = "\n".join(card.details)
    assert "Constant rate of 3.6 %" in text
    assert "without an opening price" not in text


def test_a_book_that_is_known_whole_says_nothing_of_it() -> None:
    assert reach(TOTALS, "SPY") == ""
    assert len(portfolio_card(an_analysis(), a_market()).headline.splitlines()) == 2


def test_stress_and_fit_say_how_much_of_the_book_they_hold() -> None:
    stress = replace(
        STRESS, notes=("1 leg without a value is left out", "No beta is known for KO: taken as 1")
    )
    card = stress_card(an_analysis((a_position(), nothing_known("XYZ")), stress=stress), a_market())
    assert card.headline.splitlines()[1] == "Over 2 of 3 legs"
    text = shown(card)
    assert text.count("**Not valued** 1 leg") == 1
    assert "without a value" not in text
    assert "No beta is known for KO" in text
    before = replace(TOTALS, legs=11, left_out=1, without_pl=2, without_beta=4)
    fitted = shown(fit_card(replace(a_fit(), before=before), a_market()))
    assert "**Now** Sums over 10 of 11 legs; SPY delta over 6." in fitted


def test_rules_and_remarks_speak_the_language_of_the_numbers_too() -> None:
    rule = Tag("SIZE", "a two-sigma day costs 5,022.50, 5.02 % of net liquidation, the rule says 5 %")
    with numbers("de"):
        said = details(a_position(triage=(rule,), flags=("wide quote: bid 1.00, ask 1,240.00",)))
    text = "\n".join(said)
    assert "costs 5.022,50, 5,02 % of net liquidation" in text
    assert "bid 1,00, ask 1.240,00" in text
