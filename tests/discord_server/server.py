"""The server: the two halves over one world on one port of this machine."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from aiohttp import web

from tests.discord_server import forms
from tests.discord_server.faults import Faults
from tests.discord_server.gateway import Gateway
from tests.discord_server.hooks import Asked, Hooks
from tests.discord_server.rest import Rest
from tests.discord_server.state import Channel, Guild, Message, User, World

_HERE = "127.0.0.1"
_LARGEST = 25 << 20


class DiscordServer:
    """Discord for the bots that are pointed at `api` and `gateway`; an async context manager.

    What happens besides requests (a channel deleted, a command given) is told to the connected clients.
    """

    def __init__(self, world: World | None = None, port: int = 0) -> None:
        self.world = world or World()
        self.faults = Faults()
        self.hooks = Hooks(self.world)
        self.gateway = Gateway(self.world)
        self.port = port

    async def __aenter__(self) -> DiscordServer:
        rest = Rest(self.world, self.faults)
        app = web.Application(middlewares=[rest.door], client_max_size=_LARGEST)
        app.add_routes([*rest.routes(), *self.hooks.routes(), *self.gateway.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HERE, self.port).start()
        self.port = self._runner.addresses[0][1]
        self.gateway.address = self.gateway_url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.drop()
        await self._runner.cleanup()

    @property
    def api(self) -> str:
        return f"http://{_HERE}:{self.port}/api"

    @property
    def gateway_url(self) -> str:
        return f"ws://{_HERE}:{self.port}/gateway"

    @property
    def settings(self) -> dict[str, str]:
        """The environment that points `python -m bot` here."""
        return {"VARIANCE_DISCORD_API": self.api, "VARIANCE_DISCORD_GATEWAY": self.gateway_url}

    async def delete_channel(self, channel: Channel) -> None:
        """Gone, with its messages."""
        world = self.world
        del world.channels[channel.id]
        if channel.guild_id is not None:
            del world.guilds[channel.guild_id].channels[channel.id]
        world.messages = [message for message in world.messages if message.channel_id != channel.id]
        await self.gateway.dispatch("CHANNEL_DELETE", forms.channel(channel))

    async def deny(self, channel: Channel, permissions: int) -> None:
        """Take permissions from the bot in one channel."""
        channel.overwrites = [{"id": self.world.bot.id, "type": 1, "allow": "0", "deny": str(permissions)}]
        await self.gateway.dispatch("CHANNEL_UPDATE", forms.channel(channel))

    async def remove_guild(self, guild: Guild) -> None:
        """The bot is thrown out of a server."""
        del self.world.guilds[guild.id]
        for channel in guild.channels:
            del self.world.channels[channel]
        await self.gateway.dispatch("GUILD_DELETE", {"id": guild.id})

    async def slash(self, user: User, channel: Channel, command: str, **options: Any) -> Asked:
        """A person gives a command (`server show` for a subcommand)."""
        name, *path = command.split()
        given: list[dict[str, Any]] = [
            {"name": key, "type": _option_type(value), "value": value} for key, value in options.items()
        ]
        for each in reversed(path):
            given = [{"name": each, "type": 1, "options": given}]
        data = {"id": self._command_id(name), "name": name, "type": 1, "options": given}
        return await self._ask(user, channel, 2, data)

    async def click(self, user: User, channel: Channel, message: Message, custom_id: str) -> Asked:
        """A person presses a button."""
        data = {"custom_id": custom_id, "component_type": 2}
        return await self._ask(user, channel, 3, data, message)

    async def answer(self, asked: Asked, number: int = 1) -> Message:
        """The bot's first message to an interaction, or a later one, once it is there."""
        await self.world.until(lambda: len(asked.messages) >= number)
        return asked.messages[number - 1]

    async def _ask(self, *what: Any) -> Asked:
        asked, event = self.hooks.ask(*what)
        await self.gateway.dispatch("INTERACTION_CREATE", event)
        return asked

    def _command_id(self, name: str) -> str:
        for guild_id, synced in self.world.commands.items():
            for number, each in enumerate(synced, start=1):
                if each["name"] == name:
                    return str(forms.command(self.world, number, each, guild_id)["id"])
        raise KeyError(name)


def _option_type(value: object) -> int:
    """Discord's number for the type of an option: text 3, whole number 4, yes or no 5, number 10."""
    match value:
        case bool():
            return 5
        case int():
            return 4
        case float():
            return 10
        case _:
            return 3
