"""What a server chose: its channel, runs, rules, universe and language of numbers, with who changed it when.

Every statement carries a guild id: what one server stores never reaches another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlite_utils import Database, Migrations

from engine.record.store import Store
from engine.rules import Rules

RUNS = ("open", "close", "weekly")
KEPT_CHANGES = 200
"""Lines of history kept for a server; older ones make room."""

MIGRATIONS = Migrations("guilds")

_GUILDS = """
CREATE TABLE guilds (
    guild_id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL,
    runs TEXT NOT NULL CHECK (json_valid(runs)),
    profile TEXT NOT NULL CHECK (length(profile) > 0),
    thresholds TEXT NOT NULL CHECK (json_valid(thresholds)),
    scope TEXT NOT NULL,
    role_id INTEGER,
    numbers TEXT NOT NULL CHECK (length(numbers) = 2),
    configured_by INTEGER,
    configured_at TEXT NOT NULL,
    broken TEXT,
    broken_at TEXT,
    told INTEGER NOT NULL CHECK (told IN (0, 1)),
    CHECK ((broken IS NULL) = (broken_at IS NULL)),
    CHECK (broken IS NOT NULL OR told = 0)
) STRICT
"""

# A person may ask to be forgotten, and some changes nobody made: changed_by may be empty.
_CHANGES = """
CREATE TABLE guild_changes (
    id INTEGER PRIMARY KEY,
    guild_id INTEGER NOT NULL,
    changed_by INTEGER,
    changed_at TEXT NOT NULL,
    field TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT
"""
# No person stands here: who is told is decided when the note leaves (bot.clock.notes).
_NOTES = """
CREATE TABLE guild_notes (
    month TEXT NOT NULL CHECK (length(month) = 7),
    guild_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'sending', 'sent', 'silent', 'closed', 'failed', 'skipped')),
    nonce TEXT NOT NULL,
    entered_at TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try TEXT,
    reason TEXT,
    PRIMARY KEY (month, guild_id)
) STRICT, WITHOUT ROWID
"""
_CHANGES_INDEX = "CREATE INDEX guild_changes_guild ON guild_changes (guild_id, id)"


@MIGRATIONS()
def m001_guilds(db: Database) -> None:
    """Settings of servers and the history of their changes."""
    for statement in (_GUILDS, _CHANGES, _CHANGES_INDEX):
        db.execute(statement)


@MIGRATIONS()
def m002_notes(db: Database) -> None:
    """The monthly note to one administrator of each server."""
    db.execute(_NOTES)


@dataclass(frozen=True, slots=True)
class GuildSettings:
    """What one server chose. `scope` is Scope.text of bot.answers; `runs` are of RUNS.

    `broken` is the reason why its channel takes no posts any more, None while it does; `told` whether an
    administrator has been told of it.
    """

    guild_id: int
    channel_id: int
    runs: frozenset[str]
    profile: str
    thresholds: tuple[tuple[str, float], ...]
    scope: str
    role_id: int | None
    numbers: str
    configured_by: int | None
    configured_at: datetime
    broken: str | None = None
    told: bool = False
    broken_at: datetime | None = None

    def rules(self, rules: Rules) -> Rules:
        """The rules as this server wants them. Raises ConfigError when they do not allow it any more."""
        return rules.using(self.profile).tuned(self.thresholds)

    def mended(self) -> GuildSettings:
        """The same with a channel that takes posts."""
        return replace(self, broken=None, broken_at=None, told=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One field that was changed; `changed_by` None when nobody did or nobody may be named any more."""

    changed_by: int | None
    changed_at: datetime
    field: str
    before: str | None
    after: str | None


