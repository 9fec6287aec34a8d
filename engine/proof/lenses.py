"""A measured market seen through both lenses: what calibration counts (methodology 3, seed 004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray
from engine.rules import Lens, Rules
from engine.screen.gates import State, StateArray, Verdicts, judge, structural
from engine.screen.lens import under_lens

LEAST_THRESHOLD = 0.01
"""No suggestion goes below it: a threshold of 0 would judge nothing."""
_PREMIUM = ("structural", "tactical", "structural_252", "tactical_20")


@dataclass(frozen=True, slots=True)
class Close:
    """One measured market: the table of engine.screen.measure, or of a stored run (engine.screen.stored)."""

    session: date
    table: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Pool:
    """Closes one below the other: rows `start[k]` to `start[k + 1]` of the table belong to `sessions[k]`."""

    sessions: tuple[date, ...]
    table: pd.DataFrame
    start: tuple[int, ...]

    @property
    def slices(self) -> list[slice]:
        """The rows of each close, oldest first."""
        return [slice(*ends) for ends in pairwise(self.start)]

    def a_close(self, mask: BoolArray) -> float:
        """How many of the name-days a close, on average."""
        return int(mask.sum()) / len(self.sessions)

    def numbers(self, column: str) -> FloatArray:
        """A column of the measured tables, (name-days,), NaN where missing."""
        return self.table[column].to_numpy(dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Move:
    """A threshold that would be another: its lens and key in trading_rules.json."""

    lens: str
    key: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Sight:
    """Closes under one lens; every array is (name-days,).

    ratio        VRP structural of the lens, a ratio; NaN where missing or judged by another lens
    structural, tactical   states of the two premium gates; UNKNOWN where judged by another lens
    premium      every premium gate of the lens passes (four under consensus)
    otherwise    no gate in force but the structural one keeps the name out
    passed       no gate in force keeps it out, as in the screen: a name without HV90 by the yearly lens
    """

    ratio: FloatArray
    structural: StateArray
    tactical: StateArray
    premium: BoolArray
    otherwise: BoolArray
    passed: BoolArray

    @property
    def known(self) -> BoolArray:
        """Names whose two premium gates are both known."""
        both: BoolArray = (self.structural != State.UNKNOWN) & (self.tactical != State.UNKNOWN)
        return both

    def replaced(self, passes: BoolArray) -> BoolArray:
        """Who would pass every gate if these passed the structural one; others' lenses stay as they are."""
        own = np.isfinite(self.ratio)
        return np.where(own, self.otherwise & passes, self.passed)


@dataclass(frozen=True, slots=True)
class Look:
    """Closes judged by the rules' own lens and by each of the two."""

    pool: Pool
    own: Sight
    quarterly: Sight
    yearly: Sight

    @property
    def both(self) -> BoolArray:
        """Name-days with the structural ratio of both lenses, (name-days,)."""
        known: BoolArray = np.isfinite(self.quarterly.ratio) & np.isfinite(self.yearly.ratio)
        return known


def pooled(closes: Sequence[Close]) -> Pool:
    """Closes one below the other, of the same columns. Raises KeyError when one lacks a column."""
    tables = [close.table for close in closes]
    start = np.concatenate([[0], np.cumsum([len(table) for table in tables])])
    if len(tables) > 1:
        # Not by pd.concat: what a column with nothing in it shall be is not left to its guess.
        columns = {name: np.concatenate([_values(table[name]) for table in tables]) for name in tables[0]}
        whole = pd.DataFrame(columns)
    else:
        whole = tables[0]
    return Pool(tuple(close.session for close in closes), whole, tuple(map(int, start)))


def _values(column: pd.Series[Any]) -> npt.NDArray[Any]:
    return column.to_numpy(dtype=np.float64 if column.dtype == np.float64 else object)


def look_at(pool: Pool, rules: Rules) -> Look:
    """Judge closes by the rules' lens and by both lenses, all other rules equal."""
    sights = {lens: sight(pool.table, under(rules, lens)) for lens in {rules.lens, "quarterly", "yearly"}}
    return Look(pool, sights[rules.lens], sights["quarterly"], sights["yearly"])


def sight(table: pd.DataFrame, rules: Rules) -> Sight:
    """Measured names judged under the rules' lens."""
    seen = under_lens(table, rules)
    verdicts = judge(seen, rules)
    asked = "yearly" if rules.lens == "yearly" else "quarterly"
    # A name without HV90 is judged by the yearly lens: it counts in the list, never in a figure of this lens.
    own = np.isin(seen["lens"].to_numpy(dtype=object), (asked, rules.lens))
    place = {spec.name: row for row, spec in enumerate(verdicts.specs)}
    ratio = structural(seen)
    blocks = np.delete(verdicts.blocks, place["structural"], axis=0)
    return Sight(
        ratio=np.where(own & (ratio > 0), ratio, np.nan),
        structural=_state(verdicts, place["structural"], own),
        tactical=_state(verdicts, place["tactical"], own),
        premium=own
        & np.all([verdicts.state[place[n]] == State.PASS for n in _PREMIUM if n in place], axis=0),
        otherwise=np.logical_not(blocks.any(axis=0)),
        passed=verdicts.passed,
    )


def _state(verdicts: Verdicts, row: int, own: BoolArray) -> StateArray:
    return np.where(own, verdicts.state[row], State.UNKNOWN).astype(np.int8)


def under(rules: Rules, lens: Lens) -> Rules:
    """The same rules, own thresholds and all, under another lens."""
    if rules.lens == lens:
        return rules
    # Rules.using would look the profile up again, which tuned rules have no name for.
    return Rules.model_validate({**rules.model_dump(by_alias=True), "lens": lens})


def moved(rules: Rules, moves: Sequence[Move]) -> Rules:
    """The rules with thresholds moved; nothing of it is written anywhere."""
    lenses = dict(rules.lenses)
    for name, lens in rules.lenses.items():
        changes = {move.key: move.after for move in moves if move.lens == name}
        lenses[name] = lens.model_copy(update=changes)
    return rules.model_copy(update={"lenses": lenses})


def candidates(pool: Pool, rules: Rules) -> float:
    """Names a close that pass every gate, on average."""
    return pool.a_close(sight(pool.table, rules).passed)
