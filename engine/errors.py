"""What can go wrong, each said in one sentence a person can act on."""

from __future__ import annotations

from collections.abc import Sequence


class VarianceError(Exception):
    """The root of everything the engine raises on purpose; its text is fit to be shown."""


class ConfigError(VarianceError):
    """A setting or a file under config/ that cannot be used."""


class SnapshotError(VarianceError):
    """A recorded market that cannot be read."""


class HoldingsError(VarianceError):
    """An account whose positions cannot be read just now."""


class UnreadableError(VarianceError):
    """A file somebody handed over that holds nothing of what it was given for."""


class UnknownSymbolError(VarianceError):
    """A ticker this run does not hold."""

    def __init__(self, symbol: str, suggestions: Sequence[str] = ()) -> None:
        self.symbol = symbol
        self.suggestions = tuple(suggestions)
        hint = f" Did you mean {', '.join(self.suggestions)}?" if self.suggestions else ""
        super().__init__(f"{symbol} is not in this run's universe.{hint}")


class StoreError(VarianceError):
    """The SQLite file cannot be opened or understood."""
