"""Whipsaw: what counts as leaving the list, and what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.proof.result import Whipsaw
from engine.proof.scorecard import Scorer
from engine.rules import Rules, load_rules
from tests.conftest import ROOT
from tests.engine.proof.made import SESSIONS, drawn, name_days

RULES = load_rules(Path(ROOT) / "config")
WORDS = {"L": "listed", "n": "not listed", ".": "not measured"}


def within(sessions: int) -> Rules:
    proof = RULES.proof.model_copy(update={"whipsaw_sessions": sessions})
    return RULES.model_copy(update={"proof": proof})


def listed(*lines: str, sessions: Any = SESSIONS) -> pd.DataFrame:
    """A line a name, a letter a session; the yearly lens lists everybody every day. A blank is no row."""
    rows = [
        (sessions[place], f"N{name}", WORDS[letter])
        for place in range(len(lines[0]))
        for name, line in enumerate(lines)
        if (letter := line[place]) != " "
    ]
    made = drawn(len(rows), 1, seed=1, missing=0)
    keys = pd.DataFrame(rows, columns=["session", "symbol", "quarterly"])
    return made.assign(**dict(keys.items()), yearly="listed")


def counted(table: pd.DataFrame, sessions: int, block: int = 1000) -> tuple[Whipsaw, ...]:
    scorer = Scorer(within(sessions), "SPY")
    days = np.sort(table["session"].unique())
    for start in range(0, len(days), block):
        scorer.add(name_days(table[table["session"].isin(days[start : start + block])]))
    return scorer.result().whipsaw


@pytest.mark.parametrize(
    ("lines", "n", "left"),
    [
        (["LLLLL"], 2, 0),
        (["LLLLn"], 2, 1),  # the fifth session is the third after the second
        (["LnLLL"], 1, 1),
        (["L..LL"], 1, 0),  # not measured is no leaving
        (["L..nL"], 1, 1),
        (["L  LL", "nnnnn"], 1, 0),  # nor is a name that has no row
        (["LLL"], 0, 0),  # three sessions after are not known yet
        (["L    ", "nnnnn"], 1, 0),  # a name that stops is not seen to leave
        (["nLLLL", "LLLnn"], 3, 2),
    ],
)
def test_leaving_within_three_sessions(lines: list[str], n: int, left: int) -> None:
    quarterly, yearly = counted(listed(*lines), sessions=3)
    assert quarterly == Whipsaw("quarterly", n, left / n if n else None)
    assert yearly.lens == "yearly"
    assert yearly.share in (0.0, None)


def test_an_outcome_is_not_needed() -> None:
    assert counted(listed("LLn").assign(realized=np.nan), sessions=1)[0] == Whipsaw("quarterly", 2, 0.5)


def test_ten_sessions_by_the_rules() -> None:
    quarterly, _ = Scorer(RULES, "SPY").result().whipsaw
    assert quarterly.n == 0
    scorer = Scorer(RULES, "SPY")
    scorer.add(name_days(listed("L" * 10 + "n")))
    assert scorer.result().whipsaw[0] == Whipsaw("quarterly", 1, 1.0)


def test_sessions_the_data_lack_are_not_known() -> None:
    """With the exchange's sessions at hand, a listed day before a hole is not counted."""
    days = SESSIONS[[0, 1, 3, 4, 5]]
    scorer = Scorer(within(1), "SPY", sessions=SESSIONS)
    scorer.add(name_days(listed("LLnLn", sessions=days)))
    assert scorer.result().whipsaw[0] == Whipsaw("quarterly", 2, 0.5)
    assert counted(listed("LLnLn", sessions=days), sessions=1)[0] == Whipsaw("quarterly", 3, 2 / 3)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.text("Ln. ", min_size=12, max_size=12), min_size=1, max_size=4),
    st.integers(1, 6),
    st.integers(1, 13),
)
def test_row_by_row_and_in_any_blocks(lines: list[str], sessions: int, block: int) -> None:
    lines.append("n" * 12)  # so that every session is there
    n = left = 0
    for line in lines:
        for place in range(12 - sessions):
            if line[place] == "L":
                n += 1
                left += "n" in line[place + 1 : place + 1 + sessions]
    assert counted(listed(*lines), sessions, block)[0] == Whipsaw("quarterly", n, left / n if n else None)
