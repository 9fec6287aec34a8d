"""Tickers as people type them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from engine.errors import UnknownSymbolError, VarianceError

_TICKER = re.compile(r"[/^]?[A-Z0-9][A-Z0-9.\-]{0,9}")
_SHOWN = 20


def as_ticker(text: str) -> str | None:
    """`$aapl ` as AAPL; None for what cannot be a ticker."""
    symbol = text.strip().upper().removeprefix("$").strip()
    return symbol if _TICKER.fullmatch(symbol) else None


def clean_symbol(text: str) -> str:
    """The ticker somebody typed. Raises VarianceError in one sentence when it cannot be one."""
    symbol = as_ticker(text)
    if symbol is None:
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
