"""Backups of the record: made while it is in use, thinned out by age, checked before they are put back."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.errors import StoreError
from engine.record.connection import telling
from engine.record.migrations import known_steps

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"variance-(\d{8}T\d{6}Z)\.db")
_PART = re.compile(r"\.variance-(\d{8}T\d{6}Z)\.db(?:\.sha256)?\.\w+\.part(?:-journal)?")
_OLD_PART = timedelta(days=1)
"""What a process that was killed in the middle has left behind is taken away after so long."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Backup:
    """One whole, checked copy of the record; `size` in bytes."""

    path: Path
    size: int


def back_up(database: Path, folder: Path, now: datetime) -> Backup:
    """Copy the record as of this moment into `folder`, while others go on reading and writing.

    The copy bears the name of a backup (variance-20261127T071000Z.db) only once it is whole, checked and on
    the disk; beside it stands its SHA-256, in the form of sha256sum. Raises StoreError in one sentence.
    """
    if not database.is_file():
        raise StoreError(f"{database} is not there, so there is nothing to back up.")
    name = f"variance-{now.astimezone(UTC).strftime(_STAMP)}.db"
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _take_old_parts_away(folder, now)
        with _temporary(folder, name) as part:
            _copy_live(database, part)
            check_whole(part, database)
            _fsync(part)
            size = part.stat().st_size
            _write_sum(folder / name, part)
            part.replace(folder / name)
        _fsync(folder)
    return Backup(folder / name, size)


def _copy_live(database: Path, part: Path) -> None:
    """VACUUM INTO reads one committed state; writers append to the log meanwhile."""
    with telling(database):
        source = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        with closing(source):
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            with _naming_target(part.parent):
                source.execute("VACUUM INTO ?", (str(part),))


