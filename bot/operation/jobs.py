"""What is done at night without being asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from bot.operation.metrics import Metrics
from engine.errors import StoreError
from engine.record.backup import Backup, back_up, prune

log = structlog.get_logger("variance.backup")


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What is copied, where to, and how many copies stay: of the last days and of the last weeks."""

    database: Path
    folder: Path
    daily: int
    weekly: int


async def nightly_backup(plan: BackupPlan, now: Callable[[], datetime], metrics: Metrics) -> Backup | None:
    """Copy the record and thin out the copies, in a thread; None when it failed.

    A failure is logged and counted, never raised: the next night tries again.
    """
    moment = now()
    try:
        made = await asyncio.to_thread(back_up, plan.database, plan.folder, moment)
    except StoreError as error:
        metrics.backup_failed()
        log.error("no backup", reason=str(error))
        return None
    metrics.backed_up(made.size)
    log.info("backup made", file=made.path.name, size=made.size)
    try:
        removed = await asyncio.to_thread(prune, plan.folder, plan.daily, plan.weekly, moment)
    except StoreError as error:
        log.error("old backups stay", reason=str(error))
    else:
        log.info("old backups removed", count=len(removed))
    return made
