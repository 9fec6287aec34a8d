"""Every class of failure and what a person should do about it: one table, one answer."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.cards.embed import to_message
from bot.cards.error import error_card
from bot.cards.table import speak
from engine.errors import ConfigError, SnapshotError, StoreError, UnknownSymbolError, VarianceError

log = structlog.get_logger("variance.failures")

UNKNOWN_INTERACTION = 10062
TOKEN_EXPIRED = 10015
_TOO_LATE = frozenset({UNKNOWN_INTERACTION, TOKEN_EXPIRED})
ANSWERED = "variance.answered"
"""Key in Interaction.extras: the awaited answer has been given, so it must not be taken away."""
REFUSED = "variance.refused"
"""Key in Interaction.extras: a failure was answered instead."""


class InputError(app_commands.AppCommandError):
    """An option that cannot be used; its text is fit to be shown and repeats nothing a person typed."""


class ServerOnCooldown(app_commands.CommandOnCooldown):
    """Everybody in a server together asked for more than a server may."""


class TooSlowError(VarianceError):
    """The engine did not finish within the time a person waits."""


class RunGoneError(VarianceError):
    """A button of a run the record no longer holds."""


class NoMarketError(VarianceError):
    """There is no market to speak of: not read yet, unreadable, or stopped by the hard gate."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person is told. `unexpected` failures carry an id that the log repeats."""

    text: str
    hint: str = ""
    unexpected: bool = False


Explain = Callable[[Any, discord.Interaction[Any]], Failure]


def _unknown_symbol(error: UnknownSymbolError, _: discord.Interaction[Any]) -> Failure:
    near = ", ".join(error.suggestions)
    hint = f"Did you mean {near}?" if near else "Start typing and pick a name from the list."
    return Failure(f"{error.symbol} is not in this run's universe.", hint)


def _said_by_itself(error: Exception, _: discord.Interaction[Any]) -> Failure:
    return Failure(str(error))


def _out_of_order(error: Exception, interaction: discord.Interaction[Any]) -> Failure:
    """Failures of the operator's side: their text may name paths, so the log has it and people do not."""
    return Failure(
        "The record or the market data cannot be read just now.",
        f"Whoever runs this bot finds the reason in its log under {incident(interaction)}.",
        unexpected=True,
    )


def _cooling(error: app_commands.CommandOnCooldown, interaction: discord.Interaction[Any]) -> Failure:
    free = math.ceil(interaction.created_at.timestamp() + error.retry_after)
    return Failure(f"That was quick. This command is free for you again <t:{free}:R>.")


def _server_cooling(error: ServerOnCooldown, interaction: discord.Interaction[Any]) -> Failure:
    free = math.ceil(interaction.created_at.timestamp() + error.retry_after)
    most, seconds = error.cooldown.rate, error.cooldown.per
    return Failure(
        f"This server has reached its limit of {most} such questions in {seconds:g} seconds, "
        f"all its people together. It is free again <t:{free}:R>."
    )


def _user_lacks(error: app_commands.MissingPermissions, _: discord.Interaction[Any]) -> Failure:
    return Failure(f"For this you need the permission {_spelled(error.missing_permissions)}.")


def _bot_lacks(error: app_commands.BotMissingPermissions, _: discord.Interaction[Any]) -> Failure:
    return Failure(
        f"Here I lack the permission {_spelled(error.missing_permissions)}.",
        "Somebody who manages this server can grant it in the channel's settings.",
    )


def _forbidden(_: discord.Forbidden, __: discord.Interaction[Any]) -> Failure:
    return Failure(
        "Discord does not let me do this here: a permission is missing.",
        "I need View Channel, Send Messages, Embed Links and Attach Files.",
    )


def _guild_only(_: Exception, __: discord.Interaction[Any]) -> Failure:
    return Failure("This command works in a server, not in a direct message.")


def _not_allowed(_: Exception, __: discord.Interaction[Any]) -> Failure:
    return Failure("You cannot use this command here.")


def _renewed(_: Exception, __: discord.Interaction[Any]) -> Failure:
    return Failure(
        "The commands have just been renewed.", "Reload Discord (Ctrl+R, or restart the app) and try again."
    )


def _discord_down(_: Exception, __: discord.Interaction[Any]) -> Failure:
    return Failure("Discord itself has trouble at the moment; try again in a minute.")


