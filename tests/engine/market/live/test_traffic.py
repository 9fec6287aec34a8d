"""Pace, breaker and counters of a source, on a clock where waiting costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from engine.market.live.cache import AnswerCache
from engine.market.live.failures import MAY_PASS, OF_THE_SYMBOL, Failure, SourceError
from engine.market.live.rules import CacheRules, SourceLimits
from engine.market.live.traffic import Traffic, persistent
from tests.loopback.access import VirtualTime

NOW = datetime(2026, 7, 29, 15, 0, tzinfo=UTC)


class Memory:
    """Pauses kept in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[datetime, str]] = {}

    def paused_until(self, source: str) -> tuple[datetime, str] | None:
        return self.kept.get(source)

    def pause(self, source: str, until: datetime | None, reason: str) -> None:
        if until is None:
            self.kept.pop(source, None)
        else:
            self.kept[source] = (until, reason)


@pytest.fixture(autouse=True)
def _one_try() -> object:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime(NOW)


def traffic_of(time: VirtualTime, pauses: Memory | AnswerCache | None = None, **limits: float) -> Traffic:
    rules = SourceLimits.model_validate({"per_second": 1.0, **limits})
    return Traffic("yahoo", rules, time.clock, pauses if pauses is not None else Memory())


def raising(failure: Failure, again: datetime | None = None) -> Callable[[], Awaitable[str]]:
    async def work() -> str:
        raise SourceError("yahoo", failure, again=again)

    return work


async def good() -> str:
    return "good"


async def failure_of(traffic: Traffic, work: Callable[[], Awaitable[str]]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await persistent(traffic, work)
    return caught.value


@given(
    rate=st.floats(0.1, 20.0),
    burst=st.integers(1, 10),
    jitter=st.floats(0.0, 1.0),
    chance=st.floats(0.0, 1.0),
    idle=st.lists(st.floats(0.0, 30.0), min_size=2, max_size=40),
)
def test_never_more_than_the_burst_and_what_the_rate_allows_since(
    rate: float, burst: int, jitter: float, chance: float, idle: list[float]
) -> None:
    time = VirtualTime(NOW, chance=chance)
    traffic = traffic_of(time, per_second=rate, burst=burst, jitter=jitter)
    sent: list[float] = []
    for pause in idle:
        time.pause(pause)
        traffic.turn_in_thread()
        sent.append(time.ticks())
    for first, since in enumerate(sent):
        for count, moment in enumerate(sent[first:], start=1):
            assert count <= burst + rate * (moment - since) + 1e-6
    assert traffic.counts["requests"] == len(sent)


@given(chance=st.floats(0.0, 1.0), jitter=st.floats(0.0, 1.0))
def test_jitter_lengthens_the_gap_by_at_most_its_share(chance: float, jitter: float) -> None:
    time = VirtualTime(NOW, chance=chance)
    traffic = traffic_of(time, per_second=2.0, jitter=jitter)
    assert traffic.admit() == 0.0
    gap = traffic.admit()
    assert 0.5 - 1e-12 <= gap <= 0.5 * (1.0 + jitter) + 1e-12


def test_a_burst_goes_at_once_after_a_rest_and_then_the_pace_counts(time: VirtualTime) -> None:
    traffic = traffic_of(time, per_second=4.0, burst=4, jitter=0.0)
    time.pause(60.0)
    assert [traffic.admit() for _ in range(6)] == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.25, 0.5])


async def test_no_more_than_at_once_run_beside_each_other(time: VirtualTime) -> None:
    traffic = traffic_of(time, at_once=3)
    running = most = 0

    async def work() -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return "done"

    assert await asyncio.gather(*(persistent(traffic, work) for _ in range(12))) == ["done"] * 12
    assert most == 3


async def test_a_rate_limit_pauses_the_source_for_five_minutes_at_least(time: VirtualTime) -> None:
    traffic = traffic_of(time)
    error = await failure_of(traffic, raising(Failure.RATE_LIMITED))
    assert error.again == NOW + timedelta(minutes=5)
    time.pause(299.0)
    refused = await failure_of(traffic, good)
    assert refused.failure is Failure.PAUSED
    assert refused.again == NOW + timedelta(minutes=5)
    assert "next try 15:05 UTC" in str(refused)
    time.pause(1.0)
    assert await persistent(traffic, good) == "good"
    assert traffic.pause is None


async def test_a_paused_source_gets_no_turn_either(time: VirtualTime) -> None:
    traffic = traffic_of(time)
    await failure_of(traffic, raising(Failure.RATE_LIMITED))
    with pytest.raises(SourceError, match="paused after failures"):
        traffic.turn_in_thread()
    assert traffic.counts["requests"] == 0


async def test_a_longer_retry_after_wins_and_a_shorter_one_does_not(time: VirtualTime) -> None:
    longer = await failure_of(
        traffic_of(time), raising(Failure.RATE_LIMITED, again=NOW + timedelta(minutes=10))
    )
    shorter = await failure_of(
        traffic_of(time), raising(Failure.RATE_LIMITED, again=NOW + timedelta(seconds=10))
    )
    assert longer.again == NOW + timedelta(minutes=10)
    assert shorter.again == NOW + timedelta(minutes=5)


