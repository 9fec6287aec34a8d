"""Official runs made by hand: the small simulated market, some values of it changed, session after session."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.record.store import Store
from engine.screen.result import Row, RunState, Screen

Changes = Mapping[str, Mapping[str, Any]]
_FIELDS = ("passed", "signal", "rank", "score")


class Runs:
    """Stores one run after another; each is the one before with what the test changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        found = store.latest(official_only=True)
        assert found is not None, "the record of this test holds a past"
        self.run_id, self.screen = found

    def add(
        self, changes: Changes | None = None, *, without: Collection[str] = (), state: RunState = "complete"
    ) -> int:
        """The next session's close: values or fields of names changed, names left out of this run alone."""
        rows = tuple(_changed(row, (changes or {}).get(row.symbol, {})) for row in self.screen.rows)
        run = replace(
            self.screen.run,
            session=self.screen.run.session + timedelta(days=1),
            asof=self.screen.run.asof + timedelta(days=1),
            state=state,
            reason=None if state == "complete" else "said by the test",
        )
        self.screen = replace(self.screen, run=run, rows=rows)
        kept = () if state in ("outage", "aborted") else tuple(r for r in rows if r.symbol not in without)
        self.run_id = self.store.save(replace(self.screen, rows=kept), "{}", official=True)
        return self.run_id

    def value(self, symbol: str, column: str) -> float:
        """A number of the latest run."""
        row = self.screen.find(symbol)
        assert row is not None
        number = row.number(column)
        assert number is not None, f"{symbol} has no {column}"
        return number


def _changed(row: Row, changes: Mapping[str, Any]) -> Row:
    fields = {name: value for name, value in changes.items() if name in _FIELDS}
    values = {name: value for name, value in changes.items() if name not in _FIELDS}
    unknown = values.keys() - row.values.keys()
    assert not unknown, f"no such metric: {unknown}"
    return replace(row, **fields, values={**row.values, **values})
