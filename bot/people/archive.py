"""A person's data as a zip: JSON for programs, a CSV a table for spreadsheets, a README for the person."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.people.data import OTHERS, Record
from bot.people.kept import NEVER, kept

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_EXACT = 2**53
"""Beyond it a program that reads JSON numbers as floats would round an id."""


def archive(tables: Mapping[str, Sequence[Record]], user_id: int, now: datetime) -> bytes:
    """The zip; the same data at the same instant gives the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in _files(tables, user_id, now):
            # Zip has no time zone and no year before 1980; the instant stands in the README.
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(entry, text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files(tables: Mapping[str, Sequence[Record]], user_id: int, now: datetime) -> list[tuple[str, str]]:
    exact = {name: [_exact(record) for record in records] for name, records in tables.items()}
    body = {"exported_at": now.isoformat(), "user_id": str(user_id), "tables": exact}
    return [
        ("README.txt", _readme(tables, user_id, now)),
        ("data.json", json.dumps(body, indent=2, ensure_ascii=False)),
        *((f"{name}.csv", _csv(records)) for name, records in exact.items()),
    ]


def _exact(record: Record) -> Record:
    return {column: _value(value) for column, value in record.items()}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, int) and abs(value) > _EXACT else value


def _csv(records: Sequence[Record]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(records[0])
    writer.writerows([_cell(value) for value in record.values()] for record in records)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _readme(tables: Mapping[str, Sequence[Record]], user_id: int, now: datetime) -> str:
    lines = [
        f"Everything Variance stores about the Discord user {user_id},",
        f"as of {now.isoformat(timespec='seconds')}.",
        "",
        "data.json holds all of it; each .csv holds one table of it. Times are UTC. Ids that a spreadsheet",
        "or a program would round are written as text. An apostrophe before a text in a .csv keeps a",
        f"spreadsheet from running it. '{OTHERS}' stands where a row names somebody else.",
        "",
    ]
    for name, records in tables.items():
        entry = kept(name)
        lines.append(f"{name}: {len(records)} row{'' if len(records) == 1 else 's'}")
        if entry is not None:
            lines += [f"  {entry.title}: {entry.what}.", f"  Kept {entry.until}. Seen by {entry.seen_by}."]
    if not tables:
        lines.append("Nothing is stored.")
    lines += ["", "Not stored:", *(f"  {sentence}" for sentence in NEVER)]
    lines += ["", "/mydata delete removes all of this; /privacy says more."]
    return "\n".join(lines) + "\n"
