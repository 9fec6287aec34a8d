"""The market's own clock: sessions, closes and settlement instants of the New York Stock Exchange.

One calendar holds for the whole process: the exchange's, corrected by what an operator has written down
(`adopt`). It is process-wide on purpose. Which day is a session is asked by sources, numbers, record and
clock alike, deep inside functions that carry no configuration; two answers in one process would plan runs
by one calendar and judge quotes by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray

NEW_YORK = ZoneInfo("America/New_York")
OPENING = time(9, 30)
"""New York time at which every session since 1985 opened."""
CLOSING = time(16, 0)
"""New York time at which a whole session closes."""
SETTLEMENT = time(16, 0)
"""Last instant of an equity option on its expiration day (methodology, units)."""
DayArray = npt.NDArray[np.datetime64]
_OPENING_MINUTE = OPENING.hour * 60 + OPENING.minute


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """What the exchange announced at short notice: days it stays shut, and New York times it closes early.

    Compared by identity, so that every set has sessions of its own in the cache.
    """

    closed: frozenset[date] = frozenset()
    early: Mapping[date, time] = field(default_factory=dict)


_corrections = Corrections()


def adopt(corrections: Corrections) -> Corrections:
    """Make these the corrections of the whole process, in place of the former ones, which are returned.

    For composition roots, before anything asks for a session; a closed day that is none anyway does no
    harm. Neither does a day both closed and early: closed wins.
    """
    global _corrections
    former, _corrections = _corrections, corrections
    return former


@lru_cache(maxsize=8)
def _calendar(first_decade: int, last_decade: int) -> Any:
    # By whole decades: nearby questions then share one calendar, which takes a tenth of a second to build.
    import exchange_calendars  # deferred: as long again, which a bad option should not cost

    return exchange_calendars.get_calendar(
        "XNYS", start=f"{first_decade}0-01-01", end=f"{last_decade}9-12-31"
    )


@lru_cache(maxsize=8)
def _sessions(first_decade: int, last_decade: int, corrections: Corrections) -> DayArray:
    days = _calendar(first_decade, last_decade).sessions
    known = np.asarray(days.to_numpy(), dtype="datetime64[D]")
    return np.setdiff1d(known, np.array(sorted(corrections.closed), dtype="datetime64[D]"))


def sessions_between(first: date, last: date) -> DayArray:
    """Trading days from `first` to `last`, both included, as datetime64[D]; none when `last` is earlier."""
    days = _sessions(first.year // 10, max(first, last).year // 10, _corrections)
    return days[(days >= np.datetime64(first)) & (days <= np.datetime64(last))]


def is_session(day: date) -> bool:
    """Whether New York trades on a day."""
    return bool(len(sessions_between(day, day)))


def session_from(day: date) -> date:
    """The first session on or after a day."""
    reach = timedelta(days=14)
    while not len(found := sessions_between(day, day + reach)):
        reach *= 2
    first: date = found[0].astype(date)
    return first


def sessions_before(session: date, count: int) -> DayArray:
    """The `count` trading days up to and including `session` (or the last one before it)."""
    years = 1 + count // 240
    return sessions_between(date(session.year - years, 1, 1), session)[-count:]


def open_of(session: date) -> datetime:
    """The opening instant of a session. Raises ValueError for a holiday."""
    _check_session(session)
    return datetime.combine(session, OPENING, NEW_YORK)


def close_of(session: date) -> datetime:
    """The closing instant of a session (13:00 New York on half days). Raises ValueError for a holiday."""
    _check_session(session)
    if session in _corrections.early:
        return datetime.combine(session, _corrections.early[session], NEW_YORK)
    calendar = _calendar(session.year // 10, session.year // 10)
    closing: datetime = calendar.session_close(pd.Timestamp(session)).to_pydatetime()
    return closing.astimezone(NEW_YORK)


def closes_early(session: date) -> bool:
    """Whether a session ends before 16:00 New York. Raises ValueError for a holiday."""
    return close_of(session).time() < CLOSING


def _check_session(day: date) -> None:
    if not is_session(day):
        raise ValueError(f"{day} is no trading day in New York")


def sessions_of(instants: pd.DatetimeIndex) -> DayArray:
    """The session whose quotes stand at each instant: the latest that had opened (09:30) by then.

    `instants` carry a time zone; NaT gives NaT.
    """
    local = instants.tz_convert(NEW_YORK)
    days = local.tz_localize(None).to_numpy().astype("datetime64[D]")
    known = ~np.isnat(days)
    if not known.any():
        return days
    before: date = days[known].min().astype(date) - timedelta(days=1)
    first: date = sessions_before(before, 1)[0].astype(date)
    sessions = sessions_between(first, days[known].max().astype(date))
    place = np.searchsorted(sessions, days, side="right") - 1
    minutes = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    before_open = (sessions[np.maximum(place, 0)] == days) & (minutes < _OPENING_MINUTE)
    found = sessions[np.maximum(place - before_open, 0)]
    return np.where(known, found, np.datetime64("NaT", "D"))


def session_of(instant: datetime) -> date:
    """The session whose quotes stand at one instant."""
    found: date = sessions_of(pd.DatetimeIndex([instant]))[0].astype(date)
    return found


def years_to_settlement(asof: datetime, expirations: DayArray) -> FloatArray:
    """ACT/365 in minutes from `asof` to 16:00 New York of each expiration day; negative once settled."""
    days, where = np.unique(expirations.astype("datetime64[D]"), return_inverse=True)
    minutes = [_minutes(asof, day.astype(date)) for day in days]
    return np.asarray(minutes, dtype=np.float64)[where] / (365.0 * 24 * 60)


def _minutes(asof: datetime, day: date) -> float:
    settles = datetime.combine(day, SETTLEMENT, tzinfo=NEW_YORK)
    return (settles.timestamp() - asof.timestamp()) / 60.0


def is_monthly(expirations: DayArray) -> BoolArray:
    """Whether each expiration is the standard monthly: the third Friday, or the day before a closed one."""
    days, where = np.unique(expirations.astype("datetime64[D]"), return_inverse=True)
    flags = np.array([_is_monthly_day(day.astype(date)) for day in days], dtype=bool)
    return flags[where]


def _is_monthly_day(day: date) -> bool:
    first = day.replace(day=1)
    friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    if day in (friday, friday + timedelta(days=1)):  # listed as the Saturday until 2015
        return True
    closed = not len(sessions_between(friday, friday))
    return closed and day == friday - timedelta(days=1)
