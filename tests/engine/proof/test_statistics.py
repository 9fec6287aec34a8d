"""Wilson's interval against published values, and what an effective n must do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.proof.days import NONE
from engine.proof.statistics import SessionSums, effective_n, wilson
from engine.proof.tally import Outcomes, Tally

HORIZON = 21


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3, and
# Agresti and Coull's rule for 8 of 10; all without continuity correction.
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
    ],
)
def test_wilson_as_published(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)


@given(st.floats(1e-4, 1 - 1e-4) | st.sampled_from([0.0, 1.0]), st.floats(0.5, 1e6))
def test_wilson_holds_the_rate_and_solves_the_score_equation(rate: float, n: float) -> None:
    low, high = wilson(rate, n)
    assert 0 <= low <= rate <= high <= 1
    # The ends are the shares that lie 1.96 of their own standard errors away from the rate.
    for end in {low, high} - {0.0, 1.0, rate}:
        assert abs(rate - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / n), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("rate", "n"), [(0.5, 0), (0.5, -1), (1.1, 5), (-0.1, 5), (math.nan, 5)])
def test_wilson_of_nothing(rate: float, n: float) -> None:
    with pytest.raises(ValueError, match="n above 0 and a rate within"):
        wilson(rate, n)


def group(table: pd.DataFrame, horizon: int = HORIZON) -> Any:
    """A group of rows (position, name, hit), through the tally."""
    table = table.sort_values("position", kind="stable")
    tally = Tally(("group",), horizon)
    gap = np.where(table["hit"], 0.01, -0.01)
    block = Outcomes(table["name"].to_numpy(np.int64), table["position"].to_numpy(np.int64), gap)
    tally.add(block, np.zeros(len(table), dtype=np.uint8))
    return tally.groups()[0]


def by_hand(table: pd.DataFrame, horizon: int = HORIZON) -> float:
    """The same n from its definition, row by row."""

    def free(positions: Any) -> int:
        count, last = 0, -(10**9)
        for position in sorted(positions):
            if position - last >= horizon:
                count, last = count + 1, position
        return count

    windows = sum(free(rows["position"]) for _, rows in table.groupby("name"))
    periods = free(table["position"].unique())
    sessions = table.groupby("position")["hit"].agg(["size", "mean"])
    n, size, many = len(table), sessions["size"], len(sessions)
    correlation = 1.0
    if 1 < many < n and 0 < table["hit"].mean() < 1:
        inside = table["hit"] - table.groupby("position")["hit"].transform("mean")
        msw = (inside**2).sum() / (n - many)
        msb = (size * (sessions["mean"] - table["hit"].mean()) ** 2).sum() / (many - 1)
        n0 = (n - (size**2).sum() / n) / (many - 1)
        correlation = min(1.0, max(0.0, (msb - msw) / (msb + (n0 - 1) * msw)))
    rho = correlation + (1 - correlation) / periods
    names = max(1.0, windows / periods * (size**2).sum() * many / n**2)
    return float(min(n, max(1.0, windows / (1 + (names - 1) * rho))))


observations = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=80,
    unique_by=lambda row: row[:2],
).map(lambda rows: pd.DataFrame(rows, columns=["position", "name", "hit"]).astype({"hit": float}))


@settings(max_examples=50, deadline=None)
@given(observations, st.integers(2, 25))
def test_effective_n_from_its_definition(table: pd.DataFrame, horizon: int) -> None:
    found = group(table, horizon)
    assert found.effective_n == pytest.approx(by_hand(table, horizon))
    assert 1 <= found.effective_n <= found.n == len(table)
    assert found.ci_low <= found.hit_rate <= found.ci_high


def full(sessions: int, names: int, hit: Any) -> pd.DataFrame:
    grid = pd.MultiIndex.from_product([range(sessions), range(names)], names=["position", "name"])
    return grid.to_frame(index=False).assign(hit=np.broadcast_to(hit, len(grid)).astype(float))


def test_effective_n_at_its_ends() -> None:
    assert effective_n(SessionSums(), 0, 0) == 0.0
    # One name: windows that do not overlap, whatever became of them.
    assert group(full(210, 1, hit=1)).effective_n == 10
    assert group(full(210, 1, hit=np.arange(210) % 3 == 0)).effective_n == 10
    assert group(full(1, 1, hit=1)).effective_n == 1
    # One session tells as much as one name, and so do names that always do the same.
    assert group(full(1, 40, hit=np.arange(40) % 2)).effective_n == 1
    together = np.repeat(np.random.default_rng(1).integers(0, 2, 210), 40)
    assert group(full(210, 40, together)).effective_n == pytest.approx(10)
    # Hits that never vary do not show how much names move together: the fewest are assumed.
    certain = group(full(210, 40, hit=1))
    assert certain.effective_n == pytest.approx(10)
    assert (certain.hit_rate, certain.ci_high) == (1.0, 1.0)
    assert certain.ci_low == pytest.approx(10 / (10 + 1.959964**2))
    # Names that have nothing to do with each other: more than the periods, less than names times periods.
    alone = group(full(210, 40, np.random.default_rng(2).integers(0, 2, 8400))).effective_n
    assert 40 < alone < 400


def test_a_group_without_rows_is_there_and_empty() -> None:
    tally = Tally(("first", "second"), HORIZON)
    block = Outcomes(np.array([0, 1]), np.array([0, 0]), np.array([0.02, -0.01]))
    tally.add(block, np.array([1, NONE], dtype=np.uint8))
    first, second = tally.groups()
    assert (first.n, first.effective_n, first.hit_rate, first.ci_low, first.worst) == (
        0,
        0.0,
        None,
        None,
        None,
    )
    assert (second.n, second.hit_rate, second.worst) == (1, 1.0, 0.02)


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_the_interval_holds_the_true_rate_where_names_move_together(share: float) -> None:
    """120 pasts of 2 years with 20 names, windows that overlap, a common factor of a quarter.

    A sparse group (a name in ten, another one every day) must not pass for many independent observations.
    Of 120 intervals at 95 %, 104 or more hold the true rate with a chance above 99.9 %; with n as it is, far
    fewer do.
    """
    random = np.random.default_rng(5)
    held = plain = 0
    for _ in range(120):
        daily = 0.5 * random.standard_normal((525, 1)) + math.sqrt(0.75) * random.standard_normal((525, 20))
        total = np.cumsum(daily, axis=0)
        hit = total[HORIZON:] - total[:-HORIZON] > -0.8416 * math.sqrt(HORIZON)
        position, name = np.nonzero(random.random(hit.shape) < share)
        table = pd.DataFrame({"position": position, "name": name, "hit": hit[position, name]})
        found = group(table)
        held += found.ci_low <= 0.8 <= found.ci_high
        low, high = wilson(found.hit_rate, found.n)
        plain += low <= 0.8 <= high
    assert held >= 104
    assert plain < held - 20
