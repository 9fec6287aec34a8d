"""One name through the record: its official closes, what was imported beside them, what was corrected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby, islice
from operator import attrgetter

import numpy as np
from sqlite_utils import Database

from engine.record.rows import Realm, quoted
from engine.record.series import INDEXED_BY_NAME, WINDOWS, imported_values, iv_history, values_of
from engine.record.store import Store
from engine.rules import Rules
from engine.screen.result import Value
from engine.volatility.rank import SESSIONS, percentile, rank

Window = str
CLOSE_COLUMNS = (
    *("iv30", "iv_method", "hv20", "hv30", "hv60", "hv90", "hv252"),
    *("vrp_structural", "vrp_tactical", "structural_252", "tactical_20"),
    *("signal", "regime", "zone", "earnings_date", "passed"),
)
"""Columns of an observation that a history shows."""
_AT_A_TIME = 260
"""Runs looked into at once, newest first: a quarter does not read ten years."""
_RUNS = (
    "SELECT id, key, revision, session, profile, lens, rules_hash, engine_version, source FROM runs"
    " WHERE realm = ? AND official = 1 AND kind = 'close' AND state IN ('complete', 'degraded')"
    " AND session < ? ORDER BY session DESC, id DESC"
)
_ROWS = (
    f"SELECT o.run_id, v.gates, {quoted(CLOSE_COLUMNS, 'o.')} FROM json_each(?) AS wanted"  # noqa: S608
    " CROSS JOIN observations AS o ON o.run_id = wanted.value AND o.symbol = ?"
    " CROSS JOIN verdicts AS v ON v.run_id = o.run_id AND v.symbol = o.symbol"
)
# What lies together by name (see series.INDEXED_BY_NAME): ten years of it are some pages of the file.
_BRIEF_ROWS = (
    f"SELECT o.run_id, NULL, {quoted(INDEXED_BY_NAME, 'o.')} FROM json_each(?) AS wanted"  # noqa: S608
    " CROSS JOIN observations AS o INDEXED BY observations_names"
    " ON o.run_id = wanted.value AND o.symbol = ?"
)
_COMPANY = (
    "SELECT o.name FROM runs AS r CROSS JOIN observations AS o ON o.run_id = r.id AND o.symbol = ?"
    " WHERE r.id = ?"
)
_IMPORT_VERSIONS = (
    "SELECT session, iv30, source, revision FROM imported_iv WHERE realm = ? AND symbol = ?"
    " ORDER BY session, revision"
)
_NEWEST_RUN = (
    "SELECT id FROM runs WHERE realm = ? AND official = 1 AND kind = 'close'"
    " AND state IN ('complete', 'degraded') ORDER BY session DESC LIMIT 1"
)
_SYMBOLS_OF = "SELECT symbol FROM observations WHERE run_id = ?"
# From one symbol to the next by the index: the rows between them are not read.
_IMPORTED_SYMBOLS = (
    "WITH RECURSIVE found (symbol) AS ("
    " SELECT min(symbol) FROM imported_iv WHERE realm = :realm UNION ALL"
    " SELECT (SELECT min(symbol) FROM imported_iv WHERE realm = :realm AND symbol > found.symbol)"
    " FROM found WHERE found.symbol NOT NULL"
    ") SELECT symbol FROM found WHERE symbol NOT NULL"
)


@dataclass(frozen=True, slots=True)
class NameClose:
    """One name on one session, as the record holds it.

    iv30        annual fraction, None when the name could not be measured
    values      CLOSE_COLUMNS of an own close, all of them; empty for an imported value
    failed      gates that kept an own close out of the list
    imported    whether iv30 was imported; everything else is missing then
    origin      source of the run, or of the import
    revision    1 for what was stored first; a correction counts on, and what it replaces stays stored
    stands      whether it is the version in use
    run_id, profile, lens, rules_hash, engine_version   of the run behind an own close, else None
    """

    session: date
    iv30: float | None
    values: Mapping[str, Value]
    failed: tuple[str, ...]
    imported: bool
    origin: str
    revision: int
    stands: bool = True
    run_id: int | None = None
    profile: str | None = None
    lens: str | None = None
    rules_hash: str | None = None
    engine_version: str | None = None

    @property
    def listed(self) -> bool:
        """Whether the name passed every gate of its run."""
        return self.values.get("passed") is True

    def number(self, column: str) -> float | None:
        """A numeric column of an own close, None when missing or imported."""
        value = self.values.get(column)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the latest IV30 stands among those of the year before it (methodology 2).

    rank, percentile   0..100, None with fewer than `least` values
    n, imported        values behind it, and how many of them were imported
    low, high          range of these values and the latest, annual fractions
    """

    session: date
    iv30: float
    rank: float | None
    percentile: float | None
    n: int
    imported: int
    least: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NameHistory:
    """One name's closes within a window, oldest first, and what is known beside them.

    closes      own closes, and imported values of sessions without an own IV30
    standing    None when no IV30 is stored at all
    earnings    days within the window on which earnings were reported, as the stored dates tell
    corrected   sessions of the window whose IV30 or verdict a later revision changed
    """

    symbol: str
    company: str | None
    realm: Realm
    window: Window
    closes: tuple[NameClose, ...]
    standing: Standing | None
    earnings: tuple[date, ...]
    corrected: int

    @property
    def own(self) -> tuple[NameClose, ...]:
        """The closes this record measured itself."""
        return tuple(close for close in self.closes if not close.imported)


