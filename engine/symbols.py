"""Tickers as people type them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from engine.errors import UnknownSymbolError, VarianceError

MAX_LENGTH = 11
_TICKER = re.compile(r"[/^]?[A-Z0-9][A-Z0-9.\-]{0,9}")
_SHOWN = 20


def clean_symbol(text: str) -> str:
    """`$aapl ` becomes AAPL. Raises VarianceError in one sentence when it cannot be a ticker."""
    symbol = text.strip().upper().removeprefix("$")
    if not _TICKER.fullmatch(symbol):
        raise VarianceError(
            f"{shortened(text)!r} is no ticker: use up to 10 letters or digits, such as AAPL or BRK.B."
        )
    return symbol


def shortened(text: str) -> str:
    """What is safe to repeat of a text somebody typed: one line, 20 characters, plain signs only."""
    plain = "".join(
        character if character.isalnum() or character in "$./^- " else "?" for character in text.strip()
    )
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


def known_symbol(text: str, known: Iterable[str]) -> str:
    """The ticker, if `known` holds it. Raises UnknownSymbolError with the nearest ones otherwise."""
    symbol = clean_symbol(text)
    universe = list(known)
    if symbol in universe:
        return symbol
    raise UnknownSymbolError(symbol, nearest(symbol, universe))


def nearest(symbol: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Tickers that look like `symbol`: same beginning first, then spelling."""
    universe = sorted(known)
    begins = [other for other in universe if other.startswith(symbol[:2])]
    close = difflib.get_close_matches(symbol, universe, n=count, cutoff=0.5)
    return list(dict.fromkeys([*close, *begins]))[:count]
