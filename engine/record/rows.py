"""A Screen as rows of the record and back; plain Python values only, NaN as NULL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from engine.screen.gates import GATE_NAMES
from engine.screen.glossary import METRICS
from engine.screen.result import Coverage, Gate, GateState, Row, Run, Screen

Realm = Literal["live", "recorded", "simulated"]
"""Which market a run belongs to. Series of one realm never hold a value of another."""

Plain = float | int | str | None

METRIC_COLUMNS: tuple[str, ...] = tuple(metric.column for metric in METRICS)
FLAG_COLUMNS: tuple[str, ...] = tuple(metric.column for metric in METRICS if metric.kind == "flag")
ROW_COLUMNS = ("symbol", "position", "rank", "passed", "signal", "score", "score_share", "penalties", "flags")
OBSERVATION_COLUMNS: tuple[str, ...] = (*ROW_COLUMNS, *METRIC_COLUMNS)
RUN_COLUMNS = (
    "key",
    "realm",
    "official",
    "session",
    "kind",
    "asof",
    "source",
    "lens",
    "profile",
    "engine_version",
    "rules_hash",
    "state",
    "reason",
    "universe",
    "measured",
    "passed",
    "missing",
    "near_misses",
    "notes",
)

_STATE_LETTERS: dict[GateState, str] = {"pass": "p", "fail": "f", "unknown": "u"}
_LETTER_STATES: dict[str, GateState] = {letter: state for state, letter in _STATE_LETTERS.items()}
_NO_BITS = (0, 0)
_BITS = {
    (name, letter): (bit if letter == "p" else 0, bit)
    for name, bit in ((name, 1 << place) for place, name in enumerate(GATE_NAMES))
    for letter in "pf"
}
_metrics_of = itemgetter(*METRIC_COLUMNS)
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One stored run without its rows.

    `revision` counts corrections of the same key from 1; an earlier revision stays as it was.
    """

    id: int
    key: str
    revision: int
    realm: Realm
    official: bool
    run: Run
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Packed:
    """A Screen in the order of RUN_COLUMNS, OBSERVATION_COLUMNS and (symbol, gates, tags)."""

    run: tuple[Plain, ...]
    observations: list[tuple[Plain, ...]]
    verdicts: list[tuple[Plain, ...]]


def quoted(columns: Sequence[str], table: str = "") -> str:
    """Column names for the text of a statement; only names of this package ever go there."""
    return ", ".join(f'{table}"{column}"' for column in columns)


def realm_of(run: Run, realm: Realm) -> Realm:
    """The realm a run is kept in: a simulated source is simulated whatever it is announced as."""
    return "simulated" if run.simulated else realm


def key_of(run: Run, realm: Realm, official: bool) -> str:
    """What makes two runs versions of one another.

    The live market is one market, whoever delivers it: a second source corrects the first. A recording
    or a simulation is a market of its own, told apart by its source. What a person asked for beside the
    schedule is a series of its own and never corrects an official run.
    """
    market = realm if realm == "live" else f"{realm}-{hashlib.sha256(run.source.encode()).hexdigest()[:8]}"
    series = "official" if official else "asked"
    return f"{run.session.isoformat()}/{run.kind}/{run.profile}/{run.lens}/{market}/{series}"


def pack(screen: Screen, realm: Realm, official: bool) -> Packed:
    """The rows that keep a Screen, sorted by symbol. Raises KeyError when a row lacks a metric."""
    ordered = sorted(enumerate(screen.rows), key=lambda item: item[1].symbol)
    return Packed(
        run=_packed_run(screen, realm_of(screen.run, realm), official),
        observations=[_observation(position, row) for position, row in ordered],
        verdicts=[(row.symbol, _text(_packed(row.gates)), _text(_packed(row.tags))) for _, row in ordered],
    )


def _packed_run(screen: Screen, realm: Realm, official: bool) -> tuple[Plain, ...]:
    run, coverage = screen.run, screen.coverage
    missing = {reason: plain(count) for reason, count in coverage.missing.items()}
    return (
        key_of(run, realm, official),
        realm,
        int(official),
        run.session.isoformat(),
        run.kind,
        run.asof.isoformat(),
        run.source,
        run.lens,
        run.profile,
        run.engine_version,
        run.rules_hash,
        run.state,
        run.reason,
        plain(coverage.universe),
        plain(coverage.measured),
        plain(coverage.passed),
        _text(missing),
        _text(screen.near_misses),
        _text(screen.notes),
    )