class Guilds:
    """The settings of every server. Any method may be called from any thread and raises StoreError when
    the file cannot be used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.prepare(MIGRATIONS)

    def get(self, guild_id: int) -> GuildSettings | None:
        """The settings of one server, None when it was never set up."""
        with self._store.reading() as db:
            return _read(db, guild_id)

    def numbers(self, guild_id: int) -> str | None:
        """The language of numbers of one server, None when it was never set up."""
        with self._store.reading() as db:
            found = db.execute("SELECT numbers FROM guilds WHERE guild_id = ?", (guild_id,)).fetchone()
        return None if found is None else str(found[0])

    def posting(self, kind: str) -> list[GuildSettings]:
        """Every server that wants a kind of run and whose channel is not known to be broken, by id."""
        with self._store.reading() as db:
            records = db.execute(f"{_SELECT} WHERE broken IS NULL ORDER BY guild_id").fetchall()
        return [settings for settings in map(_settings, records) if kind in settings.runs]

    def save(self, settings: GuildSettings, changed_by: int, now: datetime) -> GuildSettings:
        """Keep the settings, and a line for every field that differs from what was stored.

        Who and when are taken from the arguments. Returns what is stored now.
        """
        stored = replace(settings, configured_by=changed_by, configured_at=now)
        self._store.write(lambda db: _save(db, stored))
        return stored

    def edit(
        self, guild_id: int, change: Callable[[GuildSettings], GuildSettings], changed_by: int, now: datetime
    ) -> GuildSettings | None:
        """Change settings as they stand at this very moment; None when the server has none.

        Two managers at once do not undo each other: `change` runs within the transaction.
        """

        def work(db: Database) -> GuildSettings | None:
            present = _read(db, guild_id)
            if present is None:
                return None
            wanted = replace(change(present), guild_id=guild_id, configured_by=changed_by, configured_at=now)
            _save(db, wanted)
            return wanted

        return self._store.write(work)

    def reset(self, guild_id: int, changed_by: int, now: datetime) -> bool:
        """Back to unset, with a line that says so; False when there was nothing to reset."""

        def work(db: Database) -> bool:
            present = _read(db, guild_id)
            if present is None:
                return False
            db.execute("DELETE FROM guilds WHERE guild_id = ?", (guild_id,))
            db.execute("DELETE FROM guild_notes WHERE guild_id = ?", (guild_id,))
            _log(db, guild_id, Change(changed_by, now, "settings", _spoken(present)["channel"], None))
            return True

        return self._store.write(work)

    def unheard_note(self, guild_id: int) -> str | None:
        """The month (`2026-12`) of the last monthly note when it reached nobody, else None."""
        sql = "SELECT month, state FROM guild_notes WHERE guild_id = ? ORDER BY month DESC LIMIT 1"
        with self._store.reading() as db:
            month, state = db.execute(sql, (guild_id,)).fetchone() or (None, None)
        return month if state == "closed" else None

    def changes(self, guild_id: int, limit: int = 5) -> list[Change]:
        """The last changes of one server, newest first."""
        sql = (
            "SELECT changed_by, changed_at, field, before, after FROM guild_changes"
            " WHERE guild_id = ? ORDER BY id DESC LIMIT ?"
        )
        with self._store.reading() as db:
            records = db.execute(sql, (guild_id, limit)).fetchall()
        return [Change(who, datetime.fromisoformat(at), *rest) for who, at, *rest in records]

    def mark_broken(self, guild_id: int, channel_id: int, reason: str, at: datetime) -> bool:
        """Remember that a server's channel takes no posts; True the first time only."""
        sql = (
            "UPDATE guilds SET broken = ?, broken_at = ?, told = 0"
            " WHERE guild_id = ? AND channel_id = ? AND broken IS NULL"
        )
        values = (reason, at.isoformat(), guild_id, channel_id)
        return self._store.write(lambda db: db.execute(sql, values).rowcount > 0)

    def untold(self) -> list[GuildSettings]:
        """Every server whose channel is broken and of whose keepers nobody knows yet, by id."""
        with self._store.reading() as db:
            records = db.execute(f"{_SELECT} WHERE broken IS NOT NULL AND told = 0 ORDER BY guild_id")
            return [_settings(record) for record in records.fetchall()]

    def mark_told(self, guild_id: int) -> None:
        """Remember that an administrator knows of the broken channel."""
        sql = "UPDATE guilds SET told = 1 WHERE guild_id = ? AND broken IS NOT NULL"
        self._store.write(lambda db: db.execute(sql, (guild_id,)))

    def mend(self, guild_id: int, channel_id: int) -> bool:
        """A post reached the channel: it is not broken (any more). True when it had been."""
        sql = (
            "UPDATE guilds SET broken = NULL, broken_at = NULL, told = 0"
            " WHERE guild_id = ? AND channel_id = ? AND broken IS NOT NULL"
        )
        return self._store.write(lambda db: db.execute(sql, (guild_id, channel_id)).rowcount > 0)

    def drop_role(self, guild_id: int, role_id: int, at: datetime) -> bool:
        """A role is gone: nobody is mentioned in its place. True when the server had chosen it."""

        def work(db: Database) -> bool:
            sql = "UPDATE guilds SET role_id = NULL WHERE guild_id = ? AND role_id = ?"
            if not db.execute(sql, (guild_id, role_id)).rowcount:
                return False
            _log(db, guild_id, Change(None, at, "role", str(role_id), None))
            return True

        return self._store.write(work)

    def forget(self, guild_id: int) -> None:
        """Everything of one server, its history too."""

        def work(db: Database) -> None:
            db.execute("DELETE FROM guilds WHERE guild_id = ?", (guild_id,))
            db.execute("DELETE FROM guild_changes WHERE guild_id = ?", (guild_id,))
            db.execute("DELETE FROM guild_notes WHERE guild_id = ?", (guild_id,))

        self._store.write(work)


