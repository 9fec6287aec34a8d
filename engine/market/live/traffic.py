"""Manners towards a source: one pace, few at a time, a pause after refusals, and a count of everything."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeVar

import stamina

from engine.market.live.failures import MAY_PASS, OF_THE_SYMBOL, Failure, SourceError
from engine.market.live.rules import SourceLimits

T = TypeVar("T")

_GLANCE = 0.25
"""Seconds a waiting thread sleeps before it looks whether it should still wait."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance as the composition root hands them in."""

    now: Callable[[], datetime]
    """The wall clock, with a time zone."""
    ticks: Callable[[], float]
    """Seconds that only go forward."""
    sleep: Callable[[float], Awaitable[None]]
    pause: Callable[[float], None]
    """The same as `sleep`, for worker threads."""
    chance: Callable[[], float]
    """A number from 0 to 1, for jitter."""


class Pauses(Protocol):
    """Where pauses outlive the process, so that a restart does not ask a source that said no."""

    def paused_until(self, source: str) -> tuple[datetime, str] | None:
        """End and reason of a stored pause."""
        ...

    def pause(self, source: str, until: datetime | None, reason: str) -> None:
        """Store a pause; None takes it away."""
        ...


@dataclass
class Traffic:
    """Pace, breaker and counters of one source. Safe to use from several threads.

    Token bucket: one request every 1/`per_second` seconds, lengthened by up to `jitter` of itself;
    `burst` may follow each other at once. The breaker opens on a rate limit for at least
    `pause_minutes` (longer when the source says so; this outlives the process) and on `fails_in_a_row`
    failures of the line for `down_seconds`; once over, a single probe goes out while the others wait, and
    only its success lets them through.
    """

    source: str
    limits: SourceLimits
    clock: Clock
    pauses: Pauses
    counts: Counter[str] = field(default_factory=Counter)
    """`requests`, `cached`, `answered`, and one entry a Failure."""
    seconds: list[float] = field(default_factory=list)
    """Latency of the last answers."""
    trouble: SourceError | None = None
    """What the source last answered instead of data; None once it has answered again."""
    skew: float | None = None
    """Our clock minus the source's, in seconds, from the Date header of the last answer."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        # The bucket is full at the start: a single name does not wait.
        self._next = self.clock.ticks() - (self.limits.burst - 1) / self.limits.per_second
        self._fails = 0
        self._until: datetime | None = None
        self._why = ""
        self._probe: asyncio.Event | None = None
        self.slots = asyncio.Semaphore(self.limits.at_once)
        self._remember()

    def _remember(self) -> None:
        stored = self.pauses.paused_until(self.source)
        if stored is not None and (self._until is None or stored[0] > self._until):
            self._until, self._why = stored

    @property
    def pause(self) -> tuple[datetime, str] | None:
        """End and reason of the pause the source is in, None when it is in none."""
        if self._until is None or self.clock.now() >= self._until:
            return None
        return self._until, self._why

    async def enter(self) -> bool:
        """Pass the breaker: at once when closed, as the one probe after a pause, or after its probe.

        True for the probe. Raises SourceError while the source is paused.
        """
        self._remember()
        while self._until is not None:
            self._refuse_while_paused()
            if self._probe is None:
                self._probe = asyncio.Event()
                return True
            await self._probe.wait()
        return False

    def admit(self) -> float:
        """Take a turn: seconds to wait before sending. Raises SourceError while the source is paused."""
        with self._lock:
            self._refuse_while_paused()
            now = self.clock.ticks()
            gap = 1.0 / self.limits.per_second
            start = max(self._next, now - gap * (self.limits.burst - 1))
            self._next = start + gap * (1.0 + self.limits.jitter * self.clock.chance())
            self.counts["requests"] += 1
            return max(0.0, start - now)

    async def turn(self) -> None:
        """Wait for this request's turn."""
        await self.clock.sleep(self.admit())

    def turn_in_thread(self) -> None:
        """The same from a worker thread, which `end` wakes."""
        left = self.admit()
        while left > 0.0:
            self._refuse_when_ended()
            self.clock.pause(min(left, _GLANCE))
            left -= _GLANCE
        self._refuse_when_ended()

    def end(self) -> None:
        """Let nobody through any more: the process is about to stop."""
        self._ended = True

    def _refuse_when_ended(self) -> None:
        if self._ended:
            raise SourceError(self.source, Failure.PAUSED, detail="stopping")

    def _refuse_while_paused(self) -> None:
        self._refuse_when_ended()
        if (paused := self.pause) is not None:
            until, why = paused
            detail = f"{why}; next try {until.astimezone(UTC):%H:%M} UTC"
            raise SourceError(self.source, Failure.PAUSED, detail=detail, again=until)

    def answered(self, seconds: float, date_header: str | None = None) -> None:
        """Note an answer of the line, whatever it says."""
        with self._lock:
            self.seconds = [*self.seconds[-99:], seconds]
            if date_header:
                try:
                    self.skew = (self.clock.now() - parsedate_to_datetime(date_header)).total_seconds()
                except (ValueError, TypeError):
                    self.skew = None

    def succeeded(self) -> None:
        """Note useful data: the pause, if any, is over. Called on the event loop."""
        self._fails = 0
        self.trouble = None
        if self._probe is not None:
            self._until = None
            self.pauses.pause(self.source, None, "")
            self._probe_over()

    def failed(self, error: SourceError) -> None:
        """Count a failure, and open the breaker when it is one of the source and not of the name."""
        if error.failure is Failure.PAUSED:
            return
        self.counts[error.failure.value] += 1
        if error.failure in OF_THE_SYMBOL:
            self.succeeded()
            return
        self._fails += 1
        self.trouble = error
        pause = self._pause_after(error)
        if pause is None:
            return
        self._until = error.again = max(self.clock.now() + pause, error.again or self.clock.now())
        self._why = error.failure.value
        self._fails = 0
        if error.failure is Failure.RATE_LIMITED:
            self.pauses.pause(self.source, self._until, self._why)
        self._probe_over()

    def abandoned(self) -> None:
        """The probe ended without an answer, cancelled for example: the next in line probes instead."""
        self._probe_over()

    def _probe_over(self) -> None:
        if self._probe is not None:
            self._probe.set()
            self._probe = None

    def _pause_after(self, error: SourceError) -> timedelta | None:
        if error.failure in (Failure.RATE_LIMITED, Failure.UNAUTHORIZED):
            # A refused login repeated for every name is how an address gets blocked.
            return timedelta(minutes=self.limits.pause_minutes)
        if self._probe is not None or self._fails >= self.limits.fails_in_a_row:
            return timedelta(seconds=self.limits.down_seconds)
        return None


