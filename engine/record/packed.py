"""One official close in columns, packed into bytes: what scorecards are streamed from (decision 21)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
from sqlite_utils import Database

from engine.arrays import FloatArray
from engine.errors import StoreError
from engine.proof.days import DUAL, NameDays
from engine.screen.gates import GATE_NAMES
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

_WORDS = (SIGNALS, REGIMES, ZONES, DUAL, GATE_NAMES)
LAYOUT = f"2-{zlib.crc32(json.dumps(_WORDS).encode()):08x}"
"""What packed columns mean; a body of another layout is made again from the stored rows."""

_HEAD = struct.Struct("<II")
"""Names, and bytes of their tickers."""
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("iv30", "<f8"),
    ("realized", "<f8"),
    ("passes", "<u2"),
    ("known", "<u2"),
    ("signal", "u1"),
    ("regime", "u1"),
    ("zone", "u1"),
    ("dual", "u1"),
    ("listed", "i1"),
    ("listed_quarterly", "i1"),
    ("listed_yearly", "i1"),
)
MEASURED = 1 << GATE_NAMES.index("data")
"""The bit of `passes` that tells an observation from a quote that did not count on its day."""


def pack(days: NameDays, quoted: FloatArray) -> bytes:
    """The columns of one session; its date stands with the run.

    `quoted` is the IV30 of every name, (rows,), also of those whose quotes did not count on their day: series
    of IV30 hold it, name-days do not.
    """
    symbols = "\n".join(days.symbols).encode()
    arrays = {name: quoted if name == "iv30" else getattr(days, name) for name, _ in _COLUMNS}
    columns = [np.asarray(arrays[name], dtype=kind).tobytes() for name, kind in _COLUMNS]
    return b"".join([_HEAD.pack(len(days), len(symbols)), symbols, *columns])


def unpack(body: bytes, session: date) -> NameDays:
    """The name-days that were packed. Most arrays are read-only views of the body.

    Raises StoreError for bytes that were not packed so.
    """
    with _as_packed(f"close of {session}"):
        count, length = _HEAD.unpack_from(body)
        place = _HEAD.size + length
        arrays: dict[str, Any] = {}
        for name, kind in _COLUMNS:
            arrays[name] = np.frombuffer(body, dtype=kind, count=count, offset=place)
            place += arrays[name].nbytes
        symbols = _symbols(body[_HEAD.size : _HEAD.size + length])
    arrays["iv30"] = np.where(arrays["passes"] & MEASURED, arrays["iv30"], np.nan)
    return NameDays(
        symbols=symbols,
        session=np.full(count, np.datetime64(session, "D")),
        name=np.arange(count),
        **arrays,
    )


@contextmanager
def _as_packed(what: str) -> Iterator[None]:
    """Bytes that a failing disk or a strange hand changed are told of as a record that cannot be used."""
    try:
        yield
    except (struct.error, ValueError) as error:
        raise StoreError(f"The packed {what} in the record is damaged.") from error


def with_outcomes(body: bytes, realized: FloatArray) -> bytes:
    """The same close with other outcomes, (rows,), NaN where not known."""
    count, length = _HEAD.unpack_from(body)
    start = _HEAD.size + length + 8 * count
    return body[:start] + np.asarray(realized, dtype="<f8").tobytes() + body[start + 8 * count :]


def packed_iv30(db: Database, run_id: int) -> tuple[tuple[str, ...], FloatArray] | None:
    """Tickers and IV30 of a close, NaN where missing, without the rest of it; None when it is not packed."""
    known = db.execute("SELECT 1 FROM outcome_days WHERE run_id = ? AND layout = ?", (run_id, LAYOUT))
    if known.fetchone() is None:
        return None
    with (
        _as_packed(f"close of run {run_id}"),
        db.conn.blobopen("outcome_days", "body", run_id, readonly=True) as blob,
    ):
        count, length = _HEAD.unpack(blob.read(_HEAD.size))
        text, values = blob.read(length), blob.read(8 * count)
        return _symbols(text), np.frombuffer(values, dtype="<f8")


@lru_cache(maxsize=4)
def _symbols(text: bytes) -> tuple[str, ...]:
    """Most closes hold the names of the close before."""
    return tuple(text.decode().split("\n")) if text else ()
