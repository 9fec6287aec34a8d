"""What changed between two official runs, read off their stored verdicts: no gate is computed here."""

from __future__ import annotations

from dataclasses import dataclass

from engine.screen.result import Row, Screen

MOVE_PLACES = 3
"""Fewer places up or down are noise of the score, not news."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A name listed now and not before; `measured_before` tells whether it could have been."""

    row: Row
    measured_before: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """A name listed before and not now; `row` is its verdict now, None when this run does not hold it."""

    symbol: str
    row: Row | None


@dataclass(frozen=True, slots=True)
class Move:
    """A name listed in both runs whose place or signal changed."""

    before: Row
    now: Row

    @property
    def places(self) -> int:
        """Places gained; 0 when either rank is missing."""
        if self.before.rank is None or self.now.rank is None:
            return 0
        return self.before.rank - self.now.rank

    @property
    def signal_changed(self) -> bool:
        """Whether the name carries another signal than before."""
        return self.before.signal != self.now.signal


@dataclass(frozen=True, slots=True)
class Changes:
    """`obstacle` says in one sentence why the runs cannot be compared; the rest is then empty."""

    new: tuple[Arrival, ...] = ()
    left: tuple[Departure, ...] = ()
    moved: tuple[Move, ...] = ()
    stayed: int = 0
    obstacle: str | None = None


def compare(now: Screen, before: Screen | None) -> Changes:
    """New names by rank, names that left by symbol, moves by size.

    Runs under different rules, of different markets, or without a ranking are not compared: the change
    would be of the measure, not of the market.
    """
    obstacle = _obstacle(now, before)
    if obstacle is not None or before is None:
        return Changes(obstacle=obstacle)
    earlier = {row.symbol: row for row in before.passed}
    current = {row.symbol: row for row in now.passed}
    held = {row.symbol: row for row in now.rows}
    measured = {row.symbol for row in before.rows if row.text("missing_reason") is None}
    both = [Move(earlier[symbol], row) for symbol, row in current.items() if symbol in earlier]
    moved = [move for move in both if abs(move.places) >= MOVE_PLACES or move.signal_changed]
    new = [Arrival(row, symbol in measured) for symbol, row in current.items() if symbol not in earlier]
    return Changes(
        new=tuple(new),
        left=tuple(Departure(name, held.get(name)) for name in sorted(earlier.keys() - current.keys())),
        moved=tuple(sorted(moved, key=lambda move: (-abs(move.places), move.now.symbol))),
        stayed=len(both),
    )


def _obstacle(now: Screen, before: Screen | None) -> str | None:
    if before is None:
        return "No earlier official run to compare with."
    if before.run.state in ("outage", "aborted"):
        return f"The official run before it, of {before.run.session.isoformat()}, ranked nothing."
    if before.run.simulated != now.run.simulated:
        return "The official run before it was of another market."
    if before.run.rules_hash != now.run.rules_hash:
        return f"The rules changed since {before.run.session.isoformat()}: no comparison."
    return None
