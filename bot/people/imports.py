"""Names out of what people paste and upload: every entry is taken or refused with its place and a reason."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.inputs import SymbolIndex
from engine.errors import UnreadableError
from engine.symbols import as_ticker, shortened
from engine.uploads import plain_lines

LARGEST = 64 * 1024
"""Bytes a file may have."""
SUFFIXES = (".csv", ".txt")
_HEADERS = ("symbol", "ticker", "symbols", "tickers")
_PREAMBLE = 20
"""Lines in which the header is looked for; brokers put titles and dates above it."""
_DELIMITERS = ",;\t|"
_EXCHANGE = re.compile(r"[A-Z]{2,10}:")
_TEXT_CELL = re.compile(r'="([^"]*)"')
_BETWEEN = re.compile(r"[\s,;]+")
_FORMULA = ("=", "+", "@")
_NEARBY = 10
"""Unknown names that get suggestions; to look for them among thousands takes time."""


@dataclass(frozen=True, slots=True)
class Found:
    """One name and where it stood, counted from 1: the line of a file, the entry of a sentence."""

    place: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry that cannot be used and why."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text holds: the names once each in their order, and what is none."""

    names: tuple[Found, ...]
    refused: tuple[Refused, ...]
    repeated: int = 0
    """Entries left out because their name stood above already."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A reading held against the universe; `strangers` are names that are taken though it lacks them."""

    symbols: tuple[str, ...]
    refused: tuple[Refused, ...]
    strangers: tuple[str, ...]
    repeated: int


def check(reading: Reading, index: SymbolIndex, anything: bool) -> Checked:
    """Which of the names can be kept: those of the universe, or with a live market anything.

    The others are refused by name, the first few of them with what is near.
    """
    unknown = [found for found in reading.names if found.symbol not in index]
    if anything:
        symbols = tuple(found.symbol for found in reading.names)
        return Checked(symbols, reading.refused, tuple(f.symbol for f in unknown), reading.repeated)
    refused = [*reading.refused]
    for number, found in enumerate(unknown):
        near = index.near(found.symbol) if number < _NEARBY else []
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        refused.append(Refused(found.place, f"{found.symbol} is not in the universe{hint}"))
    known = tuple(found.symbol for found in reading.names if found.symbol in index)
    return Checked(known, tuple(sorted(refused, key=lambda each: each.place)), (), reading.repeated)


def read_words(text: str) -> Reading:
    """Names somebody typed, by blank, comma or semicolon. Never raises."""
    return _sorted((place, word) for place, word in enumerate(filter(None, _BETWEEN.split(text)), 1))


def read_file(data: bytes) -> Reading:
    """Names of a CSV or TXT file: the column headed Symbol or Ticker, else the first one.

    A file of one line without such a header is a row of names. Raises UnreadableError for what is empty,
    too large or no text; anything else is read line by line.
    """
    lines = plain_lines(data, LARGEST)
    delimiter = _delimiter(lines)
    rows = [(place, cells) for place, line in enumerate(lines, 1) if any(cells := _cells(line, delimiter))]
    if not rows:
        raise UnreadableError("The file is empty.")
    start, column = _header(rows)
    if start is None and len(rows) == 1:
        place, cells = rows[0]
        return _sorted((place, cell) for cell in cells if cell)
    body = rows if start is None else rows[start + 1 :]
    return _sorted((place, cells[column] if column < len(cells) else "") for place, cells in body)


def _delimiter(lines: Iterable[str]) -> str:
    """What splits the first line that is split at all."""
    for line in lines:
        counts = [(line.count(mark), mark) for mark in _DELIMITERS if mark in line]
        if counts:
            return max(counts)[1]
    return ","


def _cells(line: str, delimiter: str) -> list[str]:
    """One line by itself: a quote left open spoils its own line only."""
    if line.lstrip().startswith("#"):
        return []
    return [cell.strip() for row in csv.reader([line], delimiter=delimiter) for cell in row]


def _header(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[int | None, int]:
    """The row that holds the header and the column of the names; (None, 0) when there is none."""
    for start, (_, cells) in enumerate(rows[:_PREAMBLE]):
        for column, cell in enumerate(cells):
            if cell.casefold() in _HEADERS:
                return start, column
    return None, 0


def _sorted(entries: Iterable[tuple[int, str]]) -> Reading:
    names: dict[str, Found] = {}
    refused: list[Refused] = []
    repeated = 0
    for place, entry in entries:
        text = _bare(entry)
        symbol = as_ticker(text)
        if symbol is None:
            refused.append(Refused(place, _reason(text)))
        elif symbol in names:
            repeated += 1
        else:
            names[symbol] = Found(place, symbol)
    return Reading(tuple(names.values()), tuple(refused), repeated)


def _bare(entry: str) -> str:
    """The entry without the dress of spreadsheets and exchanges: `="KO"`, `'KO`, `NYSE:KO` are KO."""
    text = entry.strip()
    dressed = _TEXT_CELL.fullmatch(text)
    text = dressed[1] if dressed else text.removeprefix("'")
    return _EXCHANGE.sub("", text.strip(), count=1) if _EXCHANGE.match(text.strip()) else text.strip()


def _reason(text: str) -> str:
    if not text:
        return "no name in it"
    if text.startswith(_FORMULA):
        return "a formula, not a ticker"
    return f"{shortened(text)} is no ticker"
