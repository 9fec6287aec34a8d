"""Slash commands, one cog a family."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from bot.buttons import RunButton
from bot.commands.market import Market
from bot.commands.reference import Reference

COGS: tuple[type[commands.Cog], ...] = (
    Market,
    Reference,
)
"""Every family of commands; each is made with the bot as its only argument."""

BUTTONS: tuple[type[discord.ui.DynamicItem[Any]], ...] = (RunButton,)
"""Buttons that find their way back after a restart."""
