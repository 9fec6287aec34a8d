"""The command tree: one error handler, and a sync that spares Discord what it already knows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.failures import report

BEGAN = "variance.began"
"""Key in Interaction.extras: when the command came in."""
log = structlog.get_logger("variance.commands")

Ids = dict[str, int]
"""Command name -> the id Discord gave it, for mentions that can be clicked."""
Read = Callable[[str], Awaitable[str | None]]
Write = Callable[[str, str], Awaitable[None]]


class VarianceTree(app_commands.CommandTree[Any]):
    """A tree whose failures all go through bot.failures."""

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Everybody may ask; when they did is noted, for the time the answer takes."""
        interaction.extras[BEGAN] = time.monotonic()
        return True

    async def on_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /
    ) -> None:
        """Answer and log one failure."""
        await report(interaction, error)

    def payload(self) -> list[dict[str, Any]]:
        """What Discord is told about every command, by name."""
        return [command.to_dict(self) for command in sorted(self.get_commands(), key=lambda each: each.name)]

    async def sync_if_changed(self, guild_id: int | None, read: Read, write: Write) -> Ids:
        """Tell Discord about the commands unless it was told exactly this before.

        `read` and `write` keep the last payload's fingerprint; Discord allows 200 creations a day.
        With `guild_id` the commands go to that one server, where they appear at once.
        """
        key = f"commands/{self.client.application_id}/{guild_id or 'global'}"
        fingerprint = hashlib.sha256(json.dumps(self.payload(), sort_keys=True).encode()).hexdigest()
        known = json.loads(await read(key) or "{}")
        if known.get("fingerprint") == fingerprint:
            return {str(name): int(number) for name, number in known["ids"].items()}
        guild = None if guild_id is None else discord.Object(guild_id)
        if guild is not None:
            self.copy_global_to(guild=guild)
        ids = {command.name: command.id for command in await self.sync(guild=guild)}
        await write(key, json.dumps({"fingerprint": fingerprint, "ids": ids}))
        log.info("commands synced", count=len(ids), guild=guild_id)
        return ids
