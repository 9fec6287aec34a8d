"""/watch, /mydata and /privacy: what a person keeps here, and everything kept about a person."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import edit_of, message_of, send
from bot.cards.card import PREFIX, Card
from bot.cards.embed import to_message
from bot.cards.people import added_card, export_card, going_card, privacy_card, watchlist_card
from bot.cards.text import plural
from bot.failures import ANSWERED, InputError, Reported
from bot.inputs import MAX_CHOICE_NAME, Choice, choices
from bot.people.archive import archive
from bot.people.data import PersonalData
from bot.people.imports import (
    LARGEST,
    SUFFIXES,
    Checked,
    Reading,
    check,
    read_file,
    read_words,
)
from bot.people.watchlists import MOST, Added, Watchlists
from bot.screening import Judged
from engine.errors import UnreadableError, VarianceError

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]
What = Literal["watchlist", "everything"]
SURE_FOR = timedelta(minutes=5)
"""How long a question "are you sure" may be answered."""
_INSTALLS = app_commands.AppInstallationType(guild=True, user=True)
_CONTEXTS = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
_LAST_WORD = re.compile(r"(?s)(.*[\s,;])?([^\s,;]*)")


async def watched(bot: VarianceBot, user_id: int) -> Sequence[str]:
    """A person's watchlist for completion: from the file the first time, from memory until it changes."""
    lists = bot.answers.watchlists
    names = lists.remembered(user_id)
    if names is not None:
        return names
    try:
        return await bot.service.desk(lambda: lists.symbols(user_id))
    except VarianceError:
        return ()  # a completion cannot tell what is wrong, and does without


