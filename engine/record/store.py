"""The record: one SQLite file, one writer, any number of readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlite_utils import Database, Migrations

from engine.errors import StoreError
from engine.panel import IvHistory, Kind
from engine.record import rows, series
from engine.record.connection import open_reader, open_writer, telling
from engine.record.migrations import upgrade
from engine.record.rows import Packed, Realm, RunInfo, quoted
from engine.record.series import HISTORY_COLUMNS, Point
from engine.screen.result import Row, Screen

T = TypeVar("T")


def _marks(count: int) -> str:
    return ", ".join("?" * count)


# Only column names of this package go into the text of a statement; every value is a parameter.
_RUN = f"SELECT id, revision, {quoted(rows.RUN_COLUMNS)} FROM runs"  # noqa: S608
_ROWS = (
    f"SELECT {quoted(rows.OBSERVATION_COLUMNS, 'o.')}, v.gates, v.tags "  # noqa: S608
    "FROM observations o JOIN verdicts v USING (run_id, symbol) WHERE o.run_id = ?"
)
_INSERT_RUN = (
    f"INSERT INTO runs (revision, {quoted(rows.RUN_COLUMNS)}) "  # noqa: S608
    f"VALUES ({_marks(len(rows.RUN_COLUMNS) + 1)})"
)
_INSERT_OBSERVATION = (
    f"INSERT INTO observations (run_id, {quoted(rows.OBSERVATION_COLUMNS)}) "  # noqa: S608
    f"VALUES ({_marks(len(rows.OBSERVATION_COLUMNS) + 1)})"
)
_INSERT_VERDICT = "INSERT INTO verdicts (run_id, symbol, gates, tags) VALUES (?, ?, ?, ?)"
_OBSERVATIONS_OF = (
    f"SELECT {quoted(rows.OBSERVATION_COLUMNS)} FROM observations WHERE run_id = ? ORDER BY symbol"  # noqa: S608
)
_VERDICTS_OF = "SELECT symbol, gates, tags FROM verdicts WHERE run_id = ? ORDER BY symbol"
_FILTER = (
    " WHERE (:kind IS NULL OR kind = :kind) AND (:profile IS NULL OR profile = :profile)"
    " AND (:lens IS NULL OR lens = :lens) AND (:realm IS NULL OR realm = :realm)"
    " AND (:before IS NULL OR session < :before) AND official >= :official"
    # Newest market first; within a session the close follows the open.
    " ORDER BY session DESC, kind = 'close' DESC, id DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the file holds; `size` in bytes with its write-ahead log, `last` the newest market stored."""

    runs: int
    observations: int
    size: int
    last: RunInfo | None


