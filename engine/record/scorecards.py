"""Scorecards of the own record: streamed from packed closes, kept until something new is settled."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from sqlite_utils import Database

from engine import __version__
from engine.errors import StoreError
from engine.market.sessions import sessions_between
from engine.panel import Panel
from engine.proof.days import NameDays
from engine.proof.result import ALL, By, Scorecard
from engine.proof.scorecard import Scorer
from engine.proof.shape import dump, load
from engine.record.days import Close, body_of, closes_of, state_of
from engine.record.outcomes import Settled, settle
from engine.record.packed import unpack
from engine.record.rows import Realm
from engine.record.series import WINDOWS
from engine.record.store import Store
from engine.rules import Rules
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

_COUNTED: tuple[By | None, ...] = (None, "symbol")
"""What is counted; the other questions are answered by leaving groups out of the first."""
_CALENDAR_DAYS = 2
"""More than so many calendar days a session pass only around long closures of the exchange."""


@dataclass(frozen=True, slots=True)
class _Series:
    """A scorecard's closes as they stand."""

    closes: tuple[Close, ...]
    realm: Realm
    rules: Rules
    version: str

    @property
    def settled(self) -> list[Close]:
        """Closes with outcomes over the horizon in force."""
        horizon = self.rules.proof.horizon_sessions
        return [close for close in self.closes if close.settled and close.sessions == horizon]

    def window(self, sessions: int | None) -> list[Close]:
        """Closes from the first of the last settled sessions on; those after them count for whipsaw only."""
        chosen = self.settled if sessions is None else self.settled[-sessions:]
        first = chosen[0].session if chosen and sessions is not None else date.min
        return [close for close in self.closes if close.session >= first]


def stored_scorecard(
    store: Store, realm: Realm, rules: Rules, by: By | None = None, sessions: int | None = None
) -> Scorecard:
    """The scorecard of the record's official closes under the rules' profile and lens.

    `sessions` is the number of last settled sessions it counts, None for all; `by` as in Scorer. Each close
    is judged by the rules of its day. `waiting` and `lost` are those of the sessions counted and of the newer
    ones. The card is kept until something changes, where the disk takes it, so that the same question is
    answered at once the next time. Raises ValueError for fewer than one session, StoreError when the file
    cannot be read.
    """
    if sessions is not None and sessions < 1:
        raise ValueError("a scorecard counts at least one session")
    counted: By | None = "symbol" if by == "symbol" else None
    with store.reading() as db:
        card = _kept(db, _key(realm, rules, counted, sessions), _version(db, realm, rules))
        series = _series(db, realm, rules) if card is None else None
    if series is not None:
        card = _count(store, series, [(counted, sessions)])[0]
        with suppress(StoreError):  # a full disk keeps nothing; the answer is there all the same
            _keep(store, series, [(counted, sessions, card)])
    assert card is not None
    return _only(card, by)


def evidence(store: Store, realm: Realm, rules: Rules) -> Scorecard:
    """Everything that is known: signals, regimes, zones and gates over the whole record."""
    return stored_scorecard(store, realm, rules)


def keep_up(store: Store, panel: Panel, realm: Realm, rules: Rules) -> Settled:
    """Settle what is due by a new close, and have the usual scorecards ready. Raises StoreError."""
    found = settle(store, panel, realm, rules)
    refresh(store, realm, rules)
    return found


def refresh(store: Store, realm: Realm, rules: Rules) -> None:
    """Count every window anew, all of them in one pass over the closes; nothing where all of them stand.

    Those that a process was killed over are counted by the next. Raises StoreError.
    """
    wanted = [(by, sessions) for by in _COUNTED for sessions in WINDOWS.values()]
    with store.reading() as db:
        series = _series(db, realm, rules)
        keys = [_key(realm, rules, *asked) for asked in wanted]
        if not series.settled or all(_stands(db, key, series.version) for key in keys):
            return
    cards = _count(store, series, wanted)
    _keep(store, series, [(*asked, card) for asked, card in zip(wanted, cards, strict=True)])


def held(store: Store, realm: Realm, rules: Rules) -> bool:
    """Whether the record holds an official close that a scorecard would count. Raises StoreError."""
    with store.reading() as db:
        return bool(closes_of(db, realm, rules))


def last_close(store: Store, realm: Realm, rules: Rules) -> date | None:
    """The newest session with an official close that a scorecard would count. Raises StoreError."""
    with store.reading() as db:
        closes = closes_of(db, realm, rules)
    return closes[-1].session if closes else None


def first_settlement(store: Store, realm: Realm, rules: Rules) -> date | None:
    """The session whose close settles the first observations; None without an official close that waits."""
    with store.reading() as db:
        waiting = [close for close in closes_of(db, realm, rules) if close.waiting]
    if not waiting:
        return None
    first = waiting[0].session
    ahead = rules.proof.horizon_sessions
    days = sessions_between(first, first + timedelta(days=14 + _CALENDAR_DAYS * ahead))
    settles: date = days[ahead].item()
    return settles


