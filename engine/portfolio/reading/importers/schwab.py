"""Schwab's export of positions: `KO 12/18/2026 60.00 P`, cost basis as money for the whole position."""

from __future__ import annotations

import re
from datetime import date

from engine.portfolio.book import Leg
from engine.portfolio.reading.importers.plain import contract_in
from engine.portfolio.reading.importers.table import Named, amount, first, needed
from engine.portfolio.reading.typed import (
    RefusalError,
    checked_expiration,
    option_leg,
    remark_of,
    root_of,
    shares_leg,
    symbol_of,
)
from engine.symbols import shortened

_QUANTITY = ("qty quantity", "quantity", "qty")
_KIND = ("asset type", "security type")
_MARKS = frozenset({"qty quantity", "mkt val market value", "market value", "cost basis", *_KIND})
_OPTION = re.compile(r"(\S{1,12}) ([0-9]{1,2}/[0-9]{1,2}/[0-9]{4}) (\$?[0-9.,]{1,12}) ([CP])", re.IGNORECASE)
_SKIPPED = re.compile(
    r"(?:account|positions?|grand|sub)?\s*totals?\b|cash (?:&|and) .*|positions for\b.*", re.IGNORECASE
)
_SHARES = ("equit", "stock", "etf", "closed end", "adr", "reit", "option")


def known(names: frozenset[str]) -> bool:
    """Whether a header is Schwab's: a symbol, a quantity and two of the columns only they have."""
    return "symbol" in names and any(name in names for name in _QUANTITY) and len(names & _MARKS) >= 2


def read_row(row: Named, asof: date) -> tuple[Leg, str] | None:
    """One row's leg and remark, None for totals, cash and titles. Raises RefusalError."""
    symbol = row["symbol"]
    kind = first(row, *_KIND).casefold()
    others = [cell for name, cell in row.items() if name and name != "symbol" and cell]
    if _SKIPPED.fullmatch(symbol) or kind.startswith("cash") or (symbol and not others):
        return None
    if kind and not any(word in kind for word in _SHARES):
        raise RefusalError(f"{shortened(kind)}: neither shares nor an option")
    option = _OPTION.fullmatch(" ".join(symbol.split()))
    root = root_of(option[1] if option else symbol)
    quantity = needed("the quantity", first(row, *_QUANTITY))
    if option is None:
        if kind.startswith("option"):
            raise RefusalError("the option's symbol cannot be read")
        leg = shares_leg(symbol_of(root), quantity, _price(row, quantity, 1.0))
        return leg, remark_of(leg, asof)
    contract = contract_in(root, asof, option[2], option[3], option[4])
    if contract is None:
        raise RefusalError("the option's symbol cannot be read")
    checked_expiration(contract.expiration, asof)
    leg = option_leg(contract, quantity, None)
    leg = option_leg(contract, quantity, _price(row, quantity, leg.multiplier))
    return leg, remark_of(leg, asof)


def _price(row: Named, quantity: float, multiplier: float) -> float | None:
    """Per share: |cost basis| / (|quantity| * multiplier), rounded to a thousandth of a cent."""
    each = amount("the cost per share", first(row, "cost share"))
    if each is not None:
        return abs(each)
    basis = amount("the cost basis", first(row, "cost basis"))
    if basis is None or quantity == 0:
        return None
    return round(abs(basis) / (abs(quantity) * multiplier), 5)
