"""Monthly notes brought to one administrator of each server, each once, beside the posts.

A note goes the way of a post: drawn, claimed in the file, sent, settled. What a crash cut off is looked
for in the direct messages it may have reached before it is sent again, with the nonce it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import discord
import structlog

from bot.cards.card import Card
from bot.cards.table import numbers
from bot.cards.text import dotted, escaped
from bot.clock.lease import LeaseLostError
from bot.clock.notes import Ended, GuildNotes, Note
from bot.people.guilds import Guilds, GuildSettings
from bot.people.guilds_notice import keepers
from bot.posting import TROUBLE, direct, marked_message, may_pass, trouble_name
from engine.errors import StoreError, VarianceError

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.notes")

PATIENCE = (60, 300, 900, 3600)
"""Seconds before the next try of a note that Discord did not take; the last one again and again."""
LIFE = timedelta(days=5)
"""A note that did not leave in the first days of its month is given up: /calibrate says the same."""
READ_BACK = 100
"""Direct messages looked through for a note that a crash may have left there."""
CLOSED = "nobody who manages the server takes direct messages"


class NoteDelivery:
    """Takes what is open to those who keep the servers."""

    def __init__(
        self, bot: VarianceBot, notes: GuildNotes, guilds: Guilds, now: Callable[[], datetime]
    ) -> None:
        self._bot = bot
        self._notes = notes
        self._guilds = guilds
        self._now = now

    async def deliver(self) -> None:
        """Try every note that is due, one after another; one server's trouble is not the others'."""
        cards: dict[tuple[int, str], Card | None] = {}
        for note in await asyncio.to_thread(lambda: self._notes.open(self._now())):
            with structlog.contextvars.bound_contextvars(month=note.month, guild=note.guild_id):
                (trouble,) = await asyncio.gather(self._one(note, cards), return_exceptions=True)
                if isinstance(trouble, LeaseLostError | StoreError):
                    raise trouble
                if trouble is not None:
                    log.error("note not delivered", exc_info=trouble)
                    await self._later(note, "an unexpected error")

    async def _one(self, note: Note, cards: dict[tuple[int, str], Card | None]) -> None:
        settings = await asyncio.to_thread(lambda: self._guilds.get(note.guild_id))
        guild = self._bot.get_guild(note.guild_id)
        if settings is None or guild is None:
            await self._end(note, "skipped", "the server is not set up any more")
        elif self._now() - note.entered_at > LIFE:
            await self._end(note, "failed", "Discord did not take it in the first days of the month")
        elif not guild.unavailable:
            try:
                await self._attempt(note, settings, guild, cards)
            except (LeaseLostError, StoreError):
                raise
            except VarianceError as error:
                await self._later(note, str(error))
            except TROUBLE as error:
                if may_pass(error):
                    await self._later(note, trouble_name(error))
                else:
                    await self._end(note, "failed", f"Discord refused it ({trouble_name(error)})")

    async def _attempt(
        self,
        note: Note,
        settings: GuildSettings,
        guild: discord.Guild,
        cards: dict[tuple[int, str], Card | None],
    ) -> None:
        """One try; whatever comes of it is written down, except that Discord is in trouble."""
        asked = note.run_id, settings.numbers
        if asked not in cards:
            with numbers(settings.numbers):
                cards[asked] = await self._bot.answers.calibration.note(note.run_id)
        card = cards[asked]
        if card is None:
            await self._end(note, "silent")
            return
        people = await keepers(guild, settings)
        if note.state == "sending" and await self._arrived(note, (*people, settings.configured_by)):
            await self._end(note, "sent")
            return
        if not await asyncio.to_thread(lambda: self._notes.claim(note)):
            return
        if await self._send(note, people, _of_server(card, guild.name, note)):
            await self._end(note, "sent")
        else:
            await self._end(note, "closed", CLOSED)

    async def _send(self, note: Note, people: Iterable[int], card: Card) -> bool:
        """Whether one of them takes it; the first who does is the only one."""
        for user_id in people:
            try:
                await direct(self._bot, user_id, card, nonce=note.nonce)
            except (discord.Forbidden, discord.NotFound):
                continue
            return True
        return False

    async def _arrived(self, note: Note, people: Iterable[int | None]) -> bool:
        """Whether a try that was cut off had reached one of them after all."""
        assert self._bot.user is not None
        for user_id in {each for each in people if each is not None}:
            try:
                place = await self._bot.create_dm(discord.Object(user_id))
                if await marked_message(place, self._bot.user.id, note.mark, READ_BACK) is not None:
                    return True
            except (discord.Forbidden, discord.NotFound):
                continue
        return False

    async def _later(self, note: Note, reason: str) -> None:
        again = self._now() + timedelta(seconds=PATIENCE[min(note.attempts, len(PATIENCE) - 1)])
        await asyncio.to_thread(lambda: self._notes.later(note, again))
        log.warning("note not taken, tried again", reason=reason)

    async def _end(self, note: Note, state: Ended, reason: str | None = None) -> None:
        await asyncio.to_thread(lambda: self._notes.end(note, state, reason))
        self._bot.metrics.noted(state)
        log.info("note ended", state=state, reason=reason)


def _of_server(card: Card, server: str, note: Note) -> Card:
    """The card with the server it is about, why it comes, and the note's mark in its footer."""
    why = f"For those who manage {escaped(server, 60)}, once a month, when a trigger has fired."
    return replace(card, details=(*card.details, why), footer=dotted((card.footer, note.mark)))
