"""One stored run as columns: every name and every pair a row, as far as rules ask for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from sqlite_utils import Database

from bot.people.alerts.evaluate import UNKNOWN
from bot.people.alerts.metrics import NAME_METRICS, PAIR_METRICS
from bot.people.alerts.rules import PAIR_PREFIX, RunFacts, Wish
from engine.arrays import FloatArray, IntArray
from engine.screen.result import EARLY

PASSED = "passed"
THRESHOLD = "threshold"
HEADROOM = "headroom"
"""A pair's correlation less its threshold: below 0 the pair is broken."""
NO_DATA = "no data"
"""The signal of a pair that could not be told of."""
LISTED, NOT_LISTED = "in the list", "not in the list"
WORDS = ("regime", "signal")
_ALWAYS = ("symbol", "passed", "missing_reason", "regime", "signal", "earnings_days", "earnings_date")
_PAIR_COLUMNS = ("pair", "signal", THRESHOLD, *PAIR_METRICS)


class Vocabulary:
    """Words and their codes, growing as words turn up."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._codes: dict[str, int] = {}

    def code(self, word: str | None) -> int:
        """The code of a word, UNKNOWN for None."""
        if word is None:
            return UNKNOWN
        found = self._codes.setdefault(word, len(self.words))
        if found == len(self.words):
            self.words.append(word)
        return found


@dataclass(frozen=True, slots=True)
class Frame:
    """A run's rows by key (a ticker, or `pair:ID`); what a row lacks is NaN or UNKNOWN."""

    facts: RunFacts
    keys: tuple[str, ...]
    numbers: dict[str, FloatArray]
    words: dict[str, IntArray]
    reports: IntArray
    """The day number of the next report."""
    place: dict[str, int] = field(default_factory=dict)

    def number(self, column: str, key: str) -> float | None:
        """One value; None when it is missing, the row or the whole column too."""
        row, values = self.place.get(key), self.numbers.get(column)
        if row is None or values is None or np.isnan(values[row]):
            return None
        return float(values[row])

    def value(self, wish: Wish, key: str, vocabulary: Vocabulary) -> float | str | None:
        """What a condition is about, as a number or a word; None when it is missing."""
        match wish.condition:
            case "regime" | "signal":
                row = self.place.get(key)
                code = UNKNOWN if row is None else int(self.words[wish.condition][row])
                return None if code == UNKNOWN else vocabulary.words[code]
            case "enters" | "leaves":
                passed = self.number(PASSED, key)
                return None if passed is None else LISTED if passed else NOT_LISTED
            case _:
                return self.number(wish.column, key)


def load_frame(db: Database, facts: RunFacts, columns: Collection[str], vocabulary: Vocabulary) -> Frame:
    """A stored run with the metric columns named, besides the few that every condition needs.

    Names that could not be measured hold nothing; those ruled out early were judged and hold what they
    have. A pair that could not be told of has no signal.
    """
    wanted = sorted(set(columns) & set(NAME_METRICS) - set(_ALWAYS))
    names = _rows(db, "observations", (*_ALWAYS, *wanted), facts.run_id)
    held = [row for row in names if row["missing_reason"] in (None, EARLY)]
    pairs = _rows(db, "pair_observations", _PAIR_COLUMNS, facts.run_id)
    rows = [*held, *pairs]
    keys = (*(row["symbol"] for row in held), *(PAIR_PREFIX + row["pair"] for row in pairs))
    numbers = {column: _floats(rows, column) for column in (*wanted, "earnings_days", PASSED, *PAIR_METRICS)}
    numbers[THRESHOLD] = _floats(rows, THRESHOLD)
    numbers[HEADROOM] = numbers["correlation"] - numbers[THRESHOLD]
    return Frame(
        facts=facts,
        keys=keys,
        numbers=numbers,
        words={word: _codes((row.get(word) for row in rows), vocabulary) for word in WORDS},
        reports=np.array([_report(row, facts.session) for row in rows], dtype=np.int64),
        place={key: place for place, key in enumerate(keys)},
    )


def _rows(db: Database, table: str, columns: Sequence[str], run_id: int) -> list[dict[str, Any]]:
    named = ", ".join(f'"{column}"' for column in columns)
    # Only names of this package go into the text.
    found = db.execute(f"SELECT {named} FROM {table} WHERE run_id = ?", (run_id,))  # noqa: S608
    return [dict(zip(columns, record, strict=True)) for record in found]


def _floats(rows: Iterable[dict[str, Any]], column: str) -> FloatArray:
    return np.array([row.get(column) for row in rows], dtype=np.float64)


def _codes(words: Iterable[str | None], vocabulary: Vocabulary) -> IntArray:
    return np.array([vocabulary.code(None if word == NO_DATA else word) for word in words], dtype=np.int64)


def _report(row: dict[str, Any], session: date) -> int:
    """The day number of the report; a date that is missing is counted from the session."""
    said, days = row.get("earnings_date"), row.get("earnings_days")
    if said is not None:
        try:
            return date.fromisoformat(said).toordinal()
        except ValueError:
            pass  # not a date: the days tell as well
    return UNKNOWN if days is None else session.toordinal() + int(days)
