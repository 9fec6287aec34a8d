"""Restoring: every row comes back, the file that stood there is kept, and a bad backup changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.record import Store
from engine.record.backup import back_up, restore, sum_file
from tests.conftest import ROOT
from tests.engine.record.screens import DAY, RULES, a_screen, many_names

NOW = datetime(2026, 3, 2, 7, 10, tzinfo=UTC)


def dump(path: Path) -> list[str]:
    """Schema and every row, as SQL."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "var" / "variance.db"
    with Store.open(path) as store:
        store.save(a_screen(*many_names(300)), RULES, True)
        store.set_setting("key", "before")
    return path


@pytest.fixture
def backup(database: Path, tmp_path: Path) -> Path:
    """A backup; afterwards the record went on."""
    made = back_up(database, tmp_path / "kept", NOW)
    with Store.open(database) as store:
        store.save(a_screen(session=DAY + timedelta(days=1)), RULES, True)
        store.set_setting("key", "after")
    return made.path


def left_open(path: Path) -> sqlite3.Connection:
    """Rows of this connection stand in the write-ahead log only."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("INSERT INTO settings VALUES ('in the log', 'yes')")
    db.commit()
    return db


def test_every_row_comes_back_and_what_stood_there_is_kept(backup: Path, database: Path) -> None:
    before, after = dump(backup), dump(database)
    assert before != after
    aside = restore(backup, database, NOW)
    assert aside == database.with_name("variance.db.replaced-20260302T071000Z")
    assert dump(database) == before
    assert dump(aside) == after
    with Store.open(database) as store:
        assert store.get_setting("key") == "before"
        store.set_setting("key", "goes on")


def test_a_record_that_was_lost_is_restored_into_a_new_folder(backup: Path, tmp_path: Path) -> None:
    path = tmp_path / "another" / "disk" / "variance.db"
    assert restore(backup, path, NOW) is None
    assert dump(path) == dump(backup)
    assert [each.name for each in path.parent.iterdir()] == ["variance.db"]


def test_a_backup_that_was_moved_without_its_sum_is_good(backup: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.db"
    shutil.copy(backup, moved)
    restore(moved, tmp_path / "new.db", NOW)
    assert dump(tmp_path / "new.db") == dump(backup)


def test_restoring_twice_in_a_second_keeps_both_files(backup: Path, database: Path) -> None:
    asides = [restore(backup, database, NOW) for _ in range(2)]
    assert [aside.name for aside in asides if aside] == [
        "variance.db.replaced-20260302T071000Z",
        "variance.db.replaced-20260302T071000Z-2",
    ]


def test_what_a_killed_bot_left_in_its_log_is_kept_and_does_not_reach_the_restored(
    backup: Path, database: Path, tmp_path: Path
) -> None:
    copies = tmp_path / "killed" / "variance.db"
    copies.parent.mkdir()
    with closing(left_open(database)):
        for suffix in ("", "-wal"):
            shutil.copy(f"{database}{suffix}", f"{copies}{suffix}")
    assert (tmp_path / "killed" / "variance.db-wal").stat().st_size > 0
    aside = restore(backup, copies, NOW)
    assert aside is not None
    assert not copies.with_name("variance.db-wal").exists()
    assert dump(copies) == dump(backup)
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT value FROM settings WHERE key = 'in the log'").fetchone() == ("yes",)


def test_a_log_without_its_file_does_not_reach_the_restored(backup: Path, database: Path) -> None:
    with closing(left_open(database)):
        log = Path(f"{database}-wal").read_bytes()
    database.unlink()
    Path(f"{database}-wal").write_bytes(log)
    assert restore(backup, database, NOW) is None
    assert dump(database) == dump(backup)


def test_a_damaged_record_is_replaced_and_kept_as_it_is(backup: Path, database: Path) -> None:
    content = database.read_bytes()
    broken = content[:4096] + b"\xff" * 8192 + content[12288:]
    database.write_bytes(broken)
    aside = restore(backup, database, NOW)
    assert aside is not None
    assert dump(database) == dump(backup)
    database.write_text("symbol,iv30\n" * 500)
    aside = restore(backup, database, NOW)
    assert aside is not None
    assert aside.read_text() == "symbol,iv30\n" * 500
    assert dump(database) == dump(backup)


def test_the_restored_file_may_be_used_by_whom_the_one_before_was(backup: Path, database: Path) -> None:
    database.chmod(0o640)
    restore(backup, database, NOW)
    assert database.stat().st_mode & 0o777 == 0o640


# Refusals: one sentence, and the record as it was


def tampered(backup: Path) -> Path:
    content = bytearray(backup.read_bytes())
    place = content.find(b"before")
    content[place : place + 6] = b"forged"
    backup.write_bytes(content)
    return backup


def torn(backup: Path) -> Path:
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) // 2])
    sum_file(backup).unlink()
    return backup


def scribbled(backup: Path) -> Path:
    content = backup.read_bytes()
    backup.write_bytes(content[:4096] + b"\xff" * 4096 + content[8192:])
    sum_file(backup).unlink()
    return backup


def empty(backup: Path) -> Path:
    backup.write_bytes(b"")
    return backup


def text(backup: Path) -> Path:
    sum_file(backup).unlink()
    backup.write_text("symbol,iv30\n" * 500)
    return backup


def another_database(backup: Path) -> Path:
    path = backup.with_name("other.db")
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (a)")
    return path


def newer(backup: Path) -> Path:
    return with_step(backup, "record", "m999_later")


def newer_room(backup: Path) -> Path:
    return with_step(backup, "watchlists", "m002_later")


def with_step(backup: Path, owner: str, name: str) -> Path:
    sum_file(backup).unlink()
    with closing(sqlite3.connect(backup)) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, '')",
            (owner, name),
        )
        db.commit()
    return backup


def absent(backup: Path) -> Path:
    return backup.with_name("nowhere.db")


REFUSED: list[tuple[Callable[[Path], Path], str]] = [
    (tampered, r"\.db is damaged: its SHA-256 is not the one in variance-20260302T071000Z\.db\.sha256\.$"),
    (torn, r"\.db is damaged"),
    (scribbled, r"\.db is damaged"),
    (empty, r"\.db is empty\.$"),
    (text, r"\.db is damaged or no database: file is not a database\.$"),
    (another_database, r"other\.db is a database, but not a record of Variance\.$"),
    (newer, r"made by a newer version of Variance \(it has step m999_later of record\); update"),
    (newer_room, r"made by a newer version of Variance \(it has step m002_later of watchlists\)"),
    (absent, r"nowhere\.db is not there\.$"),
    (lambda backup: backup.parent, r"kept is not there\.$"),
]


@pytest.mark.parametrize(("spoil", "sentence"), REFUSED)
def test_a_bad_backup_is_refused_and_the_record_stays_as_it_is(
    backup: Path, database: Path, spoil: Callable[[Path], Path], sentence: str
) -> None:
    with Store.open(database):
        pass
    with_step_of_a_room(database)
    files = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    with pytest.raises(StoreError, match=sentence):
        restore(spoil(backup), database, NOW)
    assert database.read_bytes() == files["variance.db"]
    assert {path.name for path in database.parent.iterdir()} - {"variance.db-wal", "variance.db-shm"} == {
        "variance.db"
    }


def with_step_of_a_room(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('watchlists', 'm001_watchlists', '')"
        )
        db.commit()


def test_a_caller_that_knows_the_rooms_has_them_checked_without_a_present_file(
    backup: Path, tmp_path: Path
) -> None:
    spoilt = newer_room(backup)
    with pytest.raises(StoreError, match="m002_later of watchlists"):
        restore(spoilt, tmp_path / "new.db", NOW, {"watchlists": frozenset({"m001_watchlists"})})
    restore(spoilt, tmp_path / "new.db", NOW, {"watchlists": frozenset({"m001_watchlists", "m002_later"})})


def test_the_way_back_from_a_backup_of_an_older_version_is_open(backup: Path, database: Path) -> None:
    """What an old file lacks, this version may know all the same."""
    with_step(backup, "watchlists", "m001_watchlists")
    with closing(sqlite3.connect(backup)) as db:
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm004_proof'")
        db.commit()
    for step in ("m001_watchlists", "m002_later"):
        with closing(sqlite3.connect(database)) as db:
            db.execute("INSERT INTO _sqlite_migrations VALUES (NULL, 'watchlists', ?, '')", (step,))
            db.commit()
    today = back_up(database, backup.parent, NOW + timedelta(days=1)).path
    restore(backup, database, NOW)
    restore(today, database, NOW)
    with Store.open(database) as store:
        assert store.get_setting("key") == "after"


def test_a_database_in_use_is_no_backup(database: Path, tmp_path: Path) -> None:
    with closing(left_open(database)), pytest.raises(StoreError, match="write-ahead log beside it"):
        restore(database, tmp_path / "new.db", NOW)
    assert not (tmp_path / "new.db").exists()


def test_the_record_is_no_backup_of_itself(database: Path) -> None:
    with pytest.raises(StoreError, match="is the record itself"):
        restore(database, database, NOW)


HOLDER = """
import sys
from pathlib import Path
from engine.record import Store

with Store.open(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_a_record_another_process_has_open_is_not_replaced(backup: Path, database: Path) -> None:
    before = dump(database)
    command = [sys.executable, "-c", HOLDER, str(database)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match=r"is in use by another process; stop the bot first\.$"):
            restore(backup, database, NOW)
        holder.communicate("\n")
    assert dump(database) == before
    assert not list(database.parent.glob("*.replaced-*"))
    assert restore(backup, database, NOW) is not None


RESTORER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from engine.record.backup import restore

now = datetime(2026, 3, 2, 7, 10, tzinfo=UTC)
print("ready", flush=True)
while True:
    restore(Path(sys.argv[1]), Path(sys.argv[2]), now)
    now += timedelta(seconds=1)
"""


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_process_killed_while_it_restores_leaves_a_whole_record(
    backup: Path, database: Path, rounds: int
) -> None:
    whole = dump(backup)
    restore(backup, database, NOW)
    command = [sys.executable, "-c", RESTORER, str(backup), str(database)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while len(list(database.parent.glob("*.replaced-*"))) <= rounds:
            assert process.poll() is None
        process.kill()
    assert dump(database) == whole
