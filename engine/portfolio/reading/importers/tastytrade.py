"""Tastytrade: the platform's export of positions, and the positions as their interface gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from engine.portfolio.book import Leg, Reading
from engine.portfolio.occ import Contract, contract_of, read_occ
from engine.portfolio.reading.importers.plain import contract_in
from engine.portfolio.reading.importers.table import Named, Verdicts, amount, bare, column_name, first, needed
from engine.portfolio.reading.typed import (
    RefusalError,
    checked_expiration,
    checked_price,
    day,
    number,
    option_leg,
    remark_of,
    root_of,
    shares_leg,
    symbol_of,
)
from engine.symbols import shortened

_ITEM = frozenset({"symbol", "instrument type", "quantity", "quantity direction"})
_EXPORT = frozenset({"exp date", "strike price", "call put"})
_PRICES = (
    "trade price", "avg price", "average price", "avg open price", "average open price", "avg trade price",
    "open price",
)  # fmt: skip
_MARKED_PRICE = re.compile(r"(.*[0-9)])\s*(?:cr|db)", re.IGNORECASE)
_FUTURE_OPTION = re.compile(
    r"\.?(/[A-Z0-9]{2,6}) +[A-Z0-9]{1,7} +([0-9]{6})([CP])([0-9]{1,7}(?:\.[0-9]{1,6})?)"
)
_OTHERS = ("crypto", "bond", "fixed income", "warrant", "liquidity", "offering", "event")


def known(names: frozenset[str]) -> bool:
    """Whether a header is of the export (two of its option columns), or of the interface."""
    exported = {"symbol", "quantity"} <= names and len(names & _EXPORT) >= 2
    return exported or names >= _ITEM


def legs_of_account(items: Sequence[Mapping[str, object]]) -> Reading:
    """The positions of an account as the interface lists them (`data.items`), numbered from 1.

    Read are symbol, instrument-type, quantity, quantity-direction, average-open-price and multiplier; the
    symbol says the expiration. Positions closed today (quantity 0) are left out and counted in the notes.
    Whether a leg has expired is not judged here. Never raises.
    """
    verdicts = Verdicts("account")
    for line, item in enumerate(items, 1):
        verdicts.judge(line, _item_reader(item))
    return verdicts.reading()


def _item_reader(item: object) -> Callable[[], tuple[Leg, str] | None]:
    def read() -> tuple[Leg, str] | None:
        if not isinstance(item, Mapping):
            raise RefusalError("no position")
        simple = {k: v for k, v in item.items() if isinstance(k, str) and isinstance(v, str | int | float)}
        return _item({column_name(key): bare(str(value)) for key, value in simple.items()}, None)

    return read


def read_row(row: Named, asof: date) -> tuple[Leg, str] | None:
    """One row's leg and remark, None for what is closed or a title. Raises RefusalError."""
    if "quantity direction" in row:
        return _item(row, asof)
    if row["symbol"] and not any(cell for name, cell in row.items() if name not in {"symbol", "account", ""}):
        return None
    symbol, kind = row["symbol"], first(row, "type")
    _refuse_others(kind)
    contract = _listed(symbol)
    if contract is None:
        cells = first(row, "exp date"), first(row, "strike price"), first(row, "call put")
        contract = contract_in(root_of(symbol), asof, *cells)
    quantity = needed("the quantity", first(row, "quantity"))
    if contract is not None:
        checked_expiration(contract.expiration, asof)
    leg = _leg(symbol, contract, quantity, amount("the multiplier", first(row, "multiplier")), kind)
    return _priced(leg, *_export_price(row, leg), asof)


def _item(row: Named, asof: date | None) -> tuple[Leg, str] | None:
    """One position of the interface: quantity without a sign, its direction beside it."""
    kind = first(row, "instrument type")
    _refuse_others(kind)
    held = needed("the quantity", first(row, "quantity"))
    direction = first(row, "quantity direction").casefold()
    if held == 0 or direction == "zero":
        return None
    if direction not in {"long", "short"}:
        raise RefusalError("the quantity direction is neither Long nor Short")
    quantity = -abs(held) if direction == "short" else abs(held)
    multiplier = amount("the multiplier", first(row, "multiplier")) or None
    symbol = first(row, "symbol")
    leg = _leg(symbol, _listed(symbol), quantity, multiplier, kind)
    return _priced(leg, amount("the open price", first(row, "average open price")), "", asof)


def _refuse_others(kind: str) -> None:
    if any(word in kind.casefold() for word in _OTHERS):
        raise RefusalError(f"{shortened(kind)}: neither shares nor an option nor a future")


def _listed(symbol: str) -> Contract | None:
    """The contract that a symbol of the OCC or of an option on a future names."""
    match = _FUTURE_OPTION.fullmatch(symbol.upper()) if symbol.isascii() else None
    if match is None:
        return read_occ(symbol)
    when = day(f"20{match[2]}", date.min)
    return (
        None
        if when is None
        else contract_of(match[1], when, "C" if match[3] == "C" else "P", float(match[4]))
    )


def _leg(symbol: str, contract: Contract | None, quantity: float, multiplier: float | None, kind: str) -> Leg:
    """The leg without its price. Raises RefusalError."""
    if contract is not None:
        listed = _listed(symbol) is not None
        leg = option_leg(contract, quantity, None, multiplier=multiplier, listed=listed)
        # Only the whole symbol tells which of a future's weekly series it is.
        return replace(leg, contract=" ".join(symbol.upper().split())) if symbol[0] in "./" else leg
    if "option" in kind.casefold():
        raise RefusalError("an option without expiration, strike and right: show these columns in the export")
    root = root_of(symbol)
    held = root if root.startswith("/") else symbol_of(root)
    return shares_leg(held, quantity, None, multiplier=multiplier)


def _export_price(row: Named, leg: Leg) -> tuple[float | None, str]:
    """The open price per share and where it comes from: its own column, else the position's cost."""
    cell = first(row, *_PRICES)
    marked = _MARKED_PRICE.fullmatch(cell)
    cell = marked[1] if marked else cell
    if leg.kind in {"future", "future option"}:
        # Bonds are quoted in 32nds; the leg is shown without value anyway.
        return number(cell), ""
    price = amount("the open price", cell)
    if price is not None:
        return price, ""
    cost = amount("the cost", first(row, "cost"))
    if not cost:
        return None, ""
    return round(cost / (leg.quantity * leg.multiplier), 5), "open price from the cost"


def _priced(leg: Leg, price: float | None, source: str, asof: date | None) -> tuple[Leg, str]:
    """The leg at its price, whose sign only says credit or debit; a price of 0 is what transfers have."""
    leg = replace(leg, open_price=checked_price(abs(price)) if price else None)
    return leg, "; ".join(filter(None, (remark_of(leg, asof), source)))
