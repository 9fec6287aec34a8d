"""`variance backtest` and `variance sweep` as a person or a script uses them."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cli import main
from engine.proof.series import SPLIT_RATIOS
from tests.conftest import ROOT
from tests.engine.proof.pasts import frame, priced

GROUP_KEYS = [
    *("name", "n", "effective_n", "hit_rate", "ci_low", "ci_high", "mean_gap", "median_gap", "worst"),
]


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    return frame(4, 300, seed=2).replace({"symbol": {"A00": "SPY"}})


@pytest.fixture(scope="module")
def files(made: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("past")
    return written(folder, made)


def written(folder: Path, table: pd.DataFrame) -> tuple[Path, Path]:
    table[["date", "symbol", "iv30"]].to_csv(folder / "iv.csv", index=False)
    table[["date", "symbol", "close"]].to_csv(folder / "prices.csv", index=False)
    return folder / "iv.csv", folder / "prices.csv"


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(end.value.code or 0), said.out, said.err


def told(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], *words: str, command: str = "backtest"
) -> dict[str, Any]:
    status, out, err = call(
        capsys, command, "--iv", files[0], "--prices", files[1], "--format", "json", *words
    )
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path, command: str = "backtest") -> str:
    status, out, err = call(capsys, command, *words)
    assert (status, out) == (2, "")
    assert err.startswith("variance: ")
    assert err.count("\n") == 1
    return err.removeprefix("variance: ").strip()


# --- the shape others build on ---------------------------------------------------------------------


def test_json_has_the_published_keys_and_the_gaps_of_the_files(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], made: pd.DataFrame
) -> None:
    found = told(capsys, files)
    assert list(found) == ["groups", "baselines", "whipsaw", "settings"]
    assert [list(group) for group in (*found["groups"], *found["baselines"])] == [GROUP_KEYS] * (
        len(found["groups"]) + 2
    )
    assert [group["name"] for group in found["baselines"]] == ["universe", "SPY"]
    assert [each["lens"] for each in found["whipsaw"]] == ["quarterly", "yearly"]
    every = found["groups"][0]
    gaps = []
    for _, own in made.groupby("symbol"):
        squares = np.log(own["close"]).diff() ** 2
        gaps.append(own["iv30"] - np.sqrt(252 * squares.rolling(21).mean().shift(-21)))
    gap = pd.concat(gaps).dropna()
    assert (every["name"], every["n"]) == ("all", len(gap))
    assert every["hit_rate"] == pytest.approx((gap > 0).mean())
    assert (every["mean_gap"], every["worst"]) == (pytest.approx(gap.mean()), pytest.approx(gap.min()))
    settings = found["settings"]
    assert (settings["waiting"], settings["lost"], settings["names"]) == (4 * 21, {}, 4)
    assert settings["gates_judged"] == ["data", "structural", "tactical", "momentum", "iv_percentile"]
    assert any("figures are those of survivors" in note for note in settings["notes"])


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("signal", ["EVENT", "RICH", "COILED", "EXPANDING", "DISCOUNT", "FAIR"]),
        ("symbol", ["A01", "A02", "A03", "SPY"]),
    ],
)
def test_groups_by_what_was_asked(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], by: str, names: list[str]
) -> None:
    assert [group["name"] for group in told(capsys, files, "--by", by)["groups"]] == ["all", *names]


def test_lens_profile_benchmark_and_days_are_taken(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path]
) -> None:
    words = ("--lens", "yearly", "--profile", "aggressive", "--benchmark", "a01")
    found = told(capsys, files, *words, "--from", "2024-06-03", "--to", "2024-06-28")
    settings = found["settings"]
    assert (settings["lens"], settings["profile"], settings["benchmark"]) == ("yearly", "aggressive", "A01")
    assert (settings["judged_from"], settings["judged_to"]) == ("2024-06-03", "2024-06-28")
    assert (settings["first"], settings["last"]) == ("2024-06-03", "2024-06-28")
    assert settings["sessions"] == 19  # Juneteenth
    assert found["baselines"][1]["name"] == "A01"
    assert found["groups"][0]["n"] == 4 * 19


def test_the_table_tells_groups_thresholds_and_notes(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path]
) -> None:
    status, out, err = call(capsys, "backtest", "--iv", files[0], "--prices", files[1])
    assert (status, err) == (0, "")
    for words in ("both gates", "yearly both gates", "structural > 1.10", "Not judged: dead_legs", "Whipsaw"):
        assert words in out
    assert "no claim of profit" in " ".join(out.split())


# --- files as they come ----------------------------------------------------------------------------


def test_gzip_column_order_case_and_further_columns_change_nothing(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], made: pd.DataFrame, tmp_path: Path
) -> None:
    other = made.assign(
        extra="x, y", symbol=made["symbol"].str.lower(), date=made["date"].astype(str) + " 00:00"
    )
    iv, prices = tmp_path / "iv.csv.gz", tmp_path / "prices.csv"
    iv.write_bytes(gzip.compress(other[["iv30", "extra", "symbol", "date"]].to_csv(index=False).encode()))
    text = other[["symbol", "extra", "close", "date"]].rename(columns=str.upper).to_csv(index=False)
    prices.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n")
    assert told(capsys, (iv, prices)) == told(capsys, files)


def test_one_index_alone_is_a_backtest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    index = priced(*(100 + (place % 7) for place in range(60)), symbol="^SPX")
    found = told(capsys, written(tmp_path, index), "--benchmark", "^SPX")
    assert found["baselines"][0]["n"] == found["baselines"][1]["n"] == 39


def test_a_split_is_repaired_unless_as_is(
    capsys: pytest.CaptureFixture[str], made: pd.DataFrame, tmp_path: Path
) -> None:
    own = made[made["symbol"] == "A02"].set_index("date")["close"]
    day = np.log(own).diff().abs().loc["2024-06":"2024-09"].idxmin()  # type: ignore[misc]
    late = (made["symbol"] == "A02") & (made["date"] >= day)
    files = written(tmp_path, made.assign(close=made["close"].where(~late, made["close"] / 10)))
    repaired, as_is = told(capsys, files), told(capsys, files, "--as-is")
    assert any(f"A02 {day:%Y-%m-%d} (10 for 1)" in note for note in repaired["settings"]["notes"])
    assert repaired["groups"][0]["worst"] > -1 > as_is["groups"][0]["worst"]


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            "2024-06-31,AAA,0.2",
            "--iv, line 3: date '2024-06-31' is no day of 1950 to 2099 written as 2025-12-31",
        ),
        ("12/31/2024,AAA,0.2", "--iv, line 3: date '12/31/2024' is no day"),
        ("2024-12-31,A A!,0.2", "--iv, line 3: symbol 'A A?' is no ticker such as AAPL"),
        ("2024-12-31,,0.2", "--iv, line 3: symbol '' is no ticker"),
        ("2024-12-31,AAA,18 %", "--iv, line 3: iv30 '18 ?' is no number; write one such as 0.185"),
        ("2024-12-31,AAA,0.2,7,7", "--iv, line 3: there are more cells than the first line has names"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path, cells: str, sentence: str
) -> None:
    iv = tmp_path / "iv.csv"
    iv.write_text(f"date,symbol,iv30\n2024-12-30,AAA,0.2\n{cells}\n2024-12-31,AAA,0.2\n")
    assert sentence in refused(capsys, "--iv", iv, "--prices", files[1])


def test_blank_lines_and_empty_cells_are_no_fault_and_keep_the_count(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    iv = tmp_path / "iv.csv"
    iv.write_text("date,symbol,iv30\n\n2024-12-30,SPY,NA\n2024-12-27,SPY,0.2\n,,\n2024-12-31,SPY,x\n")
    said = refused(capsys, "--iv", iv, "--prices", files[1])
    assert said.startswith("--iv, line 6: iv30 'x'")
    iv.write_text("date,symbol,iv30\n\n2024-12-30,SPY,NA\n2024-12-27,SPY,0.2\n,,\n")
    found = told(capsys, (iv, files[1]))
    assert any(
        note.startswith("1 line of the IV file without a value") for note in found["settings"]["notes"]
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"date,symbol\n2024-12-31,AAA\n", "--iv: the file lacks the column iv30"),
        (b"date,iv30,iv30,symbol\n", "--iv: the file has more than one column iv30"),
        (b"", "--iv: the file lacks the column date"),
        (b"date,symbol,iv30\n", "--iv: the file has no line below its header"),
        (b"date,symbol,iv30\n\n\n", "--iv: the file has no line below its header"),
        (b"date,symbol,iv30\n2024-12-31,\xff\xfe,0.2\n", "--iv: the file is no text in UTF-8"),
        (b"\x1f\x8b broken", "--iv: the file cannot be read"),
        (b"date,symbol,iv30\n2024-12-31,SPY,18.5\n", "--iv: iv30 looks like percent, its median is 18.5"),
        (
            b"date,symbol,iv30\n2024-12-30,SPY,0.2\n2024-12-31,SPY,21.3\n2024-12-27,SPY,0.2\n",
            "--iv, line 3: iv30 '21.3' is above 5; write fractions",
        ),
        (b"date,symbol,iv30\n2024-12-31,ZZZ,0.2\n", "No name stands in both files"),
        (b"date,symbol,iv30\n2024-12-28,SPY,0.2\n", "The IV file has no value above 0 on a trading day"),
    ],
)
def test_a_file_that_cannot_serve_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str],
    files: tuple[Path, Path],
    tmp_path: Path,
    content: bytes,
    sentence: str,
) -> None:
    iv = tmp_path / "iv.csv"
    iv.write_bytes(content)
    assert sentence in refused(capsys, "--iv", iv, "--prices", files[1])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--format", "csv"), "use one of table, json"),
        (("--by", "[red]"), "--by '?red?' is not known: use one of signal, regime, gate, symbol."),
        (("--from", "June"), "--from 'June' is no day: write it as 2025-12-31."),
        (("--from", "2024-06-02", "--to", "2024-06-01"), "--from lies after --to"),
        (("--from", "2030-01-01"), "No session to judge is left"),
        (("--lens", "weekly"), "unknown lens"),
        (("--report", "past.docx"), "--report: name a file that ends in .html or .png."),
        (("--report", "nowhere/past.html"), "--report: there is no such folder to write to."),
        (("--benchmark", "S P Y"), "is no ticker"),
    ],
)
def test_bad_use_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refused(capsys, "--iv", files[0], "--prices", files[1], *words)


def test_a_file_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path
) -> None:
    said = refused(capsys, "--iv", files[0], "--prices", tmp_path / "none.csv")
    assert said == "--prices: there is no such file; give a CSV with date, symbol and close."


@pytest.mark.parametrize("ending", ["html", "png"])
def test_a_report_is_written_beside_the_result(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"past.{ending}"
    assert told(capsys, files, "--report", str(path))["groups"][0]["n"] > 0
    assert path.stat().st_size > 5_000


# --- the sweep -------------------------------------------------------------------------------------


def test_a_sweep_tells_every_pair_and_how_many_were_tried(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path]
) -> None:
    words = ("--structural", "1.0:1.3:0.1", "--tactical", "1.15")
    found = told(capsys, files, *words, command="sweep")
    assert list(found) == ["trials", "pairs", "best", "out_of_sample", "settings"]
    assert [(pair["structural"], pair["tactical"]) for pair in found["pairs"]] == [
        *((1.0, 1.15), (1.1, 1.15), (1.2, 1.15), (1.3, 1.15)),
    ]
    assert found["trials"] == found["settings"]["trials"] == 4
    listed = next(group for group in told(capsys, files)["groups"] if group["name"] == "listed")
    default = found["pairs"][1]
    assert (default["n"], default["mean_gap"]) == (listed["n"], pytest.approx(listed["mean_gap"]))
    assert found["settings"]["widened"].startswith("Sidak: 98.726 % an interval")


def test_a_sweep_as_a_table(capsys: pytest.CaptureFixture[str], files: tuple[Path, Path]) -> None:
    status, out, err = call(
        capsys, "sweep", "--iv", files[0], "--prices", files[1], "--lens", "yearly", "--structural", "0.5"
    )
    assert (status, err) == (0, "")
    assert "9 trials · 4 names · yearly lens" in out
    assert "Out of sample" in out
    assert "no claim of profit" in " ".join(out.split())


@pytest.mark.parametrize("text", ["a", "1:2", "1:2:0", "2:1:0.1", "1:2:0.001", "-1", "nan", "1:inf:1", ""])
def test_thresholds_that_are_none_are_refused(
    capsys: pytest.CaptureFixture[str], files: tuple[Path, Path], text: str
) -> None:
    words = ("--iv", files[0], "--prices", files[1], f"--structural={text}")
    assert "write low:high:step such as 1.0:1.4:0.05" in refused(capsys, *words, command="sweep")


def test_too_many_pairs_are_refused(capsys: pytest.CaptureFixture[str], files: tuple[Path, Path]) -> None:
    words = ("--structural", "1:2:0.01", "--tactical", "1:2:0.01")
    said = refused(capsys, "--iv", files[0], "--prices", files[1], *words, command="sweep")
    assert said == "A sweep tries 1 to 1,000 pairs of thresholds; these are 10,201."


# --- what the documentation says -------------------------------------------------------------------


def test_the_files_of_the_documentation_are_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (ROOT / "docs" / "backtest-formats.md").read_text(encoding="utf-8")
    iv, prices = re.findall(r"```csv\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "iv.csv").write_text(iv)
    (tmp_path / "prices.csv").write_text(prices)
    found = told(capsys, (tmp_path / "iv.csv", tmp_path / "prices.csv"))
    # Two days alone: everything is there, nothing has an outcome yet.
    assert (found["groups"][0]["n"], found["groups"][0]["hit_rate"]) == (0, None)
    assert (found["settings"]["waiting"], found["settings"]["first"]) == (2, None)
    *most, last = SPLIT_RATIOS
    assert f"{', '.join(map(str, most))} or {last} to 1" in text
