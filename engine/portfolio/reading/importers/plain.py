"""The plain format of docs/portfolio-formats.md, and the rows of others that say an option the same way."""

from __future__ import annotations

import hashlib
import re
from datetime import date

from engine.portfolio.book import Leg
from engine.portfolio.occ import Contract, contract_of, read_occ
from engine.portfolio.reading.importers.table import Named, amount, first, needed
from engine.portfolio.reading.typed import (
    RefusalError,
    checked_expiration,
    day,
    option_leg,
    remark_of,
    right_of,
    root_of,
    shares_leg,
    symbol_of,
)
from engine.symbols import shortened

REQUIRED = frozenset({"symbol", "expiration", "strike", "right", "quantity"})
"""Without the columns of options a list that names them otherwise would be read as one of shares."""
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,20}")


def read_row(row: Named, asof: date) -> tuple[Leg, str]:
    """One row's leg and remark. Raises RefusalError."""
    listed = read_occ(row["symbol"])
    # What the symbol is comes first: a formula in its place is refused before anything is read.
    root = listed.root if listed else root_of(row["symbol"])
    quantity = needed("the quantity", first(row, "quantity"))
    price = amount("the open price", first(row, "open price"))
    multiplier = amount("the multiplier", first(row, "multiplier"))
    group = group_of(first(row, "group"))
    contract = listed or contract_in(
        root, asof, first(row, "expiration"), first(row, "strike"), first(row, "right")
    )
    if contract is None:
        symbol = root if root.startswith("/") else symbol_of(root)
        leg = shares_leg(symbol, quantity, price, multiplier=multiplier, group=group)
    else:
        checked_expiration(contract.expiration, asof)
        leg = option_leg(
            contract, quantity, price, multiplier=multiplier, listed=listed is not None, group=group
        )
    return leg, remark_of(leg, asof)


def contract_in(root: str, asof: date, expiration: str, strike: str, right: str) -> Contract | None:
    """The option that three cells describe, None when all are empty: shares. Raises RefusalError.

    Brokers write a strike of 0 beside shares; without a right it is none.
    """
    strike_price = amount("the strike", strike) or 0.0
    if not expiration and not right and not strike_price:
        return None
    if not right:
        raise RefusalError("the right is missing: C or P, and shares have neither expiration nor strike")
    if not expiration:
        raise RefusalError("the expiration is missing")
    if not strike:
        raise RefusalError("the strike is missing")
    side = right_of(right)
    if side is None:
        raise RefusalError(f"the right {shortened(right)} is neither C nor P")
    when = day(expiration, asof)
    if when is None:
        raise RefusalError(f"the expiration {shortened(expiration)} is no date such as 2026-12-18")
    return contract_of(root, when, side, strike_price)


def group_of(cell: str) -> str:
    """A group's name; one that is not short and plain becomes a hash, so that it stays apart."""
    if not cell or _GROUP.fullmatch(cell):
        return cell
    return hashlib.blake2b(cell.encode(), digest_size=6).hexdigest()