@contextmanager
def _naming_target(folder: Path) -> Iterator[None]:
    """A full disk is met in the folder of the backups, not in the database."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise StoreError(f"The backup in {folder} could not be written: {error}.") from error


def check_whole(path: Path, named: Path) -> dict[str, frozenset[str]]:
    """The migrations of a database that is sound and a record of ours: set -> the steps applied.

    Reads every page. Raises StoreError about `named`: damaged, or not a record of Variance.
    """
    try:
        # Immutable: a private copy that nobody writes, so that no log and no lock file is made beside it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as db:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"{named} is damaged: {found}.")
            steps = _steps(db)
    except sqlite3.Error as error:
        raise StoreError(f"{named} is damaged or no database: {error}.") from error
    if "record" not in steps:
        raise StoreError(f"{named} is a database, but not a record of Variance.")
    return steps


def _steps(db: sqlite3.Connection) -> dict[str, frozenset[str]]:
    known = db.execute("SELECT 1 FROM sqlite_schema WHERE name = '_sqlite_migrations'").fetchone()
    steps: dict[str, set[str]] = {}
    for owner, name in db.execute("SELECT migration_set, name FROM _sqlite_migrations") if known else ():
        steps.setdefault(str(owner), set()).add(str(name))
    return {owner: frozenset(names) for owner, names in steps.items()}


def sum_file(backup: Path) -> Path:
    """Where the SHA-256 of a backup stands."""
    return backup.with_name(f"{backup.name}.sha256")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _write_sum(backup: Path, content: Path) -> None:
    target = sum_file(backup)
    with _temporary(target.parent, target.name) as part:
        part.write_text(f"{sha256_of(content)}  {backup.name}\n", encoding="ascii")
        _fsync(part)
        part.replace(target)


def restore(
    backup: Path, database: Path, now: datetime, known: Mapping[str, frozenset[str]] | None = None
) -> Path | None:
    """Put a backup in the place of the record; gives where the file that stood there is now, None for none.

    Nothing is lost: the present file moves aside under a dated name (variance.db.replaced-20261127T071000Z).
    Refused with the record as it was: a backup that is damaged, of a newer version or no record, and a
    record that some process has open. `known` are the steps of every migration set this version knows, the
    record's own by default; a set not among them is held against the present file. Raises StoreError.
    """
    database = database.resolve()
    _check_offered(backup, database)
    with _writing(database.parent):
        database.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(database.parent, database.name) as copy:
            shutil.copyfile(backup, copy)
            _check_sum(backup, copy)
            _refuse_newer(backup, check_whole(copy, backup), _known(database, known))
            _owned_like(copy, database)
            _fsync(copy)
            with _alone(database):
                aside = _moved_aside(database, now)
                copy.replace(database)
            _fsync(database.parent)
    return aside


def _check_offered(backup: Path, database: Path) -> None:
    try:
        size = backup.stat().st_size if backup.is_file() else None
        log = backup.with_name(f"{backup.name}-wal")
        live = log.is_file() and log.stat().st_size > 0
    except OSError as error:
        raise StoreError(f"{backup} cannot be read: {error.strerror}.") from error
    if size is None:
        raise StoreError(f"{backup} is not there.")
    if size == 0:
        raise StoreError(f"{backup} is empty.")
    if backup.resolve() == database:
        raise StoreError(f"{backup} is the record itself, not a backup of it.")
    if live:
        raise StoreError(
            f"{backup} has a write-ahead log beside it: it is a database in use, not a backup; "
            "make one with: variance backup"
        )


def _check_sum(backup: Path, copy: Path) -> None:
    """Against the SHA-256 beside the backup; one that was moved without it is checked by SQLite alone."""
    beside = sum_file(backup)
    if beside.is_file() and beside.read_bytes()[:64] != sha256_of(copy).encode("ascii"):
        raise StoreError(f"{backup} is damaged: its SHA-256 is not the one in {beside.name}.")


def _known(database: Path, known: Mapping[str, frozenset[str]] | None) -> dict[str, frozenset[str]]:
    """The steps this version knows; of sets unknown here, those of the present file, which it has opened."""
    present: dict[str, frozenset[str]] = {}
    if database.is_file():
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db,
        ):
            present = _steps(db)
    own = {"record": known_steps()}
    if present.get("record") != own["record"]:
        # An old backup that was put back and not opened since does not tell what this version knows.
        present = {}
    return present | own | dict(known or {})


def _refuse_newer(
    backup: Path, steps: Mapping[str, frozenset[str]], known: Mapping[str, frozenset[str]]
) -> None:
    for owner, applied in sorted(steps.items()):
        # A set nobody here knows is a room's of the bot, which checks it when it starts.
        newer = sorted(applied - known.get(owner, applied))
        if newer:
            raise StoreError(
                f"{backup} was made by a newer version of Variance (it has step {newer[-1]} of {owner}); "
                "update Variance or choose another backup."
            )


def _owned_like(copy: Path, database: Path) -> None:
    """Readable by whom the record was: it is often restored by another user than the one the bot runs as."""
    model = database if database.exists() else database.parent
    if model is database:
        shutil.copymode(database, copy)
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(copy, model.stat().st_uid, model.stat().st_gid)


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """Keep everybody else out; what stood in the write-ahead log is in the file itself then.

    A file too damaged to be locked is of no use to another process either. Raises StoreError when one has
    it open.
    """
    if not database.is_file():
        yield
        return
    with telling(database), closing(sqlite3.connect(database, isolation_level=None, timeout=1.0)) as db:
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            # Out of WAL: succeeds only when nobody has the file open, and leaves no log to be moved.
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreError(f"{database} is in use by another process; stop the bot first.") from None
            if code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise
            db.close()
        yield


def _moved_aside(database: Path, now: datetime) -> Path | None:
    """Give the present file and its log a dated name; the file keeps its own as well until it is replaced.

    So that a process killed in between leaves the old record or the new one in its place, never none.
    """
    aside = _free_name(database.with_name(f"{database.name}.replaced-{now.astimezone(UTC).strftime(_STAMP)}"))
    for suffix in ("-wal", "-shm"):
        beside = database.with_name(database.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    if not database.exists():
        return None
    try:
        os.link(database, aside)
    except OSError:
        # A file system without links: a copy takes longer, that is all.
        shutil.copy2(database, aside)
    return aside


def _free_name(wanted: Path) -> Path:
    number, path = 1, wanted
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def prune(folder: Path, daily: int, weekly: int, now: datetime) -> list[Path]:
    """Delete backups beyond the newest of each of the last `daily` days and `weekly` weeks that have one.

    The newest of all always stays, and so does a backup dated after `now`, and whatever is not named like
    a backup. Days and ISO weeks are those of UTC. Gives what was deleted; raises StoreError.
    """
    with _writing(folder):
        dated = [(moment, path) for path in _listed(folder) if (moment := dated_of(path)) is not None]
        past = sorted((each for each in dated if each[0] <= now), reverse=True)
        kept = {path for _, path in past[:1]}
        kept |= _newest_of_each(past, daily, "%Y-%m-%d") | _newest_of_each(past, weekly, "%G-%V")
        doomed = [path for _, path in past if path not in kept]
        for path in doomed:
            path.unlink(missing_ok=True)
            sum_file(path).unlink(missing_ok=True)
    return doomed


def dated_of(path: Path) -> datetime | None:
    """When a backup was made, None for a file that is not named like one."""
    found = _NAME.fullmatch(path.name)
    return None if found is None else _moment(found[1])


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _newest_of_each(dated: Sequence[tuple[datetime, Path]], most: int, period: str) -> set[Path]:
    """Of each of the first `most` periods met; `dated` comes newest first."""
    newest: dict[str, Path] = {}
    for moment, path in dated:
        newest.setdefault(moment.strftime(period), path)
    return set(list(newest.values())[:most])


def _listed(folder: Path) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def _take_old_parts_away(folder: Path, now: datetime) -> None:
    for path in _listed(folder):
        found = _PART.fullmatch(path.name)
        begun = _moment(found[1]) if found is not None else None
        if begun is not None and now - begun > _OLD_PART:
            path.unlink(missing_ok=True)


@contextmanager
def _temporary(folder: Path, name: str) -> Iterator[Path]:
    """An empty file only its owner may read, for people's data go in; gone whenever it was not renamed."""
    handle, made = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
    os.close(handle)
    try:
        yield Path(made)
    finally:
        for leftover in (made, f"{made}-journal"):
            with suppress(OSError):
                os.unlink(leftover)


def _fsync(path: Path) -> None:
    """On the disk and not only in memory; of a folder, the names in it. Windows opens no folders."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be written: {error.strerror or error}.") from error
