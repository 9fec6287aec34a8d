"""The picture of one name: valid and legible whatever the record holds."""

import math
from datetime import timedelta
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.cards import drawing
from bot.cards.charts import describe, drawable, vrp_chart
from bot.cards.history import HistoryPoint
from tests.bot.cards.builders import SESSION, a_history, a_row, a_run, simulated_run, unmeasured

NAN_HISTORY = a_history(80, iv30=math.nan, hv30=None, hv90=math.inf)
HOLES = [
    point if place % 5 else HistoryPoint(point.session, None, math.nan, None, None)
    for place, point in enumerate(a_history(120))
]


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def pixels(data: bytes, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.asarray(opened(data)) == wanted).all(axis=2).sum())


@pytest.mark.parametrize(
    "history",
    [[], a_history(1), a_history(3), a_history(59), a_history(251), a_history(900), NAN_HISTORY, HOLES],
    ids=["empty", "one", "three", "short", "year", "years", "nan", "holes"],
)
def test_a_valid_picture_of_the_same_size_and_dark_as_the_client(history):
    data = vrp_chart("XLE", a_run(), history, a_row())
    image = opened(data)
    assert image.format == "PNG"
    assert image.size == (840, 420)
    assert 5_000 < len(data) < 300_000
    assert image.convert("RGB").getpixel((2, 2)) == (0x2B, 0x2D, 0x31)


def test_a_name_without_any_value_still_draws():
    row = unmeasured()
    assert not drawable(a_run(), NAN_HISTORY, row)
    assert opened(vrp_chart("ZZZ", a_run(), [], row)).size == (840, 420)


volatility = st.none() | st.floats()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(volatility, volatility, volatility, st.none() | st.booleans()), max_size=80),
    st.integers(1, 40),
    st.text(max_size=40),
)
def test_no_record_and_no_symbol_breaks_it(values, step, symbol):
    history = [
        HistoryPoint(SESSION - timedelta(days=step * (len(values) - place)), *point)
        for place, point in enumerate(values)
    ]
    assert opened(vrp_chart(symbol, a_run(), history, a_row(symbol))).size == (840, 420)


def test_a_dollar_sign_is_no_formula():
    assert opened(vrp_chart("$\\frac{", a_run(), [], a_row())).size == (840, 420)


def test_only_simulated_pictures_carry_the_word():
    assert pixels(vrp_chart("XLE", simulated_run(), a_history(90), a_row()), drawing.SIMULATED_COLOUR) > 100
    assert pixels(vrp_chart("XLE", a_run(), a_history(90), a_row()), drawing.SIMULATED_COLOUR) == 0


def test_every_line_is_there():
    data = vrp_chart("XLE", a_run(), a_history(251), a_row())
    for colour in (drawing.IV_COLOUR, drawing.HV_COLOUR, drawing.HV90_COLOUR):
        assert pixels(data, colour) > 40


def test_days_listed_are_marked_at_the_foot():
    none = vrp_chart("XLE", a_run(), a_history(200, passed=False), a_row(passed=False))
    some = vrp_chart("XLE", a_run(), a_history(200, passed=True), a_row())
    assert pixels(some, drawing.INK) > pixels(none, drawing.INK) + 200


def test_points_after_the_run_do_not_leak_into_its_picture():
    later = HistoryPoint(SESSION + timedelta(days=1), 9.0, 9.0, 9.0, passed=True)
    past = a_history(70)
    assert vrp_chart("XLE", a_run(), [*past, later], a_row()) == vrp_chart("XLE", a_run(), past, a_row())


def test_the_same_record_gives_the_same_bytes_in_any_order():
    past = a_history(70)
    assert vrp_chart("XLE", a_run(), past, a_row()) == vrp_chart("XLE", a_run(), past[::-1], a_row())


def test_the_words_beside_the_picture():
    assert describe(a_run(), a_history(2), a_row()) == (
        "XLE: implied and realized volatility over 3 stored closes up to Wed 29 Apr 2026, percent a year. "
        "Latest: IV30 27.4, HV30 18.1, HV90 20.0. n=3, history is being built. Listed on 2 of these days."
    )
    assert "n=101. " in describe(a_run(), a_history(100), a_row())
    assert describe(simulated_run(), [], a_row()).startswith("SIMULATED market. ")
    assert "HV30 ?" in describe(a_run(), a_history(5), a_row(values={"hv30": None}))


@given(st.lists(st.floats(-500, 800), min_size=1, max_size=6).map(sorted))
def test_labels_never_overlap_and_stay_above_the_foot(places):
    apart = drawing.apart(places, 50.0)
    assert len(apart) == len(places)
    assert all(b - a >= drawing.LABEL_GAP - 1e-6 for a, b in pairwise(apart))
    assert min(apart) >= 50.0


def test_labels_far_apart_stay_where_they_are():
    assert drawing.apart([100.0, 200.0, 300.0], 50.0) == [100.0, 200.0, 300.0]
