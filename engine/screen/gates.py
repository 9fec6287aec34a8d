"""Gates as data, and the one function that judges them over the whole table (methodology 5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray
from engine.rules import Rules

StateArray = npt.NDArray[np.int8]
Comparison = Literal[">", ">=", "<=", "outside", "is"]


class State(IntEnum):
    """A gate's verdict on one name."""

    UNKNOWN = -1
    FAIL = 0
    PASS = 1


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a metric with a limit of the rules; `limit` gives a number a row."""

    column: Callable[[pd.DataFrame], FloatArray]
    comparison: Comparison
    limit: Callable[[pd.DataFrame, Rules], FloatArray]


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A gate: one test, or alternatives of which the first known decides or any may pass.

    `missing` is the verdict where the metric is missing: unknown that lets a name through ("open"),
    unknown that keeps it out ("closed"), or a plain failure ("fails").
    """

    name: str
    tests: tuple[Test, ...]
    missing: Literal["open", "closed", "fails"]
    first_known_decides: bool = False


@dataclass(frozen=True, slots=True)
class Verdicts:
    """States, values, limits and distances, (gates, names); `in_force` (gates,) tells gates from tags.

    Distance is value - limit, turned so that positive passes; NaN where nothing is compared.
    """

    specs: tuple[GateSpec, ...]
    comparison: tuple[str, ...]
    in_force: BoolArray
    state: StateArray
    value: FloatArray
    limit: FloatArray
    distance: FloatArray
    blocks: BoolArray

    @property
    def passed(self) -> BoolArray:
        """Names that no gate in force keeps out."""
        open_to_list: BoolArray = np.logical_not(self.blocks.any(axis=0))
        return open_to_list


def column(name: str) -> Callable[[pd.DataFrame], FloatArray]:
    """The metric itself."""
    return lambda table: table[name].to_numpy(dtype=np.float64)


def by_lens(quarterly: str, yearly: str) -> Callable[[pd.DataFrame], FloatArray]:
    """The metric of the lens each row was judged by."""
    return lambda table: np.where(
        table["lens"].to_numpy(dtype=object) == "yearly",
        table[yearly].to_numpy(dtype=np.float64),
        table[quarterly].to_numpy(dtype=np.float64),
    )


structural = by_lens("vrp_structural", "structural_252")
tactical = by_lens("vrp_tactical", "tactical_20")


def _threshold(key: str) -> Callable[[pd.DataFrame, Rules], FloatArray]:
    """A lens's own threshold for each row: never one lens's number against the other's limit."""

    def limit(table: pd.DataFrame, rules: Rules) -> FloatArray:
        yearly = table["lens"].to_numpy(dtype=object) == "yearly"
        own: dict[str, float] = {name: getattr(lens, key) for name, lens in rules.lenses.items()}
        return np.where(yearly, own["yearly"], own["quarterly"]).astype(np.float64)

    return limit


def _fixed(value: Callable[[Rules], float]) -> Callable[[pd.DataFrame, Rules], FloatArray]:
    return lambda table, rules: np.full(len(table), float(value(rules)))


def _measured(table: pd.DataFrame) -> FloatArray:
    return table["missing_reason"].isna().to_numpy().astype(np.float64)


def _price(table: pd.DataFrame) -> FloatArray:
    spot = table["spot"].to_numpy(dtype=np.float64)
    return np.where(table["asset_class"].to_numpy(dtype=object) == "future", np.inf, spot)


def _single(
    name: str,
    metric: Callable[[pd.DataFrame], FloatArray],
    comparison: Comparison,
    limit: Callable[[pd.DataFrame, Rules], FloatArray],
    missing: Literal["open", "closed", "fails"],
) -> GateSpec:
    return GateSpec(name, (Test(metric, comparison, limit),), missing)


GATES: tuple[GateSpec, ...] = (
    _single("data", _measured, "is", _fixed(lambda _: 1.0), "fails"),
    _single("structural", structural, ">", _threshold("vrp_structural_threshold"), "closed"),
    _single("tactical", tactical, ">", _threshold("vrp_tactical_threshold"), "closed"),
    _single("momentum", column("momentum"), ">=", _fixed(lambda r: r.gates.momentum_min), "closed"),
    _single(
        "iv_percentile", column("iv_percentile"), ">=", _fixed(lambda r: r.gates.iv_percentile_min), "open"
    ),
    _single("dead_legs", column("atm_volume"), ">", _fixed(lambda _: 0.0), "closed"),
    _single(
        "slippage", column("slippage"), "<=", _fixed(lambda r: r.gates.slippage_max_percent / 100), "fails"
    ),
    GateSpec(
        "liquidity",
        (
            Test(column("liquidity_rating"), ">=", _fixed(lambda r: r.gates.liquidity_rating_min)),
            Test(column("atm_volume"), ">=", _fixed(lambda r: r.gates.atm_volume_min)),
            Test(column("atm_open_interest"), ">=", _fixed(lambda r: r.gates.open_interest_min)),
        ),
        "closed",
        first_known_decides=True,
    ),
    _single("price", _price, ">=", _fixed(lambda r: r.gates.price_min), "closed"),
    _single("earnings", column("earnings_days"), "outside", _fixed(lambda r: r.gates.earnings_days), "open"),
)
CONSENSUS: tuple[GateSpec, ...] = (
    _single(
        "structural_252",
        column("structural_252"),
        ">",
        _fixed(lambda r: r.lenses["yearly"].vrp_structural_threshold),
        "closed",
    ),
    _single(
        "tactical_20",
        column("tactical_20"),
        ">",
        _fixed(lambda r: r.lenses["yearly"].vrp_tactical_threshold),
        "closed",
    ),
)
"""Added under the consensus lens: both lenses must pass."""
CORRELATION = _single(
    "correlation", column("correlation"), "<=", _fixed(lambda r: r.gates.correlation_max), "open"
)
"""Added when a book is given."""


