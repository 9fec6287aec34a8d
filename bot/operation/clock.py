"""The bot's clock: the machine's, or for development one that was set."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def clock_from(start: datetime | None) -> Callable[[], datetime]:
    """The time in UTC; with `start` a clock that shows it now and runs on from there."""
    if start is None:
        return lambda: datetime.now(UTC)
    began = time.monotonic()
    shown = start.astimezone(UTC)
    return lambda: shown + timedelta(seconds=time.monotonic() - began)
