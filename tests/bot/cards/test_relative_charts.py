"""The pictures of a pair and a sector: valid and dark whatever the record holds, and told in words."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bot.cards import drawing
from bot.cards.relative_charts import (
    MOST_BARS,
    describe_pair,
    describe_sector,
    pair_chart,
    pair_drawable,
    sector_chart,
)
from tests.bot.cards.builders import a_run, simulated_run
from tests.bot.cards.pairs import a_pair, a_past, a_sector

LIMIT = 0.5
YEAR = a_past(np.linspace(1.0, 1.4, 300).tolist(), [0.9] * 300)
HOLES = a_past([1.1, math.nan, 1.2, math.inf, 1e300] * 20, [0.9, 0.8, math.nan, 0.9, 0.9] * 20)
EMPTY = a_past([math.nan] * 30, [math.nan] * 30)
LONE = a_pair(spread=None, structural_b=None)


def pixels(data: bytes, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.asarray(Image.open(BytesIO(data))) == wanted).all(axis=2).sum())


def check(data: bytes) -> None:
    image = Image.open(BytesIO(data))
    image.load()
    assert (image.format, image.size) == ("PNG", (840, 420))
    assert image.convert("RGB").getpixel((2, 2)) == (0x2B, 0x2D, 0x31)


@pytest.mark.parametrize("row", [a_pair(), a_pair(spread=-0.7), LONE], ids=["rich", "cheap", "no data"])
@pytest.mark.parametrize("past", [None, YEAR, HOLES, EMPTY], ids=["none", "year", "holes", "empty"])
def test_a_valid_picture_whatever_the_record_holds(row, past):
    check(pair_chart(row, a_run(), past, LIMIT))


def test_both_legs_and_the_lines_of_convergence_are_drawn():
    data = pair_chart(a_pair(), a_run(), YEAR, LIMIT)
    for colour in (drawing.IV_COLOUR, drawing.HV_COLOUR, drawing.INK, drawing.HV90_COLOUR):
        assert pixels(data, colour) > 100
    assert pixels(data, drawing.SIMULATED_COLOUR) == 0
    assert pixels(pair_chart(a_pair(), simulated_run(), YEAR, LIMIT), drawing.SIMULATED_COLOUR) > 100


def test_the_same_pair_gives_the_same_bytes():
    assert pair_chart(a_pair(), a_run(), YEAR, LIMIT) == pair_chart(a_pair(), a_run(), YEAR, LIMIT)


def test_there_is_nothing_to_draw_without_any_ratio():
    bare = a_pair(spread=None, structural_b=None)
    assert not pair_drawable(bare, a_run(), None)
    assert not pair_drawable(bare, a_run(), EMPTY)
    assert pair_drawable(bare, a_run(), YEAR)
    assert pair_drawable(a_pair(), a_run(), None)


def test_a_pair_in_words_counts_what_is_drawn_and_nothing_after_the_run():
    said = describe_pair(a_pair(), simulated_run(), YEAR, LIMIT)
    assert said == (
        "SIMULATED market. GLD and SLV: IV30 / HV252 of both and the spread GLD - SLV over 252 closes up to "
        "Wed 29 Apr 2026. Latest: +0.62 (1.45 and 0.83); dashed at -0.50 and +0.50. n=252."
    )
    earlier = a_run(session=YEAR.sessions[10])
    assert "over 11 closes" in describe_pair(a_pair(), earlier, YEAR, LIMIT)


@pytest.mark.parametrize(
    "report",
    [
        a_sector(),
        a_sector(market=None),
        a_sector(market=3.0),
        a_sector(ratios="A 1.00 B 1.00 C 1.00"),
        a_sector(ratios=" ".join(f"N{i} {0.5 + i / 50}" for i in range(60))),
    ],
    ids=["three", "alone", "far", "even", "sixty"],
)
def test_a_sector_of_any_kind_is_a_valid_picture(report):
    check(sector_chart(report, a_run()))


def test_bars_to_both_sides_have_colours_of_their_own():
    data = sector_chart(a_sector(), simulated_run())
    assert pixels(data, drawing.IV_COLOUR) > 1000
    assert pixels(data, drawing.HV_COLOUR) > 1000
    assert pixels(data, drawing.SIMULATED_COLOUR) > 100


def test_a_sector_in_words_names_as_many_as_are_drawn():
    said = describe_sector(a_sector(), a_run())
    assert said == (
        "Financials, Wed 29 Apr 2026: IV30 / HV90 of its names around their mean 1.15, the market's median "
        "1.02. JPM 1.45 (+0.30); WFC 1.15 (+0.00); C 0.85 (-0.30)."
    )
    crowd = a_sector(ratios=" ".join(f"N{i} {0.5 + i / 50}" for i in range(60)))
    assert describe_sector(crowd, a_run()).count("(") == MOST_BARS
