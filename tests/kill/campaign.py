"""Round after round in one world: a run is planned, its process is killed, the next goes on, and so forth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from engine.market.schedule import PlannedRun
from tests.discord_server.state import Message
from tests.kill.moments import Chance, Moment, Timer
from tests.kill.place import Life, Place, tail
from tests.kill.standing import Standing, holder, read
from tests.kill.tally import Kill, Round, Tally

End = Literal["over", "moment", "ended", "stuck"]
GLANCE = 0.005
"""Seconds between two looks at the ledger."""
PATIENCE = 60.0
"""Seconds after which a process that gets nowhere is called stuck."""
IDLE = timedelta(seconds=2)
"""Who waits for longer until its next try is killed: the clock goes on without it."""
MOST_ENDED = 4
"""Processes that may end by themselves in one round; whoever supervises them starts them anew."""
STILL = 1.5
"""Seconds without a request; discord.py waits one after a 500."""
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

    kills: list[Kill] = field(default_factory=list)
    ended: int = 0
    """Processes that ended by themselves."""
    skipped: bool = False
    """Whether the clock was set beyond the run's window."""


class Campaign:
    """One world."""

    def __init__(self, place: Place, chance: Chance, budget: Budget, tally: Tally) -> None:
        self.place = place
        self.world = place.server.world
        self._chance = chance
        self._budget = budget
        self._tally = tally
        self._lives: list[Life] = []
        self._requests = (0, 0)
        self._still_since = 0.0

    async def run(self, runs: Iterable[PlannedRun]) -> None:
        """Rounds until all kills are spent."""
        self._chance.spoil(self.place.server.faults)
        for each in runs:
            if self._budget.left <= 0:
                break
            self._tally.rounds.append(await self._round(each))

    async def _round(self, run: PlannedRun) -> Round:
        before = self.place.messages()
        self.world.clock.set(run.at - self._chance.lead())
        await self._start(2 if self._chance.two() else 1)
        course = Course()
        end = await self._pursue(run, course)
        trouble = None if end == "over" else self._last_words(end)
        for life in self._lives:
            await life.kill()
        self._lives.clear()
        # What a dead process had sent may still be on its way into the channels.
        await self.world.until(lambda: self.world.quiet)
        return Round(run.key, tuple(course.kills), self._got(before), course.ended, trouble)

    async def _pursue(self, run: PlannedRun, course: Course) -> End:
        """Kill and start until the run is over; otherwise what went wrong."""
        while True:
            standing = read(self.place.database, run.key)
            timer = Timer(self._moment(standing, course), standing, self.world.begun["send"])
            end = await self._watch(run, timer)
            self._chance.learn(timer.computing)
            if end in ("over", "stuck") or course.ended > MOST_ENDED:
                return end
            if end != "ended":
                standing = await self._kill(run, course)
            self._bury(course)
            if not self._lives:
                if end != "ended":
                    self._set_clock_on(run, standing, course)
                await self._start(1)

    def _moment(self, standing: Standing, course: Course) -> Moment | None:
        if self._budget.left <= 0 or len(course.kills) >= LARGEST_ROUND:
            return None
        return self._chance.moment(standing, len(self.place.channels))

    async def _watch(self, run: PlannedRun, timer: Timer) -> End:
        """Until the run is over, the moment has come, or nothing more is to be expected."""
        patience = time.monotonic() + PATIENCE
        while time.monotonic() < patience:
            standing = read(self.place.database, run.key)
            rings = timer.rings(standing, self.world.begun["send"])
            if standing.over:
                return "over"
            if any(life.ended for life in self._lives):
                return "ended"
            if rings or self._is_idle(standing):
                return "moment"
            await asyncio.sleep(GLANCE)
        return "stuck"

    def _is_idle(self, standing: Standing) -> bool:
        """Whether the process waits for its next try; while a post is on its way it has one set, too."""
        requests = self.world.begun.total(), len(self.world.seen)
        if requests != self._requests:
            self._requests, self._still_since = requests, time.monotonic()
        waits = standing.waits_until
        if not standing.under_way or waits is None or waits <= self.world.clock.now() + IDLE:
            return False
        return self.world.quiet and time.monotonic() > self._still_since + STILL

    async def _kill(self, run: PlannedRun, course: Course) -> Standing:
        """End the process that acts; what the ledger says afterwards."""
        acting = holder(self.place.database)
        victim = next((life for life in self._lives if life.pid == acting), self._lives[0])
        counts = self._budget.take()
        await (victim.kill() if counts else victim.stop())
        self._lives.remove(victim)
        standing = read(self.place.database, run.key)
        if counts and standing.under_way:
            waiting = frozenset(each.id for each in self.place.channels if standing.open(each.id))
            course.kills.append(Kill(standing.name, waiting, takeover=bool(self._lives)))
        elif counts:
            self._budget.give_back()
        return standing

    def _bury(self, course: Course) -> None:
        """Forget processes that ended by themselves."""
        alive = [life for life in self._lives if not life.ended]
        course.ended += len(self._lives) - len(alive)
        self._lives = alive

    def _set_clock_on(self, run: PlannedRun, standing: Standing, course: Course) -> None:
        """A little, beyond what Discord remembers, or beyond the run's window; as long as a retry waits."""
        clock = self.world.clock
        gap = self._chance.gap(may_skip=not course.skipped and standing.state is not None)
        if gap is None:
            course.skipped = True
            clock.set(max(clock.now(), run.until) + self._chance.beyond())
        else:
            clock.advance(gap)
        if standing.waits_until is not None:
            clock.set(max(clock.now(), standing.waits_until))

    async def _start(self, count: int) -> None:
        for _ in range(count):
            self._lives.append(await self.place.start(self.world.clock.now()))

    def _last_words(self, end: End) -> str:
        return "\n".join([end, *(line for life in self._lives for line in tail(life.log))])

    def _got(self, before: dict[str, int]) -> dict[str, list[str]]:
        return {
            channel.id: [title_of(each) for each in self.world.of(channel)[before[channel.id] :]]
            for channel in self.place.channels
        }


def title_of(message: Message) -> str:
    """The heading of a message of the bot."""
    return " / ".join(str(embed.get("title")) for embed in message.embeds)
