"""The list and the scheduled post: what they lead with, and what they never say."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.screen import PAGE_ROWS, post_card, screen_card, screen_table
from engine.screen.glossary import METRICS
from tests.bot.cards.builders import (
    ASOF,
    a_gate,
    a_miss,
    a_row,
    a_run,
    a_screen,
    shown,
    simulated_run,
    unmeasured,
)

AN_ETF = {"asset_class": "etf", "earnings_days": None, "earnings_date": None}


SINCE = " since the close of Wed 29 Apr 2026"


def many(count):
    return a_screen([a_row(f"N{n:02d}") for n in range(count)])


def test_the_table_of_an_ordinary_list():
    table = screen_table(
        [
            a_row("XLE", rank=1, values=AN_ETF),
            a_row("AAPL", rank=2, values={"iv_percentile": None}),
            a_row("BRK.B", rank=10, signal="EXPANDING", flags=("nearest_expiry",)),
        ]
    )
    assert table.splitlines() == [
        " # SYM    IV%  RV%  VRP IVP ERNd TAG",
        " 1 XLE   27.4 18.1 1.51  88    - RICH",
        " 2 AAPL  27.4 18.1 1.51   ?   34 RICH",
        "10 BRK.B 27.4 18.1 1.51  88   34 EXPAND*",
    ]


def test_the_yearly_lens_shows_its_own_windows():
    row = a_row("XLE", values={"lens": "yearly", "hv20": 0.1, "tactical_20": 2.74})
    assert " 27.4 10.0 2.74 " in screen_table([row])


def test_missing_is_never_a_zero():
    empty = {metric.column: None for metric in METRICS}
    line = screen_table([a_row("XLE", values=empty, signal=None)]).splitlines()[1]
    assert line.split() == ["1", "XLE", *["?"] * 6]


def test_a_fund_has_no_earnings_and_a_share_may_have_unknown_ones():
    assert " - RICH" in screen_table([a_row(values=AN_ETF)])
    assert " ? RICH" in screen_table([a_row(values={"earnings_days": None})])


symbols = st.text(min_size=1, max_size=300)
numbers = st.none() | st.floats()
hostile_rows = st.builds(
    lambda symbol, iv, hv, ratio, rank, days, percentile, signal, flags: a_row(
        symbol,
        rank=rank,
        signal=signal,
        flags=flags,
        values={
            "iv30": iv,
            "hv30": hv,
            "vrp_tactical": ratio,
            "iv_percentile": percentile,
            "earnings_days": days,
        },
    ),
    symbols,
    numbers,
    numbers,
    numbers,
    st.none() | st.integers(1, 99_999),
    numbers,
    numbers,
    st.none() | st.text(max_size=30),
    st.lists(st.text(max_size=40), max_size=2).map(tuple),
)


@given(st.lists(hostile_rows, min_size=1, max_size=14))
def test_no_data_makes_the_table_wider_than_a_phone(rows):
    card = screen_card(a_screen(rows), 7)
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
    assert len(card.table.splitlines()) <= PAGE_ROWS + 1
    assert "`" not in card.table
    embed = to_message(card)["embeds"][0]
    assert len(embed.description) <= 4096
    assert embed.description.count("```") == 2


def test_a_name_with_markdown_and_mentions_stays_text():
    card = screen_card(a_screen([a_row("XLE"), a_miss("**@everyone**")]), 7)
    assert r"\*\*@" in card.sentence
    assert "@everyone" not in card.sentence


def test_headline_sentence_and_facts_of_a_list():
    rows = [
        a_row("XLE"),
        a_miss("KO"),
        a_miss("TLT", a_gate("slippage", "fail", 0.14, 0.05, "<=")),
        unmeasured(),
    ]
    card = screen_card(a_screen(rows, notes=("12 x crossed left out",)), 7)
    assert card.title == "Closing screen · Wed 29 Apr 2026"
    assert card.state == "complete"
    assert card.headline == "1 of 3 measured names pass every gate"
    assert card.sentence == "Near misses: KO (tactical short 0.08), TLT (slippage over 9.0%)."
    assert "Names stopped, by gate: tactical 1, slippage 1." in card.details
    assert card.details[-1] == "Of this run: 12 x crossed left out."
    assert card.asof == (
        f"As of <t:{int(ASOF.timestamp())}:f> · 3 of 4 names, 1 without data (no option quotes 1) · "
        "recorded ndx100 · lens quarterly, profile balanced"
    )
    assert card.footer == (
        "2026-04-29/close · run 7 · rules abc123def456 · engine 0.1.0 · information, not advice"
    )


def test_buttons_open_the_first_name_the_file_and_the_method():
    card = screen_card(many(3), 7, scope="etfs/")
    assert [(button.label, button.custom_id) for button in card.buttons] == [
        ("Why N00", "variance:why:7:N00"),
        ("Full list CSV", "variance:csv:7:etfs/"),
        ("Method", "variance:method:7:"),
    ]


@pytest.mark.parametrize(
    ("page", "first", "last", "previous", "following"),
    [(0, "N00", "N11", "0|s", "1|s"), (1, "N12", "N23", "0|s", "2|s"), (9, "N24", "N29", "1|s", "2|s")],
)
def test_paging(page, first, last, previous, following):
    card = screen_card(many(30), 7, page, scope="s")
    names = re.findall(r"N\d\d", card.table)
    assert (names[0], names[-1]) == (first, last)
    back, onward = card.buttons[-2:]
    assert (back.argument, onward.argument) == (previous, following)
    assert (back.disabled, onward.disabled) == (page == 0, page == 9)
    ids = [button.custom_id for button in card.buttons]
    assert len(set(ids)) == len(ids)


def test_a_page_before_the_first_is_the_first():
    assert screen_card(many(30), 7, -4).table == screen_card(many(30), 7).table


def test_an_empty_day_shows_the_near_misses_instead():
    card = screen_card(a_screen([a_miss("KO"), a_miss("PEP")]), 7)
    assert card.headline == "No name passes every gate, of 2 measured"
    assert card.table.splitlines()[1].startswith("- KO")
    assert card.buttons[0].custom_id == "variance:why:7:KO"


def test_remarks_shared_by_all_rows_set_none_apart():
    rows = [
        a_row("A", flags=("quote_time_unknown", "wide_quotes")),
        a_row("B", flags=("quote_time_unknown",)),
    ]
    card = screen_card(a_screen(rows), 7)
    assert [line.endswith("*") for line in card.table.splitlines()[1:]] == [True, False]
    assert "\\* wide quotes (1)." in card.details
    assert "All of them: quote time unknown." in card.details


def test_a_warning_gate_is_marked_when_it_would_have_failed():
    row = a_row("A", tags=(a_gate("slippage", "fail", 0.08, 0.05, "<=", blocks=False),))
    card = screen_card(a_screen([row, a_row("B")]), 7)
    assert card.table.splitlines()[1].endswith("RICH*")
    assert "\\* slippage fails (1)." in card.details


def test_a_post_leads_with_what_changed():
    now = a_screen([a_row("XLE"), a_row("AAPL"), a_miss("KO")])
    before = a_screen([a_row("KO"), a_row("AAPL"), a_miss("XLE")])
    card = post_card(now, 8, before)
    assert card.headline.splitlines() == [
        f"1 new · 1 left · 1 stayed{SINCE}",
        "2 of 3 measured names pass every gate",
    ]
    assert card.details[:3] == (
        "**New** XLE (1.51x)",
        "**Left** KO (tactical short 0.08)",
        "Near misses: KO (tactical short 0.08).",
    )


def test_a_post_says_when_nothing_changed_and_when_nothing_can_be_compared():
    screen = many(2)
    assert post_card(screen, 8, screen).headline.startswith(f"No change in the list{SINCE}\n")
    first = post_card(screen, 8, None)
    assert "new" not in first.headline
    assert "No earlier official run to compare with." in first.details


def test_a_long_list_is_one_button_away():
    card = post_card(many(15), 8, None)
    assert len(card.table.splitlines()) == PAGE_ROWS + 1
    assert "3 more names in the full list." in card.details
    assert ("All 15", "variance:screen:8:") in [(button.label, button.custom_id) for button in card.buttons]


def test_moves_are_named():
    before = a_screen([a_row(name) for name in "ABCDE"])
    now = a_screen([a_row(name) for name in "EBCDA"])
    assert "**Moved** A (rank 1 to 5), E (rank 5 to 1)" in post_card(now, 8, before).details


def test_an_empty_day_is_short_and_names_the_nearest_miss():
    card = post_card(a_screen([a_miss("KO")]), 8, a_screen([a_row("KO")]))
    assert card.headline.splitlines() == [
        f"0 new · 1 left{SINCE}",
        "No name passes every gate, of 1 measured",
    ]
    assert card.table == ""
    assert card.sentence == "Nearest miss: KO (tactical short 0.08)."
    assert card.details == ("**Left** KO (tactical short 0.08)",)


def test_an_empty_day_without_a_near_miss_says_that():
    bad = a_miss("X", a_gate("price", "fail", 1.0, 25.0), a_gate("tactical", "fail", 1.0, 1.15, ">"))
    assert post_card(a_screen([bad]), 8, None).sentence == "No name is one gate short."


@pytest.mark.parametrize("draw", [lambda s: post_card(s, 8, None), lambda s: screen_card(s, 8)])
def test_a_degraded_run_says_how_much_it_covers(draw):
    run = a_run(state="degraded", reason="Only 71 of 118 names could be measured.")
    card = draw(a_screen([a_row("XLE")], run=run))
    assert card.state == "degraded"
    assert card.headline.startswith(
        "Degraded: Only 71 of 118 names could be measured. The ranking is only of these."
    )
    assert "XLE" in card.table


@pytest.mark.parametrize("draw", [lambda s: post_card(s, 8, None), lambda s: screen_card(s, 8)])
@pytest.mark.parametrize("state", ["outage", "aborted"])
def test_without_a_ranking_no_name_is_shown(draw, state):
    run = a_run(state=state, reason="SPY has no valid price, so nothing is ranked.")
    card = draw(a_screen([a_row("XLE"), a_miss("KO")], run=run))
    assert card.state == state
    assert card.table == ""
    assert "SPY has no valid price" in card.headline
    assert "XLE" not in shown(card)
    assert "KO" not in shown(card)
    assert "why" not in {button.action for button in card.buttons}


def test_a_stopped_run_without_rows_offers_no_file():
    card = post_card(a_screen([], run=a_run(state="aborted", reason="SPY is missing.")), 8, None)
    assert [button.action for button in card.buttons] == ["method"]


def test_the_opening_run_says_it_is_indicative():
    assert screen_card(a_screen([a_row()], run=a_run(kind="open")), 7).title.startswith(
        "Opening screen (indicative)"
    )


def test_no_card_gives_an_order_or_a_promise():
    cards = [
        screen_card(many(20), 1),
        post_card(many(20), 1, many(3)),
        post_card(a_screen([a_miss()]), 1, None),
    ]
    words = re.compile(r"\b(buy|sell|short the|guarantee|profit|opportunity|must)\b", re.IGNORECASE)
    assert not [found for card in cards for found in words.findall(shown(card))]


def test_a_narrowed_screen_keeps_its_ranks():
    screen = many(5)
    card = screen_card(screen.narrowed(["N03", "N04"]), 7)
    assert [line.split()[0] for line in card.table.splitlines()[1:]] == ["4", "5"]


def test_simulated_runs_carry_the_word_in_title_and_footer():
    screen = replace(many(2), run=simulated_run())
    for card in (screen_card(screen, 1), post_card(screen, 1, None)):
        assert card.title.startswith("SIMULATED")
        assert card.footer.startswith("SIMULATED")
