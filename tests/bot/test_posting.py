"""The closing post, and channels where the bot may not speak."""

from __future__ import annotations

import discord
import pytest
from discord import app_commands

from bot.posting import NEEDED, missing_permissions, post
from engine.market.simulated import SimulatedMarket
from engine.rules import Listing
from tests.bot.conftest import SESSION, Clock, MakeBot, World, discord_around, text_channel, text_of


async def test_the_closing_post_leads_with_what_changed(world: World) -> None:
    message = await post(text_channel(world), await world.bot.answers.post())
    text = text_of(message)
    assert message.embeds[0].title == "SIMULATED · Closing screen · Wed 31 Dec 2025"
    assert "stayed" in text or "No change" in text or "new" in text
    assert "No earlier official run" not in text


async def test_the_first_post_ever_says_that_there_is_nothing_to_compare(
    make_bot: MakeBot, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with discord_around(make_bot(path=tmp_path_factory.mktemp("new") / "new.db"), clock) as world:
        message = await post(text_channel(world), await world.bot.answers.post())
        assert "No earlier official run" in text_of(message)


async def test_a_stopped_run_is_announced(
    make_bot: MakeBot, clock: Clock, listings: tuple[Listing, ...]
) -> None:
    without = SimulatedMarket(listings, SESSION, without_benchmark=True)
    async with discord_around(make_bot(without), clock) as world:
        message = await post(text_channel(world), await world.bot.answers.post())
        assert "Run stopped" in text_of(message)
        assert "SPY has no valid price" in text_of(message)


@pytest.mark.parametrize("permission", NEEDED)
async def test_a_missing_permission_is_found_before_discord_refuses(world: World, permission: str) -> None:
    denied = discord.PermissionOverwrite(**{permission: False})
    closed = world.guild.create_text_channel("closed", overwrites={world.guild.default_role: denied})
    await world.env.settle()
    channel = world.bot.get_channel(closed.id)
    assert isinstance(channel, discord.TextChannel)
    assert permission in missing_permissions(channel)
    before = len(world.env.http_requests)
    with pytest.raises(app_commands.BotMissingPermissions):
        await post(channel, await world.bot.answers.post())
    assert len(world.env.http_requests) == before


@pytest.mark.parametrize("permission", NEEDED[1:])
async def test_commands_still_answer_where_the_bot_may_not_post(world: World, permission: str) -> None:
    denied = discord.PermissionOverwrite(**{permission: False})
    closed = world.guild.create_text_channel("closed", overwrites={world.guild.me: denied})
    await world.env.settle()
    result = await world.visitor.slash(closed, "vrp", symbol="KO")
    assert "KO" in text_of(result.response)
