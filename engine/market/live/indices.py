"""Indices with options: how they are told from shares, and which of their contracts settle at the close."""

from __future__ import annotations

INDICES = frozenset({"SPX", "NDX", "RUT", "MRUT", "VIX", "XSP", "DJX", "OEX", "XEO"})
AFTERNOON_ROOTS = {"SPX": "SPXW", "NDX": "NDXP", "RUT": "RUTW", "MRUT": "MRUTW", "VIX": "VIXW"}
"""Second root of an index: settled at the close, as everything else here (VIX apart: both at the open)."""


def is_index(symbol: str) -> bool:
    """Whether a ticker, with or without its caret, is an index."""
    return symbol.startswith("^") or symbol in INDICES
