"""Round after round in one world: a run is planned, its process is killed, the next goes on, and so forth."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from bot.clock.entries import nonce_of
from engine.market.schedule import PlannedRun
from tests.discord_server.state import Message
from tests.kill.moments import Chance, Moment, Timer
from tests.kill.place import Life, Place, tail
from tests.kill.standing import Target, View, holder, read
from tests.kill.tally import Kill, Round, Tally

End = Literal["over", "moment", "ended", "stuck"]
GLANCE = 0.005
"""Seconds between two looks at the ledger."""
PATIENCE = 60.0
"""Seconds without a request after which a process is called stuck."""
LONGEST = 600.0
"""Seconds after which one is that goes on and on."""
IDLE = timedelta(seconds=2)
"""Who waits for longer until its next try is killed: the clock goes on without it."""
MOST_ENDED = 4
"""Processes that may end by themselves in one round; whoever supervises them starts them anew."""
MOST_LIVES = 40
"""Processes in one round; a run that has not come to its end by then never will."""
MOST_RUNS = 6
"""Of one round, before it is to come to its end."""
STILL = 1.5
"""Seconds without a request; discord.py waits one after a 500."""
LONG_STILL = 6.0
"""Seconds without a request that are no mere pause of a process at work, on a machine that is not busy."""
PAUSES = 3
"""A pause at work is shorter than so many starts of a process, however busy the machine."""
LARGEST_ROUND = 7
"""Kills, so that many runs are met and not a few many times."""


@dataclass
class Budget:
    """How many kills are left, for all worlds together."""

    left: int

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def give_back(self) -> None:
        self.left += 1


@dataclass
class Course:
    """What has happened in a round so far."""

    runs: list[PlannedRun]
    kills: list[Kill] = field(default_factory=list)
    dead: list[Life] = field(default_factory=list)
    """Processes that ended by themselves."""
    skipped: bool = False
    """Whether the clock was set beyond the run's window."""

    @property
    def keys(self) -> list[str]:
        return [run.key for run in self.runs]


