"""`variance calibrate` as a person or a script uses it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cli import main
from engine.market.recorded import write_snapshot
from engine.market.snapshot import Snapshot
from engine.record import Store
from engine.record.closes import last_closes, measured_table
from engine.screen.stored import table_of
from tests.engine.markets import Name, snapshot
from tests.engine.record.screens import RULES, a_row, a_screen

SYMBOLS = ("SPY", "AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK")
DAY = date(2026, 4, 29)


@pytest.fixture(scope="module")
def market() -> Snapshot:
    """Twelve names from 18 to 29 volatility points, each of which has moved about 20."""
    return snapshot(
        *(
            Name(symbol, vol=lambda days, strike, vol=0.18 + place / 100: vol, days=(23, 37, 51))  # type: ignore[misc]
            for place, symbol in enumerate(SYMBOLS)
        )
    )


@pytest.fixture(scope="module")
def folder(market: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market")
    write_snapshot(market, path)
    return path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five live closes of twelve names whose ratio rises day by day, and a newer open run."""
    path = tmp_path_factory.mktemp("record") / "variance.db"
    with Store.open(path) as store:
        for day in range(5):
            session = DAY - timedelta(days=4 - day)
            rows = [a_measured(symbol, 1.2 + day / 10) for symbol in SYMBOLS]
            store.save(a_screen(*rows, session=session), RULES, True, "live")
            # The same session by a server's rules, which measured less: it is not read.
            store.save(a_screen(*rows[:3], session=session, profile="wide"), RULES, True, "live")
        store.save(a_screen(a_measured("SPY", 9.0), session=DAY, kind="open"), RULES, True, "live")
        store.save(a_screen(*rows, session=DAY - timedelta(days=9)), RULES, True, "recorded")
    return path


def a_measured(symbol: str, ratio: float) -> Any:
    """A name at 24 % of IV30 and 24 % over the year, `ratio` over the quarter."""
    volatilities = {"iv30": 0.24, "hv90": 0.24 / ratio, "hv30": 0.24 / ratio, "hv20": 0.24, "hv252": 0.24}
    ratios = {"vrp_structural": ratio, "vrp_tactical": ratio, "structural_252": 1.0, "tactical_20": 1.0}
    trade = {"spot": 100.0, "slippage": 0.01, "atm_volume": 900.0, "atm_open_interest": 900.0}
    row = a_row(symbol, **volatilities, **ratios, **trade, momentum=1.0, asset_class="equity")
    flags = ("wide_quotes", "no_dividends") if symbol in SYMBOLS[:2] else ()
    return replace(row, flags=flags, values={**row.values, "iv_model_free_complete": symbol == "SPY"})


