"""A person's book at a glance: what a seller of options looks for, in forty columns."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import DESCRIPTION_LIMIT, to_message
from bot.cards.portfolio import PAGE_ROWS, TAGS, portfolio_card, positions_table
from bot.cards.portfolio_remarks import UNVALUED
from bot.cards.portfolio_words import STRATEGIES, code_of, money
from bot.cards.table import numbers
from engine.portfolio.book import Rejected
from engine.portfolio.result import Status, Tag
from tests.bot.cards.books import (
    NO_TOTALS,
    TOTALS,
    a_leg,
    a_market,
    a_mixed_book,
    a_position,
    a_simulated_market,
    a_tag,
    an_analysis,
    nothing_known,
)
from tests.bot.cards.builders import shown


def symbols(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines()[1:]]


def test_the_headline_is_what_the_book_earns_and_where_it_stands() -> None:
    card = portfolio_card(an_analysis(), a_market())
    assert card.headline.splitlines() == [
        "Theta +142/day, Alpha-Theta +188 (x1.32)",
        "SPY delta -34 shares, P/L +812, correlation 0.52 (bound)",
    ]
    assert card.footer.endswith("information, not advice")
    assert "recorded ndx100 · lens quarterly" in card.asof


def test_a_line_a_position_the_most_urgent_first() -> None:
    card = portfolio_card(an_analysis(a_mixed_book()), a_market())
    assert card.table.splitlines() == [
        "SYM   WHAT    DTE    P/L TH/d    Q TAG",
        "TSLA  -2 STRG   0    +32  +48 1.02 EXP+",
        "KO    -2 STRG  51   +176 +7.6 1.33 HARV",
        "NVDA  1 IC     16   -612  +22 0.91 DEF+",
        "DIS   -1 PUT   51      ?    ?    ? over",
        "XYZ   -1 PUT   51      ?    ?    ? no px",
        "BRK.B 1 CC     23   +176 +7.6 1.33",
        "AMZN  3 BuPS   44    +88 +6.1 1.21",
        "GOOGL -1 PUT   44      ? +3.2    ?",
        "SPY   +2 PUT   79   -140 -9.4 1.10",
        "PEP   +100 SH   - +1,240    0    -",
    ]
    assert card.sentence == "10 positions of 17 legs: 1 EXPIRING, 1 HARVEST, 1 DEFENSE."
    assert card.headline.splitlines()[2] == "Sums over 15 of 17 legs"


def test_every_tag_has_its_rule_beside_it_in_the_order_of_the_table() -> None:
    lines = portfolio_card(an_analysis(a_mixed_book()), a_market()).details
    rules = [line for line in lines if line.startswith(tuple(f"**{name}**" for name in TAGS))]
    assert [line.split()[1] for line in rules] == ["TSLA", "KO", "NVDA"]
    assert rules[2] == (
        "**DEFENSE** NVDA iron condor: spot 93.20 is below the short put 95, 16 days left (rule: 21); "
        "**GAMMA** 16 days left and short gamma of 4.1 (rule: 21)."
    )


def test_the_order_of_urgency_is_that_of_the_triage() -> None:
    assert tuple(TAGS) == get_args(get_type_hints(Tag)["name"])
    held = [a_position(name[:4], triage=(a_tag(name),)) for name in reversed(TAGS)]
    card = portfolio_card(an_analysis([a_position("NONE"), *held]), a_market())
    assert symbols(card.table) == [*(name[:4] for name in TAGS), "NONE"]


def test_every_reason_without_a_value_has_words() -> None:
    assert set(UNVALUED) == set(get_args(Status)) - {"valued"}
    for status, words in UNVALUED.items():
        text = shown(portfolio_card(an_analysis([nothing_known("XYZ", status)]), a_market()))
        assert f"**Not valued** 1 leg, {words}: \\-1 KO 2026-06-19 60P." in text


def test_size_and_concentration_warn_with_their_numbers() -> None:
    totals = replace(
        TOTALS, size_warning=True, largest_share=0.073, mean_correlation=0.71, concentration="CONCENTRATED"
    )
    text = shown(portfolio_card(an_analysis(totals=totals), a_market()))
    assert "**Size** KO is 7.3 % of net liquidation, above 5.0 %." in text
    assert "mean correlation 0.71" in text
    assert "**Size**" not in shown(portfolio_card(an_analysis(), a_market()))
    unknown = shown(portfolio_card(an_analysis(net_liquidation=None), a_market()))
    assert "is not judged: net liquidation is not known" in unknown


def test_nothing_known_is_question_marks_and_never_zero() -> None:
    card = portfolio_card(an_analysis([nothing_known()], totals=replace(NO_TOTALS, left_out=31)), a_market())
    assert card.headline.splitlines() == [
        "Theta ?/day, Alpha-Theta ?",
        "SPY delta ? shares, P/L ?",
        "Sums over 0 of 31 legs",
    ]
    assert card.table.splitlines()[1].split() == ["ZZZ", "-1", "PUT", "51", "?", "?", "?", "no", "px"]


def test_a_ratio_of_a_part_of_the_book_says_so() -> None:
    totals = replace(TOTALS, theta=751.0, alpha_theta=408.0, quality=0.66)
    card = portfolio_card(an_analysis(totals=totals), a_market())
    assert card.headline.startswith("Theta +751/day, Alpha-Theta +408 (x0.66 where known)")


def test_lines_that_were_not_read_are_named() -> None:
    analysis = an_analysis(rejected=(Rejected(4, "no such strike"), Rejected(9, "a formula")))
    assert (
        "Not read: line 4: no such strike, line 9: a formula." in portfolio_card(analysis, a_market()).details
    )


def test_pages_of_twelve_and_a_page_out_of_range_is_brought_back() -> None:
    held = [a_position(f"N{place}", days=place) for place in range(30)]
    first = portfolio_card(an_analysis(held), a_market())
    last = portfolio_card(an_analysis(held), a_market(), page=99)
    assert (first.page, first.pages, last.page) == (0, 3, 2)
    assert len(symbols(first.table)) == PAGE_ROWS
    assert symbols(last.table) == [f"N{place}" for place in range(24, 30)]
    assert last.sentence.endswith("page 3 of 3.")
    assert portfolio_card(an_analysis(held), a_market(), page=-1) == first


def test_a_book_of_500_legs_fits_a_message_whole() -> None:
    tags = tuple(a_tag(name, "x" * 400) for name in TAGS)
    held = [a_position("GOOGL", legs=(a_leg(),), triage=tags, flags=(f"flag {n}",)) for n in range(250)]
    held += [nothing_known("XYZ", list(UNVALUED)[n % len(UNVALUED)]) for n in range(250)]
    card = portfolio_card(an_analysis(held), a_market())
    assert card.pages == 42
    (embed,) = to_message(card)["embeds"]
    assert len(embed.description) <= DESCRIPTION_LIMIT
    assert "more lines" in embed.description
    assert embed.description.count("```") == 2


def test_an_empty_book_still_draws() -> None:
    card = portfolio_card(an_analysis([]), a_market())
    assert card.table == ""
    assert card.pages == 1


def test_a_simulated_or_degraded_market_is_called_so() -> None:
    simulated = portfolio_card(an_analysis(), a_simulated_market())
    assert simulated.title.startswith("SIMULATED")
    assert simulated.footer.startswith("SIMULATED")
    half = portfolio_card(an_analysis(), a_market(state="degraded", reason="Half of it is missing."))
    assert half.headline.startswith("Degraded: Half of it is missing")
    assert half.state == "degraded"
    opening = portfolio_card(an_analysis(), a_market(kind="open"))
    assert "indicative" in opening.footer


def test_numbers_speak_the_language_of_the_reader() -> None:
    held = [a_position(pl=-1234.0, quality=1.25)]
    with numbers("de"):
        line = portfolio_card(an_analysis(held), a_market()).table.splitlines()[1]
    assert "1,25" in line
    assert "-1.234" in line


def test_what_a_name_holds_cannot_break_out() -> None:
    hostile = a_position(
        "`x](@e", legs=(a_leg(),), strategy="**@everyone** [a](b)", flags=("<@1> `x`",), triage=(a_tag(),)
    )
    card = portfolio_card(an_analysis([hostile], notes=("@here",)), a_market())
    assert "`" not in card.table
    text = shown(replace(card, table=""))
    assert "@everyone" not in text
    assert "@here" not in text
    assert "<@1>" not in text
    assert "](" not in text


@pytest.mark.parametrize(
    ("strategy", "units", "code"),
    [
        ("short strangle", 2, "-2 STRG"),
        ("long iron condor", 1, "+1 IC"),
        ("iron condor", 10, "10 IC"),
        ("bull put spread", 3, "3 BuPS"),
        ("short put", 1, "-1 PUT"),
        ("long shares", 100.5, "+100.5 SH"),
        ("a strategy of tomorrow", 1, "1 ASOT"),
        ("", 1, "1 ?"),
    ],
)
def test_a_strategy_in_a_few_letters(strategy: str, units: float, code: str) -> None:
    assert code_of(strategy, units) == code


def test_no_two_strategies_share_a_code() -> None:
    assert len(set(STRATEGIES.values())) == len(STRATEGIES)


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (None, 6, "?"),
        (float("nan"), 6, "?"),
        (0.0, 6, "0"),
        (-0.04, 6, "0"),
        (7.62, 6, "+7.6"),
        (-9.4, 5, "-9.4"),
        (9.97, 6, "+10"),
        (8.0, 6, "+8"),
        (-1240.0, 6, "-1,240"),
        (99_999.0, 6, "+99999"),
        (-123_456.0, 6, "-123k"),
        (12_345_678.0, 6, "+12.3M"),
        (1423.0, 5, "+1423"),
        (-4.2e10, 6, "-42.0G"),
    ],
)
def test_money_in_few_columns(value: float | None, width: int, text: str) -> None:
    assert money(value, width) == text


@settings(max_examples=150, deadline=None)
@given(st.none() | st.floats(), st.integers(4, 8))
def test_money_never_leaves_its_columns(value: float | None, width: int) -> None:
    assert len(money(value, width)) <= width


amounts = st.none() | st.floats()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=12), st.sampled_from([*STRATEGIES, "short put"]), amounts, amounts, amounts
        ),
        min_size=1,
        max_size=PAGE_ROWS,
    ),
    st.none() | st.integers(-5000, 5000),
    st.floats(0.001, 1e7),
)
def test_no_line_is_wider_than_a_phone(rows, days, units) -> None:  # type: ignore[no-untyped-def]
    plain = a_position(days=days, units=units)
    held = [
        replace(plain, symbol=symbol, strategy=strategy, pl=pl, theta=theta, quality=quality)
        for symbol, strategy, pl, theta, quality in rows
    ]
    for line in positions_table(held).splitlines():
        assert len(line) <= TABLE_WIDTH
