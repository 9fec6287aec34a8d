"""Turns to connect: free for a person who restarts, slow for a loop, and never beyond Discord's budget."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.operation.starts import MOST, Starts, wait_before, wait_for_turn
from engine.record.store import Store

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
BUDGET = 1000
"""What Discord allows in a day."""


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    with Store.open(tmp_path / "variance.db") as store:
        yield Starts(store)


def lived_through(lives: list[float], days: float) -> list[datetime]:
    """When a bot connects that dies after `lives` seconds, over and over, and is started again at once."""
    now, turns = NOW, list[datetime]()
    while now < NOW + timedelta(days=days):
        for life in lives:
            while wait := wait_before(turns, now):
                now += wait
            turns.append(now)
            now += timedelta(seconds=life)
    return turns


def most_in_a_day(turns: list[datetime]) -> int:
    return max(index + 1 - bisect_left(turns, moment - DAY) for index, moment in enumerate(turns))


lifetimes = st.lists(
    st.one_of(st.floats(0.0, 5.0), st.floats(5.0, 200.0), st.just(0.0), st.floats(200.0, 20_000.0)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(lifetimes)
def test_no_pattern_of_restarts_uses_the_budget_of_a_day_up(lives: list[float]) -> None:
    assert most_in_a_day(lived_through(lives, days=2.5)) < BUDGET


def test_the_worst_loop_stays_below_the_budget_and_goes_on_the_next_day() -> None:
    turns = lived_through([0.0], days=3)
    assert most_in_a_day(turns) == MOST + 1  # the first and the last of them exactly a day apart
    later = [moment for moment in turns if moment > NOW + timedelta(days=2)]
    assert len(later) > 800


def test_five_starts_cost_nothing_and_then_the_wait_doubles() -> None:
    turns, now, waits = list[datetime](), NOW, list[float]()
    for _ in range(60):
        wait = wait_before(turns, now)
        waits.append(wait.total_seconds())
        now += wait
        turns.append(now)
    assert waits[:10] == [0, 0, 0, 0, 0, 15, 30, 60, 120, 240]
    assert max(waits) == 240


def test_a_start_now_and_then_never_waits() -> None:
    turns: list[datetime] = []
    for hour in range(200):
        now = NOW + timedelta(minutes=5 * hour)
        assert not wait_before(turns, now)
        turns.append(now)


@given(
    gaps=st.lists(st.floats(0.0, 400.0), max_size=60),
    pauses=st.lists(st.floats(0.0, 60.0), min_size=1, max_size=30),
)
def test_to_be_stopped_while_waiting_makes_the_wait_no_longer(gaps: list[float], pauses: list[float]) -> None:
    turns, now = list[datetime](), NOW
    for gap in gaps:
        turns.append(now)
        now += timedelta(seconds=gap)
    free = now + wait_before(turns, now)
    for pause in pauses:
        now += timedelta(seconds=pause)
        assert now + wait_before(turns, now) <= max(free, now)


def test_a_turn_is_kept_in_the_file_and_only_when_it_was_taken(starts: Starts, tmp_path: Path) -> None:
    assert [starts.turn(NOW) for _ in range(5)] == [timedelta(0)] * 5
    assert [starts.turn(NOW) for _ in range(3)] == [timedelta(seconds=15)] * 3
    with Store.open(tmp_path / "variance.db") as other:
        again = Starts(other)
        assert again.turn(NOW + timedelta(seconds=5)) == timedelta(seconds=10)
        assert again.turn(NOW + timedelta(seconds=15)) == timedelta(0)


def test_a_clock_that_jumped_back_does_not_lock_the_bot_out(starts: Starts) -> None:
    ahead = NOW + timedelta(days=400)
    for _ in range(9):
        while wait := starts.turn(ahead):
            ahead += wait
    assert starts.turn(ahead)
    assert [starts.turn(NOW) for _ in range(5)] == [timedelta(0)] * 5
    assert starts.turn(NOW) == timedelta(seconds=15)


def test_old_turns_are_forgotten(starts: Starts) -> None:
    for days in range(6):
        starts.turn(NOW + timedelta(days=days))
    with starts._store.reading() as db:
        assert db.table("starts").count == 3


def test_a_zone_of_its_own_changes_nothing(starts: Starts) -> None:
    for hours in range(5):
        moment = NOW + timedelta(seconds=hours)
        assert not starts.turn(moment.astimezone(tz=None))
    assert starts.turn(NOW + timedelta(seconds=5)) == timedelta(seconds=14)


async def test_who_waits_for_a_turn_gets_one_and_looks_every_minute(starts: Starts) -> None:
    now, naps = NOW, list[float]()

    async def here(work: Callable[[], timedelta]) -> timedelta:
        return work()

    async def sleep(seconds: float) -> None:
        nonlocal now
        naps.append(seconds)
        now += timedelta(seconds=seconds)

    for _ in range(9):
        await wait_for_turn(starts, lambda: now, here, sleep)
    assert naps == [15.0, 30.0, 60.0, 60.0, 60.0]
