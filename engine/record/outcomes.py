"""Outcomes of official closes: what the market did in the sessions after, by the prices of a later close."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlite_utils import Database

from engine.arrays import FloatArray, IntArray
from engine.market.sessions import sessions_between
from engine.market.snapshot import SIMULATED
from engine.panel import Panel
from engine.proof.days import NameDays
from engine.record.days import Close, bodies_of, closes_of, observed
from engine.record.packed import LAYOUT, unpack, with_outcomes
from engine.record.rows import Realm
from engine.record.store import Store
from engine.rules import Rules
from engine.volatility.realized import realized_after

STOPPED = "stopped trading"
GONE = "no longer in the market"
MISSING = "closes missing"
_AT_A_TIME = 20_000
"""About so many names are written in a transaction, so that other writers need not wait for a whole past."""

_INSERT = (
    "INSERT INTO outcomes (run_id, symbol, sessions, realized, reason, settled_on) VALUES (?, ?, ?, ?, ?, ?)"
)
_KEEP = (
    "INSERT INTO outcome_days (run_id, layout, sessions, as_judged, waiting, settled, lost, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET layout = excluded.layout,"
    " sessions = excluded.sessions, as_judged = excluded.as_judged, waiting = excluded.waiting,"
    " settled = excluded.settled, lost = excluded.lost, body = excluded.body"
)

Outcome = tuple[int, str, int, float | None, str | None, str]
"""A row of outcomes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement found: closes put into columns, outcomes now known, names given up by reason."""

    packed: int = 0
    outcomes: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Held:
    """A close out of the record: packed, as name-days, and what was given up of it by ticker."""

    close: Close
    body: bytes
    days: NameDays
    as_judged: bool
    given_up: Mapping[str, str]
    horizon: int

    @property
    def open(self) -> IntArray:
        """Rows that were measured and have no outcome yet."""
        known = np.isfinite(self.days.realized)
        gone = np.array([symbol in self.given_up for symbol in self.days.symbols], dtype=bool)
        return np.flatnonzero(observed(self.days) & ~known & ~gone)


@dataclass(frozen=True, slots=True)
class _Done:
    """What is to be written of one close."""

    held: _Held
    realized: FloatArray
    outcomes: Sequence[Outcome]

    @property
    def lost(self) -> Counter[str]:
        """Names given up in this settlement."""
        return Counter(reason for *_, reason, _ in self.outcomes if reason is not None)

    @property
    def kept(self) -> tuple[object, ...]:
        """The row of outcome_days."""
        held, measured = self.held, observed(self.held.days)
        lost = Counter(held.given_up.values()) + self.lost
        settled = int(np.count_nonzero(measured & np.isfinite(self.realized)))
        waiting = int(np.count_nonzero(measured)) - settled - lost.total()
        facts = (held.close.run_id, LAYOUT, held.horizon, int(held.as_judged))
        return (*facts, waiting, settled, json.dumps(lost), with_outcomes(held.body, self.realized))


def settle(store: Store, panel: Panel, realm: Realm, rules: Rules) -> Settled:
    """Give every official close whose sessions after are over its outcomes, from the prices of a later close.

    Of the closes of the realm under the rules' profile and lens, one a session, the last saved. `panel` is
    the market of a newer close; one of an opening settles nothing. An outcome is sqrt(252 mean r^2), an
    annual fraction, of the panel's adjusted closes over the rules.proof.horizon_sessions sessions after the
    observation, so that splits in between do no harm. It is kept once and never rewritten. A name whose
    closes lack is tried again at the next closes until settle_within_sessions after its horizon, and then
    given up with a reason. One simulated market says nothing about another.

    Closes that are not in columns yet, the market's own and those of older versions, are put into columns.
    Written in a few transactions, each of whole closes. Raises StoreError.
    """
    if panel.kind != "close":
        return Settled()
    realm = "simulated" if panel.source.startswith(SIMULATED) else realm
    with store.reading() as db:
        closes = [
            close
            for close in closes_of(db, realm, rules)
            if close.session <= panel.session and (realm != "simulated" or close.source == panel.source)
        ]
    found, batch, names = Settled(), list[_Done](), 0
    for done in _work(store, closes, panel, rules):
        batch.append(done)
        names += len(done.realized)
        if names >= _AT_A_TIME:
            found, batch, names = _written(store, batch, found), [], 0
    return _written(store, batch, found)


def _written(store: Store, batch: Sequence[_Done], before: Settled) -> Settled:
    """Keep what was worked out, all of it or nothing, and add it up."""
    if not batch:
        return before

    def keep(db: Database) -> None:
        for done in batch:
            db.conn.executemany(_INSERT, done.outcomes)
            db.execute(_KEEP, done.kept)

    store.write(keep)
    lost = sum((done.lost for done in batch), Counter(before.lost))
    known = sum(len(done.outcomes) for done in batch) - sum(done.lost.total() for done in batch)
    packed = sum(done.held.close.sessions is None for done in batch)
    return Settled(before.packed + packed, before.outcomes + known, dict(lost))


def _work(store: Store, closes: Sequence[Close], panel: Panel, rules: Rules) -> Iterator[_Done]:
    """What there is to write, close by close."""
    waiting = [close.session for close in closes if close.waiting]
    prices = _Prices(panel, min(waiting, default=panel.session))
    due = [
        close
        for close in closes
        if close.sessions is None or (close.waiting and prices.elapsed(close.session) >= close.horizon(rules))
    ]
    for held in _held(store, due, rules):
        beyond = prices.elapsed(held.close.session) - held.horizon
        done = _Done(held, held.days.realized, ())
        if beyond >= 0:
            done = _outcomes(held, prices, beyond >= rules.proof.settle_within_sessions)
        if done.outcomes or held.close.sessions is None:
            yield done


def _held(store: Store, closes: Sequence[Close], rules: Rules) -> Iterator[_Held]:
    """Closes out of the record, some at a time: judging many names together costs little more than few."""
    chosen, names = list[Close](), 0
    for place, close in enumerate(closes, start=1):
        chosen.append(close)
        names += close.waiting + close.settled
        if names >= _AT_A_TIME // 2 or place == len(closes):
            with store.reading() as db:
                bodies = bodies_of(db, chosen, rules)
                found = [_opened(db, each, *bodies[each.run_id], rules) for each in chosen]
            yield from found
            chosen, names = [], 0


def _opened(db: Database, close: Close, body: bytes, as_judged: bool, rules: Rules) -> _Held:
    found = db.execute("SELECT symbol, reason FROM outcomes WHERE run_id = ?", (close.run_id,)).fetchall()
    begun = db.execute("SELECT max(sessions) FROM outcomes WHERE run_id = ?", (close.run_id,)).fetchone()[0]
    given_up = {symbol: reason for symbol, reason in found if reason is not None}
    days = unpack(body, close.session)
    return _Held(close, body, days, as_judged, given_up, begun or rules.proof.horizon_sessions)


def _outcomes(held: _Held, prices: _Prices, last_try: bool) -> _Done:
    rows = held.open
    symbols = [held.days.symbols[row] for row in rows]
    after = prices.after(symbols, held.close.session, held.horizon)
    known = np.isfinite(after)
    realized = held.days.realized.copy()
    realized[rows] = after
    facts = (held.close.run_id, held.horizon, prices.session.isoformat())
    outcomes = [
        _row(facts, symbol, value, None)
        for symbol, value in zip(symbols, after.tolist(), strict=True)
        if value == value
    ]
    if last_try:
        lacking = [symbols[place] for place in np.flatnonzero(~known)]
        reasons = prices.reasons(lacking, held.close.session, held.horizon)
        outcomes += [
            _row(facts, symbol, None, reason) for symbol, reason in zip(lacking, reasons, strict=True)
        ]
    return _Done(held, realized, outcomes)


def _row(facts: tuple[int, int, str], symbol: str, realized: float | None, reason: str | None) -> Outcome:
    run_id, horizon, settled_on = facts
    return run_id, symbol, horizon, realized, reason, settled_on


class _Prices:
    """Adjusted closes of a market by session, and what followed each of them."""

    def __init__(self, panel: Panel, earliest: date) -> None:
        self.session = panel.session
        self._sessions = sessions_between(earliest, panel.session)
        self._index = pd.Index(panel.names["symbol"].to_numpy(dtype=object))
        closes, lag = panel.prices.session_closes(range(len(panel.names))), panel.prices.lag
        wanted, there = len(self._sessions), closes.shape[1]
        lacking = np.full((len(closes), max(0, wanted - there)), np.nan)
        self._closes = np.concatenate([lacking, closes[:, max(0, there - wanted) :]], axis=1)
        # Where a name's closes end, as a place among the sessions; below all of them without any close.
        self._last = np.where(np.isfinite(lag), wanted - 1 - np.nan_to_num(lag), -np.inf)
        self._after: dict[int, FloatArray] = {}

    def elapsed(self, session: date) -> int:
        """Sessions since one of those that are looked at."""
        return len(self._sessions) - 1 - self._place(session)

    def after(self, symbols: Sequence[str], session: date, horizon: int) -> FloatArray:
        """sqrt(252 mean r^2) of each name's `horizon` sessions after one, (names,); NaN where closes lack."""
        if horizon not in self._after:
            self._after[horizon] = realized_after(self._closes, horizon)
        rows = self._rows(symbols)
        return np.where(rows >= 0, self._after[horizon][rows, self._place(session)], np.nan)

    def reasons(self, symbols: Sequence[str], session: date, horizon: int) -> list[str]:
        """Why the closes of names over the `horizon` sessions after one cannot be had."""
        exit_place = self._place(session) + horizon
        ended = np.isfinite(self._last) & (self._last < exit_place)
        return [GONE if row < 0 else STOPPED if ended[row] else MISSING for row in self._rows(symbols)]

    def _rows(self, symbols: Sequence[str]) -> npt.NDArray[np.intp]:
        rows: npt.NDArray[np.intp] = self._index.get_indexer(pd.Index(list(symbols), dtype=object))
        return rows

    def _place(self, session: date) -> int:
        return int(np.searchsorted(self._sessions, np.datetime64(session, "D")))
