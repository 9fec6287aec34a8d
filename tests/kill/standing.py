"""How far a run has come, read from the ledger of a live or dead process without touching it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

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
        """The row of the table: the run's state, and of its posts the most advanced."""
        counted = Counter(state for _, state in self.posts.values())
        if not self.posts or self.state is None:
            return self.state or "not planned"
        what = "notice" if self.state in ("failed", "skipped") else "posting"
        for state in ("sending", "sent"):
            if counted[state]:
                return f"{what}, {'some ' if state == 'sent' else ''}{state}"
        return f"{what}, pending"


def read(database: Path, key: str) -> Standing:
    """The standing of one run. A reader that only reads leaves a crash as it was."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        db.execute("BEGIN")
        run = db.execute(
            "SELECT state, attempts, next_try FROM planned_runs WHERE key = ?", (key,)
        ).fetchone()
        if run is None:
            return Standing()
        sql = "SELECT channel_id, what, state, next_try FROM posts WHERE key = ?"
        posts = db.execute(sql, (key,)).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return Standing()
        raise
    finally:
        db.close()
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
