"""Words from outside: whatever they hold, they neither format, nor mention, nor break a table."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.text import clean, escaped, listed, mono, stamp


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("**bold**", r"\*\*bold\*\*"),
        ("a_b_c", r"a\_b\_c"),
        ("`code`", r"\`code\`"),
        ("||spoiler||", r"\|\|spoiler\|\|"),
        ("two\nlines\t here", "two lines here"),
        ("> quote", r"\> quote"),
        ("# head", r"\# head"),
    ],
)
def test_markdown_is_taken_literally(hostile, harmless):
    assert escaped(hostile) == harmless


@pytest.mark.parametrize(
    "mention",
    ["@everyone", "@here", "<@123456789012345678>", "<@&123456789012345678>", "<#123456789012345678>"],
)
def test_mentions_are_broken(mention):
    assert mention not in escaped(f"see {mention} now")


def test_a_masked_link_shows_its_address_and_nothing_in_it_is_formatted():
    text = escaped("[free](https://x.example) **money** [more](https://y.example)")
    assert "](" not in text
    assert text.count("\\*\\*") == 2


def test_markdown_inside_an_address_is_literal():
    assert escaped("https://x.example/a**b**") == r"https://x.example/a\*\*b\*\*"


def test_direction_marks_and_lone_surrogates_vanish():
    assert clean("A\u202eB\ud800C\u200b") == "ABC"


def test_a_long_name_is_cut_visibly():
    assert clean("x" * 300, 20) == "x" * 19 + "…"


@given(st.text(max_size=400), st.integers(1, 60))
def test_mono_is_one_line_of_single_columns(text, width):
    line = mono(text, width)
    assert len(line) <= width
    assert all(" " <= character <= "~" or character == "…" for character in line)
    assert "`" not in line


@given(st.text(max_size=400))
def test_escaped_is_one_line_without_fence(text):
    line = escaped(text)
    assert "\n" not in line
    assert "```" not in line


def test_a_timestamp_needs_a_time_zone():
    assert stamp(datetime(2026, 4, 29, 20, 15, tzinfo=UTC), "R") == "<t:1777493700:R>"
    with pytest.raises(ValueError, match="time zone"):
        stamp(datetime(2026, 4, 29, 20, 15))  # noqa: DTZ001


def test_a_list_names_how_many_it_leaves_out():
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert listed(["a", "b"], 2) == "a, b"
    assert listed([], 2) == ""
