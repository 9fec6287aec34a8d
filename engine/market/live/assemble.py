"""The three tables of a Snapshot out of what was found about each name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.market.live.answers import Asked, History, IvHistory
from engine.market.live.merge import Found, row_of
from engine.market.live.rules import SourceRules
from engine.market.snapshot import (
    HISTORY_COLUMNS,
    HISTORY_NUMBERS,
    IV_SERIES_COLUMNS,
    QUOTE_COLUMNS,
    QUOTE_NUMBERS,
    UNDERLYING_COLUMNS,
    UNDERLYING_NUMBERS,
    UNDERLYING_TEXTS,
    Snapshot,
)
from engine.panel import Kind

_SHOWN = {"yahoo": "Yahoo", "tastytrade": "Tastytrade", "cboe": "Cboe (delayed 15 min)"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything a run brought together."""

    asked: Asked
    kind: Kind
    founds: Sequence[Found]
    benchmark: History | None
    """Prices of the benchmark when it is not among the names."""
    rate: float
    iv_series: Mapping[str, IvHistory]
    notes: tuple[str, ...]
    next_try: datetime | None


def snapshot_of(gathered: Gathered, rules: SourceRules) -> Snapshot:
    """The tables every provider brings, with provenance and marks in `underlyings`."""
    asked, founds = gathered.asked, gathered.founds
    rows = [row_of(found, rules, asked.session, gathered.kind) for found in founds]
    histories = [found.history for found in founds if found.history is not None]
    if gathered.benchmark is not None:
        histories.append(gathered.benchmark)
    return Snapshot(
        asof=asked.now,
        session=asked.session,
        kind=gathered.kind,
        source=source_of(founds),
        quotes=_quotes(founds),
        underlyings=_underlyings(rows),
        history=_history(histories),
        rate=gathered.rate,
        iv_series=_iv_series(gathered.iv_series),
        notes=gathered.notes,
        next_try=gathered.next_try,
    )


def source_of(founds: Sequence[Found]) -> str:
    """`Tastytrade + Yahoo`: who the chains and prices came from, the most frequent first."""
    counts: dict[str, int] = {}
    for found in founds:
        for part in (found.chain, found.history):
            if part is not None:
                counts[part.source] = counts.get(part.source, 0) + (2 if part is found.chain else 1)
    names = sorted(counts, key=lambda name: -counts[name])
    return " + ".join(_SHOWN.get(name, name) for name in names) or "no source"


def _underlyings(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    columns = list(dict.fromkeys((*UNDERLYING_COLUMNS, *UNDERLYING_NUMBERS, *UNDERLYING_TEXTS)))
    frame = pd.DataFrame(
        {column: pd.Series([row.get(column) for row in rows], dtype="object") for column in columns}
    )
    for column in UNDERLYING_NUMBERS:
        frame[column] = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    return frame


def _quotes(founds: Sequence[Found]) -> pd.DataFrame:
    frames = [(found.listing.symbol, found.chain.quotes) for found in founds if found.chain is not None]
    columns = [*QUOTE_COLUMNS, "contract"]
    if not frames:
        frame = pd.DataFrame({name: np.empty(0, dtype=_dtype(name)) for name in columns})
    else:
        frame = pd.concat([quotes for _, quotes in frames], ignore_index=True)
        frame["symbol"] = _repeated([(symbol, len(quotes)) for symbol, quotes in frames])
    frame["symbol"] = pd.Categorical(frame["symbol"])
    frame["right"] = pd.Categorical(frame["right"], categories=["C", "P"])
    return frame[columns]


def _dtype(column: str) -> str:
    if column in QUOTE_NUMBERS:
        return "float64"
    return "datetime64[s]" if column == "expiration" else "object"


def _history(histories: Sequence[History]) -> pd.DataFrame:
    bars = [history.bars for history in histories]
    if not bars:
        frame = pd.DataFrame({name: np.empty(0) for name in HISTORY_NUMBERS})
        frame["date"], frame["symbol"] = np.empty(0, dtype="datetime64[s]"), pd.Categorical([])
    else:
        frame = pd.concat(bars, ignore_index=True)
        frame["symbol"] = pd.Categorical(
            _repeated([(history.symbol, len(history.bars)) for history in histories])
        )
    return frame[list(HISTORY_COLUMNS)]


def _repeated(counts: Sequence[tuple[str, int]]) -> np.ndarray[Any, np.dtype[np.object_]]:
    names = np.array([name for name, _ in counts], dtype=object)
    return np.repeat(names, [count for _, count in counts])


def _iv_series(series: Mapping[str, IvHistory]) -> pd.DataFrame | None:
    rows = [(day, symbol, iv) for symbol, points in series.items() for day, iv in points]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=list(IV_SERIES_COLUMNS))
    frame["date"] = np.asarray(frame["date"].to_numpy(), dtype="datetime64[s]")
    return frame