class People(commands.Cog):
    """The watchlist, and what is stored about the person who asks; every answer is private."""

    watch = app_commands.Group(
        name="watch",
        description="Your watchlist: up to 50 names.",
        allowed_installs=_INSTALLS,
        allowed_contexts=_CONTEXTS,
    )
    mydata = app_commands.Group(
        name="mydata",
        description="Everything stored about you.",
        allowed_installs=_INSTALLS,
        allowed_contexts=_CONTEXTS,
    )

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot
        self.data = PersonalData(bot.service.store)

    async def cog_load(self) -> None:
        """Before the first command: what is deleted is overwritten."""
        await self.bot.service.desk(self.data.overwrite)

    @property
    def lists(self) -> Watchlists:
        """Everybody's watchlists."""
        return self.bot.answers.watchlists

    @watch.command(name="add", description="Put names on your watchlist.")
    @app_commands.describe(symbols="One ticker or several, such as AAPL KO BRK.B")
    async def add(self, interaction: Asked, symbols: str) -> None:
        """Each name is taken or refused by itself."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            reading = read_words(symbols)
            await interaction.response.defer(thinking=True, ephemeral=True)
            await send(interaction, await self._taken(interaction, reading, "entry", replace=False))

    @watch.command(name="remove", description="Take names off your watchlist.")
    @app_commands.describe(symbols="One ticker or several of your list")
    async def remove(self, interaction: Asked, symbols: str) -> None:
        """Names that are not on the list are said."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            reading = read_words(symbols)
            await interaction.response.defer(thinking=True, ephemeral=True)
            wanted, user_id = [found.symbol for found in reading.names], interaction.user.id

            def work() -> Card:
                gone = self.lists.remove(user_id, wanted)
                others = [symbol for symbol in wanted if symbol not in gone]
                groups = (("Removed:", gone), ("Not on it:", others))
                refused = [(f"entry {each.place}", each.reason) for each in reading.refused]
                return added_card(self._title(user_id), groups, refused)

            await send(interaction, await self.bot.service.desk(work))

    @watch.command(name="list", description="Your names, and how each stands in the latest run.")
    async def show(self, interaction: Asked) -> None:
        """The names in their own order."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id = interaction.user.id

            def work() -> Card:
                names = self.lists.symbols(user_id)
                judged = self._latest() if names else None
                if judged is None:
                    return watchlist_card(names, MOST, None)
                return watchlist_card(names, MOST, judged.screen, judged.run_id)

            await send(interaction, await self.bot.service.desk(work))

    @watch.command(name="clear", description="Take every name off your watchlist.")
    async def clear(self, interaction: Asked) -> None:
        """Asks first."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            names = await self.bot.service.desk(lambda: self.lists.symbols(interaction.user.id))
            if not names:
                raise InputError("Your watchlist is empty already.")
            card = Card(
                title=f"Take {plural(len(names), 'name')} off your watchlist?",
                state="info",
                sentence=", ".join(names),
            )
            await self._ask(interaction, card, "watchlist", f"Clear {plural(len(names), 'name')}")

    @watch.command(name="import", description="Put the names of a CSV or TXT file on your watchlist.")
    @app_commands.describe(
        file="One name a line, or a column headed Symbol or Ticker; up to 64 kB",
        mode="Add to your list, or put the file in its place; adding when left out",
    )
    async def import_(
        self, interaction: Asked, file: discord.Attachment, mode: Literal["merge", "replace"] = "merge"
    ) -> None:
        """Every line is taken or refused by itself."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            check_file(file)
            await interaction.response.defer(thinking=True, ephemeral=True)
            reading = await _read(file)
            await send(interaction, await self._taken(interaction, reading, "line", mode == "replace"))

    @mydata.command(name="export", description="Everything stored about you, as a zip.")
    async def export(self, interaction: Asked) -> None:
        """JSON, CSV and a README."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            user_id, now = interaction.user.id, self.bot.now()

            def work() -> Card:
                tables = self.data.export(user_id)
                counts = {name: len(records) for name, records in tables.items()}
                return export_card(counts, archive(tables, user_id, now))

            await send(interaction, await self.bot.service.desk(work))

    @mydata.command(name="delete", description="Delete everything stored about you.")
    async def delete(self, interaction: Asked) -> None:
        """Says what will go and asks first."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await interaction.response.defer(thinking=True, ephemeral=True)
            counts = await self.bot.service.desk(lambda: self.data.count(interaction.user.id))
            card = going_card(counts.rows, counts.named, done=False)
            if counts.rows or counts.named:
                await self._ask(interaction, card, "everything", "Delete everything")
            else:
                await send(interaction, card)

    @app_commands.command(name="privacy", description="What is stored, for how long, and what is not.")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def privacy(self, interaction: Asked) -> None:
        """For the one who asks."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            message = message_of(privacy_card(_operator(self.bot)))
            await interaction.response.send_message(ephemeral=True, **message)

    @add.autocomplete("symbols")
    async def complete_add(self, _: Asked, typed: str) -> list[Choice]:
        """Completes the last of the names typed so far."""
        before, word = _last_word(typed)
        found = self.bot.offered(word, self.bot.service.index.complete(word))
        return _prefixed(before, [(choice.name, choice.value) for choice in found])

    @remove.autocomplete("symbols")
    async def complete_remove(self, interaction: Asked, typed: str) -> list[Choice]:
        """Names of the own list that begin so, in its order."""
        before, word = _last_word(typed)
        names = await watched(self.bot, interaction.user.id)
        begun = [name for name in names if name.startswith(word.upper().removeprefix("$"))]
        found = [(self.bot.service.index.label(name), name) for name in begun]
        return _prefixed(before, found)

    async def confirmed(self, what: What, user_id: int) -> Card:
        """Do what a person was asked about and said yes to."""
        if what == "watchlist":
            number = await self.bot.service.desk(lambda: self.lists.clear(user_id))
            return Card(title=f"{plural(number, 'name')} taken off your watchlist", state="info")
        gone = await self.bot.service.desk(lambda: self.data.delete(user_id))
        emptied = await asyncio.to_thread(self.data.empty_log)
        self.lists.forget(user_id)
        self.bot.portfolios.drafts.forget(user_id)
        self.bot.limits.forget(user_id)
        return going_card(gone.rows, gone.named, done=True, log_left=not emptied)

    async def _taken(self, interaction: Asked, reading: Reading, place: str, replace: bool) -> Card:
        service, user_id, now = self.bot.service, interaction.user.id, self.bot.now()
        if service.market is None and not service.answers_any:
            await service.ready()  # without a market nobody knows which names there are

        def work() -> Card:
            checked = check(reading, service.index, service.answers_any)
            if replace and not checked.symbols:
                raise InputError("No name of the file can be used, so your list stays as it was.")
            change = self.lists.replace if replace else self.lists.add
            added = change(user_id, checked.symbols, now)
            return _outcome(self._title(user_id), added, checked, place)

        return await service.desk(work)

    def _title(self, user_id: int) -> str:
        return f"Your watchlist, {len(self.lists.symbols(user_id))} of {MOST} names"

    def _latest(self) -> Judged | None:
        """The latest official run: the market at hand, or the record's while there is none."""
        market = self.bot.service.market
        if market is not None:
            return market.official
        found = self.bot.service.store.latest(official_only=True)
        return None if found is None else Judged(*found)

    async def _ask(self, interaction: Asked, card: Card, what: What, label: str) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(Sure.of(what, interaction, label))
        view.stop()  # the id carries everything
        await interaction.followup.send(**to_message(card), view=view)
        interaction.extras[ANSWERED] = True


