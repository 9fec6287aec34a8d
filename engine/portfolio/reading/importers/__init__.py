"""Positions in files: the plain format, Tastytrade's export and Schwab's, told apart by their header."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from engine.errors import UnreadableError
from engine.portfolio.book import FileFormat, Leg, Reading
from engine.portfolio.reading.importers import plain, schwab, tastytrade
from engine.portfolio.reading.importers.table import (
    LARGEST,
    MOST_ROWS,
    Named,
    Verdicts,
    column_name,
    named,
    rows_of,
)
from engine.portfolio.reading.importers.tastytrade import legs_of_account

__all__ = ["LARGEST", "MOST_ROWS", "UnreadableError", "legs_of_account", "read_book"]

_PREAMBLE = 30
"""Rows in which the header is looked for; brokers put titles and dates above it."""
_NO_HEADER = (
    "The file has no header of positions: the plain format has symbol, expiration, strike, right, quantity, "
    "open_price; Tastytrade's and Schwab's exports of positions are read as they are."
)


class _Known(NamedTuple):
    """One format: how its header is told, and how a row of it is read (None: a row of totals or titles)."""

    format: FileFormat
    known: Callable[[frozenset[str]], bool]
    row: Callable[[Named, date], tuple[Leg, str] | None]


_HISTORY = frozenset({"action", "symbol"})
_FORMATS = (
    _Known("tastytrade", tastytrade.known, tastytrade.read_row),
    _Known("schwab", schwab.known, schwab.read_row),
    _Known("plain", plain.REQUIRED.issubset, plain.read_row),
)


def read_book(data: bytes, asof: date) -> Reading:
    """The legs of a file, a verdict a row; `asof` is the day dates and expirations are held against.

    Expired legs are taken with a remark. Rows of totals, cash and titles are left out and counted in the
    notes. Identical rows are lots: all are kept. Raises UnreadableError when the file is no such list.
    """
    table = rows_of(data)
    header: list[str] = []
    form: _Known | None = None
    verdicts = Verdicts("plain")
    for place, row in enumerate(table.rows):
        names = [column_name(cell) for cell in row.cells]
        found = _form(frozenset(names))
        if found is not None and (form is None or found is form):
            # Exports of several accounts repeat the header, with a title above it.
            form, header = found, names
            verdicts.format = found.format
        elif form is not None:
            verdicts.judge(row.line, _reader(form, named(header, row), asof))
        elif _HISTORY.issubset(names):
            raise UnreadableError("The file is a history of trades; what is read is an export of positions.")
        elif place >= _PREAMBLE:
            break
    if form is None:
        raise UnreadableError(_NO_HEADER)
    verdicts.rejected.extend(table.refused)
    return verdicts.reading()


def _form(names: frozenset[str]) -> _Known | None:
    return next((each for each in _FORMATS if each.known(names)), None)


def _reader(form: _Known, row: Named, asof: date) -> Callable[[], tuple[Leg, str] | None]:
    return lambda: form.row(row, asof)
