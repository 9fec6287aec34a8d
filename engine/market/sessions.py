"""The market's own clock: sessions, closes and settlement instants of the New York Stock Exchange."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray

NEW_YORK = ZoneInfo("America/New_York")
SETTLEMENT = time(16, 0)
"""Last instant of an equity option on its expiration day (methodology, units)."""
OPENING_MINUTE = 9 * 60 + 30
"""Minute of the New York day at which every session since 1985 opened."""
DayArray = npt.NDArray[np.datetime64]


@lru_cache(maxsize=8)
def _calendar(first_decade: int, last_decade: int) -> Any:
    # By whole decades: nearby questions then share one calendar, which takes a tenth of a second to build.
    import exchange_calendars  # deferred: as long again, which a bad option should not cost

    return exchange_calendars.get_calendar(
        "XNYS", start=f"{first_decade}0-01-01", end=f"{last_decade}9-12-31"
    )


@lru_cache(maxsize=8)
def _sessions(first_decade: int, last_decade: int) -> DayArray:
    days = _calendar(first_decade, last_decade).sessions
    return np.asarray(days.to_numpy(), dtype="datetime64[D]")


def sessions_between(first: date, last: date) -> DayArray:
    """Trading days from `first` to `last`, both included, as datetime64[D]."""
    days = _sessions(first.year // 10, last.year // 10)
    return days[(days >= np.datetime64(first)) & (days <= np.datetime64(last))]


def sessions_before(session: date, count: int) -> DayArray:
    """The `count` trading days up to and including `session` (or the last one before it)."""
    years = 1 + count // 240
    return sessions_between(date(session.year - years, 1, 1), session)[-count:]


def close_of(session: date) -> datetime:
    """The closing instant of a session (13:00 New York on half days). Raises ValueError for a holiday."""
    calendar = _calendar(session.year // 10, session.year // 10)
    label = pd.Timestamp(session)
    if not calendar.is_session(label):
        raise ValueError(f"{session} is no trading day in New York")
    closing: datetime = calendar.session_close(label).to_pydatetime()
    return closing.astimezone(NEW_YORK)


def sessions_of(instants: pd.DatetimeIndex) -> DayArray:
    """The session whose quotes stand at each instant: the latest that had opened (09:30) by then.

    `instants` carry a time zone; NaT gives NaT.
    """
    local = instants.tz_convert(NEW_YORK)
    days = local.tz_localize(None).to_numpy().astype("datetime64[D]")
    known = ~np.isnat(days)
    if not known.any():
        return days
    first = days[known].min().astype(date) - timedelta(days=15)
    sessions = sessions_between(first, days[known].max().astype(date))
    place = np.searchsorted(sessions, days, side="right") - 1
    minutes = local.hour.to_numpy() * 60 + local.minute.to_numpy()
    before_open = (sessions[np.maximum(place, 0)] == days) & (minutes < OPENING_MINUTE)
    found = sessions[np.maximum(place - before_open, 0)]
    return np.where(known, found, np.datetime64("NaT", "D"))


def session_of(instant: datetime) -> date:
    """The session whose quotes stand at one instant."""
    found: date = sessions_of(pd.DatetimeIndex([instant]))[0].astype(date)
    return found


def latest_run(now: datetime, after_open: timedelta, after_close: timedelta) -> tuple[date, str]:
    """Session and kind ("open" or "close") of the newest run that is due at `now`.

    An open run is due `after_open` after 09:30, a close run `after_close` after the session's close.
    """
    session = session_of(now)
    if now >= close_of(session) + after_close:
        return session, "close"
    opened = datetime.combine(session, time(9, 30), NEW_YORK)
    if now >= opened + after_open:
        return session, "open"
    before: date = sessions_before(session - timedelta(days=1), 1)[-1].astype(date)
    return before, "close"


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
