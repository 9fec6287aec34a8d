"""What a bad day would do to a book: the scenarios in words and numbers, and the picture."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.cards import drawing
from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import ALT_TEXT_LIMIT, DESCRIPTION_LIMIT, to_message
from bot.cards.portfolio_charts import describe, drawable, stress_chart
from bot.cards.portfolio_stress import frequency_text, stress_card
from engine.portfolio.result import Analysis, Stress, Surface
from tests.bot.cards.books import (
    STRESS,
    a_line,
    a_market,
    a_simulated_market,
    a_surface,
    an_analysis,
    nothing_known,
)
from tests.bot.cards.builders import shown
from tests.bot.cards.test_charts import opened, pixels


def of(**parts: object) -> Analysis:
    return an_analysis(stress=replace(STRESS, **parts))  # type: ignore[arg-type]


def test_a_line_a_scenario_and_who_loses_most_in_the_worst() -> None:
    assert stress_card(an_analysis(), a_market()).table.splitlines() == [
        "SCENARIO           SPY% VIXp    P/L  NL%",
        "crash                -5  +15 -4,120 -8.2",
        "sell-off             -3   +5 -1,310 -2.6",
        "unchanged             0    0      0  0.0",
        "rally                +3   -5   +240  0.5",
        "melt-up              +5  -10   -380 -0.8",
        "fear without a mo…    0  +10 -1,905 -3.8",
        "calm without a mo…    0  -10   +933  1.9",
        "",
        "LEGS THAT LOSE MOST IN IT          P/L",
        "-2 NVDA 2026-06-19 95P @ 2.15   -1,830",
        "-2 KO 2026-06-19 60P @ 1.15     -1,240",
        "-1 AMZN 2026-05-15 172.5P @ 3.4   -610",
    ]


def test_the_headline_names_the_worst_and_the_sentence_how_often_it_comes() -> None:
    card = stress_card(an_analysis(), a_market())
    assert card.headline == "Worst: crash, P/L -4,120, -8.2 % of net liquidation"
    assert card.sentence == "A day with such a move: about 1 day in 400 (0.25 %)."
    assert "VIX at 18.22 points (^VIX of this market)." in card.details
    assert "Beta of XYZ is not known, 1 is assumed." in card.details


def test_without_net_liquidation_there_is_no_share_of_it() -> None:
    card = stress_card(an_analysis(net_liquidation=None), a_market())
    assert card.headline == "Worst: crash, P/L -4,120"
    assert "NL%" not in card.table
    assert "fear without a move" in card.table


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0025, "about 1 day in 400 (0.25 %)"),
        (0.0125, "about 1 day in 80 (1.25 %)"),
        (0.0008, "about 1 day in 1,250 (0.08 %)"),
        (0.3704, "37 % of days"),
        (0.0, "never in that record"),
        (None, "not known"),
        (math.nan, "not known"),
    ],
)
def test_how_often_in_words(share: float | None, text: str) -> None:
    assert frequency_text(share) == text


def test_a_source_is_told_once() -> None:
    assert shown(stress_card(an_analysis(), a_market())).count("How often") == 1


def test_a_book_that_cannot_be_revalued_says_so() -> None:
    lines = tuple(replace(line, pl=None, worst=()) for line in STRESS.lines)
    blind = an_analysis([nothing_known()], stress=replace(STRESS, lines=lines, surface=None))
    card = stress_card(blind, a_market())
    assert card.headline == "Nothing of this book could be revalued"
    assert card.image is None
    assert "LOSE" not in card.table
    assert all(line.split()[-1] == "?" for line in card.table.splitlines()[1:])
    assert "no quotes" in shown(card)


def test_a_book_that_loses_nowhere_says_so() -> None:
    gaining = replace(a_line("rally", 3, -5, 12.0, 0.01), worst=())
    card = stress_card(of(lines=(gaining,)), a_market())
    assert card.sentence == "No scenario loses money."
    assert "LOSE" not in card.table


def test_the_card_fits_a_message_with_its_picture() -> None:
    lines = tuple(a_line("x" * 40, -50.5, 200.25, -1e9, 0.001 * n) for n in range(1, 21))
    card = stress_card(of(lines=lines, notes=("n" * 400,) * 30), a_simulated_market())
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
    message = to_message(card)
    assert len(message["embeds"][0].description) <= DESCRIPTION_LIMIT
    assert len(message["files"]) == 1
    assert card.title.startswith("SIMULATED")


# --- the picture -------------------------------------------------------------------------------


def chart(surface: Surface | None = None, simulated: bool = False, **parts: object) -> bytes:
    return stress_chart(of(surface=surface or a_surface(), **parts), "SPY", simulated)


def test_a_valid_picture_of_the_usual_size_and_dark_as_the_client() -> None:
    data = chart()
    image = Image.open(BytesIO(data))
    assert (image.format, image.size) == ("PNG", (840, 420))
    assert image.convert("RGB").getpixel((2, 2)) == (0x2B, 0x2D, 0x31)
    assert len(data) < 300_000


def test_only_simulated_pictures_carry_the_word() -> None:
    assert pixels(chart(simulated=True), drawing.SIMULATED_COLOUR) > 100
    assert pixels(chart(), drawing.SIMULATED_COLOUR) == 0


def colour_at(data: bytes, across: float, up: float) -> tuple[int, int, int]:
    """The colour at a place of the drawing, 0..1 from the left and the foot."""
    left, bottom, width, height = 0.085, 0.125, 0.775, 0.70
    x, y = (left + across * width) * 840, (1 - bottom - up * height) * 420
    red, green, blue = np.asarray(opened(data))[round(y), round(x)][:3].tolist()
    return red, green, blue


def test_loss_is_orange_and_gain_is_blue_where_the_surface_says_so() -> None:
    across, up = np.linspace(-0.1, 0.1, 21), np.linspace(-10.0, 20.0, 11)
    falling = np.tile(np.linspace(-5000.0, 5000.0, 21), (11, 1))
    data = chart(Surface(across, up, falling), lines=())
    red, _, blue = colour_at(data, 0.08, 0.5)
    assert red > blue + 60
    red, _, blue = colour_at(data, 0.92, 0.5)
    assert blue > red + 60


def test_the_line_of_zero_stands_where_the_sign_changes() -> None:
    across, up = np.linspace(-0.1, 0.1, 21), np.linspace(-10.0, 20.0, 11)
    rising = np.tile(np.linspace(-1000.0, 1000.0, 21), (11, 1))
    data = chart(Surface(across, up, rising), lines=())
    assert colour_at(data, 0.5, 0.5) == (0xF2, 0xF3, 0xF5)
    always = chart(Surface(across, up, rising + 5000.0), lines=())
    assert colour_at(always, 0.5, 0.5) != (0xF2, 0xF3, 0xF5)


def test_each_scenario_within_the_picture_is_a_point() -> None:
    without = pixels(chart(lines=()), drawing.INK)
    one = pixels(chart(lines=(a_line("crash", -5, 15, -4120.0, None),)), drawing.INK)
    assert one > without + 40
    assert pixels(chart(lines=(a_line("beyond", -50, 90, -9e5, None),)), drawing.INK) == without


def test_what_could_not_be_revalued_stays_empty() -> None:
    surface = a_surface()
    holed = surface.pl.copy()
    holed[:, : surface.pl.shape[1] // 2] = np.nan
    data = chart(Surface(surface.moves, surface.vol_points, holed), lines=())
    assert colour_at(data, 0.2, 0.5) == (0x2B, 0x2D, 0x31)
    assert colour_at(data, 0.9, 0.5) != (0x2B, 0x2D, 0x31)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(), min_size=4, max_size=4),
    st.floats(0.001, 0.9),
    st.text(max_size=30),
    st.none() | st.floats(),
)
def test_no_surface_and_no_scenario_breaks_it(
    corners: list[float], reach: float, label: str, pl: float | None
) -> None:
    surface = Surface(np.array([-reach, reach]), np.array([-1.0, 2.0]), np.array(corners).reshape(2, 2))
    stress = replace(STRESS, surface=surface, lines=(a_line(label, 0.0, 0.5, pl, None),) * 3)
    analysis = an_analysis(stress=stress)
    assert len(describe(analysis, "SPY", simulated=True)) <= ALT_TEXT_LIMIT
    if drawable(stress):
        assert opened(stress_chart(analysis, "$\\frac{", simulated=False)).size == (840, 420)
    else:
        with pytest.raises(ValueError, match="no surface"):
            stress_chart(analysis, "SPY", simulated=False)


def test_the_words_beside_the_picture() -> None:
    words = describe(of(lines=STRESS.lines[:2]), "SPY", simulated=True)
    assert words == (
        "SIMULATED market. Profit and loss of the book at once, Wed 29 Apr 2026, over SPY from -10 to 10 % "
        "and the VIX from -10 to 20 points: between -12,600 and +1,816. "
        "Scenarios: crash -4,120; sell-off -1,310."
    )


@pytest.mark.parametrize("surface", [None, Surface(np.array([0.0]), np.array([0.0]), np.zeros((1, 1)))])
def test_without_a_surface_there_is_no_picture(surface: Surface | None) -> None:
    stress: Stress = replace(STRESS, surface=surface)
    assert not drawable(stress)
    assert stress_card(an_analysis(stress=stress), a_market()).image is None


def test_the_same_book_gives_the_same_bytes() -> None:
    assert chart() == chart()
