"""Many rules against one run: their names flattened into arrays, judged at once, and packed up again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import repeat
from typing import Any

import numpy as np

from bot.people.alerts.evaluate import (
    ARMED,
    BEYOND,
    NONE_TOLD,
    UNKNOWN,
    Outcome,
    changes,
    crossings,
    reports,
)
from bot.people.alerts.frame import HEADROOM, PASSED, WORDS, Frame, Vocabulary
from bot.people.alerts.rules import Condition, Rule, key_of
from engine.arrays import BoolArray, FloatArray, IntArray

_DOWNWARD: tuple[Condition, ...] = ("below", "leaves", "breaks")
_LABELS = {"armed": ARMED, "beyond": BEYOND}
_NO_REPORT = "none"
_LEVEL, _WORD, _REPORT = range(3)
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Stored:
    """A rule with what it remembers, as stored (see the table alert_states)."""

    rule: Rule
    seen: str = "{}"
    cooling: str = "{}"
    held: str = "{}"


@dataclass(frozen=True, slots=True)
class Look:
    """Entries in the order of the rules, each rule's names in the order of its members.

    `ends` are the places behind the last entry of each rule. `values` are NaN where the condition is
    about a word, `words` UNKNOWN where it is about a number.
    """

    stored: Sequence[Stored]
    keys: Sequence[str]
    ends: IntArray
    values: FloatArray
    words: IntArray
    dates: IntArray
    before: IntArray
    was_held: BoolArray
    outcome: Outcome
    held: BoolArray
    """Entries that wait: held back now, or before and missing now."""
    stale: Sequence[int]
    """Rules that remember a name they no longer look at: put on the list again, it shall begin anew."""

    @property
    def changed(self) -> BoolArray:
        """Entries of which something else is to be remembered."""
        otherwise = np.not_equal(self.outcome.seen, self.before)
        changed: BoolArray = otherwise | self.outcome.fires | np.not_equal(self.held, self.was_held)
        return changed

    def span(self, rule: int) -> slice:
        """The entries of a rule."""
        return slice(int(self.ends[rule - 1]) if rule else 0, int(self.ends[rule]))

    def rules_of(self, mask: BoolArray) -> list[int]:
        """The rules that have an entry in the mask."""
        return sorted(set(np.searchsorted(self.ends, np.flatnonzero(mask), side="right").tolist()))


class Watched:
    """The names of each rule that a run holds; watchlists are worked out once a person."""

    def __init__(self, frame: Frame, watchlists: Mapping[int, Sequence[str]]) -> None:
        self._frame = frame
        self._watchlists = watchlists
        self._found: dict[int, tuple[list[str], list[int]]] = {}

    def of(self, rule: Rule) -> tuple[list[str], list[int]]:
        """Keys and rows of a rule's names, those left out that the run does not hold."""
        if rule.wish.subject != "watchlist":
            return self._rows([key_of(rule.wish.subject, rule.wish.target)])
        found = self._found.get(rule.user_id)
        if found is None:
            found = self._found[rule.user_id] = self._rows(self._watchlists.get(rule.user_id, ()))
        return found

    def all_of(self, rule: Rule) -> Sequence[str]:
        """Every key a rule looks at, held by the run or not."""
        if rule.wish.subject == "watchlist":
            return self._watchlists.get(rule.user_id, ())
        return (key_of(rule.wish.subject, rule.wish.target),)

    def _rows(self, keys: Sequence[str]) -> tuple[list[str], list[int]]:
        place = self._frame.place
        kept = [key for key in keys if key in place]
        return kept, [place[key] for key in kept]


def look(
    stored: Sequence[Stored], watched: Watched, frame: Frame, vocabulary: Vocabulary, now: datetime
) -> Look:
    """Judge every rule on every name it looks at."""
    keys: list[str] = []
    rows: list[int] = []
    seen: list[int] = []
    cooling: list[float] = []
    held: list[bool] = []
    ends: list[int] = []
    stale: list[int] = []
    for each in stored:
        names, places = watched.of(each.rule)
        keys += names
        rows += places
        codes = remembered(each, vocabulary)
        if len(codes) > len(names) and not codes.keys() <= set(watched.all_of(each.rule)):
            stale.append(len(ends))
        seen += map(codes.get, names, repeat(UNKNOWN))
        cooling += _cooling_of(each, names, now)
        held += (
            map(json.loads(each.held).__contains__, names) if each.held != "{}" else repeat(False, len(names))
        )
        ends.append(len(keys))
    entries = _Entries(stored, frame, np.array(rows, dtype=np.int64), np.diff(ends, prepend=0))
    quiet = np.array(cooling, dtype=np.float64) > now.timestamp()
    before, waited = np.array(seen, dtype=np.int64), np.array(held, dtype=np.bool_)
    outcome = entries.judged(before, quiet)
    missing = np.isnan(entries.values) & (entries.words == UNKNOWN)
    return Look(
        stored=stored,
        keys=keys,
        ends=np.array(ends, dtype=np.int64),
        values=entries.values,
        words=entries.words,
        dates=entries.dates,
        before=before,
        was_held=waited,
        outcome=outcome,
        held=outcome.held | (waited & missing),
        stale=stale,
    )


