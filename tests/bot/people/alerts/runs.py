"""Official runs made by hand: the small simulated market, session after session, some values changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.record.pairs import save_pairs
from engine.record.store import Store
from engine.relative.pairs import PairRow
from engine.screen.result import Row, RunState

Changes = Mapping[str, Mapping[str, Any]]
_FIELDS = ("passed", "signal", "rank", "score", "gates")


class Runs:
    """Stores one run after another; each is the one before with what the test changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        found = store.latest(official_only=True)
        assert found is not None, "the record of this test holds a past"
        self.run_id, self.screen = found

    def add(
        self,
        changes: Changes | None = None,
        *,
        without: Collection[str] = (),
        state: RunState = "complete",
        days: int = 1,
        pairs: Sequence[PairRow] = (),
    ) -> int:
        """Another session's close: values or fields of names changed, names left out of this run alone."""
        rows = tuple(_changed(row, (changes or {}).get(row.symbol, {})) for row in self.screen.rows)
        run = replace(
            self.screen.run,
            session=self.screen.run.session + timedelta(days=days),
            asof=self.screen.run.asof + timedelta(days=days),
            state=state,
            reason=None if state == "complete" else "said by the test",
        )
        self.screen = replace(self.screen, run=run, rows=rows)
        kept = () if state in ("outage", "aborted") else tuple(r for r in rows if r.symbol not in without)
        self.run_id = self.store.save(replace(self.screen, rows=kept), "{}", official=True)
        save_pairs(self.store, self.run_id, pairs)
        return self.run_id

    def become(self, **parts: Any) -> None:
        """From the next run on the market is another one, or judged by other rules."""
        self.screen = replace(self.screen, run=replace(self.screen.run, **parts))

    def value(self, symbol: str, column: str) -> float:
        """A number of the latest run."""
        row = self.screen.find(symbol)
        assert row is not None
        number = row.number(column)
        assert number is not None, f"{symbol} has no {column}"
        return number


def a_pair(correlation: float | None, **parts: Any) -> PairRow:
    """Gold and silver, calm unless the test says otherwise."""
    pair = PairRow(
        pair="PRECIOUS_METALS",
        leg_a="GLD",
        leg_b="SLV",
        structural_a=1.2,
        structural_b=1.0,
        spread=0.2,
        correlation=correlation,
        correlation_60=correlation,
        threshold=0.75,
        signal="none",
        rich_leg="GLD",
    )
    return replace(pair, **parts)


def _changed(row: Row, changes: Mapping[str, Any]) -> Row:
    fields = {name: value for name, value in changes.items() if name in _FIELDS}
    values = {name: value for name, value in changes.items() if name not in _FIELDS}
    unknown = values.keys() - row.values.keys()
    assert not unknown, f"no such metric: {unknown}"
    return replace(row, **fields, values={**row.values, **values})
