"""`variance portfolio` as it is typed: books over the simulated and a recorded market."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main

HEADER = "symbol,expiration,strike,right,quantity,open_price\n"
BOOK = HEADER + (
    "KO,2026-02-20,66,P,-2,0.85\n"
    "KO,2026-02-20,73,C,-2,0.70\n"
    "AAPL,2026-02-20,260,P,-1,4.10\n"
    "AAPL,2026-02-20,250,P,1,2.40\n"
    "AAPL,2026-02-20,300,C,-1,4.50\n"
    "AAPL,2026-02-20,310,C,1,2.40\n"
    "JPM,2026-01-16,330,P,-1,6.10\n"
    "XOM,,,,100,112.40\n"
    "XOM,2026-02-20,125,C,-1,1.80\n"
    "MSFT,2025-12-26,480,P,-1,3.00\n"
    "ZZZQ,2026-02-20,10,C,1,0.10\n"
    "=CMD(),2026-02-20,10,C,1,0.10\n"
    "NVDA,2026-02-20,190,P,0,1\n"
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    file = tmp_path / "book.csv"
    file.write_text(BOOK)
    return file


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["portfolio", *arguments])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def shape_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    status, out, err = run(capsys, *arguments, "--provider", "simulated", "--format", "json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_the_json_is_what_others_build_on(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = shape_of(capsys, str(book), "--net-liq", "50000")
    by_name = {position["symbol"]: position for position in shape["positions"]}
    assert {name: each["strategy"] for name, each in by_name.items()} == {
        "AAPL": "iron condor",
        "JPM": "short put",
        "KO": "short strangle",
        "MSFT": "short put",
        "XOM": "covered call",
        "ZZZQ": "long call",
    }
    wanted = {"symbol", "strategy", "legs", "days", "pl", "theta", "alpha_theta", "quality", "delta", "gamma"}
    assert wanted | {"vega", "beta_delta", "triage", "flags"} <= by_name["KO"].keys()
    assert {"theta", "alpha_theta", "quality", "beta_delta", "mean_correlation", "concentration"} <= shape[
        "total"
    ].keys()
    assert [(each["label"], each["move"], each["vol_points"]) for each in shape["stress"]][:2] == [
        ("crash", -0.05, 15.0),
        ("sell-off", -0.03, 5.0),
    ]
    assert [each["line"] for each in shape["rejected"]] == [13, 14]
    assert all({"label", "move", "vol_points", "pl", "frequency"} <= each.keys() for each in shape["stress"])


def test_signs_and_sums_are_a_sellers(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape = shape_of(capsys, str(book))
    strangle = next(each for each in shape["positions"] if each["symbol"] == "KO")
    assert strangle["opened"] == pytest.approx(-2 * 100 * (0.85 + 0.70))
    assert strangle["theta"] > 0 > strangle["gamma"]
    assert strangle["vega"] < 0
    assert strangle["alpha_theta"] == pytest.approx(strangle["theta"] * strangle["quality"])
    marks = {leg["right"]: leg["mark"] for leg in strangle["legs"]}
    assert strangle["pl"] == pytest.approx(200 * (0.85 - marks["P"] + 0.70 - marks["C"]))
    for sum_of in ("theta", "alpha_theta", "pl", "beta_delta"):
        parts = [each[sum_of] for each in shape["positions"] if each[sum_of] is not None]
        assert shape["total"][sum_of] == pytest.approx(sum(parts))
    unchanged = next(each for each in shape["stress"] if each["label"] == "unchanged")
    assert unchanged["pl"] == 0
    assert shape["total"]["left_out"] == 2


def test_what_cannot_be_valued_stays_in_view_with_its_reason(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = shape_of(capsys, str(book))
    expired, unknown = (
        next(each for each in shape["positions"] if each["symbol"] == name) for name in ("MSFT", "ZZZQ")
    )
    assert [leg["status"] for leg in (*expired["legs"], *unknown["legs"])] == [
        "expired",
        "unknown underlying",
    ]
    for each in (expired, unknown):
        assert each["pl"] is each["theta"] is each["delta"] is None
        assert each["triage"] == []
    assert any("2 legs without a value" in note for note in shape["notes"])


def test_one_strangle_more(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = shape_of(capsys, str(book), "--fit", "PEP")["fit"]
    assert fit["strangle"]["strategy"] == "short strangle"
    assert fit["strangle"]["days"] == 51
    deltas = [abs(leg["delta"]) / 100 for leg in fit["strangle"]["legs"]]
    assert deltas == pytest.approx([0.20, 0.20], abs=0.08)
    assert fit["after"]["theta"] == pytest.approx(fit["before"]["theta"] + fit["strangle"]["theta"])
    assert [gate["name"] for gate in fit["gates"]][-1] == "correlation"
    assert (fit["gates"][-1]["state"] == "pass") is (fit["correlation"] <= 0.70)


def test_a_database_that_is_not_there_is_not_begun(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--provider", "simulated", "--database", str(tmp_path / "typo.db"))
    status, out, err = run(capsys, str(book), *options)
    assert (status, out) == (2, "")
    assert "--database: there is no such file" in err
    assert not (tmp_path / "typo.db").exists()


def test_a_name_without_a_chain_cannot_be_added(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = shape_of(capsys, str(book), "--fit", "ZZZZ")["fit"]
    assert fit["strangle"] is None
    assert fit["after"] is None
    assert "ZZZZ" in fit["reason"]


def test_a_book_is_read_off_the_terminal(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(book), "--provider", "simulated", "--fit", "PEP", "--net-liq", "50000")
    assert status == 0
    assert "largest name" in out
    assert "SIZE WARNING" in out
    for words in ("short strangle x2", "DEFENSE", "crash", "Line 13", "One standard strangle in PEP"):
        assert words in out
    assert out.rstrip().endswith("Information, not advice.")


def test_the_csv_has_a_line_a_leg(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, str(book), "--provider", "simulated", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert len(rows) == 11
    assert {row["strategy"] for row in rows if row["symbol"] == "KO"} == {"short strangle"}
    assert next(row for row in rows if row["symbol"] == "ZZZQ")["mark"] == ""


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, (), "cannot be read"),
        (b"", (), "empty"),
        (b"\x00\x01\x02", (), "plain text"),
        (b"just,some,words\n1,2,3\n", (), "header"),
        (HEADER.encode() + b"KO,2026-02-20,66,P,-2,0.85\n", ("--net-liq", "-5"), "above 0"),
        (HEADER.encode() + b"KO,2026-02-20,66,P,-2,0.85\n", ("--fit", "not a name!"), "no ticker"),
        (HEADER.encode() + b"KO,2026-02-20,66,P,-2,0.85\n", ("--format", "pdf"), "--format"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    options: tuple[str, ...],
    said: str,
) -> None:
    file = tmp_path / "book.csv"
    if content is not None:
        file.write_bytes(content)
    status, out, err = run(capsys, str(file), "--provider", "simulated", *options)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_file_without_one_good_row_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "book.csv"
    file.write_text(HEADER + "NVDA,2026-02-20,190,P,0,1\n")
    status, out, _ = run(capsys, str(file), "--provider", "simulated")
    assert status == 0
    assert out.splitlines()[:2] == [
        "The file holds no position that can be used.",
        "Line 2 is left out: the quantity is zero",
    ]
    shape = shape_of(capsys, str(file))
    assert shape["positions"] == []
    assert shape["rejected"] == [{"line": 2, "reason": "the quantity is zero"}]


def test_a_book_of_a_recorded_market(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "book.csv"
    file.write_text(
        HEADER
        + "AAPL,2026-05-15,260,P,-1,4.00\n"
        + "AAPL,2026-05-15,280,C,-1,4.00\n"
        + "NVDA,2026-06-18,190,P,-2,6.00\n"
    )
    folder = shared_data / "snapshots" / "ndx100_2026-04-29_close"
    status, out, _ = run(
        capsys, str(file), "--provider", "recorded", "--data", str(folder), "--format", "json"
    )
    shape = json.loads(out)
    assert status == 0
    assert [each["strategy"] for each in shape["positions"]] == ["short strangle", "short put"]
    assert all(leg["volatility"] for each in shape["positions"] for leg in each["legs"])
    assert shape["total"]["beta_delta"] is not None
