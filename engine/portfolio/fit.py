"""The standard strangle of a name: what a seller of premium would most plainly add to a book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import ndtr

from engine.arrays import BoolArray, FloatArray
from engine.panel import Chains, Panel
from engine.portfolio.book import Leg, Right
from engine.pricing.implied import implied_volatility
from engine.rules import Rules
from engine.symbols import shortened
from engine.volatility.implied import atm_volatility, two_sided

FAR_FROM_TARGET = 0.08
"""A strike whose delta is further than this from the target is told with the strangle."""


def strangle_for(symbol: str, panel: Panel, table: pd.DataFrame, rules: Rules) -> tuple[tuple[Leg, ...], str]:
    """One short standard strangle of a name, and what should be known about it.

    `table` is the measured table of the panel; it says why a name could not be measured.
    Short one put and one call of the standard monthly nearest `fit_days` within the range of
    `trade_expiry`; an expiry without quotes on both sides is passed over for the next monthly, and then for
    the others, the most traded first. Each strike is the out-of-the-money one with a usable quote (bid > 0,
    ask >= bid) whose delta is nearest `fit_delta`: N(d1) of a call, N(-d1) of a put, on the parity forward at
    the strike's own implied volatility, quotes inverted as they are (out of the money early exercise is worth
    next to nothing). `open_price` is the mid.

    Returns
    -------
    tuple[tuple[Leg, ...], str]
        Put and call, and "" or remarks in words: no monthly, a delta far from the target, stale quotes.
        No legs and the reason when the name is unknown or its chain offers none. Nothing is raised for that.
    """
    shown = shortened(symbol)
    row = {name: place for place, name in enumerate(panel.symbols)}.get(symbol)
    if row is None:
        return (), f"{shown} is not in this market"
    spot = float(panel.names["spot"].iloc[row])
    if not spot > 0:
        return (), f"{shown} has no price"
    chains = panel.chains.of_names(row, row + 1)
    american = not bool(panel.names["european"].iloc[row])
    limits = rules.trade_expiry
    between = f"between {limits.min_days} and {limits.max_days} days"
    rate = panel.rate if panel.rate is not None else rules.volatility.risk_free_rate_percent / 100.0
    for expiry in _expiries(chains, rules):
        forward = _forward(chains, expiry, spot, american, rate, rules)
        legs, deltas = _strangle(symbol, chains, expiry, forward, rate, rules.portfolio.fit_delta)
        if legs:
            fresh = bool(panel.names["fresh"].iloc[row])
            return legs, "; ".join(_remarks(chains, expiry, deltas, between, fresh, panel.session, rules))
    if _in_range(chains, rules).any():
        return (), f"{shown} has no two-sided quotes around its forward {between}"
    known = table["missing_reason"].iloc[row]
    return (), f"{shown} has no quotes {between}" + (f" ({known})" if isinstance(known, str) else "")


def _in_range(chains: Chains, rules: Rules) -> BoolArray:
    limits = rules.trade_expiry
    days = chains.expiry_days
    return (days >= limits.min_days) & (days <= limits.max_days) & (chains.expiry_years > 0)


def _expiries(chains: Chains, rules: Rules) -> Iterator[int]:
    """Monthlies nearest `fit_days` first (the earlier of two as near), then the others, most traded first."""
    in_range = _in_range(chains, rules)
    monthly = np.flatnonzero(in_range & chains.monthly)
    away = np.abs(chains.expiry_days[monthly] - rules.portfolio.fit_days)
    yield from monthly[np.argsort(away, kind="stable")].tolist()
    other = np.flatnonzero(in_range & ~chains.monthly)
    traded = np.nan_to_num(chains.call_volume) + np.nan_to_num(chains.put_volume)
    volume = [traded[chains.expiry_start[at] : chains.expiry_start[at + 1]].sum() for at in other]
    yield from other[np.argsort(-np.array(volume), kind="stable")].tolist()


def _forward(chains: Chains, expiry: int, spot: float, american: bool, rate: float, rules: Rules) -> float:
    """Parity forward of one expiry, NaN when its quotes give none."""
    return float(
        atm_volatility(
            chains,
            two_sided(chains),
            np.array([expiry]),
            np.array([spot]),
            np.array([american]),
            rate,
            rules.iv30.parity_strikes,
            rules.iv30.tree_steps,
        ).forward[0]
    )


def _strangle(
    symbol: str, chains: Chains, expiry: int, forward: float, rate: float, target: float
) -> tuple[tuple[Leg, ...], dict[Right, float]]:
    """Put and call nearest the target, and their deltas; nothing when a side has no strike."""
    legs: list[Leg] = []
    deltas: dict[Right, float] = {}
    expiration: date = chains.expiry_date[expiry].astype("datetime64[D]").item()
    for right in ("P", "C"):
        strike, mid, delta = _wing(chains, expiry, forward, rate, right)
        if not len(strike):
            return (), {}
        nearest = int(np.argmin(np.abs(delta - target)))
        legs.append(
            Leg(symbol, "option", -1.0, expiration, float(strike[nearest]), right, float(mid[nearest]))
        )
        deltas[right] = float(delta[nearest])
    return tuple(legs), deltas


def _wing(
    chains: Chains, expiry: int, forward: float, rate: float, right: Right
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Strike, mid and |delta| of the usable out-of-the-money quotes of one side; none without a forward."""
    rows = slice(int(chains.expiry_start[expiry]), int(chains.expiry_start[expiry + 1]))
    is_call = right == "C"
    bid, ask = (
        (chains.call_bid[rows], chains.call_ask[rows])
        if is_call
        else (chains.put_bid[rows], chains.put_ask[rows])
    )
    strike, years = chains.strike[rows], chains.expiry_years[expiry]
    outside = strike >= forward if is_call else strike < forward
    kept = np.flatnonzero(outside & (bid > 0) & (ask >= bid))
    strike, mid = strike[kept], 0.5 * (bid + ask)[kept]
    vol = implied_volatility(mid, forward, strike, years, np.exp(-rate * years), is_call).vol
    solved = np.isfinite(vol)
    strike, mid, deviation = strike[solved], mid[solved], vol[solved] * np.sqrt(years)
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    return strike, mid, np.asarray(ndtr(d1 if is_call else -d1))


def _remarks(
    chains: Chains,
    expiry: int,
    deltas: dict[Right, float],
    between: str,
    fresh: bool,
    session: date,
    rules: Rules,
) -> Iterator[str]:
    target = rules.portfolio.fit_delta
    if not chains.monthly[expiry]:
        monthly = bool((_in_range(chains, rules) & chains.monthly).any())
        lack = "the monthly has no two-sided quotes" if monthly else f"no monthly {between}"
        yield f"{lack}: the most traded expiry of {chains.expiry_days[expiry]:.0f} days is taken"
    for right, delta in deltas.items():
        if abs(delta - target) > FAR_FROM_TARGET:
            side = "call" if right == "C" else "put"
            yield f"the {side} nearest {100 * target:.0f} delta has {100 * delta:.0f}"
    if not fresh:
        yield f"its quotes are not of the session {session}"
