"""One of several processes acts: a lease in the database, kept alive by its holder."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlite_utils import Database

from bot.clock.schema import MIGRATIONS
from engine.errors import VarianceError
from engine.record.store import Store

LIFE = timedelta(seconds=45)
"""How long a holder that says nothing keeps others waiting."""
HEARTBEAT = 10.0
"""Seconds between two signs of life."""
NAME = "bot"


class LeaseLostError(VarianceError):
    """Another process acts now; this one must not."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease: a process of a machine, told apart from an earlier one with the same number."""

    place: str
    pid: int
    mark: str

    @classmethod
    def this_process(cls) -> Holder:
        """The process that asks."""
        return cls(_place(), os.getpid(), secrets.token_hex(4))

    @classmethod
    def parse(cls, text: str) -> Holder:
        """The reverse of `str`."""
        place, pid, mark = text.rsplit(" ", 2)
        return cls(place, int(pid), mark)

    def __str__(self) -> str:
        return f"{self.place} {self.pid} {self.mark}"

    def is_gone(self, beside: Holder) -> bool:
        """Whether `beside` can tell for sure that this process has ended: same place, no such process."""
        if self.place != beside.place or not self.place:
            return False
        if self.pid == beside.pid:
            return True  # an earlier life of the same number
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class Lease:
    """The right to act. A holder that was taken over finds out at its next step, before it does anything."""

    def __init__(self, store: Store, holder: Holder | None = None, life: timedelta = LIFE) -> None:
        store.prepare(MIGRATIONS)
        self._store = store
        self._life = life
        self.holder = holder or Holder.this_process()

    def acquire(self, now: datetime) -> bool:
        """Take or renew the lease; False while another process holds it.

        It is free when nobody holds it, when its time is over, when it runs far longer than any lease can
        (the clock was set back), or when its holder is a process of this machine that has ended.
        """

        def work(db: Database) -> bool:
            found = db.execute("SELECT owner, expires_at FROM leases WHERE name = ?", (NAME,)).fetchone()
            if found is not None and not self._is_free(found[0], datetime.fromisoformat(found[1]), now):
                return False
            mine = found is not None and found[0] == str(self.holder)
            taken = {"name": NAME, "owner": str(self.holder), "now": now.isoformat()}
            taken["expires"] = (now + self._life).isoformat()
            if mine:
                db.execute("UPDATE leases SET expires_at = :expires WHERE name = :name", taken)
            else:
                db.execute("INSERT OR REPLACE INTO leases VALUES (:name, :owner, :now, :expires)", taken)
            return True

        return self._store.write(work)

    def release(self) -> None:
        """Give it back, so that the next process need not wait; harmless when not held."""
        self._store.write(
            lambda db: db.execute("DELETE FROM leases WHERE name = ? AND owner = ?", (NAME, str(self.holder)))
        )

    def require(self, db: Database) -> None:
        """Raises LeaseLostError unless this process holds the lease.

        Asked inside the transaction of each step: who takes a lease over writes, so until then it is ours,
        expired or not.
        """
        found = db.execute("SELECT owner FROM leases WHERE name = ?", (NAME,)).fetchone()
        if found is None or found[0] != str(self.holder):
            raise LeaseLostError("Another process of this bot acts now.")

    def _is_free(self, owner: str, expires: datetime, now: datetime) -> bool:
        # Twice the life: who asks may have read its clock before the holder renewed.
        if owner == str(self.holder) or expires <= now or expires > now + 2 * self._life:
            return True
        return Holder.parse(owner).is_gone(self.holder)


def _place() -> str:
    """The machine since its start and the space its process numbers count in; empty where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return f"{socket.gethostname()} {boot} {space}"
