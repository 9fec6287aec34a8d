"""The command line as a person or a script uses it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.market.recorded import write_snapshot
from engine.market.simulated import SimulatedMarket
from engine.rules import load_universe

ROOT = Path(__file__).resolve().parents[2]
ROW_KEYS = {
    *("symbol", "passed", "signal", "score", "score_share", "penalties", "flags", "gates", "spot", "lens"),
    *("iv30", "iv_method", "iv_straddle", "iv_model_free", "iv_percentile", "yield", "slippage"),
    *("hv20", "hv30", "hv60", "hv90", "hv252", "hv30_yz", "hv_rank", "momentum", "zone", "regime"),
    *("vrp_structural", "vrp_tactical", "structural_252", "tactical_20"),
}
RUN_KEYS = {
    *("asof", "session", "kind", "source", "lens", "profile", "engine_version", "rules_hash", "state"),
}


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The simulated market unless a test names another."""
    where = () if "--provider" in words else ("--provider", "simulated")
    with pytest.raises(SystemExit) as end:
        main((*words, *where))
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def screened(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    status, out, _ = call(capsys, "screen", "--format", "json", *words)
    assert status == 0
    parsed: dict[str, Any] = json.loads(out)
    return parsed


def test_json_has_the_agreed_shape(capsys: pytest.CaptureFixture[str]) -> None:
    found = screened(capsys, "--all")
    assert set(found["run"]) >= RUN_KEYS
    assert {"universe", "measured", "passed", "missing"} <= set(found["coverage"])
    assert all(set(row) >= ROW_KEYS for row in found["rows"])
    assert len(found["rows"]) == found["coverage"]["universe"] == 120
    assert found["coverage"]["measured"] + sum(found["coverage"]["missing"].values()) == 120
    for row in found["rows"]:
        gates = {gate["name"]: gate for gate in row["gates"]}
        assert len(gates) == 9
        assert {gate["state"] for gate in row["gates"]} <= {"pass", "fail", "unknown"}
        assert row["passed"] == (not any(gate["blocks"] for gate in row["gates"]))
        assert not (row["passed"] and any(gate["state"] == "fail" for gate in row["gates"]))
        assert row["iv30"] is None or 0.03 < row["iv30"] < 3


def test_only_what_passes_is_shown_unless_all_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    found = screened(capsys)
    assert found["rows"]
    assert all(row["passed"] for row in found["rows"])
    assert [row["rank"] for row in found["rows"]] == list(range(1, len(found["rows"]) + 1))
    scores = [row["score"] for row in found["rows"]]
    assert scores == sorted(scores, reverse=True)


def test_symbols_profile_and_lens(capsys: pytest.CaptureFixture[str]) -> None:
    few = screened(capsys, "--symbols", "aapl, $ko", "--all")
    assert {row["symbol"] for row in few["rows"]} == {"AAPL", "KO"}
    wide = screened(capsys, "--profile", "broad")
    assert wide["run"]["profile"] == "broad"
    assert wide["coverage"]["passed"] >= screened(capsys)["coverage"]["passed"]
    yearly = screened(capsys, "--lens", "yearly", "--all")
    assert {row["lens"] for row in yearly["rows"]} == {"yearly"}
    assert yearly["run"]["rules_hash"] != wide["run"]["rules_hash"]


def test_table_says_coverage_near_misses_and_why_names_dropped_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = call(capsys, "screen")
    assert status == 0
    for words in ("114 of 120 measured", "SIMULATED", "Near misses:", "Kept out by:", "Not measured:"):
        assert words in out


def test_csv_holds_a_line_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "screen", "--format", "csv", "--all")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert len(lines) == 120
    assert any(line["iv30"] == "" for line in lines)


