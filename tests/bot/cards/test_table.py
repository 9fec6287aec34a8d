"""Numbers in monospace: right aligned, bounded, and never a 0 for what is missing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.card import TABLE_WIDTH
from bot.cards.table import (
    LANGUAGES,
    MISSING,
    Column,
    count,
    fixed,
    grouped,
    layout,
    numbers,
    ordinal,
    pairs,
    percent,
    percent_text,
    plain,
    ratio,
    signed,
    times_text,
    whole,
)

anything = st.floats(allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "form", [fixed, percent, ratio, whole, count, signed, percent_text, times_text, ordinal]
)
def test_what_is_missing_is_a_question_mark(form, absent):
    assert form(absent) == MISSING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.274), "27.4"),
        (percent(0.0), "0.0"),
        (percent(12.345, 4), "1234"),
        (percent(99.0, 4), "9900"),
        (percent(123.4, 4), ">999"),
        (ratio(1.506), "1.51"),
        (ratio(0.0), "0.00"),
        (ratio(-0.001), "0.00"),
        (ratio(12345.6, 4), ">999"),
        (ratio(-12345.6, 4), "<-99"),
        (whole(88.4), "88"),
        (count(842), "842"),
        (count(12_345), "12.3k"),
        (count(4_100_000), "4.1M"),
        (signed(0.3), "+0.30"),
        (signed(-0.08), "-0.08"),
        (percent_text(0.031), "3.1 %"),
        (times_text(1.51), "1.51x"),
    ],
)
def test_dress_of_numbers(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("rank", "text"),
    [
        (0, "0th"),
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (11, "11th"),
        (12, "12th"),
        (88, "88th"),
        (91.2, "91st"),
    ],
)
def test_ordinals(rank, text):
    assert ordinal(rank) == text


@given(anything, st.integers(0, 4), st.integers(3, 12))
def test_a_number_never_grows_beyond_its_columns(value, decimals, width):
    assert len(fixed(value, decimals, width)) <= width


@given(anything)
def test_a_count_fits_seven_columns(value):
    assert len(count(value)) <= 7


def test_numbers_stand_right_and_words_left():
    table = layout((Column("SYM", ["XLE", "AAPL"], right=False), Column("IV%", ["27.4", "9.1"])))
    assert table == "SYM   IV%\nXLE  27.4\nAAPL  9.1"


def test_only_the_flexible_column_gives_way():
    table = layout(
        (
            Column("SYM", ["A" * 300], right=False, flexible=True),
            Column("IV%", ["27.4"]),
            Column("RV%", ["18.1"]),
        )
    )
    line = table.splitlines()[1]
    assert len(line) == TABLE_WIDTH
    assert line.endswith("… 27.4 18.1")


texts = st.text(max_size=320)


@given(st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=9), st.data())
def test_a_table_is_never_wider_than_a_phone(columns, data):
    flexible = data.draw(st.integers(0, len(columns) - 1))
    table = layout([Column("H", cells, i % 2 == 0, i == flexible) for i, cells in enumerate(columns)])
    lines = table.splitlines()
    assert max(map(len, lines), default=0) <= TABLE_WIDTH
    assert len(lines) <= 1 + max(map(len, columns))
    assert "`" not in table


@given(st.lists(st.tuples(st.sampled_from(["uptime", "record", ""]), texts), max_size=6))
def test_pairs_keep_the_width_too(entries):
    assert all(len(line) <= TABLE_WIDTH for line in pairs(entries).splitlines())


@pytest.mark.parametrize(
    ("language", "long", "short", "thousands"),
    [
        ("en", "1,234.50", "27.4 %", "12,400"),
        ("de", "1.234,50", "27,4 %", "12.400"),
        ("fr", "1 234,50", "27,4 %", "12 400"),
        ("ch", "1'234.50", "27.4 %", "12'400"),
        (None, "1,234.50", "27.4 %", "12,400"),
    ],
)
def test_a_language_dresses_every_number(language, long, short, thousands):
    with numbers(language):
        assert (fixed(1234.5, 2, 9), percent_text(0.274), grouped(12_400)) == (long, short, thousands)
    assert fixed(1234.5, 2, 9) == "1,234.50"


def test_an_unknown_language_is_refused():
    with pytest.raises(KeyError, match="tlh"), numbers("tlh"):
        pass


def test_a_failure_within_leaves_the_language_behind():
    with pytest.raises(ZeroDivisionError), numbers("de"):
        _ = 1 / 0
    assert ratio(1.5) == "1.50"


@given(anything, st.sampled_from(sorted(LANGUAGES)), st.integers(2, 9))
def test_a_language_changes_marks_and_neither_digits_nor_width(value, language, width):
    forms = (ratio, whole, lambda v, w: fixed(v, 1, w), lambda v, _: count(v), lambda v, _: plain(v))
    for form in forms:
        english = form(value, width)
        with numbers(language):
            dressed = form(value, width)
        assert len(dressed) == len(english)
        assert dressed.translate(str.maketrans("".join(LANGUAGES[language]), ",.")) == english


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (25.0, "25"),
        (1.15, "1.15"),
        (0.1 + 0.2, "0.3"),
        (12_345.0, "12,345"),
        (999_999.4, "999,999"),
        (1e6, "1,000,000"),
        (None, MISSING),
    ],
)
def test_a_plain_number_has_the_digits_it_has(value, expected):
    assert plain(value) == expected


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [(1234.5, 8, "1,234.5"), (1234.5, 6, "1234.5"), (1234.5, 5, "1,234"), (1234.5, 4, "1234")],
)
def test_marks_between_thousands_give_way_before_decimals(value, width, expected):
    assert fixed(value, 1, width) == expected
