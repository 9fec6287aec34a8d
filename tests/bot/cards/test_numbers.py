"""The language of numbers on whole cards: no number in another dress, no other word, no wider line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from bot.cards.card import TABLE_WIDTH, Card
from bot.cards.charts import describe
from bot.cards.csvfile import screen_csv
from bot.cards.name import vrp_card, why_card
from bot.cards.screen import post_card, screen_card
from bot.cards.status import Status, status_card
from bot.cards.table import LANGUAGES, numbers
from engine.screen.result import Coverage
from tests.bot.cards.builders import a_history, a_miss, a_row, a_run, a_screen, simulated_run

ENGLISH = re.compile(r"\d\.(?!\d{3}(?!\d))\d")
"""A point before decimals; before exactly three digits it may part thousands."""
SAID = {"spot": {"source": "cboe", "value": 69.1, "otherwise": [{"source": "yahoo", "value": 69.17}]}}
ROW = a_row("XLE", values={"trade_strike": 1070.0, "spot": 1069.1, "provenance": json.dumps(SAID)})
SCREEN = a_screen([ROW, a_row("GLD"), a_miss("KO")], run=simulated_run())
BEFORE = a_screen([a_row("GLD"), a_row("KO")], run=simulated_run())
STATUS = Status(
    version="dev",
    source="recorded ndx100",
    universe=5_200,
    last_run=a_run(),
    last_run_id=12,
    coverage=Coverage(5_200, 5_100, 14, {"no option quotes": 100}),
    clock=None,
    sources=("yahoo is silent.",),
    runs_stored=1_250,
    observations_stored=31_450,
    database_bytes=41_230_000,
    uptime_seconds=93_600.0,
    latency_ms=1041.2,
    guilds=3,
)
CARDS: dict[str, Callable[[], Card]] = {
    "post": lambda: post_card(SCREEN, 3, BEFORE),
    "screen": lambda: screen_card(SCREEN, 3),
    "empty": lambda: screen_card(a_screen([a_miss("KO")]), 3),
    "vrp": lambda: vrp_card(ROW, a_run(), 3, a_history(70)),
    "why": lambda: why_card(a_miss("KO"), a_run(), 3),
    "status": lambda: status_card(STATUS),
}


def drawn(name: str, language: str) -> tuple[Card, str]:
    """A card and all of its words but the footer, which names versions and keys."""
    with numbers(language):
        card = CARDS[name]()
    return card, "\n".join((card.headline, card.table, card.sentence, *card.details, card.asof))


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("language", ["de", "fr"])
def test_no_number_keeps_its_english_dress(name: str, language: str) -> None:
    _, english = drawn(name, "en")
    _, text = drawn(name, language)
    assert ENGLISH.search(english) or name == "empty"
    assert not ENGLISH.search(text), text
    assert re.search(r"\d,\d", text)


@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_only_the_marks_of_numbers_change(name: str, language: str) -> None:
    card, text = drawn(name, language)
    english, words = drawn(name, "en")
    assert re.sub(r"(?<=\d)[ .,'](?=\d)", "", text) == re.sub(r"(?<=\d)[ .,'](?=\d)", "", words)
    assert (card.title, card.footer, card.buttons) == (english.title, english.footer, english.buttons)
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())


def test_the_post_in_german_as_it_is_read() -> None:
    _, text = drawn("post", "de")
    assert "27,4" in text
    assert "1,51" in text
    assert "short 0,08" in text


def test_thousands_are_parted_as_the_language_does() -> None:
    assert "at spot 1.069,10" in drawn("vrp", "de")[1]
    assert "at spot 1 069,10" in drawn("vrp", "fr")[1]
    assert "at spot 1'069.10" in drawn("vrp", "ch")[1]
    assert "Spot is 69,17 by yahoo" in drawn("vrp", "de")[1]
    assert "5.100 of 5.200 names, 100 without data" in drawn("status", "de")[1]


def test_the_picture_speaks_it_too() -> None:
    with numbers("de"):
        assert "Latest: IV30 27,4, HV30 18,1, HV90 20,0" in describe(a_run(), [], ROW)
        german = CARDS["vrp"]().image
    english = CARDS["vrp"]().image
    assert german is not None
    assert english is not None
    assert german.data != english.data


def test_a_file_for_machines_stays_english() -> None:
    with numbers("de"):
        german = screen_csv(SCREEN)
    assert german == screen_csv(SCREEN)
    assert b"0.274" in german.data
