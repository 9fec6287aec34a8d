"""The rules of everybody: added, listed, changed and removed by their owners, judged on stored runs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from sqlite_utils import Database

from bot.failures import InputError
from bot.people.alerts.beginning import Begun, look_now, sample_of
from bot.people.alerts.evaluation import evaluate_run
from bot.people.alerts.look import Stored
from bot.people.alerts.outbox import drop_empty, replan
from bot.people.alerts.rows import STORED, keep_settings, settings_of, stored_of
from bot.people.alerts.rules import News, PersonSettings, Rule, Standing, Wish, shown_key
from bot.people.alerts.schema import MIGRATIONS
from bot.people.watchlists import Watchlists
from engine.record.store import Store

MOST_RULES = 20
"""Rules one person may keep."""
MOST_CHANNEL_RULES = 200
"""Rules that may be told in the channels of one server."""

_QUEUED = "SELECT count(*) FROM alert_deliveries WHERE state IN ('pending', 'sending')"
_OF_PERSON = f"{STORED} WHERE r.user_id = ? ORDER BY r.number"
_BY_NUMBER = f"{STORED} WHERE r.user_id = ? AND r.number = ?"
_BY_ID = f"{STORED} WHERE r.user_id = ? AND r.id = ?"
_INSERT = (
    "INSERT INTO alert_rules (user_id, number, subject, target, condition, metric, level, cooldown,"
    " guild_id, channel_id, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_NEXT_NUMBER = (
    "INSERT INTO alert_settings (user_id, last_number) VALUES (?, 1)"
    " ON CONFLICT (user_id) DO UPDATE SET last_number = last_number + 1 RETURNING last_number"
)
_INSERT_STATE = (
    "INSERT INTO alert_states (rule_id, user_id, seen, cooling, held) VALUES (?, ?, ?, '{}', '{}')"
    " ON CONFLICT (rule_id) DO UPDATE SET seen = excluded.seen, held = '{}'"
)


class Alerts:
    """Rules, what they remember, and settings; each method touches one person's only, `evaluate` everybody's.

    Any method may be called from any thread and raises StoreError when the file cannot be used.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        Watchlists(store)
        store.prepare(MIGRATIONS)

    def evaluate(self, run_id: int, now: datetime) -> int:
        """Judge every rule on a stored official run and keep what fired; how many firings there were.

        A run is judged once: a second call changes nothing and gives 0. Runs without a ranking and runs
        older than the newest judged are only marked. Raises StoreError when there is no such run.
        """
        return self.store.write(lambda db: evaluate_run(db, run_id, now))

    def add(self, user_id: int, wish: Wish, now: datetime, hint: int | None = None) -> Begun:
        """Keep a rule, its beginning taken from the newest run; what holds already does not fire.

        `hint` is a run of the market at hand, for a file that holds several. Raises InputError when the
        person has this rule or as many as one may have, or the server's channels carry too many.
        """
        return self.store.write(lambda db: _add(db, user_id, wish, now, hint))

    def queued(self) -> int:
        """Messages on their way, those that wait for the end of somebody's quiet hours among them."""
        with self.store.reading() as db:
            (count,) = db.execute(_QUEUED).fetchone()
        return int(count)

    def of_person(self, user_id: int) -> list[tuple[Rule, Standing]]:
        """A person's rules by number, each with how it stands."""
        with self.store.reading() as db:
            records = db.execute(_OF_PERSON, (user_id,)).fetchall()
        return [(stored.rule, _standing(stored)) for stored in map(stored_of, records)]

    def find(self, user_id: int, rule_id: int) -> Rule | None:
        """A person's rule by the id its buttons carry; None when it is gone."""
        with self.store.reading() as db:
            return _rule(db, _BY_ID, user_id, rule_id)

    def remove(self, user_id: int, number: int) -> Rule | None:
        """Delete a rule with what it had still to tell; None when there is none of that number."""

        def work(db: Database) -> Rule | None:
            rule = _rule(db, _BY_NUMBER, user_id, number)
            if rule is not None:
                db.execute("DELETE FROM alert_rules WHERE id = ? AND user_id = ?", (rule.id, user_id))
                drop_empty(db, user_id)
            return rule

        return self.store.write(work)

    def snooze(self, user_id: int, rule_id: int | None, until: datetime | None) -> int:
        """Keep one rule (or all: None) silent until an instant, or wake it; how many were touched.

        A crossing meanwhile waits and is told by the first run after it if it still holds.
        """
        sql = "UPDATE alert_rules SET snoozed_until = ? WHERE user_id = ? AND ifnull(id = ?, 1)"
        values = (None if until is None else until.isoformat(), user_id, rule_id)
        return self.store.write(lambda db: db.execute(sql, values).rowcount)

    def switch(self, user_id: int, rule_id: int | None, on: bool, hint: int | None = None) -> int:
        """Switch one rule (or all: None) off or on again; how many changed. On, it begins anew."""

        def work(db: Database) -> int:
            sql = f"{STORED} WHERE r.user_id = ? AND ifnull(r.id = ?, 1) AND r.off = ?"
            found = [stored_of(record) for record in db.execute(sql, (user_id, rule_id, int(on))).fetchall()]
            for stored in found:
                db.execute("UPDATE alert_rules SET off = ? WHERE id = ?", (int(not on), stored.rule.id))
                if on:
                    _begin(db, stored.rule, hint)
            return len(found)

        return self.store.write(work)

    def edit(
        self, user_id: int, rule_id: int, level: float | None, cooldown: int, hint: int | None = None
    ) -> Begun | None:
        """Give a rule another level and cooldown (in seconds); None when it is gone.

        With another level it begins anew, as a new rule does.
        """

        def work(db: Database) -> Begun | None:
            rule = _rule(db, _BY_ID, user_id, rule_id)
            if rule is None:
                return None
            changed = replace(rule, wish=replace(rule.wish, level=level, cooldown=cooldown))
            sql = "UPDATE alert_rules SET level = ?, cooldown = ? WHERE id = ? AND user_id = ?"
            db.execute(sql, (level, cooldown, rule_id, user_id))
            same = level == rule.wish.level
            return look_now(db, changed, hint).begun if same else _begin(db, changed, hint)

        return self.store.write(work)

    def sample(self, rule: Rule, now: datetime, hint: int | None = None) -> News | None:
        """The message a rule would send now: of a name it holds of, else of its first; None without a run."""
        with self.store.reading() as db:
            return sample_of(db, look_now(db, rule, hint), now)

    def settings(self, user_id: int) -> PersonSettings:
        """When the person wants to hear."""
        with self.store.reading() as db:
            return settings_of(db, user_id)

    def choose(self, user_id: int, settings: PersonSettings, now: datetime) -> None:
        """Keep other settings; what still waits to be sent is planned anew."""

        def work(db: Database) -> None:
            keep_settings(db, user_id, settings)
            replan(db, user_id, settings, now)

        self.store.write(work)


