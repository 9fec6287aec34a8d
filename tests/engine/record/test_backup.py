"""Backups: one committed state while writers go on, whole or not there at all, thinned out by age."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.record import Store
from engine.record.backup import Backup, back_up, dated_of, prune, sum_file
from tests.conftest import ROOT
from tests.engine.record.screens import RULES, a_screen, many_names
from tests.engine.record.test_file import heard, tell, writer

NOW = datetime(2026, 3, 2, 7, 10, tzinfo=UTC)


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return found


def test_a_backup_is_dated_in_utc_checked_and_private(store: Store, tmp_path: Path) -> None:
    store.save(a_screen(), RULES, True)
    made = back_up(store.path, tmp_path / "kept", NOW.astimezone(tz=None))
    assert made.path == tmp_path / "kept" / "variance-20260302T071000Z.db"
    assert made.size == made.path.stat().st_size > 0
    assert sorted(path.name for path in made.path.parent.iterdir()) == [
        "variance-20260302T071000Z.db",
        "variance-20260302T071000Z.db.sha256",
    ]
    if os.name == "posix":
        assert made.path.stat().st_mode & 0o077 == 0
    with Store.open(made.path) as copy:
        found = copy.latest()
        assert found is not None
        assert found[1] == a_screen()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_its_sum_is_in_the_form_of_sha256sum(store: Store, tmp_path: Path) -> None:
    made = back_up(store.path, tmp_path / "kept", NOW)
    check = subprocess.run(
        ["sha256sum", "--check", "--strict", sum_file(made.path).name], cwd=made.path.parent, check=False
    )
    assert check.returncode == 0


def test_a_backup_while_another_process_writes_holds_whole_runs_only(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    Store.open(path).close()
    with writer(path, "balanced", 200, 40) as process:
        assert heard(process) == "ready"
        tell(process)
        made: list[Backup] = []
        while not made or count(made[-1].path, "runs") < 30:
            made.append(back_up(path, tmp_path / "kept", NOW + timedelta(seconds=len(made))))
            assert process.poll() is None
        assert heard(process) == "saved"
        tell(process)
    runs = [count(each.path, "runs") for each in made]
    assert runs == sorted(runs)
    for each, number in zip(made, runs, strict=True):
        assert count(each.path, "observations") == count(each.path, "verdicts") == 200 * number
    assert count(path, "runs") == 40


KEPT_BUSY = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from engine.record.backup import back_up

print("ready", flush=True)
now = datetime(2026, 3, 2, 7, 10, tzinfo=UTC)
while True:
    back_up(Path(sys.argv[1]), Path(sys.argv[2]), now)
    now += timedelta(seconds=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills without a word")
@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_process_killed_in_the_middle_leaves_only_whole_backups(tmp_path: Path, after: int) -> None:
    path, folder = tmp_path / "variance.db", tmp_path / "kept"
    with Store.open(path) as store:
        store.save(a_screen(*many_names(5_000)), RULES, True)
    command = [sys.executable, "-c", KEPT_BUSY, str(path), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert heard(process) == "ready"
        # A part that has grown: the copy is under way.
        while not [part for part in folder.glob(".*.part") if _size(part) > 100_000 * after]:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    for backup in folder.glob("variance-*.db"):
        with Store.open(backup) as copy:
            assert copy.counts().observations == 5_000
    left = list(folder.glob(".*.part*"))
    assert left
    back_up(path, folder, NOW + timedelta(hours=23))
    assert set(left) <= set(folder.iterdir())  # another process might still be at it
    back_up(path, folder, NOW + timedelta(hours=25))
    assert not list(folder.glob(".*.part*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_what_is_not_there_or_no_record_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"variance\.db is not there, so there is nothing to back up\.$"):
        back_up(tmp_path / "variance.db", tmp_path / "kept", NOW)
    (tmp_path / "text.db").write_text("symbol,iv30\n" * 500)
    with pytest.raises(StoreError, match=r"text\.db is not a SQLite database"):
        back_up(tmp_path / "text.db", tmp_path / "kept", NOW)
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE other (a)")
    with pytest.raises(StoreError, match=r"other\.db is a database, but not a record of Variance"):
        back_up(tmp_path / "other.db", tmp_path / "kept", NOW)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_damaged_record_gives_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with Store.open(path) as store:
        store.save(a_screen(*many_names(200)), RULES, True)
    content = path.read_bytes()
    path.write_bytes(content[: 30 * 4096] + b"\xff" * (len(content) - 30 * 4096))
    with pytest.raises(StoreError, match=r"variance\.db is damaged"):
        back_up(path, tmp_path / "kept", NOW)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^The folder .*file.kept cannot be written: .*\.$"):
        back_up(store.path, tmp_path / "file" / "kept", NOW)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on the size of files")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with Store.open(path) as store:
        store.save(a_screen(*many_names(2_000)), RULES, True)
    script = (
        "import resource, signal, sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from engine.record.backup import back_up\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "back_up(Path(sys.argv[1]), Path(sys.argv[2]), datetime(2026, 3, 2, tzinfo=UTC))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "kept")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "StoreError: The backup in" in ended.stderr.splitlines()[-1]
    assert list((tmp_path / "kept").iterdir()) == []


# Thinning out


def some_backups(folder: Path, *moments: datetime) -> None:
    folder.mkdir(exist_ok=True)
    for moment in moments:
        path = folder / f"variance-{moment:%Y%m%dT%H%M%SZ}.db"
        path.touch()
        sum_file(path).touch()


def stamps(folder: Path) -> list[str]:
    return sorted(f"{moment:%m-%d}" for path in folder.iterdir() if (moment := dated_of(path)))


def test_after_sixty_nights_a_week_of_days_and_a_month_of_weeks_are_left(tmp_path: Path) -> None:
    for night in range(60):
        now = NOW + timedelta(days=night)
        some_backups(tmp_path, now)
        prune(tmp_path, 7, 4, now)
    # The last night is Thursday 2026-04-30; before it the Sundays that end the three weeks before.
    assert stamps(tmp_path) == [
        *("04-12", "04-19"),
        *("04-24", "04-25", "04-26", "04-27", "04-28", "04-29", "04-30"),
    ]
    assert len(list(tmp_path.iterdir())) == 2 * 9  # each with its sum


def test_of_several_in_a_day_the_newest_stays(tmp_path: Path) -> None:
    some_backups(tmp_path, *(NOW + timedelta(hours=hours) for hours in (0, 1, 2, 24)))
    removed = prune(tmp_path, 2, 0, NOW + timedelta(days=1))
    assert sorted(path.name for path in removed) == [
        "variance-20260302T071000Z.db",
        "variance-20260302T081000Z.db",
    ]


def test_days_and_weeks_without_a_backup_do_not_count(tmp_path: Path) -> None:
    some_backups(tmp_path, NOW, NOW + timedelta(days=1), NOW + timedelta(days=90))
    assert prune(tmp_path, 3, 1, NOW + timedelta(days=200)) == []


def test_what_it_does_not_recognise_is_left_alone(tmp_path: Path) -> None:
    names = (
        *("variance.db", "variance-20260302.db", "variance-20261399T071000Z.db", "notes.txt"),
        *("variance-20260102T071000Z.db.gz", "my-variance-20260102T071000Z.db", "variance-x.db.sha256"),
    )
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "variance-20250101T000000Z.db").mkdir()
    some_backups(tmp_path, NOW, NOW - timedelta(days=300))
    assert [path.name for path in prune(tmp_path, 1, 0, NOW)] == ["variance-20250506T071000Z.db"]
    assert {path.name for path in tmp_path.iterdir()} >= {*names, "variance-20250101T000000Z.db"}


def test_backups_of_a_clock_that_was_ahead_stay_and_push_nothing_out(tmp_path: Path) -> None:
    ahead = [NOW + timedelta(days=365 + day) for day in range(20)]
    some_backups(tmp_path, NOW, *ahead)
    assert prune(tmp_path, 1, 0, NOW) == []


def test_a_folder_that_is_not_there_has_nothing_to_prune(tmp_path: Path) -> None:
    assert prune(tmp_path / "nowhere", 7, 4, NOW) == []


@given(
    hours=st.lists(st.integers(0, 24 * 90), min_size=1, max_size=80, unique=True),
    daily=st.integers(0, 10),
    weekly=st.integers(0, 10),
)
def test_the_newest_always_stays_and_pruning_twice_removes_nothing_more(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], daily: int, weekly: int
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    now = NOW + timedelta(hours=max(hours))
    some_backups(folder, *(NOW + timedelta(hours=each) for each in hours))
    prune(folder, daily, weekly, now)
    left = [moment for path in folder.iterdir() if (moment := dated_of(path))]
    assert now in left
    assert len(left) <= max(1, daily + weekly)
    days = {(NOW + timedelta(hours=each)).date() for each in hours}
    assert len({moment.date() for moment in left}) >= min(daily, len(days))
    assert prune(folder, daily, weekly, now) == []