@pytest.mark.parametrize("view", ["vrp", "why"])
def test_one_name(capsys: pytest.CaptureFixture[str], view: str) -> None:
    status, out, _ = call(capsys, view, "KO")
    assert status == 0
    assert "KO:" in out
    assert ("slippage" if view == "why" else "VRP structural") in out
    status, out, _ = call(capsys, view, "KO", "--symbols", "AAPL", "--format", "json")
    assert [row["symbol"] for row in json.loads(out)["rows"]] == ["KO", "AAPL"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("screen", "--provider", "bloomberg"),
            "--provider 'bloomberg' is not known: use one of auto, yahoo",
        ),
        (("screen", "--profile", "yolo"), "unknown profile 'yolo': use one of balanced"),
        (("screen", "--lens", "daily"), "unknown lens 'daily': use one of quarterly"),
        (("screen", "--format", "xml"), "--format 'xml' is not known"),
        (("screen", "--provider", "recorded"), "needs --data"),
        (("screen", "--provider", "recorded", "--data", "nowhere"), "the folder does not exist"),
        (("screen", "--session", "yesterday"), "is no day"),
        (
            ("screen", "--provider", "yahoo", "--session", "2025-12-31"),
            "only the simulated market has a --session",
        ),
        (("screen", "--provider", "yahoo", "--data", "nowhere"), "only a recorded market has a --data"),
        (("doctor", "--provider", "simulated"), "use one of auto, yahoo"),
        (("doctor", "--format", "csv"), "use one of table, json"),
        (("screen", "--nonsense"), "No such option"),
        (("screen", "--seed", "abc"), "--seed"),
        (("snapshot",), "out"),
        (("vrp",), "needs a ticker"),
        (("vrp", "AAPLE"), "AAPLE is not in this run's universe. Did you mean AAPL"),
        (("why", "A" * 300), "is no ticker"),
        (("why", "<@123456789012345678>"), "is no ticker"),
        (("why", "**KO**"), "is no ticker"),
        (("screen", "--symbols", "ZZZZ"), "ZZZZ is not in this run's universe"),
        (("screen", "--config", "nowhere"), "trading_rules.json cannot be read"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    status, out, err = call(capsys, *words)
    assert status == 2
    assert out == ""
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert len(err) < 200


def test_a_saved_market_plays_again_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = call(capsys, "snapshot", "--out", str(tmp_path), "--symbols", "AAPL,KO,SPY")
    assert status == 0
    assert "3 names" in out
    again = screened(capsys, "--provider", "recorded", "--data", str(tmp_path), "--all")
    first = screened(capsys, "--symbols", "AAPL,KO,SPY", "--all")
    assert again["rows"] == first["rows"]


def test_without_the_benchmark_the_hard_gate_stops_with_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listings = load_universe(ROOT / "config")[:12]
    write_snapshot(SimulatedMarket(listings, date(2025, 12, 31), without_benchmark=True).snapshot(), tmp_path)
    status, out, err = call(
        capsys, "screen", "--provider", "recorded", "--data", str(tmp_path), "--format", "json"
    )
    assert status == 1
    assert json.loads(out)["run"]["state"] == "aborted"
    assert json.loads(out)["rows"] == []
    assert err.startswith("variance: SPY has no valid price")


def test_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "engine.cli", "why", "KO", "--format", "json", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows"][0]["symbol"] == "KO"
    assert done.stderr == ""


def test_the_recorded_nasdaq_close(capsys: pytest.CaptureFixture[str], shared_data: Path) -> None:
    folder = shared_data / "snapshots" / "ndx100_2026-04-29_close"
    found = screened(capsys, "--provider", "recorded", "--data", str(folder), "--all")
    rows = {row["symbol"]: row for row in found["rows"]}
    assert found["coverage"]["measured"] >= 47
    structural = [row for row in rows.values() if (row["vrp_structural"] or 0) > 1.10]
    all_three = [row for row in structural if row["vrp_tactical"] > 1.15 and row["momentum"] >= 0.85]
    tight = [row for row in rows.values() if row["slippage"] is not None and row["slippage"] <= 0.05]
    # The method's own count on this market: 30 of 47, 21 of them in all three, 7 within 5 %.
    assert len(structural) == pytest.approx(30, abs=2)
    assert len(all_three) == pytest.approx(21, abs=2)
    assert len(tight) == 7
    assert rows["AAPL"]["trade_expiry"] == "2026-06-18"
