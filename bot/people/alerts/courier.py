"""Messages of alerts brought to their owners: by direct message, or in the channel the owner chose.

A message is claimed in the file before it leaves and marked after it arrived. What a crash left between
the two is looked for where it should have arrived; only when it is not there it is sent again, with the
nonce it had the first time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord
import structlog

from bot.cards.alerts import alert_card, digest_card
from bot.cards.card import Card
from bot.cards.embed import to_message
from bot.cards.gates import failures
from bot.people.alerts.buttons import digest_view, news_view
from bot.people.alerts.deliveries import Fence, Letter, open_to_all
from bot.people.alerts.home import home_of
from bot.people.alerts.rules import News
from bot.posting import TROUBLE, direct, marked_message, may_pass, missing_permissions, trouble_name

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.alerts")

AT_ONCE = 5
"""Messages on their way at the same time."""
READ_BACK = 100
"""Messages looked through for one that a crash may have left there."""


class Courier:
    """Takes what the alerts have open to people and channels."""

    def __init__(self, bot: VarianceBot, fence: Fence = open_to_all) -> None:
        self._fence = fence
        self._bot = bot
        self._deliveries = home_of(bot).deliveries
        self._busy = asyncio.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def deliver(self) -> None:
        """Try every message that is due, once each; a second call waits for the first.

        Does nothing before Discord has shown its servers. Raises StoreError when the file cannot be used.
        """
        if not self._bot.is_ready():
            return
        async with self._busy:
            tried: set[int] = set()
            while due := await asyncio.to_thread(
                lambda: self._deliveries.due(self._bot.now(), tried, self._fence)
            ):
                tried.update(due)
                async with asyncio.TaskGroup() as group:
                    for number in due:
                        group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        async with self._slots:
            letter = await asyncio.to_thread(lambda: self._deliveries.claim(number, self._bot.now()))
            if letter is None:
                return
            with structlog.contextvars.bound_contextvars(alert=letter.id, guild=_guild_of(letter)):
                await self._attempt(letter)

    async def _attempt(self, letter: Letter) -> None:
        """One try; whatever comes of it is written down."""
        try:
            if letter.channel is None:
                await self._direct(letter)
            else:
                await self._in_channel(letter, letter.channel)
        except (discord.Forbidden, discord.NotFound) as error:
            await asyncio.to_thread(lambda: self._deliveries.closed(letter, self._bot.now()))
            self._bot.metrics.alerted("closed")
            log.warning("direct messages closed, alert kept", code=error.code)
        except TROUBLE as error:
            if may_pass(error):
                await self._later(letter, trouble_name(error))
            else:
                await self._failed(letter, f"Discord refused it ({trouble_name(error)})")

    async def _direct(self, letter: Letter, note: str | None = None) -> None:
        person = await self._bot.create_dm(discord.Object(letter.user_id))
        if letter.interrupted and await self._settle_arrived(letter, person):
            return
        card = await self._draw(letter, note or letter.note or "")
        message = await direct(self._bot, letter.user_id, card, nonce=letter.nonce, view=_view(letter))
        await self._settled(letter, message.id)

    async def _in_channel(self, letter: Letter, place: tuple[int, int]) -> None:
        """In the channel, or directly when the bot may not post there any more."""
        guild = self._bot.get_guild(place[0])
        if guild is not None and guild.unavailable:
            await self._later(letter, "the server is out of reach")
            return
        channel = None if guild is None else guild.get_channel(place[1])
        if isinstance(channel, discord.TextChannel) and not missing_permissions(channel):
            try:
                if letter.interrupted and await self._settle_arrived(letter, channel):
                    return
                card = await self._draw(letter, letter.note or "")
                message = await channel.send(nonce=letter.nonce, view=_view(letter), **to_message(card))
                await self._settled(letter, message.id)
                return
            except (discord.Forbidden, discord.NotFound) as error:
                log.warning("channel closed to an alert", channel=place[1], code=error.code)
        note = f"Meant for <#{place[1]}>, where I may not post any more."
        if await asyncio.to_thread(lambda: self._deliveries.turned(letter.id, note)):
            await self._direct(letter, note)

    async def _settle_arrived(self, letter: Letter, place: discord.abc.Messageable) -> bool:
        """Whether a try that was cut off had arrived after all; then it is marked so."""
        assert self._bot.user is not None
        arrived = await marked_message(place, self._bot.user.id, mark_of(letter), READ_BACK)
        if arrived is not None:
            await self._settled(letter, arrived)
        return arrived is not None

    async def _draw(self, letter: Letter, note: str) -> Card:
        if letter.digest:
            return digest_card(letter.news, note=note, mark=mark_of(letter))
        (news,) = letter.news
        return alert_card(news, stops=await self._stops(news), note=note, mark=mark_of(letter))

    async def _stops(self, news: News) -> str:
        """The gates that keep a name out that left the list."""
        if news.wish.condition != "leaves":
            return ""
        row = await asyncio.to_thread(lambda: self._bot.service.store.row(news.run.run_id, news.symbol))
        return "" if row is None else failures(row)

    async def _settled(self, letter: Letter, message_id: int) -> None:
        await asyncio.to_thread(lambda: self._deliveries.sent(letter.id, message_id, self._bot.now()))
        self._bot.metrics.alerted("digest" if letter.digest else "sent")
        log.info("alert sent", firings=len(letter.news), message=message_id)

    async def _later(self, letter: Letter, reason: str) -> None:
        again = await asyncio.to_thread(lambda: self._deliveries.later(letter, self._bot.now(), reason))
        if not again:
            self._bot.metrics.alerted("failed")
        log.warning("alert not taken", reason=reason, given_up=not again)

    async def _failed(self, letter: Letter, reason: str) -> None:
        await asyncio.to_thread(lambda: self._deliveries.failed(letter.id, self._bot.now(), reason))
        self._bot.metrics.alerted("failed")
        log.error("alert refused", reason=reason)


def mark_of(letter: Letter) -> str:
    """What tells a message from every other one of ours."""
    return f"alert {letter.nonce[:10]}"


def _view(letter: Letter) -> discord.ui.View:
    return digest_view(letter.user_id) if letter.digest else news_view(letter.news[0])


def _guild_of(letter: Letter) -> int | None:
    return None if letter.channel is None else letter.channel[0]
