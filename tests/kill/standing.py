"""How far a run has come, read from the ledger of a live or dead process without touching it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

Target = tuple[str, str]
"""The key of a run and a channel that is to get it."""
ENDED = ("done", "failed", "skipped")
OPEN = ("pending", "sending")


@dataclass(frozen=True, slots=True)
class Standing:
    """The run's `state` is None before it is planned; `posts` are (what, state) by channel."""

    state: str | None = None
    attempts: int = 0
    posts: dict[str, tuple[str, str]] = field(default_factory=dict)
    waits_until: datetime | None = None
    """Nothing happens before; None while something is due."""

    @property
    def over(self) -> bool:
        """Whether nothing is left to do for the run."""
        return self.state in ENDED and not any(state in OPEN for _, state in self.posts.values())

    @property
    def under_way(self) -> bool:
        """Between its plan and its end."""
        return self.state is not None and not self.over

    def open(self, channel: str) -> bool:
        """Whether a channel still waits for its message, as far as the ledger knows."""
        return channel not in self.posts or self.posts[channel][1] in OPEN

    @property
    def name(self) -> str:
        """The row of a kill: the run's state, and of its posts how far the most advanced on its way is."""
        counted = Counter(state for _, state in self.posts.values())
        for state in ("sending", "sent", "pending"):
            if counted[state]:
                return f"{self._phase}, {'some ' if state == 'sent' else ''}{state}"
        return self.state or "not planned"

    def name_of(self, channel: str) -> str:
        """The row of one post that is still open."""
        found = self.posts.get(channel)
        return self.name if found is None else f"{self._phase}, {found[1]}"

    @property
    def _phase(self) -> str:
        return "notice" if self.state in ("failed", "skipped") else "posting"


@dataclass(frozen=True, slots=True)
class View:
    """The standings of the runs of a round, by key and oldest first."""

    runs: dict[str, Standing]

    @property
    def current(self) -> Standing:
        """The newest run."""
        return list(self.runs.values())[-1]

    @property
    def over(self) -> bool:
        return all(run.over for run in self.runs.values())

    @property
    def under_way(self) -> bool:
        """Between the plan of the first and the end of the last."""
        return not self.over and any(run.state is not None for run in self.runs.values())

    @property
    def name(self) -> str:
        """The row of a kill: of the newest run that is planned."""
        return next(
            (run.name for run in reversed(self.runs.values()) if run.state is not None), "not planned"
        )

    def waiting(self, channels: Sequence[str]) -> dict[Target, str]:
        """Who still waits for what, with the row each belongs to."""
        return {
            (key, channel): run.name_of(channel)
            for key, run in self.runs.items()
            for channel in channels
            if run.under_way and run.open(channel)
        }

    @property
    def waits_until(self) -> datetime | None:
        """Nothing happens before; None while something is due."""
        instants = [run.waits_until for run in self.runs.values() if not run.over]
        return None if None in instants else min((each for each in instants if each), default=None)


def read(database: Path, keys: Sequence[str]) -> View:
    """The standing of some runs. A reader that only reads leaves a crash as it was."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        db.execute("BEGIN")
        return View({key: _standing(db, key) for key in keys})
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return View(dict.fromkeys(keys, Standing()))
        raise
    finally:
        db.close()


def _standing(db: sqlite3.Connection, key: str) -> Standing:
    run = db.execute("SELECT state, attempts, next_try FROM planned_runs WHERE key = ?", (key,)).fetchone()
    if run is None:
        return Standing()
    sql = "SELECT channel_id, what, state, next_try FROM posts WHERE key = ?"
    posts = db.execute(sql, (key,)).fetchall()
    return Standing(
        run[0],
        run[1],
        {str(channel): (what, state) for channel, what, state, _ in posts},
        _waits_until(run, [(state, next_try) for _, _, state, next_try in posts]),
    )


def _waits_until(run: tuple[str, int, str | None], posts: list[tuple[str, str | None]]) -> datetime | None:
    due = [next_try for state, next_try in posts if state in OPEN]
    if run[0] not in (*ENDED, "posting"):
        due.append(run[2])
    if not due or None in due:
        return None
    return min(datetime.fromisoformat(each) for each in due if each is not None)


def holder(database: Path) -> int | None:
    """The process that acts, by its number; None when nobody ever did."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        found = db.execute("SELECT owner FROM leases").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        db.close()
    return None if found is None else int(found[0].split()[-2])
