"""The end within ten seconds: closing is given nine, then the process leaves as it is."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import NoReturn

import structlog

log = structlog.get_logger("variance.stopping")

PATIENCE = 9.0
"""Seconds; who sends SIGTERM sends SIGKILL after ten, and that leaves no line in the log."""
_TO_TELL = 0.5
"""Seconds the last line of the log may take."""

_IDLE = "_worker"
"""The function in which a thread of a pool waits for work."""


def leave_in_time(loop: asyncio.AbstractEventLoop, seconds: float = PATIENCE) -> None:
    """Make sure that this process ends within `seconds`, with status 0, whatever hangs meanwhile.

    In a thread that nothing waits for: an ordinary end is not held up, and neither a blocked event loop nor
    a thread pool that is being joined keeps it from acting. The record is safe at any instant: what was
    committed is on the disk, what was not is rolled back by the next start.
    """
    _daemon(seconds, _leave, loop, seconds)
    # Should even the log hang (a full pipe that nobody reads).
    _daemon(seconds + _TO_TELL, os._exit, 0)


def _daemon(seconds: float, work: Callable[..., object], *arguments: object) -> None:
    watch = threading.Timer(seconds, work, arguments)
    watch.daemon = True
    watch.start()


def _leave(loop: asyncio.AbstractEventLoop, seconds: float) -> NoReturn:
    log.error("closing hangs, leaving", seconds=seconds, threads=_threads(), tasks=_tasks(loop))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _threads() -> str:
    """Every thread at work and where it stands: the file and the function, no path and no value."""
    frames = sys._current_frames()
    at_work = (
        (thread.name, frame.f_code, frame.f_lineno)
        for thread in threading.enumerate()
        if not isinstance(thread, threading.Timer) and (frame := frames.get(thread.ident or 0)) is not None
    )
    return _joined(
        f"{name} at {os.path.basename(code.co_filename)}:{line} {code.co_name}"
        for name, code, line in at_work
        if code.co_name != _IDLE
    )


def _tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Names of the tasks not done; from another thread, so what changes meanwhile may be missed."""
    try:
        return _joined(task.get_name() for task in asyncio.all_tasks(loop))
    except RuntimeError:
        return "unknown"


def _joined(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