class Store:
    """The SQLite file of runs, observations, verdicts, rules and settings.

    Every method may be called from any thread and returns when its work is done. Writes go one after
    another through the one thread that owns the one writing connection; each read opens a read-only
    connection of its own, so that it neither waits for a writer nor sees half a run. Any of them raises
    StoreError when the file cannot be used.
    """

    def __init__(self, path: Path, writer: ThreadPoolExecutor, db: Database) -> None:
        self.path = path
        self._writer = writer
        self._db = db
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the file, its folders and its schema.

        Raises StoreError in one sentence: no database, damaged, of a newer version, not writable.
        """
        path = path.resolve()
        writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="record-writer")
        try:
            db = writer.submit(open_writer, path).result()
        except BaseException:
            writer.shutdown()
            raise
        return cls(path, writer, db)

    def prepare(self, steps: Migrations) -> None:
        """Bring further tables of the same file up to date: those of a room that builds on the record.

        Raises StoreError when a newer version has changed them.
        """
        self._check_open()
        with telling(self.path):
            self._writer.submit(upgrade, self._db, steps).result()

    def close(self) -> None:
        """Finish the writes under way and close the file; harmless when closed already."""
        if not self._closed:
            self._closed = True
            self._writer.submit(self._db.close).result()
            self._writer.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, work: Callable[[Database], T]) -> T:
        """Run `work` on the writer thread inside one transaction: all of it is kept, or nothing.

        The write lock is taken at the start (BEGIN IMMEDIATE): a transaction that reads first and asks
        for it later fails at once when another process wrote in between. `work` must not call the store.
        """
        self._check_open()
        return self._writer.submit(self._transact, work).result()

    def _transact(self, work: Callable[[Database], T]) -> T:
        with telling(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._db)
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise
        return result

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A read-only connection that sees one committed state."""
        self._check_open()
        with open_reader(self.path) as db:
            yield db

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self.path} is closed.")

    def save(self, screen: Screen, rules_body: str, official: bool, realm: Realm = "recorded") -> int:
        """Keep a whole run in one transaction and return its id.

        `rules_body` is the JSON of the rules behind `run.rules_hash`, kept once per hash. `realm` is
        "live" or "recorded"; a simulated source is kept as simulated whatever is said here. The same
        content under the same key (rows.key_of) is not stored twice: the id of the first is returned.
        Other content becomes the next revision; what was stored is never rewritten.

        Raises StoreError when SQLite refuses, KeyError when a row lacks a metric of the glossary.
        """
        packed = rows.pack(screen, realm, official)
        rules = (screen.run.rules_hash, rules_body)
        return self.write(lambda db: _insert(db, packed, rules))

    def load(self, run_id: int) -> Screen:
        """The Screen as it was saved. Raises StoreError when the record does not hold it."""
        with self.reading() as db:
            record = db.execute(f"{_RUN} WHERE id = ?", (run_id,)).fetchone()
            if record is None:
                raise StoreError(f"Run {run_id} is not in the record.")
            return _screen(db, record)

    def row(self, run_id: int, symbol: str) -> Row | None:
        """One name of a run without reading the others; None when the run does not hold it."""
        with self.reading() as db:
            record = db.execute(f"{_ROWS} AND o.symbol = ?", (run_id, symbol)).fetchone()
        return None if record is None else rows.row_of(record)

    def run_info(self, run_id: int) -> RunInfo | None:
        """A run without its rows, None when the record does not hold it."""
        with self.reading() as db:
            record = db.execute(f"{_RUN} WHERE id = ?", (run_id,)).fetchone()
        return None if record is None else rows.run_info(record)

    def latest(
        self,
        kind: Kind | None = None,
        profile: str | None = None,
        lens: str | None = None,
        official_only: bool = False,
        realm: Realm | None = None,
    ) -> tuple[int, Screen] | None:
        """The run of the newest market, its last revision; None is any kind, profile, lens or realm.

        Aborted runs and outages count: what was not measured is announced, not passed over.
        """
        return self._newest(kind, profile, lens, realm, official_only)

    def previous_official(
        self,
        before: date,
        *,
        realm: Realm,
        kind: Kind = "close",
        profile: str | None = None,
        lens: str | None = None,
    ) -> tuple[int, Screen] | None:
        """The newest official run of a session before `before`, its last revision."""
        return self._newest(kind, profile, lens, realm, True, before)

    def official(
        self, session: date, *, kind: Kind, realm: Realm, profile: str, lens: str
    ) -> tuple[int, Screen] | None:
        """The official run of one session, its last revision; None when there is none."""
        found = self._newest(kind, profile, lens, realm, True, session + timedelta(days=1))
        return found if found is not None and found[1].run.session == session else None

    def _newest(
        self,
        kind: Kind | None,
        profile: str | None,
        lens: str | None,
        realm: Realm | None,
        official: bool,
        before: date | None = None,
    ) -> tuple[int, Screen] | None:
        wanted = {"kind": kind, "profile": profile, "lens": lens, "realm": realm}
        limits = {"official": int(official), "before": before and before.isoformat()}
        with self.reading() as db:
            record = db.execute(_RUN + _FILTER, wanted | limits).fetchone()
            return None if record is None else (record[0], _screen(db, record))

    def iv_history(self, symbols: Sequence[str], before: date, *, realm: Realm, days: int = 252) -> IvHistory:
        """Official closes of IV30 of the last `days` stored sessions before `before`.

        (names in the order of `symbols`, stored sessions oldest first); NaN where a name has none, fewer
        columns while the record is short. Only complete and degraded close runs of the realm count, of each
        the last revision; where several hold a name, the latest saved. Where a name has no own IV30 on one of
        the last `days` exchange sessions, the imported value of the latest revision stands in and is counted
        in `imported` (engine.record.imports); without any, every column is one session.
        """
        with self.reading() as db:
            return series.iv_history(db, symbols, before, realm, days)

    def history(
        self,
        symbol: str,
        realm: Realm,
        days: int = 252,
        columns: Sequence[str] = HISTORY_COLUMNS,
        before: date = date.max,
    ) -> list[Point]:
        """One name through its official closes, oldest first, chosen as iv_history chooses.

        Sessions that do not hold the name are left out. Raises ValueError for an unknown column.
        """
        with self.reading() as db:
            return series.history(db, symbol, realm, days, columns, before)

    def rules(self, rules_hash: str) -> str | None:
        """The JSON of the rules a run was judged by, None when no run used them."""
        with self.reading() as db:
            found = db.execute("SELECT body FROM rules WHERE hash = ?", (rules_hash,)).fetchone()
        return None if found is None else str(found[0])

    def counts(self) -> Counts:
        """How much the file holds, and the newest market in it."""
        nothing = dict.fromkeys(("kind", "profile", "lens", "realm", "before"))
        with self.reading() as db:
            runs = db.table("runs").count
            observations = db.table("observations").count
            record = db.execute(_RUN + _FILTER, nothing | {"official": 0}).fetchone()
        log = self.path.with_name(self.path.name + "-wal")
        size = self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)
        return Counts(runs, observations, size, None if record is None else rows.run_info(record))

    def get_setting(self, key: str) -> str | None:
        """A small fact kept beside the runs, None when it was never set."""
        with self.reading() as db:
            found = db.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def set_setting(self, key: str, value: str) -> None:
        """Keep a small fact, in place of what the key held."""
        self.write(lambda db: db.table("settings").upsert({"key": key, "value": value}, pk="key"))