def _series(db: Database, realm: Realm, rules: Rules) -> _Series:
    return _Series(tuple(closes_of(db, realm, rules)), realm, rules, _version(db, realm, rules))


def _version(db: Database, realm: Realm, rules: Rules) -> str:
    """Changes whenever a card may: a close, an outcome, another way to count, another engine.

    Today's thresholds are not in it: every close is judged by those of its day.
    """
    proof = rules.proof.model_dump_json()
    return "/".join([state_of(db, realm, rules), rules.benchmark, proof, __version__])


def _key(realm: Realm, rules: Rules, by: By | None, sessions: int | None) -> str:
    """Where a card is kept."""
    window = "all" if sessions is None else str(sessions)
    return "/".join([realm, rules.profile, rules.lens, by or "groups", window])


# --- counting ------------------------------------------------------------------------------------


def _count(store: Store, series: _Series, wanted: Sequence[tuple[By | None, int | None]]) -> list[Scorecard]:
    """Several scorecards in one pass over the closes, oldest first."""
    if not series.closes:
        calendar = None
    else:
        calendar = sessions_between(series.closes[0].session, series.closes[-1].session)
    rules = series.rules
    scorers = [Scorer(rules, rules.benchmark, by, sessions=calendar) for by, _ in wanted]
    windows = [series.window(sessions) for _, sessions in wanted]
    firsts = [window[0].session if window else date.max for window in windows]
    with store.reading() as db:
        for close, days in _days(db, series, min(firsts, default=date.max)):
            for scorer, first in zip(scorers, firsts, strict=True):
                if close.session >= first:
                    scorer.add(days)
    return [
        _result(scorer, series, window, sessions)
        for scorer, window, (_, sessions) in zip(scorers, windows, wanted, strict=True)
    ]


def _days(db: Database, series: _Series, first: date) -> Iterator[tuple[Close, NameDays]]:
    horizon = series.rules.proof.horizon_sessions
    for close in series.closes:
        if close.session < first:
            continue
        days = unpack(body_of(db, close, series.rules)[0], close.session)
        yield (
            close,
            days
            if close.horizon(series.rules) == horizon
            else replace(days, realized=np.full(len(days), np.nan)),
        )


def _result(scorer: Scorer, series: _Series, window: Sequence[Close], sessions: int | None) -> Scorecard:
    lost: Counter[str] = Counter()
    for close in window:
        lost.update(close.lost)
    horizon = series.rules.proof.horizon_sessions
    settings = {
        "realm": series.realm,
        "profile": series.rules.profile,
        "lens": series.rules.lens,
        "window": "all" if sessions is None else sessions,
        "rules": sorted({close.rules_hash for close in window}),
        "sessions_judged_by_filled_rules": sum(not close.as_judged for close in window),
        "sessions_of_another_horizon": sum(close.horizon(series.rules) != horizon for close in window),
    }
    return scorer.result(settings, waiting=sum(close.waiting for close in window), lost=lost)


# --- keeping -------------------------------------------------------------------------------------


def _stands(db: Database, key: str, version: str) -> bool:
    """Whether a card is kept and nothing has changed since."""
    found = db.execute("SELECT version FROM scorecards WHERE key = ?", (key,)).fetchone()
    return found is not None and str(found[0]) == version


def _kept(db: Database, key: str, version: str) -> Scorecard | None:
    found = db.execute("SELECT version, body FROM scorecards WHERE key = ?", (key,)).fetchone()
    return load(zlib.decompress(found[1]).decode()) if found is not None and found[0] == version else None


def _keep(store: Store, series: _Series, cards: Sequence[tuple[By | None, int | None, Scorecard]]) -> None:
    rows = [
        (
            _key(series.realm, series.rules, by, sessions),
            series.version,
            zlib.compress(dump(card).encode(), 1),
        )
        for by, sessions, card in cards
    ]
    sql = (
        "INSERT INTO scorecards (key, version, body) VALUES (?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET version = excluded.version, body = excluded.body"
    )
    store.write(lambda db: db.conn.executemany(sql, rows))


def _only(card: Scorecard, by: By | None) -> Scorecard:
    """The groups a question is about, out of a card that holds all of them."""
    if by in (None, "symbol"):
        return card
    named = [(_named(group.name, by), group) for group in card.groups]
    return replace(card, groups=tuple(replace(group, name=name) for name, group in named if name))


def _named(group: str, by: By | None) -> str | None:
    """What a group of the whole card is called where only signals, regimes or gates are shown."""
    regime = group.removeprefix("regime ")
    if group in SIGNALS:
        about = "signal"
    elif group in ZONES or (regime != group and regime in REGIMES):
        about = "regime"
    else:
        about = "gate"
    if group != ALL and about != by:
        return None
    return regime if about == "regime" else group
