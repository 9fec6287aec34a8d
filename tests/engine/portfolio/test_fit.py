"""The strangle to fit: its expiry, strikes by QuantLib's deltas, mids, and the words when there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from engine.market.snapshot import Snapshot
from engine.portfolio.book import Leg
from engine.portfolio.fit import strangle_for
from engine.screen.measure import measure
from tests.engine.markets import SESSION, Name
from tests.engine.portfolio.valuing import Change, american, european, market, quoted, rules

MONTHLY = 50
"""Days to Thursday 18 June 2026: the third Friday is a holiday."""
STRIKES = [float(strike) for strike in range(70, 136)]


def smile(days: float, strike: float) -> float:
    """Falls by 2 points every 10 of strike, as an index's does."""
    return 0.30 - 0.002 * (strike - 100.0)


def strangle(
    *names: Name, symbol: str = "AAA", change: Change = lambda whole: whole
) -> tuple[tuple[Leg, ...], str]:
    panel = market(*(names or (Name(vol=smile, days=(23, MONTHLY, 79), strikes=STRIKES),)), change=change)
    return strangle_for(symbol, panel, measure(panel, rules()), rules())


def without_bids(days: int, right: str | None = None) -> Change:
    """Nobody bids for the options of one expiry."""

    def change(whole: Snapshot) -> Snapshot:
        quotes = whole.quotes.copy()
        chosen = quotes.expiration == pd.Timestamp(SESSION + timedelta(days=days))
        if right is not None:
            chosen &= quotes.right == right
        quotes.loc[chosen, "bid"] = 0.0
        return replace(whole, quotes=quotes)

    return change


# --- strikes -----------------------------------------------------------------------------------


def test_the_strikes_are_those_nearest_twenty_delta_by_quantlib() -> None:
    (put, call), remark = strangle()
    # N(d1) without the carry yield: QuantLib's delta of a name that pays nothing.
    deltas = {
        right: {
            strike: abs(european(100.0, strike, MONTHLY, 0.0, smile(0, strike), right).delta)
            for strike in STRIKES
        }
        for right in ("P", "C")
    }
    for leg, right in ((put, "P"), (call, "C")):
        assert leg.strike == min(STRIKES, key=lambda strike: abs(deltas[right][strike] - 0.20))
        assert abs(deltas[right][leg.strike or 0] - 0.20) < 0.015
    assert remark == ""


def test_the_legs_are_one_short_put_and_one_short_call_opened_at_the_mid() -> None:
    (put, call), _ = strangle(Name(vol=smile, days=(23, MONTHLY, 79), strikes=STRIKES, spread=0.04))
    assert (put.right, call.right) == ("P", "C")
    for leg in (put, call):
        price = european(
            100.0, leg.strike or 0, MONTHLY, 0.0, smile(0, leg.strike or 0), leg.right or ""
        ).price
        assert leg.open_price == pytest.approx(price, abs=1e-6)
        assert (leg.symbol, leg.kind, leg.quantity, leg.multiplier) == ("AAA", "option", -1.0, 100.0)
        assert leg.expiration == date(2026, 6, 18)


def test_american_options_of_a_name_that_pays_give_the_same_strikes_as_their_trees() -> None:
    name = Name(vol=smile, days=(MONTHLY,), strikes=STRIKES[10:56], carry_yield=0.03, american=True)
    (put, call), remark = strangle(name)
    for leg in (put, call):
        delta = american(
            100.0, leg.strike or 0, MONTHLY, 0.03, smile(0, leg.strike or 0), leg.right or ""
        ).delta
        assert abs(delta) == pytest.approx(0.20, abs=0.02)
    assert remark == ""


def test_a_strike_nobody_bids_for_is_passed_over() -> None:
    (put, _), _ = strangle()
    assert put.strike is not None
    assert put.open_price is not None
    unbid = quoted(MONTHLY, put.strike, "P", 0.0, 2 * put.open_price)
    crossed = quoted(MONTHLY, put.strike, "P", 1.1 * put.open_price, 0.9 * put.open_price)
    for change in (unbid, crossed):
        (other, _), _ = strangle(change=change)
        assert other.strike in (put.strike - 1, put.strike + 1)


