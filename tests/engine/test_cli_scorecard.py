"""`variance scorecard` as an operator types it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.record import Store
from engine.record.outcomes import settle
from engine.rules import load_rules
from tests.engine.record.prices import a_panel, plain_realized, sessions_from, walk
from tests.engine.record.screens import DAY, RULES, a_screen, closes

CONFIG = Path(__file__).resolve().parents[2] / "config"
AHEAD = sessions_from(DAY, 30)
PRICES = {"KO": walk(1, AHEAD[-1], 200), "SPY": walk(2, AHEAD[-1], 200)}
KEYS = ["name", "n", "effective_n", "hit_rate", "ci_low", "ci_high", "mean_gap", "median_gap", "worst"]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TT_SECRET", "TT_REFRESH"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "bot.db"
    monkeypatch.setenv("VARIANCE_DATABASE", str(path))
    return path


def keep(path: Path, sessions: Sequence[date], settled_by: date | None = None) -> None:
    """Official closes of two names: KO far above what followed, SPY far below."""
    with Store.open(path) as store:
        for session in sessions:
            screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}), session=session)
            store.save(screen, RULES, official=True, realm="live")
        if settled_by is not None:
            settle(store, a_panel(settled_by, PRICES), "live", load_rules(CONFIG))


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["scorecard", *words])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, out, err = call(capsys, *words, "--format", "json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_json_holds_groups_baselines_whipsaw_and_settings(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(record, [DAY, AHEAD[0], AHEAD[1]], settled_by=AHEAD[21])
    card = answered(capsys)
    assert list(card) == ["groups", "baselines", "whipsaw", "settings"]
    assert all(list(group) == KEYS for group in [*card["groups"], *card["baselines"]])
    every = card["groups"][0]
    assert (every["name"], every["n"], every["hit_rate"]) == ("all", 4, 0.5)
    gaps = [
        iv - plain_realized(PRICES[name], day)
        for name, iv in (("KO", 0.9), ("SPY", 0.02))
        for day in (DAY, AHEAD[0])
    ]
    assert every["mean_gap"] == pytest.approx(sum(gaps) / 4, rel=1e-12)
    assert every["worst"] == pytest.approx(min(gaps), rel=1e-12)
    assert [group["name"] for group in card["baselines"]] == ["universe", "SPY"]
    assert [each["lens"] for each in card["whipsaw"]] == ["quarterly", "yearly"]
    settings = card["settings"]
    assert (settings["realm"], settings["waiting"], settings["lost"]) == ("live", 2, {})


def test_by_symbol_within_a_window(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(record, [DAY, AHEAD[0], AHEAD[1]], settled_by=AHEAD[21])
    card = answered(capsys, "symbol", "--window", "1")
    assert [(group["name"], group["n"]) for group in card["groups"]] == [("all", 2), ("KO", 1), ("SPY", 1)]
    assert card["settings"]["first"] == card["settings"]["last"] == AHEAD[0].isoformat()
    card = answered(capsys, "symbol", "--symbol", "$ko")
    assert [(group["name"], group["hit_rate"]) for group in card["groups"]] == [("all", 0.5), ("KO", 1.0)]
    status, _, err = call(capsys, "symbol", "--symbol", "KOO")
    assert status == 2
    assert "KO" in err


@pytest.mark.parametrize("by", ["signal", "regime", "gate"])
def test_the_table_names_what_it_counts(record: Path, capsys: pytest.CaptureFixture[str], by: str) -> None:
    keep(record, [DAY], settled_by=AHEAD[20])
    status, out, err = call(capsys, by, "--window", "quarter", "--database", str(record))
    assert (status, err) == (0, "")
    assert f"Scorecard by {by}: live record, profile balanced, quarterly lens" in out
    assert {"signal": "EVENT", "regime": "severe compression", "gate": "both gates"}[by] in out
    assert "no claim of profit" in out


def test_before_the_first_outcome_it_says_when(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(record, [DAY, AHEAD[0]])
    sentence = (
        f"No outcome is known yet; the first are settled by the close of {AHEAD[20].isoformat()}, "
        "21 sessions after the first official close, or by the next one stored after that.\n"
    )
    assert call(capsys) == (0, sentence, "")
    status, out, err = call(capsys, "--format", "json")
    assert (status, err) == (0, f"variance: {sentence}")
    every = json.loads(out)["groups"][0]
    assert every == dict.fromkeys(KEYS) | {"name": "all", "n": 0, "effective_n": 0.0}
    assert json.loads(out)["settings"]["waiting"] == 4


def test_a_record_without_an_official_close(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(record).close()
    status, out, _ = call(capsys, "--realm", "simulated")
    assert status == 0
    assert out == (
        "The record holds no official close of the simulated market under profile balanced and the "
        "quarterly lens yet; the first outcome is known 21 sessions after the first one.\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["colour"],
            "A scorecard counts by signal, regime, gate, symbol; all but symbol when none is named.",
        ),
        (
            ["--window", "-3"],
            "--window is a number of sessions from 1 to 100000, or one of quarter, year, all.",
        ),
        (["--window", "9999999"], "--window is a number of sessions from 1 to 100000, or one of quarter"),
        (["--symbol", "KO"], "--symbol is one ticker of the scorecard by symbol"),
        (["--realm", "moon"], "--realm 'moon' is not known: use one of live, recorded, simulated."),
        (["--format", "csv"], "--format 'csv' is not known: use one of table, json."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    record: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    keep(record, [DAY])
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"variance: {sentence}")
    assert err.count("\n") == 1


def test_without_a_record_there_is_nothing_to_count(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys)
    assert (status, out) == (2, "")
    assert err.startswith(f"variance: There is no record at {record}")
    assert not record.exists()
