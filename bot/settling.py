"""What became of earlier closes, worked out once a market is at hand: no post waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

import structlog

from bot.screening import Market, Screening

log = structlog.get_logger("variance.settling")


class Settling:
    """Settlements on the engine's thread, one after another, each behind the run that brought its prices.

    What a crash cuts off is settled by the next close, or by the first market of the next start when that
    is still of the same session.
    """

    def __init__(self, work: Screening, engine: Executor) -> None:
        self._work = work
        self._engine = engine
        self._under_way: set[asyncio.Task[None]] = set()

    def after(self, market: Market, official: bool) -> None:
        """Settle by the prices of a close that has just been adopted; a market of an opening settles nothing.

        `official` says whether its run is one; see Screening.settle.
        """
        if market.panel.kind == "close":
            task = asyncio.create_task(self._settle(market, official), name="settling")
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    async def done(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _settle(self, market: Market, official: bool) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._engine, self._work.settle, market.panel, official)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("settlement failed; the next close tries again", exc_info=error)
