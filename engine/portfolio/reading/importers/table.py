"""Rows of a list somebody uploads, whatever program wrote it, and the verdicts on them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import UnreadableError
from engine.portfolio.book import MOST_LEGS, Accepted, FileFormat, Leg, Reading, Rejected
from engine.portfolio.reading.typed import FORMULA, NOTHING, RefusalError, number, plain
from engine.symbols import shortened
from engine.uploads import plain_lines

LARGEST = 256 * 1024
"""Bytes a file may have."""
MOST_ROWS = 2_000
LONGEST_LINE = 4_000
_DELIMITERS = ",;\t|"
_TEXT_CELL = re.compile(r'="([^"]*)"')
_WORDS = re.compile(r"[^a-z0-9]+")

Named = Mapping[str, str]
"""One row by the names of its columns, as column_name writes them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line that is not empty: its number from 1 and its cells without their dress."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """A file: its rows, and the lines that are refused before anybody looks into them."""

    rows: tuple[Row, ...]
    refused: tuple[Rejected, ...]


def rows_of(data: bytes) -> Rows:
    """The rows of a delimited text file in utf-8, utf-16 with a mark, or cp1252.

    Each line is read by itself: a quote left open spoils its own line only. Raises UnreadableError for what
    is empty, too large or no text.
    """
    lines = plain_lines(data, LARGEST)
    delimiter = _delimiter(lines)
    rows: list[Row] = []
    refused: list[Rejected] = []
    for place, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(rows) + len(refused) == MOST_ROWS:
            refused.append(Rejected(place, f"only the first {MOST_ROWS:,} rows are read"))
            break
        if (flaw := _flaw(line)) is not None:
            refused.append(Rejected(place, flaw))
            continue
        cells = tuple(bare(cell) for row in csv.reader([line], delimiter=delimiter) for cell in row)
        if any(cells):
            rows.append(Row(place, cells))
    if not rows and not refused:
        raise UnreadableError("The file is empty.")
    return Rows(tuple(rows), tuple(refused))


def _flaw(line: str) -> str | None:
    """What makes a line unreadable, before it is taken apart."""
    if len(line) > LONGEST_LINE:
        return f"the line is longer than {LONGEST_LINE:,} characters"
    return "a quote is left open" if line.count('"') % 2 else None


def _delimiter(lines: Iterable[str]) -> str:
    """What splits the line that is split most: the titles above a table hardly are."""
    counts = ((line.count(mark), mark) for line in lines for mark in _DELIMITERS if mark in line)
    return max(counts, default=(0, ","), key=lambda each: each[0])[1]


def bare(cell: str) -> str:
    """The cell without the dress of spreadsheets: `="KO"` and `'KO` are KO."""
    text = plain(cell)
    dressed = _TEXT_CELL.fullmatch(text)
    return plain(dressed[1]) if dressed else text.removeprefix("'")


def column_name(cell: str) -> str:
    """A header cell in small letters, with one blank for whatever parts its words: `Exp Date`: exp date."""
    return _WORDS.sub(" ", cell.casefold()).strip()


def named(header: Sequence[str], row: Row) -> dict[str, str]:
    """The row by column; of two columns of one name the first counts, a missing cell is empty."""
    cells = [*row.cells, *[""] * (len(header) - len(row.cells))]
    found: dict[str, str] = {}
    for name, cell in zip(header, cells, strict=False):
        found.setdefault(name, cell)
    return found


def first(row: Named, *names: str) -> str:
    """The first of the columns that says anything, "" when none does."""
    return next((row[name] for name in names if row.get(name, "").casefold() not in NOTHING), "")


def amount(what: str, cell: str) -> float | None:
    """A number of a cell, None where it says there is none. Raises RefusalError for anything else."""
    if cell.casefold() in NOTHING:
        return None
    value = number(cell)
    if value is None and cell.startswith(FORMULA):
        raise RefusalError(f"{what} is a formula, not a number")
    if value is None:
        raise RefusalError(f"{what} {shortened(cell)} is no number")
    return value


def needed(what: str, cell: str) -> float:
    """A number that has to be there. Raises RefusalError."""
    value = amount(what, cell)
    if value is None:
        raise RefusalError(f"{what} is missing")
    return value


@dataclass
class Verdicts:
    """Collects what becomes of each row."""

    format: FileFormat
    accepted: list[Accepted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0
    """Rows of totals, cash and titles: no positions, and nothing wrong with them."""

    def judge(self, line: int, read: Callable[[], tuple[Leg, str] | None]) -> None:
        """Take the leg and remark that `read` yields, leave out its None, note its RefusalError."""
        try:
            found = read()
        except RefusalError as error:
            self.rejected.append(Rejected(line, str(error)))
            return
        if found is None:
            self.skipped += 1
        elif len(self.accepted) >= MOST_LEGS:
            self.rejected.append(Rejected(line, f"a book holds at most {MOST_LEGS} legs"))
        else:
            self.accepted.append(Accepted(line, found[0], found[1]))

    def reading(self, notes: Iterable[str] = ()) -> Reading:
        """All verdicts by line."""
        left_out = [f"{self.skipped} rows hold no position and are left out"] if self.skipped > 1 else []
        left_out += ["1 row holds no position and is left out"] if self.skipped == 1 else []
        rejected = tuple(sorted(self.rejected, key=lambda each: each.line))
        return Reading(self.format, tuple(self.accepted), rejected, (*notes, *left_out))
