"""Turns to connect to Discord, kept in the database: a restart loop must not burn the identify budget.

Discord allows a bot 1,000 identifies in 24 hours and resets its token beyond. A process that dies soon after
it connected and is started again at once would be through with them in an hour.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from sqlite_utils import Database, Migrations

from engine.record.store import Store

log = structlog.get_logger("variance.starts")

LATELY = timedelta(minutes=10)
FREE = 5
"""Turns within LATELY that cost no wait."""
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=4)
"""Waits double from the first to the longest while turns follow each other closely."""
DAY = timedelta(hours=24)
MANY = 500
"""Turns within a day beyond which each keeps MANY_WAIT from the one before."""
MANY_WAIT = timedelta(seconds=90)
MOST = 900
"""Turns within a day beyond which the oldest has to be a day old first; Discord's own limit is 1,000."""
KEPT = timedelta(days=2)
NOTHING = timedelta(0)
_GLANCE = 60.0
"""Seconds slept at most before the database is asked again."""

MIGRATIONS = Migrations("starts")


@MIGRATIONS()
def m001_starts(db: Database) -> None:
    """When the bot connected to Discord, a row each time."""
    db.execute("CREATE TABLE starts (id INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT")


def wait_before(turns: Sequence[datetime], now: datetime) -> timedelta:
    """How long the next turn has to wait; zero when it is free.

    `turns` are those taken so far, oldest first, none after `now`. The wait is counted from the last turn
    and not from the start that asks: a process that is stopped while it waits neither uses a turn up nor
    makes the wait longer.
    """
    if not turns:
        return NOTHING
    lately = len(turns) - bisect_left(turns, now - LATELY)
    today = len(turns) - bisect_right(turns, now - DAY)
    free = turns[-1] + _gap(lately, today)
    if today >= MOST:
        free = max(free, turns[-MOST] + DAY)
    return max(NOTHING, free - now)


def _gap(lately: int, today: int) -> timedelta:
    gap = NOTHING if lately < FREE else FIRST_WAIT * 2 ** min(lately - FREE, 10)
    return max(min(gap, LONGEST_WAIT), MANY_WAIT if today >= MANY else NOTHING)


class Starts:
    """The turns of every process that shares the file. A turn is taken in one transaction: two processes
    never take the same one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        store.prepare(MIGRATIONS)

    def turn(self, now: datetime) -> timedelta:
        """Take a turn if it is free: zero means taken, connect now; otherwise ask again after so long.

        Turns after `now` come from a clock that has jumped back since; they count no more. Blocks on the
        disk.
        """
        return self._store.write(lambda db: _taken(db, now))


def _taken(db: Database, now: datetime) -> timedelta:
    db.execute("DELETE FROM starts WHERE at > ? OR at < ?", (_text(now), _text(now - KEPT)))
    turns = [datetime.fromisoformat(at) for (at,) in db.execute("SELECT at FROM starts ORDER BY at")]
    wait = wait_before(turns, now)
    if not wait:
        db.execute("INSERT INTO starts (at) VALUES (?)", (_text(now),))
    return wait


def _text(moment: datetime) -> str:
    """Of one width, so that the order of the texts is the order of the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


async def wait_for_turn(
    starts: Starts,
    now: Callable[[], datetime],
    off_loop: Callable[[Callable[[], timedelta]], Awaitable[timedelta]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Return when this process may connect, its turn taken. Raises StoreError; may be cancelled."""
    while wait := await off_loop(lambda: starts.turn(now())):
        log.warning("too many starts lately, connecting waits", seconds=round(wait.total_seconds()))
        await sleep(min(wait.total_seconds(), _GLANCE))
