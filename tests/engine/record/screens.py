"""Screens made by hand for the record's tests; also imported by the processes these tests start."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, date, datetime, time
from typing import Any

from engine.panel import Kind
from engine.record import Store
from engine.screen.glossary import METRICS
from engine.screen.result import Coverage, Gate, Row, Run, RunState, Screen, Value

RULES = "{}"
LIVE = "yahoo"
SIMULATED = "SIMULATED market, seed 7"
DAY = date(2026, 4, 29)


def a_row(symbol: str, **values: Any) -> Row:
    """One name; every metric that is not given is missing."""
    metrics: dict[str, Value] = {metric.column: None for metric in METRICS}
    unknown = set(values) - set(metrics)
    assert not unknown, f"no such metric: {unknown}"
    return Row(
        symbol=symbol,
        passed=True,
        rank=1,
        signal="FAIR",
        score=61.5,
        score_share=0.85,
        penalties=("compression",),
        flags=(),
        gates=(
            Gate("structural", "pass", 1.4, 1.1, 0.3, ">", False),
            Gate("iv_percentile", "unknown", None, 20.0, None, ">=", False),
        ),
        tags=(Gate("earnings", "fail", 3.0, 10.0, -7.0, ">", False),),
        values=metrics | values,
    )


def a_screen(
    *rows: Row,
    session: date = DAY,
    kind: Kind = "close",
    source: str = LIVE,
    profile: str = "balanced",
    lens: str = "quarterly",
    state: RunState = "complete",
    at: time = time(20, 0),
) -> Screen:
    """A run over the rows given, a single AAPL when none is."""
    held = rows or (a_row("AAPL", iv30=0.28),)
    run = Run(
        asof=datetime.combine(session, at, UTC),
        session=session,
        kind=kind,
        source=source,
        lens=lens,
        profile=profile,
        engine_version="0.1.0",
        rules_hash="0123456789ab",
        state=state,
        reason=None if state == "complete" else "the provider answered for a part of the names",
    )
    coverage = Coverage(len(held) + 1, len(held), len(held), {"no quotes": 1})
    return Screen(run, coverage, held, ("KO",), ("2 quotes left out",))


def closes(iv30: Mapping[str, float | None]) -> tuple[Row, ...]:
    """Rows that hold nothing but IV30."""
    return tuple(a_row(symbol, iv30=value) for symbol, value in iv30.items())


def many_names(count: int) -> tuple[Row, ...]:
    """As many rows, every numeric metric filled."""
    numbers = {m.column: 0.1234567890123 for m in METRICS if m.kind not in ("text", "flag")}
    return tuple(a_row(f"S{number:05d}", **numbers) for number in range(count))


def sql(store: Store, statement: str, *parameters: object) -> list[Any]:
    """What another program sees in the file."""
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(statement, parameters).fetchall()
