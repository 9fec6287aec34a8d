"""One strangle more: the trade, the gates it passes, the book without and with it."""

from __future__ import annotations

from dataclasses import replace

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import DESCRIPTION_LIMIT, to_message
from bot.cards.portfolio_fit import fit_card
from engine.screen.result import Gate
from tests.bot.cards.books import (
    NO_TOTALS,
    STRESS,
    TOTALS,
    a_fit,
    a_leg,
    a_market,
    a_position,
    a_simulated_market,
    a_tag,
)
from tests.bot.cards.builders import shown


def test_the_trade_its_credit_and_what_it_earns() -> None:
    card = fit_card(a_fit(), a_market())
    assert card.headline.splitlines() == [
        "One short strangle, 160P 180C of 2026-06-19 (51 days)",
        "Credit 237, theta +8.2/day, Alpha-Theta +11 (x1.33)",
    ]
    assert (
        "**Legs** 160P at 1.32, delta -0.20, IV 27.4 %; 180C at 1.05, delta +0.19, IV 27.4 %." in card.details
    )


def test_the_book_without_and_with_it() -> None:
    assert fit_card(a_fit(), a_market()).table.splitlines() == [
        "YOUR BOOK              NOW   WITH CHANGE",
        "theta/day             +142   +150   +8.2",
        "Alpha-Theta/day       +188   +199    +11",
        "quality               1.32   1.32      0",
        "SPY delta              -34    -34   +0.4",
        "vega/point            -410   -436    -26",
        "correlation           0.52   0.55  +0.03",
        "largest, % of NL       4.1    4.1      0",
        "crash               -4,120 -4,181    -61",
        "sell-off            -1,310 -1,371    -61",
        "unchanged                0    -61    -61",
        "rally                 +240   +179    -61",
        "melt-up               -380   -441    -61",
        "fear without a move -1,905 -1,966    -61",
        "calm without a move   +933   +872    -61",
    ]


def test_what_fails_stands_before_what_passes() -> None:
    card = fit_card(a_fit(), a_market())
    assert card.sentence == "It passes 1 of 4 gates; its correlation with the book is 0.74."
    assert card.details[:3] == (
        "**Fails** slippage over 2.1%; correlation over 0.04.",
        "**Not known** iv pctile unknown.",
        "**Passes** structural +0.27.",
    )


def test_no_strangle_is_its_reason_and_no_table() -> None:
    none = a_fit(strangle=None, after=None, stress_after=(), reason="no monthly expiration in 25 to 70 days")
    card = fit_card(none, a_market())
    assert card.headline == "No standard strangle in PEP"
    assert card.sentence == "No monthly expiration in 25 to 70 days."
    assert card.table == ""
    assert "**Fails** slippage" in shown(card)


def test_an_empty_book_has_only_the_name_itself() -> None:
    first = a_fit(
        before=NO_TOTALS,
        stress_before=tuple(replace(line, pl=None) for line in STRESS.lines),
        correlation=None,
        gates=(),
    )
    card = fit_card(first, a_market())
    assert card.sentence == "No gate was asked."
    lines = card.table.splitlines()
    assert lines[1].split() == ["theta/day", "?", "+150", "?"]
    assert lines[-1].split() == ["calm", "without", "a", "move", "?", "+872", "?"]


def test_a_name_that_makes_the_book_concentrated_or_too_large_says_so() -> None:
    after = replace(TOTALS, concentration="CONCENTRATED", size_warning=True, largest="PEP")
    text = shown(fit_card(a_fit(after=after), a_market()))
    assert "**Concentration** bound now, CONCENTRATED with it." in text
    assert "**Size** PEP is above 5.0 % of net liquidation with it." in text
    again = replace(TOTALS, size_warning=True)
    assert "**Size**" not in shown(fit_card(a_fit(before=again, after=after), a_market()))
    assert "Concentration" not in shown(fit_card(a_fit(), a_market()))


def test_what_the_triage_says_of_the_new_position_is_told() -> None:
    strangle = a_position(
        "PEP", triage=(a_tag("EARNINGS", "earnings in 4 days (rule: 10)"),), flags=("thin",)
    )
    text = shown(fit_card(a_fit(strangle=strangle), a_market()))
    assert "**EARNINGS** Earnings in 4 days (rule: 10)." in text
    assert "Thin." in text


def test_nothing_known_is_question_marks() -> None:
    missing = dict.fromkeys(("mark", "volatility", "delta", "theta"))
    legs = (a_leg("-1 PEP 160P", **missing), a_leg("-1 PEP 180C", **missing))
    strangle = a_position("PEP", legs=legs, opened=None, theta=None, alpha_theta=None, quality=None)
    card = fit_card(a_fit(strangle=strangle, before=NO_TOTALS, after=NO_TOTALS), a_market())
    assert "Credit ?, theta ?/day, Alpha-Theta ?" in card.headline
    assert "160P at ?, delta ?;" in shown(card)
    assert "largest" not in card.table


def test_it_fits_a_message() -> None:
    gates = tuple(Gate(f"gate_{n}" + "w" * 300, "pass", 1.0, 1.0, 0.0, ">", False) for n in range(14))
    lines = tuple(replace(STRESS.lines[0], label="x" * 40, pl=-9e8) for _ in range(20))
    card = fit_card(a_fit(gates=gates, stress_before=lines, stress_after=lines), a_simulated_market())
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
    assert len(to_message(card)["embeds"][0].description) <= DESCRIPTION_LIMIT
    assert card.title.startswith("SIMULATED")
