"""Quiet hours and digests by the clock on the wall, both nights it is changed among them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.people.alerts.quiet import allowed_from, digest_from, within
from bot.people.alerts.rules import PersonSettings

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quiet(begins: str, ends: str, zone: str = NEW_YORK) -> PersonSettings:
    return PersonSettings(zone=zone, quiet=(time.fromisoformat(begins), time.fromisoformat(ends)))


@pytest.mark.parametrize(
    ("now", "begins", "ends", "zone", "allowed"),
    [
        # The closing run of a summer day, at 22:16 in Berlin.
        ("2026-07-15T20:16", "22:00", "07:00", BERLIN, "2026-07-16T05:00"),
        ("2026-07-15T20:16", "23:00", "07:00", BERLIN, "2026-07-15T20:16"),
        ("2026-07-15T19:59", "22:00", "07:00", BERLIN, "2026-07-15T19:59"),
        ("2026-07-16T05:00", "22:00", "07:00", BERLIN, "2026-07-16T05:00"),
        ("2026-07-15T20:16", "12:00", "18:00", NEW_YORK, "2026-07-15T22:00"),
        # New York, clocks forward on 8 March 2026: 02:00 becomes 03:00.
        ("2026-03-08T04:00", "22:00", "07:00", NEW_YORK, "2026-03-08T11:00"),
        ("2026-03-08T06:30", "01:00", "02:30", NEW_YORK, "2026-03-08T07:30"),
        # Berlin, clocks forward on 29 March 2026.
        ("2026-03-28T22:00", "22:00", "07:00", BERLIN, "2026-03-29T05:00"),
        # New York, clocks back on 1 November 2026: 02:00 becomes 01:00.
        ("2026-11-01T03:00", "22:00", "07:00", NEW_YORK, "2026-11-01T12:00"),
        ("2026-11-01T03:00", "22:00", "01:30", NEW_YORK, "2026-11-01T06:30"),
        ("2026-11-01T06:15", "22:00", "01:30", NEW_YORK, "2026-11-01T06:30"),
        # Berlin, clocks back on 25 October 2026.
        ("2026-10-24T21:00", "22:00", "07:00", BERLIN, "2026-10-25T06:00"),
    ],
)
def test_a_message_waits_until_the_quiet_hours_end(
    now: str, begins: str, ends: str, zone: str, allowed: str
) -> None:
    assert allowed_from(utc(now), quiet(begins, ends, zone)) == utc(allowed)


def test_without_quiet_hours_nothing_waits() -> None:
    assert allowed_from(utc("2026-07-15T20:16"), PersonSettings()) == utc("2026-07-15T20:16")


@pytest.mark.parametrize(
    ("now", "at", "zone", "digest"),
    [
        ("2026-07-15T20:16", "08:30", BERLIN, "2026-07-16T06:30"),
        ("2026-07-15T06:29", "08:30", BERLIN, "2026-07-15T06:30"),
        ("2026-07-15T06:30", "08:30", BERLIN, "2026-07-16T06:30"),
        # 02:30 does not exist on 8 March in New York: an hour later on the wall, once.
        ("2026-03-08T05:00", "02:30", NEW_YORK, "2026-03-08T07:30"),
        ("2026-03-08T07:30", "02:30", NEW_YORK, "2026-03-09T06:30"),
        # 01:30 comes twice on 1 November: the first one, once.
        ("2026-11-01T04:00", "01:30", NEW_YORK, "2026-11-01T05:30"),
        ("2026-11-01T05:30", "01:30", NEW_YORK, "2026-11-02T06:30"),
        # A zone a day ahead of UTC.
        ("2026-01-01T11:00", "00:30", "Pacific/Kiritimati", "2026-01-02T10:30"),
    ],
)
def test_a_digest_comes_once_a_day(now: str, at: str, zone: str, digest: str) -> None:
    settings = PersonSettings(zone=zone, digest_at=time.fromisoformat(at))
    assert digest_from(utc(now), settings) == utc(digest)


def test_no_digest_is_no_time() -> None:
    with pytest.raises(ValueError, match="no digest"):
        digest_from(utc("2026-01-01T11:00"), PersonSettings())


@pytest.mark.parametrize(
    ("moment", "begins", "ends", "inside"),
    [
        *(("22:00", "22:00", "07:00", True), ("07:00", "22:00", "07:00", False)),
        *(("03:00", "22:00", "07:00", True), ("12:00", "22:00", "07:00", False)),
        *(("12:00", "12:00", "18:00", True), ("18:00", "12:00", "18:00", False)),
    ],
)
def test_a_span_holds_its_beginning_and_not_its_end(
    moment: str, begins: str, ends: str, inside: bool
) -> None:
    assert within(*map(time.fromisoformat, (moment, begins, ends))) is inside


clocks = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
instants = st.integers(1_735_689_600, 1_830_297_600).map(lambda second: datetime.fromtimestamp(second, UTC))
zones = st.sampled_from((NEW_YORK, BERLIN, "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"))


@given(now=instants, begins=clocks, ends=clocks, zone=zones)
def test_nobody_waits_longer_than_the_quiet_hours_and_an_hour(
    now: datetime, begins: time, ends: time, zone: str
) -> None:
    settings = PersonSettings(zone=zone, quiet=(begins, ends))
    allowed = allowed_from(now, settings)
    assert now <= allowed <= now + timedelta(hours=25)
    assert allowed_from(allowed, settings) == allowed


@given(now=instants, at=clocks, zone=zones)
def test_digests_follow_each_other_by_about_a_day(now: datetime, at: time, zone: str) -> None:
    settings = PersonSettings(zone=zone, digest_at=at)
    first = digest_from(now, settings)
    second = digest_from(first, settings)
    assert timedelta(0) < first - now <= timedelta(hours=25)
    assert timedelta(hours=22) <= second - first <= timedelta(hours=26)
