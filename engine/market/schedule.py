"""The planned runs: one after every open and close of the New York session, and one a week.

A plan is a pure function of the calendar and the operator's offsets. It asks no clock, remembers nothing,
and so gives every process that asks, before or after a restart, the same runs under the same keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from engine.configfile import Frozen, no_repeats, read_json, validated
from engine.market.sessions import (
    CLOSING,
    NEW_YORK,
    OPENING,
    Corrections,
    close_of,
    open_of,
    session_from,
    sessions_before,
    sessions_between,
)

PlannedKind = Literal["open", "close", "weekly"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_STEP = timedelta(days=5)


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("allowed is a day such as 2028-01-05")


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError("allowed is a time such as 13:00")


def _trading_weekday(day: date) -> date:
    if day.weekday() >= WEEKDAYS.index("saturday"):
        raise ValueError(f"that is a {WEEKDAYS[day.weekday()].title()}; allowed is Monday to Friday")
    return day


Day = Annotated[date, BeforeValidator(_day)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of the plan; `at` and `until` in UTC.

    key      "2026-11-27/close": one run, whoever plans it; the day of a weekly one need be no session
    session  whose quotes it is about; of a weekly run the last one that closed before it
    at       when it is due
    until    up to when it is worth catching up
    """

    key: str
    kind: PlannedKind
    session: date
    at: datetime
    until: datetime


class Weekly(Frozen):
    """When the weekly post is due, in New York."""

    weekday: Weekday
    time: TimeOfDay


class Schedule(Frozen):
    """config/schedule.json: how long after the open and the close a run is due, and how late it may come."""

    after_open_minutes: Annotated[int, Field(ge=0, le=180)] = 20
    """Quotes are wide and wild in the first minutes."""
    after_close_minutes: Annotated[int, Field(ge=0, le=600)] = 16
    """Delayed sources show the closing quotes by then."""
    open_catch_up_minutes: Annotated[int, Field(ge=1, le=390)] = 60
    pre_market: TimeOfDay = time(4, 0)
    """New York time of a session from which the close before it is yesterday's news."""
    weekly: Weekly | None = Weekly(weekday="saturday", time=time(10, 0))
    """The scorecard, when the week is over and people have time to read; None plans none."""

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        if self.pre_market >= OPENING:
            raise ValueError(
                f"pre_market has the value '{self.pre_market:%H:%M}'; allowed is a time before 09:30"
            )
        due = datetime.combine(date.min, CLOSING) + timedelta(minutes=self.after_close_minutes)
        if due >= datetime.combine(date.min + timedelta(days=1), self.pre_market):
            raise ValueError(
                f"after_close_minutes has the value {self.after_close_minutes}; "
                f"allowed is less than the time from 16:00 to pre_market ({self.pre_market:%H:%M})"
            )
        return self

    def of_sessions(self, first: date, last: date) -> list[PlannedRun]:
        """The runs of the sessions, and of the weekly days, from `first` to `last`, in order of `at`."""
        runs = [run for day in sessions_between(first, last) for run in self._of_session(day.astype(date))]
        runs += self._weekly_runs(first, last)
        return sorted(runs, key=lambda run: (run.at, run.key))

    def between(self, after: datetime, upto: datetime) -> list[PlannedRun]:
        """The runs with after < at <= upto, in order; both instants carry a time zone."""
        # A close run may be due after midnight in New York, never later than the following day.
        first = after.astimezone(NEW_YORK).date() - timedelta(days=1)
        last = upto.astimezone(NEW_YORK).date()
        return [run for run in self.of_sessions(first, last) if after < run.at <= upto]

    def next_after(self, now: datetime) -> PlannedRun:
        """The first run that is due later than `now`."""
        while not (runs := self.between(now, now + _STEP)):
            now += _STEP
        return runs[0]

    def latest(self, now: datetime) -> PlannedRun:
        """The last run that is due by `now`."""
        return next(self._back_from(now))

    def latest_market(self, now: datetime) -> PlannedRun:
        """The last open or close run that is due by `now`."""
        return next(run for run in self._back_from(now) if run.kind != "weekly")

    def _back_from(self, now: datetime) -> Iterator[PlannedRun]:
        while True:
            yield from reversed(self.between(now - _STEP, now))
            now -= _STEP

    def _of_session(self, session: date) -> Iterator[PlannedRun]:
        opened, closed = open_of(session).astimezone(UTC), close_of(session).astimezone(UTC)
        at = opened + timedelta(minutes=self.after_open_minutes)
        # A session cut short by the exchange may be over by then; its close run tells all there is.
        if at < closed:
            until = min(at + timedelta(minutes=self.open_catch_up_minutes), closed)
            yield PlannedRun(f"{session}/open", "open", session, at, until)
        at = closed + timedelta(minutes=self.after_close_minutes)
        yield PlannedRun(f"{session}/close", "close", session, at, self._pre_market_after(session))

    def _pre_market_after(self, day: date) -> datetime:
        following = session_from(day + timedelta(days=1))
        return datetime.combine(following, self.pre_market, NEW_YORK).astimezone(UTC)

    def _weekly_runs(self, first: date, last: date) -> Iterator[PlannedRun]:
        if self.weekly is None:
            return
        day = first + timedelta(days=(WEEKDAYS.index(self.weekly.weekday) - first.weekday()) % 7)
        while day <= last:
            at = datetime.combine(day, self.weekly.time, NEW_YORK).astimezone(UTC)
            yield PlannedRun(f"{day}/weekly", "weekly", closed_by(at), at, self._pre_market_after(day))
            day += timedelta(days=7)


def closed_by(instant: datetime) -> date:
    """The last session that was over at an instant; it carries a time zone."""
    day = instant.astimezone(NEW_YORK).date()
    before, latest = (session.astype(date) for session in sessions_before(day, 2))
    found: date = latest if close_of(latest) <= instant else before
    return found


def week_before(instant: datetime) -> datetime:
    """Seven days earlier at the same time of the day in New York, whatever daylight saving did since."""
    return instant.astimezone(NEW_YORK) - timedelta(days=7)


USUAL = Schedule()
"""The method's own offsets, which the project's config/schedule.json repeats."""


_Weekday = Annotated[Day, AfterValidator(_trading_weekday)]


class _Closure(Frozen):
    date: _Weekday
    reason: Reason


class _EarlyClose(_Closure):
    close: TimeOfDay

    @model_validator(mode="after")
    def _within_a_session(self) -> _EarlyClose:
        if not OPENING < self.close < CLOSING:
            raise ValueError(
                f"close has the value '{self.close:%H:%M}'; allowed is a time between 09:30 and 16:00"
            )
        return self


class _OverridesFile(Frozen):
    closures: tuple[_Closure, ...]
    early_closes: tuple[_EarlyClose, ...]


def load_schedule(folder: Path) -> Schedule:
    """config/schedule.json. Raises ConfigError in one sentence."""
    path = folder / "schedule.json"
    return validated(Schedule, read_json(path), path)


def load_overrides(folder: Path) -> Corrections:
    """config/calendar_overrides.json, to be adopted (engine.market.sessions.adopt).

    Raises ConfigError in one sentence, also for a day that stands twice.
    """
    path = folder / "calendar_overrides.json"
    file = validated(_OverridesFile, read_json(path), path)
    no_repeats(path, "date", [str(entry.date) for entry in (*file.closures, *file.early_closes)])
    return Corrections(
        closed=frozenset(closure.date for closure in file.closures),
        early={entry.date: entry.close for entry in file.early_closes},
    )