def _insert(db: Database, packed: Packed, rules: tuple[str, str]) -> int:
    key = packed.run[0]
    last = db.execute(f"{_RUN} WHERE key = ? ORDER BY revision DESC LIMIT 1", (key,)).fetchone()
    if last is not None and _holds(db, last, packed):
        return int(last[0])
    db.execute("INSERT INTO rules (hash, body) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", rules)
    revision = 1 if last is None else last[1] + 1
    run_id = db.execute(_INSERT_RUN, (revision, *packed.run)).lastrowid
    assert run_id is not None
    # insert_all of sqlite-utils takes several times as long for sixty columns.
    db.conn.executemany(_INSERT_OBSERVATION, ((run_id, *record) for record in packed.observations))
    db.conn.executemany(_INSERT_VERDICT, ((run_id, *record) for record in packed.verdicts))
    return run_id


def _holds(db: Database, last: Sequence[Any], packed: Packed) -> bool:
    """Whether the stored run is the one to be stored, value for value."""
    return (
        tuple(last[2:]) == packed.run
        and db.execute(_OBSERVATIONS_OF, (last[0],)).fetchall() == packed.observations
        and db.execute(_VERDICTS_OF, (last[0],)).fetchall() == packed.verdicts
    )


def _screen(db: Database, record: Sequence[Any]) -> Screen:
    return rows.screen_of(record, db.execute(f"{_ROWS} ORDER BY o.position", (record[0],)).fetchall())