class Sure(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:sure:(?P<what>watchlist|everything):(?P<person>[0-9]{{1,20}}):(?P<at>[0-9]{{1,12}})",
):
    """The yes of one person to one question, for five minutes: `variance:sure:what:person:asked at`."""

    def __init__(self, button: discord.ui.Button[Any], what: What, person: int, at: int) -> None:
        super().__init__(button)
        self.what = what
        self.person = person
        self.at = at

    @classmethod
    def of(cls, what: What, interaction: Asked, label: str) -> Sure:
        """The button under a question put by `interaction`."""
        person, at = interaction.user.id, int(interaction.created_at.timestamp())
        style = discord.ButtonStyle.danger
        identity = f"{PREFIX}:sure:{what}:{person}:{at}"
        return cls(discord.ui.Button(label=label, custom_id=identity, style=style), what, person, at)

    @classmethod
    async def from_custom_id(
        cls, interaction: Asked, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Sure:
        """The button somebody pressed, read off its id."""
        assert isinstance(item, discord.ui.Button)
        # The template lets nothing else through.
        return cls(item, cast("What", match["what"]), int(match["person"]), int(match["at"]))

    async def callback(self, interaction: Asked) -> None:
        """Done once, in place of the question."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            if interaction.user.id != self.person:
                raise InputError("This question was put to somebody else.")
            if interaction.created_at.timestamp() > self.at + SURE_FOR.total_seconds():
                raise InputError(
                    "This question is more than five minutes old; nothing was changed. Ask again."
                )
            await interaction.response.defer()
            family = bot.get_cog(People.__cog_name__)
            assert isinstance(family, People)
            card = await family.confirmed(self.what, self.person)
            await interaction.edit_original_response(**edit_of(card))


def buttons() -> tuple[type[discord.ui.DynamicItem[Any]], ...]:
    """Buttons of this family that find their way back after a restart."""
    return (Sure,)


def check_file(file: discord.Attachment) -> None:
    """Raise InputError for a file whose name or size already rules it out."""
    if not file.filename.lower().endswith(SUFFIXES):
        raise InputError("I read files that end in .csv or .txt.")
    if file.size > LARGEST:
        raise InputError(f"The file has {file.size / 1024:.0f} kB; I read up to {LARGEST // 1024} kB.")


async def _read(file: discord.Attachment) -> Reading:
    try:
        return read_file(await file.read())
    except UnreadableError as error:
        raise InputError(str(error)) from error
    except discord.HTTPException as error:
        raise InputError("Discord did not hand the file over; please attach it again.") from error


def _outcome(title: str, added: Added, checked: Checked, place: str) -> Card:
    strangers = [symbol for symbol in added.new if symbol in checked.strangers]
    groups = (
        ("Added:", added.new),
        ("Already on it:", added.already),
        (f"No room, {MOST} names is the limit:", added.over),
        ("Outside the universe, so not in the runs; /vrp asks for them:", strangers),
        ("Named more than once:", (plural(checked.repeated, "repetition"),) if checked.repeated else ()),
    )
    refused = [(f"{place} {each.place}", each.reason) for each in checked.refused]
    if not (added.new or added.already or added.over or refused):
        raise InputError("There is no name in it. Write tickers such as AAPL, KO or BRK.B.")
    return added_card(title, groups, refused)


def _operator(bot: VarianceBot) -> str:
    """A mention of the account that owns the application, empty where Discord did not tell."""
    application = bot.application
    if application is None:
        return ""
    owner = application.team.owner if application.team is not None else application.owner
    return f"<@{owner.id}>" if owner is not None else ""


def _last_word(typed: str) -> tuple[str, str]:
    found = _LAST_WORD.fullmatch(typed)
    return (found[1] or "", found[2]) if found else ("", typed)


def _prefixed(before: str, found: Sequence[tuple[str, str]]) -> list[Choice]:
    """Completions of the last word with what stands before it, as far as a choice can hold it."""
    named = [(f"{before}{value}" if before else name, f"{before}{value}") for name, value in found]
    return choices((name, value) for name, value in named if len(value) <= MAX_CHOICE_NAME)
