"""A pair beside its own past and its legs' earnings, with numbers worked out by hand."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from engine.relative.pairs import PairDetail, PairRow, SpreadHistory, pair_detail
from engine.relative.words import earnings_words, missing_words, past_words, wide_words
from tests.engine.screen.tables import row, table

PAIR = PairRow("A_B", "AAA", "BBB", 1.5, 0.9, 0.6, 0.81, 0.77, 0.75, "CONVERGENCE", "AAA")
UNMEASURED = replace(PAIR, structural_b=None, spread=None, signal="no data", rich_leg=None)
MONTHLY = {"trade_days": 44.0, "iv_far_days": 37.0}


def past(*spreads: float) -> SpreadHistory:
    """Stored closes with these spreads."""
    spread = np.array(spreads)
    days = tuple(date(2026, 1, 1) + timedelta(days=day) for day in range(len(spread)))
    return SpreadHistory(days, spread + 1.0, np.ones(len(spread)), spread)


def legs(a: dict[str, object] | None = None, b: dict[str, object] | None = None) -> pd.DataFrame:
    """Both legs as measured; the column that says when they report is given."""
    return table(
        row(**{"symbol": "AA", **MONTHLY, **(a or {})}),  # type: ignore[arg-type]
        row(**{"symbol": "BB", **MONTHLY, **(b or {})}),  # type: ignore[arg-type]
    ).assign(symbol=["AAA", "BBB"])


def detail_of(history: SpreadHistory | None = None, measured: pd.DataFrame | None = None) -> PairDetail:
    return pair_detail(PAIR, history, legs() if measured is None else measured)


def test_the_spread_is_measured_in_deviations_of_its_own_past() -> None:
    # Ten times 0.1 and ten times 0.3: mean 0.2, sum of squares 20 * 0.01, ddof 1: sqrt(0.2 / 19).
    found = detail_of(past(*([0.1, 0.3] * 10)))
    assert found.n == 20
    assert found.mean == pytest.approx(0.2)
    assert found.deviation == pytest.approx((0.2 / 19) ** 0.5)
    assert found.z == pytest.approx(0.4 / (0.2 / 19) ** 0.5)
    assert past_words(PAIR, found) == (
        "History: the spread of +0.60 has z +3.9 (mean +0.20, deviation 0.10 over 20 stored closes)."
    )


def test_below_20_closes_there_is_no_z_and_holes_do_not_count() -> None:
    short = detail_of(past(*([0.1, 0.3] * 9), 0.2, np.nan, np.nan))
    assert (short.n, short.mean, short.deviation, short.z) == (19, None, None, None)
    assert past_words(PAIR, short).startswith("History: 19 stored closes of the spread; from 20 on")
    enough = detail_of(past(*([0.1, 0.3] * 10), np.nan))
    assert enough.n == 20
    assert enough.z is not None


def test_without_a_record_a_past_or_a_spread_there_is_no_z() -> None:
    assert (detail_of(None).n, detail_of(None).z) == (0, None)
    still = detail_of(past(*[0.3] * 25))
    assert (still.n, still.deviation, still.z) == (25, 0.0, None)
    assert "has not moved" in past_words(PAIR, still)
    today = pair_detail(UNMEASURED, past(*([0.1, 0.3] * 10)), legs())
    assert (today.n, today.z) == (20, None)
    assert past_words(UNMEASURED, today).endswith("there is no spread in this run.")
    assert past_words(PAIR, detail_of(past(0.1))).startswith("History: 1 stored close of")


@pytest.mark.parametrize(
    ("a", "b", "mismatch", "words"),
    [
        (
            {"earnings_days": 12.0},
            {"earnings_days": 60.0},
            True,
            "AAA reports in 12 days, before the expiry in",
        ),
        (
            {"earnings_days": 60.0},
            {"earnings_days": 12.0},
            True,
            "BBB reports in 12 days, before the expiry in",
        ),
        ({"earnings_days": 12.0}, {"earnings_days": 20.0}, False, None),
        ({"earnings_days": 60.0}, {"earnings_days": 70.0}, False, None),
        ({"earnings_days": 44.0}, {"earnings_days": 45.0}, True, "AAA reports in 44 days"),
        ({"earnings_days": 12.0}, {"asset_class": "etf"}, True, "and BBB does not"),
        ({"asset_class": "etf", "earnings_days": 3.0}, {"asset_class": "etf"}, False, None),
        (
            {"earnings_days": 12.0},
            {},
            None,
            "AAA reports in 12 days, before the expiry in 44; when BBB reports",
        ),
        ({"earnings_days": 60.0}, {}, None, "a leg's date is not known"),
        ({"earnings_days": -3.0}, {"earnings_days": 60.0}, None, "a leg's date is not known"),
    ],
)
def test_earnings_of_one_leg_before_the_expiry_are_a_mismatch(
    a: dict[str, object], b: dict[str, object], mismatch: bool | None, words: str | None
) -> None:
    found = detail_of(None, legs(a, b))
    assert found.expiry_days == 44
    assert found.mismatch is mismatch
    said = earnings_words(PAIR, found)
    assert said is None if words is None else said is not None and words in said


def test_days_to_earnings_are_told_where_they_lie_ahead() -> None:
    found = detail_of(None, legs({"earnings_days": 0.0}, {"earnings_days": 60.0}))
    assert (found.earnings_a, found.earnings_b) == (0.0, 60.0)
    gone = detail_of(None, legs({"earnings_days": -1.0}, {"earnings_days": 60.0, "asset_class": "etf"}))
    assert (gone.earnings_a, gone.earnings_b) == (None, None)


def test_the_later_expiry_of_the_legs_counts_and_iv30_s_where_no_trade_would_be_done() -> None:
    later = legs({"trade_days": 38.0, "earnings_days": 40.0}, {"earnings_days": 60.0})
    assert detail_of(None, later).expiry_days == 44
    assert detail_of(None, later).mismatch is True
    nothing = {"trade_days": np.nan}
    assert detail_of(None, legs(nothing, nothing)).expiry_days == 37
    nothing["iv_far_days"] = np.nan
    unknown = detail_of(None, legs(nothing | {"earnings_days": 3.0}, nothing))
    assert (unknown.expiry_days, unknown.mismatch) == (None, None)
    assert earnings_words(PAIR, unknown) is None


def test_legs_with_wide_quotes_are_named() -> None:
    found = detail_of(None, legs({"flags": ("proxy_iv", "wide_quotes")}))
    assert found.wide == ("AAA",)
    assert wide_words(PAIR, found) == "Wide quotes leave the IV30 of AAA open by more than a tenth."
    assert wide_words(UNMEASURED, found) is None
    assert wide_words(PAIR, detail_of()) is None


def test_a_pair_without_a_spread_says_why_and_nothing_of_earnings() -> None:
    short = pair_detail(UNMEASURED, None, legs({"earnings_days": 3.0}, {"earnings_days": 60.0}))
    assert short.missing_a is None
    assert missing_words(UNMEASURED, short) == "BBB: no HV252, its price history is too short"
    assert earnings_words(UNMEASURED, short) is None
    stale = pair_detail(UNMEASURED, None, legs(None, {"missing_reason": "stale quotes"}))
    assert missing_words(UNMEASURED, stale) == "BBB: stale quotes"
    nobody = replace(UNMEASURED, structural_a=None)
    for measured in (None, legs().iloc[:0]):
        assert missing_words(nobody, pair_detail(nobody, None, measured)) == "AAA and BBB: not in this market"
    assert missing_words(PAIR, detail_of()) is None
