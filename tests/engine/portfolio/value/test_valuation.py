"""Marks, volatilities and greeks of legs against QuantLib."""

import dataclasses
from datetime import timedelta
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from vollib.black import black

from engine.market.snapshot import Snapshot
from engine.portfolio.book import Leg
from engine.portfolio.exposure import gamma_cost
from engine.portfolio.valued import ValuedBook
from tests.engine.markets import RATE, SESSION, Name
from tests.engine.portfolio.valuing import (
    Change,
    american,
    close,
    european,
    flag,
    market,
    option,
    quoted,
    shares,
    valued,
)

STRIKES = (70.0, 85.0, 95.0, 100.0, 105.0, 115.0, 130.0)
DAYS = (7, 30, 91, 400)
CASES = ((0.10, 0.0), (0.25, 0.04), (0.45, 0.02), (0.80, 0.01))
"""Volatility and carry of one name each."""
RIGHTS: tuple[Literal["C", "P"], ...] = ("C", "P")


def grid(is_american: bool) -> tuple[list[Leg], list[tuple[float, float, int, float, str]], ValuedBook]:
    names, legs, cases = [], [], []
    for place, (vol, carry) in enumerate(CASES):
        symbol = "ABCD"[place] * 3
        names.append(
            Name(
                symbol,
                vol=lambda days, strike, vol=vol: vol,
                days=DAYS,
                strikes=STRIKES,
                carry_yield=carry,
                american=is_american,
            )
        )
        for strike, days, right in product(STRIKES, DAYS, RIGHTS):
            legs.append(option(days, strike, right, symbol=symbol))
            cases.append((vol, carry, days, strike, right))
    return legs, cases, valued(legs, *names)


def test_european_prices_and_greeks_against_quantlib() -> None:
    _, cases, book = grid(is_american=False)
    own = 0
    for place, (vol, carry, days, strike, right) in enumerate(cases):
        true = european(100.0, strike, days, carry, vol, right)
        if true.vega < 0.5:  # below half a cent a point no quote tells a volatility
            continue
        own += book.vol_method[place] == "own"
        assert close(book.vol[place], vol, 1e-5), cases[place]
        assert close(book.mark[place], true.price, 1e-6)
        assert close(book.model[place], true.price, 1e-4)
        assert close(book.delta[place], true.delta, 1e-4)
        assert close(book.gamma[place], true.gamma, 1e-4)
        assert close(book.theta[place], true.theta, 1e-4)
        assert close(book.vega[place], true.vega, 1e-2)
    assert own > 90


def test_american_volatilities_prices_and_deep_greeks_against_quantlib() -> None:
    _, cases, book = grid(is_american=True)
    deep = 0
    for place, (vol, carry, days, strike, right) in enumerate(cases):
        vega = european(100.0, strike, days, carry, vol, right).vega
        if vega < 0.5:
            continue
        case = (vol, carry, days, strike, right)
        # The forward comes from quotes of which 25 steps took the premium: 5 cents over 400 days are open.
        assert close(book.vol[place], vol, 0.001 + 0.05 * days / 400 / vega), case
        assert close(book.model[place], book.mark[place], 0.02), case
        if abs(book.delta[place]) <= 0.6:
            continue
        true = american(100.0, strike, days, carry, vol, right)
        deep += 1
        assert close(book.mark[place], true.price, 0.01), case
        assert close(book.delta[place], true.delta, 0.01), case
        assert close(book.gamma[place], true.gamma, 0.002), case
        assert close(book.theta[place], true.theta, 0.002), case
        assert close(book.vega[place], true.vega, 2.0), case
    assert deep > 40


@pytest.mark.parametrize("strike", [85.0, 95.0, 100.0])
def test_the_own_volatility_has_early_exercise_removed(strike: float) -> None:
    # A year of interest: the put's premium is worth about a point of volatility if it is left in.
    name = Name(days=(37, 400), strikes=[70.0, 85, 95, 100, 105, 115], american=True)
    book = valued([option(400, strike, "P")], name)
    assert book.vol_method == ("own",)
    assert book.vol[0] == pytest.approx(0.30, abs=0.001)
    assert book.mark[0] == pytest.approx(american(100.0, strike, 400, 0.0, 0.30, "P").price, abs=0.01)


def test_in_the_region_of_exercise_a_put_is_short_stock() -> None:
    # At 60 strikes in the money, QuantLib exercises at once: worth 60, delta -1, no gamma, theta or vega.
    name = Name(strikes=[80.0, 90, 100, 110, 120, 160], american=True)
    book = valued([option(37, 160.0, "P", -1)], name)
    assert book.mark[0] == pytest.approx(60.0, abs=0.01)
    assert book.model[0] == pytest.approx(60.0, abs=0.01)
    assert book.delta[0] == pytest.approx(-1.0, abs=1e-3)
    assert (book.gamma[0], book.theta[0], book.vega[0]) == pytest.approx((0, 0, 0), abs=1e-3)
    assert flag(book, "early exercise is possible: no time value left")
    long = valued([option(37, 160.0, "P", 1)], name)
    assert not flag(long, "early exercise")


