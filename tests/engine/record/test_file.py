"""The file itself: transactions, threads and processes, damage, places that cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError
from engine.record import Store
from tests.conftest import ROOT
from tests.engine.record.screens import DAY, RULES, a_screen, many_names, sql


def test_the_file_uses_wal_and_strict_tables(store: Store) -> None:
    assert sql(store, "PRAGMA journal_mode") == [("wal",)]
    loose = sql(
        store,
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE '%sqlite%'",
    )
    assert loose == []


def test_foreign_keys_are_enforced_and_a_deleted_run_takes_its_rows_along(store: Store) -> None:
    run_id = store.save(a_screen(), RULES, True)
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.write(lambda db: db.execute("INSERT INTO verdicts VALUES (99, 'AAPL', '[]', '[]')"))
    store.write(lambda db: db.execute("DELETE FROM runs WHERE id = ?", (run_id,)))
    assert sql(store, "SELECT count(*) FROM observations UNION ALL SELECT count(*) FROM verdicts") == [
        (0,),
        (0,),
    ]


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="cannot be written"), store.reading() as db:
        db.execute("DELETE FROM runs")


def test_a_write_is_seen_when_it_is_complete_and_not_before(store: Store) -> None:
    def work(db: Any) -> str | None:
        db.execute("INSERT INTO settings VALUES ('half', 'done')")
        return store.get_setting("half")

    assert store.write(work) is None
    assert store.get_setting("half") == "done"


def test_a_write_that_fails_leaves_nothing(store: Store) -> None:
    def work(db: Any) -> None:
        db.execute("INSERT INTO settings VALUES ('half', 'done')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(work)
    assert store.get_setting("half") is None


def test_many_threads_may_save_and_read_at_once(store: Store) -> None:
    def save(number: int) -> int:
        run_id = store.save(a_screen(session=DAY + timedelta(days=number)), RULES, True)
        return len(store.load(run_id).rows)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(save, range(64))) == [1] * 64
    assert store.counts().runs == 64


def test_a_path_with_letters_of_an_address_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "what? 50% #1 é" / "a b.db"
    with Store.open(path) as store:
        run_id = store.save(a_screen(), RULES, True)
        assert store.load(run_id) == a_screen()
    assert path.is_file()


def test_what_was_saved_is_there_after_reopening(tmp_path: Path) -> None:
    with Store.open(tmp_path / "variance.db") as store:
        run_id = store.save(a_screen(), RULES, True)
    with Store.open(tmp_path / "variance.db") as store:
        assert store.load(run_id) == a_screen()


def test_a_closed_store_says_so_and_closes_twice(store: Store) -> None:
    store.close()
    store.close()
    for use in (store.counts, lambda: store.set_setting("a", "b")):
        with pytest.raises(StoreError, match="is closed"):
            use()


# Files that cannot be used


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    path.write_text("symbol,iv30\n" * 500)
    with pytest.raises(StoreError, match=r"variance\.db is not a SQLite database; move"):
        Store.open(path)
    assert path.read_text() == "symbol,iv30\n" * 500


def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (taken TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"photos\.db is a database, but not a record of Variance"):
        Store.open(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["photos.db"]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with Store.open(path) as store:
        store.save(a_screen(*many_names(200)), RULES, True)
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 4096 + content[4196:])
    with pytest.raises(StoreError, match=r"variance\.db is damaged; restore a backup"):
        Store.open(path)


def test_damage_found_while_reading_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with Store.open(path) as store:
        run_id = store.save(a_screen(*many_names(200)), RULES, True)
    content = path.read_bytes()
    # The schema's pages come first; what follows holds the rows.
    path.write_bytes(content[: 30 * 4096] + b"\xff" * (len(content) - 30 * 4096))
    with Store.open(path) as store, pytest.raises(StoreError, match="is damaged"):
        store.load(run_id)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"folder .*file.var cannot be made: "):
        Store.open(tmp_path / "file" / "var" / "variance.db")


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened for writing; check the folder"):
        Store.open(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("place", ["folder", "file"])
def test_a_place_without_permission_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "variance.db"
    Store.open(path).close()
    if place == "file":
        path.chmod(0o400)
    else:
        path.unlink()
        tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=r"cannot be (opened for writing|written); check"):
        Store.open(path)


# Other processes

WRITER = """
import sys
from datetime import date, timedelta
from pathlib import Path
import stamina.instrumentation
from engine.record import Store
from tests.engine.record.screens import RULES, a_screen, many_names

path, profile, names, runs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rows = many_names(names)
stamina.instrumentation.set_on_retry_hooks(())  # they would print between the words listened for
with Store.open(path) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(runs):
        session = date(2026, 1, 1) + timedelta(days=number)
        store.save(a_screen(*rows, session=session, profile=profile), RULES, True)
    print("saved", flush=True)
    sys.stdin.readline()
"""


def writer(path: Path, profile: str, names: int, runs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), profile, str(names), str(runs)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


OPENER = """
import sys
from pathlib import Path
from engine.record import Store

print("ready", flush=True)
sys.stdin.readline()
for path in sys.argv[1:]:
    Store.open(Path(path)).close()
"""


def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.db") for number in range(40)]
    command = [sys.executable, "-c", OPENER, *paths]
    openers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert {heard(opener) for opener in openers} == {"ready"}
    for opener in openers:
        tell(opener)
    for opener in openers:
        opener.communicate()
    assert [opener.returncode for opener in openers] == [0] * 4


def test_two_processes_may_write_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with writer(path, "balanced", 100, 15) as one, writer(path, "broad", 100, 15) as two:
        assert [heard(one), heard(two)] == ["ready", "ready"]
        for process in (one, two):
            tell(process)
        assert [heard(one), heard(two)] == ["saved", "saved"]
    assert [one.returncode, two.returncode] == [0, 0]
    with Store.open(path) as store:
        assert (store.counts().runs, store.counts().observations) == (30, 3000)
        last = [store.latest(profile=profile) for profile in ("balanced", "broad")]
        assert [found and found[1].run.session for found in last] == [date(2026, 1, 15)] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="watches the log grow while another process writes it")
def test_a_process_killed_while_it_writes_leaves_the_whole_run_or_nothing(tmp_path: Path) -> None:
    path, names = tmp_path / "variance.db", 20_000
    with Store.open(path) as store:
        store.save(a_screen(session=DAY, profile="kept"), RULES, True)
    with writer(path, "killed", names, 1) as process:
        assert heard(process) == "ready"
        tell(process)
        # The page cache holds 2 MB: a log beyond it shows pages of a transaction that has not ended.
        log = tmp_path / "variance.db-wal"
        while not log.exists() or log.stat().st_size < 4_000_000:
            assert process.poll() is None
        process.kill()
    with Store.open(path) as store:
        assert sql(store, "PRAGMA integrity_check") == [("ok",)]
        assert store.latest(profile="kept") is not None
        found = store.latest(profile="killed")
        assert found is None or len(found[1].rows) == names
        assert store.counts().observations == 1 + (names if found else 0)
