"""Which expiries are worth a request: those IV30 is interpolated from and the one a trade would take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from engine.arrays import FloatArray, IntArray
from engine.market.live.answers import Asked
from engine.market.sessions import DayArray, is_monthly, years_to_settlement


def wanted_expiries(expirations: Sequence[date], asked: Asked, symbol: str) -> list[date]:
    """The listed expiries a run needs of one name, ascending; empty when none is of use.

    The two that bracket `target_days` from the instant asked for (near side at least `near_min_days`
    calendar days from the session), or the one nearest the target within `nearest_days` when a
    side is missing; and the standard monthly nearest `trade_target` within `trade_days`. Those of
    contracts somebody holds come along.
    """
    if not expirations:
        return []
    days = np.unique(np.array(expirations, dtype="datetime64[D]"))
    away = (days - np.datetime64(asked.session, "D")).astype(np.int64)
    exact = years_to_settlement(asked.now, days) * 365.0
    chosen = _bracket(days, exact, away, asked)
    trade = days[is_monthly(days) & (away >= asked.trade_days[0]) & (away <= asked.trade_days[1])]
    if len(trade):
        distance = np.abs((trade - np.datetime64(asked.session, "D")).astype(np.int64) - asked.trade_target)
        chosen.append(trade[np.argmin(distance)])
    wanted = {day.astype(date) for day in chosen}
    return sorted(wanted | {day for day, _ in asked.held_of(symbol)}.intersection(expirations))


def _bracket(days: DayArray, exact: FloatArray, away: IntArray, asked: Asked) -> list[np.datetime64]:
    near = days[(away >= asked.near_min_days) & (exact <= asked.target_days)]
    far = days[exact >= asked.target_days]
    if len(near) and len(far):
        return [near[-1], far[0]]
    inside = (away >= asked.nearest_days[0]) & (away <= asked.nearest_days[1])
    if not inside.any():
        return []
    return [days[inside][np.argmin(np.abs(exact[inside] - asked.target_days))]]