async def persistent(traffic: Traffic, work: Callable[[], Awaitable[T]]) -> T:
    """Do `work` under the source's slots, again with growing waits while its failure may pass.

    Every try that fails is counted; a pause ends the tries. Raises the last SourceError, and rather the one
    that was met than that others have led to a pause meanwhile.
    """
    met: SourceError | None = None
    async with traffic.slots:
        async for attempt in stamina.retry_context(
            on=lambda error: (
                isinstance(error, SourceError) and error.failure in MAY_PASS and traffic.pause is None
            ),
            attempts=traffic.limits.attempts,
            timeout=None,
            wait_initial=0.5,
            wait_max=8.0,
            wait_jitter=1.0,
        ):
            with attempt:
                try:
                    return await _tried(traffic, work)
                except SourceError as error:
                    if error.failure is not Failure.PAUSED:
                        met = error
                    raise (met or error) from None
    raise AssertionError("a retry either returns or raises")


async def _tried(traffic: Traffic, work: Callable[[], Awaitable[T]]) -> T:
    probing = False
    try:
        probing = await traffic.enter()
        result = await work()
    except SourceError as error:
        traffic.failed(error)
        raise
    except BaseException:
        if probing:
            traffic.abandoned()
        raise
    traffic.counts["answered"] += 1
    traffic.succeeded()
    return result


_SHORT = {failure.value: failure.name.lower() for failure in Failure}


def tallies(traffic: Mapping[str, Traffic]) -> dict[str, dict[str, int]]:
    """What was counted of every source so far: `requests`, `cached`, `answered`, and one entry a Failure
    by its short name (`rate_limited`). A copy; safe to take from any thread.
    """
    return {
        source: {_SHORT.get(result, result): count for result, count in dict(each.counts).items()}
        for source, each in dict(traffic).items()
    }
