"""What a person asks to be told about, and the words it is shown in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

from bot.people.alerts.metrics import EVERY_METRIC, NAME_METRICS, PAIR_METRICS, Metric
from engine.panel import Kind

Subject = Literal["name", "watchlist", "pair"]
Condition = Literal["above", "below", "enters", "leaves", "regime", "signal", "earnings", "breaks"]

CROSSINGS: tuple[Condition, ...] = ("above", "below")
LEVELLED: tuple[Condition, ...] = ("above", "below", "earnings")
OF_NAMES: tuple[Condition, ...] = ("above", "below", "enters", "leaves", "regime", "signal", "earnings")
OF_PAIRS: tuple[Condition, ...] = ("above", "below", "signal", "breaks")
CONDITIONS: dict[Condition, str] = {
    "above": "metric crosses above a level",
    "below": "metric crosses below a level",
    "enters": "enters the list",
    "leaves": "leaves the list",
    "regime": "regime changes",
    "signal": "signal changes",
    "earnings": "earnings within so many days",
    "breaks": "correlation breaks",
}
"""Each condition as it is offered."""

COLUMNS: dict[Condition, str] = {
    "enters": "passed",
    "leaves": "passed",
    "regime": "regime",
    "signal": "signal",
    "earnings": "earnings_days",
    "breaks": "correlation",
}
"""The column a condition without a metric reads."""

PAIR_PREFIX = "pair:"
"""A pair's key begins so: tickers hold no colon."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A rule before it is stored.

    `target` is a ticker, a pair's id, or empty for the watchlist. `level` is in the engine's unit, for
    earnings a number of days. `channel` (guild id, channel id) is None for direct messages.
    """

    subject: Subject
    target: str
    condition: Condition
    metric: str = ""
    level: float | None = None
    cooldown: int = 20 * 3600
    channel: tuple[int, int] | None = None

    @property
    def column(self) -> str:
        """The column the condition reads."""
        return self.metric or COLUMNS[self.condition]

    @property
    def watched(self) -> Metric | None:
        """The metric whose number the condition is about, None where it is about a word."""
        return metric_of(self.subject == "pair", self.column)

    @property
    def words(self) -> str:
        """The condition in words: `VRP tactical above 1.30`."""
        metric = self.watched
        match self.condition:
            case "above" | "below" if metric is not None and self.level is not None:
                return f"{metric.title} {self.condition} {metric.level_text(self.level)}"
            case "earnings" if self.level is not None:
                return f"earnings within {self.level:.0f} days"
            case _:
                return CONDITIONS[self.condition]

    @property
    def about(self) -> str:
        """The subject in words: a ticker, `watchlist` or `pair GOLD_SILVER`."""
        match self.subject:
            case "watchlist":
                return "watchlist"
            case "pair":
                return f"pair {self.target}"
            case "name":
                return self.target

    @property
    def band(self) -> float:
        """How far a value must come back before it may cross again; 0 where there is nothing to cross."""
        metric = self.watched
        if self.condition == "breaks":
            return 0.0 if metric is None else metric.band(0.0)
        return 0.0 if metric is None or self.level is None else metric.band(self.level)


@dataclass(frozen=True, slots=True)
class Rule:
    """A stored rule; `number` is the owner's own count."""

    id: int
    user_id: int
    number: int
    wish: Wish
    added_at: datetime
    snoozed_until: datetime | None = None
    off: bool = False

    @property
    def words(self) -> str:
        """`GLD: VRP tactical above 1.30`."""
        return f"{self.wish.about}: {self.wish.words}"

    def snoozed(self, now: datetime) -> bool:
        """Whether the rule keeps silent at an instant."""
        return self.snoozed_until is not None and now < self.snoozed_until


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rule stands: names beyond its level, until when names cool, names that wait to be told.

    `unmeasured` is a pair that nobody keeps any more.
    """

    beyond: tuple[str, ...] = ()
    cooling: tuple[tuple[str, datetime], ...] = ()
    waiting: tuple[str, ...] = ()
    known: int = 0
    unmeasured: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """One name of a rule in a run: its value as a number or as a word, and whether the condition holds."""

    symbol: str
    value: float | str | None
    holds: bool


@dataclass(frozen=True, slots=True)
class PersonSettings:
    """When a person wants to hear. Times are of the clock on the wall in `zone` (IANA)."""

    zone: str | None = None
    quiet: tuple[time, time] | None = None
    digest_at: time | None = None
    dm_closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a message says about a run."""

    run_id: int
    session: date
    kind: Kind
    simulated: bool

    @property
    def json(self) -> list[Any]:
        """For the facts of a message."""
        return [self.run_id, self.session.isoformat(), self.kind, self.simulated]

    @classmethod
    def of(cls, said: Sequence[Any]) -> RunFacts:
        """Back from `json`."""
        return cls(said[0], date.fromisoformat(said[1]), said[2], said[3])


@dataclass(frozen=True, slots=True)
class News:
    """One firing of a rule: which, when, the old and the new value, when it may fire again.

    `old` is None when the run before did not hold the name; `old_run` None when there was none before.
    """

    rule_id: int
    number: int
    user_id: int
    wish: Wish
    symbol: str
    run: RunFacts
    new: float | str | None
    old_run: RunFacts | None
    old: float | str | None
    again_at: datetime
    crossed: RunFacts | None = None
    """The run of the crossing itself, when it was held back until now."""
    limit: float | None = None
    """The threshold of a pair's correlation."""
    report: date | None = None
    """The report date of an earnings alert."""


def metric_of(of_pair: bool, column: str) -> Metric | None:
    """The watchable metric of a column, None for a word."""
    return (PAIR_METRICS if of_pair else NAME_METRICS).get(column)


def title_of(column: str) -> str:
    """How a column is called."""
    return EVERY_METRIC[column].title if column in EVERY_METRIC else column.capitalize()


def key_of(subject: Subject, target: str) -> str:
    """The key of a subject among the rows of a run."""
    return f"{PAIR_PREFIX}{target}" if subject == "pair" else target


def shown_key(key: str) -> str:
    """A key as people read it."""
    return key.removeprefix(PAIR_PREFIX)
