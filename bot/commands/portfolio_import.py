"""/portfolio import between the file and the yes: read, previewed, and stored when a button says so."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import discord

from bot.buttons import edit_of
from bot.cards.card import PREFIX, Card
from bot.cards.portfolio_rows import position_text, preview_card, stored_card
from bot.cards.text import listed, plural
from bot.failures import InputError, Reported
from bot.people.imports import SUFFIXES
from bot.people.portfolio_draft import DRAFT_FOR, Draft
from engine.errors import StoreError
from engine.market.sessions import session_of
from engine.portfolio.book import MOST_LEGS, Leg, Reading
from engine.portfolio.reading.importers import LARGEST
from engine.portfolio.strategies import group

if TYPE_CHECKING:
    from bot.app import VarianceBot

Pressed = discord.Interaction[Any]
Answer = Literal["add", "replace", "cancel", "clear"]
CLEAR_FOR = timedelta(minutes=5)
"""How long the question whether to clear the book may be answered."""
_STYLES: dict[Answer, discord.ButtonStyle] = {
    "add": discord.ButtonStyle.success,
    "replace": discord.ButtonStyle.danger,
    "cancel": discord.ButtonStyle.secondary,
    "clear": discord.ButtonStyle.danger,
}


class AnswerButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:legs:(?P<answer>{'|'.join(_STYLES)}):(?P<person>[0-9]{{1,20}}):(?P<token>[0-9]{{1,20}})",
):
    """One person's answer to a preview or a question: `variance:legs:answer:person:token`.

    The token is the id of the interaction that asked; Discord's ids tell when they were made.
    """

    def __init__(self, answer: Answer, person: int, token: int, label: str = "") -> None:
        super().__init__(
            discord.ui.Button(
                label=label or answer.capitalize(),
                style=_STYLES[answer],
                custom_id=f"{PREFIX}:legs:{answer}:{person}:{token}",
            )
        )
        self.answer = answer
        self.person = person
        self.token = token

    @classmethod
    async def from_custom_id(
        cls, interaction: Pressed, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> AnswerButton:
        """The button somebody pressed, read off its id."""
        # The template lets nothing else through.
        return cls(cast("Answer", match["answer"]), int(match["person"]), int(match["token"]))

    async def callback(self, interaction: Pressed) -> None:
        """Do it once, for the person who was asked, in the place of the question."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            if interaction.user.id != self.person:
                raise InputError("This question was put to somebody else.")
            work = self._cleared if self.answer == "clear" else self._settled
            card = await work(bot, interaction)
            await interaction.edit_original_response(**edit_of(card))

    async def _cleared(self, bot: VarianceBot, interaction: Pressed) -> Card:
        if interaction.created_at - discord.utils.snowflake_time(self.token) > CLEAR_FOR:
            raise InputError("This question is more than five minutes old; nothing was changed. Ask again.")
        await interaction.response.defer()
        number = await bot.service.desk(lambda: bot.portfolios.clear(self.person))
        return Card(title=f"{plural(number, 'leg')} taken out of your book", state="info")

    async def _settled(self, bot: VarianceBot, interaction: Pressed) -> Card:
        portfolios, user_id, now = bot.portfolios, self.person, bot.now()
        draft = portfolios.drafts.take(user_id, self.token, now)
        try:
            await interaction.response.defer()
            if self.answer == "cancel":
                return Card(title="Import cancelled", state="info", sentence="Nothing was stored.")
            change = portfolios.replace if self.answer == "replace" else portfolios.add
            added = await bot.service.desk(lambda: change(user_id, draft.legs, now))
        except (StoreError, discord.HTTPException):
            # Nothing was stored: the preview may be answered again.
            portfolios.drafts.keep(user_id, draft)
            raise
        new = {number for number, _ in added.new}
        title = f"{plural(len(new), 'leg')} imported"
        return await bot.service.desk(lambda: outcome(bot, user_id, title, new, added.over))


def buttons() -> tuple[type[discord.ui.DynamicItem[Any]], ...]:
    """Buttons that find their way back after a restart."""
    return (AnswerButton,)


async def attached(file: discord.Attachment) -> bytes:
    """The bytes of a file. Raises InputError, before it is fetched when its name or size rules it out."""
    if not file.filename.lower().endswith(SUFFIXES):
        raise InputError("I read files that end in .csv or .txt.")
    if file.size > LARGEST:
        raise InputError(f"The file has {file.size / 1024:.0f} kB; I read up to {LARGEST // 1024} kB.")
    try:
        return await file.read()
    except discord.HTTPException as error:
        raise InputError("Discord did not hand the file over; please attach it again.") from error


async def preview(
    interaction: Pressed, read: Callable[[], Reading], remark: str = ""
) -> tuple[Card, list[AnswerButton]]:
    """What was read, and the buttons that store it; `read` runs off the event loop and may raise."""
    bot: VarianceBot = interaction.client
    user_id, token, now = interaction.user.id, interaction.id, bot.now()

    def work() -> tuple[Card, tuple[Leg, ...], int]:
        reading = read()
        held = [leg for _, leg in bot.portfolios.legs(user_id)]
        repeated = len({_contract(leg) for leg in held} & {_contract(leg) for leg in reading.legs})
        remarks = [*strangers(bot, reading.legs), *filter(None, [remark])]
        return preview_card(reading, len(held), repeated, remarks, now + DRAFT_FOR), reading.legs, len(held)

    card, legs, held = await bot.service.desk(work)
    if not legs:
        return card, []
    drafts = bot.portfolios.drafts
    drafts.keep(user_id, Draft(token, legs, now))
    asyncio.get_running_loop().call_later(DRAFT_FOR.total_seconds(), drafts.drop, user_id, token)
    fitting = min(len(legs), MOST_LEGS - held)
    add = [AnswerButton("add", user_id, token, f"Add {plural(fitting, 'leg')}")] if fitting > 0 else []
    return card, [
        *add,
        AnswerButton("replace", user_id, token, "Replace my book"),
        AnswerButton("cancel", user_id, token),
    ]


def outcome(
    bot: VarianceBot,
    user_id: int,
    title: str,
    new: Collection[int],
    over: Sequence[Leg],
    reading: Reading | None = None,
) -> Card:
    """What became of legs that were to be stored: what the new ones are in the book as it is now."""
    book = bot.portfolios.legs(user_id)
    legs = [leg for _, leg in book]
    places = {place for place, (number, _) in enumerate(book) if number in new}
    found = [each for each in group(legs) if places & {place for place, _ in each.parts}]
    remarks = strangers(bot, [legs[place] for place in places])
    return stored_card(
        title, len(book), over, [position_text(each, legs) for each in found], reading, remarks
    )


def reading_day(bot: VarianceBot) -> date:
    """The day from which dates without a year are counted: the session of the market at hand, or of now."""
    market = bot.service.market
    return session_of(bot.now()) if market is None else market.panel.session


def strangers(bot: VarianceBot, legs: Sequence[Leg]) -> list[str]:
    """A sentence about names a market of fixed names lacks; they are kept, but have no value there."""
    if bot.service.answers_any:
        return []
    valued = {leg.symbol for leg in legs if leg.kind in ("shares", "option")}
    absent = sorted(symbol for symbol in valued if symbol not in bot.service.index)
    return [f"Not in this market, so without value here: {listed(absent, 12)}."] if absent else []


def _contract(leg: Leg) -> tuple[object, ...]:
    return (leg.symbol, leg.kind, leg.expiration, leg.strike, leg.right, leg.contract)
