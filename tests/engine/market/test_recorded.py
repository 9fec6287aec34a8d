"""Reading and writing a recorded market, and what is said when it cannot be read."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from engine.errors import SnapshotError
from engine.market.recorded import read_snapshot, write_snapshot
from engine.market.simulated import SimulatedMarket
from engine.rules import load_universe

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    write_snapshot(SimulatedMarket(load_universe(ROOT / "config")[:6], date(2025, 12, 31)).snapshot(), folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(written, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_is_written_is_read_again(written: Path) -> None:
    market = SimulatedMarket(load_universe(ROOT / "config")[:6], date(2025, 12, 31)).snapshot()
    again = read_snapshot(written)
    assert (again.asof, again.session, again.kind, again.source, again.rate) == (
        market.asof,
        market.session,
        market.kind,
        market.source,
        market.rate,
    )
    numbers = ["strike", "bid", "ask", "volume", "open_interest"]
    pd.testing.assert_frame_equal(
        again.quotes[numbers].reset_index(drop=True), market.quotes[numbers].reset_index(drop=True)
    )
    assert again.symbols == market.symbols
    assert again.quotes["expiration"].tolist() == market.quotes["expiration"].tolist()


def edited(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / name
        if path.suffix == ".gz":
            text = gzip.decompress(path.read_bytes()).decode()
            path.write_bytes(gzip.compress(change(text).encode()))
        else:
            path.write_text(change(path.read_text()))

    return edit


def cell(text: str) -> str:
    lines = text.splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[2], "twelve", 1)
    return "\n".join(lines) + "\n"


def facts(**changes: object) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | changes)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "the folder does not exist"),
        (lambda folder: (folder / "quotes.csv.gz").unlink(), "quotes.csv (or .csv.gz) is missing"),
        (lambda folder: (folder / "snapshot.json").unlink(), "snapshot.json is missing"),
        (edited("quotes.csv.gz", lambda t: t.replace("bid,", "bidding,", 1)), "lacks the column bid"),
        (edited("quotes.csv.gz", cell), "quotes.csv.gz, line 3: strike is 'twelve', a number is needed"),
        (edited("underlyings.csv", lambda t: t.splitlines()[0] + "\n"), "lists no name"),
        (edited("underlyings.csv", lambda t: ""), "cannot be read"),
        (edited("snapshot.json", lambda t: "{"), "snapshot.json cannot be read"),
        (edited("snapshot.json", facts(kind="noon")), "allowed is open or close"),
        (edited("snapshot.json", facts(asof="2025-12-31T16:00:00")), "has no UTC offset"),
        (edited("snapshot.json", facts(session="soon")), "must be ISO dates"),
        (edited("snapshot.json", facts(rate="4 %")), "allowed is a fraction"),
        (edited("snapshot.json", facts(source=None)), "lacks source"),
        (
            edited("history.csv.gz", lambda t: t.replace("2025-12-30", "30.12.2025", 1)),
            "date is '30.12.2025'",
        ),
    ],
)
def test_damage_is_named_in_one_sentence(folder: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(folder)
    with pytest.raises(SnapshotError) as error:
        read_snapshot(folder)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_ticker_called_na_and_a_company_called_none_survive(folder: Path) -> None:
    edited("underlyings.csv", lambda t: t.replace(t.splitlines()[1].split(",")[0], "NA", 1))(folder)
    assert "NA" in read_snapshot(folder).symbols


def test_plain_csv_is_read_as_well(folder: Path) -> None:
    packed = folder / "quotes.csv.gz"
    (folder / "quotes.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    rows = len(read_snapshot(folder).quotes)
    packed.unlink()
    assert len(read_snapshot(folder).quotes) == rows


def test_a_place_that_cannot_be_written_is_named(written: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SnapshotError, match="cannot be written"):
        write_snapshot(read_snapshot(written), tmp_path / "file")


def test_every_recorded_market_is_read(shared_data: Path) -> None:
    for name in ("ndx100_2026-04-29_close", "us_2026-08-19_close", "us_2026-07-15_open"):
        assert len(read_snapshot(shared_data / "snapshots" / name).quotes) > 80_000
