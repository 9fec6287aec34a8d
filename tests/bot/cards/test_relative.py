"""Pairs on cards: what converges first, every word with its number, nothing wider than a phone."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.relative import PAGE_ROWS, pair_card, pairs_card, pairs_csv_card, pairs_line
from bot.cards.table import numbers
from engine.relative.words import WARNINGS
from tests.bot.cards.builders import a_run, a_screen, shown, simulated_run
from tests.bot.cards.pairs import a_detail, a_pair, a_view, broken

LIMIT = 0.5
MANY = [a_pair(f"AA{place} BB{place}", 0.01 * place) for place in range(30)]


def table(rows, **parts):
    return pairs_card(rows, a_screen(), 7, LIMIT, **parts).table.splitlines()


def test_the_table_has_both_ratios_spread_correlation_and_signal():
    rows = [a_pair("KO PEP", -0.02), broken(), a_pair("XOM CVX", None, correlation=None), a_pair()]
    assert table(rows) == [
        "PAIR       A    B   A-B CORR SIGNAL",
        "GLD/SLV 1.45 0.83 +0.62 0.81 CONV",
        "KO/PEP  0.81 0.83 -0.02 0.81 -",
        "JPM/BAC 0.93 0.83 +0.10 0.62 BROKEN",
        "XOM/CVX    ? 0.83     ?    ? ?",
    ]


def test_the_verdict_of_what_converges_is_said_in_a_sentence():
    card = pairs_card([a_pair("KO PEP", 0.1), a_pair()], a_screen(), 7, LIMIT)
    assert card.headline == "1 of 2 pairs in convergence"
    assert "GLD at 1.45 is 0.62 richer than SLV at 0.83, more than 0.50" in card.sentence
    assert [button.label for button in card.buttons] == ["GLD / SLV", "Full list CSV", "Method"]


def test_without_convergence_the_pair_farthest_apart_is_named():
    card = pairs_card([a_pair("KO PEP", 0.1), a_pair("XOM CVX", -0.3), broken()], a_screen(), 7, LIMIT)
    assert card.headline == "0 of 3 pairs in convergence, 1 broken"
    assert card.sentence.startswith("Farthest apart: CVX at 0.83 is 0.30 richer than XOM at 0.53")
    assert "**Broken** by correlation: JPM / BAC 0.62 below 0.85 (0.78 over 60 days)." in card.details


def test_a_servers_own_pairs_bear_a_star():
    rows = [a_pair(), a_pair("KO PEP", 0.1)]
    card = pairs_card(rows, a_screen(), 7, LIMIT, own={"KO_PEP_75"})
    assert "KO/PEP* " in card.table
    assert "GLD/SLV*" not in card.table
    assert "\\* a pair of this server." in card.details


def test_no_pairs_at_all_say_how_to_get_one():
    card = pairs_card([], a_screen(), 7, LIMIT)
    assert card.table == ""
    assert "/pair add" in card.sentence
    assert [button.label for button in card.buttons] == ["Method"]


def test_more_than_a_page_can_be_turned():
    first, last = (pairs_card(MANY, a_screen(), 7, LIMIT, page=page) for page in (0, 99))
    assert first.headline.endswith("page 1 of 3")
    assert last.headline.endswith("page 3 of 3")
    assert len(first.table.splitlines()) == PAGE_ROWS + 1
    assert len(last.table.splitlines()) == len(MANY) - 2 * PAGE_ROWS + 1
    ids = [button.custom_id for button in first.buttons]
    assert ids[-2:] == ["variance:pairs:7:0", "variance:pairs:7:1"]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("draw", ["list", "pair"])
def test_a_stopped_run_says_why_and_compares_nothing(draw):
    screen = a_screen(run=a_run(state="aborted", reason="SPY has no valid price."))
    rows = [a_pair(spread=None)]
    card = pairs_card(rows, screen, 7, LIMIT) if draw == "list" else pair_card(a_view(), screen, 7, LIMIT)
    assert card.headline == "Run stopped: SPY has no valid price."
    assert "nothing is compared" in card.sentence
    assert not card.table
    assert card.image is None


def test_a_simulated_market_is_marked_everywhere():
    screen = a_screen(run=simulated_run())
    for card in (pairs_card(MANY, screen, 7, LIMIT), pair_card(a_view(), screen, 7, LIMIT)):
        assert card.title.startswith("SIMULATED")
        assert card.footer.startswith("SIMULATED")
    assert card.image.filename.startswith("SIMULATED_")
    assert card.image.description.startswith("SIMULATED market.")
    assert pairs_csv_card(MANY, screen, 7).files[0].filename.startswith("SIMULATED_")


def test_one_pair_shows_both_legs_actions_and_warnings():
    card = pair_card(a_view(), a_screen(), 7, LIMIT)
    assert card.headline == "CONVERGENCE · GLD\\_SLV\\_75"
    assert card.table.splitlines() == [
        "            GLD  SLV",
        "IV30/HV252 1.45 0.83",
        "IV30 %     21.0 27.0",
        "HV252 %    14.5 32.5",
        "Earnings d    ?    -",
        "Spread A-B  +0.62  (limit 0.50)",
        "z-score     +2.1  (n=252)",
        "Corr 252    0.81  (at least 0.75)",
        "Corr 60     0.78",
        "Signal      CONVERGENCE",
    ]
    text = shown(card)
    assert "Rich leg GLD: where premium is sold (short strangle, iron condor)." in text
    assert "Cheap leg SLV: where premium is bought (long straddle, calendar), or no trade." in text
    assert all(warning in text for warning in WARNINGS)
    assert card.image is not None


def test_a_short_past_has_no_z_score_and_says_how_many_closes_there_are():
    detail = a_detail(z=None, n=12, mean=None, deviation=None)
    card = pair_card(a_view(detail=detail), a_screen(), 7, LIMIT)
    assert "z-score     ?  (n=12)" in card.table
    assert "12 stored closes" in shown(card)


def test_an_earnings_mismatch_is_told():
    detail = a_detail(earnings_a=9.0, earnings_b=80.0, mismatch=True)
    text = shown(pair_card(a_view(a_pair("KO PEP"), detail=detail), a_screen(), 7, LIMIT))
    assert "KO reports in 9 days, before the expiry in 45, and PEP does not" in text


def test_a_pair_without_any_ratio_has_no_picture_and_names_the_reason():
    row = a_pair(spread=None, structural_b=None, rich_leg=None)
    detail = a_detail(z=None, n=0, missing_a="no option quotes", missing_b="not in this market")
    card = pair_card(a_view(row, detail=detail, history=None), a_screen(), 7, LIMIT)
    assert card.image is None
    assert "GLD: no option quotes; SLV: not in this market" in shown(card)


def test_sentences_of_the_engine_speak_the_language_of_numbers():
    with numbers("de"):
        card = pair_card(a_view(), a_screen(), 7, LIMIT)
    assert "GLD at 1,45 is 0,62 richer" in card.sentence
    assert "+0,62  (limit 0,50)" in card.table


def test_the_file_holds_what_the_table_leaves_out():
    card = pairs_csv_card([a_pair(), a_pair("KO PEP", None)], a_screen(), 7)
    [gold, soft] = csv.DictReader(io.StringIO(card.files[0].data.decode()))
    assert (gold["id"], float(gold["structural_a"]), gold["rich_leg"]) == ("GLD_SLV_75", 1.45, "GLD")
    assert (soft["spread"], soft["signal"], soft["session"]) == ("", "no data", "2026-04-29")


def test_the_post_names_what_converges_and_what_broke():
    rows = [a_pair("KO PEP", 0.1), broken(), a_pair()]
    assert pairs_line(rows, {}) == (
        "**Pairs** GLD / SLV convergence: spread +0.62, GLD rich (correlation 0.81); "
        "JPM / BAC broken: correlation 0.62, below 0.85"
    )
    assert pairs_line([a_pair("KO PEP", 0.1), a_pair("XOM CVX", None)], {}) == ""


@pytest.mark.parametrize(
    ("before", "lead"),
    [
        ({"JPM_BAC_75": "none"}, "**Pairs** new: JPM / BAC broken"),
        ({"JPM_BAC_75": "CONVERGENCE"}, "**Pairs** new: JPM / BAC broken"),
        ({"JPM_BAC_75": "CORRELATION BROKEN"}, "**Pairs** GLD / SLV convergence"),
        ({"JPM_BAC_75": "no data"}, "**Pairs** GLD / SLV convergence"),
        ({}, "**Pairs** GLD / SLV convergence"),
    ],
)
def test_only_another_known_signal_before_makes_news(before, lead):
    assert pairs_line([a_pair(), broken()], before).startswith(lead)


def test_a_pair_that_stays_broken_is_only_named():
    rows = [broken(), a_pair(), broken("NVDA AMD")]
    before = {row.pair: row.signal for row in rows}
    assert pairs_line(rows, before) == (
        "**Pairs** GLD / SLV convergence: spread +0.62, GLD rich (correlation 0.81); "
        "broken as before: JPM / BAC, NVDA / AMD"
    )
    assert pairs_line(rows[:1], before) == "**Pairs** broken as before: JPM / BAC"


def test_the_post_names_four_and_counts_the_rest():
    line = pairs_line([a_pair(f"AA{place} BB{place}") for place in range(9)], {})
    assert line.count("convergence") == 4
    assert line.endswith("; 5 more in /pairs")


anything = st.none() | st.floats(-1e12, 1e12)
ticker = st.from_regex(r"[/^]?[A-Z0-9][A-Z0-9.\-]{0,9}", fullmatch=True)
measured = st.builds(
    lambda one, other, a, b, together: replace(
        a_pair(f"{one} {other}"), structural_a=a, structural_b=b, correlation=together
    ),
    *(ticker, ticker, anything, anything, anything),
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(measured, max_size=14), spread=anything)
def test_no_line_is_wider_than_a_phone_whatever_the_numbers(rows, spread):
    rows = [replace(row, spread=spread) for row in rows]
    card = pairs_card(rows, a_screen(), 7, LIMIT, own=[row.pair for row in rows])
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
    assert len(to_message(card)["embeds"][0]) <= 6000
    for row in rows[:1]:
        view = a_view(row, detail=a_detail(z=1e9, n=10**6), history=None)
        lines = pair_card(view, a_screen(), 7, LIMIT).table.splitlines()
        assert all(len(line) <= TABLE_WIDTH for line in lines)
