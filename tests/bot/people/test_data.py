"""Everything about one person, found by the schema: exported whole, deleted to the last byte."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bot.people.archive import archive
from bot.people.data import OTHERS, Deleted, PersonalData, personal_tables
from bot.people.kept import NEVER
from bot.people.watchlists import Watchlists
from engine.errors import StoreError
from engine.record.store import Store

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
ANN, BEN = 987654321012345678, 123456789098765432

SCHEMA = (
    "CREATE TABLE rules_of_mine (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, note TEXT) STRICT",
    "CREATE TABLE firings (id INTEGER PRIMARY KEY, rule INTEGER NOT NULL REFERENCES rules_of_mine, said TEXT)"
    " STRICT",
    "CREATE TABLE pieces (firing INTEGER, part INTEGER, PRIMARY KEY (firing, part),"
    " FOREIGN KEY (firing) REFERENCES firings (id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE servers (guild_id INTEGER PRIMARY KEY, configured_by INTEGER, changed_by INTEGER) STRICT",
    "CREATE TABLE steps (key TEXT PRIMARY KEY, told_by TEXT REFERENCES steps (key)) STRICT",
    'CREATE TABLE "odd "" name" ("user_id" INTEGER, "or" TEXT) STRICT',
)


OF_ANN = {"watched": 2, "pieces": 1, "firings": 1, "rules_of_mine": 1, 'odd " name': 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path) as store:
        yield store


@pytest.fixture
def data(store: Store) -> PersonalData:
    """Two people in tables of every shape a later room may bring."""
    kept = PersonalData(store)
    kept.overwrite()

    def make(db: Database) -> None:
        for statement in SCHEMA:
            db.execute(statement)

    store.write(make)
    lists = Watchlists(store)
    for person in (ANN, BEN):
        lists.add(person, ["KO", "AAPL"], NOW)
        store.write(lambda db, person=person: fill(db, person))  # type: ignore[misc]
    return kept


def fill(db: Database, person: int) -> None:
    db.execute("INSERT INTO rules_of_mine (user_id, note) VALUES (?, ?)", (person, f"note {person}"))
    rule = db.execute("SELECT max(id) FROM rules_of_mine").fetchone()[0]
    db.execute("INSERT INTO firings (rule, said) VALUES (?, ?)", (rule, f"=said to {person}"))
    firing = db.execute("SELECT max(id) FROM firings").fetchone()[0]
    db.execute("INSERT INTO pieces VALUES (?, 1)", (firing,))
    db.execute("INSERT INTO servers VALUES (?, ?, ?)", (person % 1000, person, ANN))
    db.execute('INSERT INTO "odd "" name" VALUES (?, ?)', (person, "x"))
    db.execute("INSERT INTO steps VALUES (?, NULL)", (str(person % 7),))


def everything(path: Path) -> dict[str, list[Any]]:
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in tables}
        return {name: db.execute(f"SELECT * FROM {quoted[name]}").fetchall() for name in tables}


def test_the_sweep_finds_people_by_column_and_by_reference(store: Store, data: PersonalData) -> None:
    with store.reading() as db:
        found = {table.name: table for table in personal_tables(db)}
    assert set(found) == {"watched", "rules_of_mine", "firings", "pieces", "servers", 'odd " name'}
    assert found["servers"].named == ("configured_by", "changed_by")
    assert found["servers"].condition == ""
    order = list(found)
    assert order.index("pieces") < order.index("firings") < order.index("rules_of_mine")


def test_an_export_holds_all_of_one_person_and_nothing_of_another(data: PersonalData) -> None:
    tables = data.export(BEN)
    assert [record["symbol"] for record in tables["watched"]] == ["AAPL", "KO"]
    assert tables["firings"][0]["said"] == f"=said to {BEN}"
    assert len(tables["pieces"]) == 1
    assert tables["servers"] == [{"guild_id": BEN % 1000, "configured_by": BEN, "changed_by": OTHERS}]
    assert str(ANN) not in str(tables)
    assert data.export(5) == {}


def test_deletion_takes_rows_and_names_and_leaves_the_others(data: PersonalData, path: Path) -> None:
    before = everything(path)
    assert data.count(ANN) == Deleted(OF_ANN, {"servers": 2})
    assert data.delete(ANN) == Deleted(OF_ANN, {"servers": 2})
    after = everything(path)
    assert after["servers"] == sorted([(ANN % 1000, None, None), (BEN % 1000, BEN, None)])
    for table, records in after.items():
        if table != "servers":
            rest = [record for record in before[table] if not belongs_to_ann(table, record)]
            assert records == rest, table
    assert data.export(ANN) == {}
    assert data.count(ANN) == Deleted({}, {})


def belongs_to_ann(table: str, record: tuple[Any, ...]) -> bool:
    # Ann's rule, firing and piece were the first of their tables.
    return ANN in record or (table in ("firings", "pieces") and record[0] == 1)


def test_nothing_of_a_person_is_left_in_the_bytes_of_the_file(
    data: PersonalData, store: Store, path: Path
) -> None:
    lists = Watchlists(store)
    lists.add(ANN, [f"N{number}" for number in range(48)], NOW)
    lists.remove(ANN, [f"N{number}" for number in range(0, 48, 2)])
    lists.replace(ANN, ["T"], NOW)
    data.delete(ANN)
    assert data.empty_log()
    store.close()
    with Store.open(path) as again:
        assert Watchlists(again).symbols(ANN) == []
        assert PersonalData(again).export(ANN) == {}
    held = b"".join(file.read_bytes() for file in path.parent.glob("people.db*"))
    assert str(BEN).encode() in held
    assert BEN.to_bytes(8, "big") in held
    assert str(ANN).encode() not in held
    assert ANN.to_bytes(8, "big") not in held


def test_a_reader_in_the_way_leaves_the_log_for_later(data: PersonalData, store: Store) -> None:
    with store.reading() as db:
        db.execute("SELECT count(*) FROM watched").fetchone()
        data.delete(ANN)
        assert not data.empty_log(wait=0.05)
    assert data.empty_log()
    assert data.export(ANN) == {}


def test_a_deletion_that_fails_takes_nothing(data: PersonalData, store: Store, path: Path) -> None:
    store.write(
        lambda db: db.execute(
            "CREATE TABLE stubborn (id INTEGER PRIMARY KEY, made_by INTEGER NOT NULL) STRICT"
        )
    )
    store.write(lambda db: db.execute("INSERT INTO stubborn (made_by) VALUES (?)", (ANN,)))
    before = everything(path)
    with pytest.raises(StoreError, match="NOT NULL"):
        data.delete(ANN)
    assert everything(path) == before


def opened(packed: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        assert file.testzip() is None
        return {name: file.read(name).decode() for name in file.namelist()}


def test_the_archive_is_json_csv_and_a_readme(data: PersonalData) -> None:
    files = opened(archive(data.export(ANN), ANN, NOW))
    body = json.loads(files["data.json"])
    assert body["user_id"] == str(ANN)
    assert body["exported_at"] == NOW.isoformat()
    assert body["tables"]["rules_of_mine"] == [{"id": 1, "user_id": str(ANN), "note": f"note {ANN}"}]
    assert {f"{name}.csv" for name in body["tables"]} | {"README.txt", "data.json"} == set(files)
    (firing,) = csv.DictReader(io.StringIO(files["firings.csv"]))
    assert firing["said"] == f"'=said to {ANN}", "a spreadsheet must not run it"
    assert "watched: 2 rows" in files["README.txt"]
    assert all(sentence in files["README.txt"] for sentence in NEVER)


def test_the_same_data_gives_the_same_archive(data: PersonalData) -> None:
    assert archive(data.export(ANN), ANN, NOW) == archive(data.export(ANN), ANN, NOW)


def test_an_archive_of_nothing_says_so() -> None:
    assert "Nothing is stored." in opened(archive({}, ANN, NOW))["README.txt"]