def test_shares_are_their_own_price() -> None:
    book = valued([shares(150, 90.0), shares(-0.5)])
    assert book.status == ("valued", "valued")
    assert book.mark.tolist() == [100.0, 100.0]
    assert book.mark_method == ("spot", "spot")
    assert book.delta.tolist() == [1.0, 1.0]
    assert book.gamma.tolist() == book.theta.tolist() == book.vega.tolist() == [0.0, 0.0]
    assert book.size.tolist() == [150.0, -0.5]
    assert np.isnan(book.vol).all()
    assert np.isnan(book.days).all()
    assert book.priced.all()


def test_what_the_columns_say_of_a_leg() -> None:
    book = valued([option(37, 105.0, "C", -2)], Name(american=True, carry_yield=0.02))
    assert book.row.tolist() == [0]
    assert book.days.tolist() == [37.0]
    assert book.years[0] == pytest.approx(37 / 365)
    assert book.strike.tolist() == [105.0]
    assert book.is_call.tolist() == book.american.tolist() == [True]
    assert book.is_share.tolist() == [False]
    assert book.rate == RATE
    assert book.carry[0] == pytest.approx(0.02, abs=1e-3)
    assert book.size.tolist() == [-200.0]
    assert book.iv30[0] / book.hv[0] == pytest.approx(book.quality[0])
    # The history is made with 20 % a year, the quotes with 30 %.
    assert book.iv30[0] == pytest.approx(0.30, abs=1e-3)
    assert book.hv[0] == pytest.approx(0.20, rel=0.25)
    assert book.benchmark_spot == 100.0


def test_an_expiry_between_two_listed_ones_is_valued_by_the_term_structure() -> None:
    # Variance is linear in time at one volatility: 30 days at 30 %, without carry by vollib's formula.
    book = valued([option(30, 105.0, "C")])
    years = 30 / 365
    expected = black("c", 100.0 * np.exp(RATE * years), 105.0, years, RATE, 0.30)
    assert book.years[0] == pytest.approx(years)
    assert book.mark[0] == pytest.approx(expected, abs=1e-6)
    assert (book.status[0], book.mark_method[0], book.vol_method[0]) == ("valued", "model", "term")
    assert flag(book, "not listed in this chain: marked by the formulas")
    assert flag(book, "volatility from other expiries, at the money and by skew")
    assert flag(book, "no parity forward")


def test_between_two_volatilities_the_variance_is_linear_in_time() -> None:
    # By hand: w(23) = 0.2^2 * 23, w(37) = 0.4^2 * 37; at 30 days half of each: (0.92 + 5.92) / 2 = 3.42.
    name = Name(vol=lambda days, strike: 0.2 if days < 30 else 0.4, days=(23, 37))
    book = valued([option(30, 100.0, "P"), option(60, 100.0, "P")], name)
    assert book.vol.tolist() == pytest.approx([(3.42 / 30) ** 0.5, 0.4], abs=1e-5)
    assert "lies beyond those that do" in book.flags[1][-1]


@pytest.mark.parametrize("days", [16, 44, 400])
def test_the_dividends_of_a_name_are_in_a_forward_that_no_quote_gives(days: int) -> None:
    # The yield is 6 % at every listed expiry: ln(F/S) = (0.04 - 0.06) T at those between and beyond.
    book = valued([option(days, 100.0, "C")], Name(carry_yield=0.06))
    years = days / 365
    assert book.carry[0] == pytest.approx(0.06, abs=1e-4)
    expected = black("c", 100.0 * np.exp((RATE - 0.06) * years), 100.0, years, RATE, 0.30)
    assert book.mark[0] == pytest.approx(expected, abs=1e-3)
    assert flag(book, "no parity forward: it is taken from those of other expiries")


@pytest.mark.parametrize(("days", "strike"), [(44, 85.0), (44, 115.0), (200, 80.0)])
def test_an_expiry_that_is_not_listed_has_the_skew_of_the_others(days: int, strike: float) -> None:
    # One line in the distance in deviations for every expiry: what is not listed lies on it too.
    def vol(days: float, strike: float) -> float:
        years = days / 365
        return float(0.30 - 0.06 * (np.log(strike / 100.0) - RATE * years) / np.sqrt(years))

    name = Name(vol=vol, strikes=[float(k) for k in range(70, 136)])
    book = valued([option(days, strike, "P")], name)
    assert book.vol_method == ("term",)
    assert book.vol[0] == pytest.approx(vol(days, strike), abs=2e-3)


