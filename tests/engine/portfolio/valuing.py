"""Small books on the small markets of tests.engine.markets, and QuantLib's word on single options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
import QuantLib as ql  # noqa: N813

from engine.market.columns import panel_of
from engine.market.snapshot import Snapshot
from engine.panel import Panel
from engine.portfolio.book import Leg
from engine.portfolio.value.valuation import value_book
from engine.portfolio.valued import ValuedBook
from engine.rules import Rules, load_rules
from engine.screen.measure import measure
from tests.conftest import ROOT
from tests.engine.markets import RATE, SESSION, Name, snapshot

Change = Callable[[Snapshot], Snapshot]


@cache
def rules(lens: str = "quarterly") -> Rules:
    """The rules as delivered, the test market's first name the benchmark."""
    delivered = load_rules(ROOT / "config").using(lens=lens).settled(False)
    return delivered.model_copy(update={"benchmark": "AAA"})


def option(
    days: int,
    strike: float,
    right: Literal["C", "P"],
    quantity: float = 1,
    open_price: float | None = None,
    symbol: str = "AAA",
) -> Leg:
    """A standard option `days` calendar days from the session."""
    return Leg(symbol, "option", quantity, SESSION + timedelta(days=days), strike, right, open_price)


def shares(quantity: float, open_price: float | None = None, symbol: str = "AAA") -> Leg:
    """Shares."""
    return Leg(symbol, "shares", quantity, open_price=open_price, multiplier=1.0)


def market(*names: Name, change: Change = lambda whole: whole) -> Panel:
    """The names as a panel, after `change` to the snapshot."""
    return panel_of(change(snapshot(*names)), names[0].symbol)


def valued(
    legs: Sequence[Leg], *names: Name, change: Change = lambda whole: whole, lens: str = "quarterly"
) -> ValuedBook:
    """A book on a market, through the front door."""
    panel = market(*(names or (Name(),)), change=change)
    return value_book(legs, panel, measure(panel, rules(lens)), rules(lens))


def quoted(days: int, strike: float, right: str, bid: float, ask: float) -> Change:
    """The market with another quote of one contract."""

    def change(whole: Snapshot) -> Snapshot:
        quotes = whole.quotes.copy()
        expiration = pd.Timestamp(SESSION + timedelta(days=days))
        chosen = (quotes.expiration == expiration) & (quotes.strike == strike) & (quotes.right == right)
        assert chosen.any()
        quotes.loc[chosen, ["bid", "ask"]] = [bid, ask]
        return replace(whole, quotes=quotes)

    return change


def told(**columns: object) -> Change:
    """The market with other facts on every underlying."""
    return lambda whole: replace(whole, underlyings=whole.underlyings.assign(**columns))


@dataclass(frozen=True)
class Truth:
    """QuantLib's numbers for one share: theta a calendar day, vega per 1.00."""

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float


@cache
def american(spot: float, strike: float, days: int, carry: float, vol: float, right: str) -> Truth:
    """Finite differences (150 x 400); theta over a day each way, vega over half a point."""
    option = _american(spot, strike, days, carry, vol, right)
    day = [_american(spot, strike, other, carry, vol, right).NPV() for other in (days - 1, days + 1)]
    point = [_american(spot, strike, days, carry, other, right).NPV() for other in (vol - 0.005, vol + 0.005)]
    theta, vega = (day[0] - day[1]) / 2, (point[1] - point[0]) / 0.01
    return Truth(option.NPV(), option.delta(), option.gamma(), theta, vega)


def european(spot: float, strike: float, days: int, carry: float, vol: float, right: str) -> Truth:
    """The analytic engine."""
    process, payoff, expiry = _parts(spot, strike, days, carry, vol, right)
    option = ql.VanillaOption(payoff, ql.EuropeanExercise(expiry))
    option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    return Truth(option.NPV(), option.delta(), option.gamma(), option.thetaPerDay(), option.vega())


def _american(
    spot: float, strike: float, days: int, carry: float, vol: float, right: str
) -> ql.VanillaOption:
    process, payoff, expiry = _parts(spot, strike, days, carry, vol, right)
    option = ql.VanillaOption(payoff, ql.AmericanExercise(expiry - days, expiry))
    option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, 150, 400))
    return option


def _parts(
    spot: float, strike: float, days: int, carry: float, vol: float, right: str
) -> tuple[ql.BlackScholesMertonProcess, ql.PlainVanillaPayoff, ql.Date]:
    today = ql.Date(SESSION.day, SESSION.month, SESSION.year)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, each, count)) for each in (carry, RATE)]
    smile = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(spot)), *flat, smile)
    kind = ql.Option.Call if right == "C" else ql.Option.Put
    return process, ql.PlainVanillaPayoff(kind, strike), today + days


def flag(book: ValuedBook, words: str, leg: int = 0) -> bool:
    """Whether a flag of a leg begins so."""
    return any(each.startswith(words) for each in book.flags[leg])


def close(found: float, expected: float, within: float) -> bool:
    """Absolute difference; NaN is never close."""
    return bool(np.abs(found - expected) <= within)
