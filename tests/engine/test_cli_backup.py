"""`variance backup` and `variance restore` as an operator types them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from engine.cli import main
from engine.record import Store
from tests.engine.record.screens import RULES, a_screen


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("VARIANCE_DATABASE", "VARIANCE_BACKUPS", "TT_SECRET", "TT_REFRESH"):
        monkeypatch.delenv(name, raising=False)


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def a_record(path: Path) -> Path:
    with Store.open(path) as store:
        store.save(a_screen(), RULES, True)
    return path


def made(out: str) -> Path:
    found = re.fullmatch(r"(.*variance-\d{8}T\d{6}Z\.db) \([\d,]+ bytes, checked\)\n", out)
    assert found is not None, out
    return Path(found[1])


def test_a_backup_of_a_record_in_use_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = a_record(tmp_path / "variance.db")
    with Store.open(path) as store:
        status, out, _ = call(capsys, "backup", "--database", str(path), "--to", str(tmp_path / "kept"))
        assert status == 0
        kept = made(out)
        assert kept.parent == tmp_path / "kept"
        store.save(a_screen(session=date(2026, 4, 30)), RULES, True)
        status, out, err = call(capsys, "restore", str(kept), "--database", str(path))
        assert (status, out) == (2, "")
        assert err == f"variance: {path} is in use by another process; stop the bot first.\n"
    status, out, _ = call(capsys, "restore", str(kept), "--database", str(path))
    assert status == 0
    first, second = out.splitlines()
    assert first == f"{path} is now the record of {kept}."
    with Store.open(path) as store:
        assert store.counts().runs == 1
    with Store.open(Path(second.removeprefix("What stood there before is ").removesuffix("."))) as store:
        assert store.counts().runs == 2


def test_left_out_it_is_the_bots_own_record_and_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a_record(tmp_path / "var" / "variance.db")
    assert made(call(capsys, "backup")[1]).parent == Path("var/backups")
    a_record(tmp_path / "disk" / "variance.db")
    Path(".env").write_text("VARIANCE_DATABASE=disk/variance.db\nVARIANCE_BACKUPS=kept\n")
    assert made(call(capsys, "backup")[1]).parent == Path("kept")
    assert made(call(capsys, "backup", "--database", "var/variance.db")[1]).parent == Path("var/backups")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("backup",), "var/variance.db is not there, so there is nothing to back up."),
        (("restore", "nowhere.db", "--database", "x.db"), "nowhere.db is not there."),
        (("restore", "nowhere.db"), "Missing option '--database'."),
        (("restore",), "Missing argument 'backup'."),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
