"""The whole schema, of every room there is, and rows of two people in all of it."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database, Migrations

import bot
from bot.people.data import NAMED, OWNER, personal_tables
from engine.record.store import Store


def every_room() -> Iterator[Migrations]:
    """The migrations of every module of the bot: a room that is added tomorrow is found tomorrow."""
    root = Path(bot.__file__).parent
    found: dict[int, Migrations] = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        if not parts[-1].startswith("__"):
            values = vars(importlib.import_module(".".join(parts))).values()
            found |= {id(value): value for value in values if isinstance(value, Migrations)}
    yield from found.values()


def build(path: Path) -> Store:
    """A record with every table of this version."""
    store = Store.open(path)
    for steps in every_room():
        store.prepare(steps)
    return store


Records = dict[str, dict[int, tuple[Any, ...]]]


def fill(path: Path, people: Sequence[int]) -> Records:
    """A row a person in each table with people, whatever its columns are called; gives back what went in.

    The values mean nothing, so CHECKs are left out; references lead to the same person's rows.
    """
    written: Records = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        db = Database(connection, execute_plugins=False)
        for table in (each.name for each in personal_tables(db)):
            columns = [column.name for column in db.table(table).columns]
            for person in people:
                values = {column: _value(db, table, column, person) for column in columns}
                db.table(table).insert(values)
                written.setdefault(table, {})[person] = tuple(values.values())
        connection.commit()
    return written


def rows(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table with people in it."""
    with closing(sqlite3.connect(path)) as connection:
        db = Database(connection, execute_plugins=False)
        names = [table.name for table in personal_tables(db)]
        return {name: set(connection.execute(f"SELECT * FROM {name}")) for name in names}


def _value(db: Database, table: str, column: str, person: int) -> Any:
    for key in db.table(table).foreign_keys:
        if key.column == column:
            return _value(db, key.other_table, key.other_column, person)
    if column == OWNER or column.endswith(NAMED):
        return person
    kind = next(each.type for each in db.table(table).columns if each.name == column)
    number = person % 1_000_003
    return {"INTEGER": number, "REAL": number / 7, "TEXT": f"{table}.{column} of {person}"}[kind]
