"""/method, /status and /help: what the numbers mean, how the bot is, what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import message_of, send
from bot.cards.help import help_card
from bot.cards.status import ClockStatus, Status, status_card
from bot.failures import InputError, Reported
from bot.inputs import Choice, matching
from engine import __version__
from engine.market.schedule import PlannedRun
from engine.screen.glossary import METRICS, TERMS, explain, suggestions

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]
_TITLES = tuple(metric.title for metric in (*TERMS, *METRICS))


class Reference(commands.Cog):
    """Explanations and the state of the bot."""

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot

    @app_commands.command(name="method", description="Formula, unit and source of every number on the cards.")
    @app_commands.describe(metric="A word of the cards, such as IV30; the overview when left out")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def method(self, interaction: Asked, metric: str | None = None) -> None:
        """One word of the glossary, or the overview."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            word = _known_word(metric)
            await interaction.response.defer(thinking=True)
            await send(interaction, await self.bot.answers.method(word))

    @method.autocomplete("metric")
    async def complete_metric(self, _: Asked, typed: str) -> list[Choice]:
        """Words of the glossary."""
        return self.bot.offered(typed, matching(typed, _TITLES))

    @app_commands.command(
        name="status", description="Last and next run, sources, what was missed, queue, version."
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def status(self, interaction: Asked) -> None:
        """How the bot is."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            await interaction.response.defer(thinking=True)
            await send(interaction, status_card(await self._status()))

    @app_commands.command(name="help", description="The commands, one line each.")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def help(self, interaction: Asked) -> None:
        """What can be asked, for the one who asks."""
        await interaction.response.send_message(ephemeral=True, **message_of(help_card(self._entries())))

    def _entries(self) -> list[tuple[list[str], str]]:
        """Every command of the tree with a mention that can be clicked, as far as its id is known."""
        entries = []
        for command in sorted(self.bot.tree.get_commands(), key=lambda each: each.name):
            if isinstance(command, app_commands.ContextMenu):
                continue
            parts = command.commands if isinstance(command, app_commands.Group) else [command]
            number = self.bot.command_ids.get(command.name) if self.bot.mentions_commands else None
            mentions = [
                f"</{part.qualified_name}:{number}>" if number else f"/{part.qualified_name}"
                for part in parts
            ]
            entries.append((mentions, command.description))
        return entries

    async def _clock(self) -> ClockStatus | None:
        clock = self.bot.clock
        if clock is None:
            return None
        health = await clock.health()
        alerts = await self.bot.service.desk(self.bot.alerts.queued)
        return ClockStatus(
            next_run=health.next_run.at,
            next_kind=_kind(health.next_run),
            under_way=tuple(f"{run.key} ({run.state})" for run in health.under_way),
            overdue=health.overdue,
            missed=tuple((run.key, run.reason or run.state) for run in health.missed),
            queued=health.queue.pending + health.queue.sending + alerts,
            paused=health.paused,
        )

    async def _status(self) -> Status:
        service, bot = self.bot.service, self.bot
        counts = await service.counts()
        official = service.market.official if service.market is not None else None
        run = official.screen.run if official else counts.last.run if counts.last else None
        return Status(
            version=__version__,
            source=run.source if run else "no market yet",
            universe=len(service.index),
            last_run=run,
            last_run_id=official.run_id if official else counts.last.id if counts.last else None,
            coverage=official.screen.coverage if official else counts.last.coverage if counts.last else None,
            clock=await self._clock(),
            sources=service.troubles(),
            runs_stored=counts.runs,
            observations_stored=counts.observations,
            database_bytes=counts.size,
            uptime_seconds=(bot.now() - bot.started).total_seconds(),
            latency_ms=bot.latency * 1000.0,
            guilds=len(bot.guilds),
        )


def _kind(run: PlannedRun) -> str:
    return f"{run.kind}, {run.session.isoformat()}"


def _known_word(typed: str | None) -> str | None:
    """The word of the glossary somebody typed, None for nothing. Raises InputError with what is near."""
    word = (typed or "").strip()
    if not word:
        return None
    if explain(word) is None:
        near = ", ".join(suggestions(word[:60]))
        hint = f"Near it: {near}." if near else "/method lists them all."
        raise InputError(f"The method has no such word. {hint}")
    return word
