"""No look-ahead: whatever happens after a day, what was judged on it and before stays to the last bit."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.proof.days import NameDays
from engine.proof.judged import judged_days
from engine.proof.series import Past
from tests.engine.proof.pasts import frame, past, rules

SESSIONS, NAMES = 310, 3
HORIZON = 21
JUDGED_OF_A_DAY = [
    field.name for field in fields(NameDays) if field.name not in ("symbols", "name", "realized")
]

_made = frame(NAMES, SESSIONS, seed=5)
_days = np.unique(_made["date"].to_numpy())
# A split, a bad day, a gap and days without IV belong to the past that has to stay.
_made.loc[(_made["symbol"] == "A01") & (_made["date"] >= _days[240]), "close"] /= 2
_made.loc[(_made["symbol"] == "A02") & (_made["date"] >= _days[262]), "close"] *= 1.7
_made.loc[(_made["symbol"] == "A02") & (_made["date"] == _days[100]), "close"] = np.nan
_made.loc[(_made["symbol"] == "A00") & (_made["date"] == _days[264]), "iv30"] = np.nan

FIRST = 150
"""First session judged here: it saves time, and no window is complete before."""


def judged(lived: Past, lens: str) -> pd.DataFrame:
    """Everything known of every measured name-day by day and ticker, and `after`, its outcome."""
    parts = []
    for block in judged_days(lived, rules(lens), FIRST, len(lived.sessions), rows_at_once=1):
        own = block.own
        known = {
            f"{place} {name}": getattr(days, name)
            for place, days in enumerate((own, *block.lenses.values()))
            for name in JUDGED_OF_A_DAY
        }
        known |= {name: block.table[name].to_numpy() for name in block.table.columns}
        known |= {"ticker": np.array(own.symbols, dtype=object)[own.name], "after": own.realized}
        parts.append(pd.DataFrame(known)[np.isfinite(own.iv30)])
    found = pd.concat(parts)
    return found.assign(day=found["0 session"]).set_index(["day", "ticker"]).sort_index()


_BEFORE = {lens: judged(past(_made), lens) for lens in ("quarterly", "consensus")}


@st.composite
def futures(draw: st.DrawFn) -> tuple[int, pd.DataFrame]:
    """A day, and the same lines with anything at all done to those after it."""
    place = draw(st.integers(252, SESSIONS - 2))
    after = np.flatnonzero(_made["date"].to_numpy() > _days[place])
    changed = _made.copy()
    for column in ("iv30", "close"):
        rows = draw(st.lists(st.sampled_from(after), max_size=12, unique=True))
        values = st.one_of(st.floats(1e-3, 2.5), st.floats(50, 1e4), st.sampled_from([np.nan, 0.0, -1.0]))
        for row in rows:
            changed.loc[row, column] = draw(values)
    scaled = draw(st.sampled_from([None, *range(NAMES)]))
    if scaled is not None:  # a split that nobody adjusted, or a crash
        rows = after[changed["symbol"].to_numpy()[after] == f"A{scaled:02}"]
        changed.loc[rows, "close"] *= draw(st.sampled_from([0.5, 0.1, 0.3, 3.0, 20.0]))
    gone = draw(st.lists(st.sampled_from(after), max_size=len(after), unique=True))
    if draw(st.booleans()):
        changed = changed.drop(index=gone)
    if draw(st.booleans()):
        new = _made.loc[after].assign(symbol=_made.loc[after, "symbol"].replace("A00", "0NEW"))
        changed = pd.concat([changed, new[new["symbol"] == "0NEW"]])
    return place, changed


@given(futures(), st.sampled_from(sorted(_BEFORE)))
@settings(max_examples=40, deadline=None)
def test_the_future_changes_no_judged_day_of_the_past(future: tuple[int, pd.DataFrame], lens: str) -> None:
    place, changed = future
    before, after = (found.loc[: _days[place]] for found in (_BEFORE[lens], judged(past(changed), lens)))
    assert len(before) > 2 * (place - FIRST)
    # A column of reasons has another type when the block holds none.
    same = {"check_exact": True, "check_dtype": False}
    pd.testing.assert_frame_equal(after.drop(columns="after"), before.drop(columns="after"), **same)
    # Outcomes change at most where their window reaches beyond the day.
    settled = _days[place - HORIZON]
    pd.testing.assert_series_equal(after["after"].loc[:settled], before["after"].loc[:settled], **same)


def test_the_past_that_is_compared_holds_what_could_leak() -> None:
    before = _BEFORE["quarterly"]
    assert {0, 1} <= set(before["1 listed"])
    assert before["after"].notna().mean() > 0.8
    assert before["structural_252"].notna().any()
    assert before["iv_percentile"].notna().mean() > 0.8


def test_a_change_within_the_horizon_changes_the_outcome_and_nothing_else() -> None:
    """The comparison is no empty one: the outcome of the day before does change."""
    place = 280
    changed = _made.copy()
    changed.loc[(changed["symbol"] == "A00") & (changed["date"] == _days[place + 1]), "close"] *= 1.1
    before, after = (
        found.loc[(_days[place], "A00")]
        for found in (_BEFORE["quarterly"], judged(past(changed), "quarterly"))
    )
    assert after["after"] > before["after"]
    assert after.drop("after").equals(before.drop("after"))
