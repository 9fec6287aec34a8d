"""Numbers, dates and names as people and brokers write them, and the limits of a leg.

What cannot be used raises RefusalError; its text is a clause without a full stop that repeats nothing raw.
"""

from __future__ import annotations

import math
import re
from datetime import date

from engine.errors import VarianceError
from engine.portfolio.book import CONTRACT_SIZE, Leg, Right
from engine.portfolio.occ import Contract, is_index, underlying_of, write_occ
from engine.symbols import as_ticker, shortened

MOST_CONTRACTS = 1_000_000.0
HIGHEST_STRIKE = 2_000_000.0
HIGHEST_PRICE = 10_000_000.0
YEARS_AHEAD = 10
"""No listed option lives so long; a later date is a slip of the finger."""

NOTHING = frozenset({"", "-", "--", "---", "n/a", "na", "none", "null"})
"""What brokers write where there is no number."""
FORMULA = ("=", "+", "@", "-", "\t")
"""Beginnings that a spreadsheet takes for a formula; no ticker has one."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]{1,2}")
_LONGEST = 40
_CLASS = re.compile(r"([A-Z]{1,4})[-/.]([A-Z])")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_LONG_MONTHS = (
    "JAN(?:UARY)?|FEB(?:RUARY)?|MAR(?:CH)?|APR(?:IL)?|MAY|JUNE?|JULY?|AUG(?:UST)?|SEP(?:T(?:EMBER)?)?"
    "|OCT(?:OBER)?|NOV(?:EMBER)?|DEC(?:EMBER)?"
)
_YEAR = r"'?(?P<y>[0-9]{4}|[0-9]{2})"
_DAY = r"(?P<d>[0-9]{1,2})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?P<y>[0-9]{4})[-/](?P<m>[0-9]{1,2})[-/](?P<d>[0-9]{1,2})(?:[T ][0-9:.+\-Z ]{1,24})?",
        r"(?P<y>20[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
        rf"(?P<m>[0-9]{{1,2}})[/\-]{_DAY}(?:[/\-]{_YEAR})?",
        rf"{_DAY}[ \-]?(?P<n>{_LONG_MONTHS})(?:[ \-]?{_YEAR})?",
        rf"(?P<n>{_LONG_MONTHS})[ \-]?{_DAY}(?:[ ,\-]{{1,2}}{_YEAR})?",
    )
)
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u00a0": " ", "\u202f": " "})


class RefusalError(VarianceError):
    """One entry or row that cannot be used."""


def plain(text: str) -> str:
    """The text with the minus signs and blanks of typesetters as plain ones, trimmed."""
    return text.translate(_SIGNS).strip()


def number(text: str) -> float | None:
    """`-2`, `1,250.50`, `$61.20`, `(3.10)` or `1,15` as a number; None for anything else.

    A comma before three digits parts thousands, before one or two at the end it is a decimal comma.
    Parentheses mean negative. Never NaN or infinite.
    """
    bare = plain(text)
    if len(bare) > _LONGEST:
        return None
    if bare.startswith("(") and bare.endswith(")"):
        inner = number(bare[1:-1])
        return None if inner is None else -abs(inner)
    bare = bare.replace("$", "", 1).strip()
    if _THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    elif _COMMA.fullmatch(bare):
        bare = bare.replace(",", ".")
    if not _NUMBER.fullmatch(bare):
        return None
    value = float(bare)
    return value if math.isfinite(value) else None


def day(text: str, asof: date) -> date | None:
    """A date of one of the known forms; without a year the next such day from `asof` on. Else None.

    Months stand before days where both are digits (12/18/2026). Two digits of a year are of this century.
    """
    bare = plain(text).upper()
    found = next((match for form in _FORMS if (match := form.fullmatch(bare))), None)
    if found is None:
        return None
    parts = found.groupdict()
    month = _MONTHS[parts["n"][:3]] if parts.get("n") else int(parts["m"])
    if parts.get("y"):
        year = int(parts["y"])
        return _date(year if year > 99 else 2000 + year, month, int(parts["d"]))
    # Nine years: the longest way from one 29 February to the next, in case one is meant.
    coming = (_date(asof.year + ahead, month, int(parts["d"])) for ahead in range(9))
    return next((each for each in coming if each is not None and each >= asof), None)


def _date(year: int, month: int, number_of_day: int) -> date | None:
    try:
        return date(year, month, number_of_day)
    except ValueError:
        return None


def right_of(text: str) -> Right | None:
    """C or P of `call`, `Puts`, `c`; None for anything else."""
    word = plain(text).upper()
    if word in {"C", "CALL", "CALLS"}:
        return "C"
    return "P" if word in {"P", "PUT", "PUTS"} else None


def root_of(text: str) -> str:
    """A ticker or an option root in capital letters: `brk/b` as BRK.B, `$spxw` as SPXW.

    Raises RefusalError for a formula and for anything else that is none.
    """
    bare = plain(text)
    if bare.startswith(FORMULA):
        raise RefusalError("a formula, not a ticker")
    share = _CLASS.fullmatch(bare.upper())
    # str.upper makes plain letters of some others (ß, ı): those are no tickers.
    root = as_ticker(f"{share[1]}.{share[2]}" if share else bare) if bare.isascii() else None
    if root is None:
        raise RefusalError(f"{shortened(bare)} is no ticker" if bare else "no symbol in it")
    return root


def symbol_of(text: str) -> str:
    """The screen's ticker of what is no option: `$SPX` as ^SPX. Raises RefusalError as root_of does."""
    root = root_of(text)
    return underlying_of(root) if is_index(root) else root


