"""/ops: what the owner of the bot may do with its clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import message_of
from bot.cards.card import Card
from bot.cards.facts import ADVICE
from bot.cards.status import bytes_text
from bot.cards.text import escaped, plural, stamp
from bot.failures import InputError, Reported
from bot.inputs import Choice, matching
from bot.operation.jobs import nightly_backup

if TYPE_CHECKING:
    from bot.app import VarianceBot
    from bot.clock.clock import Clock

Asked = discord.Interaction[Any]
PATIENCE = 60.0
"""Seconds a drain waits before it says what is still under way."""
RECENT = timedelta(days=14)


@app_commands.default_permissions(administrator=True)
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
class Operator(commands.GroupCog, name="ops", description="For the owner of this bot: its clock and record."):
    """Run now, pause, drain, send again, back up."""

    def __init__(self, bot: VarianceBot) -> None:
        super().__init__()
        self.bot = bot

    @app_commands.command(name="run", description="Run the newest market once more, now.")
    @app_commands.describe(post="Post it into every channel as well; otherwise only the record gets it")
    async def run(self, interaction: Asked, post: bool = False) -> None:
        """An extra run of the newest session and kind."""
        async with Reported(interaction, unexpected=False):
            clock = await self._owner(interaction)
            if await clock.paused():
                raise InputError("The clock is paused; /ops resume first.")
            key = await clock.run_again(post)
            where = "Every channel that takes runs of this kind gets it." if post else "No channel gets it."
            await self._say(interaction, "Run begun", f"{escaped(key)}. {where} /status tells how far it is.")

    @app_commands.command(name="pause", description="Begin no run and send nothing until resumed.")
    async def pause(self, interaction: Asked) -> None:
        """Outlives a restart."""
        async with Reported(interaction, unexpected=False):
            await (await self._owner(interaction)).pause(True)
            await self._say(
                interaction, "Paused", "Nothing runs or posts until /ops resume; commands answer."
            )

    @app_commands.command(name="resume", description="Go on: what is due is caught up within its window.")
    async def resume(self, interaction: Asked) -> None:
        """What became too late meanwhile is told as skipped."""
        async with Reported(interaction, unexpected=False):
            clock = await self._owner(interaction)
            await clock.pause(False)
            await clock.turn()
            await self._say(interaction, "Resumed", "What is due is caught up within its window.")

    @app_commands.command(
        name="drain", description="Before a deployment: finish what is under way, begin nothing."
    )
    async def drain(self, interaction: Asked) -> None:
        """Pause, and say when it is safe to stop."""
        async with Reported(interaction, unexpected=False):
            clock = await self._owner(interaction)
            await interaction.response.defer(thinking=True, ephemeral=True)
            done = await clock.drain(PATIENCE)
            health = await clock.health()
            left = health.queue.pending + health.queue.sending
            state = "Nothing is under way any more." if done else "A run is still under way; ask again."
            queue = f"{plural(left, 'post')} wait in the queue and outlive a restart." if left else ""
            await self._say(
                interaction, "Drained" if done else "Draining", f"{state} {queue} /ops resume goes on."
            )

    @app_commands.command(name="resend", description="Try the failed posts of a run again.")
    @app_commands.describe(run="A run of the last two weeks, such as 2026-11-27/close")
    async def resend(self, interaction: Asked, run: str) -> None:
        """Whether one of them had arrived after all is looked up first."""
        async with Reported(interaction, unexpected=False):
            clock = await self._owner(interaction)
            ledger, desk = clock.conductor.ledger, self.bot.service.desk
            if run not in await self._keys(clock):
                raise InputError("There is no such run in the last two weeks; pick one from the list.")
            count = await desk(lambda: ledger.resend(run, self.bot.now()))
            await clock.turn()
            told = f"{plural(count, 'post')} tried again." if count else "No post of that run had failed."
            await self._say(interaction, "Sent again", told)

    @resend.autocomplete("run")
    async def complete_run(self, interaction: Asked, typed: str) -> list[Choice]:
        """Runs of the last two weeks, newest first; nothing for anybody but the owner."""
        if self.bot.clock is None or not await self.bot.is_owner(interaction.user):
            return []
        return self.bot.offered(typed, matching(typed, await self._keys(self.bot.clock)))

    @app_commands.command(name="backup", description="Copy the record now.")
    async def backup(self, interaction: Asked) -> None:
        """The nightly backup, at once."""
        async with Reported(interaction, unexpected=False):
            await self._owner(interaction)
            if self.bot.backups is None:
                raise InputError("No folder for backups is set.")
            await interaction.response.defer(thinking=True, ephemeral=True)
            made = await nightly_backup(self.bot.backups, self.bot.now, self.bot.metrics)
            if made is None:
                raise InputError("The backup failed; the log says why.")
            await self._say(
                interaction, "Backup made", f"{escaped(made.path.name)}, {bytes_text(made.size)}."
            )

    async def _owner(self, interaction: Asked) -> Clock:
        self.bot.limits.count(interaction, "settings")
        if not await self.bot.is_owner(interaction.user):
            raise InputError("Only the owner of this bot may use /ops.")
        if self.bot.clock is None:
            raise InputError("Nothing is run by itself here: this market stands still.")
        return self.bot.clock

    async def _keys(self, clock: Clock) -> list[str]:
        now = self.bot.now()
        found = await self.bot.service.desk(lambda: clock.conductor.ledger.between(now - RECENT, now))
        return [run.key for run in reversed(found)]

    async def _say(self, interaction: Asked, title: str, sentence: str) -> None:
        when = f"{stamp(self.bot.now())}"
        card = Card(title=title, state="info", sentence=sentence, asof=when, footer=ADVICE)
        if interaction.response.is_done():
            await interaction.followup.send(ephemeral=True, **message_of(card))
        else:
            await interaction.response.send_message(ephemeral=True, **message_of(card))
