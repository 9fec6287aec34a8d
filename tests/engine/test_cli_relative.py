"""`variance pairs` and `variance sectors` as a person or a script uses them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cli import main
from engine.market.recorded import write_snapshot
from engine.market.snapshot import Snapshot
from engine.record import Store
from tests.conftest import ROOT
from tests.engine.markets import SESSION, Name, snapshot
from tests.engine.record.screens import RULES, a_row, a_screen

VOLS = {"SPY": 0.20, "GLD": 0.44, "SLV": 0.26, "JPM": 0.29, "BAC": 0.23, "C": 0.17, "KO": 0.20}
SECTORS = {"SPY": "Broad Market", "GLD": "Commodities", "SLV": "Commodities", "KO": "Consumer Staples"}
PAIR_KEYS = [
    *("id", "leg_a", "leg_b", "structural_a", "structural_b", "spread", "correlation", "correlation_60"),
    *("threshold", "signal", "rich_leg"),
]


@pytest.fixture(scope="module")
def market() -> Snapshot:
    """Gold far dearer than silver, which moves with it; three banks; KO without PEP."""
    names = [
        Name(symbol, vol=lambda days, strike, vol=vol: vol, days=(23, 37, 51))  # type: ignore[misc]
        for symbol, vol in VOLS.items()
    ]
    made = snapshot(*names)
    gold = made.history[made.history["symbol"] == "GLD"].assign(symbol="SLV")
    return replace(
        made,
        history=pd.concat([made.history[made.history["symbol"] != "SLV"], gold]),
        underlyings=made.underlyings.assign(
            sector=[SECTORS.get(symbol, "Financials") for symbol in VOLS],
            asset_class=["equity" if symbol in ("JPM", "BAC", "C", "KO") else "etf" for symbol in VOLS],
        ),
    )


@pytest.fixture(scope="module")
def folder(market: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market")
    write_snapshot(market, path)
    return path


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def listed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, Any]]:
    status, out, err = call(capsys, *words, "--format", "json")
    assert (status, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def volatility(market: Snapshot, symbol: str, window: int) -> float:
    closes = market.history.loc[market.history["symbol"] == symbol, "close"]
    return float(np.log(closes).diff().tail(window).std(ddof=1) * np.sqrt(252))


def test_pairs_as_json(capsys: pytest.CaptureFixture[str], folder: Path, market: Snapshot) -> None:
    rows = {row["id"]: row for row in listed(capsys, "pairs", "--provider", "recorded", "--data", folder)}
    assert list(rows) == ["PRECIOUS_METALS", "OIL_MAJORS", "SEMI_CONDUCTORS", "BANKS", "BEVERAGES"]
    assert all(list(row) == PAIR_KEYS for row in rows.values())
    metals = rows["PRECIOUS_METALS"]
    gold, silver = 0.44 / volatility(market, "GLD", 252), 0.26 / volatility(market, "SLV", 252)
    assert (metals["leg_a"], metals["leg_b"], metals["threshold"]) == ("GLD", "SLV", 0.75)
    # The prices are European; what is taken off for early exercise of a fund's options is not in them.
    assert metals["structural_a"] == pytest.approx(gold, rel=0.01)
    assert metals["structural_b"] == pytest.approx(silver, rel=0.01)
    assert metals["spread"] == metals["structural_a"] - metals["structural_b"] > 0.5
    assert metals["correlation"] == metals["correlation_60"] == pytest.approx(1.0)
    assert (metals["signal"], metals["rich_leg"]) == ("CONVERGENCE", "GLD")
    assert rows["BANKS"]["signal"] == "CORRELATION BROKEN"
    absent = rows["OIL_MAJORS"]
    assert [absent[key] for key in PAIR_KEYS[3:8]] == [None] * 5
    assert (absent["signal"], absent["rich_leg"]) == ("no data", None)
    assert (rows["BEVERAGES"]["structural_a"] is None, rows["BEVERAGES"]["structural_b"]) == (False, None)


def test_pairs_and_sectors_are_of_the_table_the_screen_is_made_of(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    _, out, _ = call(capsys, "screen", "--all", "--data", folder, "--format", "json")
    screened = {row["symbol"]: row for row in json.loads(out)["rows"]}
    metals = listed(capsys, "pairs", "PRECIOUS_METALS", "--data", folder)[0]
    assert metals["structural_a"] == screened["GLD"]["structural_252"]
    assert metals["structural_b"] == screened["SLV"]["structural_252"]
    (banks,) = listed(capsys, "sectors", "--data", folder)
    assert list(banks) == ["sector", "n", "mean", "median", "rows"]
    assert (banks["sector"], banks["n"]) == ("Financials", 3)
    ratios = {symbol: screened[symbol]["vrp_structural"] for symbol in ("JPM", "BAC", "C")}
    assert banks["mean"] == pytest.approx(sum(ratios.values()) / 3)
    assert banks["median"] == sorted(ratios.values())[1]
    assert [row["delta"] for row in banks["rows"]] == sorted(
        (ratio - banks["mean"] for ratio in ratios.values()), reverse=True
    )
    for row in banks["rows"]:
        assert list(row) == ["symbol", "vrp_structural", "delta"]
        assert row["vrp_structural"] == ratios[row["symbol"]]
    yearly = listed(capsys, "sectors", "financials", "--lens", "yearly", "--data", folder)[0]
    for row in yearly["rows"]:
        assert row["vrp_structural"] == screened[row["symbol"]]["structural_252"]


@pytest.mark.parametrize("typed", ["precious_metals", "Precious Metals", "GLD/SLV", "slv/gld"])
def test_one_pair_with_its_trade_and_the_three_warnings(
    capsys: pytest.CaptureFixture[str], folder: Path, typed: str
) -> None:
    status, out, err = call(capsys, "pairs", typed, "--data", folder)
    assert (status, err) == (0, "")
    for words in (
        "PRECIOUS_METALS: GLD at ",
        "more than 0.50, and they move together (correlation 1.00 over the year",
        "Rich leg GLD: where premium is sold (short strangle, iron condor).",
        "Cheap leg SLV: where premium is bought (long straddle, calendar), or no trade.",
        "0 stored closes",
        "\nCapital: ",
        "\nLegging: ",
        "\nCorrelation: ",
        "not advice",
    ):
        assert words in out
    assert "BANKS" not in out


def test_every_pair_has_a_line_and_what_is_missing_says_why(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    _, out, _ = call(capsys, "pairs", "--data", folder)
    assert "Pairs · close of 2026-04-29" in out
    assert "XOM and CVX: not in this market." in out
    assert "PEP: not in this market." in out
    assert "BANKS: The pair is broken: correlation" in out
    assert "No action: " in out


def test_with_the_record_a_spread_is_measured_against_its_own_past(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "variance.db") as store:
        for day in range(1, 25):
            spread = 0.1 if day % 2 else 0.3
            rows = (a_row("GLD", structural_252=1.0 + spread), a_row("SLV", structural_252=1.0))
            store.save(a_screen(*rows, session=SESSION - timedelta(days=day)), RULES, True, "recorded")
        # A live close is another record, and the run's own session is not its past.
        store.save(a_screen(*rows, session=SESSION), RULES, True, "recorded")
        store.save(a_screen(*rows, session=SESSION - timedelta(days=30)), RULES, True, "live")
    _, out, _ = call(capsys, "pairs", "--data", folder, "--database", tmp_path / "variance.db")
    assert "(mean +0.20, deviation 0.10 over 24 stored closes)." in out


def test_a_database_that_is_not_there_is_not_begun(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    status, out, err = call(capsys, "pairs", "--data", folder, "--database", tmp_path / "typo.db")
    assert (status, out) == (2, "")
    assert "--database: there is no such file" in err
    assert not (tmp_path / "typo.db").exists()


def test_a_sector_by_name_or_its_beginning(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for typed in ("Financials", "fin", "ANCIAL"):
        status, out, err = call(capsys, "sectors", typed, "--data", folder)
        assert (status, err) == (0, "")
        assert "Sectors by VRP structural · close of 2026-04-29" in out
        for words in ("JPM", "idiosyncratic: the name itself is rich", "median of all 7 names"):
            assert words in out
    _, out, _ = call(capsys, "sectors", "--data", folder)
    assert "Left out for fewer than 3 names with the ratio: Broad Market 1, Commodities 2, Consumer" in out


def test_csv_holds_a_line_a_pair_and_a_line_a_name(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    _, out, _ = call(capsys, "pairs", "--data", folder, "--format", "csv")
    pairs = list(csv.DictReader(io.StringIO(out)))
    assert list(pairs[0]) == PAIR_KEYS
    assert pairs[1]["spread"] == ""
    _, out, _ = call(capsys, "sectors", "--data", folder, "--format", "csv")
    names = list(csv.DictReader(io.StringIO(out)))
    assert {line["symbol"] for line in names} == {"JPM", "BAC", "C"}
    assert sum(float(line["delta"]) for line in names) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pairs", "GOLD"), "There is no such pair: use one of PRECIOUS_METALS, OIL_MAJORS"),
        (("pairs", "@everyone"), "There is no such pair: "),
        (("pairs", "--format", "xml"), "--format 'xml' is not known"),
        (("pairs", "--profile", "yolo"), "unknown profile 'yolo'"),
        (("sectors", "Nowhere"), "no such sector: use one of Broad Market, Commodities, Consumer Staples"),
        (("sectors", "Co"), "no such sector: use one of Broad Market"),
        (("sectors", ""), "no such sector: use one of Broad Market"),
        (("sectors", "--lens", "daily"), "unknown lens 'daily'"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], folder: Path, words: tuple[str, ...], said: str
) -> None:
    status, out, err = call(capsys, *words, "--data", folder)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_sector_too_small_to_compare_is_said_with_status_1(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    status, out, err = call(capsys, "sectors", "Commodities", "--data", folder, "--format", "json")
    assert (status, json.loads(out)) == (1, [])
    assert err == "variance: Commodities has 2 names with VRP structural; a comparison takes 3.\n"


def test_without_the_benchmark_the_hard_gate_stops_both_with_status_1(
    capsys: pytest.CaptureFixture[str], market: Snapshot, tmp_path: Path
) -> None:
    write_snapshot(
        replace(
            market,
            quotes=market.quotes[market.quotes["symbol"] != "SPY"],
            underlyings=market.underlyings[market.underlyings["symbol"] != "SPY"],
            history=market.history[market.history["symbol"] != "SPY"],
        ),
        tmp_path,
    )
    for view in ("pairs", "sectors"):
        status, out, err = call(capsys, view, "--data", tmp_path)
        assert (status, out) == (1, "")
        assert err.startswith("variance: SPY has no valid price")
        status, out, _ = call(capsys, view, "--data", tmp_path, "--format", "json")
        assert status == 1
        assert {row["signal"] for row in json.loads(out)} <= {"no data"}


def test_without_any_pair_the_file_is_named(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    for file in (ROOT / "config").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pairs.json").write_text('{"pairs": []}', encoding="utf-8")
    status, _, err = call(capsys, "pairs", "--data", folder, "--config", tmp_path)
    assert status == 2
    assert "pairs.json lists no pair" in err


@pytest.mark.parametrize("words", [("pairs",), ("pairs", "GLD/SLV"), ("sectors",), ("sectors", "fin")])
def test_nothing_is_cut_in_a_terminal_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = call(capsys, *words, "--data", folder)
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out


# --- recorded markets -----------------------------------------------------------------------------


def test_the_worked_pair_and_sector_of_the_documentation(
    capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    folder = shared_data / "snapshots" / "ndx100_2026-04-29_close"
    rows = {row["id"]: row for row in listed(capsys, "pairs", "--data", folder)}
    chips = rows["SEMI_CONDUCTORS"]
    # By hand in docs/relative-value.md, from the recorded closes.
    assert chips["structural_a"] == pytest.approx(1.3200, abs=5e-5)
    assert chips["structural_b"] == pytest.approx(1.1705, abs=5e-5)
    assert chips["correlation"] == pytest.approx(0.5138, abs=5e-5)
    assert chips["signal"] == "CORRELATION BROKEN"
    assert {row["signal"] for row in rows.values() if row is not chips} == {"no data"}
    (health,) = listed(capsys, "sectors", "Health Care", "--data", folder)
    assert health["mean"] == pytest.approx(1.5671, abs=5e-5)
    assert {row["symbol"]: round(row["delta"], 4) for row in health["rows"]} == {
        "DXCM": 0.3115,
        "IDXX": 0.0395,
        "INSM": -0.3511,
    }


@pytest.mark.parametrize("name", ["us_2026-07-15_open", "us_2026-08-19_close"])
def test_a_market_with_holes_keeps_what_it_can_tell(
    capsys: pytest.CaptureFixture[str], shared_data: Path, name: str
) -> None:
    folder = shared_data / "snapshots" / name
    assert {row["signal"] for row in listed(capsys, "pairs", "--data", folder)} == {"no data"}
    reports = listed(capsys, "sectors", "--data", folder)
    assert "Information Technology" in {report["sector"] for report in reports}
    assert all(report["n"] == len(report["rows"]) >= 3 for report in reports)
