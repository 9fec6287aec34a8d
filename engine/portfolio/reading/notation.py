"""Positions as an option trader types them: `-2 KO 2026-12-18 60P @ 1.15`, one a line or by semicolon."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import reduce
from math import gcd

from engine.portfolio.book import CONTRACT_SIZE, MOST_LEGS, Accepted, Leg, Reading, Rejected
from engine.portfolio.occ import Contract, contract_of, read_occ
from engine.portfolio.reading.packages import Package, Way, package, shared
from engine.portfolio.reading.typed import (
    RefusalError,
    checked_expiration,
    checked_price,
    day,
    number,
    option_leg,
    plain,
    remark_of,
    right_of,
    root_of,
    shares_leg,
    symbol_of,
)
from engine.symbols import shortened

LONGEST_ENTRY = 300
_ENTRY = re.compile(r";[ \t]*\r?\n|[;\r\n]")
_SELL = frozenset({"STO", "SELL", "SOLD", "SHORT"})
_BUY = frozenset({"BTO", "BUY", "BOUGHT", "LONG"})
_SIDES = _SELL | _BUY
_CLOSING = frozenset({"BTC", "STC"})
_SHARES = frozenset({"SHARE", "SHARES", "STOCK"})
_WAYS: dict[str, Way] = {"CR": "credit", "CREDIT": "credit", "DB": "debit", "DEBIT": "debit"}
_NAMES = {
    "STRANGLE": "strangle", "STRADDLE": "straddle", "VERTICAL": "vertical", "SPREAD": "vertical",
    "BUTTERFLY": "butterfly", "FLY": "butterfly", "CONDOR": "condor", "IC": "iron condor",
    "IRON CONDOR": "iron condor", "IRON FLY": "iron fly", "IRON BUTTERFLY": "iron fly",
}  # fmt: skip
_QUANTITY = re.compile(r"[+-]?[0-9][0-9.,]*X?")
_SIGNED = re.compile(r"[+-][0-9][0-9.,]*X?")
_PADDED = re.compile(r"[0-9]{6}[CP][0-9]{8}")
_STRIKES = re.compile(r"[$.0-9PC][$./0-9PCUTALS]*")
_AFTER_DATE = re.compile(r"(?<=[-/][0-9]{2}),|(?<=[0-9]{4}),|(?<=[A-Z][0-9]{2}),")
_LOOSE_COMMA = re.compile(r"(?<![0-9]),|,(?![0-9])")
HOW_NET = "after net stand the price and cr or db, last in the entry: net 2.10 cr"
HOW = "write it such as -2 KO 2026-12-18 60P @ 1.15"


def parse_notation(text: str, asof: date, group: str = "") -> Reading:
    """Positions somebody typed; entries are parted by line or semicolon and counted from 1.

    The legs of one entry share a group: `group` with the entry's number where one is given, else a hash of
    the entry, its number and `asof`. A single leg has none. Never raises: what cannot be read is rejected
    with its number. Dates without a year are the next such day from `asof` on.
    """
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    for line, entry in enumerate(_ENTRY.split(text), 1):
        if not entry.strip():
            continue
        if line > 2 * MOST_LEGS or len(accepted) >= MOST_LEGS:
            rejected.append(Rejected(line, f"too much at once: a book holds at most {MOST_LEGS} legs"))
            break
        try:
            found = _entry(entry, asof, group and f"{group}.{line}", line)
        except RefusalError as error:
            rejected.append(Rejected(line, str(error)))
            continue
        if len(accepted) + len(found) > MOST_LEGS:
            rejected.append(Rejected(line, f"a book holds at most {MOST_LEGS} legs"))
            continue
        accepted.extend(found)
    if not accepted and not rejected:
        rejected.append(Rejected(1, f"there is nothing in it: {HOW}"))
    return Reading("notation", tuple(accepted), tuple(rejected))


@dataclass
class _Scan:
    """One leg's or package's tokens as they are understood."""

    quantity: float
    root: str
    expiration: date | None = None
    strikes: str | None = None
    word: str | None = None
    price: float | None = None
    way: Way | None = None
    contract: Contract | None = None
    shares: bool = False
    rest: list[str] = field(default_factory=list)


def _entry(entry: str, asof: date, group: str, line: int) -> list[Accepted]:
    """The legs of one entry. Raises RefusalError."""
    tokens, net = _tokens(entry)
    scans = [_scan(piece, asof) for piece in _pieces(tokens)]
    legs: list[tuple[Leg, str]] = []
    for scan in scans:
        legs.extend(_legs(scan, asof, packaged=len(scans) > 1))
    if len(scans) > 1:
        legs = _whole(legs, scans, net)
    elif net is not None:
        raise RefusalError("net belongs to an entry of several legs: write @ and the price")
    if len(legs) > 1:
        shared_group = group or _group(entry, asof, line)
        legs = [(replace(leg, group=shared_group), remark) for leg, remark in legs]
    told = [(leg, "; ".join(filter(None, (remark_of(leg, None), remark)))) for leg, remark in legs]
    return [Accepted(line, leg, remark) for leg, remark in told]


def _group(entry: str, asof: date, line: int) -> str:
    text = f"{asof} {line} {' '.join(entry.upper().split())}"
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _tokens(entry: str) -> tuple[list[str], tuple[Decimal, Way] | None]:
    """The words of an entry in capital letters, and the price of the whole where it ends with one."""
    bare = plain(entry)
    if len(bare) > LONGEST_ENTRY:
        raise RefusalError(f"longer than {LONGEST_ENTRY} characters; one position a line")
    if not bare.isascii() or not bare.replace("\t", " ").isprintable():
        raise RefusalError("a sign in it is no plain letter, digit or mark")
    upper = _AFTER_DATE.sub(" ", bare.upper())
    tokens = _joined_sign(_LOOSE_COMMA.sub(" ", upper).replace("@", " @ ").split())
    # NET is a ticker too: only with its price and its way it is the price of the whole.
    if len(tokens) < 3 or tokens[-3] != "NET" or tokens[-1] not in _WAYS:
        return tokens, None
    price = checked_price(number(tokens[-2]))
    if price is None:
        raise RefusalError(HOW_NET)
    return tokens[:-3], (Decimal(str(price)), _WAYS[tokens[-1]])


def _joined_sign(tokens: Sequence[str]) -> list[str]:
    """`- 2` as -2."""
    joined: list[str] = []
    for token in tokens:
        if joined and joined[-1] in {"+", "-"} and token[0].isdigit():
            joined[-1] += token
        else:
            joined.append(token)
    return joined


def _pieces(tokens: Sequence[str]) -> list[list[str]]:
    """The tokens of each leg: one begins at a side word or a signed number."""
    pieces: list[list[str]] = [[]]
    for place, token in enumerate(tokens):
        begins = token in _SIDES or _SIGNED.fullmatch(token) is not None
        priced = place > 0 and tokens[place - 1] == "@"
        opened = not pieces[-1] or (pieces[-1][0] in _SIDES and set(pieces[-1][1:]) <= {"TO", "OPEN"})
        if begins and not priced and not opened:
            pieces.append([])
        pieces[-1].append(token)
    return pieces


def _scan(tokens: list[str], asof: date) -> _Scan:
    """One leg or package, its words understood. Raises RefusalError."""
    scan = _beginning(tokens)
    rest = _joined_right(scan.rest)
    while rest:
        rest = rest[_understood(scan, rest, asof) :]
    return scan


def _beginning(tokens: Sequence[str]) -> _Scan:
    """Side, quantity and symbol."""
    if tokens[0] in _CLOSING or (tokens[0] in _SIDES and list(tokens[1:3]) == ["TO", "CLOSE"]):
        raise RefusalError("a book holds what is open: only opening trades are read, STO or BTO")
    side = tokens[0] if tokens[0] in _SIDES else ""
    bare = tokens[1:] if side else tokens
    bare = bare[2:] if side and list(bare[:2]) == ["TO", "OPEN"] else bare
    if not bare or not _QUANTITY.fullmatch(bare[0]):
        raise RefusalError(f"the quantity is missing: {HOW}")
    if len(bare) == 1:
        raise RefusalError(f"the symbol is missing: {HOW}")
    quantity = number(bare[0].removesuffix("X"))
    if quantity is None:
        raise RefusalError("the quantity is no number")
    if side in _BUY and quantity < 0:
        raise RefusalError("bought and a minus contradict each other")
    quantity = -abs(quantity) if side in _SELL else quantity
    padded = len(bare) > 2 and _PADDED.fullmatch(bare[2]) is not None
    contract = read_occ(bare[1] + bare[2]) if padded else read_occ(bare[1])
    root = contract.root if contract else root_of(bare[1])
    return _Scan(quantity, root, contract=contract, rest=list(bare[3:] if padded else bare[2:]))


def _joined_right(tokens: Sequence[str]) -> list[str]:
    """`60 P` and `P 60` as 60P."""
    joined: list[str] = []
    for token in tokens:
        last = joined[-1] if joined else ""
        if right_of(token) and re.fullmatch(r"[0-9./]*[0-9]", last):
            joined[-1] = last + token
        elif right_of(last) and re.fullmatch(r"[0-9.]+", token):
            joined[-1] = token + last
        else:
            joined.append(token)
    return joined


def _understood(scan: _Scan, rest: Sequence[str], asof: date) -> int:
    """How many of the tokens the next thing takes. Raises RefusalError for an unknown word."""
    word = rest[0]
    if word in {"@", "AT"}:
        return _price(scan, rest)
    if word in _SHARES:
        scan.shares = True
        return 1
    count = _name(scan, rest)
    if not count and scan.contract is None:
        count = _expiration(scan, rest, asof)
        if not count and scan.strikes is None and _STRIKES.fullmatch(word):
            scan.strikes = word
            count = 1
    if not count:
        raise RefusalError(_why(scan, word, asof))
    return count


def _why(scan: _Scan, word: str, asof: date) -> str:
    if word == "NET":
        return HOW_NET
    if scan.expiration is not None and day(word, asof) is not None:
        return "there are two expirations: write every leg with its own quantity"
    if scan.contract is None and scan.expiration is None and any(sign.isdigit() for sign in word):
        return "there is no such date: write 2026-12-18, 12/18/26 or 18DEC26"
    return f"{shortened(word)} is not understood: {HOW}"


def _name(scan: _Scan, rest: Sequence[str]) -> int:
    for count in (2, 1):
        if scan.word is None and (name := _NAMES.get(" ".join(rest[:count]))):
            scan.word = name
            return count
    return 0


def _expiration(scan: _Scan, rest: Sequence[str], asof: date) -> int:
    for count in (3, 2, 1):
        when = _day(rest[:count], asof) if scan.expiration is None and len(rest) >= count else None
        if when is not None:
            scan.expiration = when
            return count
    return 0


def _day(tokens: Sequence[str], asof: date) -> date | None:
    """A date of one to three words: `12/18`, `DEC 18`, `18 DEC 2026`; figures alone never make several."""
    text = " ".join(tokens)
    if len(tokens) > 1 and not any(sign.isalpha() for sign in text):
        return None
    found = day(text, asof)
    two_digits = len(tokens) == 3 and len(tokens[2]) < 3
    # DEC 18 60 is a day and a strike; DEC 18 26 a date.
    return None if found and two_digits and not 0 <= found.year - asof.year <= 10 else found


def _price(scan: _Scan, rest: Sequence[str]) -> int:
    if scan.price is not None:
        raise RefusalError("there are two prices")
    price = number(rest[1]) if len(rest) > 1 else None
    if price is None:
        raise RefusalError("after @ stands no price: write @ 1.15")
    scan.price = checked_price(price)
    scan.way = _WAYS.get(rest[2]) if len(rest) > 2 else None
    return 3 if scan.way else 2


def _legs(scan: _Scan, asof: date, packaged: bool) -> list[tuple[Leg, str]]:
    """The legs of one scan with their remarks. Raises RefusalError."""
    if scan.contract is not None:
        _unexpired(scan.contract.expiration, asof)
        _single(scan)
        return [(option_leg(scan.contract, scan.quantity, scan.price, listed=True), "")]
    if scan.strikes is None:
        return [(_shares(scan), "")]
    if scan.shares:
        raise RefusalError("shares have no strike")
    if scan.expiration is None:
        raise RefusalError(f"the expiration is missing: {HOW}")
    _unexpired(scan.expiration, asof)
    what = package(scan.strikes, scan.word)
    contracts = [contract_of(scan.root, scan.expiration, part.right, part.strike) for part in what.parts]
    if what.name == "single":
        _single(scan)
        return [(option_leg(contracts[0], scan.quantity, scan.price), "")]
    if packaged:
        raise RefusalError("a package and further legs: write every leg with its own quantity")
    return _package(scan, what, contracts)


def _single(scan: _Scan) -> None:
    """One leg's own price says credit or debit by its sign already. Raises RefusalError if they differ."""
    if scan.word is not None:
        raise RefusalError(f"one leg is no {scan.word}")
    if scan.way is not None and (scan.way == "credit") != (scan.quantity < 0):
        raise RefusalError("what is sold brings a credit, what is bought costs a debit")