EXPLANATIONS: tuple[tuple[type[Exception], Explain], ...] = (
    (UnknownSymbolError, _unknown_symbol),
    (StoreError, _out_of_order),
    (SnapshotError, _out_of_order),
    (ConfigError, _out_of_order),
    (VarianceError, _said_by_itself),
    (InputError, _said_by_itself),
    (ServerOnCooldown, _server_cooling),
    (app_commands.CommandOnCooldown, _cooling),
    (app_commands.MissingPermissions, _user_lacks),
    (app_commands.BotMissingPermissions, _bot_lacks),
    (app_commands.NoPrivateMessage, _guild_only),
    (app_commands.CheckFailure, _not_allowed),
    (app_commands.CommandSignatureMismatch, _renewed),
    (app_commands.CommandNotFound, _renewed),
    (discord.Forbidden, _forbidden),
    (discord.DiscordServerError, _discord_down),
)
"""First match decides: a class stands before its bases."""


def incident(interaction: discord.Interaction[Any]) -> str:
    """A short id of one interaction, the same in the answer and in the log."""
    return hashlib.sha256(str(interaction.id).encode()).hexdigest()[:8]


def cause_of(error: BaseException) -> BaseException:
    """The failure itself, out of the wrappers discord.py puts around it."""
    if isinstance(error, app_commands.CommandInvokeError):
        return cause_of(error.original)
    if isinstance(error, app_commands.TransformerError) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    return error


def explain(error: BaseException, interaction: discord.Interaction[Any]) -> Failure | None:
    """What to tell the person; None when Discord no longer takes an answer."""
    if isinstance(error, discord.NotFound) and error.code in _TOO_LATE:
        return None
    for kind, explanation in EXPLANATIONS:
        if isinstance(error, kind):
            return explanation(error, interaction)
    return Failure(
        "Something went wrong on my side.",
        f"Whoever runs this bot finds it in the log under {incident(interaction)}.",
        unexpected=True,
    )


async def report(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Log a failure and answer the person privately. Never raises for a Discord that does not listen."""
    error = cause_of(error)
    failure = explain(error, interaction)
    interaction.extras[REFUSED] = True
    command = interaction.command.qualified_name if interaction.command else "button"
    interaction.client.metrics.command_refused(command, type(error).__name__)
    facts = {
        "interaction": interaction.id,
        "command": interaction.command.qualified_name if interaction.command else None,
        "guild": interaction.guild_id,
        "error": type(error).__name__,
    }
    if failure is None:
        log.warning("answer came too late", **facts)
        return
    if failure.unexpected:
        log.error("command failed", incident=incident(interaction), exc_info=error, **facts)
    else:
        log.info("command refused", **facts)
    try:
        await _answer(interaction, failure)
    except discord.HTTPException as refused:
        log.warning("failure could not be told", status=refused.status, code=refused.code, **facts)


async def _answer(interaction: discord.Interaction[Any], failure: Failure) -> None:
    message = to_message(error_card(failure.text, failure.hint))
    if not interaction.response.is_done():
        await interaction.response.send_message(ephemeral=True, **message)
        return
    waiting = interaction.response.type is discord.InteractionResponseType.deferred_channel_message
    taken_back = waiting and ANSWERED not in interaction.extras
    if taken_back:
        # A first follow-up would take the deferral's place and its visibility; errors are private. Only a
        # deferral that was fulfilled can be taken back.
        await interaction.edit_original_response(content="\N{HORIZONTAL ELLIPSIS}")
    await interaction.followup.send(ephemeral=True, **message)
    if taken_back:
        await interaction.delete_original_response()


class Reported:
    """`async with Reported(interaction):` sends whatever fails inside through the one handler.

    discord.py hands failures of buttons to nobody; this brings them where those of commands go. With
    `unexpected=False` only refusals end here, and failures nobody foresaw go on to the command tree.
    """

    def __init__(self, interaction: discord.Interaction[Any], unexpected: bool = True) -> None:
        self._interaction = interaction
        self._unexpected = unexpected

    async def __aenter__(self) -> None:
        guild = self._interaction.guild_id
        if guild is not None:
            # Everything answered in a server is in its language of numbers.
            servers = self._interaction.client.servers
            try:
                speak(await asyncio.to_thread(servers.numbers, guild))
            except StoreError:
                # The record is out of order, which the answer itself will have to tell.
                return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        failure = explain(error, self._interaction)
        if failure is not None and failure.unexpected and not self._unexpected:
            return False
        await report(self._interaction, error)
        return True


def _spelled(permissions: list[str]) -> str:
    return ", ".join(name.replace("_", " ").title().replace("Guild", "Server") for name in permissions)
