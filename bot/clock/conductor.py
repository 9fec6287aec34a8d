"""What is due is begun, what was begun is brought to its end: planned, computed, posted, done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal

import structlog

from bot.clock.delivery import Delivery
from bot.clock.entries import LedgerRun, Target
from bot.clock.lease import LeaseLostError
from bot.clock.ledger import Ledger
from bot.operation.metrics import Metrics
from bot.people.guilds import Guilds, GuildSettings
from bot.screening import Scheduled, Variant
from bot.service import MarketService
from engine.errors import VarianceError
from engine.market.schedule import Schedule
from engine.panel import Kind

log = structlog.get_logger("variance.clock")

LOOK_BACK = timedelta(days=14)
"""Runs older than this are not even entered as skipped after a long silence."""
KEPT = timedelta(days=400)
"""How long the ledger remembers; the record keeps every run itself."""
RETRY_MINUTES = (1, 2, 5, 10, 15)
"""Between two attempts at a market that could not be had; the last one again and again."""
BETTER = ("aborted", "outage", "degraded", "complete")
"""States of a run, the better the later."""
MEASURED = ("degraded", "complete")
OFFLINE = "the bot was not running then"
TOO_LATE = "the screen was ready, but Discord did not take it in time"
SCORECARD_TOO_LATE = "the scorecard was due, but Discord did not take it in time"
NO_CLOSE = "the record holds no official close yet"

CHANGED = "this server's rules were changed while the run was under way"

Evaluate = Callable[[int, datetime], int]
"""Alerts of a stored run: how many people it wakes."""


class Conductor:
    """One step after another through the ledger; every step may be the last before a crash."""

    def __init__(
        self,
        schedule: Schedule,
        ledger: Ledger,
        service: MarketService,
        guilds: Guilds,
        delivery: Delivery,
        evaluate: Evaluate,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self.schedule = schedule
        self.ledger = ledger
        self._service = service
        self._guilds = guilds
        self._delivery = delivery
        self._evaluate = evaluate
        self._metrics = metrics
        self._now = now
        self._computing = asyncio.Lock()
        self._posting = asyncio.Lock()
        self._noting = asyncio.Lock()

    async def compute(self) -> None:
        """Plan what has come due and bring every entry as far as its posts; a call meanwhile does nothing."""
        if self._computing.locked():
            return
        async with self._computing:
            await self.plan()
            for run in await asyncio.to_thread(self.ledger.unfinished):
                with structlog.contextvars.bound_contextvars(run=run.key):
                    await self._guarded(run, self._advance)
            for run in await asyncio.to_thread(lambda: self.ledger.renewable(self._now())):
                with structlog.contextvars.bound_contextvars(run=run.key):
                    await self._guarded(run, self._renew)

    async def post(self) -> None:
        """Deliver what is open and close the entries that have nothing open any more."""
        if self._posting.locked():
            return
        async with self._posting:
            await self._delivery.deliver()
            for run in await asyncio.to_thread(self.ledger.unfinished):
                if run.state == "posting":
                    await self._finish(run)

    async def note(self) -> None:
        """Deliver the monthly notes that are open; a call meanwhile does nothing."""
        if not self._noting.locked():
            async with self._noting:
                await self._delivery.notes.deliver()

    async def settled(self) -> None:
        """Wait for the outcomes of the markets that were taken."""
        await self._service.settling.done()

    async def plan(self) -> None:
        """Enter what has come due since the last look."""
        now = self._now()
        forgotten = await asyncio.to_thread(lambda: self.ledger.unplan(now))
        if forgotten:
            log.warning("the clock was set back", entries_forgotten=forgotten)
        last = await asyncio.to_thread(self.ledger.last_planned)
        if last is None:
            # A new ledger: the newest market and what followed it, as far as they still matter; nobody has
            # missed the earlier ones.
            market = self.schedule.latest_market(now)
            due = [run for run in (market, *self.schedule.between(market.at, now)) if now < run.until]
        else:
            due = self.schedule.between(max(last, now - LOOK_BACK), now)
        if due:
            await asyncio.to_thread(lambda: self.ledger.plan(due))
            log.info("runs planned", count=len(due), newest=due[-1].key)

    async def _guarded(self, run: LedgerRun, work: Callable[[LedgerRun], Awaitable[None]]) -> None:
        """The job wrapper: one run's trouble is counted and tried again, the others go on."""
        try:
            await work(run)
        except LeaseLostError:
            raise
        except VarianceError as error:
            log.error("run failed", error=type(error).__name__, reason=str(error), attempt=run.attempts + 1)
            await self._later(run, str(error))
        except Exception:
            log.exception("run failed", attempt=run.attempts + 1)
            await self._later(run, "an unexpected error; the log has it")

    async def _later(self, run: LedgerRun, reason: str) -> None:
        minutes = RETRY_MINUTES[min(run.attempts, len(RETRY_MINUTES) - 1)]
        when = self._now() + timedelta(minutes=minutes)
        await asyncio.to_thread(lambda: self.ledger.try_later(run.key, when, reason))

    async def _advance(self, run: LedgerRun) -> None:
        now = self._now()
        if now >= run.until:
            await self._over(run, now)
            return
        if run.state in ("planned", "computing") and (run.next_try is None or run.next_try <= now):
            run = await (self._look_up(run) if run.kind == "weekly" else self._compute(run))
        if run.state == "computed":
            await self._announce(run)

    async def _over(self, run: LedgerRun, now: datetime) -> None:
        """The window has closed: what is not posted by now is told instead."""
        late = SCORECARD_TOO_LATE if run.kind == "weekly" else TOO_LATE
        if run.state == "posting":
            await asyncio.to_thread(lambda: self.ledger.too_late(run.key, late))
            return
        reason = late if run.state == "computed" else run.reason or OFFLINE
        # A market that could not be had in all the time is a failure; one nobody asked for was skipped.
        tried = run.reason is not None and run.state != "computed"
        await self._give_up(run, "failed" if tried else "skipped", reason, now)

    async def _give_up(
        self, run: LedgerRun, state: Literal["failed", "skipped"], reason: str, now: datetime
    ) -> None:
        told = [
            Target(each.channel_id, each.guild_id)
            for each in await self._subscribers(run)
            if each.configured_at <= run.planned_at
        ]
        await asyncio.to_thread(lambda: self.ledger.give_up(run.key, state, reason, now, told))
        self._metrics.run_ended(run.kind, state, 0.0, 0, 0)
        log.warning("run given up", reason=reason, told=len(told))

    async def _compute(self, run: LedgerRun) -> LedgerRun:
        begun = self._now()
        claimed = await asyncio.to_thread(lambda: self.ledger.compute(run.key, begun))
        if claimed is None:
            return run
        variants = {_variant(each) for each in await self._subscribers(run)}
        found = None
        if claimed.attempts > 1 and claimed.run_floor is not None:
            # An attempt before a crash may have come as far as the record.
            found = await self._service.kept(claimed.session, _kind(claimed), variants, claimed.run_floor)
        if found is None:
            found = await self._service.scheduled(claimed.session, _kind(claimed), variants)
        kept = found.run_id
        await asyncio.to_thread(lambda: self.ledger.computed(run.key, kept))
        self._count(claimed, found, begun)
        return await self._current(run)

    async def _look_up(self, run: LedgerRun) -> LedgerRun:
        """A weekly run measures nothing: it stands on the newest official close up to its session.

        What that close settles is part of it, also where it was computed only a moment ago.
        """
        await self.settled()
        now = self._now()
        if await asyncio.to_thread(lambda: self.ledger.compute(run.key, now)) is None:
            return run
        simulated = self._service.simulated
        found = await asyncio.to_thread(lambda: self.ledger.newest_close(run.session, simulated))
        if found is not None:
            await asyncio.to_thread(lambda: self.ledger.computed(run.key, found))
            self._metrics.run_ended(run.kind, "complete", 0.0, 0, 0)
        elif await asyncio.to_thread(lambda: self.ledger.market_under_way(run.planned_at)):
            await self._later(run, NO_CLOSE)
        else:
            await self._give_up(run, "skipped", NO_CLOSE, now)
        return await self._current(run)

    def _count(self, run: LedgerRun, found: Scheduled, begun: datetime) -> None:
        coverage, state = found.screen.coverage, found.screen.run.state
        seconds = (self._now() - begun).total_seconds()
        self._metrics.run_ended(run.kind, state, seconds, coverage.measured, coverage.universe)

    async def _announce(self, run: LedgerRun) -> None:
        """Wake whom the run concerns, then name the channels that get it."""
        assert run.run_id is not None
        run_id = run.run_id
        if run.kind == "weekly":
            # The numbers are old: nobody is woken, and no market is judged anew.
            targets = [
                Target(each.channel_id, each.guild_id, run_id) for each in await self._subscribers(run)
            ]
            await asyncio.to_thread(lambda: self.ledger.posting(run.key, targets))
            log.info("posting", channels=len(targets), told=0)
            return
        if not run.alerted:
            woken = await asyncio.to_thread(lambda: self._evaluate(run_id, self._now()))
            await asyncio.to_thread(lambda: self.ledger.alerted(run.key))
            log.info("alerts evaluated", messages=woken)
        if run.kind == "close":
            await self._enter_notes(run, run_id)
        targets = await self._targets(run, run_id)
        there = {target.channel_id for target in targets}
        told = [
            Target(each.channel_id, each.guild_id)
            for each in await self._subscribers(run)
            if each.channel_id not in there
        ]
        await asyncio.to_thread(lambda: self.ledger.posting(run.key, targets, told, CHANGED))
        log.info("posting", channels=len(targets), told=len(told))

    async def _enter_notes(self, run: LedgerRun, run_id: int) -> None:
        """The first close of a month that measured anything brings a note to each server's keepers."""
        if run.quiet or (await self._service.stored(run_id)).run.state not in MEASURED:
            return
        now = self._now()
        entered = await asyncio.to_thread(lambda: self.ledger.notes.enter(run.session, run_id, now))
        if entered:
            log.info("monthly notes entered", month=f"{run.session:%Y-%m}", servers=entered)

    async def _finish(self, run: LedgerRun) -> None:
        """Done when no channel waits any more; an incomplete market is asked for once more later."""
        if await asyncio.to_thread(lambda: self.ledger.posts(run.key, "pending", "sending")):
            return
        now = self._now()
        again = None if run.kind == "weekly" else self._service.next_try_of(run.run_id)
        wanted = self._within(run, again)
        await asyncio.to_thread(lambda: self.ledger.done(run.key, now, wanted))
        log.info("run done", run=run.key, again=wanted and wanted.isoformat(timespec="seconds"))

    async def _renew(self, run: LedgerRun) -> None:
        """A run that could not be ranked whole, tried once more; its posts are edited when it got better."""
        assert run.run_id is not None
        run_id = run.run_id
        later = self._within(run, self._now() + timedelta(minutes=RETRY_MINUTES[-1]))
        await asyncio.to_thread(lambda: self.ledger.ask_again(run.key, later))
        before = (await self._service.stored(run_id)).run.state
        variants = {_variant(each) for each in await self._subscribers(run)}
        found = await self._service.scheduled(run.session, _kind(run), variants)
        state = found.screen.run.state
        if BETTER.index(state) > BETTER.index(before):
            again = self._within(run, found.next_try) if state != "complete" else None
            targets = await self._targets(run, found.run_id)
            await asyncio.to_thread(lambda: self.ledger.renewed(run.key, found.run_id, targets))
            if run.kind == "close":
                await self._enter_notes(run, found.run_id)
            await self._delivery.renew(await self._current(run))
            await asyncio.to_thread(lambda: self.ledger.ask_again(run.key, again))
        log.info("run renewed", before=before, after=state)

    def _within(self, run: LedgerRun, when: datetime | None) -> datetime | None:
        return when if when is not None and when < run.until else None

    async def _targets(self, run: LedgerRun, run_id: int) -> list[Target]:
        """Where the run goes, each time as judged by the rules of that server."""
        subscribers = await self._subscribers(run)
        runs = await self._service.variant_runs(run_id, {_variant(each) for each in subscribers})
        return [
            Target(each.channel_id, each.guild_id, runs[_variant(each)])
            for each in subscribers
            if _variant(each) in runs
        ]

    async def _subscribers(self, run: LedgerRun) -> list[GuildSettings]:
        """The servers that want this run."""
        return [] if run.quiet else await asyncio.to_thread(lambda: self._guilds.posting(run.kind))

    async def _current(self, run: LedgerRun) -> LedgerRun:
        found = await asyncio.to_thread(lambda: self.ledger.run(run.key))
        assert found is not None
        return found


def _kind(run: LedgerRun) -> Kind:
    return "open" if run.kind == "open" else "close"


def _variant(settings: GuildSettings) -> Variant:
    return settings.profile, settings.thresholds
