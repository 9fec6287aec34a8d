"""The planned runs of two years and more, against instants worked out by hand."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.environment import LiveSettings
from engine.errors import ConfigError
from engine.market.live.compose import live_market
from engine.market.schedule import (
    USUAL,
    PlannedRun,
    Schedule,
    Weekly,
    closed_by,
    load_overrides,
    load_schedule,
    week_before,
)
from engine.market.sessions import NEW_YORK, Corrections, adopt
from engine.rules import load_rules, load_universe
from tests.conftest import ROOT

CONFIG = ROOT / "config"
NEVER_WEEKLY = Schedule(weekly=None)
FIVE_YEARS = st.timedeltas(timedelta(0), timedelta(days=5 * 365))
INSTANTS = FIVE_YEARS.map(lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since)
SCHEDULES = st.sampled_from([USUAL, NEVER_WEEKLY, Schedule(after_close_minutes=600, pre_market=time(5, 0))])


@pytest.fixture(autouse=True)
def _calendar_as_found() -> Iterator[None]:
    former = adopt(Corrections())
    yield
    adopt(former)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(runs: list[PlannedRun]) -> list[str]:
    """Key and instant of each run, as a person would write them down."""
    return [f"{run.key} {run.at:%m-%d %H:%M}" for run in runs]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(
            "2026-11-25",
            "2026-11-30",
            [
                "2026-11-25/open 11-25 14:50",
                "2026-11-25/close 11-25 21:16",
                "2026-11-27/open 11-27 14:50",
                "2026-11-27/close 11-27 18:16",
                "2026-11-28/weekly 11-28 15:00",
                "2026-11-30/open 11-30 14:50",
                "2026-11-30/close 11-30 21:16",
            ],
            id="Thanksgiving and its half day",
        ),
        pytest.param(
            "2026-03-06",
            "2026-03-09",
            [
                "2026-03-06/open 03-06 14:50",
                "2026-03-06/close 03-06 21:16",
                "2026-03-07/weekly 03-07 15:00",
                "2026-03-09/open 03-09 13:50",
                "2026-03-09/close 03-09 20:16",
            ],
            id="daylight saving begins",
        ),
        pytest.param(
            "2026-10-30",
            "2026-11-02",
            [
                "2026-10-30/open 10-30 13:50",
                "2026-10-30/close 10-30 20:16",
                "2026-10-31/weekly 10-31 14:00",
                "2026-11-02/open 11-02 14:50",
                "2026-11-02/close 11-02 21:16",
            ],
            id="daylight saving ends",
        ),
        pytest.param(
            "2026-04-02",
            "2026-04-06",
            [
                "2026-04-02/open 04-02 13:50",
                "2026-04-02/close 04-02 20:16",
                "2026-04-04/weekly 04-04 14:00",
                "2026-04-06/open 04-06 13:50",
                "2026-04-06/close 04-06 20:16",
            ],
            id="Good Friday",
        ),
        pytest.param(
            "2026-12-24",
            "2026-12-25",
            ["2026-12-24/open 12-24 14:50", "2026-12-24/close 12-24 18:16"],
            id="Christmas Eve",
        ),
        pytest.param(
            "2028-02-29",
            "2028-02-29",
            ["2028-02-29/open 02-29 14:50", "2028-02-29/close 02-29 21:16"],
            id="leap day",
        ),
        pytest.param(
            "2029-12-31",
            "2030-01-02",
            [
                "2029-12-31/open 12-31 14:50",
                "2029-12-31/close 12-31 21:16",
                "2030-01-02/open 01-02 14:50",
                "2030-01-02/close 01-02 21:16",
            ],
            id="end of the year and of the decade",
        ),
    ],
)
def test_runs_around_special_days(first: str, last: str, expected: list[str]) -> None:
    assert told(USUAL.of_sessions(date.fromisoformat(first), date.fromisoformat(last))) == expected


@pytest.mark.parametrize(
    ("key", "until"),
    [
        ("2026-11-25/open", "2026-11-25T15:50"),
        # To 04:00 New York of the next session: over Thanksgiving, over a weekend, into daylight saving.
        ("2026-11-25/close", "2026-11-27T09:00"),
        ("2026-11-27/close", "2026-11-30T09:00"),
        ("2026-03-06/close", "2026-03-09T08:00"),
        ("2026-12-31/close", "2027-01-04T09:00"),
    ],
)
def test_how_late_a_run_may_come(key: str, until: str) -> None:
    day = date.fromisoformat(key[:10])
    assert {run.key: run.until for run in USUAL.of_sessions(day, day)}[key] == utc(until)


def test_two_years_walked_from_run_to_run() -> None:
    now, walked = utc("2026-01-01T00:00"), []
    while (run := USUAL.next_after(now)).at < utc("2028-01-01T00:00"):
        assert run.at > now
        walked.append(run)
        now = run.at
    markets = [run for run in walked if run.kind != "weekly"]
    assert Counter((run.session.year, run.kind) for run in markets) == {
        (year, kind): 251 for year in (2026, 2027) for kind in ("open", "close")
    }
    # 2026 and 2027 have 52 Saturdays each.
    assert len({run.key for run in walked}) == 1004 + 104
    local = Counter(run.at.astimezone(NEW_YORK).strftime(f"{run.kind} %H:%M") for run in walked)
    assert local == {"open 09:50": 502, "close 16:16": 499, "close 13:16": 3, "weekly 10:00": 104}
    # Each is over before the next begins but for nothing: an open run before its close, a close by dawn.
    assert all(one.until < other.at for one, other in pairwise(markets))
    assert walked == USUAL.of_sessions(date(2026, 1, 1), date(2027, 12, 31))


def test_a_process_that_runs_for_years_still_finds_its_next_run() -> None:
    USUAL.next_after(utc("2026-11-21T10:00"))
    assert USUAL.next_after(utc("2031-11-26T22:00")).key == "2031-11-28/open"
    assert USUAL.next_after(utc("2059-12-31T22:00")).key == "2060-01-02/open"
    assert USUAL.latest(utc("2060-01-02T14:49")).key == "2059-12-31/close"


@settings(max_examples=60, deadline=None)
@given(
    schedule=SCHEDULES,
    start=INSTANTS,
    first=st.timedeltas(timedelta(0), timedelta(days=40)),
    second=st.timedeltas(timedelta(0), timedelta(days=40)),
)
def test_stretches_of_time_share_no_run_and_lose_none(
    schedule: Schedule, start: datetime, first: timedelta, second: timedelta
) -> None:
    middle, end = start + first, start + first + second
    whole = schedule.between(start, end)
    assert schedule.between(start, middle) + schedule.between(middle, end) == whole
    assert whole == sorted(whole, key=lambda run: run.at)
    assert len({run.key for run in whole}) == len(whole)
    assert all(start < run.at <= end and run.at < run.until for run in whole)


@settings(max_examples=60, deadline=None)
@given(schedule=SCHEDULES, now=INSTANTS)
def test_now_lies_between_the_latest_run_and_the_next(schedule: Schedule, now: datetime) -> None:
    latest, following = schedule.latest(now), schedule.next_after(now)
    assert latest.at <= now < following.at
    assert schedule.between(latest.at, following.at) == [following]
    assert schedule.next_after(latest.at) == following
    assert schedule.latest(following.at) == following
    assert schedule.next_after(latest.at - timedelta(microseconds=1)) == latest
    # The zone an instant is written in does not matter.
    assert schedule.latest(now.astimezone(NEW_YORK)) == latest


def test_a_run_is_due_from_its_very_instant() -> None:
    due = utc("2026-11-27T18:16")
    assert USUAL.latest(due).key == "2026-11-27/close"
    assert USUAL.latest(due - timedelta(microseconds=1)).key == "2026-11-27/open"
    assert USUAL.next_after(due).key == "2026-11-28/weekly"


def test_a_day_the_exchange_closes_at_short_notice_has_no_run() -> None:
    adopt(Corrections(closed=frozenset({date(2028, 1, 5)})))
    runs = USUAL.of_sessions(date(2028, 1, 4), date(2028, 1, 6))
    assert [run.key for run in runs if run.kind == "close"] == ["2028-01-04/close", "2028-01-06/close"]
    assert runs[1].until == utc("2028-01-06T09:00")
    assert USUAL.next_after(utc("2028-01-05T12:00")).key == "2028-01-06/open"


def test_a_session_that_ends_before_its_open_run_has_a_close_run_only() -> None:
    adopt(Corrections(early={date(2028, 1, 5): time(9, 45), date(2028, 1, 6): time(10, 15)}))
    runs = USUAL.of_sessions(date(2028, 1, 5), date(2028, 1, 6))
    assert told(runs) == [
        "2028-01-05/close 01-05 15:01",
        "2028-01-06/open 01-06 14:50",
        "2028-01-06/close 01-06 15:31",
    ]
    # An open run is never caught up after the bell.
    assert runs[1].until == utc("2028-01-06T15:15")


def test_a_weekly_run_is_planned_on_saturdays_and_may_be_moved_or_left_out() -> None:
    week = date(2026, 11, 23), date(2026, 11, 29)
    assert {run.kind for run in Schedule(weekly=None).of_sessions(*week)} == {"open", "close"}
    weekly = USUAL.of_sessions(*week)[-1]
    assert weekly == PlannedRun(
        "2026-11-28/weekly", "weekly", date(2026, 11, 27), utc("2026-11-28T15:00"), utc("2026-11-30T09:00")
    )
    # On a session's own day the week ends with that session only once it has closed.
    noon = Schedule(weekly=Weekly(weekday="wednesday", time=time(12, 0)))
    assert [run.session for run in noon.of_sessions(*week) if run.kind == "weekly"] == [date(2026, 11, 24)]
    # The market at hand on a Sunday is Friday's close, whatever else was planned since.
    assert USUAL.latest(utc("2026-11-29T12:00")) == weekly
    assert USUAL.latest_market(utc("2026-11-29T12:00")).key == "2026-11-27/close"


def test_a_weekly_run_in_the_hour_that_comes_twice_is_due_once() -> None:
    nightly = Schedule(weekly=Weekly(weekday="sunday", time=time(1, 30)))
    runs = nightly.between(utc("2026-11-01T00:00"), utc("2026-11-02T00:00"))
    assert told(runs) == ["2026-11-01/weekly 11-01 05:30"]
    spring = Schedule(weekly=Weekly(weekday="sunday", time=time(2, 30)))
    assert len(spring.between(utc("2026-03-08T00:00"), utc("2026-03-09T00:00"))) == 1


def test_a_week_reaches_back_to_the_same_hour_whatever_daylight_saving_did() -> None:
    # 8 March 2026 and 1 November 2026 move the clocks of New York.
    assert week_before(utc("2026-03-14T14:00")) == utc("2026-03-07T15:00")
    assert week_before(utc("2026-11-07T15:00")) == utc("2026-10-31T14:00")
    # The post after Good Friday tells of the week from Friday the 27th to Thursday the 2nd.
    saturday = utc("2026-04-04T14:00")
    assert (closed_by(week_before(saturday)), closed_by(saturday)) == (date(2026, 3, 27), date(2026, 4, 2))


def test_the_shipped_files_hold_the_usual_offsets_and_no_correction() -> None:
    assert load_schedule(CONFIG) == USUAL
    assert set(json.loads((CONFIG / "schedule.json").read_text("utf-8"))) == set(Schedule.model_fields)
    overrides = load_overrides(CONFIG)
    assert (overrides.closed, overrides.early) == (frozenset(), {})


def test_a_live_market_goes_by_the_operators_schedule(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for file in (*CONFIG.glob("*.json"), CONFIG / "universe.csv"):
        (config / file.name).write_bytes(file.read_bytes())
    (config / "schedule.json").write_text('{"after_open_minutes": 5, "after_close_minutes": 90}', "utf-8")
    outside = {"stand_in": "http://127.0.0.1:9", "cache": tmp_path / "cache"}
    seen = {}
    for now in ("2026-11-27T14:36Z", "2026-11-27T18:16Z", "2026-11-27T19:31Z", "2026-11-29T12:00Z"):
        at = LiveSettings.model_validate({**outside, "stand_in_now": now})
        market, _ = live_market(at, "yahoo", load_rules(config), load_universe(config), config)
        seen[now] = market.latest_run()
        market.close()
    half_day = date(2026, 11, 27)
    assert list(seen.values()) == [
        (half_day, "open"),
        (half_day, "open"),
        (half_day, "close"),
        (half_day, "close"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"after_open_minutes": 181}, "after_open_minutes has the value 181; allowed is less than or equal"),
        ({"after_open_minutes": -1}, "after_open_minutes has the value -1"),
        ({"after_open_minutes": 2.5}, "after_open_minutes has the value 2.5"),
        ({"after_close_minutes": 601}, "after_close_minutes has the value 601"),
        (
            {"after_close_minutes": 600, "pre_market": "02:00"},
            "after_close_minutes has the value 600; allowed is less than the time from 16:00 to pre_market",
        ),
        ({"open_catch_up_minutes": 0}, "open_catch_up_minutes has the value 0"),
        ({"pre_market": "09:30"}, "pre_market has the value '09:30'; allowed is a time before 09:30"),
        ({"pre_market": "4 am"}, "pre_market has the value '4 am'; allowed is a time such as 13:00"),
        ({"pre_market": 4}, "pre_market has the value 4; allowed is a time such as 13:00"),
        ({"weekly": {"weekday": "Caturday", "time": "10:00"}}, "weekly.weekday has the value 'Caturday'"),
        ({"weekly": {"weekday": "monday"}}, "key weekly.time is missing"),
        ({"montly": None}, "unknown key montly"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "schedule.json").write_text(json.dumps(change), "utf-8")
    with pytest.raises(ConfigError) as refusal:
        load_schedule(tmp_path)
    sentence = str(refusal.value)
    assert sentence.startswith("schedule.json: ")
    assert said in sentence
    assert "\n" not in sentence


DAY = {"date": "2028-01-05", "reason": "day of mourning"}


@pytest.mark.parametrize(
    ("closures", "early", "said"),
    [
        (
            [DAY | {"date": "5.1.2028"}],
            [],
            "closures.0.date has the value '5.1.2028'; allowed is a day",
        ),
        ([DAY | {"date": "2028-02-30"}], [], "closures.0.date has the value '2028-02-30'"),
        ([DAY | {"date": 20280105}], [], "closures.0.date has the value 20280105"),
        ([DAY | {"date": "2028-01-08"}], [], "that is a Saturday; allowed is Monday to Friday"),
        ([DAY | {"reason": " "}], [], "closures.0.reason has the value ' '"),
        ([DAY, DAY], [], "date 2028-01-05 stands twice"),
        ([DAY], [DAY | {"close": "13:00"}], "date 2028-01-05 stands twice"),
        ([], [DAY], "key early_closes.0.close is missing"),
        ([], [DAY | {"close": "25:00"}], "early_closes.0.close has the value '25:00'; allowed is a time"),
        ([], [DAY | {"close": "16:00"}], "close has the value '16:00'; allowed is a time between 09:30"),
        ([], [DAY | {"close": "09:30"}], "close has the value '09:30'; allowed is a time between 09:30"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(
    tmp_path: Path, closures: list[Any], early: list[Any], said: str
) -> None:
    text = json.dumps({"closures": closures, "early_closes": early})
    (tmp_path / "calendar_overrides.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as refusal:
        load_overrides(tmp_path)
    assert str(refusal.value).startswith("calendar_overrides.json: ")
    assert said in str(refusal.value)


@pytest.mark.parametrize("name", ["schedule.json", "calendar_overrides.json"])
def test_a_missing_or_broken_file_is_told(tmp_path: Path, name: str) -> None:
    load = load_schedule if name == "schedule.json" else load_overrides
    with pytest.raises(ConfigError, match=f"{name} cannot be read: No such file"):
        load(tmp_path)
    (tmp_path / name).write_text('{"closures": [', "utf-8")
    with pytest.raises(ConfigError, match=f"{name}, line 1: not valid JSON"):
        load(tmp_path)
