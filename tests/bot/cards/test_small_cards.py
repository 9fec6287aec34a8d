"""Method, status, help and error."""

from datetime import timedelta

import pytest

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.error import error_card
from bot.cards.help import help_card
from bot.cards.method import method_card
from bot.cards.status import ClockStatus, Status, bytes_text, duration, status_card
from engine.screen.glossary import METRICS, TERMS
from engine.screen.result import Coverage
from tests.bot.cards.builders import ASOF, a_run, shown, simulated_run


def a_clock(**parts):
    facts = {
        "next_run": ASOF + timedelta(days=1),
        "next_kind": "close, 2026-04-30",
        "under_way": (),
        "overdue": (),
        "missed": (),
        "queued": 0,
        "paused": False,
    }
    return ClockStatus(**(facts | parts))


def a_status(**parts):
    run = parts.pop("run", a_run())
    facts = {
        "version": "0.1.0",
        "source": "recorded ndx100",
        "universe": 124,
        "last_run": run,
        "last_run_id": 12 if run else None,
        "coverage": Coverage(124, 118, 14, {"no option quotes": 6}) if run else None,
        "clock": a_clock(),
        "sources": None,
        "runs_stored": 250,
        "observations_stored": 31_000,
        "database_bytes": 41_000_000,
        "uptime_seconds": 93_600.0,
        "latency_ms": 41.2,
        "guilds": 3,
    }
    return Status(**(facts | parts))


@pytest.mark.parametrize("metric", [*METRICS, *TERMS], ids=lambda metric: metric.column)
def test_every_word_has_its_formula_and_source(metric):
    card = method_card(metric.title)
    text = to_message(card)["embeds"][0].description
    assert card.state == "info"
    assert "**Source** " in text
    assert metric.formula.split()[0].strip("*(") in text.replace("\\", "")
    assert " …" not in text


def test_a_word_is_found_however_it_is_spelled():
    assert method_card("vrp_TACTICAL").title == method_card("VRP tactical").title == "Method · VRP tactical"


def test_an_unknown_word_suggests_the_nearest():
    card = method_card("VRP tactcal")
    assert card.state == "error"
    assert "VRP tactical" in card.sentence


def test_an_unknown_word_is_harmless():
    card = method_card("**@everyone**" * 40)
    assert "@everyone" not in shown(card)
    assert "**@" not in shown(card)


@pytest.mark.parametrize("word", [None, "", "  "])
def test_the_overview_fits_and_names_every_word(word):
    card = method_card(word)
    text = to_message(card)["embeds"][0].description.replace("\\", "")
    assert all(metric.title in text for metric in (*METRICS, *TERMS))
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())


def test_status_of_a_running_bot():
    card = status_card(a_status())
    assert card.title == "Status"
    assert card.state == "complete"
    assert card.headline == "Last run closing, Wed 29 Apr 2026 (run 12): complete"
    assert card.table.splitlines() == [
        "universe  124 names",
        "record    250 runs",
        "          31.0k observations",
        "          41.0 MB",
        "uptime    1 d 2 h",
        "latency   41 ms",
        "servers   3",
        "queue     0 messages",
        "version   0.1.0",
    ]
    unix = int(ASOF.timestamp()) + 86_400
    assert card.sentence == f"Next run: close, 2026-04-30, <t:{unix}:f> (<t:{unix}:R>)."
    assert "118 of 124 names, 6 without data (no option quotes 6)" in card.asof
    assert "<t:" not in card.footer


def test_status_before_the_first_run():
    card = status_card(a_status(run=None, clock=None, latency_ms=None))
    assert card.headline == "No run yet"
    assert card.sentence == "No run is scheduled: this market stands still."
    assert "latency   ?" in card.table
    assert card.state == "info"


def test_an_overdue_run_turns_the_status_red_whatever_the_last_one_was():
    card = status_card(a_status(clock=a_clock(overdue=("2026-04-30/open", "2026-04-30/close"))))
    assert card.state == "outage"
    assert card.headline.startswith("Overdue: 2026-04-30/open, 2026-04-30/close")


def test_status_tells_what_was_missed_newest_first_what_waits_and_which_source_is_silent():
    missed = tuple((f"2026-04-{day}/close", "the bot was not running then") for day in (10, 13, 14, 15))
    clock = a_clock(missed=missed, queued=3, under_way=("2026-04-30/open (computing)",), paused=True)
    card = status_card(a_status(clock=clock, sources=("yahoo is silent. Wait.",)))
    assert "queue     3 messages" in card.table
    assert "Paused by the owner" in card.sentence
    assert "Under way: 2026-04-30/open" in card.sentence
    text = " ".join(card.details)
    assert "yahoo is silent. Wait." in text
    assert text.index("2026-04-15/close") < text.index("2026-04-13/close")
    assert "and 1 more" in text


def test_sources_that_all_answer_are_said_to():
    assert "Every source answered" in " ".join(status_card(a_status(sources=())).details)


def test_status_wears_the_state_and_reason_of_the_last_run():
    card = status_card(a_status(run=a_run(state="outage", reason="Only 7 of 118 names.")))
    assert card.state == "outage"
    assert card.headline.endswith("outage: Only 7 of 118 names.")


@pytest.mark.parametrize(
    "status",
    [a_status(run=simulated_run()), a_status(source="SIMULATED market", run=None)],
    ids=["run", "source"],
)
def test_a_simulated_status_says_so(status):
    card = status_card(status)
    assert card.title.startswith("SIMULATED")
    assert card.footer.startswith("SIMULATED")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (40, "40 s"), (720, "12 min"), (15_120, "4 h 12 min"), (273_600, "3 d 4 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(842, "842 B"), (12_300, "12.3 kB"), (2_000_000_000, "2.0 GB")])
def test_sizes(size, text):
    assert bytes_text(size) == text


def test_help_lists_every_entry_and_keeps_mentions_of_commands_alive():
    card = help_card([(["</screen:123>"], "The *ranked* list"), (["/pair add", "/pair list"], "Pairs")])
    assert card.details == (r"</screen:123> The \*ranked\* list", "/pair add /pair list Pairs")


def test_help_with_a_hundred_commands_is_cut_and_counted():
    card = help_card([([f"/command-{n}"], "d" * 100) for n in range(100)])
    text = to_message(card)["embeds"][0].description
    assert len(text) <= 4096
    assert "more lines" in text


def test_an_error_repeats_its_text_without_its_markdown():
    card = error_card("**X** @everyone `y`", "Did you mean KO?")
    assert card.state == "error"
    assert "@everyone" not in card.headline
    assert r"\*\*X\*\*" in card.headline
    assert card.sentence == "Did you mean KO?"


def test_an_error_keeps_a_timestamp_readable():
    assert "<t:1777493700:R>" in error_card("Free again <t:1777493700:R>.").headline


def test_an_endless_error_is_cut():
    text = to_message(error_card("x " * 5000, "y " * 5000))["embeds"][0].description
    assert len(text) < 1500
