"""Buttons under cards: all they need stands in their id, so they work for everybody and after a restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import discord

from bot.answers import Scope
from bot.cards.card import PREFIX, Action, Button, Card
from bot.cards.embed import to_message
from bot.failures import ANSWERED, Reported

if TYPE_CHECKING:
    from bot.app import VarianceBot
    from bot.relative import RelativeAnswers

_ACTIONS = "why|csv|method|page|vrp|screen|pairs|pair|pairs_csv|sector"
_PAGING = ("page", "pairs")


def message_of(card: Card) -> dict[str, Any]:
    """Arguments for sending a card with its buttons."""
    message = to_message(card)
    if card.buttons:
        message["view"] = view_of(card)
    return message


def edit_of(card: Card) -> dict[str, Any]:
    """Arguments for putting a card in the place of another."""
    message = to_message(card)
    return {"embeds": message["embeds"], "attachments": message["files"], "view": view_of(card)}


def view_of(card: Card) -> discord.ui.View:
    """The buttons of a card."""
    view = discord.ui.View(timeout=None)
    for button in card.buttons:
        view.add_item(RunButton.of(button))
    # The ids carry everything; a view that listens would be kept in memory for every message ever sent.
    view.stop()
    return view


async def send(interaction: discord.Interaction[Any], card: Card) -> None:
    """Give the answer a deferred interaction waits for."""
    await interaction.followup.send(**message_of(card))
    interaction.extras[ANSWERED] = True


class RunButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:(?P<action>{_ACTIONS}):(?P<run_id>[0-9]{{1,18}}):(?P<argument>.*)",
):
    """One button of a stored run: `variance:action:run:argument`."""

    def __init__(self, button: discord.ui.Button[Any], action: Action, run_id: int, argument: str) -> None:
        super().__init__(button)
        self.action = action
        self.run_id = run_id
        self.argument = argument

    @classmethod
    def of(cls, button: Button) -> RunButton:
        """A card's button as Discord's."""
        drawn: discord.ui.Button[Any] = discord.ui.Button(
            label=button.label[:80],
            custom_id=button.custom_id,
            disabled=button.disabled,
            style=discord.ButtonStyle.secondary,
        )
        return cls(drawn, button.action, button.run_id, button.argument)

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> RunButton:
        """The button somebody pressed, read off its id."""
        assert isinstance(item, discord.ui.Button)
        # The template lets nothing else through.
        action = cast("Action", match["action"])
        return cls(item, action, int(match["run_id"]), match["argument"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Page in place for whom the list belongs to; everything else is answered privately."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            if self.action in _PAGING and _owns(interaction):
                await interaction.response.defer()
                await interaction.edit_original_response(**edit_of(await self._card(bot, interaction)))
            else:
                await interaction.response.defer(thinking=True, ephemeral=True)
                await send(interaction, await self._card(bot, interaction))

    async def _card(self, bot: VarianceBot, interaction: discord.Interaction[Any]) -> Card:
        answers, user_id = bot.answers, interaction.user.id
        match self.action:
            case "why":
                return await answers.why(self.argument, self.run_id, user_id)
            case "vrp":
                return await answers.vrp(self.argument, self.run_id)
            case "csv":
                return await answers.csv(self.run_id, Scope.parse(self.argument), user_id)
            case "method":
                return await answers.method(self.argument or None)
            case "page":
                return await answers.page(self.run_id, self.argument, user_id)
            case "screen":
                return await answers.page(self.run_id, f"0|{self.argument}", user_id)
            case "pairs" | "pair" | "pairs_csv" | "sector":
                return await self._relative(bot.answers.relative, interaction.guild_id)

    async def _relative(self, relative: RelativeAnswers, guild_id: int | None) -> Card:
        match self.action:
            case "pair":
                return await relative.pair(self.argument, guild_id, self.run_id)
            case "pairs_csv":
                return await relative.pairs_csv(guild_id, self.run_id)
            case "sector" if self.argument:
                return await relative.sector(self.argument, self.run_id)
            case "sector":
                return await relative.sectors(self.run_id)
            case _:
                page = int(self.argument) if self.argument.isdecimal() else 0
                return await relative.pairs(guild_id, page, self.run_id)


def _owns(interaction: discord.Interaction[Any]) -> bool:
    """Whether the message under the button answers this very person; scheduled posts answer nobody."""
    asked = interaction.message.interaction_metadata if interaction.message else None
    return asked is not None and asked.user.id == interaction.user.id