def call(capsys: pytest.CaptureFixture[str], *words: str | Path | int) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["calibrate", *(str(word) for word in words)])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def shape(capsys: pytest.CaptureFixture[str], *words: str | Path | int) -> dict[str, Any]:
    status, out, err = call(capsys, *words, "--format", "json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def volatility(market: Snapshot, symbol: str, window: int) -> float:
    closes = market.history.loc[market.history["symbol"] == symbol, "close"]
    return float(np.log(closes).diff().tail(window).std(ddof=1) * np.sqrt(252))


def test_both_lenses_of_a_recorded_market_as_json(
    capsys: pytest.CaptureFixture[str], folder: Path, market: Snapshot
) -> None:
    found = shape(capsys, "--provider", "recorded", "--data", folder)
    names = {line["symbol"]: line for line in found["names"]}
    assert set(names) == set(SYMBOLS)
    quarterly, yearly = [], []
    for place, symbol in enumerate(SYMBOLS):
        iv30, line = 0.18 + place / 100, names[symbol]
        quarterly.append(iv30 / volatility(market, symbol, 90))
        yearly.append(iv30 / volatility(market, symbol, 252))
        assert line["vrp_structural"] == pytest.approx(quarterly[-1], rel=0.01)
        assert line["structural_252"] == pytest.approx(yearly[-1], rel=0.01)
        assert line["hv90"] == pytest.approx(volatility(market, symbol, 90))
    assert found["ratio"] == pytest.approx(np.mean(quarterly) / np.mean(yearly), rel=0.01)
    assert (found["n"], found["silence"], len(found["triggers"])) == (12, None, 5)
    assert sum(found["quarterly"]["distribution"]["counts"]) == 12
    assert [each["name"] for each in found["what_ifs"]] == ["by rank", "by regime", "consensus", "formula"]


def test_the_candidates_are_those_of_the_screen(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for words in ((), ("--lens", "yearly"), ("--lens", "consensus"), ("--profile", "aggressive")):
        found = shape(capsys, "--data", folder, *words)
        with pytest.raises(SystemExit):
            main(["screen", "--data", str(folder), "--format", "json", *words])
        listed = {row["symbol"] for row in json.loads(capsys.readouterr().out)["rows"]}
        assert {line["symbol"] for line in found["names"] if line["candidate"]} == listed
        assert found["candidates"] == len(listed)


@pytest.mark.parametrize("width", [80, 150])
def test_the_sheet_says_what_it_counts_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    status, out, err = call(capsys, "--data", folder)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    flat = " ".join(out.split())
    for words in (
        "Calibration · close of 2026-04-29",
        "12 names with both lenses",
        "the reference 1.27",
        "Success in the method: 10 to 30 candidates, 30 to 40 % pass the structural gate",
        "the method suggests lowering the quarterly thresholds (structural 1.10 to 0.935",
        "a reason for this full diagnostic",
        "alternatives the method rejected; none is in force",
        "median of HV252/HV90 on the S&P 500 is 1.04",
        "Nothing was changed",
    ):
        assert words in flat


def test_stored_closes_are_pooled_without_the_verdicts_of_their_day(
    capsys: pytest.CaptureFixture[str], database: Path
) -> None:
    one, all_five = (
        shape(capsys, "--database", database),
        shape(capsys, "--database", database, "--closes", 5),
    )
    assert ([day["session"] for day in one["days"]], one["ratio"]) == (["2026-04-29"], pytest.approx(1.6))
    assert (one["fired"], one["n"]) == (["ratio above", "drift"], 12)
    assert [round(day["ratio"], 1) for day in all_five["days"]] == [1.2, 1.3, 1.4, 1.5, 1.6]
    assert (all_five["ratio"], all_five["n"], all_five["candidates"]) == (pytest.approx(1.4), 60, 12)
    assert all_five["fired"] == []
    _, out, _ = call(capsys, "--database", database, "--closes", 9)
    assert "Calibration · 5 closes, 2026-04-25 to 2026-04-29" in out
    assert "The record holds 5 of the 9 closes asked for." in out
    assert "No trigger fires" in out


def test_a_stored_close_reads_back_as_the_table_it_was(database: Path) -> None:
    with Store.open(database) as store:
        info = last_closes(store, "live", 1)[0]
        whole, read = table_of(store.load(info.id)), measured_table(store, info.id)
    assert set(whole.columns) == set(read.columns)
    for column in set(whole.columns) - {"provenance"}:
        if whole[column].dtype == np.float64:
            assert read[column].dtype == np.float64
        pairs = zip(whole[column].tolist(), read[column].tolist(), strict=True)
        assert all(one == other or (pd.isna(one) and pd.isna(other)) for one, other in pairs), column


def test_csv_holds_a_line_a_name(capsys: pytest.CaptureFixture[str], database: Path) -> None:
    status, out, _ = call(capsys, "--database", database, "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert (status, len(lines)) == (0, 12)
    assert (lines[0]["ratio"], lines[0]["passes_quarterly"]) == ("1.6", "true")


def test_too_few_names_are_said(capsys: pytest.CaptureFixture[str], market: Snapshot, tmp_path: Path) -> None:
    write_snapshot(market.only(["SPY", "AAA"], "SPY"), tmp_path)
    status, out, _ = call(capsys, "--data", tmp_path)
    assert status == 0
    assert "Only 2 names have both lenses, fewer than 10: no trigger is evaluated." in out
    assert "suggests" not in out


def test_without_the_benchmark_the_hard_gate_stops_it_with_status_1(
    capsys: pytest.CaptureFixture[str], market: Snapshot, tmp_path: Path
) -> None:
    frames = {name: getattr(market, name) for name in ("quotes", "underlyings", "history")}
    left = {name: frame[frame["symbol"] != "SPY"] for name, frame in frames.items()}
    write_snapshot(replace(market, **left), tmp_path)
    status, out, err = call(capsys, "--data", tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("variance: SPY has no valid price")


def test_an_empty_record_is_said_with_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Store.open(tmp_path / "empty.db").close()
    status, out, err = call(capsys, "--database", tmp_path / "empty.db")
    assert (status, out, err) == (1, "", "variance: The record holds no official close yet.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--closes", "3"), "--closes needs --database FILE"),
        (("--database", "typo.db"), "--database: there is no such file"),
        (("--database", "typo.db", "--seed", "3"), "leave --provider, --data, --session and --seed out"),
        (("--database", "typo.db", "--closes", "0"), "--closes"),
        (("--format", "xml"), "--format 'xml' is not known"),
        (("--profile", "yolo"), "unknown profile 'yolo'"),
        (("--lens", "daily"), "unknown lens 'daily'"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
