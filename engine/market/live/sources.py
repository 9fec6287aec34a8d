"""Which sources a run may ask: the operator's choice, what it needs, and the clients behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import ConfigError
from engine.market.live.access import Access
from engine.market.live.answers import Source
from engine.market.live.rules import MarketSource
from engine.market.live.web import Web

Choice = Literal["auto", "yahoo", "tastytrade", "cboe"]

HOW = {
    "yahoo": "",
    "tastytrade": "Set TT_SECRET and TT_REFRESH (see .env.example); Yahoo needs neither.",
    "cboe": "Read docs/sources.md on its terms, then set VARIANCE_CBOE_TERMS=accepted.",
}
"""What switches each source on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The sources in use, and those that could be."""

    sources: tuple[MarketSource, ...]
    configured: tuple[MarketSource, ...]

    @property
    def provider_values(self) -> bool:
        """Whether a source with ready-made volatilities leads."""
        return "tastytrade" in self.sources


def configured_sources(access: Access) -> tuple[MarketSource, ...]:
    """What the operator's settings allow. Yahoo needs nothing."""
    found: list[MarketSource] = ["yahoo"]
    if access.tastytrade_secret is not None and access.tastytrade_refresh is not None:
        found.append("tastytrade")
    if access.cboe_allowed:
        found.append("cboe")
    return tuple(found)


def chosen_sources(access: Access, choice: Choice) -> Chosen:
    """The sources behind a choice: `auto` takes all that are configured, another leads and Yahoo fills.

    Raises ConfigError in one sentence when the choice is not configured.
    """
    configured = configured_sources(access)
    if choice == "auto":
        return Chosen(configured, configured)
    if choice not in configured:
        raise ConfigError(f"{choice} is not configured. {HOW[choice]}")
    sources: tuple[MarketSource, ...] = ("yahoo",) if choice == "yahoo" else (choice, "yahoo")
    return Chosen(sources, configured)


def opened_sources(access: Access, web: Web, chosen: Chosen) -> dict[str, Source]:
    """The clients, in no order; nothing is asked yet. Their libraries are loaded here, not before."""
    opened: dict[str, Source] = {}
    for name in chosen.sources:
        opened[name] = opened_source(name, access, web)
    return opened


def opened_source(name: MarketSource, access: Access, web: Web) -> Source:
    """One client."""
    match name:
        case "yahoo":
            from engine.market.live.yahoo import YahooSource

            return YahooSource(access)
        case "tastytrade":
            from engine.market.live.tastytrade import TastytradeSource

            return TastytradeSource(access)
        case "cboe":
            from engine.market.live.cboe import CboeSource

            return CboeSource(access, web)
