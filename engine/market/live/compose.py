"""The live market put together from an operator's settings; with the wall clock, chance and the disk."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from engine.environment import LiveSettings, now_from
from engine.market.live.access import Access
from engine.market.live.cache import AnswerCache
from engine.market.live.market import LiveMarket
from engine.market.live.rules import load_proxies, load_sources
from engine.market.live.sources import Choice, chosen_sources
from engine.market.live.traffic import Clock
from engine.market.schedule import load_schedule
from engine.rules import Listing, Rules, load_pairs


def live_market(
    settings: LiveSettings,
    choice: Choice,
    rules: Rules,
    listings: Sequence[Listing],
    config: Path,
    every_profile: bool = True,
) -> tuple[LiveMarket, Rules]:
    """The market of the chosen sources, and the rules as they apply to it.

    `every_profile` keeps names in a large universe that could pass under another profile or lens only.
    `hv_source: auto` becomes `provider` where Tastytrade takes part, `computed` otherwise. Raises
    ConfigError or StoreError in one sentence.
    """
    access = access_of(settings, config)
    try:
        chosen = chosen_sources(access, choice)
        settled = rules.settled(chosen.provider_values)
        proxies, schedule = load_proxies(config), load_schedule(config)
        legs = frozenset(leg for pair in load_pairs(config) for leg in (pair.leg_a, pair.leg_b))
        return LiveMarket(access, chosen, settled, listings, proxies, every_profile, schedule, legs), settled
    except BaseException:
        access.cache.close()
        raise


def access_of(settings: LiveSettings, config: Path) -> Access:
    """Clock, limits, cache and credentials. Raises ConfigError or StoreError."""
    rules = load_sources(config)
    return Access(
        clock=clock_from(settings.stand_in_now),
        rules=rules,
        cache=AnswerCache(settings.cache_folder, rules.cache),
        traffic={},
        stand_in=settings.stand_in,
        authority=settings.stand_in_ca,
        tastytrade_secret=settings.tt_secret,
        tastytrade_refresh=settings.tt_refresh,
        cboe_allowed=settings.cboe_terms == "accepted",
    )


def clock_from(start: datetime | None) -> Clock:
    """The wall clock, or one that shows `start` now and runs on from there."""
    return Clock(
        now=now_from(start),
        ticks=time.monotonic,
        sleep=asyncio.sleep,
        pause=time.sleep,
        chance=random.random,
    )
