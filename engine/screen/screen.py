"""The whole way from a panel to a ranked, explained Screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np
import pandas as pd

from engine import __version__
from engine.arrays import BoolArray, FloatArray
from engine.panel import IvHistory, Panel
from engine.rules import Rules
from engine.screen.gates import State, Verdicts, judge
from engine.screen.glossary import METRICS
from engine.screen.lens import under_lens
from engine.screen.measure import Progress, measure
from engine.screen.result import Coverage, Gate, GateState, Row, Run, RunState, Screen, Value
from engine.screen.score import Scores, scores, signals

_STATES: dict[int, GateState] = {State.PASS: "pass", State.FAIL: "fail", State.UNKNOWN: "unknown"}
NOT_HELD = "no data from the source"
"""Missing reason of a name the universe holds and the market does not."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged table: metrics a row a name, verdicts (gates, names), scores and signals."""

    table: pd.DataFrame
    verdicts: Verdicts
    scores: Scores
    signal: np.ndarray[tuple[int], np.dtype[np.object_]]


def judge_table(table: pd.DataFrame, rules: Rules, with_book: bool = False) -> Judged:
    """Verdicts, scores and signals of a measured table, seen under the rules' lens."""
    seen = under_lens(table, rules)
    return Judged(seen, judge(seen, rules, with_book), scores(seen, rules), signals(seen, rules))


def run_screen(
    panel: Panel,
    rules: Rules,
    iv_history: IvHistory | None = None,
    universe: Sequence[str] | None = None,
    book_returns: FloatArray | None = None,
    progress: Progress | None = None,
) -> Screen:
    """Measure, judge and rank one market.

    The hard gate comes first: without a valid price or history of the benchmark the run is "aborted"
    and holds no row. `universe` names what was asked for; what the market does not hold counts as
    missing. Coverage below the configured shares makes the run "degraded" or an "outage".
    """
    if not panel.benchmark:
        reason = f"{rules.benchmark} has no valid price and no history in this run, so nothing is ranked."
        reason += next_try_sentence(panel)
        asked = len(universe) if universe is not None else len(panel.names)
        return Screen(
            _run(panel, rules, "aborted", reason),
            Coverage(asked, 0, 0, _unmeasured(panel, asked)),
            (),
            (),
            panel.notes,
        )
    table = measure(panel, rules, iv_history, book_returns, progress)
    return screen_of(panel, table, rules, universe, book_returns is not None)


def screen_of(
    panel: Panel,
    table: pd.DataFrame,
    rules: Rules,
    universe: Sequence[str] | None = None,
    with_book: bool = False,
) -> Screen:
    """Judge an already measured table: another profile over the same market costs no second measurement."""
    judged = judge_table(table, rules, with_book)
    coverage = _coverage(judged, panel, universe)
    state, reason = _state(coverage, panel, rules)
    # So little of the market says nothing about what is rich in it: no list, not even a near miss.
    ranked = state != "outage"
    passed = judged.verdicts.passed & ranked
    near = near_misses(judged.verdicts) if ranked else []
    order = _order(judged, passed, near)
    ranks = {row: place for place, row in enumerate(order[: int(passed.sum())], start=1)}
    rows = tuple(_rows(judged, order, ranks))
    symbols = judged.table["symbol"].to_numpy(dtype=object)
    return Screen(
        run=_run(panel, rules, state, reason),
        coverage=replace(coverage, passed=int(passed.sum())),
        rows=rows,
        near_misses=tuple(str(symbols[row]) for row in near),
        notes=_notes(panel, rules),
    )


def _unmeasured(panel: Panel, asked: int) -> dict[str, int]:
    """Why each name of a stopped run has no number: the source's own word, where it gave one."""
    errors = Counter(str(error) for error in panel.names["provider_error"] if pd.notna(error))
    silent = asked - errors.total()
    return {**errors, **({NOT_HELD: silent} if silent > 0 else {})}


def near_misses(verdicts: Verdicts) -> list[int]:
    """Names that exactly one gate keeps out by a number, nearest first.

    Nearness is the shortfall relative to the limit; where the limit is 0 the name comes last. A name kept
    out because something is missing is no near miss.
    """
    single = np.flatnonzero(verdicts.blocks.sum(axis=0) == 1)
    gate = np.argmax(verdicts.blocks[:, single], axis=0)
    failed = (verdicts.state[gate, single] == State.FAIL) & np.isfinite(verdicts.distance[gate, single])
    single, gate = single[failed], gate[failed]
    limit = np.abs(verdicts.limit[gate, single])
    with np.errstate(divide="ignore", invalid="ignore"):
        short = np.where(limit > 0, np.abs(verdicts.distance[gate, single]) / limit, np.inf)
    return [int(row) for row in single[np.argsort(short, kind="stable")]]


