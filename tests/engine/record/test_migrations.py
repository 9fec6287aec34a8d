"""The schema comes up from nothing, again and again, and knows its own age."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from engine.errors import StoreError
from engine.record import Store
from engine.screen.glossary import METRICS
from tests.engine.record.screens import RULES, a_screen

TABLES = {"rules", "runs", "observations", "verdicts", "settings"}


def schema(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name"
        ).fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "variance.db"
    Store.open(file).close()
    return file


def test_an_empty_file_gets_the_whole_schema(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    path.touch()
    Store.open(path).close()
    assert {name for name, _ in schema(path)} >= TABLES


def test_opening_again_changes_nothing(path: Path) -> None:
    with Store.open(path) as store:
        run_id = store.save(a_screen(), RULES, True)
    before = schema(path)
    with Store.open(path) as store:
        assert store.load(run_id) == a_screen()
    assert schema(path) == before


def test_every_metric_of_the_glossary_has_its_column(path: Path) -> None:
    """A new metric needs a new migration; the released ones stay as they are."""
    stored = {"text": "TEXT", "flag": "INTEGER"}
    with closing(sqlite3.connect(path)) as connection:
        columns = dict(connection.execute("SELECT name, type FROM pragma_table_info('observations')"))
    wanted = {metric.column: stored.get(metric.kind, "REAL") for metric in METRICS}
    assert {column: columns.get(column) for column in wanted} == wanted


def test_a_file_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('record', 'm999_more', '2030-01-01')"
        )
    before = schema(path)
    with pytest.raises(StoreError, match=r"newer version of Variance .*m999_more"):
        Store.open(path)
    assert schema(path) == before


def test_the_tables_of_others_are_no_reason_to_refuse(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO _sqlite_migrations VALUES (NULL, 'another', 'm900', '2030-01-01')")
    Store.open(path).close()


def test_a_database_in_which_a_name_is_taken_is_left_as_it_was(tmp_path: Path) -> None:
    """Another program may note its steps as ours does."""
    path = tmp_path / "other.db"
    others = Migrations("another")

    @others()
    def m001_runs(db: Database) -> None:
        db.execute("CREATE TABLE runs (distance REAL)")

    with closing(sqlite3.connect(path)) as connection, connection:
        others.apply(Database(connection))
    before = schema(path)
    with pytest.raises(StoreError, match="table runs already exists"):
        Store.open(path)
    assert schema(path) == before


def test_a_record_from_before_the_proof_is_brought_up(path: Path) -> None:
    whole = schema(path)
    with Store.open(path) as store:
        run_id = store.save(a_screen(), RULES, official=True, realm="live")
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("imported_iv", "outcomes", "outcome_days", "scorecards"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX observations_names")
        connection.execute("DROP INDEX runs_series")
        connection.execute("CREATE INDEX runs_series ON runs (realm, official, kind, session)")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm004_proof'")
    with Store.open(path) as store:
        assert store.load(run_id) == a_screen()
        assert [point.values["iv30"] for point in store.history("AAPL", "live")] == [0.28]
    assert schema(path) == whole


def test_several_may_open_a_new_file_together(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / f"{attempt}.db"
        with ThreadPoolExecutor(4) as pool:
            stores = list(pool.map(Store.open, [path] * 4))
        for store in stores:
            store.close()
        assert {name for name, _ in schema(path)} >= TABLES
