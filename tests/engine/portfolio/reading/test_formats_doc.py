"""docs/portfolio-formats.md: every example in it is read as it says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from engine.portfolio.reading.importers import LARGEST, MOST_ROWS, read_book
from engine.portfolio.reading.notation import parse_notation

ASOF = date(2026, 4, 29)
PAGE = (Path(__file__).parents[4] / "docs" / "portfolio-formats.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("line", [line for block in blocks("notation") for line in block.splitlines()])
def test_every_line_of_notation_is_read(line: str) -> None:
    reading = parse_notation(line, ASOF)
    assert reading.legs
    assert not reading.rejected


def test_the_four_ways_to_write_one_put_are_one_leg() -> None:
    lines = blocks("notation")[0].splitlines()
    texts = {parse_notation(lines[place], ASOF).legs[0].text for place in (0, 1, 4, 5)}
    assert texts == {"-2 KO 2026-12-18 60P @ 1.15"}


@pytest.mark.parametrize(
    ("language", "form", "legs"),
    [
        (
            "csv",
            "plain",
            [
                "-2 KO 2026-12-18 60P @ 1.15",
                "-2 KO 2026-12-18 65C @ 0.95",
                "200 KO @ 61.2",
                "-1 ^SPX 2026-12-18 6000P",
                "-1 /ES 2026-12-18 5900P @ 38.25",
                "2 KO 2026-12-18 55P @ 0.4",
            ],
        ),
        (
            "tastytrade",
            "tastytrade",
            ["-2 KO 2026-12-18 60P @ 1.15", "100 KO @ 61.2", "-1 /ES 2026-12-18 5900P @ 38.25"],
        ),
        ("schwab", "schwab", ["100 KO @ 61.2", "-2 KO 2026-12-18 60P @ 1.15"]),
    ],
)
def test_every_file_is_read(language: str, form: str, legs: list[str]) -> None:
    (block,) = blocks(language)
    reading = read_book(block.encode(), ASOF)
    assert reading.format == form
    assert [leg.text for leg in reading.legs] == legs
    assert not reading.rejected


def test_the_limits_it_names_are_those_in_force() -> None:
    assert f"{LARGEST // 1024} kB and {MOST_ROWS:,} rows" in PAGE
