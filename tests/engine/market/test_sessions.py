"""The New York calendar against facts written down by hand, and what an operator corrects in it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from engine.market.live.cache import good_until
from engine.market.live.rules import CacheRules
from engine.market.sessions import (
    NEW_YORK,
    Corrections,
    adopt,
    close_of,
    closes_early,
    is_session,
    open_of,
    session_from,
    session_of,
    sessions_before,
    sessions_between,
    sessions_of,
)

HOLIDAYS = {
    # As the exchange publishes them: New Year, King, Presidents, Good Friday, Memorial Day, Juneteenth,
    # Independence Day, Labor Day, Thanksgiving, Christmas.
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
    # 1 January 2028 is a Saturday, for which nothing is closed instead.
    2028: "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
}
HALF_DAYS = ["2026-11-27", "2026-12-24", "2027-11-26", "2028-07-03", "2028-11-24"]
MOURNING = date(2028, 1, 5)


@pytest.fixture(autouse=True)
def _calendar_as_found() -> Iterator[None]:
    former = adopt(Corrections())
    yield
    adopt(former)


def days(first: date, last: date) -> list[date]:
    found: list[date] = sessions_between(first, last).astype(object).tolist()
    return found


def weekdays(first: date, last: date) -> list[date]:
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in span if day.weekday() < 5]


@pytest.mark.parametrize(("year", "count"), [(2026, 251), (2027, 251), (2028, 251)])
def test_a_year_is_its_weekdays_without_the_published_holidays(year: int, count: int) -> None:
    closed = {date.fromisoformat(f"{year}-{day}") for day in HOLIDAYS[year].split()}
    expected = [day for day in weekdays(date(year, 1, 1), date(year, 12, 31)) if day not in closed]
    assert days(date(year, 1, 1), date(year, 12, 31)) == expected
    assert len(expected) == count


def test_half_days_are_the_published_ones() -> None:
    early = [str(day) for day in days(date(2026, 1, 1), date(2028, 12, 31)) if closes_early(day)]
    assert early == HALF_DAYS
    assert {close_of(date.fromisoformat(day)).time() for day in early} == {time(13, 0)}


def test_a_second_library_knows_the_same_sessions_and_hours() -> None:
    other = pytest.importorskip("pandas_market_calendars")
    table = other.get_calendar("NYSE").schedule("2026-01-01", "2028-12-31")
    sessions = days(date(2026, 1, 1), date(2028, 12, 31))
    assert [stamp.date() for stamp in table.index] == sessions
    assert [stamp.to_pydatetime() for stamp in table["market_open"]] == [open_of(day) for day in sessions]
    assert [stamp.to_pydatetime() for stamp in table["market_close"]] == [close_of(day) for day in sessions]


@pytest.mark.parametrize(
    ("session", "opens", "closes"),
    [
        # Daylight saving begins on Sunday 8 March 2026 and ends on Sunday 1 November.
        ("2026-03-06", "14:30", "21:00"),
        ("2026-03-09", "13:30", "20:00"),
        ("2026-10-30", "13:30", "20:00"),
        ("2026-11-02", "14:30", "21:00"),
        ("2026-11-27", "14:30", "18:00"),
        ("2026-12-24", "14:30", "18:00"),
        ("2028-02-29", "14:30", "21:00"),
    ],
)
def test_hours_in_utc(session: str, opens: str, closes: str) -> None:
    day = date.fromisoformat(session)
    assert f"{open_of(day).astimezone(UTC):%F %H:%M}" == f"{session} {opens}"
    assert f"{close_of(day).astimezone(UTC):%F %H:%M}" == f"{session} {closes}"


@pytest.mark.parametrize("day", ["2026-04-03", "2026-11-26", "2026-11-28", "2027-12-24"])
def test_a_day_without_trading_has_no_hours(day: str) -> None:
    closed = date.fromisoformat(day)
    assert not is_session(closed)
    for hours in (open_of, close_of, closes_early):
        with pytest.raises(ValueError, match=f"{day} is no trading day"):
            hours(closed)


def test_the_calendar_reaches_as_far_as_it_is_asked_across_decades() -> None:
    assert days(date(2029, 12, 28), date(2030, 1, 3)) == [
        date(2029, 12, 28),
        date(2029, 12, 31),
        date(2030, 1, 2),
        date(2030, 1, 3),
    ]
    assert session_from(date(2030, 1, 1)) == date(2030, 1, 2)
    assert session_of(datetime(2030, 1, 2, 9, 29, tzinfo=NEW_YORK)) == date(2029, 12, 31)
    assert sessions_before(date(2030, 1, 2), 2).astype(object).tolist() == [
        date(2029, 12, 31),
        date(2030, 1, 2),
    ]
    # Thanksgiving of 2031 is 27 November: the rule reaches beyond every list published today.
    assert session_from(date(2031, 11, 27)) == date(2031, 11, 28)
    assert closes_early(date(2031, 11, 28))
    assert len(days(date(2026, 1, 1), date(2045, 12, 31))) == pytest.approx(20 * 251, abs=20)


def test_a_reversed_span_holds_nothing() -> None:
    assert days(date(2030, 1, 5), date(2029, 12, 30)) == []


def test_one_calendar_for_everything_once_a_day_is_closed() -> None:
    monday_before, after = date(2028, 1, 4), date(2028, 1, 6)
    noon = datetime.combine(MOURNING, time(12), NEW_YORK)
    assert session_of(noon) == MOURNING
    adopt(Corrections(closed=frozenset({MOURNING, date(2028, 1, 8)})))
    assert days(monday_before, after) == [monday_before, after]
    assert session_of(noon) == monday_before
    assert session_from(MOURNING) == after
    assert sessions_before(after, 2).astype(object).tolist() == [monday_before, after]
    with pytest.raises(ValueError, match="2028-01-05 is no trading day"):
        close_of(MOURNING)
    # Quotes of Tuesday evening stay good over the closed Wednesday.
    evening = datetime.combine(monday_before, time(18), NEW_YORK)
    assert good_until("chain", evening, CacheRules()) == open_of(after)


def test_an_early_close_moves_the_close_and_nothing_else() -> None:
    adopt(Corrections(early={date(2028, 1, 6): time(13, 0)}))
    assert close_of(date(2028, 1, 6)) == datetime(2028, 1, 6, 13, 0, tzinfo=NEW_YORK)
    assert open_of(date(2028, 1, 6)) == datetime(2028, 1, 6, 9, 30, tzinfo=NEW_YORK)
    assert close_of(date(2028, 1, 7)).time() == time(16, 0)
    assert closes_early(date(2028, 1, 6))


def test_corrections_are_given_back_and_leave_no_trace() -> None:
    closing = Corrections(closed=frozenset({MOURNING}))
    before = adopt(closing)
    assert not is_session(MOURNING)
    assert adopt(before) is closing
    assert is_session(MOURNING)


def test_a_long_closure_still_finds_the_sessions_around_it() -> None:
    shut = {date(2028, 1, 5) + timedelta(days=number) for number in range(120)}
    adopt(Corrections(closed=frozenset(shut)))
    assert session_from(date(2028, 1, 5)) == date(2028, 5, 4)
    assert session_of(datetime(2028, 5, 2, 12, tzinfo=NEW_YORK)) == date(2028, 1, 4)


def test_sessions_of_many_instants_are_those_of_each() -> None:
    stamps = pd.date_range("2026-11-25 00:00", "2026-12-01 00:00", freq="97min", tz=NEW_YORK)
    together = sessions_of(pd.DatetimeIndex(stamps))
    assert [session_of(stamp.to_pydatetime()) for stamp in stamps] == together.astype(object).tolist()
    assert date(2026, 11, 26) not in set(together.astype(object))
    assert np.all(np.diff(together).astype(np.int64) >= 0)
