"""What happens to a server: its channel goes, the bot goes; one person is told, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from bot.people.guilds_notice import tell_administrator
from tests.bot.conftest import Clock, Desk, MakeBot, World, discord_around, manager_of, text_of
from tests.bot.test_server_commands import UNSET


async def delete(world: World, channel_id: int) -> None:
    channel = world.bot.get_channel(channel_id)
    assert isinstance(channel, discord.TextChannel | discord.Thread)
    await channel.delete()
    await world.env.settle()


def told(*people: Any) -> list[list[str]]:
    """What each person got in direct messages."""
    return [[text_of(message) for message in _user(person).dm_channel.history()] for person in people]


def _user(person: Any) -> Any:
    return getattr(person, "user", person)


def close_messages_of(world: World, *people: Any) -> None:
    for person in people:
        path = f"/channels/{_user(person).dm_channel.id}/messages"
        world.env.inject_error("POST", path, status=403, code=50007, times=None)


async def test_a_deleted_channel_is_marked_and_told_once_to_who_set_it_up(ready: Desk) -> None:
    await delete(ready.world, ready.channel.id)
    settings = ready.stored
    assert (settings.broken, settings.told) == ("the channel was deleted", True)
    assert settings.broken_at == ready.world.env.now()
    mine, owners = told(ready.boss, ready.guild.owner)
    assert owners == []
    [message] = mine
    assert "Posts to Desk have stopped" in message
    assert "The channel was deleted" in message
    await tell_administrator(ready.world.bot, settings, "again")
    assert told(ready.boss) == [mine], "the same failure is told once, whoever asks"


async def test_show_and_the_posting_list_know_of_it(ready: Desk) -> None:
    elsewhere = ready.guild.create_text_channel("elsewhere")
    await ready.world.env.settle()
    await delete(ready.world, ready.channel.id)
    assert ready.world.bot.servers.posting("close") == []
    ready.channel = elsewhere
    said = await ready.said("config show")
    assert "the channel was deleted" in said
    assert "/config set field:channel chooses another" in said
    assert "The channel is gone or hidden from me" in await ready.said("config test")
    await ready.ask("config set", field="channel", value=f"<#{elsewhere.id}>")
    assert ready.stored.broken is None
    assert len(ready.world.bot.servers.posting("close")) == 1


async def test_another_channel_may_be_deleted(ready: Desk) -> None:
    other = ready.guild.create_text_channel("other")
    await ready.world.env.settle()
    await delete(ready.world, other.id)
    assert ready.stored.broken is None


@pytest.mark.parametrize("with_its_channel", [False, True])
async def test_a_deleted_thread_is_marked(desk: Desk, with_its_channel: bool) -> None:
    home = desk.guild.create_text_channel("home")
    await desk.world.env.settle()
    parent = desk.world.bot.get_channel(home.id)
    assert isinstance(parent, discord.TextChannel)
    thread = await parent.create_thread(name="daily", type=discord.ChannelType.public_thread)
    await desk.world.env.settle()
    [handle] = home.threads
    await desk.ask("setup", channel=handle)
    await delete(desk.world, parent.id if with_its_channel else thread.id)
    assert desk.stored.broken == "the thread was deleted"
    assert len(told(desk.boss)[0]) == 1


async def test_a_closed_direct_message_goes_to_the_owner(ready: Desk) -> None:
    close_messages_of(ready.world, ready.boss)
    await delete(ready.world, ready.channel.id)
    mine, owners = told(ready.boss, ready.guild.owner)
    assert (len(mine), len(owners)) == (0, 1)
    assert ready.stored.told


async def test_where_nobody_takes_messages_the_reason_waits_in_show(ready: Desk) -> None:
    elsewhere = ready.guild.create_text_channel("elsewhere")
    close_messages_of(ready.world, ready.boss, ready.guild.owner)
    await ready.world.env.settle()
    await delete(ready.world, ready.channel.id)
    assert told(ready.boss, ready.guild.owner) == [[], []]
    assert ready.stored.told, "it is not tried again"
    ready.channel = elsewhere
    assert "the channel was deleted" in await ready.said("config show")


async def test_who_left_the_server_learns_nothing_of_it(ready: Desk) -> None:
    ready.guild.remove_member(ready.boss)
    await ready.world.env.settle()
    await delete(ready.world, ready.channel.id)
    mine, owners = told(ready.boss, ready.guild.owner)
    assert (len(mine), len(owners)) == (0, 1)


async def test_an_owner_who_set_it_up_is_tried_once(desk: Desk) -> None:
    owner = desk.world.env.create_user("owner")
    guild = desk.world.env.create_guild("Owned", owner=owner)
    channel = guild.create_text_channel("posts")
    own = Desk(desk.world, guild, channel, guild.add_member(owner))
    await desk.world.env.settle()
    await own.ask("setup", channel=channel)
    close_messages_of(desk.world, owner)
    await delete(desk.world, channel.id)
    path = f"/channels/{owner.dm_channel.id}/messages"
    tries = [request for request in desk.world.env.http_requests if request.path.endswith(path)]
    assert len(tries) == 1
    assert own.stored.told


async def test_what_discord_failed_to_deliver_is_told_at_the_next_start(
    make_bot: MakeBot, clock: Clock, database: Path
) -> None:
    async with discord_around(make_bot(), clock) as world:
        boss = manager_of(world, world.guild, "boss")
        await world.env.settle()
        desk = Desk(world, world.guild, world.channel, boss)
        await desk.ask("setup", channel=desk.channel)
        path = f"/channels/{boss.user.dm_channel.id}/messages"
        world.env.inject_error("POST", path, status=503, times=1)
        await delete(world, desk.channel.id)
        assert (desk.stored.broken is not None, desk.stored.told) == (True, False)
        world.bot = make_bot(path=database)
        await world.env.restart_bot(world.bot)
        assert len(told(boss)[0]) == 1
        assert desk.stored.told
        world.bot = make_bot(path=database)
        await world.env.restart_bot(world.bot)
        assert len(told(boss)[0]) == 1


async def test_a_server_the_bot_leaves_is_forgotten(ready: Desk) -> None:
    await ready.ask("config set", field="profile", value="broad")
    guild = ready.world.bot.get_guild(ready.guild.id)
    assert guild is not None
    await guild.leave()
    await ready.world.env.settle()
    assert ready.settings is None
    assert ready.world.bot.servers.changes(ready.guild.id) == []


async def test_a_server_that_was_never_set_up_loses_channels_in_peace(desk: Desk) -> None:
    await delete(desk.world, desk.channel.id)
    assert desk.settings is None
    assert told(desk.boss, desk.guild.owner) == [[], []]


async def test_commands_answer_where_nothing_is_set_up(desk: Desk) -> None:
    assert UNSET in await desk.said("config show")
    assert "KO" in text_of(await desk.ask("vrp", symbol="KO"))