def test_a_strike_that_is_not_listed_is_valued_by_the_smile() -> None:
    # Linear in the strike here, in its logarithm there, hence the tolerance.
    name = Name(vol=lambda days, strike: 0.50 + (strike - 100) / 200)
    book = valued([option(37, 107.5, "C"), option(37, 140.0, "C"), option(37, 60.0, "P")], name)
    assert book.vol_method == ("smile",) * 3
    assert book.vol.tolist() == pytest.approx([0.5375, 0.60, 0.40], abs=1e-3)
    assert not any("lies beyond" in each for each in book.flags[0])
    assert any("lies beyond" in each for each in book.flags[1])
    assert any("lies beyond" in each for each in book.flags[2])


def test_the_minutes_left_on_the_last_day() -> None:
    # 14:00 of the day: two hours to settlement.
    quotes = [(98.0, "C", 2.10, 2.14), (98, "P", 0.08, 0.12), (100, "C", 0.60, 0.64), (100, "P", 0.58, 0.62)]
    quotes += [(102.0, "C", 0.06, 0.10), (102.0, "P", 2.05, 2.09)]
    panel_change = _last_day(quotes, hour=14)
    book = valued([option(0, 100.0, "C", -1)], Name(), change=panel_change)
    years = 2 / 24 / 365
    assert book.years[0] == pytest.approx(years)
    assert book.mark[0] == pytest.approx(0.62)
    assert black("c", 100.02, 100.0, years, RATE, book.vol[0]) == pytest.approx(0.62, abs=0.02)
    assert not flag(book, "settles today")
    # The formula's theta is 3.7 for a whole day; more than the 0.60 above parity cannot pass.
    assert book.theta[0] == pytest.approx(-0.60, abs=0.005)
    assert flag(book, "less than a day is left: theta is the time value that passes with it")
    # What gamma costs is held to the same part: it stands to theta as HV to the leg's volatility, squared.
    assert gamma_cost(book, [(0, -1.0)]) == pytest.approx(60.0 * (book.hv[0] / book.vol[0]) ** 2, rel=0.01)


def _last_day(quotes: list[tuple[float, str, float, float]], hour: int) -> Change:
    def change(whole: Snapshot) -> Snapshot:
        rows = [
            {"symbol": "AAA", "expiration": pd.Timestamp(SESSION), "strike": strike, "right": right}
            | {"bid": bid, "ask": ask, "last": bid, "volume": 1.0, "open_interest": 1.0}
            for strike, right, bid, ask in quotes
        ]
        today = pd.DataFrame(rows).astype({"expiration": whole.quotes["expiration"].dtype})
        return dataclasses.replace(
            whole,
            asof=whole.asof.replace(hour=hour),
            quotes=pd.concat([whole.quotes, today], ignore_index=True),
        )

    return change


@pytest.mark.parametrize(("right", "worth", "delta"), [("C", 5.0, 1.0), ("P", 0.0, 0.0)])
def test_after_settlement_the_intrinsic_value_is_left(
    right: Literal["C", "P"], worth: float, delta: float
) -> None:
    book = valued([option(0, 95.0, right, -1, 1.0)])
    assert book.status == ("valued",)
    assert book.mark_method == ("intrinsic",)
    assert (book.mark[0], book.delta[0], book.years[0]) == (worth, delta, 0.0)
    assert (book.gamma[0], book.theta[0], book.vega[0]) == (0.0, 0.0, 0.0)
    assert book.flags[0][0] == "settles today"
    assert book.priced.all()


def test_a_market_without_any_option_still_holds_the_shares() -> None:
    no_quotes = Name(days=(9,), strikes=[100.0])
    legs = [shares(10), option(30, 100.0, "C")]
    book = valued(legs, no_quotes, change=lambda whole: dataclasses.replace(whole, quotes=whole.quotes[:0]))
    assert book.status == ("valued", "not listed")
    assert book.mark[0] == 100.0
    assert np.isnan(book.mark[1])
    assert flag(book, "time to expiration in whole days", 1)


def test_the_settlement_hour_is_read_off_the_listed_expiries() -> None:
    # At 10:00 an option of 9 days has 9 days and six hours left, listed or not.
    change = lambda whole: dataclasses.replace(whole, asof=whole.asof.replace(hour=10))  # noqa: E731
    book = valued([option(9, 100.0, "C"), option(10, 100.0, "C"), option(200, 100.0, "C")], change=change)
    assert book.years.tolist() == pytest.approx([(days + 0.25) / 365 for days in (9, 10, 200)])


def test_a_panel_is_not_changed_by_being_looked_at() -> None:
    panel = market(Name())
    before = panel.chains.call_bid.copy()
    valued([option(37, 105.0, "C")], change=quoted(37, 105.0, "C", 0.0, 0.05))
    assert np.array_equal(panel.chains.call_bid, before)
    assert SESSION + timedelta(days=37) in [day.item() for day in panel.chains.expiry_date]
