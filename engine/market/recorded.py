"""Recorded markets: a folder of four files, read and written in one layout (docs/snapshot-layout.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import SnapshotError
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

_OPTIONAL_HISTORY = ("open", "high", "low", "volume")


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """A provider that plays one recorded folder."""

    folder: Path
    benchmark: str

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        """The recorded market, narrowed to `symbols` when given. Raises SnapshotError in one sentence."""
        whole = read_snapshot(self.folder)
        return whole if symbols is None else whole.only(symbols, self.benchmark)


def read_snapshot(folder: Path) -> Snapshot:
    """Read snapshot.json, quotes, underlyings and history (.csv or .csv.gz) from a folder.

    Unknown columns are ignored, nothing is cleaned. Raises SnapshotError naming the file, and the
    line and column where a cell cannot be used.
    """
    if not folder.is_dir():
        raise SnapshotError(f"no recorded market at {folder}: the folder does not exist")
    facts = read_facts(folder / "snapshot.json")
    underlyings = _read_table(
        folder,
        "underlyings",
        UNDERLYING_COLUMNS,
        UNDERLYING_NUMBERS,
        UNDERLYING_NUMBERS[1:] + UNDERLYING_TEXTS,
    )
    if underlyings.empty:
        raise SnapshotError("underlyings.csv lists no name: a recorded market needs at least one")
    quotes = _read_table(folder, "quotes", QUOTE_COLUMNS, QUOTE_NUMBERS, ("contract",), ("symbol", "right"))
    history = _read_table(folder, "history", HISTORY_COLUMNS, HISTORY_NUMBERS, _OPTIONAL_HISTORY, ("symbol",))
    quotes["expiration"] = _days(quotes["expiration"], "quotes", "expiration")
    history["date"] = _days(history["date"], "history", "date")
    return Snapshot(
        quotes=quotes,
        underlyings=underlyings,
        history=history,
        iv_series=_read_iv_series(folder),
        **facts,
    )


def _read_iv_series(folder: Path) -> pd.DataFrame | None:
    if not any((folder / f"iv_series.csv{end}").is_file() for end in ("", ".gz")):
        return None
    series = _read_table(folder, "iv_series", IV_SERIES_COLUMNS, ("iv30",), (), ("symbol",))
    series["date"] = _days(series["date"], "iv_series", "date")
    return series


def write_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Save a market so that `read_snapshot` gives it back. Raises SnapshotError when it cannot be written."""
    facts = {
        "asof": snapshot.asof.isoformat(),
        "session": snapshot.session.isoformat(),
        "kind": snapshot.kind,
        "source": snapshot.source,
        "rate": snapshot.rate,
        "notes": list(snapshot.notes),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _dated(snapshot.quotes, "expiration").to_csv(folder / "quotes.csv.gz", index=False)
        snapshot.underlyings.to_csv(folder / "underlyings.csv", index=False)
        _dated(snapshot.history, "date").to_csv(folder / "history.csv.gz", index=False)
        if snapshot.iv_series is not None:
            _dated(snapshot.iv_series, "date").to_csv(folder / "iv_series.csv.gz", index=False)
        # Written last: a folder without it is not taken for a whole snapshot.
        (folder / "snapshot.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SnapshotError(
            f"the snapshot cannot be written to {folder}: {error.strerror or error}"
        ) from None


def _dated(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.assign(**{column: frame[column].dt.strftime("%Y-%m-%d")})


def read_facts(path: Path) -> dict[str, Any]:
    """asof, session, kind, source, rate and notes of a snapshot.json. Raises SnapshotError."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SnapshotError(f"{path.name} is missing in {path.parent}") from None
    except (OSError, ValueError) as error:
        raise SnapshotError(f"{path.name} cannot be read: {error}") from None
    if not isinstance(facts, dict):
        raise SnapshotError("snapshot.json must hold an object with asof, session, kind and source")
    lacking = [key for key in ("asof", "session", "kind", "source") if not isinstance(facts.get(key), str)]
    if lacking:
        raise SnapshotError(f"snapshot.json lacks {', '.join(lacking)} (each a text)")
    try:
        asof, session = datetime.fromisoformat(facts["asof"]), date.fromisoformat(facts["session"])
    except ValueError as error:
        raise SnapshotError(f"snapshot.json: asof and session must be ISO dates ({error})") from None
    if asof.tzinfo is None:
        raise SnapshotError(f"snapshot.json: asof {facts['asof']} has no UTC offset; write it as ...-04:00")
    if facts["kind"] not in ("open", "close"):
        raise SnapshotError(f"snapshot.json: kind is {facts['kind']!r}; allowed is open or close")
    rate = facts.get("rate")
    if rate is not None and not isinstance(rate, int | float):
        raise SnapshotError(f"snapshot.json: rate is {rate!r}; allowed is a fraction such as 0.04, or null")
    notes = facts.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise SnapshotError("snapshot.json: notes must be a list of texts")
    return {
        "asof": asof,
        "session": session,
        "kind": facts["kind"],
        "source": facts["source"],
        "rate": rate,
        "notes": tuple(notes),
    }


def _read_table(
    folder: Path,
    stem: str,
    columns: Sequence[str],
    numbers: Sequence[str],
    optional: Sequence[str],
    categories: Sequence[str] = (),
) -> pd.DataFrame:
    path = next((p for p in (folder / f"{stem}.csv.gz", folder / f"{stem}.csv") if p.is_file()), None)
    if path is None:
        raise SnapshotError(f"{stem}.csv (or .csv.gz) is missing in {folder}")
    wanted = (*columns, *(name for name in optional if name not in columns))
    types: dict[str, str] = {name: "float64" if name in numbers else "str" for name in wanted}
    types.update(dict.fromkeys(categories, "category"))
    try:
        frame = _parse(path, wanted, types)
    except ValueError as error:
        raise SnapshotError(_cell_error(path, wanted, numbers, error)) from None
    except (OSError, EOFError, pd.errors.ParserError) as error:
        raise SnapshotError(f"{path.name} cannot be read: {error}") from None
    lacking = [name for name in columns if name not in frame and name not in optional]
    if lacking:
        raise SnapshotError(f"{path.name} lacks the column {', '.join(lacking)}")
    for name in columns:
        if name not in frame:
            frame[name] = np.nan
    return frame


def _parse(path: Path, wanted: Sequence[str], types: dict[str, Any]) -> pd.DataFrame:
    names = set(wanted)
    # "NA" is a ticker and "None" a name; only an empty cell is missing.
    frame: pd.DataFrame = pd.read_csv(
        path,
        usecols=lambda name: name in names,
        dtype=types,
        keep_default_na=False,
        na_values=["", "nan", "NaN"],
    )
    return frame


def _cell_error(path: Path, wanted: Sequence[str], numbers: Sequence[str], error: ValueError) -> str:
    """Say which cell broke the fast reader, by reading once more as text."""
    try:
        text = _parse(path, wanted, dict.fromkeys(wanted, "str"))
    except ValueError as again:
        return f"{path.name} cannot be read: {again}"
    for name in numbers:
        if name not in text:
            continue
        given = text[name].notna()
        bad = given & pd.to_numeric(text[name], errors="coerce").isna()
        if bad.any():
            line = int(np.flatnonzero(bad.to_numpy())[0])
            return f"{path.name}, line {line + 2}: {name} is {text[name].iloc[line]!r}, a number is needed"
    return f"{path.name} cannot be read: {error}"


def _days(column: pd.Series[Any], stem: str, name: str) -> pd.Series[Any]:
    texts = column.astype("category")
    days = pd.to_datetime(pd.Series(texts.cat.categories, dtype="str"), format="%Y-%m-%d", errors="coerce")
    broken = days.isna().to_numpy()
    if broken.any() or column.isna().any():
        shown = texts.cat.categories[broken][0] if broken.any() else "empty"
        raise SnapshotError(f"{stem}: {name} is {shown!r}; allowed is a day such as 2026-04-29")
    days64 = days.to_numpy().astype("datetime64[s]")
    return pd.Series(days64[texts.cat.codes.to_numpy()], index=column.index)
