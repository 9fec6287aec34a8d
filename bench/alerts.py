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
ROUNDS = 3
FIRST = date(2026, 1, 5)
BEGIN = datetime(2026, 1, 5, 21, 16, tzinfo=UTC)
COOLDOWN = 72_000
TYPICAL = {
    **{"iv30": 0.30, "hv30": 0.28, "vrp_tactical": 1.1, "vrp_structural": 1.1},
    **{"iv_percentile": 50.0, "momentum": 1.0, "term_slope": 1.0, "spot": 100.0},
}
CONDITIONS = ("above", "below", "above", "below", "enters", "leaves", "regime", "signal", "earnings")
REGIMES, SIGNALS = ("NORMAL", "COILED", "EXPANDING"), ("FAIR", "RICH", "DISCOUNT", "EVENT")
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
class _Entries:
    """Rule-names as columns: what they are about, what they remember, whether they are silent."""

    condition: Any
    value: Any
    level: Any
    band: Any
    word: Any
    days: Any
    date: Any
    seen: Any
    quiet: Any


def _against_a_loop(seed: int) -> float:
    """How many times faster than a plain loop; both must find the same firings."""
    entries = _entries(np.random.default_rng(seed))
    columns = [getattr(entries, name).tolist() for name in _Entries.__dataclass_fields__]
    found: list[int] = []

    def timed(work: Callable[[], int]) -> float:
        return seconds(lambda: found.append(work()))

    ratio = timed(lambda: _loop(*columns)) / timed(lambda: _in_arrays(entries))
    assert found[0] == found[1] > 0, found
    return ratio


def _entries(random: np.random.Generator) -> _Entries:
    count = PEOPLE * RULES * NAMES
    condition = np.repeat(random.integers(0, len(CONDITIONS), PEOPLE * RULES), NAMES)
    level = np.repeat(random.uniform(0.9, 1.3, PEOPLE * RULES), NAMES)
    metric = NAME_METRICS["vrp_tactical"]
    band = np.repeat(np.array([metric.band(each) for each in level[::NAMES]]), NAMES)
    family = np.array(CONDITIONS)[condition]
    word, date_ = random.integers(0, 4, count), random.integers(740_000, 740_090, count)
    seen = random.integers(ARMED, BEYOND + 1, count)
    seen = np.where(np.isin(family, ("regime", "signal")), random.integers(0, 4, count), seen)
    seen = np.where(family == "earnings", np.where(random.random(count) < 0.5, date_, NONE_TOLD), seen)
    seen = np.where(random.random(count) < 0.02, UNKNOWN, seen)
    value = np.where(random.random(count) < 0.01, np.nan, random.uniform(0.8, 1.4, count))
    days = random.integers(0, 90, count).astype(np.float64)
    quiet = random.random(count) < 0.05
    return _Entries(condition, value, level, band, word, days, date_, seen, quiet)


def _in_arrays(e: _Entries) -> int:
    names = np.array(CONDITIONS)
    sign = np.where(np.isin(names, ("below", "leaves")), -1.0, 1.0)[e.condition]
    word, report = np.isin(names, ("regime", "signal"))[e.condition], (names == "earnings")[e.condition]
    level = ~(word | report)
    rises = crossings(
        sign[level] * e.value[level],
        sign[level] * e.level[level],
        e.band[level],
        e.seen[level],
        e.quiet[level],
    )
    moved = changes(e.word[word], e.seen[word], e.quiet[word])
    within = np.full(int(report.sum()), 5.0)
    near = reports(e.days[report], e.date[report], within, e.seen[report], e.quiet[report])
    return sum(int(outcome.fires.sum()) for outcome in (rises, moved, near))


def _loop(*columns: list[Any]) -> int:
    """Rule by rule, name by name."""
    fired = 0
    after = []
    for condition, value, level, band, word, days, date_, seen, quiet in zip(*columns, strict=True):
        name = CONDITIONS[condition]
        if name in ("regime", "signal"):
            fires = word != UNKNOWN and seen != UNKNOWN and word != seen and not quiet
            seen = word if fires or seen == UNKNOWN else seen
        elif name == "earnings":
            near = 0 <= days <= 5
            fires = near and seen not in (UNKNOWN, date_) and not quiet
            seen = date_ if fires or (near and seen == UNKNOWN) else NONE_TOLD if seen == UNKNOWN else seen
        else:
            down = name in ("below", "leaves")
            beyond = value < level if down else value > level
            fires = beyond and seen == ARMED and not quiet
            if fires:
                seen = BEYOND
            elif seen == BEYOND and (value > level + band if down else value < level - band):
                seen = ARMED
            elif seen == UNKNOWN and value == value:
                seen = BEYOND if beyond else ARMED
        fired += fires
        after.append(seen)
    return fired
