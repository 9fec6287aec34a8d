"""Markets of any size, made from arrays, for the benchmarks."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
from scipy.special import ndtr

from engine.arrays import FloatArray
from engine.market.sessions import NEW_YORK, is_monthly, sessions_before, years_to_settlement
from engine.market.snapshot import Snapshot
from engine.panel import NAME_COLUMNS, Chains, Panel, Prices

SESSION = date(2026, 4, 29)
ASOF = datetime(2026, 4, 29, 16, 0, tzinfo=NEW_YORK)
EXPIRY_DAYS = np.array([2, 9, 16, 23, 30, 37, 51, 79, 142, 233])
STRIKES = 30
"""Strikes an expiry: ten expiries x 30 strikes x call and put are 600 quotes a name."""
RATE = 0.04
DAYS = 300


def panel(names: int, seed: int = 1) -> Panel:
    """A market of `names` names with 600 quotes and 300 sessions each."""
    random = np.random.default_rng(seed)
    spot = random.uniform(30, 400, names)
    vol = random.uniform(0.15, 0.8, names)
    return Panel(
        asof=ASOF,
        session=SESSION,
        kind="close",
        source="SIMULATED benchmark",
        rate=RATE,
        names=_names(spot),
        chains=_chains(random, spot, vol),
        prices=_prices(random, spot, vol),
        benchmark=True,
        dropped={},
    )


def _names(spot: FloatArray) -> pd.DataFrame:
    blank = {"float64": np.nan, "bool": False, "object": None}
    columns: dict[str, object] = {
        name: pd.Series([blank[kind]] * len(spot), dtype=kind) for name, kind in NAME_COLUMNS.items()
    }
    columns |= {
        "symbol": [f"N{row}" for row in range(len(spot))],
        "sector": "Sector",
        "asset_class": "equity",
        "spot": spot,
        "fresh": True,
        "quote_session": SESSION.isoformat(),
    }
    return pd.DataFrame(columns)


def _chains(random: np.random.Generator, spot: FloatArray, vol: FloatArray) -> Chains:
    names = len(spot)
    dates = np.datetime64(SESSION) + EXPIRY_DAYS.astype("timedelta64[D]")
    years = years_to_settlement(ASOF, dates)
    shape = (names, len(dates), STRIKES)
    moneyness = np.linspace(-2.5, 2.5, STRIKES)
    deviation = vol[:, None, None] * np.sqrt(years)[None, :, None]
    strike = np.round(spot[:, None, None] * np.exp(moneyness * deviation), 2)
    forward = np.broadcast_to((spot[:, None] * np.exp((RATE - 0.01) * years))[:, :, None], shape)
    discount = np.exp(-RATE * years)[None, :, None]
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    call = discount * (forward * ndtr(d1) - strike * ndtr(d1 - deviation))
    put = call - discount * (forward - strike)
    spread = np.maximum(0.01, 0.01 * (call + put))
    volume, interest = (random.integers(0, 2000, shape).astype(np.float64) for _ in range(2))
    flat = {
        "strike": strike,
        "call_bid": call - spread,
        "call_ask": call + spread,
        "put_bid": put - spread,
        "put_ask": put + spread,
        "call_volume": volume,
        "put_volume": volume[::-1],
        "call_open_interest": interest,
        "put_open_interest": interest[::-1],
    }
    return Chains(
        name_start=np.arange(names + 1) * len(dates),
        expiry_date=np.tile(dates, names),
        expiry_days=np.tile(EXPIRY_DAYS.astype(np.float64), names),
        expiry_years=np.tile(years, names),
        monthly=np.tile(is_monthly(dates), names),
        expiry_start=np.arange(names * len(dates) + 1) * STRIKES,
        **{name: np.ascontiguousarray(values.reshape(-1)) for name, values in flat.items()},
    )


def _prices(random: np.random.Generator, spot: FloatArray, vol: FloatArray) -> Prices:
    shape = (len(spot), DAYS)
    steps = random.standard_normal(shape) * (vol / np.sqrt(252))[:, None]
    close = np.exp(np.cumsum(steps, axis=1))
    close *= (spot / close[:, -1])[:, None]
    opening = close * np.exp(0.2 * steps)
    high = np.maximum(opening, close) * np.exp(np.abs(random.standard_normal(shape)) * 0.004)
    low = np.minimum(opening, close) * np.exp(-np.abs(random.standard_normal(shape)) * 0.004)
    return Prices(opening, high, low, close, np.zeros(len(spot)))


def snapshot(names: int, seed: int = 1) -> Snapshot:
    """The same market as the tables a provider fills, SPY among its names."""
    columns = panel(names, seed)
    symbols = [*columns.symbols[:-1], "SPY"]
    chains, prices = columns.chains, columns.prices
    owner = np.repeat(np.arange(names), len(EXPIRY_DAYS) * STRIKES)
    expiries = np.repeat(chains.expiry_date.astype("datetime64[s]"), STRIKES)
    sides = []
    for side in ("call", "put"):
        fields = {
            name: getattr(chains, f"{side}_{name}") for name in ("bid", "ask", "volume", "open_interest")
        }
        sides.append(pd.DataFrame({"strike": chains.strike, "last": np.nan, **fields}))
    quotes = pd.concat(sides, ignore_index=True)
    quotes["symbol"] = pd.Categorical.from_codes(np.tile(owner, 2), categories=symbols)
    quotes["right"] = pd.Categorical.from_codes(np.repeat([0, 1], len(owner)), categories=["C", "P"])
    quotes["expiration"] = np.tile(expiries, 2)
    days = sessions_before(SESSION, DAYS).astype("datetime64[s]")
    bars = {name: getattr(prices, name).reshape(-1) for name in ("open", "high", "low", "close")}
    history = pd.DataFrame({"date": np.tile(days, names), "volume": np.nan, **bars})
    history["symbol"] = pd.Categorical.from_codes(np.repeat(np.arange(names), DAYS), categories=symbols)
    underlyings = pd.DataFrame(
        {
            "symbol": symbols,
            "spot": columns.names["spot"],
            "quote_time": ASOF.isoformat(),
            "name": symbols,
            "sector": "Sector",
            "asset_class": "equity",
            "earnings_date": None,
            "liquidity_rating": np.nan,
        }
    )
    return Snapshot(ASOF, SESSION, "close", columns.source, quotes, underlyings, history, RATE)