def _rule(db: Database, sql: str, user_id: int, which: int) -> Rule | None:
    record = db.execute(sql, (user_id, which)).fetchone()
    return None if record is None else stored_of(record).rule


def _add(db: Database, user_id: int, wish: Wish, now: datetime, hint: int | None) -> Begun:
    rules = [stored_of(record).rule for record in db.execute(_OF_PERSON, (user_id,)).fetchall()]
    twin = next((rule for rule in rules if _alike(rule.wish, wish)), None)
    if twin is not None:
        raise InputError(f"You have this rule already: it is #{twin.number}.")
    if len(rules) >= MOST_RULES:
        raise InputError(
            f"You have {MOST_RULES} rules, the most one person may keep; /alert remove makes room."
        )
    _check_server(db, wish)
    (number,) = db.execute(_NEXT_NUMBER, (user_id,)).fetchone()
    what = (wish.subject, wish.target, wish.condition, wish.metric, wish.level, wish.cooldown)
    rule_id = db.execute(
        _INSERT, (user_id, number, *what, *(wish.channel or (None, None)), now.isoformat())
    ).lastrowid
    assert rule_id is not None
    return _begin(db, Rule(rule_id, user_id, number, wish, now), hint)


def _alike(one: Wish, other: Wish) -> bool:
    return replace(one, cooldown=other.cooldown, channel=other.channel) == other


def _check_server(db: Database, wish: Wish) -> None:
    if wish.channel is None:
        return
    sql = "SELECT count(*) FROM alert_rules WHERE guild_id = ?"
    (count,) = db.execute(sql, (wish.channel[0],)).fetchone()
    if count >= MOST_CHANNEL_RULES:
        raise InputError(
            f"The channels of this server carry {MOST_CHANNEL_RULES} rules, the most there may be; "
            "deliver:dm still works, and every rule somebody removes makes room."
        )


def _begin(db: Database, rule: Rule, hint: int | None) -> Begun:
    """Let a rule remember the newest run, so that what holds there does not fire."""
    looked = look_now(db, rule, hint)
    db.execute(_INSERT_STATE, (rule.id, rule.user_id, looked.seen))
    return looked.begun


def _standing(stored: Stored) -> Standing:
    remembered = json.loads(stored.seen)
    cooling = json.loads(stored.cooling).items()
    return Standing(
        beyond=tuple(map(shown_key, remembered.get("beyond", "").split())),
        cooling=tuple((shown_key(key), datetime.fromtimestamp(until, UTC)) for key, until in cooling),
        waiting=tuple(map(shown_key, json.loads(stored.held))),
        known=sum(len(names.split()) for names in remembered.values()),
    )
