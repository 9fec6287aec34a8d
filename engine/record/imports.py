"""Implied volatilities from elsewhere: read from a file, checked line by line, kept beside the own closes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import statistics
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Literal

from sqlite_utils import Database

from engine.errors import UnreadableError
from engine.market.sessions import close_of, session_of, sessions_before, sessions_between
from engine.record.rows import Realm
from engine.record.series import official_closes
from engine.record.store import Store
from engine.symbols import as_ticker, shortened

FIRST_DAY = date(1990, 1, 1)
"""Days before are refused: no listed options of single names are that well recorded."""
MOST_LINES = 2_000_000
"""Lines of one file: eight hundred names over ten years."""
LARGEST = 5.0
"""An IV30 above 500 % is taken for percents written without their sign."""
PERCENT_MEDIAN = 3.0
"""A file whose median lies above is written in percent as a whole."""
_NAME_LENGTH = 40
CSV_SOURCE = "csv"
COLUMNS = ("date", "symbol", "iv30")
_LONGEST_LINE = 10_000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_GZIP = b"\x1f\x8b"

_LATEST = (
    "SELECT session, iv30, max(revision) FROM imported_iv WHERE realm = ? AND symbol = ? GROUP BY session"
)
_INSERT = (
    "INSERT INTO imported_iv (realm, symbol, session, revision, iv30, source, imported_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_OWN_RUNS = (
    "SELECT run_id FROM observations INDEXED BY observations_iv30"
    " WHERE run_id IN (SELECT value FROM json_each(?)) AND symbol = ? AND iv30 NOT NULL"
)

Outcome = Literal["rejected", "remark"]


@dataclass(frozen=True, slots=True)
class LineVerdict:
    """What was wrong or odd about one line; a rejected line is not kept, one with a remark may be."""

    line: int
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedIv:
    """One daily IV30 as an annual fraction, of an exchange session."""

    symbol: str
    session: date
    iv30: float
    source: str


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a file holds: usable values sorted by symbol and session, and a verdict a problem line.

    `lines` counts those with content after the header; `ignored` are columns of no use here.
    """

    values: tuple[ImportedIv, ...]
    verdicts: tuple[LineVerdict, ...]
    lines: int
    ignored: tuple[str, ...] = ()

    @property
    def rejected(self) -> int:
        """Lines that are not kept."""
        return sum(verdict.outcome == "rejected" for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What keeping some values does: each is new, unchanged or changed (a revision beside the old one).

    `beside_own` of them are of sessions whose own official close has an IV30, which goes on being used.
    """

    new: int
    unchanged: int
    changed: int
    beside_own: int


def read_iv_file(path: Path, now: datetime, source: str | None = None) -> ReadFile:
    """Read a CSV of date, symbol, iv30 and, if it likes, source (docs/history-formats.md); .gz as well.

    `source` names where values come from whose line does not say it. Nothing is kept here. Of two lines for
    one name and session the later stands. Raises UnreadableError in one sentence when the file as a whole is
    of no use: not there, no text, another layout, percents instead of fractions, too large, no usable line.
    """
    name = plain_name(path.name)
    try:
        with _opened(path) as file:
            reader = _Reader(now, source or CSV_SOURCE)
            reader.read(_short_lines(file, name), name)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise UnreadableError(f"{name} cannot be read: {reason}.") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{name} is no text in UTF-8; save it as CSV first.") from None
    except csv.Error as error:
        raise UnreadableError(f"{name} is no usable CSV: {error}.") from None
    return reader.found(name)


def import_counts(store: Store, values: Sequence[ImportedIv], realm: Realm) -> ImportCounts:
    """What keeping would do, with nothing kept."""
    with store.reading() as db:
        return _plan(db, values, realm)[1]


def keep_imports(store: Store, values: Sequence[ImportedIv], realm: Realm, now: datetime) -> ImportCounts:
    """Keep values in one transaction; the same ones a second time change nothing.

    A value that differs from the stored one becomes its next revision, what was stored stays. `values` hold a
    name and session once. Raises StoreError.
    """

    def work(db: Database) -> ImportCounts:
        rows, counts = _plan(db, values, realm)
        stamp = now.isoformat()
        db.conn.executemany(
            _INSERT,
            (
                (realm, each.symbol, each.session.isoformat(), revision, each.iv30, each.source, stamp)
                for each, revision in rows
            ),
        )
        return counts

    return store.write(work)


def _plan(
    db: Database, values: Sequence[ImportedIv], realm: Realm
) -> tuple[list[tuple[ImportedIv, int]], ImportCounts]:
    """Values to insert with their revision, and the counts."""
    runs = _runs_by_session(db, realm)
    insert: list[tuple[ImportedIv, int]] = []
    new = unchanged = own = 0
    for symbol, group in groupby(sorted(values, key=attrgetter("symbol")), key=attrgetter("symbol")):
        kept = {session: (iv30, revision) for session, iv30, revision in db.execute(_LATEST, (realm, symbol))}
        several = list(group)
        for each in several:
            iv30, revision = kept.get(each.session.isoformat(), (None, 0))
            if iv30 == each.iv30:
                unchanged += 1
                continue
            new += revision == 0
            insert.append((each, revision + 1))
        own += _own_among(db, symbol, {each.session.isoformat() for each in several}, runs)
    return insert, ImportCounts(new, unchanged, len(insert) - new, own)


def _runs_by_session(db: Database, realm: Realm) -> dict[str, list[int]]:
    return {session.isoformat(): ids for session, ids in official_closes(db, realm, date.max, 1 << 62)}


def _own_among(db: Database, symbol: str, sessions: Iterable[str], runs: Mapping[str, list[int]]) -> int:
    """On how many of the sessions an own official close has an IV30 of the name."""
    session_of_run = {run_id: session for session in sessions for run_id in runs.get(session, ())}
    if not session_of_run:
        return 0
    found = db.execute(_OWN_RUNS, (json.dumps(list(session_of_run)), symbol))
    return len({session_of_run[run_id] for (run_id,) in found})


# --- reading a file -------------------------------------------------------------------------------


def _opened(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as peek:
        packed = peek.read(2) == _GZIP
    if packed:
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _short_lines(file: io.TextIOWrapper, name: str) -> Iterator[str]:
    """Lines, never more of one in memory than a line of a table can have."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            raise UnreadableError(f"{name} has a line of over {_LONGEST_LINE:,} signs; it is no such table.")
        yield line


@dataclass(slots=True)
class _Reader:
    """One file being read."""

    now: datetime
    source: str
    _lines: int = 0
    _verdicts: list[LineVerdict] = field(default_factory=list)
    _kept: dict[str, dict[date, tuple[float, int, str]]] = field(default_factory=dict)
    _numbers: list[float] = field(default_factory=list)
    _ignored: tuple[str, ...] = ()

    def read(self, lines: Iterator[str], name: str) -> None:
        """Take every line. Raises UnreadableError, csv.Error."""
        reader = csv.reader(lines)
        places = self._places(next(reader, []), name)
        days = _Days(self.now)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            self._lines += 1
            if self._lines > MOST_LINES:
                raise UnreadableError(f"{name} has more than {MOST_LINES:,} lines; split it.")
            self._take(cells, places, days, reader.line_num)

    def found(self, name: str) -> ReadFile:
        """What was read. Raises UnreadableError when the whole is of no use."""
        if not self._lines:
            raise UnreadableError(f"{name} holds no line below its header.")
        median = statistics.median(self._numbers) if self._numbers else 0.0
        if median > PERCENT_MEDIAN:
            raise UnreadableError(
                f"The middle iv30 of {name} is {median:.4g}: these are percents. "
                f"Write fractions, {median / 100:.4g} for {median:.4g} %."
            )
        if not self._kept:
            first = self._verdicts[0]
            raise UnreadableError(f"{name} has no usable line; line {first.line}: {first.reason}.")
        values = tuple(
            ImportedIv(symbol, day, iv30, source)
            for symbol, days in sorted(self._kept.items())
            for day, (iv30, _, source) in sorted(days.items())
        )
        return ReadFile(values, tuple(self._verdicts), self._lines, self._ignored)

    def _places(self, header: Sequence[str], name: str) -> dict[str, int]:
        titles = [cell.strip().lower() for cell in header]
        if len(titles) == 1 and any(sign in titles[0] for sign in ";\t"):
            raise UnreadableError(f"The columns of {name} are not parted by commas; save it so.")
        lacking = [column for column in COLUMNS if column not in titles]
        if lacking:
            raise UnreadableError(
                f"{name} lacks the column {', '.join(lacking)}: the first line must name date, symbol and "
                "iv30 (source is optional)."
            )
        wanted = (*COLUMNS, "source")
        twice = next((title for title in wanted if titles.count(title) > 1), None)
        if twice is not None:
            raise UnreadableError(f"{name} has the column {twice} more than once.")
        self._ignored = tuple(shortened(title) for title in titles if title and title not in wanted)
        return {title: place for place, title in enumerate(titles) if title in wanted}

    def _take(self, cells: Sequence[str], places: Mapping[str, int], days: _Days, line: int) -> None:
        texts = {title: cells[place].strip() for title, place in places.items() if place < len(cells)}
        if any(column not in texts for column in COLUMNS):
            self._reject(line, "it has fewer cells than the header")
            return
        iv30, fault = self._volatility(texts["iv30"])
        symbol = as_ticker(texts["symbol"])
        day, late = days.read(texts["date"])
        if symbol is None:
            fault = f"{shortened(texts['symbol'])!r} is no ticker"
        if late or fault:
            self._reject(line, late or fault)
        elif symbol is not None and day is not None:
            self._keep(line, symbol, day, iv30, plain_name(texts.get("source", "")) or self.source)

    def _volatility(self, text: str) -> tuple[float, str]:
        """The number, and what is wrong with it."""
        try:
            iv30 = float(text)
        except ValueError:
            return math.nan, "iv30 is empty" if not text else f"iv30 {shortened(text)!r} is not a number"
        if not math.isfinite(iv30):
            return iv30, "iv30 is not a number"
        if iv30 <= 0:
            return iv30, "iv30 must be above 0"
        self._numbers.append(iv30)
        if iv30 > LARGEST:
            return iv30, f"iv30 {iv30:.6g} looks like percents: write {iv30 / 100:.6g}"
        return iv30, ""

    def _keep(self, line: int, symbol: str, day: date, iv30: float, source: str) -> None:
        held = self._kept.setdefault(symbol, {})
        before = held.get(day)
        if before is not None and before[0] == iv30:
            self._verdicts.append(LineVerdict(line, "remark", f"repeats line {before[1]}"))
            return
        if before is not None:
            said = f"another iv30 than line {before[1]} for {symbol} on {day}; this later line stands"
            self._verdicts.append(LineVerdict(line, "remark", said))
        held[day] = (iv30, line, source)

    def _reject(self, line: int, reason: str) -> None:
        self._verdicts.append(LineVerdict(line, "rejected", reason))


class _Days:
    """Which days a close can be of: exchange sessions that are over."""

    def __init__(self, now: datetime) -> None:
        latest = session_of(now)
        if close_of(latest) > now:
            latest = sessions_before(latest, 2)[0].astype(date)
        self._last = latest
        known = sessions_between(FIRST_DAY, latest)
        self._known: dict[str, date] = {str(day): day.astype(date) for day in known}

    def read(self, text: str) -> tuple[date | None, str]:
        """The session a text names, and what is wrong with it."""
        known = self._known.get(text)
        if known is not None:
            return known, ""
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            return None, f"{shortened(text)!r} is no day: write it as 2026-04-29"
        if day > self._last:
            return None, f"{day} lies ahead: the last session that is over is {self._last}"
        if day < FIRST_DAY:
            return None, f"{day} lies before {FIRST_DAY}"
        return None, f"{day} is no exchange session"


def plain_name(text: str) -> str:
    """A source or a file as it may be shown: one line of visible signs, 40 at most."""
    return " ".join("".join(sign for sign in text if sign.isprintable()).split())[:_NAME_LENGTH]
