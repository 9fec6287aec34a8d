"""What a screen yields: frozen results the cards, the command line and the record all read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from engine.panel import Kind

EARLY = "ruled out before its chain was asked for"
"""Missing reason of a name whose closes or metrics alone already failed a gate: judged, not lacking."""

Value = float | int | bool | str | None
RunState = Literal["complete", "degraded", "outage", "aborted"]
GateState = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate's verdict on one name.

    `distance` is value - limit turned so that positive lies on the passing side, in the value's own
    unit; None where the gate compares no number. `comparison` is the text between value and limit.
    `blocks` tells whether a name must not stand in the list because of this verdict.
    """

    name: str
    state: GateState
    value: float | None
    limit: float | None
    distance: float | None
    comparison: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One name of a screen: its metrics, its verdicts, its score.

    `values` holds every column of the glossary (engine.screen.glossary); volatilities and ratios are
    fractions, missing is None. `gates` are those in force; `tags` are the ones the profile only shows
    (earnings under the tag policy; dead legs and slippage when not strict).
    """

    symbol: str
    passed: bool
    rank: int | None
    signal: str | None
    score: float | None
    score_share: float | None
    """Weight of the components that were present, 0..1."""
    penalties: tuple[str, ...]
    flags: tuple[str, ...]
    gates: tuple[Gate, ...]
    tags: tuple[Gate, ...]
    values: Mapping[str, Value]

    def number(self, column: str) -> float | None:
        """A numeric column, None when missing. Raises KeyError for an unknown column."""
        value = self.values[column]
        return float(value) if isinstance(value, int | float) else None

    def text(self, column: str) -> str | None:
        """A text column, None when missing. Raises KeyError for an unknown column."""
        value = self.values[column]
        return value if isinstance(value, str) else None

    @property
    def provenance(self) -> dict[str, dict[str, Any]]:
        """Source, method and time of each value by its column; empty where a market brings none."""
        text = self.text("provenance")
        said: dict[str, dict[str, Any]] = json.loads(text) if text else {}
        return said

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that keep the name out of the list."""
        return tuple(gate for gate in self.gates if gate.blocks)


@dataclass(frozen=True, slots=True)
class Run:
    """When, from what and under which rules a screen was made."""

    asof: datetime
    session: date
    kind: Kind
    source: str
    lens: str
    profile: str
    engine_version: str
    rules_hash: str
    state: RunState
    reason: str | None = None
    """Why the run is not complete, in one sentence."""

    @property
    def simulated(self) -> bool:
        """Whether the numbers come from the simulated market."""
        return self.source.startswith("SIMULATED")


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many names were asked for, measured and listed, and why the rest is missing."""

    universe: int
    measured: int
    passed: int
    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the universe that was measured or ruled out for good, 0..1; 0 for an empty universe."""
        return (self.measured + self.missing.get(EARLY, 0)) / self.universe if self.universe else 0.0


@dataclass(frozen=True, slots=True)
class Screen:
    """One judged market: rows by rank (passed by score, then near misses, then the rest by symbol)."""

    run: Run
    coverage: Coverage
    rows: tuple[Row, ...]
    near_misses: tuple[str, ...]
    """Names one gate short, nearest first."""
    notes: tuple[str, ...] = ()
    """Facts about the run worth a footnote: fallbacks taken, quotes left out."""

    @property
    def passed(self) -> tuple[Row, ...]:
        """The list: names that pass every gate, best score first."""
        return tuple(row for row in self.rows if row.passed)

    def find(self, symbol: str) -> Row | None:
        """The row of a ticker, None when the run does not hold it."""
        return next((row for row in self.rows if row.symbol == symbol), None)

    def narrowed(self, symbols: Sequence[str]) -> Screen:
        """The same run seen through fewer names; verdicts and ranks stay, coverage is counted anew."""
        wanted = set(symbols)
        rows = tuple(row for row in self.rows if row.symbol in wanted)
        missing: dict[str, int] = {}
        for row in rows:
            reason = row.text("missing_reason")
            if reason is not None:
                missing[reason] = missing.get(reason, 0) + 1
        measured = len(rows) - sum(missing.values())
        return Screen(
            run=self.run,
            coverage=Coverage(len(rows), measured, sum(row.passed for row in rows), missing),
            rows=rows,
            near_misses=tuple(symbol for symbol in self.near_misses if symbol in wanted),
            notes=self.notes,
        )

    def unranked(self) -> Screen:
        """The same run of a name looked up by itself: where it would stand among others is not known."""
        return replace(self, rows=tuple(replace(row, rank=None) for row in self.rows))
