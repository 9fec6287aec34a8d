"""Every source tried once, with what it said, how fast, and what to do when it did not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, get_args

from engine.market.live.answers import Asked
from engine.market.live.calendar import earnings_dates
from engine.market.live.directory import optionable
from engine.market.live.failures import REMEDIES, SourceError
from engine.market.live.gather import Gatherer, moment
from engine.market.live.rates import risk_free_rate
from engine.market.live.rules import MarketSource, SourceName
from engine.market.live.sources import HOW, Chosen, opened_source
from engine.market.snapshot import Snapshot
from engine.rules import Listing

MARKET: tuple[MarketSource, ...] = get_args(MarketSource)
PUBLIC: tuple[SourceName, ...] = ("treasury", "nasdaq", "directory")
SKEW_SECONDS = 60.0
"""Beyond this our clock and a source's disagree about what a quote's age is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One source: whether it may be used, whether it answered, how fast, and what helps if not."""

    name: str
    configured: bool
    ok: bool
    latency_ms: float | None
    detail: str
    remedy: str
    requests: int = 0
    clock_skew_seconds: float | None = None
    limit: str = ""
    paused_until: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What `variance doctor` found."""

    checks: tuple[Check, ...]
    symbol: str
    used: dict[str, Any]
    """Field by field what a run would use for the symbol, with source, method and time."""
    missing: str | None
    coverage: float
    """Share of the fields of config/sources.json that some source filled for the symbol."""
    cache: dict[str, Any]

    @property
    def healthy(self) -> bool:
        """Whether every market source that is configured answered."""
        return all(check.ok for check in self.checks if check.configured and check.name in MARKET)

    def shape(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "sources": [asdict(check) for check in self.checks],
            "symbol": {
                "symbol": self.symbol,
                "coverage": self.coverage,
                "missing": self.missing,
                "used": self.used,
            },
            "cache": self.cache,
        }


async def examined(gatherer: Gatherer, chosen: Chosen, listing: Listing) -> Report:
    """Try each source on its own, past the cache; then gather one name as a run would."""
    asked = moment(gatherer.access.clock.now(), gatherer.rules)
    checks = await asyncio.gather(
        *(_market_check(gatherer, chosen, name, listing.symbol, asked) for name in MARKET),
        *(_public_check(gatherer, name, asked) for name in PUBLIC),
    )
    used: dict[str, Any] = {}
    missing: str | None = "no market source answers"
    if any(check.ok for check in checks if check.name in gatherer.sources):
        market = await gatherer.snapshot([listing])
        used = json.loads(str(market.underlyings["provenance"].iloc[0]))
        missing = _text_of(market, "error")
    fields = gatherer.access.rules.order.fields
    return Report(
        checks=tuple(checks),
        symbol=listing.symbol,
        used=used,
        missing=missing,
        coverage=round(sum(name in used for name in fields) / len(fields), 4),
        cache=_cache(gatherer),
    )


async def _market_check(
    gatherer: Gatherer, chosen: Chosen, name: MarketSource, symbol: str, asked: Asked
) -> Check:
    if name not in chosen.configured:
        return Check(name, False, False, None, "not configured", HOW[name])
    access = gatherer.access
    source = gatherer.sources.get(name)
    opened = source is None
    if source is None:
        source = opened_source(name, access, gatherer.web)

    async def ask() -> str:
        assert source is not None
        if "metrics" in source.serves:
            answer = (await source.metrics([symbol], asked))[symbol]
            if isinstance(answer, SourceError):
                raise answer
            return f"{len(answer)} metrics of {symbol}"
        if "history" in source.serves:
            bars = (await source.history(symbol, asked)).bars
            return f"{len(bars)} daily bars of {symbol}"
        chain = await source.chain(symbol, asked)
        return f"{len(chain.quotes)} quotes of {symbol}"

    try:
        return await _timed(gatherer, name, ask)
    finally:
        if opened:
            await source.aclose()


async def _public_check(gatherer: Gatherer, name: SourceName, asked: Asked) -> Check:
    web = gatherer.web
    access = replace(gatherer.access, cache=gatherer.access.cache.unread())

    async def ask() -> str:
        match name:
            case "treasury":
                constant = gatherer.rules.volatility.risk_free_rate_percent / 100.0
                rate = await risk_free_rate(access, web, asked.session, constant)
                trouble = access.towards(name).trouble
                if rate.note and trouble is not None:
                    used = f"{100 * rate.value:.2f} % from {rate.source} is used"
                    raise SourceError(name, trouble.failure, detail=used)
                return f"{100 * rate.value:.2f} % from {rate.source}"
            case "nasdaq":
                dates, errors = await earnings_dates(access, web, asked.session, 0)
                if errors:
                    raise errors[0]
                return f"{len(dates)} companies report on {asked.session}"
            case _:
                names, source = await optionable(access, web)
                return f"{len(names)} optionable names from {source}"

    return await _timed(gatherer, name, ask)


async def _timed(gatherer: Gatherer, name: SourceName, ask: Callable[[], Awaitable[str]]) -> Check:
    access = gatherer.access
    traffic = access.towards(name)
    before = traffic.counts["requests"]
    problem: SourceError | None = None
    try:
        detail = await ask()
    except SourceError as error:
        problem, detail = error, str(error)
    requests = traffic.counts["requests"] - before
    seconds = traffic.seconds[-requests:] if requests else []
    skew = traffic.skew
    if problem is None and skew is not None and abs(skew) > SKEW_SECONDS:
        detail += f"; this machine's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    pause = traffic.pause
    return Check(
        name=name,
        configured=True,
        ok=problem is None,
        latency_ms=round(1000 * sum(seconds) / len(seconds), 1) if seconds else None,
        detail=detail,
        remedy=REMEDIES[problem.failure] if problem else _clock_remedy(skew),
        requests=requests,
        clock_skew_seconds=round(skew, 1) if skew is not None else None,
        limit=f"{traffic.limits.per_second:g} a second, {traffic.limits.at_once} at a time",
        paused_until=_instant(pause[0]) if pause else None,
    )


def _clock_remedy(skew: float | None) -> str:
    return "Set this machine's clock by NTP." if skew is not None and abs(skew) > SKEW_SECONDS else ""


def _cache(gatherer: Gatherer) -> dict[str, Any]:
    cache, now = gatherer.access.cache, gatherer.access.clock.now()
    counts = {source: {"answers": kept, "good": good} for source, (kept, good) in cache.counts(now).items()}
    return {"folder": str(cache.folder), "sources": counts}


def _text_of(market: Snapshot, column: str) -> str | None:
    value = market.underlyings[column].iloc[0]
    return value if isinstance(value, str) else None


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
