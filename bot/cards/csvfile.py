"""The full list as a CSV file: every column, every verdict, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from bot.cards.card import Attachment
from bot.cards.facts import SIMULATED
from engine.screen.glossary import METRICS
from engine.screen.result import Gate, Row, Run, Screen, Value

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LEADING = (
    *("rank", "symbol", "passed", "signal", "score", "score_share"),
    *("penalties", "flags", "failed_gates"),
)
_TRAILING = ("session", "kind", "source", "rules_hash")


def screen_csv(screen: Screen) -> Attachment:
    """All rows in the order of the screen; volatilities and ratios as fractions, missing as empty.

    A text cell that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    names = _gate_names(screen.rows)
    file = io.StringIO()
    writer = csv.writer(file)
    gate_columns = [f"{name}_{part}" for name in names for part in ("gate", "value", "limit", "distance")]
    writer.writerow((*_LEADING, *(metric.column for metric in METRICS), *gate_columns, *_TRAILING))
    for row in screen.rows:
        writer.writerow([cell(value) for value in _values(row, screen.run, names)])
    run = screen.run
    mark = f"{SIMULATED}_" if run.simulated else ""
    rows = f"{len(screen.rows)} names, {len(METRICS)} metrics, verdicts of {len(names)} gates"
    return Attachment(
        filename=f"{mark}variance_{run.session.isoformat()}_{run.kind}.csv",
        data=file.getvalue().encode("utf-8", "replace"),
        description=f"{SIMULATED}: {rows}" if run.simulated else rows,
    )


def _gate_names(rows: Iterable[Row]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(gate.name for gate in (*row.gates, *row.tags)))
    return list(names)


def _values(row: Row, run: Run, names: Iterable[str]) -> Iterable[Value]:
    yield from (row.rank, row.symbol, row.passed, row.signal, row.score, row.score_share)
    yield from (" ".join(row.penalties), " ".join(row.flags), " ".join(gate.name for gate in row.failed))
    yield from (row.values.get(metric.column) for metric in METRICS)
    gates: dict[str, Gate] = {gate.name: gate for gate in (*row.gates, *row.tags)}
    for name in names:
        gate = gates.get(name)
        yield from (gate.state, gate.value, gate.limit, gate.distance) if gate else (None, None, None, None)
    yield from (run.session.isoformat(), run.kind, run.source, run.rules_hash)


def cell(value: Value) -> str:
    """A value as a cell: missing is empty, a text no spreadsheet takes for a formula."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return repr(value) if isinstance(value, float) else str(value)
