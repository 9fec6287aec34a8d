"""Whether the clock does what it should: what is overdue, missed, on its way, and next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock.entries import OPEN_STATES, LedgerRun, Queue
from bot.clock.ledger import Ledger
from engine.market.schedule import PlannedRun, Schedule

OVERDUE = timedelta(minutes=60)
"""A run that has no result so long after its time is overdue; the sources have a deadline of 45 minutes."""
RECENT = timedelta(days=30)
"""How far back missed runs are told."""


@dataclass(frozen=True, slots=True)
class Health:
    """The clock at one instant. `overdue` names runs in the ledger's words, oldest first."""

    next_run: PlannedRun
    last_run: LedgerRun | None
    under_way: tuple[LedgerRun, ...]
    overdue: tuple[str, ...]
    missed: tuple[LedgerRun, ...]
    queue: Queue
    paused: bool


def health_of(ledger: Ledger, schedule: Schedule, now: datetime, paused: bool) -> Health:
    """Read off the ledger and the plan; touches nothing."""
    open_runs = ledger.unfinished()
    return Health(
        next_run=schedule.next_after(now),
        last_run=ledger.last_done(),
        under_way=tuple(open_runs),
        overdue=tuple(_overdue(ledger, schedule, now, open_runs)),
        missed=tuple(ledger.missed(now - RECENT)),
        queue=ledger.queue(),
        paused=paused,
    )


def _overdue(ledger: Ledger, schedule: Schedule, now: datetime, open_runs: list[LedgerRun]) -> list[str]:
    late = [run.key for run in open_runs if run.planned_at + OVERDUE < now and run.state in OPEN_STATES]
    last = ledger.last_planned()
    if last is not None:
        # What was due and never entered: the clock itself stands still.
        late += [run.key for run in schedule.between(last, now - OVERDUE)]
    return late