def _unexpired(expiration: date, asof: date) -> None:
    if expiration < asof:
        raise RefusalError(f"{expiration} is past: an expiration is {asof} or later")
    checked_expiration(expiration, asof)


def _shares(scan: _Scan) -> Leg:
    if scan.expiration is not None:
        raise RefusalError("the strike is missing: write 60P for a put, 60C for a call")
    _single(scan)
    symbol = scan.root if scan.root.startswith("/") else symbol_of(scan.root)
    return shares_leg(symbol, scan.quantity, scan.price)


def _package(scan: _Scan, what: Package, contracts: Sequence[Contract]) -> list[tuple[Leg, str]]:
    ratios = [part.ratio if scan.quantity > 0 else -part.ratio for part in what.parts]
    way = what.way
    if way is not None and scan.quantity < 0:
        way = "debit" if way == "credit" else "credit"
    if scan.way is not None and way not in (None, scan.way):
        raise RefusalError(f"this {what.name} is a {way}, not a {scan.way}")
    way = scan.way or way
    if scan.price is not None and way is None:
        raise RefusalError(
            f"with unequal wings it may be a credit or a debit: write @ {scan.price:.8g} cr or db"
        )
    prices: Sequence[float | None] = [None] * len(ratios)
    if scan.price is not None and way is not None:
        prices = shared(Decimal(str(scan.price)), ratios, way)
    remark = _told(what.name, ratios, scan.price, way)
    count = abs(scan.quantity)
    return [
        (option_leg(contract, count * ratio, price), remark)
        for contract, ratio, price in zip(contracts, ratios, prices, strict=True)
    ]


