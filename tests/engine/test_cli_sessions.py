"""`variance sessions` from the outside."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli import main
from engine.market.sessions import Corrections, adopt
from tests.conftest import ROOT

CONFIG = ROOT / "config"


@pytest.fixture(autouse=True)
def _calendar_as_found() -> Iterator[None]:
    former = adopt(Corrections())
    yield
    adopt(former)


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["sessions", *words])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_the_runs_around_thanksgiving_for_programs() -> None:
    words = ["sessions", "--from", "2026-11-26", "--to", "2026-11-27", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [
        {
            "key": "2026-11-27/open",
            "kind": "open",
            "session": "2026-11-27",
            "at": "2026-11-27T14:50:00+00:00",
        },
        {
            "key": "2026-11-27/close",
            "kind": "close",
            "session": "2026-11-27",
            "at": "2026-11-27T18:16:00+00:00",
        },
    ]
    assert done.stderr == ""


def test_two_years_for_programs_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "--from", "2026-01-01", "--to", "2027-12-31", "--format", "json")
    runs = json.loads(out)
    assert status == 0
    assert len([run for run in runs if run["kind"] != "weekly"]) == 4 * 251
    assert len(runs) == 4 * 251 + 2 * 52
    assert [run["at"] for run in runs] == sorted(run["at"] for run in runs)


def test_the_table_shows_both_clocks_and_half_days(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "--from", "2026-11-25", "--to", "2026-11-27")
    assert status == 0
    *_, whole, _, half = out.rstrip().splitlines()
    assert whole.split() == [
        "2026-11-25/close",
        *["Wed", "25", "Nov", "2026", "16:16", "EST", "Wed", "21:16"],
    ]
    assert half.split() == [
        "2026-11-27/close",
        *["Fri", "27", "Nov", "2026", "13:16", "EST", "Fri", "18:16", "early", "close"],
    ]


def test_without_days_it_begins_with_today(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "--format", "json")
    # A week holds four sessions at the least, and one Saturday or two.
    assert status == 0
    assert 9 <= len(json.loads(out)) <= 14


def test_a_day_without_a_run_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--from", "2026-11-29", "--to", "2026-11-29") == (
        0,
        "No run is planned in these days.\n",
        "",
    )
    assert json.loads(call(capsys, "--from", "2026-11-29", "--to", "2026-11-29", "--format", "json")[1]) == []


def test_schedule_and_overrides_of_the_operators_folder_apply(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "schedule.json").write_text(
        '{"after_open_minutes": 45, "weekly": {"weekday": "saturday", "time": "10:00"}}', "utf-8"
    )
    (tmp_path / "calendar_overrides.json").write_text(
        json.dumps(
            {
                "closures": [{"date": "2028-01-05", "reason": "day of mourning"}],
                "early_closes": [{"date": "2028-01-06", "close": "12:00", "reason": "storm"}],
            }
        ),
        "utf-8",
    )
    days = ("--from", "2028-01-05", "--to", "2028-01-08", "--config", str(tmp_path))
    _, out, _ = call(capsys, *days, "--format", "json")
    assert [(run["key"], run["session"], run["at"][11:16]) for run in json.loads(out)] == [
        ("2028-01-06/open", "2028-01-06", "15:15"),
        ("2028-01-06/close", "2028-01-06", "17:16"),
        ("2028-01-07/open", "2028-01-07", "15:15"),
        ("2028-01-07/close", "2028-01-07", "21:16"),
        ("2028-01-08/weekly", "2028-01-07", "15:00"),
    ]
    _, out, _ = call(capsys, *days)
    assert [line.split()[0] for line in out.splitlines() if "early close" in line] == ["2028-01-06/close"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "tomorrow"), "--from 'tomorrow' is no day: write it as 2026-11-27."),
        (("--from", "2026-02-30"), "--from '2026-02-30' is no day"),
        (("--to", "2026-W48"), "--to '2026-W48' is no day"),
        (("--from", "2026-11-27", "--to", "2026-11-25"), "--from 2026-11-27 lies after --to 2026-11-25"),
        (("--from", "9999-12-31"), "--from 9999-12-31 is outside the calendar: allowed are 1990 to 2199."),
        (("--from", "2000-01-01", "--to", "2099-01-01"), "is too long"),
        (("--format", "csv"), "--format 'csv' is not known: use one of table, json."),
        (("--config", "nowhere"), "schedule.json cannot be read"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
