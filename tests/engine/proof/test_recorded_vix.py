"""VIX against SPY: the published comparison as far as the recorded closes reach, and the whole backtest."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.engine.proof.recorded import (
    Files,
    Judged,
    by_hand,
    check_by_hand,
    check_document,
    judged,
    left_by_the_tenth,
    vix_and_spy,
)


@pytest.fixture(scope="module")
def files(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return vix_and_spy(shared_data, tmp_path_factory.mktemp("vix"))


@pytest.fixture(scope="module")
def table(files: Files) -> pd.DataFrame:
    return by_hand(files)


@pytest.fixture(scope="module")
def run(files: Files) -> Judged:
    return judged(files)


@pytest.mark.parametrize(
    ("first", "last", "n", "higher", "gap"),
    [
        # Published on the index: 87.2 %, 4.38 points from 1990; 82.6 %, 3.25 points.
        ("1998-01-02", "2014-09-30", 4212, "84.734", "4.091"),
        ("2005-01-03", "2019-08-30", 3691, "82.931", "3.366"),
    ],
)
def test_the_published_periods_with_spy_for_the_index(
    files: Files, first: str, last: str, n: int, higher: str, gap: str
) -> None:
    found = judged(files, "--from", first, "--to", last, report=False).groups["all"]
    assert found["n"] == n
    assert f"{100 * found['hit_rate']:.3f}" == higher
    assert f"{100 * found['mean_gap']:.3f}" == gap
    document = (ROOT / "docs" / "proof-on-real-data.md").read_text(encoding="utf-8")
    assert f"| {first} to {last} | SPY, closes as traded | {n:,} | {higher} % | {gap} | |" in document


def test_every_zone_and_dual_group_is_what_pandas_reckons(table: pd.DataFrame, run: Judged) -> None:
    check_by_hand(run, table)


def test_the_document_says_what_the_report_says(table: pd.DataFrame, run: Judged) -> None:
    check_document(run, table, "VIX and SPY", column=0)


def test_after_a_rise_in_movement_the_hit_rate_of_the_index_is_lower(table: pd.DataFrame) -> None:
    risen, others = table[table["momentum"] > 1.15]["gap"], table[table["momentum"] <= 1.15]["gap"]
    assert f"{100 * ((others > 0).mean() - (risen > 0).mean()):.1f}" == "8.5"


def test_one_premium_alone_leaves_more_rarely_than_the_list(files: Files, run: Judged) -> None:
    assert f"{100 * left_by_the_tenth(files, 90, 1.10):.1f}" == "11.8"
    assert f"{100 * left_by_the_tenth(files, 252, 0.85):.1f}" == "4.1"
    assert all(each["share"] > 0.5 for each in run.shape["whipsaw"])