def remembered(stored: Stored, vocabulary: Vocabulary) -> dict[str, int]:
    """What a rule remembers of each name, as the codes of `evaluate`."""
    codes: dict[str, int] = {}
    family = family_of(stored.rule.wish.condition)
    for label, names in json.loads(stored.seen).items():
        codes.update(dict.fromkeys(names.split(" "), _code(family, label, vocabulary)))
    return codes


def packed(codes: Mapping[str, int], condition: Condition, vocabulary: Vocabulary) -> str:
    """`remembered` the other way round, for the column `seen`."""
    names: dict[int, list[str]] = {}
    for key, code in codes.items():
        if code != UNKNOWN:
            names.setdefault(code, []).append(key)
    family = family_of(condition)
    return _compact({_label(family, code, vocabulary): " ".join(found) for code, found in names.items()})


def repacked(look: Look, rule: int, watched: Watched, vocabulary: Vocabulary) -> str:
    """The column `seen` of a rule after a look; names it no longer looks at are forgotten."""
    each, span = look.stored[rule], look.span(rule)
    codes = remembered(each, vocabulary)
    codes.update(zip(look.keys[span], look.outcome.seen[span].tolist(), strict=True))
    codes = {key: codes[key] for key in watched.all_of(each.rule) if key in codes}
    return packed(codes, each.rule.wish.condition, vocabulary)


def family_of(condition: Condition) -> int:
    """Whether a condition is about a level, a word or a report."""
    if condition in WORDS:
        return _WORD
    return _REPORT if condition == "earnings" else _LEVEL


def _code(family: int, label: str, vocabulary: Vocabulary) -> int:
    if family == _WORD:
        return vocabulary.code(label)
    if family == _REPORT:
        return NONE_TOLD if label == _NO_REPORT else date.fromisoformat(label).toordinal()
    return _LABELS[label]


def _label(family: int, code: int, vocabulary: Vocabulary) -> str:
    if family == _WORD:
        return vocabulary.words[code]
    if family == _REPORT:
        return _NO_REPORT if code == NONE_TOLD else date.fromordinal(code).isoformat()
    return "beyond" if code == BEYOND else "armed"


def _cooling_of(stored: Stored, names: Sequence[str], now: datetime) -> Any:
    """Until when each name is quiet, in epoch seconds; 0 for one that is not."""
    if stored.rule.snoozed(now):
        return repeat(np.inf, len(names))
    if stored.cooling == "{}":
        return repeat(0.0, len(names))
    return map(json.loads(stored.cooling).get, names, repeat(0.0))


class _Entries:
    """The values every entry is about."""

    def __init__(self, stored: Sequence[Stored], frame: Frame, rows: IntArray, counts: IntArray) -> None:
        wishes = [each.rule.wish for each in stored]
        self._family = np.repeat(_ints(family_of(wish.condition) for wish in wishes), counts)
        self._sign = np.repeat(
            np.array([-1.0 if wish.condition in _DOWNWARD else 1.0 for wish in wishes]), counts
        )
        self._level = np.repeat(
            np.array([_level(wish.condition, wish.level) for wish in wishes], dtype=np.float64), counts
        )
        self._band = np.repeat(np.array([wish.band for wish in wishes], dtype=np.float64), counts)
        columns = sorted(frame.numbers)
        # The last row is of nothing: a column this version no longer knows never fires.
        nothing = np.full(len(frame.keys), np.nan)
        matrix = np.vstack([*(frame.numbers[column] for column in columns), nothing])
        of_column = {column: place for place, column in enumerate(columns)}
        column = _ints(of_column.get(_read(wish.condition, wish.column), len(columns)) for wish in wishes)
        self.values = matrix[np.repeat(column, counts), rows]
        self.values[self._family == _WORD] = np.nan
        word = np.repeat(
            _ints(WORDS.index(wish.condition) if wish.condition in WORDS else 0 for wish in wishes), counts
        )
        words = np.vstack([frame.words[each] for each in WORDS])
        self.words = np.where(self._family == _WORD, words[word, rows], UNKNOWN)
        self.dates = frame.reports[rows]

    def judged(self, seen: IntArray, quiet: BoolArray) -> Outcome:
        """Every family by its own rule."""
        fires, held, after = np.zeros_like(quiet), np.zeros_like(quiet), seen.copy()
        for family in (_LEVEL, _WORD, _REPORT):
            mine = np.flatnonzero(self._family == family)
            outcome = self._judge(family, mine, seen[mine], quiet[mine])
            fires[mine], held[mine], after[mine] = outcome.fires, outcome.held, outcome.seen
        return Outcome(fires, held, after)

    def _judge(self, family: int, mine: IntArray, seen: IntArray, quiet: BoolArray) -> Outcome:
        if family == _WORD:
            return changes(self.words[mine], seen, quiet)
        if family == _REPORT:
            return reports(self.values[mine], self.dates[mine], self._level[mine], seen, quiet)
        sign = self._sign[mine]
        return crossings(sign * self.values[mine], sign * self._level[mine], self._band[mine], seen, quiet)


def _read(condition: Condition, column: str) -> str:
    """The column a level is held against."""
    if condition == "breaks":
        return HEADROOM
    return PASSED if condition in ("enters", "leaves") else column


def _level(condition: Condition, level: float | None) -> float:
    if level is not None:
        return level
    return 0.5 if condition in ("enters", "leaves") else 0.0


def _ints(numbers: Any) -> IntArray:
    return np.fromiter(numbers, dtype=np.int64)
