"""Days of a past as measured tables: what was known at each close, in the columns the screen judges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import FloatArray, IntArray
from engine.proof.series import Past
from engine.rules import Rules
from engine.screen.iv import Columns
from engine.screen.measure import HV_WINDOWS
from engine.screen.premium import premiums, regimes
from engine.volatility.rank import SESSIONS, trailing_percentile
from engine.volatility.realized import realized_after, rolling_close_to_close

ROWS = 1 << 16
"""Name-days measured at a time: what is held beside the past does not grow with its length."""
LEAST_SESSIONS = 42
"""Fewest sessions at a time: every block looks back a year, which should not cost more than the block."""
NO_IV, NO_CLOSE, TOO_SHORT = "no IV30", "no close", "price history too short"


@dataclass(frozen=True, slots=True)
class DayRows:
    """Some sessions of a past, a row a name and session, sessions ascending, names in the past's order.

    table      metrics as engine.screen.measure names them; what a past cannot know is missing
    session    (rows,) column of the past
    name       (rows,) row of the past
    realized   (rows,) movement of the sessions after, an annual fraction; NaN where not known
    """

    table: pd.DataFrame
    session: IntArray
    name: IntArray
    realized: FloatArray


def blocks_of(past: Past, first: int, last: int, rows: int = ROWS) -> Iterator[tuple[int, int]]:
    """Columns first..last-1 of a past in blocks of whole sessions, each about `rows` name-days."""
    step = max(LEAST_SESSIONS, rows // len(past.symbols))
    for start in range(first, last, step):
        yield start, min(start + step, last)


def day_rows(past: Past, rules: Rules, first: int, last: int, horizon: int) -> DayRows:
    """Measure sessions first..last-1 as each of them came, by the functions of the screen.

    HVs are those of the adjusted closes up to and with the session, NaN where a window is not complete;
    the IV percentile is against the 252 sessions before it. `missing_reason` is that of the data gate: IV30,
    a close of the session and HV20 have to be there. Only `realized` looks at what came after.
    """
    names, sessions = len(past.symbols), last - first
    start = max(0, first - max(*HV_WINDOWS, SESSIONS))
    close = past.close[:, start:last]
    columns: Columns = {"iv30": _flat(past.iv30[:, first:last])}
    for window in HV_WINDOWS:
        columns[f"hv{window}"] = _flat(rolling_close_to_close(close, window)[:, first - start :])
    hv30, hv90 = (columns[name].astype(np.float64, copy=False) for name in ("hv30", "hv90"))
    columns |= premiums(columns, hv30, hv90, rules)
    columns |= regimes(columns, rules)
    ranked = trailing_percentile(
        past.iv30[:, start:last], last - first, rules.gates.iv_history_min_days, SESSIONS
    )
    columns["iv_percentile"] = _flat(ranked.value)
    columns["iv_percentile_n"] = _flat(ranked.observations).astype(np.float64)
    spot = _flat(past.close[:, first:last])
    columns["missing_reason"] = _missing_reason(columns, spot)
    columns["earnings_days"] = np.full(names * sessions, np.nan)
    flags = np.empty(names * sessions, dtype=object)
    flags.fill(())
    columns["flags"] = flags
    after = realized_after(past.close[:, first : last + horizon], horizon)[:, : last - first]
    return DayRows(
        table=_table(columns),
        session=np.repeat(np.arange(first, last), names),
        name=np.tile(np.arange(names), sessions),
        realized=_flat(after),
    )


def _table(columns: Columns) -> pd.DataFrame:
    # Words are put in as objects: pandas would look at each of them to find a type, for a third of the time.
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype=object, copy=False) if values.dtype == object else values
            for name, values in columns.items()
        },
        copy=False,
    )


def _flat(matrix: npt.NDArray[np.generic]) -> FloatArray:
    """(names, sessions) as rows, session by session."""
    return np.ascontiguousarray(matrix.T, dtype=np.float64).reshape(-1)


def _missing_reason(columns: Columns, spot: FloatArray) -> npt.NDArray[np.object_]:
    iv30, hv20 = (columns[name].astype(np.float64, copy=False) for name in ("iv30", "hv20"))
    found = np.full(len(spot), None, dtype=object)
    found[np.isnan(hv20)] = TOO_SHORT
    found[np.isnan(spot)] = NO_CLOSE
    found[np.isnan(iv30)] = NO_IV
    return found
