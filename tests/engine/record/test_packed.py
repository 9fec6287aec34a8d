"""A close packed into bytes comes out as it went in."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.proof.days import NameDays
from engine.record.packed import pack, unpack, with_outcomes

DAY = date(2026, 4, 29)
MEASURED = 1
"""The first gate: whether a name could be measured."""


@st.composite
def name_days(draw: st.DrawFn) -> NameDays:
    symbols = draw(st.lists(st.text("ABC./^-", min_size=1, max_size=6), unique=True, max_size=8))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = len(symbols)
    values = {name: random.uniform(0.05, 2.0, count) for name in ("iv30", "realized")}
    for column in values.values():
        column[random.random(count) < 0.3] = np.nan
    passes = random.integers(0, 2**12, count).astype(np.uint16) & ~np.uint16(MEASURED)
    return NameDays(
        symbols=tuple(symbols),
        session=np.full(count, np.datetime64(DAY, "D")),
        name=np.arange(count),
        **values,
        **{
            name: random.integers(0, 7, count).astype(np.uint8)
            for name in ("signal", "regime", "zone", "dual")
        },
        passes=passes | np.where(np.isfinite(values["iv30"]), MEASURED, 0).astype(np.uint16),
        known=random.integers(0, 2**12, count).astype(np.uint16),
        **{
            name: random.integers(-1, 2, count).astype(np.int8)
            for name in ("listed", "listed_quarterly", "listed_yearly")
        },
    )


def same(one: NameDays, other: NameDays) -> None:
    assert one.symbols == other.symbols
    for name in NameDays.__dataclass_fields__:
        if name != "symbols":
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@given(name_days(), st.floats(0.01, 3.0))
def test_out_as_it_went_in(days: NameDays, late: float) -> None:
    quoted = np.where(np.isnan(days.iv30), 0.77, days.iv30)  # a stale quote is kept, and is no observation
    body = pack(days, quoted)
    same(unpack(body, DAY), days)
    settled = np.full(len(days), late)
    after = unpack(with_outcomes(body, settled), DAY)
    np.testing.assert_array_equal(after.realized, settled)
    np.testing.assert_array_equal(after.iv30, days.iv30)
    assert with_outcomes(with_outcomes(body, settled), days.realized) == body
