"""Rules, settings and news as rows of the file and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from sqlite_utils import Database

from bot.people.alerts.look import Stored
from bot.people.alerts.rules import News, PersonSettings, Rule, RunFacts, Wish

RULE_COLUMNS = (
    *("id", "user_id", "number", "subject", "target", "condition", "metric", "level", "cooldown"),
    *("guild_id", "channel_id", "added_at", "snoozed_until", "off"),
)
STORED = (
    f"SELECT {', '.join(f'r.{column}' for column in RULE_COLUMNS)}, s.seen, s.cooling, s.held"  # noqa: S608
    " FROM alert_rules r JOIN alert_states s ON s.rule_id = r.id"
)
_SETTINGS = "SELECT zone, quiet_from, quiet_to, digest_at, dm_closed_at FROM alert_settings WHERE user_id = ?"
_RUN = "SELECT id, session, kind, source FROM runs WHERE id = ?"
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def stored_of(record: Sequence[Any]) -> Stored:
    """A row of STORED."""
    number, user, own, subject, target, condition, metric, level, cooldown, *rest = record
    guild, channel, added, snoozed, off, seen, cooling, held = rest
    wish = Wish(
        subject, target, condition, metric, level, cooldown, None if guild is None else (guild, channel)
    )
    rule = Rule(
        id=number,
        user_id=user,
        number=own,
        wish=wish,
        added_at=datetime.fromisoformat(added),
        snoozed_until=None if snoozed is None else datetime.fromisoformat(snoozed),
        off=bool(off),
    )
    return Stored(rule, seen, cooling, held)


def settings_of(db: Database, user_id: int) -> PersonSettings:
    """A person's settings; the defaults for somebody who never chose any."""
    record = db.execute(_SETTINGS, (user_id,)).fetchone()
    if record is None:
        return PersonSettings()
    zone, begins, ends, digest, closed = record
    return PersonSettings(
        zone=zone,
        quiet=None if begins is None else (time.fromisoformat(begins), time.fromisoformat(ends)),
        digest_at=None if digest is None else time.fromisoformat(digest),
        dm_closed_at=None if closed is None else datetime.fromisoformat(closed),
    )


def keep_settings(db: Database, user_id: int, settings: PersonSettings) -> None:
    """Store what a person chose; the count of rules ever made stays."""
    begins, ends = settings.quiet or (None, None)
    values = (
        user_id,
        settings.zone,
        *(None if moment is None else moment.isoformat("minutes") for moment in (begins, ends)),
        settings.digest_at and settings.digest_at.isoformat("minutes"),
        settings.dm_closed_at and settings.dm_closed_at.isoformat(),
    )
    db.execute(
        "INSERT INTO alert_settings (user_id, zone, quiet_from, quiet_to, digest_at, dm_closed_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO UPDATE SET zone = excluded.zone,"
        " quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, digest_at = excluded.digest_at,"
        " dm_closed_at = excluded.dm_closed_at",
        values,
    )


def run_facts(db: Database, run_id: int) -> RunFacts | None:
    """What a message says about a run; None when the record does not hold it."""
    record = db.execute(_RUN, (run_id,)).fetchone()
    if record is None:
        return None
    number, session, kind, source = record
    return RunFacts(number, date.fromisoformat(session), kind, source.startswith("SIMULATED"))


def facts_text(news: News) -> str:
    """A firing as it is kept with its message."""
    wish = news.wish
    return _compact(
        {
            "number": news.number,
            "wish": [wish.subject, wish.target, wish.condition, wish.metric, wish.level, wish.cooldown],
            "run": news.run.json,
            "new": news.new,
            "old_run": news.old_run and news.old_run.json,
            "old": news.old,
            "again_at": news.again_at.isoformat(),
            "crossed": news.crossed and news.crossed.json,
            "limit": news.limit,
            "report": news.report and news.report.isoformat(),
        }
    )


def news_of(rule_id: int, user_id: int, symbol: str, text: str) -> News:
    """A firing from its message."""
    said: dict[str, Any] = json.loads(text)
    old_run, crossed, report = said["old_run"], said["crossed"], said["report"]
    return News(
        rule_id=rule_id,
        number=said["number"],
        user_id=user_id,
        wish=Wish(*said["wish"]),
        symbol=symbol,
        run=RunFacts.of(said["run"]),
        new=said["new"],
        old_run=None if old_run is None else RunFacts.of(old_run),
        old=said["old"],
        again_at=datetime.fromisoformat(said["again_at"]),
        crossed=None if crossed is None else RunFacts.of(crossed),
        limit=said["limit"],
        report=None if report is None else date.fromisoformat(report),
    )