_COLUMNS = (
    *("guild_id", "channel_id", "runs", "profile", "thresholds", "scope", "role_id", "numbers"),
    *("configured_by", "configured_at", "broken", "told", "broken_at"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM guilds"  # noqa: S608
_REPLACE = (
    f"INSERT OR REPLACE INTO guilds ({', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


def _read(db: Database, guild_id: int) -> GuildSettings | None:
    record = db.execute(f"{_SELECT} WHERE guild_id = ?", (guild_id,)).fetchone()
    return None if record is None else _settings(record)


def _settings(record: Sequence[Any]) -> GuildSettings:
    raw = dict(zip(_COLUMNS, record, strict=True))
    raw["runs"] = frozenset(json.loads(raw["runs"]))
    raw["thresholds"] = tuple((name, float(value)) for name, value in json.loads(raw["thresholds"]))
    raw["configured_at"] = datetime.fromisoformat(raw["configured_at"])
    raw["broken_at"] = raw["broken_at"] and datetime.fromisoformat(raw["broken_at"])
    raw["told"] = bool(raw["told"])
    return GuildSettings(**raw)


def _save(db: Database, settings: GuildSettings) -> None:
    present = _read(db, settings.guild_id)
    before = _spoken(present) if present is not None else {}
    for field, after in _spoken(settings).items():
        if before.get(field) != after:
            change = Change(settings.configured_by, settings.configured_at, field, before.get(field), after)
            _log(db, settings.guild_id, change)
    db.execute(_REPLACE, _record(settings))


def _record(settings: GuildSettings) -> tuple[Any, ...]:
    return (
        settings.guild_id,
        settings.channel_id,
        json.dumps(sorted(settings.runs)),
        settings.profile,
        json.dumps(sorted(settings.thresholds)),
        settings.scope,
        settings.role_id,
        settings.numbers,
        settings.configured_by,
        settings.configured_at.isoformat(),
        settings.broken,
        int(settings.told),
        settings.broken_at and settings.broken_at.isoformat(),
    )


def _spoken(settings: GuildSettings) -> dict[str, str | None]:
    """The fields a person sets, as they stand in the history."""
    thresholds = ", ".join(f"{name} {value:g}" for name, value in sorted(settings.thresholds))
    return {
        "channel": str(settings.channel_id),
        "runs": ", ".join(run for run in RUNS if run in settings.runs),
        "profile": settings.profile,
        "thresholds": thresholds or None,
        "universe": settings.scope or None,
        "role": None if settings.role_id is None else str(settings.role_id),
        "numbers": settings.numbers,
    }


def _log(db: Database, guild_id: int, change: Change) -> None:
    db.execute(
        "INSERT INTO guild_changes (guild_id, changed_by, changed_at, field, before, after)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            guild_id,
            change.changed_by,
            change.changed_at.isoformat(),
            change.field,
            change.before,
            change.after,
        ),
    )
    db.execute(
        "DELETE FROM guild_changes WHERE guild_id = ? AND id NOT IN"
        " (SELECT id FROM guild_changes WHERE guild_id = ? ORDER BY id DESC LIMIT ?)",
        (guild_id, guild_id, KEPT_CHANGES),
    )