@dataclass(frozen=True, slots=True)
class _Run:
    """One usable official closing run."""

    id: int
    key: str
    revision: int
    session: str
    profile: str
    lens: str
    rules_hash: str
    engine_version: str
    source: str


def name_history(
    store: Store,
    symbol: str,
    realm: Realm,
    window: Window,
    rules: Rules,
    before: date = date.max,
    brief: bool = False,
) -> NameHistory | None:
    """A name's official closes of the last sessions before `before`; None when nothing of it is stored.

    Where several official runs of one session hold the name (a server's own thresholds make one beside the
    operator's), the one judged by the profile and lens of `rules` counts, else the one saved last. Reads one
    committed state. A brief one is read much faster: `values` hold INDEXED_BY_NAME alone, `failed` nothing.
    Raises KeyError for a window that is not in WINDOWS.
    """
    count = WINDOWS[window]
    with store.reading() as db:
        # The year is read in any case: a quarter's own picture still stands in its year.
        wanted = None if count is None else max(count, SESSIONS)
        found = _closes(db, symbol, realm, before, wanted, rules, brief)
        if not found:
            return None
        standing = _standing(db, symbol, realm, found, rules.gates.iv_history_min_days)
        company = _company(db, symbol, found)
        shown = _last_sessions(found, count)
        changed = _changed(db, symbol, realm, shown)
    first = shown[0].session
    return NameHistory(
        symbol=symbol,
        company=company,
        realm=realm,
        window=window,
        closes=tuple(shown),
        standing=standing,
        earnings=tuple(day for day in reported(found) if day >= first),
        corrected=changed,
    )


def versions(store: Store, symbol: str, realm: Realm) -> list[NameClose]:
    """Every stored version of sessions that have more than one, oldest session and revision first."""
    with store.reading() as db:
        runs = list(_usable(db, realm, date.max))
        standing = {run.id for run in _standing_runs(runs)}
        own = (replace(close, stands=close.run_id in standing) for close in _own(db, symbol, runs))
        several = {run.key for run in runs if run.revision > 1}
        keys = {run.id: run.key for run in runs}
        found = [close for close in own if close.run_id is not None and keys[close.run_id] in several]
        for _, group in groupby(db.execute(_IMPORT_VERSIONS, (realm, symbol)), key=lambda each: each[0]):
            records = list(group)
            if len(records) > 1:
                found += [
                    _import(session, iv30, source, revision, revision == len(records))
                    for session, iv30, source, revision in records
                ]
    return sorted(found, key=lambda close: (close.session, close.profile or "", close.revision))


def stored_symbols(store: Store, realm: Realm) -> list[str]:
    """Names of the newest official close and of all imports of a realm, sorted."""
    with store.reading() as db:
        newest = db.execute(_NEWEST_RUN, (realm,)).fetchone()
        own = () if newest is None else db.execute(_SYMBOLS_OF, newest).fetchall()
        imported = db.execute(_IMPORTED_SYMBOLS, {"realm": realm}).fetchall()
    return sorted({symbol for (symbol,) in (*own, *imported)})


def reported(closes: Iterable[NameClose]) -> list[date]:
    """Days on which earnings were reported, told from the dates stored at the time, ascending.

    A close after the announced day that announces a later one means that the report happened; a date that
    moves before its day has come does not. Closes in order; those without a date say nothing.
    """
    days: list[date] = []
    announced: date | None = None
    for close in closes:
        text = close.values.get("earnings_date")
        if not isinstance(text, str):
            continue
        following = _day(text)
        if announced is not None and following is not None and announced < min(following, close.session):
            days.append(announced)
        announced = following or announced
    return days


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _usable(db: Database, realm: Realm, before: date) -> Iterator[_Run]:
    """Usable official closes, the newest session and the latest saved first; read as far as they are used."""
    return (_Run(*record) for record in db.execute(_RUNS, (realm, before.isoformat())))


def _standing_runs(runs: Iterable[_Run]) -> Iterator[_Run]:
    """Of runs that come as _usable gives them those that no later revision of the same key replaces."""
    seen: set[str] = set()
    for run in runs:
        if run.key not in seen:
            seen.add(run.key)
            yield run


