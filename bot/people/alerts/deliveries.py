"""The way of a message: pending, sending, sent; or kept for somebody whose messages are closed, or failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlite_utils import Database

from bot.people.alerts.rows import news_of
from bot.people.alerts.rules import News
from engine.record.store import Store

GIVE_UP = timedelta(hours=24)
"""After so long without success a message counts as failed."""
LONGEST_PAUSE = timedelta(hours=1)
BATCH = 100
"""Deliveries taken up at a time."""

_COLUMNS = (
    "d.id, d.user_id, d.guild_id, d.channel_id, d.digest, d.nonce, d.state, d.first_try, d.tries, d.reason"
)
_KEEP = (
    "UPDATE alert_deliveries SET state = 'kept' WHERE state = 'pending' AND channel_id IS NULL"
    " AND next_try <= ? AND user_id IN (SELECT user_id FROM alert_settings WHERE dm_closed_at IS NOT NULL)"
)
_KEEP_ONE = (
    "UPDATE alert_deliveries SET state = 'kept' WHERE id = ?"
    " AND user_id IN (SELECT user_id FROM alert_settings WHERE dm_closed_at IS NOT NULL)"
)
_DUE = (
    "SELECT d.id FROM alert_deliveries d WHERE (d.state = 'pending' AND d.next_try <= ?)"
    " OR d.state = 'sending' ORDER BY d.next_try, d.id"
)
_ONE = f"SELECT {_COLUMNS} FROM alert_deliveries d WHERE d.id = ?"  # noqa: S608
_UNTOLD = (
    f"SELECT {_COLUMNS} FROM alert_deliveries d WHERE d.user_id = ? AND d.state IN ({{}})"  # noqa: S608
    " ORDER BY d.id"
)
_CLAIM = (
    "UPDATE alert_deliveries SET state = 'sending', tries = tries + 1, first_try = ifnull(first_try, ?)"
    " WHERE id = ? AND state IN ('pending', 'sending')"
)
_NEWS = "SELECT rule_id, user_id, symbol, facts FROM alert_messages WHERE delivery_id = ? ORDER BY id"
_CLOSE = (
    "INSERT INTO alert_settings (user_id, dm_closed_at) VALUES (?, ?)"
    " ON CONFLICT (user_id) DO UPDATE SET dm_closed_at = ifnull(dm_closed_at, excluded.dm_closed_at)"
)


Fence = Callable[[Database], None]


def open_to_all(_: Database) -> None:
    """Where only one process is there."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One Discord message to be: its news, its way, how often it was tried.

    `channel` is None for a direct message. `interrupted` tells that an earlier try was cut off, so that
    the message may have arrived. `note` says why it comes another way than it was meant to.
    """

    id: int
    user_id: int
    channel: tuple[int, int] | None
    digest: bool
    nonce: str
    interrupted: bool
    first_try: datetime | None
    tries: int
    note: str | None
    news: tuple[News, ...]


class Deliveries:
    """Every step is committed before the next is taken, so that a crash at any place leaves a way on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, now: datetime, apart: Collection[int] = (), fence: Fence = open_to_all) -> list[int]:
        """Deliveries to take up now, those that were cut off among them; `apart` are left out.

        What is meant for people whose messages are closed is kept for them instead. `fence` raises when
        this process may not act.
        """

        def work(db: Database) -> list[int]:
            fence(db)
            db.execute(_KEEP, (now.isoformat(),))
            found = (number for (number,) in db.execute(_DUE, (now.isoformat(),)).fetchall())
            return [number for number in found if number not in apart][:BATCH]

        return self._store.write(work)

    def claim(self, delivery_id: int, now: datetime) -> Letter | None:
        """Take a delivery for sending; None when it is gone or has nothing to tell any more."""

        def work(db: Database) -> Letter | None:
            letter = _letter(db, delivery_id)
            if letter is None or not letter.news:
                db.execute("DELETE FROM alert_deliveries WHERE id = ?", (delivery_id,))
                return None
            return letter if db.execute(_CLAIM, (now.isoformat(), delivery_id)).rowcount else None

        return self._store.write(work)

    def sent(self, delivery_id: int, message_id: int, now: datetime) -> None:
        """It arrived."""
        sql = "UPDATE alert_deliveries SET state = 'sent', message_id = ?, ended_at = ? WHERE id = ?"
        self._store.write(lambda db: db.execute(sql, (message_id, now.isoformat(), delivery_id)))

    def later(self, letter: Letter, now: datetime, reason: str) -> bool:
        """Try again after a pause that doubles; False when it has been tried for a day and is given up."""
        if letter.first_try is not None and now - letter.first_try >= GIVE_UP:
            self.failed(letter.id, now, reason)
            return False
        pause = min(timedelta(minutes=2 ** min(letter.tries, 10)), LONGEST_PAUSE)
        sql = "UPDATE alert_deliveries SET state = 'pending', next_try = ? WHERE id = ?"
        self._store.write(lambda db: db.execute(sql, ((now + pause).isoformat(), letter.id)))
        return True

    def failed(self, delivery_id: int, now: datetime, reason: str) -> None:
        """It will not be tried again; the person finds it in the list of rules."""
        sql = "UPDATE alert_deliveries SET state = 'failed', reason = ?, ended_at = ? WHERE id = ?"
        self._store.write(lambda db: db.execute(sql, (reason, now.isoformat(), delivery_id)))

    def turned(self, delivery_id: int, note: str) -> bool:
        """The channel takes no posts: it goes to the person directly, and the note says so.

        False when the person's messages are closed as well; it is kept then.
        """

        def work(db: Database) -> bool:
            sql = "UPDATE alert_deliveries SET guild_id = NULL, channel_id = NULL, reason = ? WHERE id = ?"
            db.execute(sql, (note, delivery_id))
            return not db.execute(_KEEP_ONE, (delivery_id,)).rowcount

        return self._store.write(work)

    def closed(self, letter: Letter, now: datetime) -> None:
        """The person takes no direct messages: remembered, and this one kept."""

        def work(db: Database) -> None:
            db.execute(_CLOSE, (letter.user_id, now.isoformat()))
            db.execute("UPDATE alert_deliveries SET state = 'kept' WHERE id = ?", (letter.id,))

        self._store.write(work)

    def shut(self, user_id: int, now: datetime) -> None:
        """A direct message that was only a test was refused."""
        self._store.write(lambda db: db.execute(_CLOSE, (user_id, now.isoformat())))

    def opened(self, user_id: int, now: datetime) -> None:
        """A direct message got through: what was kept is sent after all."""

        def work(db: Database) -> None:
            db.execute("UPDATE alert_settings SET dm_closed_at = NULL WHERE user_id = ?", (user_id,))
            sql = (
                "UPDATE alert_deliveries SET state = 'pending', next_try = ?, first_try = NULL"
                " WHERE user_id = ? AND state = 'kept'"
            )
            db.execute(sql, (now.isoformat(), user_id))

        self._store.write(work)

    def undelivered(self, user_id: int, *states: str) -> list[Letter]:
        """A person's deliveries in the given states, oldest first."""
        sql = _UNTOLD.format(", ".join("?" * len(states)))
        with self._store.reading() as db:
            letters = [_read(db, record) for record in db.execute(sql, (user_id, *states)).fetchall()]
        return [letter for letter in letters if letter.news]

    def shown(self, user_id: int, letters: Iterable[Letter], now: datetime) -> None:
        """The person has read these in an answer."""
        sql = "UPDATE alert_deliveries SET state = 'shown', ended_at = ? WHERE user_id = ? AND id = ?"
        values = [(now.isoformat(), user_id, letter.id) for letter in letters]
        self._store.write(lambda db: db.conn.executemany(sql, values))


def _letter(db: Database, delivery_id: int) -> Letter | None:
    record = db.execute(_ONE, (delivery_id,)).fetchone()
    return None if record is None else _read(db, record)


def _read(db: Database, record: Sequence[Any]) -> Letter:
    number, user_id, guild_id, channel_id, digest, nonce, state, first_try, tries, reason = record
    return Letter(
        id=number,
        user_id=user_id,
        channel=None if guild_id is None else (guild_id, channel_id),
        digest=bool(digest),
        nonce=nonce,
        interrupted=state == "sending",
        first_try=None if first_try is None else datetime.fromisoformat(first_try),
        tries=tries,
        note=reason,
        news=tuple(news_of(*found) for found in db.execute(_NEWS, (number,)).fetchall()),
    )
