"""How a rule stands in the newest stored run: what it begins from, and what its message would look like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlite_utils import Database

from bot.people.alerts.evaluate import UNKNOWN
from bot.people.alerts.evaluation import baseline_run, run_before, watchlists_of
from bot.people.alerts.frame import THRESHOLD, WORDS, Frame, Vocabulary, load_frame
from bot.people.alerts.look import Look, Stored, Watched, look, repacked
from bot.people.alerts.rows import run_facts
from bot.people.alerts.rules import News, Present, Rule, RunFacts


@dataclass(frozen=True, slots=True)
class Begun:
    """A rule with what it begins from: the run, and what stands there of each name it holds.

    `run` is None when no run is stored yet; the rule then begins with the first one.
    """

    rule: Rule
    run: RunFacts | None
    present: tuple[Present, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule against the newest run; `seen` is what it remembers of it (the column of alert_states)."""

    begun: Begun
    seen: str
    frame: Frame | None
    vocabulary: Vocabulary


def look_now(db: Database, rule: Rule, hint: int | None) -> Looked:
    """Look at the newest run that could be judged; nothing when there is none."""
    vocabulary = Vocabulary()
    frame = _frame(db, baseline_run(db, hint), rule, vocabulary)
    if frame is None:
        return Looked(Begun(rule, None, ()), "{}", None, vocabulary)
    watched = Watched(frame, watchlists_of(db, rule.user_id, rule.user_id))
    seen = look([Stored(rule)], watched, frame, vocabulary, rule.added_at)
    wish = rule.wish
    present = tuple(
        Present(key, frame.value(wish, key, vocabulary), holds)
        for key, holds in zip(seen.keys, _holding(seen, rule), strict=True)
        if frame.value(wish, key, vocabulary) is not None
    )
    return Looked(
        Begun(rule, frame.facts, present), repacked(seen, 0, watched, vocabulary), frame, vocabulary
    )


def sample_of(db: Database, looked: Looked, now: datetime) -> News | None:
    """The message a rule would send of a name it holds of, else of its first; None when it sees none."""
    frame, rule = looked.frame, looked.begun.rule
    present = sorted(looked.begun.present, key=lambda each: not each.holds)
    if frame is None or not present:
        return None
    key, wish = present[0].symbol, rule.wish
    former = _frame(db, run_before(db, frame.facts.run_id), rule, looked.vocabulary)
    return News(
        rule_id=rule.id,
        number=rule.number,
        user_id=rule.user_id,
        wish=wish,
        symbol=key,
        run=frame.facts,
        new=present[0].value,
        old_run=None if former is None else former.facts,
        old=None if former is None else former.value(wish, key, looked.vocabulary),
        again_at=now + timedelta(seconds=wish.cooldown),
        limit=frame.number(THRESHOLD, key),
        report=_report(frame, key) if wish.condition == "earnings" else None,
    )


def _frame(db: Database, run_id: int | None, rule: Rule, vocabulary: Vocabulary) -> Frame | None:
    facts = None if run_id is None else run_facts(db, run_id)
    return None if facts is None else load_frame(db, facts, {rule.wish.metric}, vocabulary)


def _holding(seen: Look, rule: Rule) -> list[bool]:
    """Whether the condition holds of each entry; a change has happened or not, it never holds."""
    if rule.wish.condition in WORDS:
        return [False] * len(seen.keys)
    return [code > 0 for code in seen.outcome.seen.tolist()]


def _report(frame: Frame, key: str) -> date | None:
    day = int(frame.reports[frame.place[key]])
    return None if day == UNKNOWN else date.fromordinal(day)