def _closes(
    db: Database, symbol: str, realm: Realm, before: date, count: int | None, rules: Rules, brief: bool
) -> list[NameClose]:
    """The last `count` sessions of a name, oldest first, own closes with imported values in their gaps."""
    held = _own(db, symbol, _standing_runs(_usable(db, realm, before)), brief)
    own: list[NameClose] = []
    for _, group in groupby(held, key=attrgetter("session")):
        if len(own) == count:
            break
        several = list(group)
        ours = [close for close in several if (close.profile, close.lens) == (rules.profile, rules.lens)]
        own.append((ours or several)[0])
    known = {close.session for close in own if close.iv30 is not None}
    imported = [
        _import(session.isoformat(), iv30, source, revision)
        for session, iv30, source, revision in imported_values(db, symbol, realm, date.min, before)
        if session not in known
    ]
    merged = sorted([*own, *imported], key=lambda close: (close.session, close.imported))
    return _last_sessions(merged, count)


def _last_sessions(closes: list[NameClose], count: int | None) -> list[NameClose]:
    """The closes of the last `count` sessions; an unmeasured one may have an imported value beside it."""
    sessions = sorted({close.session for close in closes})
    if count is None or len(sessions) <= count:
        return closes
    return [close for close in closes if close.session >= sessions[-count]]


def _own(db: Database, symbol: str, runs: Iterable[_Run], brief: bool = False) -> Iterator[NameClose]:
    """A name's rows of some runs in their order, without the runs that do not hold it."""
    sql, columns = (_BRIEF_ROWS, INDEXED_BY_NAME) if brief else (_ROWS, CLOSE_COLUMNS)
    coming = iter(runs)
    while part := list(islice(coming, _AT_A_TIME)):
        ids = json.dumps([run.id for run in part])
        rows = {record[0]: record[1:] for record in db.execute(sql, (ids, symbol))}
        for run in part:
            if run.id in rows:
                gates, *values = rows[run.id]
                yield _own_close(run, gates, values_of(columns, values))


def _own_close(run: _Run, gates: str | None, values: dict[str, Value]) -> NameClose:
    iv30 = values["iv30"]
    return NameClose(
        session=date.fromisoformat(run.session),
        iv30=iv30 if isinstance(iv30, float) else None,
        values=values,
        failed=tuple(gate[0] for gate in json.loads(gates) if gate[-1]) if gates else (),
        imported=False,
        origin=run.source,
        revision=run.revision,
        run_id=run.id,
        profile=run.profile,
        lens=run.lens,
        rules_hash=run.rules_hash,
        engine_version=run.engine_version,
    )


def _import(session: str, iv30: float, source: str, revision: int, stands: bool = True) -> NameClose:
    return NameClose(date.fromisoformat(session), iv30, {}, (), True, source, revision, stands)


def _standing(
    db: Database, symbol: str, realm: Realm, closes: Sequence[NameClose], least: int
) -> Standing | None:
    """The same percentile and rank a run of the latest close would have had, from what is stored now."""
    latest = next((close for close in reversed(closes) if close.iv30 is not None), None)
    if latest is None or latest.iv30 is None:
        return None
    past = iv_history(db, [symbol], latest.session, realm, SESSIONS)
    own = np.array([latest.iv30])
    place, among = percentile(past.iv30, own, least), rank(past.iv30, own, least)
    values = np.append(past.iv30[0][np.isfinite(past.iv30[0])], latest.iv30)
    return Standing(
        session=latest.session,
        iv30=latest.iv30,
        rank=_known(among.value[0]),
        percentile=_known(place.value[0]),
        n=int(place.observations[0]),
        imported=0 if past.imported is None else int(past.imported[0]),
        least=least,
        low=float(values.min()),
        high=float(values.max()),
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _company(db: Database, symbol: str, closes: Sequence[NameClose]) -> str | None:
    latest = next((close.run_id for close in reversed(closes) if close.run_id is not None), None)
    found = None if latest is None else db.execute(_COMPANY, (symbol, latest)).fetchone()
    return None if found is None else found[0]


def _changed(db: Database, symbol: str, realm: Realm, closes: Sequence[NameClose]) -> int:
    """Sessions whose IV30 or verdict differs between what was stored first and what stands."""
    corrected = [close for close in closes if close.revision > 1 and close.run_id is not None]
    changed = sum(close.imported and close.revision > 1 for close in closes)
    if not corrected:
        return changed
    runs = list(_usable(db, realm, date.max))
    keys = {run.id: run.key for run in runs}
    by_key = {keys[close.run_id]: close for close in corrected if close.run_id is not None}
    former = [run for run in runs if run.key in by_key and run.id not in _ids(corrected)]
    differing = {
        close.session
        for close in _own(db, symbol, former)
        if (last := by_key[keys[close.run_id or 0]]).iv30 != close.iv30 or last.listed != close.listed
    }
    return changed + len(differing)


def _ids(closes: Iterable[NameClose]) -> set[int]:
    return {close.run_id for close in closes if close.run_id is not None}
