"""A thousand people with twenty rules on watchlists of fifty names: one run, judged from file to file."""

from __future__ import annotations

import statistics
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database

from bench.figure import Figure, seconds
from bot.people.alerts import Alerts
from bot.people.alerts.evaluate import ARMED, BEYOND, NONE_TOLD, UNKNOWN, changes, crossings, reports
from bot.people.alerts.metrics import NAME_METRICS
from engine.record.store import Store
from engine.screen.glossary import METRICS
from engine.screen.result import Coverage, Row, Run, Screen

PEOPLE, NAMES, RULES = 1_000, 50, 20
FEW = PEOPLE // 10
UNIVERSE = 600
ROUNDS = 5
FIRST = date(2026, 1, 5)
BEGIN = datetime(2026, 1, 5, 21, 16, tzinfo=UTC)
COOLDOWN = 72_000
TYPICAL = {
    **{"iv30": 0.30, "hv30": 0.28, "vrp_tactical": 1.1, "vrp_structural": 1.1},
    **{"iv_percentile": 50.0, "momentum": 1.0, "term_slope": 1.0, "spot": 100.0},
}
CONDITIONS = ("above", "below", "above", "below", "enters", "leaves", "regime", "signal", "earnings")
REGIMES, SIGNALS = ("NORMAL", "COILED", "EXPANDING"), ("FAIR", "RICH", "DISCOUNT", "EVENT")
TODAY, NEAR, NOON = 740_030, 5.0, 12.0
_EMPTY = dict.fromkeys(metric.column for metric in METRICS)


def run() -> list[Figure]:
    ratio = statistics.median(_against_a_loop(number) for number in range(ROUNDS))
    with tempfile.TemporaryDirectory() as folder:
        few = _Desk(Path(folder) / "few.db", FEW)
        whole = _Desk(Path(folder) / "whole.db", PEOPLE)
        took = statistics.median(whole.judged() for _ in range(ROUNDS))
        growth = whole.peak() / few.peak()
        fired = whole.fired
        for desk in (few, whole):
            desk.store.close()
    entries = PEOPLE * RULES * NAMES
    return [
        Figure(
            f"{entries:,} rule-names in arrays, times a loop over them", f"{ratio:.0f}", ">= 10", ratio >= 10
        ),
        Figure(f"a run against {PEOPLE * RULES:,} rules, file to file, seconds", f"{took:.1f}"),
        Figure("firings of that run, each with its message", f"{fired:,}"),
        Figure(f"memory for {PEOPLE:,} people in units of {FEW}", f"{growth:.1f}", "<= 2", growth <= 2),
    ]


class _Desk:
    """A record with everybody's rules, run after run."""

    def __init__(self, path: Path, people: int) -> None:
        self.store = Store.open(path)
        self.alerts = Alerts(self.store)
        self.fired = 0
        self._day = 0
        self.store.write(lambda db: _fill(db, people))
        self.judged()

    def judged(self) -> float:
        """Seconds for one more run."""
        run_id, now = self._next()
        return seconds(lambda: self._judge(run_id, now))

    def peak(self) -> float:
        """Bytes at the peak of one more run."""
        run_id, now = self._next()
        tracemalloc.start()
        self._judge(run_id, now)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return float(peak)

    def _next(self) -> tuple[int, datetime]:
        self._day += 1
        run_id = self.store.save(_market(self._day), "{}", official=True, realm="live")
        return run_id, BEGIN + timedelta(days=self._day)

    def _judge(self, run_id: int, now: datetime) -> None:
        self.fired = self.alerts.evaluate(run_id, now)


