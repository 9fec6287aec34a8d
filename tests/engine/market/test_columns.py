"""From tables to columns: what is paired, what is left out and counted, and which prices are looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from engine.market.columns import panel_of
from engine.market.sessions import NEW_YORK, is_monthly, sessions_of, years_to_settlement
from engine.market.snapshot import Snapshot
from tests.engine.markets import ASOF, SESSION, Name, snapshot


def market(**changes: object) -> Snapshot:
    return replace(snapshot(Name("AAA", strikes=[95.0, 100.0], days=(23, 37))), **changes)  # type: ignore[arg-type]


def quote(**changes: object) -> dict[str, object]:
    first = market().quotes.iloc[0].to_dict()
    return first | changes


def with_quotes(*extra: dict[str, object]) -> Snapshot:
    base = market()
    return replace(base, quotes=pd.concat([base.quotes, pd.DataFrame(extra)], ignore_index=True))


def test_call_and_put_of_a_strike_share_a_row() -> None:
    chains = panel_of(market(), "AAA").chains
    assert chains.strike.tolist() == [95.0, 100.0, 95.0, 100.0]
    assert chains.name_start.tolist() == [0, 2]
    assert chains.expiry_start.tolist() == [0, 2, 4]
    assert chains.expiry_days.tolist() == [23.0, 37.0]
    assert chains.call_bid[0] > max(chains.put_bid[0], chains.call_bid[1])


def test_a_lone_side_is_missing_on_the_other() -> None:
    base = market()
    calls = base.quotes[base.quotes["right"] == "C"]
    chains = panel_of(replace(base, quotes=calls), "AAA").chains
    assert np.isnan(chains.put_bid).all()
    assert np.isfinite(chains.call_bid).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expiration": pd.Timestamp(SESSION - timedelta(days=1))}, "expired quote"),
        ({"symbol": "BBB"}, "quote of an unlisted name"),
        ({"right": "X"}, "unreadable quote"),
        ({"strike": np.nan}, "unreadable quote"),
        ({"strike": -5.0}, "unreadable quote"),
        ({"contract": "AAA1  260522C00095000"}, "adjusted contract"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted(change: dict[str, object], reason: str) -> None:
    plain, panel = panel_of(market(), "AAA"), panel_of(with_quotes(quote(**change)), "AAA")
    assert panel.dropped == {reason: 1}
    np.testing.assert_array_equal(panel.chains.call_bid, plain.chains.call_bid)


def test_a_repeated_quote_keeps_the_last() -> None:
    panel = panel_of(with_quotes(quote(bid=1.0, ask=2.0)), "AAA")
    assert panel.dropped == {"repeated quote": 1}
    assert (panel.chains.call_bid[0], panel.chains.call_ask[0]) == (1.0, 2.0)


def test_order_of_the_rows_does_not_matter() -> None:
    base = market()
    shuffled = replace(base, quotes=base.quotes.sample(frac=1, random_state=1))
    for column in ("strike", "call_bid", "put_ask", "expiry_days"):
        np.testing.assert_array_equal(
            getattr(panel_of(shuffled, "AAA").chains, column), getattr(panel_of(base, "AAA").chains, column)
        )


def test_prices_after_the_run_are_never_looked_at() -> None:
    base = market()
    later = base.history.tail(1).assign(date=pd.Timestamp("2026-04-30").as_unit("s"), close=1e6)
    seen = panel_of(replace(base, history=pd.concat([base.history, later])), "AAA").prices
    np.testing.assert_array_equal(seen.close, panel_of(base, "AAA").prices.close)


def test_an_open_run_ends_with_the_close_before() -> None:
    base = market()
    opened = panel_of(replace(base, kind="open", asof=ASOF.replace(hour=10)), "AAA").prices
    closed = panel_of(base, "AAA").prices
    np.testing.assert_array_equal(opened.close[:, -5:], closed.close[:, -6:-1])
    assert opened.lag.tolist() == [0.0]


def test_holiday_rows_are_dropped_and_missing_days_stay_missing() -> None:
    base = market()
    holiday = base.history.tail(1).assign(date=pd.Timestamp("2026-04-03").as_unit("s"))  # Good Friday
    without = base.history[base.history["date"] != pd.Timestamp("2026-04-20")]
    panel = panel_of(replace(base, history=pd.concat([without, holiday])), "AAA")
    assert panel.dropped == {"price on a day without a session": 1}
    assert np.flatnonzero(np.isnan(panel.prices.close[0])).tolist() == [panel.prices.close.shape[1] - 8]


def test_a_name_whose_closes_end_early_is_aligned_and_says_so() -> None:
    base = market()
    panel = panel_of(replace(base, history=base.history.iloc[:-2]), "AAA")
    whole = panel_of(base, "AAA").prices.close[0]
    assert panel.prices.lag.tolist() == [2.0]
    assert panel.prices.close[0, -1] == whole[-3]


@pytest.mark.parametrize("bad", [0.0, -3.0, np.nan])
def test_a_price_that_is_none_is_missing(bad: float) -> None:
    base = market()
    history = base.history.copy()
    history.loc[history.index[-10], "close"] = bad
    assert np.isnan(panel_of(replace(base, history=history), "AAA").prices.close[0, -10])


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        ("2026-04-29T09:29:59-04:00", "2026-04-28"),
        ("2026-04-29T09:30:00-04:00", "2026-04-29"),
        ("2026-04-29T22:46:00-04:00", "2026-04-29"),
        ("2026-05-02T12:00:00-04:00", "2026-05-01"),  # Saturday
        ("2026-05-04T08:00:00-04:00", "2026-05-01"),  # Monday before the open
        ("2026-04-03T12:00:00-04:00", "2026-04-02"),  # Good Friday
        ("2026-03-09T13:30:00+00:00", "2026-03-09"),  # daylight saving began the day before
        ("2026-03-06T14:29:00+00:00", "2026-03-05"),
    ],
)
def test_the_session_of_a_quote(instant: str, session: str) -> None:
    found = sessions_of(pd.DatetimeIndex([pd.Timestamp(instant).tz_convert("UTC")]))
    assert str(found[0]) == session
    base = market()
    panel = panel_of(replace(base, underlyings=base.underlyings.assign(quote_time=instant)), "AAA")
    assert panel.names["fresh"].tolist() == [session == "2026-04-29"]


def test_without_a_quote_time_the_run_is_assumed_and_marked() -> None:
    base = market()
    panel = panel_of(replace(base, underlyings=base.underlyings.assign(quote_time=None)), "AAA")
    assert panel.names["fresh"].tolist() == [True]
    assert panel.names["quote_session"].tolist() == [None]


def test_the_benchmark_needs_a_price_or_a_recent_history() -> None:
    base = market()
    assert panel_of(base, "AAA").benchmark
    assert not panel_of(base, "SPY").benchmark
    no_spot = replace(base, underlyings=base.underlyings.assign(spot=np.nan))
    assert panel_of(no_spot, "AAA").benchmark
    old = replace(no_spot, history=base.history.iloc[:-20])
    assert not panel_of(old, "AAA").benchmark


@pytest.mark.parametrize(
    ("day", "monthly"),
    [
        ("2026-04-17", True),
        ("2026-04-24", False),
        ("2019-04-18", True),  # the third Friday was Good Friday
        ("2025-04-17", True),
        ("2025-04-24", False),
        ("2014-06-21", True),  # listed as the Saturday
        ("2026-06-18", True),  # Juneteenth closes the third Friday
    ],
)
def test_standard_monthlies(day: str, monthly: bool) -> None:
    assert is_monthly(np.array([day], dtype="datetime64[D]")).tolist() == [monthly]


def test_years_are_minutes_to_four_in_new_york() -> None:
    asof = datetime(2026, 3, 6, 16, 0, tzinfo=NEW_YORK)
    days = np.array(["2026-03-06", "2026-03-07", "2026-03-09"], dtype="datetime64[D]")
    hours = np.array([0.0, 24.0, 71.0])  # one hour is lost to daylight saving
    np.testing.assert_allclose(years_to_settlement(asof, days), hours / 24 / 365, atol=1e-15)