async def test_a_pause_outlives_the_process_and_success_ends_it(time: VirtualTime, tmp_path: Path) -> None:
    before = AnswerCache(tmp_path, CacheRules())
    await failure_of(traffic_of(time, before), raising(Failure.RATE_LIMITED))
    before.close()
    cache = AnswerCache(tmp_path, CacheRules())
    restarted = traffic_of(time, cache)
    assert restarted.pause == (NOW + timedelta(minutes=5), "rate limited (429)")
    assert (await failure_of(restarted, good)).failure is Failure.PAUSED
    time.pause(301.0)
    assert await persistent(restarted, good) == "good"
    assert cache.paused_until("yahoo") is None
    cache.close()


async def probe_under_way(
    traffic: Traffic, time: VirtualTime, end: Callable[[], Awaitable[str]]
) -> tuple[asyncio.Task[str], list[asyncio.Task[str]], asyncio.Event, list[str]]:
    """A pause that is over, its probe held at an event, and five more that came after it."""
    await failure_of(traffic, raising(Failure.RATE_LIMITED))
    time.pause(301.0)
    gate, seen = asyncio.Event(), list[str]()

    async def probe() -> str:
        seen.append("probe")
        await gate.wait()
        return await end()

    async def other() -> str:
        seen.append("other")
        return "other"

    first = asyncio.create_task(persistent(traffic, probe))
    await asyncio.sleep(0)
    others = [asyncio.create_task(persistent(traffic, other)) for _ in range(5)]
    for _ in range(10):
        await asyncio.sleep(0)
    return first, others, gate, seen


async def test_one_probe_goes_out_while_the_others_wait(time: VirtualTime) -> None:
    first, others, gate, seen = await probe_under_way(traffic_of(time, at_once=8), time, good)
    assert seen == ["probe"]
    gate.set()
    assert await first == "good"
    assert await asyncio.gather(*others) == ["other"] * 5


async def test_a_failed_probe_opens_the_breaker_again_for_all(time: VirtualTime) -> None:
    traffic = traffic_of(time, at_once=8)
    first, others, gate, seen = await probe_under_way(traffic, time, raising(Failure.RATE_LIMITED))
    gate.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [each.failure for each in results if isinstance(each, SourceError)] == [
        Failure.RATE_LIMITED,
        *[Failure.PAUSED] * 5,
    ]
    assert seen == ["probe"]
    assert traffic.pause == (NOW + timedelta(seconds=301 + 300), "rate limited (429)")


async def test_a_probe_that_is_cancelled_hands_its_part_on(time: VirtualTime) -> None:
    first, others, _, seen = await probe_under_way(traffic_of(time, at_once=8), time, good)
    first.cancel()
    assert await asyncio.wait_for(asyncio.gather(*others), 5.0) == ["other"] * 5
    assert seen == ["probe", *["other"] * 5]


async def test_failures_of_the_line_in_a_row_pause_the_source_for_a_minute(time: VirtualTime) -> None:
    traffic = traffic_of(time, fails_in_a_row=3)
    for _ in range(2):
        await failure_of(traffic, raising(Failure.SERVER_ERROR))
    await persistent(traffic, good)
    for _ in range(2):
        await failure_of(traffic, raising(Failure.TIMED_OUT))
    assert traffic.pause is None
    await failure_of(traffic, raising(Failure.BROKEN_CONNECTION))
    assert traffic.pause == (NOW + timedelta(seconds=60), "connection broken")


@pytest.mark.parametrize("failure", sorted(OF_THE_SYMBOL))
async def test_what_is_wrong_with_a_name_never_pauses_the_source(failure: Failure, time: VirtualTime) -> None:
    traffic = traffic_of(time, fails_in_a_row=2)
    for _ in range(10):
        assert (await failure_of(traffic, raising(failure))).failure is failure
    assert traffic.pause is None
    assert traffic.counts[failure.value] == 10


async def test_a_refused_login_is_not_repeated_for_every_name(time: VirtualTime) -> None:
    traffic = traffic_of(time)
    await failure_of(traffic, raising(Failure.UNAUTHORIZED))
    assert (await failure_of(traffic, good)).failure is Failure.PAUSED


@pytest.mark.parametrize("failure", sorted(Failure))
async def test_only_what_may_pass_is_tried_again(failure: Failure, time: VirtualTime) -> None:
    traffic = traffic_of(time, fails_in_a_row=100)
    tries = 0

    async def work() -> str:
        nonlocal tries
        tries += 1
        raise SourceError("yahoo", failure)

    with stamina.set_testing(True, attempts=3):
        await failure_of(traffic, work)
    assert tries == (3 if failure in MAY_PASS else 1)
    assert traffic.counts[failure.value] == (0 if failure is Failure.PAUSED else tries)


def test_latency_and_skew_are_those_of_the_last_answers(time: VirtualTime) -> None:
    traffic = traffic_of(time)
    for place in range(120):
        traffic.answered(float(place), "Wed, 29 Jul 2026 14:59:30 GMT")
    assert traffic.seconds == [float(place) for place in range(20, 120)]
    assert traffic.skew == 30.0
    traffic.answered(0.1, "yesterday")
    assert traffic.skew is None
