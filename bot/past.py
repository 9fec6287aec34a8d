"""A past for an empty record: the closes before today's, judged one after another as they came.

Imports no Discord, so that a worker process starts quickly.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date

import numpy as np

from engine.arrays import FloatArray
from engine.market.columns import panel_of
from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.panel import IvHistory, Panel
from engine.record.store import Store
from engine.rules import Listing, Rules
from engine.screen.result import Screen
from engine.screen.screen import run_screen

YEAR = 252
_AHEAD = 4
"""Markets made in advance: enough to keep the other processor busy, little memory."""


def past_panels(market: SimulatedMarket, count: int) -> Iterator[Panel]:
    """The `count` closes before the market's session, oldest first."""
    return (panel_of(snapshot, BENCHMARK) for snapshot in market.past_closes(count))


def keep_closes(
    panels: Iterable[Panel], rules: Rules, store: Store, universe: Sequence[str] | None = None
) -> Iterator[Screen]:
    """Judge closes in order, each with the percentiles of those before it, and keep them as official runs.

    Yields each screen once it is stored. Raises ValueError when the panels do not all hold the same names.
    """
    body = rules.model_dump_json(exclude={"profiles"}, by_alias=True)
    names: list[str] = []
    closes: deque[FloatArray] = deque(maxlen=YEAR)
    for panel in panels:
        symbols = panel.symbols
        if closes and symbols != names:
            raise ValueError("the past closes do not all hold the same names")
        names = symbols
        history = np.array(closes).reshape(len(closes), len(names)).T
        screen = run_screen(panel, rules, IvHistory(history), universe)
        store.save(screen, body, official=True)
        iv30 = {row.symbol: row.number("iv30") for row in screen.rows}
        closes.append(np.array([iv30.get(symbol) for symbol in names], dtype=np.float64))
        yield screen


@contextmanager
def panels_ahead(
    listings: Sequence[Listing], session: date, seed: int, count: int
) -> Iterator[Iterator[Panel]]:
    """`past_panels`, made by a second process while the first judges."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        1, mp_context=context, initializer=_begin, initargs=(listings, session, seed, count)
    )
    try:
        with _interrupts_held():
            pending = deque(pool.submit(_next_panel) for _ in range(min(_AHEAD, count)))
        yield _in_order(pool, pending, count - len(pending))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, pending: deque[Future[Panel | None]], more: int) -> Iterator[Panel]:
    while pending:
        panel = pending.popleft().result()
        if panel is None:
            return
        if more > 0:
            more -= 1
            pending.append(pool.submit(_next_panel))
        yield panel


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started in here never sees Ctrl-C: the parent alone decides when to stop."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


_panels: Iterator[Panel] = iter(())
"""What the worker process hands out next."""


def _begin(listings: Sequence[Listing], session: date, seed: int, count: int) -> None:
    global _panels
    _panels = past_panels(SimulatedMarket(listings, session, "close", seed), count)


def _next_panel() -> Panel | None:
    return next(_panels, None)
