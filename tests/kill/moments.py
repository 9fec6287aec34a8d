"""When to kill, how far the clock goes until the next start, and what else goes wrong: all from one seed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tests.discord_server.faults import CUT_AFTER, CUT_BEFORE, Fault, Faults, broken, late, limited
from tests.discord_server.state import MEMORY
from tests.kill.standing import Standing

Sign = Literal["start", "planned", "computing", "posting", "delivering"]
LEAST_DELAY, MOST_DELAY = 0.02, 0.15
START = 3.2
"""Seconds from the start of a process to its first post, more or less."""
SEND_FAULTS: dict[Fault, float] = {
    limited(0.2): 0.05,
    CUT_AFTER: 0.05,
    CUT_BEFORE: 0.02,
    late(0.4): 0.03,
    broken(500): 0.02,
    broken(503): 0.03,
}
HISTORY_FAULTS: dict[Fault, float] = {limited(0.1): 0.03, CUT_BEFORE: 0.02, broken(502): 0.01}


@dataclass(frozen=True, slots=True)
class Moment:
    """`after` seconds from when `sign` shows; delivering shows at the `count`th request."""

    sign: Sign
    after: float
    count: int = 1


class Timer:
    """Watches a process for its moment, and how long its run takes to come to the posts."""

    def __init__(self, moment: Moment | None, first: Standing, deliveries: int) -> None:
        self._moment = moment
        self._first = first
        self._deliveries = deliveries
        self._shown: float | None = None
        self._begun: float | None = None
        self.computing: float | None = None
        """Seconds; None while it was not seen from begin to end."""

    def rings(self, standing: Standing, deliveries: int) -> bool:
        """Whether the moment has come; `deliveries` counts the requests about posts so far."""
        now = time.monotonic()
        if self._begun is None and standing.attempts > self._first.attempts:
            self._begun = now
        if self._begun is not None and self.computing is None and standing.posts:
            self.computing = now - self._begun
        if self._moment is None:
            return False
        if self._shown is None and self._shows(self._moment, standing, deliveries):
            self._shown = now
        return self._shown is not None and now >= self._shown + self._moment.after

    def _shows(self, moment: Moment, standing: Standing, deliveries: int) -> bool:
        match moment.sign:
            case "start":
                return True
            case "planned":
                return standing.state is not None
            case "computing":
                return standing.attempts > self._first.attempts
            case "posting":
                return bool(standing.posts)
            case "delivering":
                return deliveries - self._deliveries >= moment.count


class Chance:
    """Every random choice of one world."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.computing = 0.3
        """Seconds from the first sign of a run to its posts, learned as it goes."""

    def spoil(self, faults: Faults) -> None:
        """Requests take their time, and some of those about messages go wrong."""
        faults.delay = lambda route: (
            self._random.uniform(LEAST_DELAY, MOST_DELAY) if route in ("send", "history") else 0.0
        )
        faults.chance("send", self._random, SEND_FAULTS)
        faults.chance("history", self._random, HISTORY_FAULTS)

    def learn(self, seconds: float | None) -> None:
        """How long the way to the posts took this time, if it was seen."""
        if seconds is not None:
            self.computing += (seconds - self.computing) / 4

    def lead(self) -> timedelta:
        """How long before the run a round begins; negative when the bot was down at that moment."""
        if self._random.random() < 0.3:
            return -timedelta(seconds=self._random.uniform(1, 1200))
        return timedelta(seconds=self._random.uniform(0.3, 1.3) * START)

    def two(self) -> bool:
        """Whether a second process stands by."""
        return self._random.random() < 0.2

    def moment(self, standing: Standing, channels: int) -> Moment | None:
        """When the next process is to die; None lets it live until the run is over."""
        draw = self._random
        if draw.random() < 0.04:
            return None
        if standing.state in (None, "planned", "computing", "computed"):
            sign = draw.choices(("planned", "computing", "posting", "delivering"), (2, 3, 2, 5))[0]
        elif draw.random() < 0.15:
            return Moment("start", draw.uniform(0.5, 1.2) * START)
        else:
            sign = "delivering"
        return self._of(sign, max(1, sum(standing.open(each) for each in standing.posts) or channels))

    def _of(self, sign: str, waiting: int) -> Moment:
        draw = self._random
        match sign:
            case "planned":
                return Moment("planned", draw.uniform(0, 0.02))
            case "computing":
                return Moment("computing", draw.uniform(0, self.computing))
            case "posting":
                return Moment("posting", draw.uniform(0, 0.1))
            case _:
                return Moment("delivering", draw.uniform(0, 1.3 * MOST_DELAY), draw.randint(1, waiting))

    def gap(self, may_skip: bool) -> timedelta | Literal["beyond", "next"]:
        """How far the clock goes on: seconds, beyond what Discord remembers, or beyond the run's window.

        Beyond is to an hour at which nothing else is due, or until a later run is.
        """
        draw = self._random.random()
        if may_skip and draw < 0.15:
            return "beyond" if draw < 0.08 else "next"
        if draw < 0.5:
            return MEMORY + timedelta(minutes=self._random.uniform(0.1, 8))
        return timedelta(seconds=self._random.uniform(1, 40))

    def missed(self) -> int:
        """How many runs later the bot comes back."""
        return self._random.choice((1, 1, 1, 2, 4))

    def beyond(self) -> timedelta:
        """How long after the window the bot comes back."""
        return timedelta(seconds=self._random.uniform(5, 1800))