def _fill(db: Database, people: int) -> None:
    """Watchlists and rules straight into their tables: adding them one by one takes minutes."""
    random = np.random.default_rng(1)
    for user in range(1, people + 1):
        names = random.choice(UNIVERSE, NAMES, replace=False)
        watched = [(user, _name(int(name)), place, FIRST.isoformat()) for place, name in enumerate(names, 1)]
        db.conn.executemany("INSERT INTO watched VALUES (?, ?, ?, ?)", watched)
        rules = [(user, number, *_rule(number, random)) for number in range(1, RULES + 1)]
        db.conn.executemany(
            "INSERT INTO alert_rules"
            " (user_id, number, subject, target, condition, metric, level, cooldown, added_at)"
            f" VALUES (?, ?, 'watchlist', '', ?, ?, ?, {COOLDOWN}, '2026-01-01T00:00:00+00:00')",
            rules,
        )
    db.execute("INSERT INTO alert_states SELECT id, user_id, '{}', '{}', '{}' FROM alert_rules")


def _rule(number: int, random: np.random.Generator) -> tuple[str, str, float | None]:
    condition = CONDITIONS[number % len(CONDITIONS)]
    if condition in ("above", "below"):
        metric = list(TYPICAL)[number % len(TYPICAL)]
        return condition, metric, TYPICAL[metric] * float(random.uniform(0.8, 1.2))
    return condition, "", 5.0 if condition == "earnings" else None


def _name(number: int) -> str:
    return f"S{number:03d}"


def _market(day: int) -> Screen:
    """Every name near its own usual values, a little different each day."""
    session = FIRST + timedelta(days=day)
    rows = tuple(_row(name, day, session) for name in range(UNIVERSE))
    run = Run(
        asof=datetime.combine(session, time(21), UTC),
        session=session,
        kind="close",
        source="made up",
        lens="quarterly",
        profile="balanced",
        engine_version="0",
        rules_hash="0",
        state="complete",
    )
    return Screen(run, Coverage(UNIVERSE, UNIVERSE, 0), rows, ())


def _row(name: int, day: int, session: date) -> Row:
    usual, today = np.random.default_rng(name), np.random.default_rng((name, day))
    values: dict[str, Any] = {
        column: float(typical * usual.uniform(0.8, 1.2) * today.normal(1, 0.02))
        for column, typical in TYPICAL.items()
    }
    report = FIRST + timedelta(days=int(usual.integers(1, 90)))
    values |= {
        "regime": REGIMES[int(usual.integers(3)) if today.random() > 0.02 else 0],
        "earnings_days": float((report - session).days),
        "earnings_date": report.isoformat(),
    }
    passed = bool(usual.random() + today.normal(0, 0.01) > 0.7)
    signal = SIGNALS[int(usual.integers(4)) if today.random() > 0.02 else 0]
    return Row(_name(name), passed, None, signal, 50.0, 1.0, (), (), (), (), _EMPTY | values)


@dataclass
class _Day:
    """One run and everybody's rules in memory: `seen` and `until` hold a row a rule and a column a name."""

    condition: Any
    column: Any
    level: Any
    band: Any
    lists: Any
    market: Any
    words: Any
    dates: Any
    seen: Any
    until: Any

    @classmethod
    def made(cls, seed: int) -> _Day:
        """Levels all over the range of values, so that much crosses and much does not."""
        random, rules = np.random.default_rng(seed), PEOPLE * RULES
        level = random.uniform(0.9, 1.3, rules)
        dates = random.integers(740_000, 740_090, UNIVERSE)
        seen = random.integers(ARMED, BEYOND + 1, (rules, NAMES))
        return cls(
            condition=random.integers(0, len(CONDITIONS), rules),
            column=random.integers(0, len(TYPICAL), rules),
            level=level,
            band=np.array([NAME_METRICS["vrp_tactical"].band(each) for each in level]),
            lists=np.array([random.choice(UNIVERSE, NAMES, replace=False) for _ in range(PEOPLE)]),
            market=random.uniform(0.8, 1.4, (len(TYPICAL), UNIVERSE)),
            words=random.integers(0, 4, UNIVERSE),
            dates=dates,
            seen=np.where(random.random((rules, NAMES)) < 0.02, UNKNOWN, seen),
            until=random.uniform(0, 21, (rules, NAMES)),
        )


