"""Buttons of a person's book: they carry nothing of it, and show whoever presses them the own one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast

import discord

from bot.book import BookAnswers
from bot.buttons import RunButton, edit_of
from bot.cards.card import PREFIX, Card
from bot.cards.embed import to_message
from bot.cards.portfolio import BookCard
from bot.cards.portfolio_rows import EMPTY
from bot.failures import ANSWERED, InputError, Reported

if TYPE_CHECKING:
    from bot.app import VarianceBot

Pressed = discord.Interaction[Any]
What = Literal["show", "stress", "csv"]
_LABELS: dict[What, str] = {"stress": "Stress", "csv": "CSV"}


class BookButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:book:(?P<what>show|stress|csv):(?P<page>[0-9]{{1,3}})",
):
    """`variance:book:what:page`."""

    def __init__(self, what: What, page: int = 0, label: str = "", disabled: bool = False) -> None:
        super().__init__(
            discord.ui.Button(
                label=label or _LABELS.get(what, "Show"),
                style=discord.ButtonStyle.secondary,
                custom_id=f"{PREFIX}:book:{what}:{page}",
                disabled=disabled,
            )
        )
        self.what = what
        self.page = page

    @classmethod
    async def from_custom_id(
        cls, interaction: Pressed, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> BookButton:
        """The button somebody pressed, read off its id."""
        # The template lets nothing else through.
        return cls(cast("What", match["what"]), int(match["page"]))

    async def callback(self, interaction: Pressed) -> None:
        """Another page in the place of the one before, everything else as an answer of its own."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            private = interaction.message is not None and interaction.message.flags.ephemeral
            if self.what == "show" and private:
                await interaction.response.defer()
                card = await book_card(bot, "show", interaction.user.id, self.page)
                await interaction.edit_original_response(**{**edit_of(card), "view": view_of(card)})
                return
            await interaction.response.defer(thinking=True, ephemeral=True)
            await send_own(interaction, await book_card(bot, self.what, interaction.user.id, self.page))


def buttons() -> tuple[type[discord.ui.DynamicItem[Any]], ...]:
    """Buttons that find their way back after a restart."""
    return (BookButton,)


async def book_card(bot: VarianceBot, what: What, user_id: int, page: int = 0) -> Card:
    """A person's book as a card. Raises InputError while it is empty."""
    portfolios, answers = bot.portfolios, BookAnswers(bot.service)
    book = await bot.service.desk(lambda: portfolios.book(user_id))
    if not book.legs:
        raise InputError(EMPTY)
    match what:
        case "show":
            return await answers.show(book.legs, book.net_liquidation, page)
        case "stress":
            return await answers.stress(book.legs, book.net_liquidation)
        case "csv":
            return await answers.csv(book.legs, book.net_liquidation)


async def send_own(interaction: Pressed, card: Card, *items: discord.ui.Item[Any]) -> None:
    """Give the private answer a deferred interaction waits for, with further buttons under it."""
    message = to_message(card)
    view = view_of(card, *items)
    if view.children:
        message["view"] = view
    await interaction.followup.send(ephemeral=True, **message)
    interaction.extras[ANSWERED] = True


def view_of(card: Card, *items: discord.ui.Item[Any]) -> discord.ui.View:
    """The buttons of a card, those of a book under its first card, and further ones."""
    view = discord.ui.View(timeout=None)
    if isinstance(card, BookCard):
        view.add_item(BookButton("stress"))
        view.add_item(BookButton("csv"))
        last = card.pages - 1
        if last:
            page = card.page
            view.add_item(BookButton("show", max(page - 1, 0), "Previous", disabled=page == 0))
            view.add_item(BookButton("show", min(page + 1, last), "Next", disabled=page == last))
    for item in (*map(RunButton.of, card.buttons), *items):
        view.add_item(item)
    # The ids carry everything; a view that listens would be kept in memory for every message ever sent.
    view.stop()
    return view
