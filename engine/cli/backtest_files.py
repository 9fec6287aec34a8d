"""The files of a backtest: one value a name and day, as CSV, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd

from engine.arrays import FloatArray, IntArray
from engine.errors import ConfigError, UnreadableError
from engine.proof.days import DayArray
from engine.proof.series import Lines
from engine.symbols import as_ticker, shortened

PERCENT_ABOVE = 3.0
"""A median IV30 above it, 300 %, is a file in percent."""
LARGEST = 5.0
"""A single IV30 above it, 500 %, is refused: one in percent among fractions would be thousands of points."""
EMPTY = ("", "NA", "N/A", "nan", "NaN", "null", "None")
"""What a missing value may be written as."""
FIRST_YEAR, LAST_YEAR = 1950, 2099
_FRACTIONS = "write fractions, 0.185 for 18.5 %"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?=$|[T ])")


def read_iv(path: Path) -> Lines:
    """date, symbol, iv30 (a fraction). Raises ConfigError or UnreadableError in one sentence."""
    return _read(path, "--iv", "iv30")


def read_prices(path: Path) -> Lines:
    """date, symbol, close; further columns are left alone. Raises as `read_iv`."""
    return _read(path, "--prices", "close")


def _read(path: Path, option: str, value: str) -> Lines:
    if not path.is_file():
        raise ConfigError(f"{option}: there is no such file; give a CSV with date, symbol and {value}.")
    wanted = ("date", "symbol", value)
    try:
        frame = _frame(path, option, wanted)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise UnreadableError(f"{option}: {_cause(error)}") from None
    except (OSError, EOFError, zlib.error):
        raise UnreadableError(
            f"{option}: the file cannot be read; give a CSV or a CSV packed with gzip."
        ) from None
    # Blank lines are kept until here, so that the index tells a line's number.
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise UnreadableError(f"{option}: the file has no line below its header.")
    return _lines(frame, option, value)


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _frame(path: Path, option: str, wanted: Sequence[str]) -> pd.DataFrame:
    """The wanted columns as texts; the index is the number of the line."""
    with _open(path) as file:
        header = next(csv.reader([file.readline()]), [])
        names = [name.strip().lower() for name in header]
        for name in wanted:
            if names.count(name) != 1:
                said = "lacks the column" if name not in names else "has more than one column"
                raise UnreadableError(
                    f"{option}: the file {said} {name}; its first line must name {', '.join(wanted)}, "
                    "separated by commas."
                )
        # One name more than the file has: cells beyond the last show there, and shorter lines are filled up.
        places = ",".join(map(str, range(len(names) + 1)))
        below = io.StringIO(f"{places}\n{file.read()}")
    own = {str(names.index(name)): name for name in wanted}
    frame = pd.read_csv(
        below,
        usecols=[*own, str(len(names))],
        index_col=False,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    frame = frame.rename(columns=own).fillna("").set_axis(np.arange(2, len(frame) + 2))
    # A comma within a number shifts what follows it.
    longer = np.flatnonzero(frame.pop(str(len(names))) != "")
    if len(longer):
        raise UnreadableError(
            f"{option}, line {frame.index[longer[0]]}: there are more cells than the first line has names; "
            "a number has no comma."
        )
    return frame


def _cause(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the file is no text in UTF-8; save it as CSV in UTF-8."
    if isinstance(error, pd.errors.EmptyDataError):
        return "the file has no line below its header."
    return "the file is no CSV; give one with a line of names and a line for each name and day."


def _lines(frame: pd.DataFrame, option: str, value: str) -> Lines:
    symbols, name = _symbols(frame, option)
    return Lines(symbols, name, _days(frame, option), _values(frame, option, value))


def _symbols(frame: pd.DataFrame, option: str) -> tuple[tuple[str, ...], IntArray]:
    codes, written = pd.factorize(frame["symbol"])
    tickers = [as_ticker(str(text)) for text in written]
    _refuse(
        frame, option, "symbol", codes, [ticker is None for ticker in tickers], "is no ticker such as AAPL"
    )
    known = [str(ticker) for ticker in tickers]
    symbols = tuple(dict.fromkeys(known))
    place = {symbol: number for number, symbol in enumerate(symbols)}
    return symbols, np.array([place[ticker] for ticker in known], dtype=np.int64)[codes]


def _days(frame: pd.DataFrame, option: str) -> DayArray:
    codes, written = pd.factorize(frame["date"])
    days = [_day(str(text)) for text in written]
    allowed = f"is no day of {FIRST_YEAR} to {LAST_YEAR} written as 2025-12-31"
    _refuse(frame, option, "date", codes, [day is None for day in days], allowed)
    return np.array(days, dtype="datetime64[D]")[codes]


def _day(text: str) -> date | None:
    match = _DAY.match(text.strip())
    if match is None:
        return None
    try:
        day = date.fromisoformat(match.group())
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _values(frame: pd.DataFrame, option: str, value: str) -> FloatArray:
    texts = frame[value].str.strip()
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.isnan(numbers) & ~texts.isin(EMPTY).to_numpy()
    allowed = "is no number; write one such as 0.185, or nothing where it is missing"
    rows = np.arange(len(frame))
    _refuse(frame, option, value, rows, bad, allowed)
    if value == "iv30":
        known = numbers[np.isfinite(numbers)]
        if len(known) and (median := float(np.median(known))) > PERCENT_ABOVE:
            raise UnreadableError(
                f"{option}: iv30 looks like percent, its median is {median:.4g}; {_FRACTIONS}."
            )
        large = np.isfinite(numbers) & (numbers > LARGEST)
        _refuse(frame, option, value, rows, large, f"is above {LARGEST:g}; {_FRACTIONS}")
    return numbers


def _refuse(
    frame: pd.DataFrame,
    option: str,
    column: str,
    codes: np.ndarray[Any, np.dtype[np.int64]],
    bad: Sequence[bool] | np.ndarray[Any, np.dtype[np.bool_]],
    allowed: str,
) -> None:
    """Name the first bad line, and how many there are. Raises UnreadableError."""
    found = np.flatnonzero(np.asarray(bad, dtype=bool)[codes])
    if not len(found):
        return
    line, cell = frame.index[found[0]], shortened(str(frame[column].iloc[int(found[0])]))
    more = f" ({len(found) - 1:,} more lines are like it)" if len(found) > 1 else ""
    raise UnreadableError(f"{option}, line {line}: {column} {cell!r} {allowed}{more}.")
