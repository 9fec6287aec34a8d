"""The trigger asked as APScheduler asks it, on clocks that run together, apart, and that jump."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock.trigger import MARGIN, SessionTrigger
from engine.market.schedule import USUAL

TICK = timedelta(microseconds=200)
"""What passes between the scheduler's look at its clock and ours."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class Clocks:
    """The wall, and the bot's clock at some distance from it."""

    wall: datetime
    ahead: timedelta = timedelta(0)
    trigger: SessionTrigger = field(init=False)

    def __post_init__(self) -> None:
        self.trigger = SessionTrigger(USUAL, self.now)

    def now(self) -> datetime:
        self.wall += TICK
        return self.wall + self.ahead

    def ask(self, previous: datetime | None = None) -> datetime:
        return self.trigger.get_next_fire_time(previous, self.wall)

    def wake(self, previous: datetime | None = None) -> tuple[datetime, str]:
        """Let time pass up to the next instant; it and the run due then on the bot's clock."""
        self.wall = self.ask(previous)
        return self.wall, USUAL.latest(self.wall + self.ahead).key


def test_on_the_walls_own_clock_it_fires_as_planned() -> None:
    clocks = Clocks(utc("2026-11-25T15:00"))
    wanted = ["2026-11-25/close", "2026-11-27/open", "2026-11-27/close", "2026-11-28/weekly"]
    previous, keys = None, []
    for _ in wanted:
        previous, key = clocks.wake(previous)
        keys.append(key)
    assert keys == wanted
    assert previous is not None
    assert timedelta(0) < previous - utc("2026-11-28T15:00") <= MARGIN


def test_two_years_bring_every_run_once() -> None:
    clocks = Clocks(utc("2026-01-01T00:00"))
    planned = [run.key for run in USUAL.of_sessions(date(2026, 1, 1), date(2027, 12, 31))]
    previous, keys = None, []
    for _ in planned:
        previous, key = clocks.wake(previous)
        keys.append(key)
    assert keys == planned


@pytest.mark.parametrize(
    "ahead", [timedelta(days=-400), timedelta(days=1900, hours=7), timedelta(seconds=-3)]
)
def test_a_clock_apart_from_the_wall_is_waited_for_in_wall_time(ahead: timedelta) -> None:
    clocks = Clocks(utc("2026-11-22T10:00") - ahead, ahead)
    instant = clocks.ask()
    # On the bot's clock this is Monday's open run.
    assert timedelta(0) < instant + ahead - utc("2026-11-23T14:50") <= MARGIN


def test_asked_twice_for_one_firing_it_means_one_run() -> None:
    clocks = Clocks(utc("2026-11-25T15:00"))
    fired, key = clocks.wake()
    assert key == "2026-11-25/close"
    first, second = clocks.ask(fired), clocks.ask(fired)
    assert abs(second - first) <= 2 * TICK
    # The scheduler keeps the last answer, and the trigger knows which run it stood for.
    clocks.wall = second
    assert clocks.ask(second) > utc("2026-11-27T18:16")


@pytest.mark.parametrize("back", [timedelta(seconds=2), timedelta(hours=5)])
def test_a_clock_set_back_a_little_does_not_bring_the_same_run_again(back: timedelta) -> None:
    clocks = Clocks(utc("2026-11-25T15:00"))
    fired, _ = clocks.wake()
    clocks.ahead -= back
    following, key = clocks.wake(fired)
    assert key == "2026-11-27/open"
    assert clocks.wake(following)[1] == "2026-11-27/close"


def test_a_clock_set_back_by_days_does_not_wait_for_them_to_pass_twice() -> None:
    clocks = Clocks(utc("2030-06-03T12:00"))
    fired, _ = clocks.wake()
    clocks.ahead = utc("2026-11-25T15:00") - clocks.wall
    _, key = clocks.wake(fired)
    assert key == "2026-11-25/close"


def test_a_clock_set_forward_passes_over_what_is_gone() -> None:
    clocks = Clocks(utc("2026-11-23T15:00"))
    fired, key = clocks.wake()
    assert key == "2026-11-23/close"
    clocks.ahead += timedelta(days=3)
    assert clocks.wake(fired)[1] == "2026-11-27/open"


@settings(max_examples=40, deadline=None)
@given(jumps=st.lists(st.timedeltas(timedelta(days=-30), timedelta(days=30)), max_size=12))
def test_whatever_the_clock_does_the_next_instant_lies_ahead_and_means_another_run(
    jumps: list[timedelta],
) -> None:
    clocks = Clocks(utc("2026-11-25T15:00"))
    previous, key = clocks.wake()
    for jump in jumps:
        clocks.ahead += jump
        before, on_bots_clock = clocks.wall, clocks.wall + clocks.ahead
        following, meant = clocks.wake(previous)
        assert following > before
        assert meant != key
        first = USUAL.next_after(on_bots_clock)
        assert meant in (first.key, USUAL.next_after(first.at).key)
        previous, key = following, meant


async def test_the_scheduler_takes_it() -> None:
    clocks = Clocks(datetime(2026, 11, 22, 10, tzinfo=UTC))
    # The scheduler's own clock is the real one; a day and a bit from it is Monday's open run.
    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.start(paused=True)
    try:
        job = scheduler.add_job(lambda: None, clocks.trigger)
        asked_again = clocks.trigger.get_next_fire_time(None, job.next_run_time)
        assert asked_again - job.next_run_time == pytest.approx(
            utc("2026-11-23T14:50") - utc("2026-11-22T10:00"), abs=timedelta(seconds=1)
        )
    finally:
        scheduler.shutdown(wait=False)
