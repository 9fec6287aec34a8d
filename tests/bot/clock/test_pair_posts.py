"""Pairs in the closing post: each server's own beside the operator's, new ones first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.people.pairs import GuildPairs, pair_of
from engine.record.pairs import save_pairs, stored_pairs
from engine.relative.pairs import PairRow
from engine.rules import Pair
from tests.bot.clock.conftest import Markets, Street, street_of
from tests.bot.conftest import Clock

OPEN = "2026-01-02T14:50:01+00:00"
CLOSE = "2026-01-02T21:16:01+00:00"
APART = Pair(id="STRANGERS", leg_a="AAPL", leg_b="XOM", correlation_threshold=0.99)
TOGETHER = Pair(id="ANYTHING", leg_a="GLD", leg_b="MSFT", correlation_threshold=-1)
KO_XOM = pair_of("KO", "XOM", 0.98)


@pytest.fixture
async def street(clocked: Any, clock: Clock, markets: Markets) -> AsyncIterator[Street]:
    """A server that is set up, with a pair of the operator's that is broken and one that is not."""
    async with street_of(clocked(pairs=[APART, TOGETHER]), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        yield street


def keep(street: Street, guild: Any, pair: Pair = KO_XOM) -> None:
    GuildPairs(street.bot.service.store).add(guild.id, pair, (), 1, street.now())


def rows_of_last_close(street: Street) -> tuple[int, tuple[PairRow, ...]]:
    store = street.bot.service.store
    found = store.latest(official_only=True)
    assert found is not None
    return found[0], stored_pairs(store, found[0])


def line_of(post: str) -> str:
    return next((line for line in post.splitlines() if line.startswith("**Pairs**")), "")


async def test_the_close_tells_of_a_broken_pair_and_the_open_does_not(street: Street) -> None:
    await street.until(OPEN)
    await street.until(CLOSE)
    opening, closing = street.posts()
    assert line_of(opening) == ""
    assert line_of(closing) == "**Pairs** broken as before: AAPL / XOM"


async def test_another_signal_than_at_the_close_before_is_new(street: Street) -> None:
    run_id, rows = rows_of_last_close(street)
    assert {row.pair for row in rows} == {"ANYTHING", "STRANGERS"}
    save_pairs(street.bot.service.store, run_id, [replace(row, signal="none") for row in rows])
    await street.until(CLOSE)
    assert line_of(street.posts()[-1]).startswith("**Pairs** new: AAPL / XOM broken: correlation ")
    assert line_of(street.posts()[-1]).endswith(", below 0.99")
    await street.until("2026-01-05T21:16:01+00:00")
    assert line_of(street.posts()[-1]) == "**Pairs** broken as before: AAPL / XOM"


async def test_nothing_is_said_where_nothing_converges_or_broke(
    clocked: Any, clock: Clock, markets: Markets
) -> None:
    async with street_of(clocked(pairs=[TOGETHER]), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        _, rows = rows_of_last_close(street)
        assert [row.signal for row in rows] == ["none"]
        await street.until(CLOSE)
        assert line_of(street.posts()[-1]) == ""


async def test_each_server_hears_of_its_own_pairs_also_by_rules_of_its_own(street: Street) -> None:
    guild = street.world.env.create_guild("Other")
    channel = guild.create_text_channel("calls")
    await street.world.env.settle()
    street.set_up(guild, channel, profile="aggressive", thresholds=(("price_min", 5.0),), numbers="de")
    keep(street, guild)
    await street.until(CLOSE)
    theirs, ours = street.posts(channel)[-1], street.posts()[-1]
    assert "KO / XOM broken" in line_of(theirs)
    assert "below 0,98" in line_of(theirs)
    assert line_of(theirs).endswith("; broken as before: AAPL / XOM")
    assert "KO / XOM" not in ours
    market = street.bot.service.market
    assert market is not None
    rows = stored_pairs(street.bot.service.store, market.official.run_id)
    assert {row.pair for row in rows} == {"ANYTHING", "STRANGERS", "KO_XOM_98"}


async def test_a_run_after_a_restart_still_measures_what_servers_keep(street: Street, clocked: Any) -> None:
    keep(street, street.world.guild)
    await street.restart(clocked(pairs=[APART, TOGETHER]))
    await street.until(CLOSE)
    assert "KO / XOM broken" in line_of(street.posts()[-1])