GATE_NAMES: tuple[str, ...] = tuple(spec.name for spec in (*GATES, *CONSENSUS, CORRELATION))
"""Every gate there is."""


def gates_for(
    rules: Rules, with_book: bool = False, only: Collection[str] | None = None
) -> tuple[GateSpec, ...]:
    """The gates of these rules, in the order they are shown; of `only` names when given."""
    specs = list(GATES)
    if rules.lens == "consensus":
        specs[3:3] = CONSENSUS
    if with_book:
        specs.append(CORRELATION)
    return tuple(spec for spec in specs if only is None or spec.name in only)


def judge(
    table: pd.DataFrame, rules: Rules, with_book: bool = False, only: Collection[str] | None = None
) -> Verdicts:
    """Every gate on every name, none skipped because another failed.

    `only` leaves out gates that no data exist for: the past of an index has no quotes to judge slippage by.

    Strict comparisons are strict. Gates that the rules only tag (earnings under the tag policy; dead
    legs and slippage when not strict) are judged alike but never keep a name out.
    """
    specs = gates_for(rules, with_book, only)
    judged = [_judge_gate(spec, table, rules) for spec in specs]
    state = np.stack([gate[0] for gate in judged])
    value, limit, distance = (np.stack([gate[1:][part] for gate in judged]) for part in range(3))
    in_force = np.array([_in_force(spec.name, rules) for spec in specs])
    closed = np.array([spec.missing != "open" for spec in specs])
    blocks = (state == State.FAIL) | ((state == State.UNKNOWN) & closed[:, None])
    return Verdicts(
        specs=specs,
        comparison=tuple(spec.tests[0].comparison for spec in specs),
        in_force=in_force,
        state=state.astype(np.int8),
        value=value,
        limit=limit,
        distance=distance,
        blocks=blocks & in_force[:, None],
    )


def _in_force(name: str, rules: Rules) -> bool:
    if name == "earnings":
        return rules.gates.earnings_policy == "gate"
    return rules.gates.strict or name not in ("dead_legs", "slippage")


Judged = tuple[StateArray, FloatArray, FloatArray, FloatArray]


def _judge_gate(spec: GateSpec, table: pd.DataFrame, rules: Rules) -> Judged:
    results = [_judge_test(test, table, rules) for test in spec.tests]
    state, value, limit, distance = _best(results, spec.first_known_decides)
    if spec.missing == "fails":
        state = np.where(state == State.UNKNOWN, State.FAIL, state).astype(np.int8)
    if spec.tests[0].comparison == "is":
        nothing = np.full(len(table), np.nan)
        return state, nothing, nothing, nothing
    return state, np.where(np.isinf(value), np.nan, value), limit, np.where(np.isinf(value), np.nan, distance)


def _best(results: Sequence[Judged], first_known_decides: bool) -> Judged:
    """The first alternative where it is known, else the one that passes, else the one nearest to passing."""
    first, *others = results
    if not others:
        return first
    chosen = others[0]
    for other in others[1:]:
        with np.errstate(divide="ignore", invalid="ignore"):
            nearer = other[3] / other[2] > chosen[3] / chosen[2]
        better = (other[0] > chosen[0]) | ((other[0] == chosen[0]) & nearer)
        chosen = _pick(better, other, chosen)
    known = first[0] != State.UNKNOWN
    return _pick(known if first_known_decides else first[0] >= chosen[0], first, chosen)


def _pick(mask: BoolArray, one: Judged, other: Judged) -> Judged:
    return (
        np.where(mask, one[0], other[0]).astype(np.int8),
        np.where(mask, one[1], other[1]),
        np.where(mask, one[2], other[2]),
        np.where(mask, one[3], other[3]),
    )


def _judge_test(test: Test, table: pd.DataFrame, rules: Rules) -> Judged:
    value, limit = test.column(table), test.limit(table, rules)
    with np.errstate(invalid="ignore"):
        match test.comparison:
            case ">":
                holds, distance = value > limit, value - limit
            case ">=":
                holds, distance = value >= limit, value - limit
            case "<=":
                holds, distance = value <= limit, limit - value
            case "outside":
                # Days to an event: those gone by and those beyond the limit are outside 0..limit.
                holds = (value < 0) | (value > limit)
                distance = np.where(value < 0, -value, value - limit)
            case "is":
                holds, distance = value == limit, value - limit
    state = np.where(np.isnan(value), State.UNKNOWN, np.where(holds, State.PASS, State.FAIL))
    return state.astype(np.int8), value, limit, distance