def _against_a_loop(seed: int) -> float:
    """How many times faster than a plain loop; both must find the same firings."""
    day = _Day.made(seed)
    loop, found = _Loop(day), list[int]()

    def timed(work: Callable[[], int]) -> float:
        return seconds(lambda: found.append(work()))

    ratio = timed(loop.run) / timed(lambda: _in_arrays(day))
    assert found[0] == found[1] > 0, found
    return ratio


def _in_arrays(day: _Day) -> int:
    """Every rule on every name of its owner's list, a family at a time."""
    names = np.array(CONDITIONS)
    word, report = np.isin(names, ("regime", "signal")), names == "earnings"
    sign = np.where(np.isin(names, ("below", "leaves")), -1.0, 1.0)
    family = np.where(word, 1, np.where(report, 2, 0))[day.condition]
    owner = np.repeat(np.arange(PEOPLE), RULES)
    fired = 0
    for which in range(3):
        rules = np.flatnonzero(family == which)
        members, seen, quiet = day.lists[owner[rules]], day.seen[rules], day.until[rules] > NOON
        if which == 0:
            turn = sign[day.condition[rules]][:, None]
            values = turn * day.market[day.column[rules][:, None], members]
            level, band = turn * day.level[rules][:, None], day.band[rules][:, None]
            outcome = crossings(values, level, band, seen, quiet)
        elif which == 1:
            outcome = changes(day.words[members], seen, quiet)
        else:
            dates = day.dates[members]
            outcome = reports((dates - TODAY).astype(np.float64), dates, np.array(NEAR), seen, quiet)
        fired += int(outcome.fires.sum())
    return fired


class _Loop:
    """The same rule by rule and name by name, over the dictionaries one would keep for it."""

    def __init__(self, day: _Day) -> None:
        self._rules = list(
            zip(
                day.condition.tolist(),
                day.column.tolist(),
                day.level.tolist(),
                day.band.tolist(),
                strict=True,
            )
        )
        self._lists = day.lists.tolist()
        columns, words, dates = day.market.T.tolist(), day.words.tolist(), day.dates.tolist()
        self._market = {
            name: {"values": columns[name], "word": words[name], "date": dates[name]}
            for name in range(UNIVERSE)
        }
        self._seen: dict[tuple[int, int], int] = {}
        self._until: dict[tuple[int, int], float] = {}
        for rule, (seen, until) in enumerate(zip(day.seen.tolist(), day.until.tolist(), strict=True)):
            names = self._lists[rule // RULES]
            self._seen.update(((rule, name), each) for name, each in zip(names, seen, strict=True))
            self._until.update(((rule, name), each) for name, each in zip(names, until, strict=True))

    def run(self) -> int:
        return sum(
            self._judge(rule, name) for rule in range(len(self._rules)) for name in self._lists[rule // RULES]
        )

    def _judge(self, rule: int, name: int) -> bool:
        condition, column, level, band = self._rules[rule]
        row, seen = self._market[name], self._seen[rule, name]
        quiet, kind = self._until[rule, name] > NOON, CONDITIONS[condition]
        if kind in ("regime", "signal"):
            fires, after = self._changed(row["word"], seen)
        elif kind == "earnings":
            fires, after = self._reported(row["date"], seen)
        else:
            turn = -1.0 if kind in ("below", "leaves") else 1.0
            fires, after = self._crossed(turn * row["values"][column], turn * level, band, seen)
        if quiet and fires:
            return False
        if after != seen:
            self._seen[rule, name] = after
        return fires

    @staticmethod
    def _changed(word: int, seen: int) -> tuple[bool, int]:
        return seen not in (UNKNOWN, word), word

    @staticmethod
    def _reported(date_: int, seen: int) -> tuple[bool, int]:
        near = 0 <= date_ - TODAY <= NEAR
        if seen == UNKNOWN:
            return False, date_ if near else NONE_TOLD
        return near and seen != date_, date_ if near else seen

    @staticmethod
    def _crossed(value: float, level: float, band: float, seen: int) -> tuple[bool, int]:
        if seen == UNKNOWN:
            return False, BEYOND if value > level else ARMED
        if seen == ARMED:
            return value > level, BEYOND if value > level else ARMED
        return False, ARMED if value < level - band else BEYOND
