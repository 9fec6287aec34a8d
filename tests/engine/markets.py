"""Small markets with known volatilities, priced by QuantLib or vollib and never by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import QuantLib as ql  # noqa: N813
from vollib.black import black

from engine.market.columns import panel_of
from engine.market.sessions import NEW_YORK, sessions_before
from engine.market.snapshot import Snapshot
from engine.panel import Panel

SESSION = date(2026, 4, 29)
ASOF = datetime(2026, 4, 29, 16, 0, tzinfo=NEW_YORK)
RATE = 0.04


@dataclass
class Name:
    """One underlying: its volatility by days to expiry, its yield and how its quotes look."""

    symbol: str = "AAA"
    spot: float = 100.0
    vol: Callable[[float, float], float] = lambda days, strike: 0.30
    days: Sequence[int] = (9, 23, 37, 51, 79)
    strikes: Sequence[float] = field(default_factory=lambda: [float(k) for k in range(80, 121, 5)])
    carry_yield: float = 0.0
    american: bool = False
    spread: float = 0.0
    """Half the quoted spread, in currency."""
    history_vol: float = 0.20
    sessions: int = 300
    asset_class: str = "index"
    quote_time: str = "2026-04-29T16:00:00-04:00"


def snapshot(*names: Name, seed: int = 1) -> Snapshot:
    quotes = pd.DataFrame([quote for name in names for quote in _quotes(name)])
    return Snapshot(
        asof=ASOF,
        session=SESSION,
        kind="close",
        source="test market",
        quotes=quotes,
        underlyings=pd.DataFrame([_underlying(name) for name in names]),
        history=pd.concat([_history(name, seed + place) for place, name in enumerate(names)]),
        rate=RATE,
    )


def panel(*names: Name, seed: int = 1) -> Panel:
    return panel_of(snapshot(*names, seed=seed), names[0].symbol)


def _underlying(name: Name) -> dict[str, object]:
    return {
        "symbol": name.symbol,
        "spot": name.spot,
        "quote_time": name.quote_time,
        "name": name.symbol,
        "sector": "Sector",
        "asset_class": "equity" if name.american else name.asset_class,
        "earnings_date": None,
        "liquidity_rating": np.nan,
    }


def _quotes(name: Name) -> list[dict[str, object]]:
    return [
        {
            "symbol": name.symbol,
            "expiration": pd.Timestamp(SESSION + timedelta(days=days)).as_unit("s"),
            "strike": strike,
            "right": right,
            "bid": price - name.spread,
            "ask": price + name.spread,
            "last": price,
            "volume": 500.0,
            "open_interest": 900.0,
        }
        for days in name.days
        for strike in name.strikes
        for right in "CP"
        for price in [_price(name, days, strike, right)]
    ]


def _price(name: Name, days: int, strike: float, right: str) -> float:
    years, vol = days / 365.0, name.vol(days, strike)
    if name.american:
        return _american(name.spot, name.carry_yield, days, strike, right, vol)
    forward = name.spot * np.exp((RATE - name.carry_yield) * years)
    return float(black(right.lower(), forward, strike, years, RATE, vol))


@cache
def _american(spot: float, carry: float, days: int, strike: float, right: str, vol: float) -> float:
    today = ql.Date(SESSION.day, SESSION.month, SESSION.year)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    flat = [ql.YieldTermStructureHandle(ql.FlatForward(today, r, count)) for r in (carry, RATE)]
    smile = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count))
    process = ql.BlackScholesMertonProcess(ql.QuoteHandle(ql.SimpleQuote(spot)), *flat, smile)
    kind = ql.Option.Call if right == "C" else ql.Option.Put
    option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, strike), ql.AmericanExercise(today, today + days))
    option.setPricingEngine(ql.FdBlackScholesVanillaEngine(process, 200, 400))
    return float(option.NPV())


def _history(name: Name, seed: int) -> pd.DataFrame:
    days = sessions_before(SESSION, name.sessions)
    steps = np.random.default_rng(seed).standard_normal(len(days)) * name.history_vol / np.sqrt(252)
    close = name.spot * np.exp(np.cumsum(steps) - steps.sum())
    opening = np.append(close[0], close[:-1])
    return pd.DataFrame(
        {
            "date": days.astype("datetime64[s]"),
            "symbol": name.symbol,
            "open": opening,
            "high": np.maximum(opening, close) * 1.002,
            "low": np.minimum(opening, close) * 0.998,
            "close": close,
            "volume": 1e6,
        }
    )
