"""SQLite connections of the record, and its errors as sentences a person can act on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import stamina
from sqlite_utils import Database

from engine.errors import StoreError
from engine.record.migrations import upgrade

BUSY_SECONDS = 30.0
"""How long a writer waits for another process before it gives up."""

MIGRATION_TABLE = "_sqlite_migrations"
"""Where sqlite-utils notes the steps of a schema: made first, so that every record of ours has it."""

_SENTENCES = {
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; move the file away or choose another place",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a backup or move the file away",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened for writing; check the folder and its permissions",
    sqlite3.SQLITE_READONLY: "cannot be written; check the file's permissions",
    sqlite3.SQLITE_PERM: "cannot be written; check the file's permissions",
    sqlite3.SQLITE_BUSY: f"was kept busy by another process for over {BUSY_SECONDS:g} seconds; try again",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
}


def open_writer(path: Path) -> Database:
    """The connection that writes: folder made, WAL, foreign keys, schema brought up to date.

    Raises StoreError in one sentence.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {path.parent} cannot be made: {error.strerror}.") from error
    with telling(path):
        # The switch to WAL does not wait for another process that is just doing the same.
        for attempt in stamina.retry_context(
            on=_is_busy,
            timeout=BUSY_SECONDS,
            attempts=None,
            wait_initial=0.02,
            wait_jitter=0.05,
            wait_max=0.5,
        ):
            with attempt:
                db = _prepared(path)
    return db


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _prepared(path: Path) -> Database:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        _check_ours(connection, path)
        # FULL: what was written outlives a power cut, not only the process; the ledger of posts builds on it.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        db = Database(connection, execute_plugins=False)
        upgrade(db)
        _check_writable(path)
    except BaseException:
        connection.close()
        raise
    return db


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    """A mistyped name must not make another program's file half a record."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if names and MIGRATION_TABLE not in names:
        raise StoreError(f"{path} is a database, but not a record of Variance; choose another file.")


def _check_writable(path: Path) -> None:
    """SQLite opens a read-only file without a word and would refuse the first run only hours later."""
    if not os.access(path, os.W_OK):
        raise StoreError(f"{path} {_SENTENCES[sqlite3.SQLITE_READONLY]}.")


@contextmanager
def open_reader(path: Path) -> Iterator[Database]:
    """A read-only connection that sees one committed state until it is left.

    Raises StoreError in one sentence.
    """
    with telling(path):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            connection.execute("BEGIN")
            yield Database(connection, execute_plugins=False)
        finally:
            connection.close()


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a StoreError that names the file and the way out."""
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the class of failure; errors raised by the Python module itself carry no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise StoreError(f"{path} {_SENTENCES.get(code, f'refused: {error}')}.") from error
