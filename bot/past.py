"""A past for an empty record: the closes before today's, judged one after another as they came.

Imports no Discord, so that a worker process starts quickly.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.market.columns import panel_of
from engine.market.sessions import sessions_before
from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.panel import Panel
from engine.record.outcomes import Settled
from engine.record.scorecards import keep_up
from engine.record.store import Store
from engine.rules import Listing, Rules
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import screen_of
from engine.volatility.rank import percentile, rank

YEAR = 252
PROCESSES = 2


@dataclass(frozen=True, slots=True)
class PastClose:
    """One close, measured as if nothing had been stored before it.

    `panel` keeps the facts of the run; its quotes and prices have done their work and are left out.
    """

    panel: Panel
    table: pd.DataFrame


def past_closes(market: SimulatedMarket, count: int, rules: Rules) -> Iterator[PastClose]:
    """The `count` closes before the market's session, oldest first."""
    for snapshot in market.past_closes(count):
        panel = panel_of(snapshot, BENCHMARK)
        spent = replace(panel, chains=panel.chains.of_names(0, 0), prices=panel.prices.of_names(0, 0))
        yield PastClose(spent, measure(panel, rules))


def keep_closes(
    closes: Iterable[PastClose], rules: Rules, store: Store, universe: Sequence[str] | None = None
) -> Iterator[Screen]:
    """Judge closes in order, each with the percentiles of those before it, and keep them as official runs.

    Yields each screen once it is stored. Raises ValueError when the closes do not all hold the same names.
    """
    body = rules.model_dump_json(exclude={"profiles"}, by_alias=True)
    names: list[str] = []
    stored: deque[FloatArray] = deque(maxlen=YEAR)
    for close in closes:
        if stored and close.panel.symbols != names:
            raise ValueError("the past closes do not all hold the same names")
        names = close.panel.symbols
        screen = screen_of(close.panel, _ranked(close.table, stored, rules), rules, universe)
        store.save(screen, body, official=True)
        stored.append(close.table["iv30"].to_numpy(dtype=np.float64))
        yield screen


def settle_past(market: SimulatedMarket, store: Store, rules: Rules) -> Settled:
    """What became of the kept closes, by the prices up to the close of the market's session."""
    return keep_up(store, panel_of(market.snapshot(), BENCHMARK), "simulated", rules)


def _ranked(table: pd.DataFrame, stored: Sequence[FloatArray], rules: Rules) -> pd.DataFrame:
    """The table with the percentile and rank of its IV30 among the stored closes."""
    history = np.array(stored).reshape(len(stored), len(table)).T
    latest, least = table["iv30"].to_numpy(dtype=np.float64), rules.gates.iv_history_min_days
    place = percentile(history, latest, least)
    return table.assign(
        iv_percentile=place.value,
        iv_percentile_n=place.observations.astype(np.float64),
        iv_rank=rank(history, latest, least).value,
    )


@contextmanager
def closes_ahead(
    listings: Sequence[Listing], session: date, seed: int, count: int, rules: Rules
) -> Iterator[Iterator[PastClose]]:
    """`past_closes`, made by processes beside this one, each a stretch of the past."""
    with ExitStack() as stack:
        stretches = []
        for last, length in _stretches(session, count):
            begin = (listings, last, seed, length, rules)
            pool = ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=begin
            )
            stack.callback(pool.shutdown, cancel_futures=True)
            with _interrupts_held():
                stretches.append(pool.map(_next_close, range(length)))
        yield chain.from_iterable(stretches)


def _stretches(session: date, count: int) -> list[tuple[date, int]]:
    """(session, length): each stretch is the closes before a session, oldest stretch first."""
    lengths = [count // PROCESSES] * (PROCESSES - 1)
    lengths.append(count - sum(lengths))
    stretches: list[tuple[date, int]] = []
    for length in reversed(lengths):
        stretches.insert(0, (session, length))
        session = sessions_before(session, length + 1)[0].astype(date)
    return stretches


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started in here never sees Ctrl-C: the parent alone decides when to stop."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


_closes: Iterator[PastClose] = iter(())
"""What this worker process hands out next."""


def _begin(listings: Sequence[Listing], session: date, seed: int, count: int, rules: Rules) -> None:
    global _closes
    _closes = past_closes(SimulatedMarket(listings, session, "close", seed), count, rules)


def _next_close(_: int) -> PastClose:
    return next(_closes)
