"""The calibration card and the monthly note from hand-made closes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta

from bot.cards.calibration import CalibrationView, calibration_card, calibration_note
from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import DESCRIPTION_LIMIT, to_message
from bot.cards.table import numbers
from engine.proof.calibration import calibrate
from engine.proof.lenses import Close
from engine.screen.result import Coverage
from tests.bot.cards.builders import a_run, shown, simulated_run
from tests.engine.screen.tables import row, rules, table

DAY = date(2026, 4, 29)
NARROW = [str(place) for place in range(60)]


def a_view(
    symbols: Sequence[str] = NARROW, lens: str = "quarterly", closes: int = 1, **parts: object
) -> CalibrationView:
    """Names at 30 % over 20 % of quarterly and yearly volatility: a ratio of 1, all of them rich."""
    names = table(*(row(30.0, 20.0, 20.0, symbol=symbol) for symbol in symbols))
    days = [Close(DAY - timedelta(days=closes - 1 - place), names) for place in range(closes)]
    found = calibrate(days, rules(lens=lens))
    size = len(symbols)
    view = {
        "run": a_run(lens=lens),
        "run_id": 7,
        "whose": "the rules of the bot",
        "coverage": Coverage(size, size, size),
    }
    return CalibrationView(found, **(view | parts))  # type: ignore[arg-type]


def test_the_card_holds_every_figure_and_fits() -> None:
    for lens in ("quarterly", "yearly", "consensus"):
        card = calibration_card(a_view([f"LONGNAME{i}" for i in range(60)], lens, closes=63))
        assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
        embed = to_message(card)["embeds"][0]
        assert len(embed.description) <= DESCRIPTION_LIMIT
        assert "more lines" not in embed.description, "nothing gave way"
    text = shown(calibration_card(a_view()))
    for words in (
        "Calibration · Wed 29 Apr 2026",
        "3 triggers of 5: ratio below, candidates above, drift",
        "Mean IV30/HV90 1.500 over mean IV30/HV252 1.500 is 1.000",
        "The ratio 1.000 is below 1.10: the method suggests lowering the quarterly thresholds (structural "
        "1.10 to 0.935, rich 1.30 to 1.105, tactical 1.15 to 0.9775)",
        "60 candidates are above 50: the method suggests raising the quarterly thresholds (structural 1.10 "
        "to 1.20, tactical 1.15 to 1.25). With them 60 names would pass every gate instead of 60.",
        "The triggers contradict each other",
        "What if by rank:** structural 0, every gate 0",
        "60 fewer (0, 1, 2, 3, 4, 5, 6, 7 and 52 more)",
        "Nothing was changed: a threshold moves only when a person moves it.",
    ):
        assert words in text


def test_the_histogram_counts_every_name() -> None:
    lines = calibration_card(a_view()).table.splitlines()
    bars = lines[lines.index("IV30/HV90, names") + 1 :]
    assert sum(int(line.split()[-1]) for line in bars) == 60
    assert next(line for line in bars if line.startswith("  1.50")).split()[-1] == "60"


def test_pooled_closes_show_their_range_and_where_they_come_from() -> None:
    text = shown(calibration_card(a_view(closes=3, coverage=None)))
    assert "Calibration · 3 closes to Wed 29 Apr 2026" in text
    assert "Stored closes, Mon 27 Apr 2026 to Wed 29 Apr 2026 · recorded ndx100" in text
    assert "Close by close: ratio 1.000 to 1.000, candidates 60 to 60." in text


def test_too_few_names_show_figures_and_no_suggestion() -> None:
    view = a_view(NARROW[:3])
    text = shown(calibration_card(view))
    assert "No trigger is evaluated" in text
    assert "Only 3 names have both lenses, fewer than 10" in text
    assert "suggests" not in text
    assert calibration_note(view) is None


def test_the_note_is_short_and_says_that_nothing_was_changed() -> None:
    note = calibration_note(a_view(coverage=None, run=simulated_run()))
    assert note is not None
    assert note.title.startswith("SIMULATED · Calibration note")
    assert (note.table, note.files, note.buttons) == ("", (), ())
    assert "Nothing was changed" in shown(note)
    assert "What if" not in shown(note)
    assert len(shown(note)) < 2000


def test_numbers_speak_the_readers_language() -> None:
    with numbers("de"):
        text = shown(calibration_card(a_view()))
    assert "structural 1,10 to 0,935" in text
    assert "  1,50 #" in text
    assert "below 1,10 is the ordinary state" in text


def test_names_of_a_source_are_harmless() -> None:
    view = a_view(["=cmd()", "@everyone", "**A**", *NARROW[:12]])
    card = calibration_card(view)
    assert "@everyone" not in shown(card)
    assert "\\*\\*A\\*\\*" in shown(card)
    rows = list(csv.DictReader(io.StringIO(card.files[0].data.decode())))
    assert {line["symbol"] for line in rows} >= {"'=cmd()", "'@everyone"}


def test_no_line_is_made_a_list_that_swallows_those_after_it() -> None:
    view = a_view()
    note = calibration_note(view)
    assert view.found.fired
    assert note is not None
    for card in (calibration_card(view), note):
        assert any(line.startswith("• ") for line in card.details)
        assert not any(line.startswith(("- ", "* ", "+ ")) for line in card.details)
