"""Interactive Brokers' daily IV30 of 83 names with recorded closes: one year of single stocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.engine.proof.recorded import (
    Files,
    Judged,
    by_hand,
    check_by_hand,
    check_document,
    interactive_brokers,
    joined,
    judged,
    left_by_the_tenth,
    sources,
    spikes_by_both_sides,
    spikes_by_the_past,
)


@pytest.fixture(scope="module")
def files(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    return interactive_brokers(shared_data, tmp_path_factory.mktemp("brokers"))


@pytest.fixture(scope="module")
def table(files: Files) -> pd.DataFrame:
    return by_hand(files)


@pytest.fixture(scope="module")
def run(files: Files) -> Judged:
    return judged(files)


def test_three_spikes_and_another_source_are_left_out(files: Files) -> None:
    assert files.left_out == {"another source": 458, "empty": 1, "spikes": 3}
    assert len(pd.read_csv(files.iv)) == 20_833 - 1 - 3


def test_the_rule_for_spikes_asks_for_nothing_that_came_later() -> None:
    calm = [0.30, 0.31, 0.30, 0.29, 0.30, 0.31]
    spiked = pd.DataFrame({"A": [*calm, 0.70, 0.30, 0.14, 0.55, 0.30]})
    found = spikes_by_the_past(spiked)["A"]
    assert list(found[found].index) == [6, 8]
    for end in range(1, len(spiked)):
        assert spikes_by_the_past(spiked[:end])["A"].equals(found[:end])
    assert list(np.flatnonzero(spikes_by_both_sides(spiked)["A"])) == [6]


def test_the_sources_of_closes_agree_where_they_overlap(shared_data: Path) -> None:
    nasdaq, funds, year, large, summer = (np.log(each).diff().iloc[1:] for each in sources(shared_data))
    for one, other, most in (
        (nasdaq, year, 4e-6),
        (nasdaq, large, 4e-6),
        (funds, large, 4e-6),
        (year, large, 4e-6),
        (year, summer, 4e-3),
    ):
        days, names = one.index.intersection(other.index), one.columns.intersection(other.columns)
        assert len(days) * len(names) > 150
        assert np.nanmax(np.abs(one.loc[days, names] - other.loc[days, names])) < most


def test_joining_keeps_returns_and_the_latest_level() -> None:
    early = pd.DataFrame({"A": [10.0, 11.0, 12.1]}, ["01", "02", "03"])
    late = pd.DataFrame({"A": [24.2, 26.0], "B": [5.0, 6.0]}, ["03", "04"])
    gap = pd.DataFrame({"A": [30.0]}, ["06"])
    found = joined([early, late, gap])
    assert found["A"].tolist() == pytest.approx([20.0, 22.0, 24.2, 26.0, 30.0])
    assert found["B"].tolist() == pytest.approx([np.nan, np.nan, 5.0, 6.0, np.nan], nan_ok=True)


def test_every_zone_and_dual_group_is_what_pandas_reckons(table: pd.DataFrame, run: Judged) -> None:
    check_by_hand(run, table)


def test_the_document_says_what_the_report_says(table: pd.DataFrame, run: Judged) -> None:
    check_document(run, table, "Interactive Brokers", column=2)


def test_the_year_was_given_back_in_may(table: pd.DataFrame, run: Judged) -> None:
    may = table["gap"][table["date"].str.startswith("2026-05")]
    assert f"{100 * (may > 0).mean():.1f} {100 * may.mean():+.2f}" == "26.3 -9.95"
    assert ">listed +6.3<" in run.page
    assert ">universe +1.2<" in run.page


def test_one_premium_alone_leaves_more_rarely_than_the_list(files: Files) -> None:
    assert f"{100 * left_by_the_tenth(files, 90, 1.10):.1f}" == "25.2"
    assert f"{100 * left_by_the_tenth(files, 252, 0.85):.1f}" == "14.6"


def test_a_stricter_rule_for_spikes_changes_little(shared_data: Path, tmp_path: Path, run: Judged) -> None:
    strict = interactive_brokers(shared_data, tmp_path, "both")
    assert strict.left_out["spikes"] == 17
    found = judged(strict, report=False)
    for name, most in (("all", 0.0002), ("listed", 0.0003), ("SPY", 0.0013)):
        assert abs(found.groups[name]["mean_gap"] - run.groups[name]["mean_gap"]) < most
        assert abs(found.groups[name]["hit_rate"] - run.groups[name]["hit_rate"]) < 0.004
