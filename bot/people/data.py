"""Everything stored about one person: found by the schema itself, so that no later table is forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from engine.record.store import Store

OWNER = "user_id"
NAMED = "_by"
"""A column that ends so holds the id of a person who did something to a row that is not theirs."""
OTHERS = "another person"
WAIT_SECONDS = 20.0
"""How long to wait for those who read the database before its log is left as it is."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """One table with rows about people.

    `condition` is true for rows that belong to `:person`: by user_id, or by reference to such a row
    elsewhere. `named` are the columns that only name who did something.
    """

    name: str
    condition: str
    named: tuple[str, ...]

    @property
    def touched(self) -> str:
        """True for every row with the person in it."""
        columns = (f"{_quoted(column)} = :person" for column in self.named)
        return " OR ".join(filter(None, (self.condition, *columns)))


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows that went and rows that lost the person's id, by table; tables without any are left out."""

    rows: dict[str, int]
    named: dict[str, int]


class PersonalData:
    """Export and deletion over every table of the file.

    A column named user_id, or ending in _by, holds a person's id. Raises StoreError when the file cannot
    be used.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def overwrite(self) -> None:
        """From here on SQLite overwrites what it frees, until the file is closed.

        It is asked for at the start and not at a deletion: what a person took off a list before has to be
        gone from the file's bytes as well.
        """
        self._store.write(lambda db: db.execute("PRAGMA secure_delete = ON").fetchall())

    def export(self, user_id: int) -> dict[str, list[Record]]:
        """Rows with the person in them, by table; ids of other people in such rows are blotted out."""
        with self._store.reading() as db:
            found = {table.name: _records(db, table, user_id) for table in personal_tables(db)}
        return {name: records for name, records in found.items() if records}

    def count(self, user_id: int) -> Deleted:
        """What `delete` would do now."""
        with self._store.reading() as db:
            return _counted(db, personal_tables(db), user_id)

    def delete(self, user_id: int) -> Deleted:
        """Delete the person's rows and take the id out of the others, in one transaction.

        The old pages are in the write-ahead log until `empty_log`.
        """

        def work(db: Database) -> Deleted:
            tables = personal_tables(db)
            gone = _counted(db, tables, user_id)
            person = {"person": user_id}
            for table in tables:  # children stand before their parents
                if table.condition:
                    db.execute(f"DELETE FROM {_quoted(table.name)} WHERE {table.condition}", person)  # noqa: S608
                for column in map(_quoted, table.named):
                    name = _quoted(table.name)
                    db.execute(f"UPDATE {name} SET {column} = NULL WHERE {column} = :person", person)  # noqa: S608
            return gone

        return self._store.write(work)

    def empty_log(self, wait: float = WAIT_SECONDS) -> bool:
        """Write the log's pages into the file and empty it; False when readers kept it for `wait` seconds.

        A log that was left is overwritten bit by bit as the bot writes on, and removed when it stops.
        """
        with closing(sqlite3.connect(self._store.path, timeout=wait)) as connection:
            try:
                (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                return False
        return not busy


def personal_tables(db: Database) -> list[PersonalTable]:
    """The tables with people in them, those that refer to others before those they refer to."""
    names = db.table_names()
    order: list[str] = []
    for name in names:
        _after_children(db, name, names, order, set())
    tables = (PersonalTable(name, _condition(db, name, ()), _named(db, name)) for name in order)
    return [table for table in tables if table.condition or table.named]


def _after_children(
    db: Database, name: str, names: Sequence[str], order: list[str], under_way: set[str]
) -> None:
    if name in order or name in under_way:
        return
    under_way.add(name)
    for other in names:
        if any(key.parent == name for key in _references(db, other)):
            _after_children(db, other, names, order, under_way)
    order.append(name)


@dataclass(frozen=True, slots=True)
class _Reference:
    parent: str
    columns: tuple[str, ...]
    others: tuple[str, ...]


def _references(db: Database, table: str) -> list[_Reference]:
    """Foreign keys of a table; a key without named columns means the parent's primary key."""
    keys: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, _, parent, column, other, *_ in db.execute(
        f"PRAGMA foreign_key_list({_quoted(table)})"
    ).fetchall():
        keys.setdefault(number, []).append((parent, column, other))
    found = []
    for parts in keys.values():
        parent = parts[0][0]
        primary = db.table(parent).pks
        others = tuple(other or primary[place] for place, (_, _, other) in enumerate(parts))
        found.append(_Reference(parent, tuple(column for _, column, _ in parts), others))
    return found


def _condition(db: Database, table: str, seen: tuple[str, ...]) -> str:
    """SQL that is true for the person's own rows, empty when the table can have none."""
    conditions = [f"{_quoted(OWNER)} = :person"] if OWNER in db.table(table).columns_dict else []
    for key in _references(db, table):
        inner = "" if key.parent in (table, *seen) else _condition(db, key.parent, (table, *seen))
        if inner:
            here, there = (", ".join(map(_quoted, columns)) for columns in (key.columns, key.others))
            conditions.append(f"({here}) IN (SELECT {there} FROM {_quoted(key.parent)} WHERE {inner})")  # noqa: S608
    return " OR ".join(conditions)


def _named(db: Database, table: str) -> tuple[str, ...]:
    """Columns that name a person; one that refers to another table holds that table's key instead."""
    elsewhere = {column for key in _references(db, table) for column in key.columns}
    columns = db.table(table).columns_dict
    return tuple(column for column in columns if column.endswith(NAMED) and column not in elsewhere)


def _records(db: Database, table: PersonalTable, user_id: int) -> list[Record]:
    sql = f"SELECT * FROM {_quoted(table.name)} WHERE {table.touched}"  # noqa: S608
    cursor = db.execute(sql, {"person": user_id})
    columns = [column for column, *_ in cursor.description]
    return [dict(_own(columns, values, user_id)) for values in cursor.fetchall()]


def _own(columns: Sequence[str], values: Sequence[Any], user_id: int) -> Iterator[tuple[str, Any]]:
    for column, value in zip(columns, values, strict=True):
        personal = column == OWNER or column.endswith(NAMED)
        foreign = personal and isinstance(value, int) and value != user_id
        yield column, OTHERS if foreign else value


def _counted(db: Database, tables: Sequence[PersonalTable], user_id: int) -> Deleted:
    def count(table: PersonalTable, condition: str) -> int:
        sql = f"SELECT count(*) FROM {_quoted(table.name)} WHERE {condition}"  # noqa: S608
        (number,) = db.execute(sql, {"person": user_id}).fetchone()
        return int(number)

    rows = {table.name: count(table, table.condition) for table in tables if table.condition}
    named = {
        table.name: count(table, f"({table.touched}) AND NOT coalesce(({table.condition or '0'}), 0)")
        for table in tables
        if table.named
    }
    return Deleted(_some(rows), _some(named))


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
