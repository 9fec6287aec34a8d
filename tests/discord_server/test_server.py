"""The real discord.py against the server: what it sends, waits for, gives up on and comes back from."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import discord
import pytest
from yarl import URL

from tests.discord_server.faults import (
    CLOSED_DM,
    CUT_AFTER,
    CUT_BEFORE,
    NO_ACCESS,
    NO_CHANNEL,
    Fault,
    broken,
    late,
    limited,
)
from tests.discord_server.server import DiscordServer
from tests.discord_server.state import MEMORY, Channel

PATIENCE = 10


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as made:
        monkeypatch.setattr(discord.http.Route, "BASE", made.api)
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", URL(made.gateway_url))
        made.world.add_guild("home", "news")
        yield made


@asynccontextmanager
async def client_of(server: DiscordServer) -> AsyncIterator[discord.Client]:
    """A client that is ready; stopped at the end."""
    client = discord.Client(intents=discord.Intents(guilds=True), guild_ready_timeout=0.02, max_messages=None)
    ready = asyncio.Event()

    @client.event
    async def on_ready() -> None:
        ready.set()

    async with client:
        running = asyncio.create_task(client.start("any"))
        async with asyncio.timeout(PATIENCE):
            await ready.wait()
        yield client
        # As the bot itself stops; while it still listens, discord.py leaves with 4000 and keeps its session.
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def client(server: DiscordServer) -> AsyncIterator[discord.Client]:
    async with client_of(server) as made:
        yield made


@pytest.fixture
def place(server: DiscordServer) -> Channel:
    return next(iter(server.world.channels.values()))


@pytest.fixture
def channel(client: discord.Client, place: Channel) -> discord.TextChannel:
    found = client.get_channel(int(place.id))
    assert isinstance(found, discord.TextChannel)
    return found


def happening(client: discord.Client, event: str) -> asyncio.Task[object]:
    return asyncio.create_task(asyncio.wait_for(client.wait_for(event), PATIENCE))


async def test_a_client_connects_and_finds_its_servers_channels_and_permissions(
    server: DiscordServer, client: discord.Client, channel: discord.TextChannel
) -> None:
    assert client.user is not None
    assert client.user.id == int(server.world.bot.id)
    assert [guild.name for guild in client.guilds] == ["home"]
    held = channel.permissions_for(channel.guild.me)
    assert held.send_messages
    assert held.read_message_history
    assert not held.manage_guild
    assert len(server.world.identified) == 1
    assert client.application is not None
    assert client.application.owner.id == int(server.world.owner.id)


async def test_lookups_name_what_there_is_and_refuse_what_there_is_not(
    server: DiscordServer, client: discord.Client, channel: discord.TextChannel
) -> None:
    fetched = await client.fetch_channel(channel.id)
    assert isinstance(fetched, discord.TextChannel)
    assert fetched.name == "news"
    assert (await client.fetch_guild(channel.guild.id)).name == "home"
    assert (await client.fetch_user(int(server.world.owner.id))).name == "owner"
    for lookup in (client.fetch_channel, client.fetch_guild, client.fetch_user):
        with pytest.raises(discord.NotFound):
            await lookup(1)


async def test_a_nonce_sent_twice_is_one_message_within_minutes_and_two_afterwards(
    server: DiscordServer, channel: discord.TextChannel, place: Channel
) -> None:
    first = await channel.send("a", nonce="run/1")
    again = await channel.send("a", nonce="run/1")
    other = await channel.send("b", nonce="run/2")
    assert first.id == again.id < other.id
    assert len(server.world.of(place)) == 2
    server.world.clock.advance(MEMORY + timedelta(seconds=1))
    later = await channel.send("a", nonce="run/1")
    assert later.id > other.id
    assert len(server.world.of(place)) == 3


async def test_a_nonce_holds_for_one_channel_only(
    server: DiscordServer, client: discord.Client, channel: discord.TextChannel
) -> None:
    user = server.world.add_user("reader")
    person = await client.create_dm(discord.Object(int(user.id)))
    assert (await person.send("a", nonce="1")).id != (await channel.send("a", nonce="1")).id


async def test_history_is_read_newest_first_and_tells_no_nonce(channel: discord.TextChannel) -> None:
    sent = [await channel.send(str(number), nonce=f"n{number}") for number in range(5)]
    assert [message.content async for message in channel.history(limit=3)] == ["4", "3", "2"]
    assert [message.content async for message in channel.history(after=sent[2])] == ["3", "4"]
    assert [message.content async for message in channel.history(before=sent[2])] == ["1", "0"]
    assert [message.content async for message in channel.history(limit=3, around=sent[2])] == ["3", "2", "1"]
    assert [message.nonce async for message in channel.history()] == [None] * 5


async def test_history_after_an_instant_holds_what_was_sent_since(
    server: DiscordServer, channel: discord.TextChannel
) -> None:
    await channel.send("before")
    server.world.clock.advance(timedelta(minutes=1))
    instant = server.world.clock.now()
    server.world.clock.advance(timedelta(seconds=1))
    await channel.send("since")
    assert [message.content async for message in channel.history(after=instant)] == ["since"]


async def test_a_card_with_a_chart_arrives_whole_and_can_be_edited_and_deleted(
    server: DiscordServer, channel: discord.TextChannel, place: Channel
) -> None:
    embed = discord.Embed(title="Card").set_image(url="attachment://chart.png")
    files = [discord.File(io.BytesIO(b"png"), "chart.png"), discord.File(io.BytesIO(b"csv"), "list.csv")]
    sent = await channel.send(embed=embed, files=files, nonce="1")
    (stored,) = server.world.of(place)
    assert stored.files == {"chart.png": b"png", "list.csv": b"csv"}
    assert stored.nonce == "1"
    assert sent.embeds[0].image.url is not None
    assert sent.embeds[0].image.url.startswith("https://")
    assert [each.filename for each in sent.attachments] == ["list.csv"]
    await sent.edit(content="seen", embed=None)
    fetched = await channel.fetch_message(sent.id)
    assert fetched.content == "seen"
    assert fetched.edited_at == server.world.clock.now()
    await sent.delete()
    with pytest.raises(discord.NotFound):
        await channel.fetch_message(sent.id)


async def test_429_is_waited_for_and_the_message_is_sent_once(
    server: DiscordServer, channel: discord.TextChannel, place: Channel
) -> None:
    server.faults.ask(limited(0.01), "send", place.id, times=2)
    await channel.send("a", nonce="1")
    assert [seen.status for seen in server.world.requests("send")] == [429, 429, 200]
    assert len(server.world.of(place)) == 1


@pytest.mark.parametrize(
    "fault", [NO_ACCESS, NO_CHANNEL, CLOSED_DM, broken(503)], ids=lambda fault: fault.name
)
async def test_refusals_are_raised_at_once(
    server: DiscordServer, channel: discord.TextChannel, place: Channel, fault: Fault
) -> None:
    server.faults.ask(fault, "send", place.id)
    with pytest.raises(discord.HTTPException) as raised:
        await channel.send("a")
    assert (raised.value.status, raised.value.code) == (fault.status, fault.code)
    assert len(server.world.requests("send")) == 1
    assert server.world.of(place) == []


async def test_500_is_tried_again_after_a_second_by_discord_py_itself(
    server: DiscordServer, channel: discord.TextChannel, place: Channel
) -> None:
    server.faults.ask(broken(500), "send", place.id)
    await channel.send("a")
    assert [seen.status for seen in server.world.requests("send")] == [500, 200]


@pytest.mark.parametrize(("fault", "stored"), [(CUT_BEFORE, 0), (CUT_AFTER, 1)], ids=["before", "after"])
async def test_a_cut_connection_is_raised_and_not_tried_again_by_discord_py(
    server: DiscordServer, channel: discord.TextChannel, place: Channel, fault: Fault, stored: int
) -> None:
    server.faults.ask(fault, "send", place.id)
    with pytest.raises(aiohttp.ClientError):
        await channel.send("a", nonce="1")
    assert len(server.world.of(place)) == stored
    assert [seen.status for seen in server.world.requests("send")] == [0]
    # With the same nonce the sender may safely ask again.
    await channel.send("a", nonce="1")
    assert len(server.world.of(place)) == 1


async def test_a_late_answer_is_waited_for(
    server: DiscordServer, channel: discord.TextChannel, place: Channel
) -> None:
    server.faults.ask(late(0.05), "send", place.id)
    sending = asyncio.create_task(channel.send("a"))
    await server.world.until(lambda: len(server.world.of(place)) == 1)
    assert not sending.done()
    assert (await sending).id == int(server.world.of(place)[0].id)


async def test_a_person_with_closed_dms_is_forbidden_ground(
    server: DiscordServer, client: discord.Client
) -> None:
    user = server.world.add_user("hermit", accepts_dms=False)
    person = await client.create_dm(discord.Object(int(user.id)))
    with pytest.raises(discord.Forbidden) as raised:
        await person.send("hello")
    assert raised.value.code == CLOSED_DM.code
    user.accepts_dms = True
    assert (await person.send("hello")).content == "hello"


async def test_permissions_taken_are_known_to_the_client_and_to_the_server(
    server: DiscordServer, client: discord.Client, channel: discord.TextChannel, place: Channel
) -> None:
    updated = happening(client, "guild_channel_update")
    await server.deny(place, discord.Permissions(send_messages=True).value)
    await updated
    assert not channel.permissions_for(channel.guild.me).send_messages
    with pytest.raises(discord.Forbidden) as raised:
        await channel.send("a")
    assert raised.value.code == 50013


async def test_a_channel_and_a_server_may_go_away(
    server: DiscordServer, client: discord.Client, channel: discord.TextChannel, place: Channel
) -> None:
    deleted, removed = happening(client, "guild_channel_delete"), happening(client, "guild_remove")
    await server.delete_channel(place)
    await deleted
    with pytest.raises(discord.NotFound):
        await channel.send("a")
    await server.remove_guild(next(iter(server.world.guilds.values())))
    await removed
    assert not client.guilds


async def test_op_7_is_followed_by_a_resume_and_what_happened_meanwhile_is_told(
    server: DiscordServer, client: discord.Client, place: Channel
) -> None:
    resumed, deleted = happening(client, "resumed"), happening(client, "guild_channel_delete")
    await server.gateway.ask_to_reconnect()
    await server.world.until(lambda: not server.gateway.connected)
    await server.delete_channel(place)
    await asyncio.gather(resumed, deleted)
    assert server.world.resumed == 1
    assert len(server.world.identified) == 1


async def test_a_pulled_cable_is_followed_by_a_resume(server: DiscordServer, client: discord.Client) -> None:
    resumed = happening(client, "resumed")
    await server.gateway.drop()
    await resumed
    assert len(server.world.identified) == 1


async def test_a_client_that_left_and_comes_back_finds_the_world_as_it_was(
    server: DiscordServer, place: Channel
) -> None:
    for text in ("one", "two"):
        async with client_of(server) as client:
            found = client.get_channel(int(place.id))
            assert isinstance(found, discord.TextChannel)
            await found.send(text)
    assert [message.body["content"] for message in server.world.of(place)] == ["one", "two"]
    assert len(server.world.identified) == 2
    assert server.gateway.sessions == {}


async def test_a_command_given_by_a_person_is_answered_and_followed_up(
    server: DiscordServer, client: discord.Client, place: Channel
) -> None:
    tree = discord.app_commands.CommandTree(client)

    @tree.command(description="says it back")
    async def echo(interaction: discord.Interaction[discord.Client], text: str) -> None:
        await interaction.response.send_message(text)
        await interaction.followup.send("quietly", ephemeral=True)

    await tree.sync()
    visitor = server.world.add_user("visitor")
    asked = await server.slash(visitor, place, "echo", text="hello")
    async with asyncio.timeout(PATIENCE):
        assert (await server.answer(asked)).body["content"] == "hello"
        assert (await server.answer(asked, 2)).body["content"] == "quietly"
    assert [message.body["content"] for message in server.world.of(place)] == ["hello"]


async def test_another_token_is_refused(server: DiscordServer) -> None:
    server.world.token = "the right one"
    client = discord.Client(intents=discord.Intents.none())
    async with client:
        with pytest.raises(discord.LoginFailure):
            await client.start("another")
