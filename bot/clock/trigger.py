"""When APScheduler is to wake the bot: at the next planned run, on a clock that may not be the wall's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

from engine.market.schedule import PlannedRun, Schedule

MARGIN = timedelta(milliseconds=100)
"""Added to every instant. The bot's clock is read a moment after the scheduler's, so the wait comes out a
little short, and who wakes too early finds no run due."""
_REMEMBERED = 16


class SessionTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler carries no types
    """Fires when the next run of the schedule is due by `now`, the bot's clock.

    The scheduler counts in wall time. The instant it is given is therefore as far from its own idea of
    now as the run is from the bot's; both clocks are compared anew each time, so that one that was set
    forward or back is followed. Whether a run is still to be done is for the ledger to say, not for the
    trigger: after a jump back over several runs they fire again.
    """

    def __init__(self, schedule: Schedule, now: Callable[[], datetime]) -> None:
        self._schedule = schedule
        self._now = now
        self._fired: OrderedDict[datetime, str] = OrderedDict()

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Wall instant of the next run; `now` is the wall's. Never the run `previous_fire_time` stood for.

        The scheduler may ask several times with one `previous_fire_time`; each answer is the same run
        while the bot's clock has not passed it.
        """
        bots_now = self._now()
        run = self._schedule.next_after(bots_now)
        if previous_fire_time is not None and self._fired.get(previous_fire_time) == run.key:
            # The bot's clock was set back a little, to before the run that has just been.
            run = self._schedule.next_after(run.at)
        return self._remembered(now + (run.at - bots_now) + MARGIN, run)

    def _remembered(self, instant: datetime, run: PlannedRun) -> datetime:
        self._fired[instant] = run.key
        self._fired.move_to_end(instant)
        while len(self._fired) > _REMEMBERED:
            self._fired.popitem(last=False)
        return instant
