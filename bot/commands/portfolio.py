"""/portfolio: the positions a person holds, seen by that person alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.book import BookAnswers
from bot.cards.card import Card
from bot.cards.portfolio_rows import EMPTY, list_card, position_text, removed_card, settings_card
from bot.cards.table import grouped
from bot.cards.text import clean, plural
from bot.commands.people import watched
from bot.commands.portfolio_buttons import book_card, send_own
from bot.commands.portfolio_import import AnswerButton, attached, outcome, preview, reading_day
from bot.failures import InputError, Reported
from bot.inputs import MAX_CHOICE_NAME, Choice, choices, ticker
from bot.people.portfolios import Numbered, Portfolios
from engine.errors import VarianceError
from engine.portfolio.reading.importers import legs_of_account, read_book
from engine.portfolio.reading.notation import parse_notation
from engine.portfolio.strategies import group

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]
MOST_WORTH = 1e12
_NUMBER = re.compile(r"#?([0-9]{1,9})")
_BETWEEN = re.compile(r"[\s,;]+")


class Portfolio(commands.Cog):
    """A person's own book; every answer is private."""

    portfolio = app_commands.Group(
        name="portfolio",
        description="Your own positions, seen by you alone.",
        allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
    )

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot

    @property
    def books(self) -> Portfolios:
        """Everybody's books."""
        return self.bot.portfolios

    @portfolio.command(name="add", description="Put positions into your book in option notation.")
    @app_commands.describe(
        positions="Such as -2 KO 2026-12-18 60P @ 1.15, or 55P/65C for a strangle; several parted by ;"
    )
    async def add(self, interaction: Asked, positions: str) -> None:
        """Each entry is taken or refused by itself."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id, now, books = interaction.user.id, self.bot.now(), self.books

            def work() -> Card:
                # The id keeps the legs of two entries apart, whenever they were typed.
                reading = parse_notation(positions, reading_day(self.bot), f"{interaction.id:x}")
                added = books.add(user_id, reading.legs, now)
                new = {number for number, _ in added.new}
                bad = len({each.line for each in reading.rejected})
                refused = f", {bad} {'entry' if bad == 1 else 'entries'} refused" if bad and new else ""
                title = f"{plural(len(new), 'leg')} added{refused}" if new else "Nothing added"
                return outcome(self.bot, user_id, title, new, added.over, reading)

            await send_own(interaction, await self.bot.service.desk(work))

    @portfolio.command(name="import", description="Read positions from a CSV file, with a preview first.")
    @app_commands.describe(
        file="Tastytrade's or Schwab's export, or columns symbol, expiration, strike, right, quantity"
    )
    async def import_(self, interaction: Asked, file: discord.Attachment) -> None:
        """A preview with a verdict a row, and buttons that store it."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            data = await attached(file)
            card, answers = await preview(interaction, lambda: read_book(data, reading_day(self.bot)))
            await send_own(interaction, card, *answers)

    @portfolio.command(name="live", description="For the owner of this bot: read its Tastytrade account.")
    async def live(self, interaction: Asked) -> None:
        """The open positions of the account behind the bot, with the same preview as a file."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            if not await self.bot.is_owner(interaction.user):
                raise InputError("Only the owner of this bot may read the account behind it.")
            await interaction.response.defer(thinking=True, ephemeral=True)
            found = await self.bot.service.holdings()
            worth = found.net_liquidation
            remark = (
                ""
                if worth is None
                else f"The account is worth {grouped(round(worth))}; /portfolio settings keeps it."
            )
            card, answers = await preview(interaction, lambda: legs_of_account(found.items), remark)
            await send_own(interaction, card, *answers)

    @portfolio.command(
        name="show", description="Your book: profit or loss, theta, deltas, what asks for attention."
    )
    async def show(self, interaction: Asked) -> None:
        """Positions grouped into strategies."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            await interaction.response.defer(thinking=True, ephemeral=True)
            await send_own(interaction, await book_card(self.bot, "show", interaction.user.id))

    @portfolio.command(name="stress", description="What a bad day would do to your book.")
    async def stress(self, interaction: Asked) -> None:
        """Full revaluation under the scenarios of the rules."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            await interaction.response.defer(thinking=True, ephemeral=True)
            await send_own(interaction, await book_card(self.bot, "stress", interaction.user.id))

    @portfolio.command(name="fit", description="What a standard strangle in a name would do to your book.")
    @app_commands.describe(symbol="A ticker, such as KO")
    async def fit(self, interaction: Asked, symbol: str) -> None:
        """The book without and with it; an empty book is one too."""
        async with Reported(interaction, unexpected=False):
            service, user_id = self.bot.service, interaction.user.id
            self.bot.limits.count(interaction, "lookup")
            name = ticker(symbol)
            if service.market is not None and not service.answers_any:
                service.index.require(name)
            await interaction.response.defer(thinking=True, ephemeral=True)
            book = await service.desk(lambda: self.books.book(user_id))
            card = await BookAnswers(service).fit(name, book.legs, book.net_liquidation)
            await send_own(interaction, card)

    @portfolio.command(name="list", description="The legs of your book with their numbers.")
    async def list_(self, interaction: Asked) -> None:
        """Leg by leg, without any market."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id, books = interaction.user.id, self.books

            def work() -> Card:
                return list_card(books.legs(user_id), books.net_liquidation(user_id))

            await send_own(interaction, await self.bot.service.desk(work))

    @portfolio.command(name="remove", description="Take a position out of your book.")
    @app_commands.describe(position="Pick one, or write numbers of /portfolio list such as 3 4")
    async def remove(self, interaction: Asked, position: str) -> None:
        """Legs by number, or the one leg the words fit."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id, books = interaction.user.id, self.books

            def work() -> Card:
                wanted = _wanted(position, books.legs(user_id))
                gone = books.remove(user_id, wanted)
                absent = sorted(set(wanted) - {number for number, _ in gone})
                return removed_card(gone, absent, len(books.legs(user_id)))

            await send_own(interaction, await self.bot.service.desk(work))

    @portfolio.command(name="clear", description="Take every position out of your book.")
    async def clear(self, interaction: Asked) -> None:
        """Asks first."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id = interaction.user.id
            held = len(await self.bot.service.desk(lambda: self.books.legs(user_id)))
            if not held:
                raise InputError("Your book is empty already.")
            legs = plural(held, "leg")
            card = Card(
                title=f"Take {legs} out of your book?", state="info", sentence="There is no way back."
            )
            yes = AnswerButton("clear", user_id, interaction.id, f"Clear {legs}")
            await send_own(interaction, card, yes)

    @portfolio.command(name="settings", description="What your account is worth, for the rules of size.")
    @app_commands.describe(net_liquidation="In the currency of the quotes; 0 forgets it")
    async def settings(
        self, interaction: Asked, net_liquidation: app_commands.Range[float, 0.0, MOST_WORTH] | None = None
    ) -> None:
        """Show the settings, changed where an option says so."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id, books = interaction.user.id, self.books

            def work() -> Card:
                if net_liquidation is not None:
                    books.choose(user_id, net_liquidation or None)
                return settings_card(books.net_liquidation(user_id))

            await send_own(interaction, await self.bot.service.desk(work))

    @fit.autocomplete("symbol")
    async def complete_symbol(self, interaction: Asked, typed: str) -> list[Choice]:
        """Tickers and company names; an empty box offers the own watchlist first."""
        first = () if typed.strip() else await watched(self.bot, interaction.user.id)
        return self.bot.offered(typed, self.bot.service.index.complete(typed, first))

    @remove.autocomplete("position")
    async def complete_position(self, interaction: Asked, typed: str) -> list[Choice]:
        """The own positions, whole strategies before single legs."""
        user_id = interaction.user.id
        try:
            return await self.bot.service.desk(lambda: _offered(typed, self.books.legs(user_id)))
        except VarianceError:
            return []  # a completion cannot tell what is wrong


def _offered(typed: str, book: list[Numbered]) -> list[Choice]:
    """Strategies whose legs belong to nothing else, then every leg, as far as the words fit."""
    legs = [leg for _, leg in book]
    found = []
    for position in group(legs):
        whole = all(legs[place].quantity == part for place, part in position.parts)
        if whole and len(position.parts) > 1:
            value = " ".join(f"#{book[place][0]}" for place, _ in position.parts)
            found.append((position_text(position, legs), value))
    found += [(f"#{number} {leg.text}", f"#{number}") for number, leg in book]
    words = typed.casefold().split()
    return choices(
        (clean(text, MAX_CHOICE_NAME), value)
        for text, value in found
        if len(value) <= MAX_CHOICE_NAME and all(word in f"{text} {value}".casefold() for word in words)
    )


def _wanted(typed: str, book: list[Numbered]) -> list[int]:
    """The numbers somebody wrote, or that of the one leg the words fit. Raises InputError."""
    if not book:
        raise InputError(EMPTY)
    entries = [_NUMBER.fullmatch(entry) for entry in _BETWEEN.split(typed) if entry]
    if entries and all(entries):
        return [int(entry[1]) for entry in entries if entry]
    words = typed.casefold().split()
    found = [number for number, leg in book if words and all(word in leg.text.casefold() for word in words)]
    if len(found) == 1:
        return found
    how = "pick one from the list, or take its number from /portfolio list"
    raise InputError(
        f"{plural(len(found), 'leg')} of your book fit that; {how}."
        if found
        else f"No leg of your book fits that; {how}."
    )
