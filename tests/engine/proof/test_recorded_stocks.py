"""VXAPL and VXAZN against AAPL and AMZN, 2012 to 2017: single stocks over years."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.engine.proof.recorded import (
    Files,
    Judged,
    by_hand,
    check_by_hand,
    check_document,
    judged,
    left_by_the_tenth,
    volatility_indices,
)


@pytest.fixture(scope="module")
def files(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return volatility_indices(shared_data, tmp_path_factory.mktemp("stocks"))


@pytest.fixture(scope="module")
def table(files: Files) -> pd.DataFrame:
    return by_hand(files)


@pytest.fixture(scope="module")
def run(files: Files) -> Judged:
    return judged(files, "--benchmark", "AAPL")


def test_every_zone_and_dual_group_is_what_pandas_reckons(table: pd.DataFrame, run: Judged) -> None:
    check_by_hand(run, table)


def test_the_document_says_what_the_report_says(table: pd.DataFrame, run: Judged) -> None:
    check_document(run, table, "AAPL and AMZN", column=1)


def test_reports_explain_much_of_what_the_gates_see(table: pd.DataFrame) -> None:
    """Both report in January, April, July and October; the document quotes these four figures."""
    table = table.dropna(subset=["dual"])
    month = table["date"].str[5:7].astype(int) % 3
    both = table["dual"] == "both gates"
    found = [
        figure
        for phase in (1, 2)
        for figure in (both[month == phase].mean(), (table["gap"][month == phase] > 0).mean())
    ]
    assert [f"{100 * figure:.1f}" for figure in found] == ["72.0", "65.6", "16.1", "82.9"]
    risen = table["gap"][(month == 1) & (table["momentum"] > 1.15)]
    assert f"{100 * (risen > 0).mean():.1f}" == "86.8"


def test_one_premium_alone_leaves_more_rarely_than_the_list(files: Files) -> None:
    assert f"{100 * left_by_the_tenth(files, 90, 1.10):.1f}" == "28.6"
    assert f"{100 * left_by_the_tenth(files, 252, 0.85):.1f}" == "11.7"
