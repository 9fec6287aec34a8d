"""A Screen as JSON and CSV: the forms others build on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from engine.screen.glossary import METRICS
from engine.screen.result import Gate, Row, Screen

_LEADING = ("symbol", "rank", "passed", "signal", "score", "score_share", "penalties", "flags", "failed")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def screen_json(screen: Screen, rows: Sequence[Row]) -> str:
    """Run, coverage, the given rows and the near misses; fractions, missing as null."""
    run, coverage = screen.run, screen.coverage
    shape = {
        "run": {
            "asof": run.asof.isoformat(),
            "session": run.session.isoformat(),
            "kind": run.kind,
            "source": run.source,
            "lens": run.lens,
            "profile": run.profile,
            "engine_version": run.engine_version,
            "rules_hash": run.rules_hash,
            "state": run.state,
            "reason": run.reason,
        },
        "coverage": {
            "universe": coverage.universe,
            "measured": coverage.measured,
            "passed": coverage.passed,
            "missing": dict(coverage.missing),
        },
        "rows": [row_shape(row) for row in rows],
        "near_misses": list(screen.near_misses),
        "notes": list(screen.notes),
    }
    return json.dumps(shape, indent=1, allow_nan=False)


def row_shape(row: Row) -> dict[str, Any]:
    """One name with its gates; `tags` are judged alike but keep nobody out."""
    return {
        "symbol": row.symbol,
        "passed": row.passed,
        "rank": row.rank,
        "signal": row.signal,
        "score": row.score,
        "score_share": row.score_share,
        "penalties": list(row.penalties),
        **row.values,
        "provenance": row.provenance or None,
        "flags": list(row.flags),
        "gates": [gate_shape(gate) for gate in row.gates],
        "tags": [gate_shape(gate) for gate in row.tags],
    }


def gate_shape(gate: Gate) -> dict[str, Any]:
    """One verdict; numbers in the value's own unit, missing as null."""
    return {
        "name": gate.name,
        "state": gate.state,
        "value": gate.value,
        "limit": gate.limit,
        "distance": gate.distance,
        "comparison": gate.comparison,
        "blocks": gate.blocks,
    }


def screen_csv(rows: Sequence[Row]) -> str:
    """One line a name, every column; missing is an empty cell, texts cannot become formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_LEADING, *(metric.column for metric in METRICS)])
    for row in rows:
        leading = (
            row.symbol,
            row.rank,
            row.passed,
            row.signal,
            row.score,
            row.score_share,
            " ".join(row.penalties),
            " ".join(row.flags),
            " ".join(gate.name for gate in row.failed),
        )
        cells = [*leading, *(row.values[metric.column] for metric in METRICS)]
        writer.writerow([harmless(cell) for cell in cells])
    return out.getvalue()


def harmless(cell: object) -> object:
    """A text that a spreadsheet would run gets an apostrophe in front."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return "" if cell is None else cell