def test_a_chain_of_few_strikes_is_taken_with_its_distance_told() -> None:
    (put, call), remark = strangle(Name(days=(MONTHLY,), strikes=[95.0, 100.0, 105.0]))
    assert (put.strike, call.strike) == (95.0, 105.0)
    deltas = [
        abs(european(100.0, leg.strike or 0, MONTHLY, 0.0, 0.30, leg.right or "").delta)
        for leg in (put, call)
    ]
    shown = [f"{100 * delta:.0f}" for delta in deltas]
    assert remark == f"the put nearest 20 delta has {shown[0]}; the call nearest 20 delta has {shown[1]}"


# --- expiry ------------------------------------------------------------------------------------


def test_the_monthly_is_taken_however_near_a_weekly_is_to_45_days() -> None:
    (put, _), remark = strangle(Name(days=(37, 44, MONTHLY, 65), strikes=STRIKES))
    assert put.expiration == SESSION + timedelta(days=MONTHLY)
    assert remark == ""


def test_without_a_monthly_the_most_traded_expiry_is_taken_and_named() -> None:
    def busy(whole: Snapshot) -> Snapshot:
        later = whole.quotes.expiration == pd.Timestamp(SESSION + timedelta(days=65))
        return replace(whole, quotes=whole.quotes.assign(volume=np.where(later, 900.0, 500.0)))

    (put, _), remark = strangle(Name(days=(23, 37, 44, 65, 79), strikes=STRIKES), change=busy)
    assert put.expiration == SESSION + timedelta(days=65)
    assert remark == "no monthly between 25 and 70 days: the most traded expiry of 65 days is taken"


@pytest.mark.parametrize("right", [None, "P", "C"])
def test_a_monthly_nobody_bids_in_is_passed_over_and_that_is_said(right: str | None) -> None:
    name = Name(days=(37, MONTHLY), strikes=STRIKES)
    (put, call), remark = strangle(name, change=without_bids(MONTHLY, right))
    assert {put.expiration, call.expiration} == {SESSION + timedelta(days=37)}
    assert remark == "the monthly has no two-sided quotes: the most traded expiry of 37 days is taken"


def test_quotes_of_another_session_are_told() -> None:
    old = Name(days=(MONTHLY,), strikes=STRIKES, quote_time="2026-04-28T16:00:00-04:00")
    legs, remark = strangle(old)
    assert len(legs) == 2
    assert remark == "its quotes are not of the session 2026-04-29"


# --- none --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (Name(days=(9, 23, 79)), None, "AAA has no quotes between 25 and 70 days"),
        (
            Name(days=(MONTHLY,)),
            without_bids(MONTHLY),
            "AAA has no two-sided quotes around its forward between 25 and 70 days",
        ),
        (Name(days=()), None, "AAA has no quotes between 25 and 70 days (no option quotes)"),
        (Name(spot=float("nan"), days=()), None, "AAA has no price"),
    ],
)
def test_a_chain_that_offers_none_gives_a_reason(name: Name, change: Change | None, reason: str) -> None:
    other = Name("BBB")
    legs, words = strangle(other, name, change=change or (lambda whole: whole))
    assert legs == ()
    assert words == reason


def test_an_unknown_name_is_said_in_safe_words() -> None:
    assert strangle(symbol="ZZZ") == ((), "ZZZ is not in this market")
    assert strangle(symbol="`@everyone`\n" * 9) == ((), "??everyone????every… is not in this market")


def test_delta_is_that_of_the_forward() -> None:
    # 6 % of yield for 50 days: the forward lies 0.27 below the spot, and d1 is counted from there.
    name = Name(vol=smile, days=(MONTHLY,), strikes=STRIKES, carry_yield=0.06)
    (put, call), _ = strangle(name)
    years = MONTHLY / 365
    forward = 100.0 * np.exp(-0.02 * years)

    def delta(strike: float, side: int) -> float:
        deviation = smile(0, strike) * np.sqrt(years)
        return float(ndtr(side * (np.log(forward / strike) / deviation + deviation / 2)))

    assert put.strike == min(STRIKES, key=lambda strike: abs(delta(strike, -1) - 0.20))
    assert call.strike == min(STRIKES, key=lambda strike: abs(delta(strike, 1) - 0.20))
