"""Slash commands, one cog a family."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from bot.buttons import RunButton
from bot.commands.alerts import AlertCommands
from bot.commands.calibration import Calibrate
from bot.commands.history import History
from bot.commands.market import Market
from bot.commands.operator import Operator
from bot.commands.people import People
from bot.commands.people import buttons as people_buttons
from bot.commands.portfolio import Portfolio
from bot.commands.portfolio_buttons import buttons as portfolio_buttons
from bot.commands.portfolio_import import buttons as import_buttons
from bot.commands.proof import Proof
from bot.commands.reference import Reference
from bot.commands.relative import Relative
from bot.commands.server import Server
from bot.people.alerts.buttons import buttons as alert_buttons
from bot.people.guilds_reset import ResetButton

COGS: tuple[type[commands.Cog], ...] = (
    Market,
    Relative,
    History,
    Reference,
    Operator,
    People,
    AlertCommands,
    Server,
    Calibrate,
    Portfolio,
    Proof,
)
"""Every family of commands; each is made with the bot as its only argument."""

BUTTONS: tuple[type[discord.ui.DynamicItem[Any]], ...] = (
    RunButton,
    *people_buttons(),
    *alert_buttons(),
    *portfolio_buttons(),
    *import_buttons(),
    ResetButton,
)
"""Buttons that find their way back after a restart."""
