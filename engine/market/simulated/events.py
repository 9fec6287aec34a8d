"""What the simulated calendar holds: earnings reports, dividends and the expirations that are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from engine.arrays import BoolArray, FloatArray
from engine.market.sessions import DayArray, is_monthly, sessions_between
from engine.market.simulated.draws import generator
from engine.market.simulated.names import Traits
from engine.rules import Listing

YEARS_AHEAD = 3
"""Calendar kept beyond the last simulated session: as far as the longest expiration."""
REPORT_SEASON = (14, 46)
"""Days of the quarter in which a name without a known day reports."""
FAR_FUTURE = np.datetime64("9999-12-31", "D")
"""Fills the rows of names with fewer events; no expiration reaches it."""
FRIDAY = 4


def rolled(days: DayArray, sessions: DayArray) -> DayArray:
    """Each day, or the next session when the exchange is closed; days after the grid fall away."""
    place = np.searchsorted(sessions, days)
    return sessions[place[place < len(sessions)]]


def report_days(listing: Listing, traits: Traits, seed: int, sessions: DayArray) -> DayArray:
    """Sessions after whose close an equity reports, once a quarter; none for funds and indices."""
    if listing.asset_class != "equity":
        return sessions[:0]
    draw = int(generator(seed, listing.symbol, "reports").integers(*REPORT_SEASON))
    offset = draw if traits.report_day is None else traits.report_day
    months = np.arange(
        sessions[0].astype("datetime64[Y]"), sessions[-1], np.timedelta64(3, "M"), dtype="datetime64[M]"
    )
    days = months.astype("datetime64[D]") + np.timedelta64(offset, "D")
    return rolled(days[days >= sessions[0]], sessions)


def dividend_days(listing: Listing, traits: Traits, seed: int, sessions: DayArray) -> DayArray:
    """Sessions on which a payer goes ex, once a quarter."""
    if traits.dividend == 0.0:
        return sessions[:0]
    draw = generator(seed, listing.symbol, "dividends")
    first = sessions[0].astype("datetime64[Y]").astype("datetime64[M]") + np.timedelta64(
        int(draw.integers(0, 3)), "M"
    )
    months = np.arange(first, sessions[-1], np.timedelta64(3, "M"), dtype="datetime64[M]")
    days = months.astype("datetime64[D]") + np.timedelta64(int(draw.integers(3, 27)), "D")
    return rolled(days[days >= sessions[0]], sessions)


def stacked(rows: Sequence[DayArray]) -> DayArray:
    """Ascending days of each name as (names, longest), filled up with FAR_FUTURE."""
    width = max((len(row) for row in rows), default=0)
    table = np.full((len(rows), width + 1), FAR_FUTURE)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table


@dataclass(frozen=True, slots=True)
class Board:
    """Expirations listed at a session: days ascending and, a row a tier (1 to 3), who lists them.

    `lean` marks what a measurement looks at: the expirations around 30 and 60 days, the one nearest 30
    and the monthly a trade would use.
    """

    days: DayArray
    listed: BoolArray
    lean: BoolArray


def board(session: date) -> Board:
    """Weeklies, monthlies, quarterlies and leaps listed after the close of a session."""
    sessions = sessions_between(session, date(session.year + YEARS_AHEAD, 12, 31))
    weeks = _fridays(session, 8)
    months = _third_fridays(session, 30)
    quarters = [day for day in months if day.month % 3 == 0 and (day - session).days <= 300]
    leaps = [day for day in months if day.month == 1][:2]
    wanted = (weeks + months[:4] + quarters + leaps, weeks[:5] + months[:3] + quarters[:2], months[:4])
    by_tier = [_listed(days, session, sessions) for days in wanted]
    union = np.unique(np.concatenate(by_tier))
    return Board(
        union,
        np.array([np.isin(union, days) for days in by_tier]),
        np.array([np.isin(union, days[_looked_at(days, session)]) for days in by_tier]),
    )


def _fridays(session: date, count: int) -> list[date]:
    first = session + timedelta(days=(FRIDAY - session.weekday() - 1) % 7 + 1)
    return [first + timedelta(days=7 * week) for week in range(count)]


def _third_fridays(session: date, count: int) -> list[date]:
    starts = [date(session.year + month // 12, month % 12 + 1, 1) for month in range(session.month - 1, 48)]
    days = [start + timedelta(days=(FRIDAY - start.weekday()) % 7 + 14) for start in starts]
    return [day for day in days if day > session][:count]


def _listed(days: list[date], session: date, sessions: DayArray) -> DayArray:
    """Fridays that are no session expire the day before."""
    fridays = np.unique(np.array(days, dtype="datetime64[D]"))
    open_days = np.isin(fridays, sessions)
    expirations = np.where(open_days, fridays, fridays - np.timedelta64(1, "D"))
    return np.asarray(expirations[expirations > np.datetime64(session)])


def _looked_at(days: DayArray, session: date) -> BoolArray:
    ahead = (days - np.datetime64(session)).astype(np.float64)
    keep = np.zeros(len(days), dtype=bool)
    for target in (30, 60):
        for side in (
            np.flatnonzero((ahead <= target) & (ahead >= 7))[-1:],
            np.flatnonzero(ahead >= target)[:1],
        ):
            keep[side] = True
    keep[np.argmin(np.abs(ahead - 30))] = True
    tradable = is_monthly(days) & (ahead >= 25) & (ahead <= 70)
    if tradable.any():
        keep[np.argmin(np.where(tradable, np.abs(ahead - 45), np.inf))] = True
    return keep


def reports_within(reports: DayArray, session: date, expirations: DayArray) -> FloatArray:
    """How many reports of each name move its price between a close and each expiration.

    reports (names, n) from `stacked`, expirations (m,); returns (names, m). A report after the close of
    the session itself still lies ahead; one after the close of the expiration comes too late.
    """
    ahead = reports >= np.datetime64(session)
    return np.stack([np.count_nonzero(ahead & (reports < day), axis=1) for day in expirations], axis=1) * 1.0