def _observation(position: int, row: Row) -> tuple[Plain, ...]:
    head = (row.symbol, position, row.rank, row.passed, row.signal, row.score, row.score_share)
    texts = (_text(row.penalties), _text(row.flags))
    return (*map(plain, head), *texts, *map(plain, _metrics_of(row.values)))


def _packed(gates: Sequence[Gate]) -> list[list[object]]:
    return [
        [
            gate.name,
            _STATE_LETTERS[gate.state],
            plain(gate.value),
            plain(gate.limit),
            plain(gate.distance),
            gate.comparison,
            int(gate.blocks),
        ]
        for gate in gates
    ]


def plain(value: Any) -> Any:
    """The value SQLite shall see: numpy scalars as Python ones, NaN as NULL.

    np.int64 and np.float32 would be written as BLOB otherwise.
    """
    if isinstance(value, np.generic):
        value = value.item()
    return None if value != value else value


def run_info(record: Sequence[Any]) -> RunInfo:
    """A row of runs, in the order id, revision, RUN_COLUMNS."""
    fields = dict(zip(RUN_COLUMNS, record[2:], strict=True))
    run = Run(
        asof=datetime.fromisoformat(fields["asof"]),
        session=date.fromisoformat(fields["session"]),
        kind=fields["kind"],
        source=fields["source"],
        lens=fields["lens"],
        profile=fields["profile"],
        engine_version=fields["engine_version"],
        rules_hash=fields["rules_hash"],
        state=fields["state"],
        reason=fields["reason"],
    )
    coverage = Coverage(
        fields["universe"], fields["measured"], fields["passed"], json.loads(fields["missing"])
    )
    return RunInfo(
        record[0], fields["key"], record[1], fields["realm"], bool(fields["official"]), run, coverage
    )


def screen_of(record: Sequence[Any], observations: Sequence[Sequence[Any]]) -> Screen:
    """The Screen a run record (see run_info) and its observations (see row_of), by position, were made of."""
    info = run_info(record)
    fields = dict(zip(RUN_COLUMNS, record[2:], strict=True))
    return Screen(
        run=info.run,
        coverage=info.coverage,
        rows=tuple(map(row_of, observations)),
        near_misses=tuple(json.loads(fields["near_misses"])),
        notes=tuple(json.loads(fields["notes"])),
    )


def row_of(record: Sequence[Any]) -> Row:
    """One name from OBSERVATION_COLUMNS followed by gates and tags."""
    symbol, _, rank, passed, signal, score, share, penalties, flags = record[: len(ROW_COLUMNS)]
    values = dict(zip(METRIC_COLUMNS, record[len(ROW_COLUMNS) : -2], strict=True))
    for column in FLAG_COLUMNS:
        values[column] = None if values[column] is None else bool(values[column])
    return Row(
        symbol=symbol,
        passed=bool(passed),
        rank=rank,
        signal=signal,
        score=score,
        score_share=share,
        penalties=tuple(json.loads(penalties)),
        flags=tuple(json.loads(flags)),
        gates=_gates(record[-2]),
        tags=_gates(record[-1]),
        values=values,
    )


def gate_bits(gates: str, tags: str) -> tuple[int, int]:
    """What the stored gates and tags of a name said: bit k, that GATE_NAMES[k] passed / was known.

    A gate this version no longer has is passed over. For thousands of names at once: no Gate is made.
    """
    passes = known = 0
    for text in (gates, tags):
        for verdict in json.loads(text):
            passed, judged = _BITS.get((verdict[0], verdict[1]), _NO_BITS)
            passes |= passed
            known |= judged
    return passes, known


def _gates(text: str) -> tuple[Gate, ...]:
    return tuple(
        Gate(name, _LETTER_STATES[letter], value, limit, distance, comparison, bool(blocks))
        for name, letter, value, limit, distance, comparison, blocks in json.loads(text)
    )
