"""The world a bot finds: servers, channels, people and messages. It outlives every start of the bot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import discord

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MEMORY = timedelta(minutes=3)
"""How long a nonce is remembered; Discord says "the past few minutes"."""
EVERYONE = discord.Permissions(
    view_channel=True,
    send_messages=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    use_application_commands=True,
).value


class Clock:
    """The world's time: it stands still unless `runs` (seconds of any origin) carries it on."""

    def __init__(self, at: datetime = BEGINNING, runs: Callable[[], float] = lambda: 0.0) -> None:
        self._runs = runs
        self.set(at)

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self._runs() - self._since)

    def set(self, at: datetime) -> None:
        self._at = at
        self._since = self._runs()

    def advance(self, span: timedelta) -> None:
        self.set(self.now() + span)


@dataclass(eq=False)
class User:
    id: str
    name: str
    bot: bool = False
    accepts_dms: bool = True


@dataclass(eq=False)
class Channel:
    """A text channel of a server, or the direct messages with one person."""

    id: str
    name: str
    guild_id: str | None = None
    recipient: User | None = None
    overwrites: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Guild:
    id: str
    name: str
    owner: User
    permissions: int = EVERYONE
    """Of everybody, the bot too: it has no role of its own."""
    channels: dict[str, Channel] = field(default_factory=dict)


@dataclass(eq=False)
class Message:
    """`body` is what the sender sent; `nonce` is known to the server and never told again."""

    id: str
    channel_id: str
    author: User
    at: datetime
    body: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    nonce: str | None = None
    edited: datetime | None = None

    @property
    def embeds(self) -> list[dict[str, Any]]:
        return list(self.body.get("embeds") or [])


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: `route` is its name in rest.py, `status` 0 when the connection was cut."""

    method: str
    path: str
    route: str
    channel_id: str | None
    status: int
    at: datetime


class World:
    """Everything there is, by id. Ids are snowflakes: text, rising with the clock."""

    def __init__(self, clock: Clock | None = None, memory: timedelta = MEMORY) -> None:
        self.clock = clock or Clock()
        self.memory = memory
        self.token: str | None = None
        """The only one let in; None lets in any."""
        self._last_id = 0
        self.users: dict[str, User] = {}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: list[Message] = []
        self.commands: dict[str | None, list[dict[str, Any]]] = {}
        """What was synced, by guild id; None is everywhere."""
        self.begun: Counter[str] = Counter()
        """Requests by route as they arrive; in `seen` they stand when they are through."""
        self.seen: list[Seen] = []
        self.identified: list[dict[str, Any]] = []
        self.resumed = 0
        self._change = asyncio.Event()
        self.bot = self.add_user("variance", bot=True)
        self.owner = self.add_user("owner")

    def happened(self) -> None:
        """Wake whoever waits for the world to change; after every request and every lost socket."""
        change, self._change = self._change, asyncio.Event()
        change.set()

    @property
    def quiet(self) -> bool:
        """Whether no request is under way."""
        return self.begun.total() == len(self.seen)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the world to be so."""
        while not holds():
            await self._change.wait()

    def new_id(self) -> str:
        """The next snowflake."""
        milliseconds = int((self.clock.now() - EPOCH).total_seconds() * 1000)
        self._last_id = max(milliseconds << 22, self._last_id + 1)
        return str(self._last_id)

    def add_user(self, name: str, *, bot: bool = False, accepts_dms: bool = True) -> User:
        user = User(self.new_id(), name, bot, accepts_dms)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, *channels: str) -> Guild:
        guild = Guild(self.new_id(), name, self.owner)
        self.guilds[guild.id] = guild
        for each in channels:
            self.add_channel(guild, each)
        return guild

    def add_channel(self, guild: Guild, name: str) -> Channel:
        channel = Channel(self.new_id(), name, guild.id)
        guild.channels[channel.id] = self.channels[channel.id] = channel
        return channel

    def dm_with(self, user: User) -> Channel:
        """The one channel of the bot and a person; made at the first call."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.new_id(), user.name, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def permissions(self, channel: Channel) -> discord.Permissions:
        """What the bot may do in a channel."""
        if channel.guild_id is None:
            return discord.Permissions.all()
        held = self.guilds[channel.guild_id].permissions
        for kind in (channel.guild_id, self.bot.id):
            for overwrite in channel.overwrites:
                if overwrite["id"] == kind:
                    held = held & ~int(overwrite["deny"]) | int(overwrite["allow"])
        return discord.Permissions(held)

    def store(
        self, channel: Channel, author: User, body: dict[str, Any], files: dict[str, bytes] | None = None
    ) -> Message:
        """A message in a channel, or the one already there under an enforced nonce."""
        nonce = None if body.get("nonce") is None else str(body["nonce"])
        if nonce is not None and body.get("enforce_nonce"):
            known = self._known(channel, author, nonce)
            if known is not None:
                return known
        message = Message(self.new_id(), channel.id, author, self.clock.now(), body, dict(files or {}), nonce)
        self.messages.append(message)
        return message

    def _known(self, channel: Channel, author: User, nonce: str) -> Message | None:
        since = self.clock.now() - self.memory
        for message in reversed(self.messages):
            if message.at < since:
                return None
            if (message.channel_id, message.author, message.nonce) == (channel.id, author, nonce):
                return message
        return None

    def of(self, channel: Channel) -> list[Message]:
        """The messages of a channel, oldest first."""
        return [message for message in self.messages if message.channel_id == channel.id]

    def requests(self, route: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.route == route]
