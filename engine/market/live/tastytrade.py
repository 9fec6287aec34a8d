"""Tastytrade, read only: ready-made metrics of many names, option chains with quotes, a year of IV."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.market.live.access import Access
from engine.market.live.account import holdings_of
from engine.market.live.answers import Asked, Chain, Contracts, Fact, Facts, History, utc
from engine.market.live.dxlink import DxLink, OptionGreeks, Series
from engine.market.live.expiries import wanted_expiries
from engine.market.live.failures import Failure, SourceError
from engine.market.live.indices import is_index
from engine.market.live.tastytrade_session import TASTYTRADE, TastytradeLine, mapped
from engine.market.live.traffic import persistent
from engine.market.snapshot import Holdings

_Items = Callable[..., Awaitable[list[Any]]]

METRICS_AT_ONCE = 50
QUOTES_AT_ONCE = 100
"""Symbols one request of market data may hold, all types together."""
STRIKES_AT_MOST = 50
"""Strikes an expiry, both rights each: one request of quotes an expiry."""
BAND = (0.5, 2.0)
"""Strikes looked at, as multiples of spot."""
_MILLISECONDS_FROM = 1e11
"""Instants above are in milliseconds since 1970; as seconds they would lie beyond the year 5000."""


class TastytradeSource:
    """Source over the SDK: metrics fifty names a request, chains in one request and one an expiry more.

    The request for the underlying's price comes before those for quotes, so a chain costs two requests
    and one for each expiry IV30 and the trade gates need.
    """

    name = TASTYTRADE
    serves = frozenset({"chain", "metrics"})

    def __init__(self, access: Access) -> None:
        self._clock = access.clock
        self._line = TastytradeLine(access)
        self._stream = DxLink(self._line)

    async def metrics(self, symbols: list[str], asked: Asked) -> dict[str, Facts | SourceError]:
        """Columns of Snapshot.underlyings in its units, a SourceError for each name without.

        UNKNOWN_SYMBOL for a name the reply lacks, MISSING_FIELDS for an item nothing can be read from;
        a batch that fails in whole fails for its names only. Raises NOT_CONFIGURED.
        """
        await self._line.session()
        parts = [
            symbols[first : first + METRICS_AT_ONCE] for first in range(0, len(symbols), METRICS_AT_ONCE)
        ]
        found: dict[str, Facts | SourceError] = {}

        async def one(part: list[str]) -> None:
            names = {their_symbol(symbol): symbol for symbol in part}
            params = {"symbols": ",".join(names)}
            try:
                items = await persistent(
                    self._line.traffic, lambda: self._line.items("/market-metrics", params)
                )
            except SourceError as error:
                found.update(dict.fromkeys(part, error))
            else:
                found.update(_metrics_of(items, names, asked.session))

        await asyncio.gather(*map(one, parts))
        return found

    async def chain(self, symbol: str, asked: Asked) -> Chain:
        """Quotes of the expiries that bracket 30 days and of the monthly a trade would take.

        Standard contracts settled in the afternoon, at strikes from half to twice the spot; where an
        expiry lists more than STRIKES_AT_MOST of them they are thinned out away from the spot, and
        `method` says so. Raises SourceError: NO_OPTIONS, EMPTY_CHAIN, MISSING_FIELDS, NOT_FOUND, or what
        the line did.
        """
        await self._line.session()
        answered: dict[str, list[Any]] = {}

        async def items(key: str, path: str, params: Mapping[str, Any] | None = None) -> list[Any]:
            # A second try of the chain does not repeat what was answered in the first.
            if key not in answered:
                answered[key] = await self._line.items(path, params)
            return answered[key]

        async def whole() -> Chain:
            with mapped():
                return await self._chain(symbol, asked, items)

        return await persistent(self._line.traffic, whole)

    async def _chain(self, symbol: str, asked: Asked, items: _Items) -> Chain:
        theirs = their_symbol(symbol)
        listed = await items("chain", f"/option-chains/{theirs.replace('/', '%2F')}/nested")
        expiries = _standard_expiries(listed, theirs)
        wanted = wanted_expiries(sorted(expiries), asked, symbol)
        held = asked.held_of(symbol)
        kind = "index" if is_index(theirs) else "equity"
        underlying = await items("spot", "/market-data/by-type", {kind: [theirs]})
        spot = _spot_of(underlying)
        contracts = [each for day in wanted for each in _near(expiries[day], float(spot.value), held)]
        if not contracts:
            raise SourceError(TASTYTRADE, Failure.EMPTY_CHAIN, detail="no expiry of use")
        quotes: list[Any] = []
        for first in range(0, len(contracts), QUOTES_AT_ONCE):
            some = [contract.symbol for contract in contracts[first : first + QUOTES_AT_ONCE]]
            quotes += await items(f"quotes {first}", "/market-data/by-type", {"equity-option": some})
        every = sum(len(expiries[day]) for day in wanted)
        return Chain(
            symbol=symbol,
            source=TASTYTRADE,
            quotes=_frame(contracts, quotes),
            traded=_newest_trade([*underlying, *quotes]),
            fetched=self._clock.now(),
            method=f"{len(wanted)} of {len(expiries)} expiries, {len(contracts)} of their {every} contracts",
            facts={"spot": spot},
        )

    async def iv_history(self, symbols: list[str], asked: Asked) -> dict[str, Series | SourceError]:
        """A year of daily implied volatility (fraction) of each name, or why there is none.

        See DxLink.iv_history. Raises NOT_CONFIGURED.
        """
        await self._line.session()
        names = {their_symbol(symbol): symbol for symbol in symbols}
        found = await self._stream.iv_history(list(names), asked)
        return {names[theirs]: answer for theirs, answer in found.items()}

    async def underlying_iv(self, symbols: list[str]) -> dict[str, Fact | SourceError]:
        """30-day implied volatility (fraction, VIX method) of each name as the stream has it now."""
        await self._line.session()
        names = {their_symbol(symbol): symbol for symbol in symbols}
        found = await self._stream.underlying_iv(list(names))
        return {names[theirs]: answer for theirs, answer in found.items()}

    async def greeks(self, contracts: list[str]) -> dict[str, OptionGreeks | SourceError]:
        """Greeks of options by OCC symbol. Raises NOT_CONFIGURED, ValueError for no OCC symbol."""
        await self._line.session()
        names = {streamer_symbol(contract): contract for contract in contracts}
        found = await self._stream.greeks(list(names))
        return {names[theirs]: answer for theirs, answer in found.items()}

    async def history(self, symbol: str, asked: Asked) -> History:
        """Tastytrade serves no daily bars that are adjusted for dividends."""
        raise SourceError(TASTYTRADE, Failure.NOT_CONFIGURED, detail="no histories")

    async def closes(self, symbols: list[str], asked: Asked) -> dict[str, History | SourceError]:
        """Tastytrade serves none in bulk."""
        raise SourceError(TASTYTRADE, Failure.NOT_CONFIGURED, detail="no closes")

    async def holdings(self) -> Holdings:
        """What the accounts behind the login hold (engine.market.live.account). Raises SourceError."""
        return await holdings_of(self._line)

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._line.aclose()


def their_symbol(symbol: str) -> str:
    """BRK.B as BRK/B, ^VIX as VIX; the stream knows names by the same."""
    return symbol.removeprefix("^").replace(".", "/")


@dataclass(frozen=True, slots=True)
class _Contract:
    """One listed option."""

    symbol: str
    expiration: date
    right: str
    strike: float


def _metrics_of(
    items: Sequence[Any], names: Mapping[str, str], session: date
) -> Iterator[tuple[str, Facts | SourceError]]:
    by_name = {str(item["symbol"]): item for item in items if isinstance(item, Mapping) and "symbol" in item}
    # With a nameless item about, a name that is absent may well be known.
    absent = Failure.UNKNOWN_SYMBOL if len(by_name) == len(items) else Failure.MISSING_FIELDS
    for theirs, symbol in names.items():
        if theirs not in by_name:
            yield symbol, SourceError(TASTYTRADE, absent)
            continue
        facts = dict(_facts_of(by_name[theirs], session))
        yield symbol, facts or SourceError(TASTYTRADE, Failure.MISSING_FIELDS)


def _facts_of(item: Mapping[str, Any], session: date) -> Iterator[tuple[str, Fact]]:
    """Values in range; the units of the reply differ from field to field (reference, 2.2)."""
    updated = _instant(item.get("updated-at"))
    measured = _instant(item.get("implied-volatility-updated-at")) or updated
    yield from _volatilities(item, measured)
    ranked = str(item.get("implied-volatility-index-rank-source") or "")
    for column, field, scale, low, high, method, at in (
        ("iv_percentile", "implied-volatility-percentile", 100.0, 0.0, 1.0, "", measured),
        # A new extreme lies outside of the range it is ranked in.
        ("iv_rank", "implied-volatility-index-rank", 100.0, -1.0, 2.0, ranked, measured),
        ("liquidity_rating", "liquidity-rating", 1.0, 0.0, 5.0, "", updated),
        ("corr_spy", "corr-spy-3month", 1.0, -1.0, 1.0, "3 months", updated),
    ):
        if low <= (value := _number(item.get(field))) <= high:
            yield column, Fact(value * scale, TASTYTRADE, method, at)
    if abs(beta := _number(item.get("beta"))) > 0:
        yield "beta", Fact(beta, TASTYTRADE, at=_instant(item.get("beta-updated-at")) or updated)
    yield from _earnings(item.get("earnings"), session)
    yield from _dividend(item, session)


def _volatilities(item: Mapping[str, Any], at: datetime | None) -> Iterator[tuple[str, Fact]]:
    """As fractions. The reply has percent points but for its index; 0 stands for none."""
    if (iv30 := _number(item.get("implied-volatility-30-day"))) > 0:
        yield "iv30_provider", Fact(iv30 / 100.0, TASTYTRADE, at=at)
    elif (index := _number(item.get("implied-volatility-index"))) > 0:
        yield "iv30_provider", Fact(index, TASTYTRADE, "iv index", at)
    for days in (30, 60, 90):
        if (hv := _number(item.get(f"historical-volatility-{days}-day"))) > 0:
            yield f"hv{days}_provider", Fact(hv / 100.0, TASTYTRADE, at=at)


def _earnings(report: Any, session: date) -> Iterator[tuple[str, Fact]]:
    if not isinstance(report, Mapping):
        return
    due = _day(report.get("expected-report-date"))
    if due is None or due < session:
        return
    estimated = report.get("estimated") is not False
    at = _instant(report.get("updated-at"))
    yield "earnings_date", Fact(due.isoformat(), TASTYTRADE, "estimate" if estimated else "announced", at)
    yield "earnings_verified", Fact(not estimated, TASTYTRADE, at=at)


def _dividend(item: Mapping[str, Any], session: date) -> Iterator[tuple[str, Fact]]:
    at = _instant(item.get("dividend-updated-at"))
    for field, method in (("dividend-ex-date", "ex-date"), ("dividend-next-date", "next date")):
        due = _day(item.get(field))
        if due is None or due < session:
            continue
        yield "dividend_date", Fact(due.isoformat(), TASTYTRADE, method, at)
        if (amount := _number(item.get("dividend-rate-per-share"))) > 0:
            yield "dividend_amount", Fact(amount, TASTYTRADE, method, at)
        return


def _standard_expiries(chains: Sequence[Any], theirs: str) -> dict[date, list[_Contract]]:
    """Contracts by expiry: of the root named like the symbol, else of another one (SPXW).

    Left out are contracts that deliver anything else than 100 shares, and those settled at the open
    (SPX on third Fridays): the screen reckons to 16:00. Raises SourceError when nothing is left.
    """
    found: dict[date, list[_Contract]] = {}
    standard = [chain for chain in chains if _is_standard(chain)]
    for chain in sorted(standard, key=lambda chain: chain.get("root-symbol") != theirs):
        for expiry in chain["expirations"]:
            if expiry.get("settlement-type") == "AM":
                continue
            day = date.fromisoformat(expiry["expiration-date"])
            contracts = [
                _Contract(strike[side], day, right, float(strike["strike-price"]))
                for strike in expiry["strikes"]
                for side, right in (("call", "C"), ("put", "P"))
                if strike.get(side)
            ]
            if contracts:
                found.setdefault(day, contracts)
    if not found:
        detail = "none standard and settled in the afternoon" if chains else ""
        raise SourceError(TASTYTRADE, Failure.NO_OPTIONS, detail=detail)
    return found


def _is_standard(chain: Mapping[str, Any]) -> bool:
    delivered = chain.get("deliverables") or []
    plain = len(delivered) <= 1 and all(
        each.get("deliverable-type") != "Shares" or _number(each.get("amount")) == 100 for each in delivered
    )
    kind = chain.get("option-chain-type", "Standard")
    return bool(plain and kind == "Standard" and _number(chain.get("shares-per-contract", 100)) == 100)


def _near(contracts: Sequence[_Contract], spot: float, held: Contracts) -> list[_Contract]:
    """Those held, and those at the strikes worth a quote: half a budget each side, densest close to spot."""
    strikes = np.unique([each.strike for each in contracts])
    inside = strikes[(strikes >= BAND[0] * spot) & (strikes <= BAND[1] * spot)]
    sides = inside[inside < spot][::-1], inside[inside >= spot]
    kept = {strike for side in sides for strike in side[_spread(len(side), STRIKES_AT_MOST // 2)].tolist()}
    return [each for each in contracts if each.strike in kept or (each.expiration, each.strike) in held]


def _spread(count: int, most: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    if count <= most:
        return np.arange(count)
    return np.unique(np.rint(np.linspace(0.0, 1.0, most) ** 2 * (count - 1)).astype(np.int64))


def _spot_of(items: Sequence[Any]) -> Fact:
    for item in items:
        at = _traded(item)
        for field, method in (("last", "last trade"), ("mark", "mark"), ("mid", "mid of the quote")):
            if (price := _number(item.get(field))) > 0:
                return Fact(price, TASTYTRADE, method, at)
    raise SourceError(TASTYTRADE, Failure.MISSING_FIELDS, detail="no price of the underlying")


def _frame(contracts: Sequence[_Contract], items: Sequence[Any]) -> pd.DataFrame:
    """A row a contract asked for; NaN where the reply has nothing of it. Raises SourceError EMPTY_CHAIN."""
    by_symbol = {str(item.get("symbol")): item for item in items}
    if not any(contract.symbol in by_symbol for contract in contracts):
        raise SourceError(TASTYTRADE, Failure.EMPTY_CHAIN)
    rows = [by_symbol.get(contract.symbol, {}) for contract in contracts]
    frame = pd.DataFrame(
        {
            column: np.array([_number(row.get(column.replace("_", "-"))) for row in rows])
            for column in ("bid", "ask", "last", "volume", "open_interest")
        }
    )
    frame["strike"] = [contract.strike for contract in contracts]
    frame["expiration"] = np.array([contract.expiration for contract in contracts], dtype="datetime64[s]")
    frame["right"] = [contract.right for contract in contracts]
    frame["contract"] = [contract.symbol.replace(" ", "") for contract in contracts]
    return frame


def _newest_trade(items: Sequence[Any]) -> datetime | None:
    return max(filter(None, map(_traded, items)), default=None)


def _traded(item: Mapping[str, Any]) -> datetime | None:
    """When an instrument last traded. The reply's own stamp says only when it was written."""
    stamp = _number(item.get("last-trade-time"))
    if not stamp > 0:
        return None
    return utc(stamp / 1000.0 if stamp >= _MILLISECONDS_FROM else stamp)


def _number(value: Any) -> float:
    """A number or its text as a float; NaN for anything else, infinities included."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) and not isinstance(value, bool) else math.nan


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def streamer_symbol(contract: str) -> str:
    """An OCC symbol (`AAPL  261218P00200500`, blanks optional) as the stream's `.AAPL261218P200.5`.

    Raises ValueError for anything else.
    """
    root, rest = contract[:-15].strip(), contract[-15:]
    if not root or rest[6] not in "CP" or not (rest[:6] + rest[7:]).isdigit():
        raise ValueError("no OCC symbol")
    return f".{root}{rest[:7]}{int(rest[7:]) / 1000:.10g}"
