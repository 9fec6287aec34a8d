"""Option symbols of the OCC (Options Symbology Initiative, 2010) and the underlyings behind their roots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from engine.portfolio.book import Right

_OCC = re.compile(r"([A-Z0-9]{1,6}) *([0-9]{6})([CP])([0-9]{8})")
_THINKORSWIM = re.compile(r"\.([A-Z0-9]{1,6})([0-9]{6})([CP])([0-9]{1,7}(?:\.[0-9]{1,3})?)")
_ADJUSTED = re.compile(r"([A-Z]{1,5})[1-9]")
_HIGHEST = 99_999_999
"""The strike field: eight digits of a thousandth."""

_INDEX_ROOTS = {
    "SPX": "SPX", "SPXW": "SPX", "SPXPM": "SPX", "NDX": "NDX", "NDXP": "NDX", "RUT": "RUT", "RUTW": "RUT",
    "MRUT": "MRUT", "MRUTW": "MRUT", "VIX": "VIX", "VIXW": "VIX", "XSP": "XSP", "DJX": "DJX", "OEX": "OEX",
    "XEO": "XEO", "XND": "XND", "NQX": "NQX",
}  # fmt: skip
"""Roots of index options and their index; the screen knows indices with a caret."""
_CLASS_ROOTS = {"BRKA": "BRK.A", "BRKB": "BRK.B", "BFA": "BF.A", "BFB": "BF.B"}
"""Roots of class shares: the OCC leaves the dot out, and no rule puts it back."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One option: its root as the OCC or a person writes it, and what it stands for.

    adjusted  whether it delivers something else than 100 shares of `symbol` (the root ends in a digit)
    """

    root: str
    symbol: str
    expiration: date
    right: Right
    strike: float
    adjusted: bool = False


def is_index(symbol: str) -> bool:
    """Whether a ticker or a root, with or without its caret, is an index with options."""
    return symbol.startswith("^") or symbol in _INDEX_ROOTS


def underlying_of(root: str) -> str:
    """The screen's ticker of a root: SPXW is ^SPX, BRKB is BRK.B, KO1 is KO, anything else itself."""
    plain = root.removeprefix("^")
    if plain in _INDEX_ROOTS:
        return f"^{_INDEX_ROOTS[plain]}"
    if root in _CLASS_ROOTS:
        return _CLASS_ROOTS[root]
    adjusted = _ADJUSTED.fullmatch(root)
    return underlying_of(adjusted[1]) if adjusted else root


def spellings(symbol: str) -> tuple[str, ...]:
    """A ticker and what else markets call it: ^SPX and SPX, BRK.B, BRK-B and BRK/B; most have one only."""
    if symbol.startswith("^"):
        return (symbol, symbol[1:])
    if "." in symbol:
        return (symbol, symbol.replace(".", "-"), symbol.replace(".", "/"))
    return (symbol,)


def contract_of(root: str, expiration: date, right: Right, strike: float) -> Contract:
    """A contract of a root or ticker in capital letters."""
    bare = root.removeprefix("^")
    adjusted = not root.startswith("/") and _ADJUSTED.fullmatch(bare) is not None
    return Contract(bare, underlying_of(root), expiration, right, strike, adjusted)


def read_occ(text: str) -> Contract | None:
    """`KO261218P00060000`, padded or not, or thinkorswim's `.KO261218P60`; None for anything else."""
    bare = text.strip().upper() if text.isascii() else ""
    found = _OCC.fullmatch(bare)
    match = found or _THINKORSWIM.fullmatch(bare)
    if match is None:
        return None
    digits = match[2]
    try:
        expiration = date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return None
    strike = int(match[4]) / 1000 if found else float(match[4])
    return contract_of(match[1], expiration, "C" if match[3] == "C" else "P", strike)


def write_occ(contract: Contract) -> str:
    """The OCC's 21 characters, the root padded to six: `KO    261218P00060000`.

    "" for what they cannot say: a root of more than six signs, a strike above 99,999.999 or finer than a
    thousandth, an option on a future.
    """
    thousandths = round(contract.strike * 1000)
    root = contract.root.replace(".", "")
    if not root.isalnum() or len(root) > 6 or not 0 < thousandths <= _HIGHEST:
        return ""
    if abs(thousandths / 1000 - contract.strike) > 1e-9:
        return ""
    return f"{root:<6}{contract.expiration:%y%m%d}{contract.right}{thousandths:08d}"
