"""Official closes as measured tables, without the verdicts of their day: to be judged anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.record import rows
from engine.record.rows import Realm, RunInfo, quoted
from engine.record.series import official_closes
from engine.record.store import Store
from engine.screen.glossary import METRICS

_NUMBERS = frozenset(metric.column for metric in METRICS if metric.kind not in ("text", "flag"))
_UNREAD = "provenance"
"""Long, and nothing is judged by it."""
_COLUMNS = ("symbol", "flags", *(column for column in rows.METRIC_COLUMNS if column != _UNREAD))
_ROWS = f"SELECT {quoted(_COLUMNS)} FROM observations WHERE run_id = ? ORDER BY position"  # noqa: S608
_NEWEST = (
    "SELECT id FROM runs WHERE official = 1 AND kind = 'close' AND state IN ('complete', 'degraded')"
    " ORDER BY session DESC, id DESC LIMIT 1"
)


def newest_close(store: Store) -> RunInfo | None:
    """The last usable official close whatever its realm, None when the record holds none."""
    with store.reading() as db:
        found = db.execute(_NEWEST).fetchone()
    return None if found is None else store.run_info(int(found[0]))


def last_closes(store: Store, realm: Realm, count: int, before: date = date.max) -> list[RunInfo]:
    """One run for each of the last `count` sessions with a usable official close, oldest first.

    Runs of a session that were judged by several rules hold the same measurement; the one that measured most
    is taken, of equal ones the last.
    """
    with store.reading() as db:
        closes = official_closes(db, realm, before, count)
    found = []
    for _, ids in closes:
        infos = [info for info in map(store.run_info, ids) if info is not None]
        found.append(max(infos, key=lambda info: (info.coverage.measured, info.id)))
    return found


def measured_table(store: Store, run_id: int) -> pd.DataFrame:
    """The table `measure` made, as engine.screen.stored.table_of gives it, `provenance` left empty."""
    with store.reading() as db:
        records = db.execute(_ROWS, (run_id,)).fetchall()
    held = (
        dict(zip(_COLUMNS, zip(*records, strict=True), strict=True))
        if records
        else dict.fromkeys(_COLUMNS, ())
    )
    columns = {name: _array(name, values) for name, values in held.items()}
    return pd.DataFrame(columns | {_UNREAD: np.full(len(records), None)})


def _array(name: str, values: Sequence[Any]) -> npt.NDArray[Any]:
    """A column as `measure` types it: numbers with NaN for NULL, flags as tuples, the rest as it is."""
    if name in _NUMBERS:
        return np.array(values, dtype=np.float64)
    if name == "flags":
        # Few names carry flags, and most of those the same.
        tuples = {text: tuple(json.loads(text)) for text in set(values)}
        values = [tuples[text] for text in values]
    elif name in rows.FLAG_COLUMNS:
        values = [None if value is None else bool(value) for value in values]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