def _told(name: str, ratios: Sequence[float], price: float | None, way: Way | None) -> str:
    """What the reader should check of a package: which of its legs are sold, and that the price is shared."""
    sides = " ".join(f"{ratio:+g}" for ratio in ratios)
    if price is None:
        return f"{name} ({sides} each)"
    return f"{name} ({sides} each), package price {price:.8g} {way}, shared over its legs: exact as a whole"


def _whole(
    legs: Sequence[tuple[Leg, str]], scans: Sequence[_Scan], net: tuple[Decimal, Way] | None
) -> list[tuple[Leg, str]]:
    """Legs written out one by one, with the price of the whole shared where one is given."""
    priced = sum(scan.price is not None for scan in scans)
    if net is None:
        if priced == 1 and scans[-1].price is not None:
            raise RefusalError(
                "is the price the last leg's or the whole's? give each leg its price, or end with net 2.10 cr"
            )
        return list(legs)
    if priced:
        raise RefusalError("either every leg has its price or the whole has one")
    price, way = net
    contracts = [leg.quantity / (CONTRACT_SIZE if leg.kind == "shares" else 1) for leg, _ in legs]
    if any(count != int(count) for count in contracts):
        raise RefusalError("a price of the whole needs shares by the hundred")
    packages = reduce(gcd, (abs(int(count)) for count in contracts))
    ratios = [count / packages for count in contracts]
    prices = shared(price, ratios, way)
    remark = _told("legs", ratios, float(price), way)
    return [(replace(leg, open_price=each), remark) for (leg, _), each in zip(legs, prices, strict=True)]