def _order(judged: Judged, passed: BoolArray, near: Sequence[int]) -> list[int]:
    symbols = judged.table["symbol"].to_numpy(dtype=object)
    score = np.nan_to_num(judged.scores.score, nan=-1.0)
    listed = sorted(np.flatnonzero(passed), key=lambda row: (-score[row], symbols[row]))
    others = set(range(len(passed))) - set(listed) - set(near)
    return [*map(int, listed), *near, *sorted(others, key=lambda row: str(symbols[row]))]


def _rows(judged: Judged, order: Sequence[int], ranks: dict[int, int]) -> list[Row]:
    columns = {metric.column: _plain(judged.table[metric.column]) for metric in METRICS}
    symbols, flags = (judged.table[name].to_numpy(dtype=object) for name in ("symbol", "flags"))
    score, share = _plain_floats(judged.scores.score), _plain_floats(judged.scores.share)
    gates = _gates(judged.verdicts)
    in_force = judged.verdicts.in_force
    return [
        Row(
            symbol=str(symbols[row]),
            passed=row in ranks,
            rank=ranks.get(row),
            signal=judged.signal[row],
            score=score[row],
            score_share=share[row],
            penalties=judged.scores.penalties[row],
            flags=flags[row],
            gates=tuple(gate[row] for gate, on in zip(gates, in_force, strict=True) if on),
            tags=tuple(gate[row] for gate, on in zip(gates, in_force, strict=True) if not on),
            values={name: values[row] for name, values in columns.items()},
        )
        for row in order
    ]


def _gates(verdicts: Verdicts) -> list[list[Gate]]:
    """Verdicts of every gate as objects, a list of names each."""
    return [
        [
            Gate(spec.name, _STATES[state], value, limit, distance, comparison, blocks)
            for state, value, limit, distance, blocks in zip(
                verdicts.state[place].tolist(),
                _plain_floats(verdicts.value[place]),
                _plain_floats(verdicts.limit[place]),
                _plain_floats(verdicts.distance[place]),
                verdicts.blocks[place].tolist(),
                strict=True,
            )
        ]
        for place, (spec, comparison) in enumerate(zip(verdicts.specs, verdicts.comparison, strict=True))
    ]


def _plain(column: pd.Series[float]) -> list[Value]:
    if column.dtype == np.float64:
        return list(_plain_floats(np.asarray(column, dtype=np.float64)))
    values = column.to_numpy(dtype=object)
    return [
        None if missing else value for value, missing in zip(values.tolist(), pd.isna(values), strict=True)
    ]


def _plain_floats(values: FloatArray) -> list[float | None]:
    return [
        value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)
    ]


def _coverage(judged: Judged, panel: Panel, universe: Sequence[str] | None) -> Coverage:
    reasons = judged.table["missing_reason"].dropna().value_counts()
    missing = {str(reason): int(count) for reason, count in reasons.items()}
    not_held = len(set(universe) - set(panel.symbols)) if universe is not None else 0
    if not_held:
        missing[NOT_HELD] = not_held
    measured = len(panel.names) - int(reasons.sum())
    return Coverage(len(panel.names) + not_held, measured, 0, missing)


def _state(coverage: Coverage, panel: Panel, rules: Rules) -> tuple[RunState, str | None]:
    limits = rules.coverage
    percent = 100.0 * coverage.share
    if coverage.universe < limits.from_names or percent >= limits.degraded_below_percent:
        return "complete", None
    reason = f"Only {coverage.measured} of {coverage.universe} names could be measured."
    if percent >= limits.outage_below_percent:
        return "degraded", reason
    return "outage", reason + next_try_sentence(panel)


def next_try_sentence(panel: Panel) -> str:
    """` The next try is at 14:35 UTC.`, or nothing where no time is known."""
    if panel.next_try is None:
        return ""
    return f" The next try is at {panel.next_try.astimezone(UTC):%H:%M} UTC."


def _run(panel: Panel, rules: Rules, state: RunState, reason: str | None) -> Run:
    return Run(
        asof=panel.asof,
        session=panel.session,
        kind=panel.kind,
        source=panel.source,
        lens=rules.lens,
        profile=rules.profile,
        engine_version=__version__,
        rules_hash=rules.hash,
        state=state,
        reason=reason,
    )


def _notes(panel: Panel, rules: Rules) -> tuple[str, ...]:
    notes = [*panel.notes]
    notes += [f"{count} x {reason} left out" for reason, count in sorted(panel.dropped.items())]
    if panel.rate is None:
        notes.append(
            f"constant rate of {rules.volatility.risk_free_rate_percent:g} % (the source brings none)"
        )
    return tuple(notes)