def checked_price(price: float | None) -> float | None:
    """An open price that can be. Raises RefusalError for one below zero or beyond reason."""
    if price is None:
        return None
    if price < 0:
        raise RefusalError("the price is negative; a price is 0 or more, and the quantity says which way")
    if price > HIGHEST_PRICE:
        raise RefusalError(f"the price is above {HIGHEST_PRICE:,.0f}")
    return price + 0.0


def checked_quantity(quantity: float, whole: bool) -> float:
    """A quantity that can be; `whole` for contracts. Raises RefusalError."""
    if quantity == 0:
        raise RefusalError("the quantity is zero")
    if abs(quantity) > MOST_CONTRACTS:
        raise RefusalError(f"the quantity is above {MOST_CONTRACTS:,.0f}")
    if whole and quantity != int(quantity):
        raise RefusalError("contracts come whole; only shares may be fractional")
    return quantity


def checked_expiration(expiration: date, asof: date) -> date:
    """An expiration within the next ten years, past ones too. Raises RefusalError for a later one."""
    if expiration.year > asof.year + YEARS_AHEAD:
        raise RefusalError(f"{expiration} lies more than {YEARS_AHEAD} years ahead")
    return expiration


def shares_leg(
    symbol: str, quantity: float, price: float | None, *, multiplier: float | None = None, group: str = ""
) -> Leg:
    """A leg of shares, or of a future where the symbol begins with a slash. Raises RefusalError."""
    if symbol.startswith("/"):
        root = future_root(symbol)
        held = checked_quantity(quantity, whole=True)
        return Leg(
            symbol=root,
            kind="future",
            quantity=held,
            open_price=checked_price(price),
            multiplier=multiplier or 1.0,
            contract="" if root == symbol else symbol,
            group=group,
        )
    if symbol.startswith("^"):
        raise RefusalError(f"{symbol} is an index and has no shares")
    return Leg(
        symbol=symbol,
        kind="shares",
        quantity=checked_quantity(quantity, whole=False),
        open_price=checked_price(price),
        multiplier=1.0,
        group=group,
    )


def option_leg(
    contract: Contract,
    quantity: float,
    price: float | None,
    *,
    multiplier: float | None = None,
    listed: bool = False,
    group: str = "",
) -> Leg:
    """A leg of one contract; `listed` when the OCC symbol was given and is to be kept.

    Without a multiplier it is 100, and 1 for an option on a future, whose size is not known here.
    Raises RefusalError for a quantity, strike, price or multiplier that cannot be.
    """
    if not 0 < contract.strike <= HIGHEST_STRIKE:
        raise RefusalError(f"a strike is above 0 and at most {HIGHEST_STRIKE:,.0f}")
    if multiplier is not None and not 0 < multiplier <= MOST_CONTRACTS:
        raise RefusalError(f"a multiplier is above 0 and at most {MOST_CONTRACTS:,.0f}")
    future = contract.root.startswith("/")
    symbol = future_root(contract.root) if future else contract.symbol
    # Which of an index's two roots it is decides when it settles.
    second = is_index(symbol) and contract.root != symbol.removeprefix("^")
    kept = write_occ(contract) if listed or second or contract.adjusted else ""
    return Leg(
        symbol=symbol,
        kind="future option" if future else "adjusted option" if contract.adjusted else "option",
        quantity=checked_quantity(quantity, whole=True),
        expiration=contract.expiration,
        strike=contract.strike,
        right=contract.right,
        open_price=checked_price(price),
        multiplier=multiplier or (1.0 if future else CONTRACT_SIZE),
        contract=contract.root if future and contract.root != symbol else kept,
        group=group,
    )


_FUTURE = re.compile(r"(/[A-Z0-9]{1,4}?)[FGHJKMNQUVXZ][0-9]{1,2}")


def future_root(symbol: str) -> str:
    """`/ESZ6` as /ES; a root stays as it is."""
    match = _FUTURE.fullmatch(symbol)
    return match[1] if match else symbol


def remark_of(leg: Leg, asof: date | None) -> str:
    """What a reader should know of a leg: what has expired, what has no value here, what is not known."""
    remarks = []
    if leg.expiration is not None and asof is not None and leg.expiration < asof:
        remarks.append(f"expired {leg.expiration}")
    elif leg.expiration is not None and leg.expiration.weekday() > 4:
        remarks.append(f"{leg.expiration} is no weekday")
    if leg.kind == "adjusted option":
        remarks.append("an adjusted contract delivers something else than 100 shares: shown without value")
    elif leg.kind == "future option":
        remarks.append("an option on a future: shown without value")
    elif leg.kind == "future":
        remarks.append("a future: shown without value")
    elif leg.kind == "option" and leg.multiplier != CONTRACT_SIZE:
        remarks.append(f"multiplier {leg.multiplier:g}")
    if leg.open_price is None:
        remarks.append("open price not known")
    return "; ".join(remarks)
