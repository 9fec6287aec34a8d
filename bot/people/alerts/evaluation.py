"""One stored run held against every rule, in one transaction: states, messages and the run marked as done."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from sqlite_utils import Database

from bot.people.alerts.frame import THRESHOLD, WORDS, Frame, Vocabulary, load_frame
from bot.people.alerts.look import Look, Stored, Watched, look, repacked
from bot.people.alerts.outbox import Outbox
from bot.people.alerts.rows import STORED, run_facts, stored_of
from bot.people.alerts.rules import News, Rule, RunFacts
from engine.errors import StoreError

PAGE = 2_000
"""Rules judged at a time: so many that arrays pay, so few that memory stays flat."""
KEPT = timedelta(days=90)
"""How long a message stays after it was delivered."""

_PAGE = f"{STORED} WHERE r.off = 0 AND (r.user_id, r.number) > (?, ?) ORDER BY r.user_id, r.number LIMIT ?"
_WATCHED = (
    "SELECT user_id, symbol FROM watched WHERE user_id BETWEEN ? AND ? ORDER BY user_id, position, symbol"
)
_METRICS = "SELECT DISTINCT metric FROM alert_rules WHERE metric <> ''"
_UPDATE = "UPDATE alert_states SET seen = ?, cooling = ?, held = ? WHERE rule_id = ?"
_RUN = "r.id, r.realm, r.profile, r.lens, r.rules_hash, r.state, r.session, r.kind"
_JUDGED = (
    f"SELECT {_RUN} FROM alert_runs a JOIN runs r ON r.id = a.run_id"  # noqa: S608
    " WHERE a.state = 'evaluated' ORDER BY a.id DESC LIMIT 1"
)
_EVALUABLE = "r.official = 1 AND r.state IN ('complete', 'degraded')"
_OF_SERIES = f"SELECT r.id FROM runs r WHERE {_EVALUABLE} AND r.realm = ? AND r.profile = ? AND r.lens = ?"  # noqa: S608
_FORGET = "UPDATE alert_states SET seen = '{}', cooling = '{}', held = '{}'"
_FORGET_VERDICTS = (
    "UPDATE alert_states SET seen = '{}', held = '{}' WHERE rule_id IN"
    " (SELECT id FROM alert_rules WHERE condition IN ('enters', 'leaves', 'signal', 'regime'))"
)
# Newest market first; within a session the close follows the open, and a correction what it corrects.
_NEWEST = "ORDER BY r.session DESC, r.kind = 'close' DESC, r.id DESC LIMIT 1"
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class _Run:
    id: int
    series: tuple[str, str, str]
    """Realm, profile, lens: the runs of other series are of another market or another list."""
    rules_hash: str
    state: str
    place: tuple[str, bool, int]


def evaluate_run(db: Database, run_id: int, now: datetime) -> int:
    """Judge every rule on a run; the number of firings. 0 and no change for a run that was judged before.

    A run without a ranking, and one older than the newest judged, is only marked. What was remembered of
    another realm is of another market, and lists and signals under other rules are other lists: rules
    about them begin anew. Raises StoreError when the record does not hold the run.
    """
    if db.execute("SELECT 1 FROM alert_runs WHERE run_id = ?", (run_id,)).fetchone() is not None:
        return 0
    run = _run(db, run_id)
    if run is None:
        raise StoreError(f"Run {run_id} is not in the record.")
    if run.state not in ("complete", "degraded"):
        return _mark(db, run, "no ranking", now, 0)
    last = _last_evaluated(db)
    if last is not None and last.series[0] == run.series[0]:
        if run.place <= last.place:
            return _mark(db, run, "overtaken", now, 0)
        if last.rules_hash != run.rules_hash:
            db.execute(_FORGET_VERDICTS)
        previous: int | None = last.id
    else:
        if last is not None:
            db.execute(_FORGET)
        previous = run_before(db, run.id)
    fired = _Judge(db, run.id, previous, now).judge()
    db.execute("DELETE FROM alert_deliveries WHERE ended_at < ?", ((now - KEPT).isoformat(),))
    return _mark(db, run, "evaluated", now, fired)


def baseline_run(db: Database, hint: int | None) -> int | None:
    """The run a new rule takes its beginning from: the newest that could be judged, of one series.

    The series is that of `hint` (the market at hand), else of the run judged last. Where neither is known
    it is the run that was stored first of the newest session: the others are of servers' own rules.
    """
    known = _run(db, hint) if hint is not None else None
    known = known or _last_evaluated(db)
    if known is None:
        first = "ORDER BY r.session DESC, r.kind = 'close' DESC, r.id LIMIT 1"
        newest = db.execute(f"SELECT r.id FROM runs r WHERE {_EVALUABLE} {first}").fetchone()  # noqa: S608
    else:
        newest = db.execute(f"{_OF_SERIES} {_NEWEST}", known.series).fetchone()
    return None if newest is None else int(newest[0])


def watchlists_of(db: Database, first: int, last: int) -> dict[int, list[str]]:
    """The watchlists of everybody whose id lies between two, both included."""
    found: dict[int, list[str]] = {}
    for user_id, symbol in db.execute(_WATCHED, (first, last)):
        found.setdefault(user_id, []).append(symbol)
    return found


def run_before(db: Database, run_id: int) -> int | None:
    """The newest run of the same series that could be judged, stored before a run and of no later market."""
    run = _run(db, run_id)
    if run is None:
        return None
    sql = f"{_OF_SERIES} AND r.id < ? AND (r.session, r.kind = 'close') <= (?, ?) {_NEWEST}"
    record = db.execute(sql, (*run.series, run.id, *run.place[:2])).fetchone()
    return None if record is None else int(record[0])


def _run(db: Database, run_id: int) -> _Run | None:
    record = db.execute(f"SELECT {_RUN} FROM runs r WHERE r.id = ?", (run_id,)).fetchone()  # noqa: S608
    return None if record is None else _placed(record)


def _last_evaluated(db: Database) -> _Run | None:
    """The run judged last; within its realm there is none newer."""
    record = db.execute(_JUDGED).fetchone()
    return None if record is None else _placed(record)


def _placed(record: Sequence[Any]) -> _Run:
    number, realm, profile, lens, rules_hash, state, session, kind = record
    return _Run(number, (realm, profile, lens), rules_hash, state, (session, kind == "close", number))


def _mark(db: Database, run: _Run, state: str, now: datetime, fired: int) -> int:
    sql = "INSERT INTO alert_runs (run_id, state, evaluated_at, fired) VALUES (?, ?, ?, ?)"
    db.execute(sql, (run.id, state, now.isoformat(), fired))
    return fired


class _Judge:
    """Every rule on one run, page by page."""

    def __init__(self, db: Database, run_id: int, previous: int | None, now: datetime) -> None:
        self._db = db
        self._now = now
        self._vocabulary = Vocabulary()
        metrics = {metric for (metric,) in db.execute(_METRICS)}
        self._frame = self._load(run_id, metrics)
        self._former = None if previous is None else self._load(previous, metrics)
        self._outbox = Outbox(db, now)

    def _load(self, run_id: int, metrics: Collection[str]) -> Frame:
        facts = run_facts(self._db, run_id)
        assert facts is not None, "the run was found a moment ago"
        return load_frame(self._db, facts, metrics, self._vocabulary)

    def judge(self) -> int:
        """The number of firings."""
        return sum(self._judge(page) for page in self._pages())

    def _pages(self) -> Iterator[list[Stored]]:
        last = (-1, 0)
        while records := self._db.execute(_PAGE, (*last, PAGE)).fetchall():
            page = [stored_of(record) for record in records]
            last = (page[-1].rule.user_id, page[-1].rule.number)
            yield page

    def _judge(self, page: Sequence[Stored]) -> int:
        lists = watchlists_of(self._db, page[0].rule.user_id, page[-1].rule.user_id)
        watched = Watched(self._frame, lists)
        seen = look(page, watched, self._frame, self._vocabulary, self._now)
        rules = sorted({*seen.rules_of(seen.changed), *seen.stale})
        self._db.conn.executemany(_UPDATE, [self._state(seen, rule, watched) for rule in rules])
        fired = 0
        for rule in seen.rules_of(seen.outcome.fires):
            for entry in self._firing(seen, rule):
                self._outbox.put(self._news(seen, rule, entry))
                fired += 1
        return fired

    @staticmethod
    def _firing(seen: Look, rule: int) -> list[int]:
        span = seen.span(rule)
        return [span.start + int(place) for place in np.flatnonzero(seen.outcome.fires[span])]

    def _state(self, seen: Look, rule: int, watched: Watched) -> tuple[str, str, str, int]:
        """The row of alert_states after the look."""
        stored, span = seen.stored[rule], seen.span(rule)
        names, now = seen.keys[span], self._now.timestamp()
        cooling = {name: until for name, until in json.loads(stored.cooling).items() if until > now}
        until = self._again_at(stored.rule).timestamp()
        cooling |= {seen.keys[entry]: until for entry in self._firing(seen, rule)}
        former = json.loads(stored.held)
        looked_at = watched.all_of(stored.rule)
        held = {name: former[name] for name in former if name in looked_at and name not in names}
        for place in np.flatnonzero(seen.held[span]).tolist():
            name = names[place]
            held[name] = former.get(name) or self._held(seen, rule, span.start + place)
        packed = repacked(seen, rule, watched, self._vocabulary)
        return packed, _compact(cooling), _compact(held), stored.rule.id

    def _again_at(self, rule: Rule) -> datetime:
        return self._now + timedelta(seconds=rule.wish.cooldown)

    def _held(self, seen: Look, rule: int, entry: int) -> list[Any]:
        """What to say of a crossing once it may be told: its run, and what stood there before."""
        old_run, old = self._old(seen, rule, entry)
        return [self._frame.facts.json, old_run and old_run.json, old]

    def _old(self, seen: Look, rule: int, entry: int) -> tuple[RunFacts | None, float | str | None]:
        """What stood there before, and in which run; a word remembered from further back has none."""
        wish, key, former = seen.stored[rule].rule.wish, seen.keys[entry], self._former
        value = None if former is None else former.value(wish, key, self._vocabulary)
        if wish.condition in WORDS and value is None:
            return None, self._vocabulary.words[int(seen.before[entry])]
        return None if former is None else former.facts, value

    def _news(self, seen: Look, rule: int, entry: int) -> News:
        each, key = seen.stored[rule], seen.keys[entry]
        held = json.loads(each.held).get(key)
        old_run, old = self._old(seen, rule, entry)
        if held is not None:
            old_run, old = held[1] and RunFacts.of(held[1]), held[2]
        earnings = each.rule.wish.condition == "earnings"
        return News(
            rule_id=each.rule.id,
            number=each.rule.number,
            user_id=each.rule.user_id,
            wish=each.rule.wish,
            symbol=key,
            run=self._frame.facts,
            new=self._frame.value(each.rule.wish, key, self._vocabulary),
            old_run=old_run,
            old=old,
            again_at=self._again_at(each.rule),
            crossed=None if held is None else RunFacts.of(held[0]),
            limit=self._frame.number(THRESHOLD, key),
            report=date.fromordinal(int(seen.dates[entry])) if earnings else None,
        )
