"""Which names have listed options, by the OCC or else Cboe, and what that says of a universe."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from engine.market.live.access import Access
from engine.market.live.failures import Failure, SourceError
from engine.market.live.web import Reply, Web
from engine.rules import Listing
from engine.symbols import as_ticker

_OCC = "https://marketdata.theocc.com/delo-download"
_OCC_FIELDS = {"prodType": "ALL", "downloadFields": "OS;US;SN;EXCH;PL;ONN", "format": "txt"}
_CBOE = "https://www.cboe.com/us/options/symboldir/equity_index_options/"
_KEY = "optionable"
_DOUBTFUL_SHARE = 0.5
"""When more of a universe than that has lost its options, the directory is wrong, not the universe."""
_FUND = re.compile(
    r"\b(ETF|ETN|FUND|ISHARES|SPDR|PROSHARES|DIREXION|VANECK|INVESCO|WISDOMTREE|GLOBAL X|GRAYSCALE)\b", re.I
)
_INDEX = re.compile(r"\bINDEX\b", re.I)
_LEGAL = re.compile(
    r"\b(INC|INCORPORATED|CORP|CORPORATION|CO|COMPANY|COMPANIES|LTD|LIMITED|PLC|LLC|LP|NV|SA|AG|SE|"
    r"HOLDING|HOLDINGS|GROUP|THE|COMMON|STOCK|SHARES|ORDINARY|COM|NEW|ADR|ADS|DEL|CLASS [A-Z]|CL [A-Z])\b"
)
_COLUMNS = ("symbol", "name", "sector", "asset_class")
_UNKNOWN_SECTOR = "Unknown"

Directory = Mapping[str, str]
"""Company or fund name by ticker; class shares as their directory writes them (BRKB or BRK.B)."""


@dataclass(frozen=True, slots=True)
class UniverseChange:
    """What a directory says of the operator's universe; nothing is written."""

    kept: tuple[Listing, ...]
    """With options, or none of the directory's business (futures and their like)."""
    gone: tuple[Listing, ...]
    """Without options any more."""
    renamed: tuple[tuple[Listing, tuple[str, ...]], ...]
    """Of `gone`, those whose company has options under another ticker: candidates, to be looked at."""
    others: tuple[Listing, ...]
    """Names with options that the universe does not hold; sector unknown, class guessed from the name."""

    @property
    def doubtful(self) -> bool:
        """Whether so much is gone that the directory is more likely at fault."""
        return len(self.gone) > _DOUBTFUL_SHARE * (len(self.kept) + len(self.gone))

    def text(self, every_name: bool = False) -> str:
        """A new universe file: the operator's names that remain, and with `every_name` all others."""
        sheet = StringIO()
        writer = csv.writer(sheet, lineterminator="\n")
        writer.writerow(_COLUMNS)
        listings = [*self.kept, *(self.others if every_name else ())]
        writer.writerows([getattr(listing, column) for column in _COLUMNS] for listing in listings)
        return sheet.getvalue()


async def optionable(access: Access, web: Web) -> tuple[dict[str, str], str]:
    """Every name with listed options, and who says so ("occ" or "cboe symbol directory").

    Kept for a week, Cboe's too. Raises the first directory's SourceError when neither answers.
    """
    now = access.clock.now()
    hit = access.cache.get("directory", _KEY, now)
    if hit is not None:
        try:
            names, origin = json.loads(hit[0])
            return {str(symbol): str(name) for symbol, name in names.items()}, str(origin)
        except (ValueError, TypeError, AttributeError):
            access.cache.forget("directory", _KEY)
    names, origin = await _asked(web)
    access.cache.put("directory", _KEY, json.dumps([names, origin]), "directory", now)
    return names, origin


async def _asked(web: Web) -> tuple[dict[str, str], str]:
    try:
        return await web.get("directory", _OCC, _reader(_occ_rows), params=_OCC_FIELDS), "occ"
    except SourceError as refused:
        try:
            names = await web.get("directory", _CBOE, _reader(_cboe_rows), params={"download": "csv"})
        except SourceError:
            raise refused from None
        return names, "cboe symbol directory"


def _reader(rows: Callable[[str], Iterator[tuple[str, str]]]) -> Callable[[Reply], dict[str, str]]:
    def read(reply: Reply) -> dict[str, str]:
        found: dict[str, str] = {}
        for symbol, name in rows(_decoded(reply)):
            ticker = as_ticker(symbol)
            if ticker is not None and name:
                found.setdefault(ticker, " ".join(name.split()))
        if not found:
            raise SourceError("directory", Failure.UNREADABLE, detail="no names in it")
        return found

    return read


def _decoded(reply: Reply) -> str:
    try:
        return reply.text
    except UnicodeDecodeError:
        # Company names with accents come in the older encoding.
        return reply.body.decode("cp1252", errors="replace")


def _occ_rows(text: str) -> Iterator[tuple[str, str]]:
    """Option symbol, underlying, name, ...: padded with blanks, separated by tabs, without a header.

    Roots of an adjusted deliverable (BYND1) bear the ratio in their name, so plain roots come first.
    """
    rows = [[cell.strip() for cell in line.split("\t")] for line in text.splitlines()]
    full = [row for row in rows if len(row) >= 3]
    for row in sorted(full, key=lambda row: row[0] != row[1]):
        yield row[1], row[2]


def _cboe_rows(text: str) -> Iterator[tuple[str, str]]:
    """Raises KeyError without the known columns."""
    for row in csv.DictReader(StringIO(text), skipinitialspace=True):
        yield (row["Stock Symbol"] or "").strip(), (row["Company Name"] or "").strip()


def refreshed_universe(listings: Sequence[Listing], directory: Directory) -> UniverseChange:
    """The operator's names against a directory of names with options.

    Futures are kept unseen. BRK.B is looked up with and without its dot. A name that is gone has as
    candidates the tickers of the same company name, legal forms and punctuation left out.
    """
    known = {_bare(symbol) for symbol in directory}
    kept = [each for each in listings if each.asset_class == "future" or _bare(each.symbol) in known]
    remaining = {each.symbol for each in kept}
    gone = [each for each in listings if each.symbol not in remaining]
    held = {_bare(each.symbol) for each in listings}
    tickers: dict[str, list[str]] = {}
    for symbol, name in sorted(directory.items()):
        if _bare(symbol) not in held:
            tickers.setdefault(_company(name), []).append(symbol)
    candidates = ((each, tuple(tickers.get(_company(each.name), ()))) for each in gone)
    return UniverseChange(
        kept=tuple(kept),
        gone=tuple(gone),
        renamed=tuple((each, found) for each, found in candidates if found),
        others=tuple(_listings(directory, held)),
    )


def _listings(directory: Directory, held: Iterable[str]) -> Iterator[Listing]:
    for symbol, name in sorted(directory.items()):
        if _bare(symbol) not in held:
            kind = "etf" if _FUND.search(name) else "index" if _INDEX.search(name) else "equity"
            yield Listing.model_validate(
                {"symbol": symbol, "name": name[:80], "sector": _UNKNOWN_SECTOR, "asset_class": kind}
            )


def _bare(symbol: str) -> str:
    return symbol.lstrip("^").replace(".", "").replace("-", "").replace("/", "")


def _company(name: str) -> str:
    """A company's name without legal form, class and punctuation; the whole where nothing else is left."""
    words = re.sub(r"[^A-Z0-9 ]+", "", name.upper().replace("-", " ").replace("&", " AND "))
    return " ".join(_LEGAL.sub(" ", words).split()) or words
