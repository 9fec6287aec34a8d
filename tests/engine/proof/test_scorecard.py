"""The scorecard against plain pandas, however the past is cut into blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.proof.days import DUAL, NONE
from engine.proof.result import By, Group, Scorecard
from engine.proof.scorecard import Scorer
from engine.rules import load_rules
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS
from tests.conftest import ROOT
from tests.engine.proof.made import JUDGED, SESSIONS, drawn, name_days

RULES = load_rules(Path(ROOT) / "config")
GATES = [f"{gate}: {word}" for gate in JUDGED for word in ("pass", "fail")]


def scored(*blocks: pd.DataFrame, by: By | None = None, **settings: Any) -> Scorecard:
    scorer = Scorer(RULES, "SPY", by)
    for block in blocks:
        scorer.add(name_days(block))
    return scorer.result(**settings)


def cut(table: pd.DataFrame, sessions: int) -> Iterator[pd.DataFrame]:
    """Blocks of so many sessions, each with its own symbols in its own order."""
    days = np.sort(table["session"].unique())
    for start in range(0, len(days), sessions):
        yield table[table["session"].isin(days[start : start + sessions])]


def selections() -> dict[str, Callable[[pd.DataFrame], Any]]:
    """Which rows are in a group of `by=None`, by its name."""

    def equal(column: str, value: str) -> Callable[[pd.DataFrame], Any]:
        return lambda table: table[column] == value

    found: dict[str, Callable[[pd.DataFrame], Any]] = {"all": lambda table: table["iv30"] > 0}
    found |= {name: equal("signal", name) for name in SIGNALS}
    found |= {f"regime {name}": equal("regime", name) for name in REGIMES}
    found |= {name: equal("zone", name) for name in ZONES}
    found |= {name: equal("dual", name) for name in DUAL}
    found |= {name: equal("listed", name) for name in ("listed", "not listed")}
    return found | {f"{gate}: {word}": equal(gate, word) for gate in JUDGED for word in ("pass", "fail")}


def expected(table: pd.DataFrame, rows: pd.DataFrame) -> dict[str, float]:
    universe = table.groupby("session")["gap"].mean()
    return {
        "n": len(rows),
        "hit_rate": (rows["gap"] > 0).mean(),
        "mean_gap": rows["gap"].mean(),
        "median_gap": rows["gap"].median(),
        "worst": rows["gap"].min(),
        "over_universe": rows["gap"].mean() - rows["session"].map(universe).mean(),
        "names": rows["symbol"].nunique(),
        "sessions": rows["session"].nunique(),
    }


def with_outcome(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(gap=table["iv30"] - table["realized"]).dropna(subset="gap")


def figures(group: Group) -> dict[str, Any]:
    keys = ("n", "hit_rate", "mean_gap", "median_gap", "worst", "over_universe", "names", "sessions")
    return {key: getattr(group, key) for key in keys}


def test_every_group_against_pandas() -> None:
    table = drawn(sessions=90, names=12, seed=3)
    card = scored(*cut(table, 7))
    known = with_outcome(table)
    chosen = selections()
    assert [group.name for group in card.groups] == list(chosen)
    for group in card.groups:
        assert figures(group) == pytest.approx(expected(known, known[chosen[group.name](known)]), abs=1e-12)
    universe, benchmark = card.baselines
    assert (universe.name, benchmark.name) == ("universe", "SPY")
    assert figures(universe) == pytest.approx(expected(known, known), abs=1e-12)
    assert figures(benchmark) == pytest.approx(expected(known, known[known["symbol"] == "SPY"]), abs=1e-12)
    assert (card.first, card.last) == (known["session"].min().date(), known["session"].max().date())
    assert card.settings["median"] == "exact"


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("signal", SIGNALS),
        ("regime", (*REGIMES, *ZONES)),
        ("gate", (*DUAL, "listed", "not listed", *GATES)),
        ("symbol", ("N0", "N1", "SPY")),
    ],
)
def test_groups_asked_for(by: By, names: tuple[str, ...]) -> None:
    table = drawn(sessions=30, names=3, seed=4)
    card = scored(*cut(table, 4), by=by)
    assert [group.name for group in card.groups] == ["all", *names]
    assert [group.name for group in card.baselines] == ["universe", "SPY"]


def test_by_symbol_against_pandas() -> None:
    known = with_outcome(table := drawn(sessions=64, names=6, seed=5))
    for group in scored(*cut(table, 9), by="symbol").groups[1:]:
        rows = known[known["symbol"] == group.name]
        assert figures(group) == pytest.approx(expected(known, rows), abs=1e-12)
        last, free = -99, 0
        for place in np.searchsorted(SESSIONS, rows["session"].to_numpy(dtype="datetime64[D]")):
            if place - last >= 21:
                last, free = int(place), free + 1
        assert group.effective_n == free


def test_a_hit_is_a_gap_above_nothing() -> None:
    table = drawn(sessions=1, names=4, seed=1, missing=0).assign(iv30=0.25)
    table["realized"] = [0.25, 0.2501, 0.2499, np.nan]
    every = scored(table).groups[0]
    assert (every.n, every.hit_rate) == (3, pytest.approx(1 / 3))


def test_nothing_yet() -> None:
    card = Scorer(RULES, "SPY").result(waiting=7)
    assert [group.name for group in card.groups] == [*list(selections())[:-8]]  # no gate was judged
    assert {group.n for group in (*card.groups, *card.baselines)} == {0}
    assert {group.hit_rate for group in card.groups} == {None}
    assert [(each.lens, each.n, each.share) for each in card.whipsaw] == [
        ("quarterly", 0, None),
        ("yearly", 0, None),
    ]
    assert (card.first, card.last, card.waiting) == (None, None, 7)
    waiting = drawn(sessions=3, names=2, seed=1).assign(realized=np.nan)
    assert scored(waiting).groups[0].n == 0


def test_what_is_passed_on() -> None:
    card = scored(drawn(5, 3, 1), settings={"lens": "yearly"}, waiting=3, lost={"no close": 2})
    assert (card.waiting, card.lost, card.settings["lens"]) == (3, {"no close": 2}, "yearly")
    assert card.settings["horizon_sessions"] == 21
    assert card.settings["small_sample_below"] == 30
    assert card.first == date(2024, 1, 1)


def near(one: Scorecard, other: Scorecard) -> None:
    """The same but for the last digits of sums taken in another order."""
    assert one.whipsaw == other.whipsaw
    for a, b in zip((*one.groups, *one.baselines), (*other.groups, *other.baselines), strict=True):
        assert a.name == b.name
        assert figures(a) == pytest.approx(figures(b), abs=1e-12)
        assert (a.effective_n, a.ci_low) == pytest.approx((b.effective_n, b.ci_low), abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 40), st.sampled_from([None, "symbol"]))
def test_neither_blocks_nor_the_order_of_names_matter(seed: int, sessions: int, by: By | None) -> None:
    table = drawn(sessions=45, names=4, seed=seed)
    whole = scored(table, by=by)
    near(scored(*cut(table, sessions), by=by), whole)
    shuffled = table.sample(frac=1, random_state=seed % 1000).sort_values("session", kind="stable")
    near(scored(shuffled, by=by), whole)
    for group in whole.groups:
        if group.n:
            assert group.ci_low is not None
            assert group.ci_high is not None
            assert group.hit_rate is not None
            assert 1 <= group.effective_n <= group.n
            assert group.ci_low <= group.hit_rate <= group.ci_high


def test_more_may_follow_a_result() -> None:
    table = drawn(sessions=40, names=5, seed=8)
    first, second = cut(table, 20)
    scorer = Scorer(RULES, "SPY")
    scorer.add(name_days(first))
    near(scorer.result(), scored(first))
    scorer.add(name_days(second))
    near(scorer.result(), scored(table))


def test_a_family_of_the_callers_own() -> None:
    table = drawn(sessions=20, names=5, seed=9)
    scorer = Scorer(RULES, "SPY", families={"iv30": ("high", "low")})
    for block in cut(table, 6):
        code = np.select([block["iv30"] > 0.4, block["iv30"] < 0.3], [0, 1], NONE).astype(np.uint8)
        scorer.add(name_days(block), {"iv30": code})
    known = with_outcome(table)
    high, low = scorer.family("iv30")
    assert figures(high) == pytest.approx(expected(known, known[known["iv30"] > 0.4]), abs=1e-12)
    assert figures(low) == pytest.approx(expected(known, known[known["iv30"] < 0.3]), abs=1e-12)
    assert scorer.result().group("high") is None
    with pytest.raises(KeyError):
        scorer.add(name_days(drawn(1, 2, 1).assign(session=SESSIONS[50])))


def test_a_large_group_has_its_median_from_a_histogram() -> None:
    table = drawn(sessions=600, names=210, seed=10, missing=0)
    scorer = Scorer(RULES, "SPY", by="signal")
    for block in cut(table, 200):
        scorer.add(name_days(block))
    card, known = scorer.result(), with_outcome(table)
    every = card.groups[0]
    assert every.n == len(known) > 100_000
    assert every.median_gap == pytest.approx(known["gap"].median(), abs=1e-4)
    assert every.worst == known["gap"].min()
    rich = known.loc[known["signal"] == "RICH", "gap"]
    assert card.group("RICH").median_gap == pytest.approx(rich.median(), abs=1e-12)  # type: ignore[union-attr]
    assert "bins of 0.01 points" in card.settings["median"]


def test_sessions_the_data_lack_count_by_the_exchanges_calendar() -> None:
    """One name seen every fifth session: a window of 21 sessions ends before the fifth observation."""
    seen = drawn(sessions=100, names=1, seed=2, missing=0).iloc[::5]
    plain = scored(seen, by="symbol").group("SPY")
    scorer = Scorer(RULES, "SPY", "symbol", sessions=SESSIONS)
    scorer.add(name_days(seen))
    known = scorer.result().group("SPY")
    assert plain is not None
    assert known is not None
    assert (plain.n, plain.effective_n) == (20, 1)
    assert (known.n, known.effective_n) == (20, 4)
    with pytest.raises(ValueError, match="one of the exchange's"):
        scorer.add(name_days(seen.iloc[:1].assign(session=np.datetime64("2024-12-28"))))


def test_sessions_must_ascend() -> None:
    table = drawn(sessions=4, names=2, seed=1)
    first, second = cut(table, 2)
    with pytest.raises(ValueError, match="sessions must ascend"):
        scored(second, first)
    with pytest.raises(ValueError, match="sessions must ascend"):
        scored(pd.concat([second, first]))
    with pytest.raises(ValueError, match="sessions must ascend"):
        scored(first, first)
