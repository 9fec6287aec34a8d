"""The ledger: every step is kept or never happened, and no step is taken twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.clock.clock import Clock as MarketClock
from bot.clock.entries import Target, nonce_of
from bot.clock.lease import Lease, LeaseLostError
from bot.clock.ledger import Ledger
from engine.market.schedule import PlannedRun, Schedule
from engine.record.store import Store
from tests.bot.clock.conftest import Markets, Street

NOW = datetime(2026, 11, 27, 18, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUNS = Schedule().of_sessions(NOW.date() - timedelta(days=4), NOW.date())
LAST = RUNS[-1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "record.db") as store:
        yield store


@pytest.fixture
def ledger(store: Store) -> Ledger:
    lease = Lease(store)
    lease.acquire(NOW)
    return Ledger(store, lease)


def at_posting(ledger: Ledger, run: PlannedRun, *channels: int) -> None:
    ledger.plan([run])
    ledger.compute(run.key, NOW)
    ledger._set(run.key, "computing", state="computed")
    ledger.posting(run.key, [Target(channel, 1) for channel in channels])


def test_planning_twice_enters_once(ledger: Ledger) -> None:
    ledger.plan(RUNS)
    ledger.compute(LAST.key, NOW)
    ledger.plan(RUNS)
    entries = ledger.between(NOW - timedelta(days=9), NOW)
    assert [entry.key for entry in entries] == [run.key for run in RUNS]
    assert entries[-1].state == "computing"
    assert ledger.last_planned() == LAST.at


def test_a_computed_run_is_not_computed_again(ledger: Ledger) -> None:
    ledger.plan([LAST])
    first = ledger.compute(LAST.key, NOW)
    assert first is not None
    assert first.attempts == 1
    again = ledger.compute(LAST.key, NOW + MINUTE)
    assert again is not None
    assert (again.attempts, again.started_at, again.run_floor) == (2, NOW, first.run_floor)
    ledger._set(LAST.key, "computing", state="computed")
    assert ledger.compute(LAST.key, NOW) is None


def test_channels_are_named_once(ledger: Ledger) -> None:
    at_posting(ledger, LAST, 10, 11)
    ledger.posting(LAST.key, [Target(12, 1)])
    assert [post.channel_id for post in ledger.posts(LAST.key)] == [10, 11]


def test_a_sent_post_cannot_be_claimed(ledger: Ledger) -> None:
    at_posting(ledger, LAST, 10)
    (post,) = ledger.posts(LAST.key)
    claimed = ledger.sending(post, NOW, NOW + MINUTE)
    assert claimed is not None
    assert (claimed.state, claimed.attempts, claimed.next_try) == ("sending", 1, NOW + MINUTE)
    ledger.sent(claimed, 99, NOW)
    assert ledger.sending(post, NOW, NOW + MINUTE) is None


def test_what_was_too_late_becomes_a_notice_and_keeps_its_nonce(ledger: Ledger) -> None:
    at_posting(ledger, LAST, 10, 11)
    first, second = ledger.posts(LAST.key)
    claimed = ledger.sending(first, NOW, NOW)
    assert claimed is not None
    ledger.sent(claimed, 99, NOW)
    ledger.too_late(LAST.key, "why")
    kept, turned = ledger.posts(LAST.key)
    assert (kept.what, kept.state) == ("screen", "sent")
    assert (turned.what, turned.state, turned.reason, turned.nonce) == (
        "notice",
        "pending",
        "why",
        second.nonce,
    )


def test_of_several_notices_the_newest_tells_of_all(ledger: Ledger) -> None:
    ledger.plan(RUNS)
    for run in RUNS:
        ledger.give_up(run.key, "skipped", "away", NOW, [Target(10, 1)])
    ledger.gather_notices()
    (left,) = ledger.posts(None, "pending")
    assert {run.key for run in ledger.told_with(left)} == {run.key for run in RUNS}
    assert [run.planned_at for run in ledger.told_with(left)] == sorted(run.at for run in RUNS)


def test_a_notice_that_told_of_others_hands_them_on(ledger: Ledger) -> None:
    ledger.plan(RUNS)
    for run in RUNS:
        ledger.give_up(run.key, "skipped", "away", NOW, [Target(10, 1)])
        ledger.gather_notices()  # the process dies before any of them is sent
    (left,) = ledger.posts(None, "pending")
    assert left.key == RUNS[-1].key
    assert {run.key for run in ledger.told_with(left)} == {run.key for run in RUNS}


def test_a_post_is_looked_for_above_what_was_there_when_it_was_first_claimed(ledger: Ledger) -> None:
    for run, message in zip(RUNS[:2], (50, 60), strict=True):
        at_posting(ledger, run, 10)
        (post,) = ledger.posts(run.key)
        claimed = ledger.sending(post, NOW, NOW)
        assert claimed is not None
        assert claimed.floor == (None if message == 50 else 50)
        ledger.sent(claimed, message, NOW)
    at_posting(ledger, LAST, 10)
    (waiting,) = ledger.posts(LAST.key)
    first = ledger.sending(waiting, NOW, NOW)
    # Another post of the channel arrives while this one is in the open.
    ledger.sent(ledger.posts(RUNS[0].key)[0], 70, NOW)
    again = ledger.sending(waiting, NOW, NOW)
    assert first is not None
    assert again is not None
    assert (first.floor, again.floor) == (60, 60)


def test_a_run_on_its_way_to_the_channels_is_not_given_up(ledger: Ledger) -> None:
    at_posting(ledger, LAST, 10)
    ledger.give_up(LAST.key, "skipped", "away", NOW, [Target(11, 1)])
    run = ledger.run(LAST.key)
    assert run is not None
    assert run.state == "posting"
    assert len(ledger.posts(LAST.key)) == 1


def test_without_the_lease_nothing_is_written(ledger: Ledger, store: Store) -> None:
    store.write(lambda db: db.execute("UPDATE leases SET owner = 'elsewhere 1 x'"))
    with pytest.raises(LeaseLostError):
        ledger.plan([LAST])
    assert ledger.run(LAST.key) is None


def test_old_entries_are_forgotten_and_open_ones_kept(ledger: Ledger) -> None:
    ledger.plan(RUNS)
    for run in RUNS[:-1]:
        ledger.give_up(run.key, "skipped", "away", NOW, [])
    ledger.prune(NOW + timedelta(days=400))
    assert [run.key for run in ledger.between(NOW - timedelta(days=9), NOW)] == [LAST.key]


def test_a_nonce_is_fixed_short_and_of_one_run_and_channel() -> None:
    assert nonce_of("2026-11-27/close", 7) == nonce_of("2026-11-27/close", 7)
    nonces = {nonce_of(run.key, channel) for run in RUNS for channel in range(50)}
    assert len(nonces) == 50 * len(RUNS)
    assert all(len(nonce) <= 25 for nonce in nonces)


async def test_two_years_are_entered_run_by_run_however_irregular_the_looks(
    street: Street, markets: Markets
) -> None:
    """Looks at random instants, naps of days, a clock that jumps about: no run twice, none left out."""
    chance = random.Random(4)
    clock: MarketClock = street.clock
    clock.halt()
    conductor, schedule = clock.conductor, Schedule()
    first = street.now()
    now = first
    while now < datetime(2028, 1, 1, tzinfo=UTC):
        if chance.random() < 0.05:
            ahead = now + timedelta(days=chance.uniform(0, 60))
            conductor._now = lambda ahead=ahead: ahead  # type: ignore[misc]
            await conductor.plan()
        now += timedelta(hours=chance.choice((0.1, 1, 5, 20, 90)) * chance.random() + 0.01)
        conductor._now = lambda now=now: now  # type: ignore[misc]
        await conductor.plan()
    entered = [run.key for run in street.ledger.between(first, now)]
    assert entered == [run.key for run in schedule.between(first, now)]
    assert len([key for key in entered if not key.endswith("/weekly")]) == 502 * 2
