"""A typed, frozen view of config/sources.json and config/proxies.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from engine.configfile import Frozen, Ticker, no_repeats, read_json, validated

SourceName = Literal["yahoo", "tastytrade", "cboe", "treasury", "fred", "nasdaq", "directory"]
MarketSource = Literal["yahoo", "tastytrade", "cboe"]
FieldSource = Literal["yahoo", "tastytrade", "cboe", "nasdaq"]

_CEILINGS: dict[str, tuple[float, int]] = {"yahoo": (1.0, 4), "cboe": (1.0, 2)}
"""Requests a second and at a time that these sources are known to bear."""


class SourceLimits(Frozen):
    """Pace, patience and pauses of one source."""

    per_second: Annotated[float, Field(gt=0, le=20)]
    burst: Annotated[int, Field(ge=1, le=50)] = 1
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.25
    at_once: Annotated[int, Field(ge=1, le=16)] = 1
    attempts: Annotated[int, Field(ge=1, le=6)] = 3
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 20.0
    pause_minutes: Annotated[float, Field(ge=5, le=1440)] = 5.0
    fails_in_a_row: Annotated[int, Field(ge=1, le=100)] = 5
    down_seconds: Annotated[float, Field(ge=10, le=3600)] = 60.0


class CacheRules(Frozen):
    """How long answers stay good (see engine.market.live.cache.Life)."""

    chain_minutes: Annotated[float, Field(ge=1, le=60)] = 10.0
    history_hours: Annotated[float, Field(ge=1, le=48)] = 24.0
    directory_days: Annotated[float, Field(ge=1, le=60)] = 7.0


class GatherRules(Frozen):
    """One run over the sources."""

    deadline_minutes: Annotated[float, Field(gt=0, le=600)]
    retry_minutes: Annotated[float, Field(gt=0, le=600)]
    stage_from_names: Annotated[int, Field(ge=1, le=100_000)]
    stage_margin_percent: Annotated[float, Field(ge=0, le=100)]
    earnings_days_ahead: Annotated[int, Field(ge=0, le=60)]


class Orders(Frozen):
    """Which source is asked first, a group or a field of the snapshot; the first that has it wins."""

    chain: tuple[MarketSource, ...]
    history: tuple[MarketSource, ...]
    fields: dict[str, tuple[FieldSource, ...]]


class SourceRules(Frozen):
    """config/sources.json."""

    order: Orders
    disagreement_percent: dict[str, Annotated[float, Field(gt=0, le=100)]]
    run: GatherRules
    cache: CacheRules
    limits: dict[SourceName, SourceLimits]

    @model_validator(mode="after")
    def _within_ceilings(self) -> SourceRules:
        missing = [name for name in get_args(SourceName) if name not in self.limits]
        if missing:
            raise ValueError(f"limits lack {', '.join(missing)}")
        for name, (rate, at_once) in _CEILINGS.items():
            limits = self.limits[name]  # type: ignore[index]
            if limits.per_second > rate or limits.at_once > at_once:
                raise ValueError(
                    f"limits.{name} may be at most {rate:g} a second and {at_once} at a time; "
                    "more gets an address blocked"
                )
        return self


class Proxy(Frozen):
    """Where a future's or an index' volatility is taken from (methodology 9).

    `history` is the ticker of its own daily prices at Yahoo; `iv` the sources of its implied volatility,
    first that answers: a volatility index (`^VIX`, in percent) or the ticker of a liquid fund.
    """

    symbol: Ticker
    name: Annotated[str, Field(min_length=1, max_length=80)]
    history: Annotated[str, Field(pattern=r"^[\^]?[A-Z0-9.\-=]{1,15}$")]
    iv: Annotated[tuple[Ticker, ...], Field(min_length=1)]


class _ProxiesFile(Frozen):
    proxies: list[Proxy]


def load_sources(folder: Path) -> SourceRules:
    """config/sources.json. Raises ConfigError in one sentence."""
    path = folder / "sources.json"
    return validated(SourceRules, read_json(path), path)


def load_proxies(folder: Path) -> tuple[Proxy, ...]:
    """config/proxies.json. Raises ConfigError in one sentence."""
    path = folder / "proxies.json"
    proxies = tuple(validated(_ProxiesFile, read_json(path), path).proxies)
    no_repeats(path, "symbol", [proxy.symbol for proxy in proxies])
    return proxies
