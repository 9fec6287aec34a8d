"""What cannot be valued, what is marked or measured otherwise than planned, and how the book says so."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from vollib.black import black

from engine.market.columns import panel_of
from engine.market.recorded import read_snapshot
from engine.market.snapshot import Snapshot
from engine.panel import Panel
from engine.portfolio.book import Kind, Leg, Right
from engine.portfolio.exposure import exposure_of
from engine.portfolio.value.valuation import value_book
from engine.portfolio.valued import ValuedBook
from engine.rules import load_rules
from engine.screen.measure import measure
from tests.conftest import ROOT
from tests.engine.markets import ASOF, RATE, SESSION, Name, panel, snapshot
from tests.engine.portfolio.valuing import Change, american, flag, option, quoted, rules, shares, told, valued

RIGHTS: tuple[Right, ...] = ("C", "P")


def without_numbers(book: ValuedBook, leg: int = 0) -> bool:
    columns = (book.mark, book.model, book.vol, book.delta, book.gamma, book.theta, book.vega)
    return bool(np.isnan([column[leg] for column in columns]).all()) and not book.priced[leg]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("adjusted option", "adjusted contract"), ("future", "future"), ("future option", "future option")],
)
def test_kinds_that_are_not_valued(kind: Kind, status: str) -> None:
    leg = replace(option(37, 100.0, "C"), kind=kind)
    book = valued([leg, shares(1)])
    assert book.status == (status, "valued")
    assert without_numbers(book)
    assert len(book.flags[0]) == 1


def test_an_unknown_underlying() -> None:
    book = valued([shares(5, symbol="ZZZ"), option(37, 100.0, "C", symbol="ZZZ")])
    assert book.status == ("unknown underlying",) * 2
    assert book.row.tolist() == [-1, -1]
    assert without_numbers(book, 0)
    assert without_numbers(book, 1)
    assert np.isnan(book.beta).all()


def test_an_expired_leg() -> None:
    book = valued([option(-3, 100.0, "P", -1, 2.0)])
    assert book.status == ("expired",)
    assert book.days.tolist() == [-3.0]
    assert without_numbers(book)
    assert flag(book, "expired on 2026-04-26")


def test_a_name_without_a_price() -> None:
    book = valued([shares(1, symbol="BBB")], Name(), Name("BBB", spot=50.0), change=_priceless("BBB"))
    assert book.status == ("no quotes",)
    assert flag(book, "no price of the underlying")


def _priceless(symbol: str) -> Change:
    def change(whole: Snapshot) -> Snapshot:
        frame = whole.underlyings.copy()
        frame.loc[frame.symbol == symbol, "spot"] = np.nan
        return replace(whole, underlyings=frame)

    return change


def test_nobody_bids() -> None:
    book = valued([option(37, 80.0, "P", -1)], change=quoted(37, 80.0, "P", 0.0, 0.05))
    assert book.mark[0] == pytest.approx(0.025)
    assert book.mark_method == ("half of ask",)
    assert book.vol_method == ("smile",)
    assert flag(book, "nobody bids: marked at half of the ask of 0.05")


def test_an_ask_far_above_the_formulas_is_no_mark_where_nobody_bids() -> None:
    # An 80 put of 37 days at 30 % is worth some cents; an ask of 2.15 makes nobody richer.
    book = valued([option(37, 80.0, "P", 1)], change=quoted(37, 80.0, "P", 0.0, 2.15))
    worth = black("p", 100 * np.exp(RATE * 37 / 365), 80, 37 / 365, RATE, 0.3)
    assert book.mark[0] == pytest.approx(worth, rel=1e-3)
    assert book.mark_method == ("model",)
    assert flag(book, "nobody bids, and the ask is 2.15: marked by the formulas")
    # Below the formulas the ask is believed.
    book = valued([option(37, 95.0, "P", 1)], change=quoted(37, 95.0, "P", 0.0, 1.0))
    assert (book.mark[0], book.mark_method[0]) == (0.5, "half of ask")


def test_an_ask_below_what_exercise_brings_is_no_mark() -> None:
    # 115 strike, spot 100: half of an ask of 5 is no price for 15 of intrinsic value.
    book = valued([option(37, 115.0, "P")], change=quoted(37, 115.0, "P", 0.0, 5.0))
    assert book.mark_method == ("model",)
    assert book.mark[0] == pytest.approx(black("p", 100 * np.exp(RATE * 37 / 365), 115, 37 / 365, RATE, 0.3))
    assert flag(book, "no quote: marked by the formulas")


def test_a_quote_older_than_the_spot_is_no_mark() -> None:
    # Exercise brings 15: nobody sells at 13, and an ask of 14.5 may be a second old.
    worth = american(100.0, 115.0, 37, 0.0, 0.30, "P").price
    leg, name = [option(37, 115.0, "P")], Name(american=True)
    old = valued(leg, name, change=quoted(37, 115.0, "P", 12.0, 13.0))
    assert (old.mark_method[0], old.vol_method[0]) == ("model", "other right")
    assert old.mark[0] == pytest.approx(worth, abs=0.01)
    assert flag(old, "quote below the value of exercise: marked by the formulas")
    late = valued(leg, name, change=quoted(37, 115.0, "P", 13.5, 14.5))
    assert (late.mark[0], late.mark_method[0]) == (14.0, "mid")


@pytest.mark.parametrize("bid_ask", [(2.0, 1.0), (float("nan"), 2.0), (0.0, 0.0), (1.0, float("nan"))])
def test_a_quote_that_cannot_be_used_leaves_the_mark_to_the_formulas(bid_ask: tuple[float, float]) -> None:
    book = valued([option(37, 105.0, "C", -1, 3.0)], change=quoted(37, 105.0, "C", *bid_ask))
    years = 37 / 365
    expected = black("c", 100 * np.exp(RATE * years), 105.0, years, RATE, 0.30)
    assert book.status == ("valued",)
    assert (book.mark_method[0], book.vol_method[0]) == ("model", "smile")
    assert book.mark[0] == pytest.approx(expected, abs=1e-3)
    assert flag(book, "no quote: marked by the formulas")
    assert flag(book, "volatility from the smile of the expiry: the quote of this leg gives none")


def test_in_the_money_the_other_right_tells_the_volatility() -> None:
    # Below its intrinsic value (20.38 on the forward): the call at 80 has no volatility, the put has.
    book = valued([option(37, 80.0, "C")], change=quoted(37, 80.0, "C", 19.5, 20.5))
    assert book.mark[0] == 20.0
    assert (book.mark_method[0], book.vol_method[0]) == ("mid", "other right")
    assert book.vol[0] == pytest.approx(0.30, abs=1e-4)
    assert flag(book, "volatility from the put at the same strike")


def test_a_wide_quote_in_the_money_does_not_tell_the_volatility() -> None:
    # 15.9 to 17.9 at 85: the mid is too dear by 1.4, which would be 57 % instead of 30 %.
    book = valued([option(37, 85.0, "C")], change=quoted(37, 85.0, "C", 15.9, 17.9))
    assert book.vol_method == ("other right",)
    assert book.vol[0] == pytest.approx(0.30, abs=1e-4)
    assert book.mark[0] == pytest.approx(16.9)


def test_a_wide_quote_is_told() -> None:
    book = valued([option(37, 115.0, "C")], change=quoted(37, 115.0, "C", 0.10, 1.90))
    assert book.vol_method == ("own",)
    assert flag(book, "wide quote: bid 0.10, ask 1.90")


def test_iv30_stands_in_where_no_expiry_gives_a_volatility() -> None:
    # One-sided markets everywhere, and IV30 borrowed: methodology 9's proxy.
    def change(whole: Snapshot) -> Snapshot:
        silent = whole.quotes.assign(bid=0.0, ask=0.0)
        return replace(whole, quotes=silent, underlyings=whole.underlyings.assign(iv_given=0.42))

    book = valued([option(37, 100.0, "P", -1)], change=change)
    years = 37 / 365
    expected = black("p", 100 * np.exp(RATE * years), 100.0, years, RATE, 0.42)
    assert (book.mark_method[0], book.vol_method[0]) == ("model", "iv30")
    assert book.mark[0] == pytest.approx(expected)
    assert book.carry[0] == pytest.approx(0.0, abs=1e-12)
    assert flag(book, "volatility is the IV30 of the name: no quote gives one")
    assert flag(book, "no parity forward: the forward is the spot with interest")


def test_without_any_volatility_there_are_no_quotes() -> None:
    silent = lambda whole: replace(whole, quotes=whole.quotes.assign(bid=0.0, ask=0.0))  # noqa: E731
    book = valued([option(37, 100.0, "P", -1), option(38, 100.0, "P")], change=silent)
    assert book.status == ("no quotes", "not listed")
    assert without_numbers(book, 0)
    assert without_numbers(book, 1)
    assert flag(book, "no quote, and no volatility to go by")


def test_a_quote_that_leaves_the_volatility_open_is_better_than_nothing() -> None:
    # One strike has a two-sided call, in the money; nothing else of the name is quoted.
    def change(whole: Snapshot) -> Snapshot:
        silent = replace(whole, quotes=whole.quotes.assign(bid=0.0, ask=0.0))
        return quoted(37, 95.0, "C", 6.0, 8.5)(silent)

    book = valued([option(37, 95.0, "C")], change=change)
    assert (book.mark[0], book.vol_method[0]) == (7.25, "own")
    assert book.model[0] == pytest.approx(7.25, abs=1e-4)
    assert flag(book, "volatility from a quote that leaves it open: nothing else gives one")


def test_stale_quotes_are_told() -> None:
    book = valued([option(37, 100.0, "C"), shares(1)], change=told(quote_time="2026-04-20T16:00:00-04:00"))
    for leg in (0, 1):
        assert flag(book, "quotes of 2026-04-20, not of the session 2026-04-29", leg)


def test_a_short_call_before_a_dividend() -> None:
    # The call at 80 is worth 20.27: 0.27 of time value. A dividend of 0.50 is more, one of 0.20 is not.
    name = Name(american=True)
    due = str(SESSION + timedelta(days=10))
    dear = told(dividend_date=due, dividend_amount=0.50)
    legs = [option(37, 80.0, "C", -1), option(37, 80.0, "C", 1), option(9, 80.0, "C", -1)]
    book = valued([*legs, option(37, 105.0, "C", -1)], name, change=dear)
    words = f"early exercise is likely before the dividend of 0.5 on {due}"
    assert [flag(book, words, leg) for leg in range(4)] == [True, False, False, False]
    book = valued(legs, name, change=told(dividend_date=due, dividend_amount=0.20))
    assert not any(flag(book, "early exercise", leg) for leg in range(3))
    book = valued(legs, Name(american=False), change=dear)
    assert not any(flag(book, "early exercise", leg) for leg in range(3))


def test_a_deep_short_put_below_the_interest() -> None:
    # Interest on 120 for 79 days at 4 %: 120 * (1 - exp(-0.04 * 79 / 365)) = 1.03.
    left = american(100.0, 120.0, 79, 0.0, 0.30, "P").price - 20.0
    book = valued([option(79, 120.0, "P", -1), option(79, 100.0, "P", -1)], Name(american=True))
    assert flag(book, f"early exercise is possible: time value of {left:.2f} below the interest of 1.03")
    assert not flag(book, "early exercise", 1)


# --- the underlying's own numbers ----------------------------------------------------------------


def test_beta_is_the_providers_or_computed() -> None:
    names = (Name(history_vol=0.2), Name("BBB", history_vol=0.3), Name("CCC", sessions=120))
    legs = [shares(1), shares(1, symbol="BBB"), shares(1, symbol="CCC")]
    book = valued(legs, *names)
    closes = panel(*names).prices.close[:2, -253:]
    one, other = np.diff(np.log(closes), axis=1)
    assert book.beta[1] == pytest.approx(np.cov(other, one)[0, 1] / np.var(one, ddof=1))
    assert (book.beta[0], np.isnan(book.beta[2])) == (1.0, True)
    assert book.beta_method == ("benchmark itself", "252 days", "")
    assert flag(book, "no beta: left out of the beta-weighted sums", 2)
    given = valued(legs, *names, change=told(beta=[0.9, 1.7, 0.4]))
    assert given.beta.tolist() == [1.0, 1.7, 0.4]
    assert given.beta_method == ("benchmark itself", "provider", "provider")


@pytest.mark.parametrize("lens", ["quarterly", "yearly", "consensus"])
def test_quality_is_the_ratio_of_the_lens(lens: str) -> None:
    table = measure(panel(Name()), rules(lens))
    column = "structural_252" if lens == "yearly" else "vrp_structural"
    hv = table["hv252" if lens == "yearly" else "hv90"][0]
    book = valued([option(37, 100.0, "C")], lens=lens)
    assert book.quality[0] == table[column][0]
    assert book.hv[0] == pytest.approx(hv)


def test_the_floor_of_the_denominator() -> None:
    book = valued([option(37, 100.0, "C")], Name(history_vol=0.01))
    assert book.hv[0] == pytest.approx(0.05)
    assert book.quality[0] == pytest.approx(0.30 / 0.05, rel=1e-3)


def test_hv252_stands_in_for_a_missing_hv90_and_nothing_for_both() -> None:
    whole = panel(Name())
    table = measure(whole, rules()).assign(vrp_structural=np.nan)
    legs = [option(37, 100.0, "C")]
    book = value_book(legs, whole, table, rules())
    assert book.quality[0] == table["structural_252"][0]
    assert flag(book, "HV90 is missing: IV30 is held against HV252")
    book = value_book(legs, whole, table.assign(structural_252=np.nan), rules())
    assert np.isnan(book.quality[0])
    assert np.isnan(book.hv[0])
    assert flag(book, "no realized volatility of the lens: Alpha-Theta is not known")
    book = value_book(legs, whole, table.assign(structural_252=np.nan, iv30=np.nan), rules())
    assert flag(book, "no IV30: Alpha-Theta is not known")


def test_a_rate_of_the_rules_where_the_market_brings_none() -> None:
    whole = panel_of(replace(snapshot(Name()), rate=None), "AAA")
    book = value_book([option(37, 100.0, "C")], whole, measure(whole, rules()), rules())
    assert book.rate == 0.04
    assert whole.asof == ASOF


# --- recorded markets ----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["us_2026-08-19_close", "ndx100_2026-04-29_close", "us_2026-07-15_open"])
def test_forty_legs_on_a_recorded_market(shared_data: Path, folder: str) -> None:
    whole = panel_of(read_snapshot(shared_data / "snapshots" / folder), "SPY")
    delivered = load_rules(ROOT / "config").settled(False)
    book = value_book(_forty(whole), whole, measure(whole, delivered), delivered)
    known = book.priced
    side = np.where(book.is_call, 1.0, -1.0)
    intrinsic = np.maximum(side * (book.spot - book.strike), 0.0)
    assert known.sum() >= 36
    assert np.isin(book.status, ["valued", "no quotes", "not listed", "unknown underlying"]).all()
    assert ((book.vol[known] > 0.05) & (book.vol[known] < 2.0)).all()
    assert (np.abs(book.delta[known]) <= 1.0 + 1e-9).all()
    assert (side * book.delta)[known].min() >= 0.0
    assert (book.model >= intrinsic - 1e-9)[known].all()
    assert book.gamma[known].min() >= 0.0
    assert book.vega[known].min() >= 0.0
    own = known & (np.array(book.vol_method) == "own")
    assert own.sum() >= 25
    assert np.abs(book.model - book.mark)[own].max() < 1e-5 * book.strike[own].max()
    short = [(place, -1.0) for place in np.flatnonzero(own)]
    assert (exposure_of(book, short).theta or 0) > 0


def _forty(whole: Panel) -> list[Leg]:
    """Four names, the listed strikes nearest 85 to 115 % of spot, both rights, a monthly after 40 days."""
    chains, legs = whole.chains, []
    for symbol in ("MU", "GOOGL", "MSFT", "TSLA"):
        row = whole.symbols.index(symbol)
        expiries = np.arange(chains.name_start[row], chains.name_start[row + 1])
        expiry = expiries[chains.monthly[expiries] & (chains.expiry_days[expiries] > 40)][0]
        strikes = chains.strike[chains.expiry_start[expiry] : chains.expiry_start[expiry + 1]]
        spot, day = whole.names["spot"].iloc[row], chains.expiry_date[expiry].astype(object)
        near = [strikes[np.argmin(np.abs(strikes - share * spot))] for share in (0.85, 0.93, 1, 1.07, 1.15)]
        legs += [Leg(symbol, "option", -1, day, float(each), right, 1.0) for each in near for right in RIGHTS]
    return legs
