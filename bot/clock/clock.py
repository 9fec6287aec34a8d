"""The clock of the bot: what APScheduler fires, who may act, and what is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.clock.conductor import KEPT, Conductor
from bot.clock.health import Health, health_of
from bot.clock.lease import HEARTBEAT, Lease, LeaseLostError
from bot.clock.trigger import SessionTrigger
from engine.errors import StoreError
from engine.record.store import Store

log = structlog.get_logger("variance.clock")

SWEEP = 30
"""Seconds between two looks at what is open: retries, a clock that jumped, a machine that slept."""
NIGHT = CronTrigger(hour=7, minute=10, timezone=UTC)
"""Between the day's close and the next open whatever daylight saving does."""
PAUSED = "clock/paused"
EXTRA_WINDOW = timedelta(minutes=60)
"""How long a run asked for by the owner is tried."""

Job = Callable[[], Awaitable[None]]


class Clock:
    """Fires the conductor. APScheduler only wakes; the ledger decides what is due."""

    def __init__(
        self,
        conductor: Conductor,
        lease: Lease,
        store: Store,
        now: Callable[[], datetime],
        may_post: Callable[[], bool],
        courier: Job,
        nightly: Job,
        look: Callable[[int], Awaitable[None]],
    ) -> None:
        self.conductor = conductor
        self.lost = asyncio.Event()
        """Set when another process has taken over."""
        self._lease = lease
        self._store = store
        self._now = now
        self._may_post = may_post
        self._courier = courier
        self._nightly = nightly
        self._look = look
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self.acts = False
        """Whether this process holds the lease."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def acquire(self, poll: float = 1.0) -> None:
        """Wait until this process may act."""
        waiting = False
        while not await asyncio.to_thread(lambda: self._lease.acquire(self._now())):
            if not waiting:
                waiting = True
                log.info("another process acts; standing by")
            await asyncio.sleep(poll)
        self.acts = True

    async def brings_market(self) -> bool:
        """Whether a run is due or under way, which will bring a market by itself."""
        if await self.paused():
            return False
        await self.conductor.plan()
        now = self._now()
        due = await asyncio.to_thread(self.conductor.ledger.unfinished)
        return any(
            run.kind != "weekly" and run.state in ("planned", "computing") and now < run.until for run in due
        )

    async def run_again(self, post: bool) -> str:
        """Run the newest market once more, now; its key. Posted to every channel when `post`."""
        now = self._now()
        latest = self.conductor.schedule.latest_market(now)
        key = f"{latest.key}/extra-{now.astimezone(UTC):%H%M%S}"
        run = replace(latest, key=key, at=now, until=now + EXTRA_WINDOW)
        await asyncio.to_thread(lambda: self.conductor.ledger.plan([run], quiet=not post))
        self._begin()
        return key

    async def drain(self, patience: float) -> bool:
        """Begin nothing new and wait for what is under way; False when it takes longer than `patience`."""
        await self.pause(True)
        tasks = list(self._tasks.values())

        async def rest() -> None:
            await asyncio.gather(*map(asyncio.shield, tasks), return_exceptions=True)
            await self.conductor.settled()

        done, _ = await asyncio.wait({asyncio.create_task(rest(), name="drain")}, timeout=patience)
        return bool(done)

    async def health(self) -> Health:
        """The clock as it stands."""
        paused = await self.paused()
        ledger, schedule = self.conductor.ledger, self.conductor.schedule
        return await asyncio.to_thread(lambda: health_of(ledger, schedule, self._now(), paused))

    def start(self, by_hand: bool = False) -> None:
        """Begin to fire; the lease must be held. `by_hand` leaves later turns to whoever moves the time."""
        if not by_hand:
            self._schedule()
        self._begin()

    def _schedule(self) -> None:
        scheduler = self._scheduler
        scheduler.add_listener(_tell, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        scheduler.add_job(self.turn, SessionTrigger(self.conductor.schedule, self._now), id="session")
        scheduler.add_job(self.turn, IntervalTrigger(seconds=SWEEP), id="sweep")
        scheduler.add_job(self._beat, IntervalTrigger(seconds=int(HEARTBEAT)), id="heartbeat")
        scheduler.add_job(self._night, NIGHT, id="nightly")
        scheduler.start()

    def halt(self) -> None:
        """Fire no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def stop(self) -> None:
        """Fire no more, leave what is under way to the ledger, give the lease back."""
        self.halt()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.acts and not self.lost.is_set():
            await asyncio.to_thread(self._lease.release)

    async def turn(self) -> None:
        """One look at everything; what takes long goes on by itself."""
        self._begin()

    def _begin(self) -> None:
        # Side by side: neither a long run nor a thousand alerts or notes keep a post waiting.
        jobs = {"runs": self._runs, "posts": self._posts, "alerts": self._alerts, "notes": self._notes}
        for name, work in jobs.items():
            under_way = self._tasks.get(name)
            if under_way is None or under_way.done():
                self._tasks[name] = asyncio.create_task(self._guarded(work), name=name)

    async def settle(self) -> None:
        """Everything that is due now, brought to its end."""
        await self._runs()
        await self._posts()
        await self._alerts()
        await self._notes()
        await self.conductor.settled()

    async def paused(self) -> bool:
        """Whether the owner has stopped runs and posts."""
        return await asyncio.to_thread(lambda: self._store.get_setting(PAUSED)) == "1"

    async def pause(self, yes: bool) -> None:
        """Stop, or go on; outlives a restart."""
        await asyncio.to_thread(lambda: self._store.set_setting(PAUSED, "1" if yes else "0"))

    async def _runs(self) -> None:
        if not await self.paused():
            await self.conductor.compute()
            if self._may_post():
                await self.conductor.post()

    async def _posts(self) -> None:
        if self._may_post() and not await self.paused():
            await self.conductor.post()

    async def _alerts(self) -> None:
        if self._may_post() and not await self.paused():
            await self._courier()

    async def _notes(self) -> None:
        if self._may_post() and not await self.paused():
            await self.conductor.note()

    async def _guarded(self, work: Job) -> None:
        """The wrapper of every job: nothing a job raises ends the clock, except that it may not act."""
        try:
            await work()
        except LeaseLostError as error:
            log.error("lease lost", reason=str(error))
            self.lost.set()
        except StoreError as error:
            log.error("the record cannot be used", reason=str(error))
        except Exception:
            log.exception("job failed")

    async def _beat(self) -> None:
        await self._guarded(self._renew_lease)

    async def _renew_lease(self) -> None:
        if not await asyncio.to_thread(lambda: self._lease.acquire(self._now())):
            raise LeaseLostError("Another process of this bot acts now.")
        queue = await asyncio.to_thread(self.conductor.ledger.queue)
        await self._look(queue.pending + queue.sending)

    async def _night(self) -> None:
        await self._guarded(self._tidy)

    async def _tidy(self) -> None:
        await self._nightly()
        before = self._now() - KEPT
        await asyncio.to_thread(lambda: self.conductor.ledger.prune(before))


def _tell(event: JobEvent) -> None:
    log.warning("scheduler", job=event.job_id, code=event.code)
