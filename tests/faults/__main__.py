"""`make faults`: the matrix printed, a row a source and fault with what the user saw."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.faults.cases import cases
from tests.faults.world import Outcome, World, world_without_waiting

SEEN = 110


def main() -> int:
    """Run every case; 1 when one of them failed."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Source", "Fault", "What the user saw", "Stored"):
        table.add_column(title, overflow="fold")
    failed = 0
    with world_without_waiting() as world:
        outcomes = list(outcomes_of(world))
    for outcome in outcomes:
        failed += bool(outcome.wrong)
        table.add_row(
            "FAIL" if outcome.wrong else "ok",
            outcome.case.source,
            outcome.case.fault,
            Text(_short(outcome.seen) if not outcome.wrong else "; ".join(outcome.wrong)),
            Text(outcome.stored),
        )
    Console(width=230, highlight=False).print(table)
    sys.stdout.write(f"{len(outcomes) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


def outcomes_of(world: World) -> Iterator[Outcome]:
    """Each case on an empty cache and record."""
    for case in cases():
        with tempfile.TemporaryDirectory() as folder:
            yield world.suffer(case, Path(folder))


def _short(text: str) -> str:
    # The numbers of a row say nothing here, its reason does.
    text = " ".join(text.split()).replace(" ?", "")
    return text if len(text) <= SEEN else text[: SEEN - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