class Campaign:
    """One world."""

    def __init__(self, place: Place, chance: Chance, budget: Budget, tally: Tally) -> None:
        self.place = place
        self.world = place.server.world
        self._chance = chance
        self._budget = budget
        self._tally = tally
        self._runs: deque[PlannedRun] = deque()
        self._lives: list[Life] = []
        self._requests = (0, 0)
        self._still_since = 0.0
        self._before_start: int | None = None
        """Requests until the process that is to act was started; None once it has made one itself."""
        self._started_at = 0.0
        self._start_took = 0.0

    async def run(self, runs: Iterable[PlannedRun], first: int = 1) -> None:
        """Rounds until all kills are spent or one came to no end: its posts might turn up in the next.

        The bot is first started when the `first`th run is due, with those before it to catch up on.
        """
        self._chance.spoil(self.place.server.faults)
        self._runs = deque(runs)
        trouble = None
        while self._budget.left > 0 and trouble is None:
            latest = await self._round(Course(self._next_runs(first)))
            first = 1
            self._tally.rounds.append(latest)
            trouble = latest.trouble

    async def _round(self, course: Course) -> Round:
        before = self.place.messages()
        self.world.clock.set(course.runs[-1].at - self._chance.lead())
        try:
            await self._start()
            end = await self._pursue(course)
            trouble = None if end == "over" else self._last_words(course, end)
        finally:
            for life in self._lives:
                await life.kill()
            self._lives.clear()
        # What a dead process had sent may still be on its way into the channels.
        await self.world.until(lambda: self.world.quiet)
        new = {each.id: self.world.of(each)[before[each.id] :] for each in self.place.channels}
        got, strange = sorted_by_run(course.keys, new)
        return Round(tuple(course.kills), got, strange, len(course.dead), trouble)

    async def _pursue(self, course: Course) -> End:
        """Kill and start until the round is over; otherwise what went wrong."""
        for _ in range(MOST_LIVES):
            view = self._view(course)
            timer = Timer(self._moment(view, course), view.current, self._deliveries)
            end = await self._watch(course, timer)
            self._chance.learn(timer.computing)
            if end in ("over", "stuck"):
                return end
            if end != "ended":
                view = await self._kill(course)
            self._bury(course)
            if len(course.dead) > MOST_ENDED:
                return "ended"
            if not self._lives:
                if end != "ended":
                    self._set_clock_on(view, course)
                await self._start()
        return "stuck"

    def _view(self, course: Course) -> View:
        return read(self.place.database, course.keys)

    def _moment(self, view: View, course: Course) -> Moment | None:
        if self._budget.left <= 0 or len(course.kills) >= LARGEST_ROUND:
            return None
        return self._chance.moment(view.current, len(self.place.channels))

    async def _watch(self, course: Course, timer: Timer) -> End:
        """Until the run is over, the moment has come, or nothing more is to be expected."""
        began = time.monotonic()
        while time.monotonic() < min(began + LONGEST, max(began, self._still_since) + PATIENCE):
            view = self._view(course)
            rings = timer.rings(view.current, self._deliveries)
            if view.over:
                return "over"
            if any(life.ended for life in self._lives):
                return "ended"
            if rings or self._is_idle(view):
                return "moment"
            await asyncio.sleep(GLANCE)
        return "stuck"

    @property
    def _deliveries(self) -> int:
        """Requests about posts so far: a post is sent, or after a crash looked for."""
        return self.world.begun["send"] + self.world.begun["history"]

    def _is_idle(self, view: View) -> bool:
        """Whether the process waits for its next try, or for its next look at the ledger.

        While a post is on its way it has a next try set, too.
        """
        requests, now = (self.world.begun.total(), len(self.world.seen)), time.monotonic()
        if self._before_start is not None and requests[0] > self._before_start:
            self._before_start, self._start_took = None, now - self._started_at
        if requests != self._requests:
            self._requests, self._still_since = requests, now
        if self._before_start is not None or not view.under_way or not self.world.quiet:
            return False
        waits = view.waits_until
        rests = waits is not None and waits > self.world.clock.now() + IDLE
        long = max(LONG_STILL, min(PAUSES * self._start_took, PATIENCE / 2))
        return now > self._still_since + (STILL if rests else long)

    async def _kill(self, course: Course) -> View:
        """End the process that acts; what the ledger says afterwards."""
        acting = holder(self.place.database)
        victim = next((life for life in self._lives if life.pid == acting), self._lives[0])
        counts = self._budget.take()
        await (victim.kill() if counts else victim.stop())
        self._lives.remove(victim)
        self._wait_for_first_request()
        view = self._view(course)
        if counts and view.under_way:
            waiting = view.waiting([each.id for each in self.place.channels])
            course.kills.append(Kill(view.name, waiting, takeover=bool(self._lives)))
        elif counts:
            self._budget.give_back()
        return view

    def _bury(self, course: Course) -> None:
        """Forget processes that ended by themselves."""
        dead = [life for life in self._lives if life.ended]
        course.dead += dead
        self._lives = [life for life in self._lives if life not in dead]

    def _set_clock_on(self, view: View, course: Course) -> None:
        """As the gap says, and at least as long as the next try waits."""
        clock, last = self.world.clock, course.runs[-1]
        may_skip = not course.skipped and len(course.runs) < MOST_RUNS and view.under_way
        gap = self._chance.gap(may_skip)
        if gap == "next":
            course.runs += self._next_runs(self._chance.missed())
            clock.set(max(clock.now(), course.runs[-1].at - self._chance.lead()))
        elif gap == "beyond":
            course.skipped = True
            clock.set(max(clock.now(), last.until) + self._chance.beyond())
        else:
            clock.advance(gap)
        if view.waits_until is not None:
            clock.set(max(clock.now(), view.waits_until))
        # The week's scorecard is due within the window of Friday's close. Its notice may tell of both.
        while self._runs and self._runs[0].at <= clock.now():
            course.runs.append(self._runs.popleft())

    def _next_runs(self, count: int) -> list[PlannedRun]:
        return [self._runs.popleft() for _ in range(min(count, len(self._runs)))]

    def _wait_for_first_request(self) -> None:
        """Of a process that starts, or of one that stood by and takes over."""
        self._before_start = self.world.begun.total()
        self._started_at = self._still_since = time.monotonic()

    async def _start(self) -> None:
        self._wait_for_first_request()
        for _ in range(2 if self._chance.two() else 1):
            self._lives.append(await self.place.start(self.world.clock.now()))

    def _last_words(self, course: Course, end: End) -> str:
        lives = [*course.dead[-1:], *self._lives]
        return "\n".join([end, *(line for life in lives for line in tail(life.log))])


def sorted_by_run(
    keys: Sequence[str], messages: dict[str, list[Message]]
) -> tuple[dict[Target, list[str]], tuple[str, ...]]:
    """What each channel got of each run, and what belongs to none.

    A message belongs to the run whose nonce it was sent with; a notice that names several runs to each.
    """
    got: dict[Target, list[str]] = {(key, channel): [] for key in keys for channel in messages}
    strange = []
    for channel, found in messages.items():
        for message in found:
            runs = [
                key for key in keys if message.nonce == nonce_of(key, int(channel)) or names(message, key)
            ]
            for key in runs:
                got[key, channel].append(head_of(message))
            if not runs:
                strange.append(head_of(message))
    return got, tuple(strange)


def names(message: Message, key: str) -> bool:
    """Whether a notice tells of a run."""
    return any(key in str(embed.get("footer", {}).get("text", "")) for embed in message.embeds)


def head_of(message: Message) -> str:
    """The heading of a message of the bot, and the first line below."""
    lines = (f"{embed.get('title')} | {embed.get('description', '')}" for embed in message.embeds)
    return " / ".join(line.split("\n")[0] for line in lines)
