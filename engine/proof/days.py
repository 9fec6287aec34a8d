"""Judged name-days in columns: what a scorecard is counted from, whether of the record or of a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import CodeArray, FloatArray, IntArray
from engine.screen.gates import GATE_NAMES, State, Verdicts
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

DayArray = npt.NDArray[np.datetime64]
StateArray = npt.NDArray[np.int8]
BitArray = npt.NDArray[np.uint16]

NONE = 255
"""Code of what is not known."""
DUAL = ("both gates", "structural only", "tactical only", "neither")
"""The four groups of the question whether both premium gates are needed."""
LISTED, NOT_LISTED, NOT_MEASURED = 1, 0, -1
JudgedLens = Literal["own", "quarterly", "yearly"]


@dataclass(frozen=True, slots=True)
class NameDays:
    """One row a name and official close, sessions ascending, whole sessions together.

    symbols    tickers; `name` indexes them
    session    (rows,) datetime64[D]
    name       (rows,)
    iv30       (rows,) annual fraction, NaN where not measured
    realized   (rows,) sqrt(252 mean r^2) of the sessions after, annual fraction; NaN where not known (yet)
    signal, regime, zone, dual   (rows,) codes into SIGNALS, REGIMES, ZONES, DUAL; NONE where unknown
    passes, known   (rows,) bit k: the gate GATE_NAMES[k] passed / was judged and known
    listed     LISTED, NOT_LISTED or NOT_MEASURED by the rules' own lens
    listed_quarterly, listed_yearly   the same under either lens, all else equal
    """

    symbols: tuple[str, ...]
    session: DayArray
    name: IntArray
    iv30: FloatArray
    realized: FloatArray
    signal: CodeArray
    regime: CodeArray
    zone: CodeArray
    dual: CodeArray
    passes: BitArray
    known: BitArray
    listed: StateArray
    listed_quarterly: StateArray
    listed_yearly: StateArray

    def __len__(self) -> int:
        return len(self.session)

    @property
    def gap(self) -> FloatArray:
        """Premium captured: IV30 at entry less the movement after it, (rows,), a fraction; NaN if unknown."""
        return self.iv30 - self.realized

    def rows(self, chosen: npt.NDArray[np.bool_] | IntArray | slice) -> NameDays:
        """Some of the rows, of the same symbols."""
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "symbols"}
        return NameDays(symbols=self.symbols, **arrays)


@dataclass(frozen=True, slots=True)
class Seen:
    """A judged table under one lens: what of it a name-day keeps."""

    table: pd.DataFrame
    verdicts: Verdicts
    signal: npt.NDArray[np.object_]


def name_days(
    symbols: Sequence[str],
    session: DayArray,
    name: IntArray,
    realized: FloatArray,
    own: Seen,
    by_lens: Mapping[Literal["quarterly", "yearly"], Verdicts],
) -> NameDays:
    """Name-days of judged tables that hold the same rows in the same order.

    `own` is judged by the rules' own lens, `by_lens` by each lens. A row whose IV30 is missing counts as not
    measured whatever the gates said. For leaving the list (`listed_quarterly`, `listed_yearly`) so does one
    with a missing_reason: a day on which a name could not be judged is no leaving.
    """
    table = own.table
    iv30 = table["iv30"].to_numpy(dtype=np.float64)
    measured = np.isfinite(iv30)
    judged = measured & table["missing_reason"].isna().to_numpy()
    passes, known = _bits(own.verdicts)
    return NameDays(
        symbols=tuple(symbols),
        session=session,
        name=name,
        iv30=iv30,
        realized=realized,
        signal=codes_of(own.signal, SIGNALS),
        regime=codes_of(table["regime"].to_numpy(dtype=object), REGIMES),
        zone=codes_of(table["zone"].to_numpy(dtype=object), ZONES),
        dual=dual_of(passes, known),
        passes=passes,
        known=known,
        listed=listed_of(own.verdicts.passed, measured),
        listed_quarterly=listed_of(by_lens["quarterly"].passed, judged),
        listed_yearly=listed_of(by_lens["yearly"].passed, judged),
    )


def codes_of(words: npt.NDArray[np.object_], known: Sequence[str]) -> CodeArray:
    """The place of each word among the known ones, (rows,); NONE for any other and for None."""
    codes: CodeArray = pd.Categorical(words, categories=list(known)).codes.astype(np.uint8)
    return codes  # -1, what is not known, has become NONE


def _bits(verdicts: Verdicts) -> tuple[BitArray, BitArray]:
    passes = np.zeros(verdicts.state.shape[1], dtype=np.uint16)
    known = np.zeros_like(passes)
    for spec, state in zip(verdicts.specs, verdicts.state, strict=True):
        bit = np.uint16(1 << GATE_NAMES.index(spec.name))
        passes |= np.where(state == State.PASS, bit, np.uint16(0))
        known |= np.where(state != State.UNKNOWN, bit, np.uint16(0))
    return passes, known


def dual_of(passes: BitArray, known: BitArray) -> CodeArray:
    """Codes into DUAL, (rows,), from the bits of NameDays; NONE where a premium gate was not known."""
    structural, tactical = (np.uint16(1 << GATE_NAMES.index(name)) for name in ("structural", "tactical"))
    both = structural | tactical
    code = 2 * ((passes & structural) == 0) + ((passes & tactical) == 0)
    return np.where((known & both) == both, code, NONE).astype(np.uint8)


def listed_of(passed: npt.NDArray[np.bool_], measured: npt.NDArray[np.bool_]) -> StateArray:
    """LISTED, NOT_LISTED or NOT_MEASURED, (rows,): whom no gate kept out, of those that have an IV30."""
    found = np.where(passed, LISTED, NOT_LISTED)
    return np.where(measured, found, NOT_MEASURED).astype(np.int8)
