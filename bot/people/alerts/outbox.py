"""What is to be sent: firings gathered into deliveries, each of them one Discord message."""

from __future__ import annotations

from datetime import datetime

from sqlite_utils import Database

from bot.people.alerts.quiet import allowed_from, digest_from
from bot.people.alerts.rows import facts_text, settings_of
from bot.people.alerts.rules import News, PersonSettings

MOST_SINGLE = 10
"""Single messages a person gets of one run by one way; what is more comes as one digest."""

Channel = tuple[int, int] | None
"""(guild id, channel id); None for direct messages."""

_INSERT = (
    "INSERT INTO alert_deliveries (user_id, guild_id, channel_id, digest, created_at, not_before, next_try)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_OPEN_DIGEST = (
    "SELECT id FROM alert_deliveries WHERE user_id = ? AND state = 'pending' AND digest = 1"
    " AND channel_id IS NULL AND not_before = ?"
)
_MESSAGE = (
    "INSERT INTO alert_messages (rule_id, delivery_id, user_id, run_id, symbol, facts, created_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_EMPTY = (
    "DELETE FROM alert_deliveries WHERE user_id = ? AND NOT EXISTS"
    " (SELECT 1 FROM alert_messages m WHERE m.delivery_id = alert_deliveries.id)"
)
_WAITING_DM = "SELECT id FROM alert_deliveries WHERE user_id = ? AND state = 'pending' AND channel_id IS NULL"


class Outbox:
    """Takes in one run's firings, person by person."""

    def __init__(self, db: Database, now: datetime) -> None:
        self._db = db
        self._now = now
        self._user_id = 0
        self._settings = PersonSettings()
        self._sent: dict[Channel, int] = {}
        self._rest: dict[Channel, int] = {}

    def put(self, news: News) -> None:
        """Keep one firing in the delivery it belongs to."""
        if news.user_id != self._user_id:
            self._user_id = news.user_id
            self._settings = settings_of(self._db, news.user_id)
            self._sent, self._rest = {}, {}
        delivery = self._delivery(news.wish.channel)
        created = self._now.isoformat()
        values = (
            news.rule_id,
            delivery,
            news.user_id,
            news.run.run_id,
            news.symbol,
            facts_text(news),
            created,
        )
        self._db.execute(_MESSAGE, values)

    def _delivery(self, channel: Channel) -> int:
        if channel is None and self._settings.digest_at is not None:
            return digest_of(self._db, self._user_id, self._settings, self._now)
        count = self._sent[channel] = self._sent.get(channel, 0) + 1
        if count > MOST_SINGLE:
            if channel not in self._rest:
                self._rest[channel] = self._new(channel, digest=True)
            return self._rest[channel]
        return self._new(channel, digest=False)

    def _new(self, channel: Channel, digest: bool) -> int:
        when = allowed_from(self._now, self._settings)
        return new_delivery(self._db, self._user_id, channel, digest, self._now, when)


def digest_of(db: Database, user_id: int, settings: PersonSettings, now: datetime) -> int:
    """The person's next digest, begun if it is not there yet."""
    when = digest_from(now, settings)
    found = db.execute(_OPEN_DIGEST, (user_id, when.isoformat())).fetchone()
    return new_delivery(db, user_id, None, True, now, when) if found is None else int(found[0])


def new_delivery(
    db: Database, user_id: int, channel: Channel, digest: bool, now: datetime, when: datetime
) -> int:
    """A message to be sent at `when`, with a nonce of its own from here on."""
    guild_id, channel_id = channel or (None, None)
    times = (now.isoformat(), when.isoformat(), when.isoformat())
    number = db.execute(_INSERT, (user_id, guild_id, channel_id, int(digest), *times)).lastrowid
    assert number is not None
    return int(number)


def replan(db: Database, user_id: int, settings: PersonSettings, now: datetime) -> None:
    """Direct messages that still wait, rearranged to what the person has just chosen."""
    waiting = [number for (number,) in db.execute(_WAITING_DM, (user_id,)).fetchall()]
    if settings.digest_at is None:
        when = allowed_from(now, settings).isoformat()
        sql = "UPDATE alert_deliveries SET not_before = ?, next_try = ? WHERE id = ?"
        db.conn.executemany(sql, [(when, when, number) for number in waiting])
    elif waiting:
        digest = digest_of(db, user_id, settings, now)
        sql = "UPDATE alert_messages SET delivery_id = ? WHERE delivery_id = ?"
        db.conn.executemany(sql, [(digest, number) for number in waiting if number != digest])
        drop_empty(db, user_id)


def drop_empty(db: Database, user_id: int) -> None:
    """Forget deliveries that have nothing left to tell."""
    db.execute(_EMPTY, (user_id,))
