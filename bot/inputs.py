"""What people type: checked at the edge, completed from memory, never repeated back raw."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from discord import app_commands

from bot.failures import InputError
from engine.errors import UnknownSymbolError
from engine.symbols import as_ticker

MAX_CHOICES = 25
MAX_CHOICE_NAME = 100
MAJORS = (
    "SPY", "QQQ", "IWM", "DIA", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AMD", "JPM",
    "XOM", "KO", "GLD", "SLV", "TLT", "XLE", "XLF", "NFLX", "DIS", "BA", "WMT", "COIN",
)  # fmt: skip
"""What an empty ticker box offers, as far as the market holds them."""

TICKER_RULE = "A ticker is 1 to 10 letters, digits, dots or dashes, such as AAPL or BRK.B."

Choice = app_commands.Choice[str]


def ticker(text: str) -> str:
    """`$aapl ` as AAPL. Raises InputError for what cannot be a ticker."""
    cleaned = as_ticker(text)
    if cleaned is None:
        raise InputError(TICKER_RULE)
    return cleaned


def one_of(text: str, allowed: Sequence[str], what: str) -> str:
    """The member of `allowed` a person meant, whatever the case. Raises InputError naming what there is."""
    wanted = text.strip().casefold()
    found = next((each for each in allowed if each.casefold() == wanted), None)
    if found is None:
        near = difflib.get_close_matches(wanted, [each.casefold() for each in allowed], n=1)
        meant = next((each for each in allowed if near and each.casefold() == near[0]), None)
        hint = f"Did you mean {meant}?" if meant else f"There is {_listed(allowed)}."
        raise InputError(f"There is no such {what}. {hint}")
    return found


def choices(pairs: Iterable[tuple[str, str]]) -> list[Choice]:
    """(name, value) as choices within Discord's limits, which discord.py does not check."""
    found: list[Choice] = []
    for name, value in pairs:
        if len(found) == MAX_CHOICES:
            break
        found.append(app_commands.Choice(name=name[:MAX_CHOICE_NAME], value=value[:MAX_CHOICE_NAME]))
    return found


def matching(typed: str, words: Iterable[str]) -> list[Choice]:
    """The words that begin with what was typed, then those that hold it."""
    wanted = typed.strip().casefold()
    scored = ((word.casefold().find(wanted), word) for word in words)
    ranked = sorted(((place > 0, word) for place, word in scored if place >= 0), key=lambda each: each[0])
    return choices((word, word) for _, word in ranked)


@dataclass(frozen=True, slots=True)
class _Entry:
    symbol: str
    folded: str
    label: str


class SymbolIndex:
    """Tickers and names of one market, for completion and suggestions: memory only, no I/O."""

    def __init__(self, names: Iterable[tuple[str, str | None]]) -> None:
        self._entries = [
            _Entry(symbol, (name or "").casefold(), f"{symbol} · {name}" if name else symbol)
            for symbol, name in names
        ]
        self._by_symbol = {entry.symbol: entry for entry in self._entries}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._by_symbol

    def require(self, symbol: str) -> str:
        """The ticker when the market holds it. Raises UnknownSymbolError with what is near."""
        if symbol not in self._by_symbol:
            raise UnknownSymbolError(symbol, self.near(symbol))
        return symbol

    def near(self, typed: str, count: int = 3) -> list[str]:
        """Tickers close in spelling, or of a company that is called so."""
        word = typed.casefold()
        named = [entry.symbol for entry in self._entries if entry.folded.startswith(word)] if word else []
        alike = difflib.get_close_matches(typed.upper(), self._by_symbol, n=count, cutoff=0.5)
        return list(dict.fromkeys([*named, *alike]))[:count]

    def complete(self, typed: str, first: Sequence[str] = ()) -> list[Choice]:
        """At most 25 choices: the ticker itself, tickers that begin so, names that hold the words.

        An empty box offers `first` (names somebody keeps), then the majors.
        """
        wanted = typed.strip().removeprefix("$").strip()
        if not wanted:
            return self._labelled([*first, *(s for s in MAJORS if s in self._by_symbol), *self._by_symbol])
        upper, folded = wanted.upper(), wanted.casefold()
        ranks: list[tuple[int, int, str]] = []
        for place, entry in enumerate(self._entries):
            rank = _rank(entry, upper, folded)
            if rank is not None:
                ranks.append((rank, place, entry.symbol))
        return self._labelled([symbol for _, _, symbol in sorted(ranks)] or self.near(wanted[:10]))

    def _labelled(self, symbols: Iterable[str]) -> list[Choice]:
        return choices((self.label(symbol), symbol) for symbol in dict.fromkeys(symbols))

    def label(self, symbol: str) -> str:
        """`AAPL · Apple Inc.`, or the ticker alone where the name is not known."""
        entry = self._by_symbol.get(symbol)
        return symbol if entry is None else entry.label


def _rank(entry: _Entry, upper: str, folded: str) -> int | None:
    if entry.symbol == upper:
        return 0
    if entry.symbol.startswith(upper):
        return 1
    if entry.folded.startswith(folded) or f" {folded}" in entry.folded:
        return 2
    return 3 if upper in entry.symbol else None


def _listed(words: Sequence[str]) -> str:
    shown = list(words[:12])
    rest = len(words) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
