"""Posts brought to their channels: each once, whatever Discord, the network or a crash does meanwhile.

Discord cannot be asked to do two things in one transaction, so a post is claimed in the ledger before it
leaves and settled after it arrived. What lies between is decided afterwards: the channel is read for our
mark, and a repeated nonce makes Discord hand back the message it already has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import discord
import structlog
from discord import app_commands

from bot.answers import Scope
from bot.buttons import edit_of
from bot.cards.card import Card
from bot.cards.notice import MissedRun, notice_card, rules_card
from bot.cards.text import dotted, stamp
from bot.clock.entries import LedgerRun, Post
from bot.clock.lease import LeaseLostError
from bot.clock.ledger import Ledger
from bot.clock.note_delivery import NoteDelivery
from bot.people.guilds import Guilds, GuildSettings
from bot.people.guilds_notice import tell_administrator
from bot.posting import TROUBLE, PostChannel, marked_message, may_pass, post, trouble_name
from engine.market.schedule import Schedule, closed_by, week_before

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.delivery")

AT_ONCE = 5
"""Channels that are served at the same time."""
READ_BACK = 1000
"""Messages of a channel that are looked through for a post of ours."""
GLANCE_BACK = 100
"""The same for a post that is late and, as far as the ledger knows, was never tried."""
PATIENCE = (15, 30, 60, 120, 300)
"""Seconds before the next try of a post that Discord did not take; the last one again and again."""
NOTICE_LIFE = timedelta(days=7)
"""Older news that a run was skipped is told by /status alone."""
AHEAD = timedelta(days=10)
"""How far ahead the next post is looked for."""
LATE = timedelta(minutes=3)
"""A run begun later than this after its time says so."""
LATE_POST = timedelta(minutes=60)
"""So does a post that leaves later than this after it."""


class Delivery:
    """Takes what the ledger has open to its channels."""

    def __init__(
        self,
        bot: VarianceBot,
        schedule: Schedule,
        ledger: Ledger,
        guilds: Guilds,
        now: Callable[[], datetime],
    ) -> None:
        self._bot = bot
        self._schedule = schedule
        self._ledger = ledger
        self._guilds = guilds
        self._now = now
        self.notes = NoteDelivery(bot, ledger.notes, guilds, now)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._scorecards: dict[tuple[str, str], Card] = {}
        """Of the last weekly run, by language of numbers: the same for every server, and slow to draw."""
        self._drawing = asyncio.Lock()

    async def deliver(self) -> None:
        """Try every open post that is due; of one channel in the order of the runs."""
        await asyncio.to_thread(self._ledger.gather_notices)
        waiting: dict[int, list[Post]] = defaultdict(list)
        for each in await asyncio.to_thread(lambda: self._ledger.posts(None, "pending", "sending")):
            waiting[each.channel_id].append(each)
        served = (self._channel(posts) for posts in waiting.values())
        for trouble in await asyncio.gather(*served, return_exceptions=True):
            if isinstance(trouble, LeaseLostError):
                raise trouble
            if isinstance(trouble, BaseException):
                # One server's trouble is not the others'; what is open is tried again.
                log.error("channel not served", exc_info=trouble)

    async def renew(self, run: LedgerRun) -> None:
        """Put the better market into the messages of a run that was posted without one."""
        for each in await asyncio.to_thread(lambda: self._ledger.posts(run.key, "sent")):
            settings = await asyncio.to_thread(lambda each=each: self._guilds.get(each.guild_id))  # type: ignore[misc]
            channel = self._bot.get_channel(each.channel_id)
            if settings is None or each.message_id is None or not isinstance(channel, PostChannel):
                continue
            if each.what == "notice":
                continue
            card = marked(await self._draw(run, each, settings), each)
            try:
                await channel.get_partial_message(each.message_id).edit(
                    **edit_of(card), allowed_mentions=discord.AllowedMentions.none()
                )
            except TROUBLE as error:
                log.warning("post not renewed", run=run.key, guild=each.guild_id, error=trouble_name(error))

    async def _channel(self, posts: list[Post]) -> None:
        async with self._slots:
            for each in posts:
                if each.next_try is not None and each.next_try > self._now():
                    return  # the channel's later posts wait, so that they are read in their order
                with structlog.contextvars.bound_contextvars(run=each.key, guild=each.guild_id):
                    if not await self._post(each):
                        return

    async def _post(self, waiting: Post) -> bool:
        """Whether the post is at its end: sent, or given up."""
        run = await asyncio.to_thread(lambda: self._ledger.run(waiting.key))
        settings = await asyncio.to_thread(lambda: self._guilds.get(waiting.guild_id))
        assert run is not None
        if settings is None or settings.channel_id != waiting.channel_id:
            await self._drop(waiting, "skipped", "The server chose otherwise meanwhile.")
            return True
        if waiting.what == "notice" and self._now() - run.planned_at > NOTICE_LIFE:
            await self._drop(waiting, "skipped", "Too old to be told.")
            return True
        try:
            channel = await self._place(waiting)
            # A ledger put back from a backup does not know of what was posted since.
            unsure = waiting.state == "sending" or self._now() - run.planned_at > LATE
            if unsure and (arrived := await self._arrived(channel, waiting)):
                log.info("post had arrived", message=arrived)
                await self._settled(waiting, arrived)
            else:
                await self._send(run, waiting, settings, channel)
        except (_GoneError, discord.NotFound) as error:
            await self._break(waiting, settings, str(error) if isinstance(error, _GoneError) else GONE)
        except (discord.Forbidden, app_commands.BotMissingPermissions) as error:
            await self._break(waiting, settings, _lacking(error))
        except _LaterError:
            log.info("server not at hand, post waits")
            return False
        except TROUBLE as error:
            if may_pass(error):
                log.warning("post not taken, tried again", error=trouble_name(error))
                return False
            await self._drop(waiting, "failed", f"Discord refused it ({trouble_name(error)}).")
        return True

    async def _send(
        self, run: LedgerRun, waiting: Post, settings: GuildSettings, channel: PostChannel
    ) -> None:
        card = marked(await self._draw(run, waiting, settings), waiting)
        now = self._now()
        wait = PATIENCE[min(waiting.attempts, len(PATIENCE) - 1)]
        claimed = await asyncio.to_thread(
            lambda: self._ledger.sending(waiting, now, now + timedelta(seconds=wait))
        )
        if claimed is None:
            return
        message = await post(channel, card, nonce=claimed.nonce, role_id=settings.role_id)
        await self._settled(claimed, message.id)

    async def _draw(self, run: LedgerRun, waiting: Post, settings: GuildSettings) -> Card:
        simulated = self._bot.service.simulated
        if waiting.what == "notice":
            missed = await asyncio.to_thread(lambda: self._ledger.told_with(waiting))
            following = self._following(settings)
            return notice_card([_missed(each, waiting) for each in missed], following, simulated)
        late = self._is_late(run)
        if run.kind == "weekly":
            return await self._weekly(run, settings, late)
        if waiting.run_id is None:
            return rules_card(_missed(run, waiting), settings.profile, simulated)
        scope = Scope.parse(settings.scope)
        return await self._bot.answers.scheduled(
            waiting.run_id,
            scope,
            late_since=run.planned_at if late else None,
            numbers=settings.numbers,
            official_id=run.run_id,
            guild_id=settings.guild_id,
        )

    async def _weekly(self, run: LedgerRun, settings: GuildSettings, late: bool) -> Card:
        """The scorecard up to the last session before the run, with what the week before it settled."""
        asked = run.key, settings.numbers
        # Channels are served side by side: the first of a language draws, the others wait for its card.
        async with self._drawing:
            if asked not in self._scorecards:
                since = closed_by(week_before(run.planned_at))
                drawn = await self._bot.answers.proof.weekly(run.session, since, settings.numbers)
                self._scorecards = {key: kept for key, kept in self._scorecards.items() if key[0] == run.key}
                self._scorecards[asked] = drawn
            card = self._scorecards[asked]
        if not late:
            return card
        said = f"Late: this post was due {stamp(run.planned_at)}"
        return replace(card, headline="\n".join(filter(None, (said, card.headline))))

    def _is_late(self, run: LedgerRun) -> bool:
        """What could be drawn and sent at once is not called late; computing may take its time."""
        begun_late = run.started_at is not None and run.started_at - run.planned_at > LATE
        return begun_late or self._now() - run.planned_at > LATE_POST

    def _following(self, settings: GuildSettings) -> datetime | None:
        """When the server's next post is due."""
        now = self._now()
        ahead = self._schedule.between(now, now + AHEAD)
        return next((run.at for run in ahead if run.kind in settings.runs), None)

    async def _settled(self, waiting: Post, message_id: int) -> None:
        await asyncio.to_thread(lambda: self._ledger.sent(waiting, message_id, self._now()))
        await asyncio.to_thread(lambda: self._guilds.mend(waiting.guild_id, waiting.channel_id))
        self._bot.metrics.posted("notice" if waiting.what == "notice" else "sent")
        log.info("posted", what=waiting.what, channel=waiting.channel_id, message=message_id)

    async def _place(self, waiting: Post) -> PostChannel:
        """The channel as the bot sees it now."""
        guild = self._bot.get_guild(waiting.guild_id)
        if guild is None:
            raise _GoneError("I am not in that server any more.")
        if guild.unavailable:
            raise _LaterError
        channel = guild.get_channel_or_thread(waiting.channel_id)
        if channel is None:
            channel = await guild.fetch_channel(waiting.channel_id)  # an archived thread is not remembered
        if not isinstance(channel, PostChannel):
            raise _GoneError("That channel takes no posts.")
        return channel

    async def _arrived(self, channel: PostChannel, waiting: Post) -> int | None:
        """The message of an earlier try that was cut off, None when the channel does not hold it."""
        far = READ_BACK if waiting.state == "sending" else GLANCE_BACK
        return await marked_message(channel, channel.guild.me.id, mark(waiting), far, waiting.floor)

    async def _break(self, waiting: Post, settings: GuildSettings, reason: str) -> None:
        """The channel takes no posts: said once, and nothing is tried there again until it is set up anew."""
        await self._drop(waiting, "failed", reason)
        now = self._now()
        await asyncio.to_thread(
            lambda: self._guilds.mark_broken(settings.guild_id, settings.channel_id, reason, now)
        )
        current = await asyncio.to_thread(lambda: self._guilds.get(settings.guild_id))
        if current is not None and not current.told:
            await tell_administrator(self._bot, current, reason)

    async def _drop(self, waiting: Post, state: Literal["failed", "skipped"], reason: str) -> None:
        await asyncio.to_thread(lambda: self._ledger.failed(waiting, state, reason))
        self._bot.metrics.posted(state)
        log.warning("not posted", channel=waiting.channel_id, state=state, reason=reason)


GONE = "The channel was deleted."


class _GoneError(Exception):
    """There is no such place any more."""


class _LaterError(Exception):
    """Discord has not shown us the server yet."""


def mark(waiting: Post) -> str:
    """What tells a post from every other message of ours."""
    return f"post {waiting.nonce[:10]}"


def marked(card: Card, waiting: Post) -> Card:
    """The card with the post's mark in its footer."""
    return replace(card, footer=dotted((card.footer, mark(waiting))))


def _missed(run: LedgerRun, waiting: Post) -> MissedRun:
    reason = waiting.reason if run.key == waiting.key and waiting.reason else run.reason
    return MissedRun(run.key, run.kind, run.session, run.planned_at, run.state, reason)


def _lacking(error: discord.Forbidden | app_commands.BotMissingPermissions) -> str:
    if isinstance(error, app_commands.BotMissingPermissions):
        names = ", ".join(name.replace("_", " ").title() for name in error.missing_permissions)
        return f"There I lack the permission {names}."
    return "Discord does not let me post there."
