"""Official closes as name-days: those of a series, out of what is packed or out of the stored rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError
from sqlite_utils import Database

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.market.sessions import sessions_between
from engine.proof.days import BitArray, NameDays, StateArray, codes_of, dual_of, listed_of
from engine.proof.lenses import under
from engine.record.packed import LAYOUT, MEASURED, pack
from engine.record.rows import gate_bits, quoted
from engine.rules import Lens, Rules
from engine.screen.gates import judge
from engine.screen.lens import under_lens
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

_TEXTS = ("symbol", "asset_class", "regime", "zone", "missing_reason")
_NUMBERS = (
    *("spot", "iv30", "vrp_structural", "vrp_tactical", "structural_252", "tactical_20", "momentum"),
    *("iv_percentile", "atm_volume", "atm_open_interest", "slippage", "liquidity_rating", "earnings_days"),
)
"""Metrics that gates and lens read."""
_SAID = ("signal", "passed", "gates", "tags")
"""What was stored of the verdicts under the run's own lens."""
_OF_RUNS = "WHERE run_id IN (SELECT value FROM json_each(?))"
_ROWS = (
    f"SELECT run_id, {quoted((*_TEXTS, *_NUMBERS, *_SAID))} FROM observations"  # noqa: S608
    f" JOIN verdicts USING (run_id, symbol) {_OF_RUNS} ORDER BY run_id, symbol"
)
_SETTLED = f"SELECT run_id, symbol, realized FROM outcomes {_OF_RUNS}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Close:
    """An official close of a scorecard's series, and what is known of its outcomes.

    waiting, settled   measured names without an outcome yet, and with one
    lost               names that will never have one, by reason
    sessions           over how many sessions its outcomes are measured; None as long as it is not packed
    as_judged          whether the rules of its day, which any other lens is judged by, were stored whole
    """

    run_id: int
    session: date
    source: str
    rules_hash: str
    waiting: int
    settled: int
    lost: Mapping[str, int]
    sessions: int | None
    as_judged: bool

    def horizon(self, rules: Rules) -> int:
        """Sessions its outcomes are measured over: what was begun over one number is finished over it."""
        begun = self.sessions if self.settled or self.lost else None
        return begun or rules.proof.horizon_sessions


# The last saved run of a session stands for it. What is packed in another layout counts as not packed.
_SERIES = (
    "WITH closes AS (SELECT max(id) AS id, session, source, rules_hash, measured FROM runs"
    " WHERE realm = ? AND profile = ? AND lens = ? AND official = 1 AND kind = 'close'"
    " AND state IN ('complete', 'degraded') GROUP BY session)"
)
_CLOSES = (
    f"{_SERIES} SELECT closes.id, session, source, rules_hash, coalesce(waiting, measured),"  # noqa: S608
    " coalesce(settled, 0), coalesce(lost, '{}'), sessions, coalesce(as_judged, 1)"
    " FROM closes LEFT JOIN outcome_days AS d ON d.run_id = closes.id AND d.layout = ? ORDER BY session"
)
_STATE = (
    f"{_SERIES} SELECT count(*), sum(closes.id), max(session),"  # noqa: S608
    " count(d.run_id), sum(settled), sum(waiting)"
    " FROM closes LEFT JOIN outcome_days AS d INDEXED BY outcome_days_counts"
    " ON d.run_id = closes.id AND d.layout = ?"
)


def state_of(db: Database, realm: str, rules: Rules) -> str:
    """A word that changes whenever a close of the series is added, corrected, packed, settled or given up."""
    asked = (realm, rules.profile, rules.lens, LAYOUT)
    return "/".join(str(value or 0) for value in (*db.execute(_STATE, asked).fetchone(), LAYOUT))


def closes_of(db: Database, realm: str, rules: Rules) -> list[Close]:
    """The official closes of the rules' profile and lens, oldest first, one a session: the last saved.

    Complete and degraded runs only, and of days on which New York traded: nothing follows another one.
    """
    found = db.execute(_CLOSES, (realm, rules.profile, rules.lens, LAYOUT)).fetchall()
    closes = [
        Close(
            run,
            date.fromisoformat(day),
            source,
            judged,
            waiting,
            settled,
            json.loads(lost),
            sessions,
            bool(own),
        )
        for run, day, source, judged, waiting, settled, lost, sessions, own in found
    ]
    if not closes:
        return []
    sessions = set(sessions_between(closes[0].session, closes[-1].session).tolist())
    return [close for close in closes if close.session in sessions]


def bodies_of(db: Database, closes: Sequence[Close], rules: Rules) -> dict[int, tuple[bytes, bool]]:
    """Closes in columns by run, and whether the rules of its day were stored whole.

    As they were packed (engine.record.packed), or from the stored rows (stored_bodies).
    """
    bodies = stored_bodies(db, [close for close in closes if close.sessions is None], rules)
    for close in closes:
        if close.sessions is not None:
            kept = db.execute("SELECT body FROM outcome_days WHERE run_id = ?", (close.run_id,)).fetchone()
            bodies[close.run_id] = bytes(kept[0]), close.as_judged
    return bodies


def body_of(db: Database, close: Close, rules: Rules) -> tuple[bytes, bool]:
    """One of bodies_of."""
    return bodies_of(db, [close], rules)[close.run_id]


def stored_bodies(db: Database, closes: Sequence[Close], rules: Rules) -> dict[int, tuple[bytes, bool]]:
    """Stored closes in columns by run, and whether the rules of its day were stored whole.

    Gates, list and signal under the run's own lens are those that were stored on its day; nothing is judged
    again. Which names another lens would have listed was not stored: that alone is judged, from the stored
    metrics by the rules of that day. What those lack, because an older version wrote them, is taken from
    today's. A name that could not be measured (missing_reason) has no observation, whatever its quotes said.
    Outcomes that are settled already stand in `realized`.
    """
    bodies: dict[int, tuple[bytes, bool]] = {}
    for rules_hash, group in groupby(closes, key=lambda close: close.rules_hash):
        found = db.execute("SELECT body FROM rules WHERE hash = ?", (rules_hash,)).fetchone()
        then, whole = rules_then(str(found[0]) if found else "{}", rules_hash, rules)
        bodies |= {run: (body, whole) for run, body in _packed(db, list(group), then).items()}
    return bodies


def _packed(db: Database, closes: Sequence[Close], rules: Rules) -> dict[int, bytes]:
    """Closes taken together: a table of many names costs little more than one of few."""
    runs = json.dumps([close.run_id for close in closes])
    table = _table(db, runs)
    run, symbols = table["run_id"].to_numpy(dtype=np.int64), table["symbol"].to_numpy(dtype=object)
    quoted = table["iv30"].to_numpy(dtype=np.float64)
    iv30 = np.where(table["missing_reason"].isna().to_numpy(), quoted, np.nan)
    passes, known = _said(table)
    listed = _listed(table, rules, np.isfinite(iv30))
    days = NameDays(
        symbols=tuple(symbols.tolist()),
        session=np.zeros(len(table), dtype="datetime64[D]"),  # not packed: the date stands with the run
        name=np.arange(len(table)),
        iv30=iv30,
        realized=_realized(db, runs, run, symbols),
        signal=codes_of(table["signal"].to_numpy(dtype=object), SIGNALS),
        regime=codes_of(table["regime"].to_numpy(dtype=object), REGIMES),
        zone=codes_of(table["zone"].to_numpy(dtype=object), ZONES),
        dual=dual_of(passes, known),
        passes=passes,
        known=known,
        listed=listed[rules.lens],
        listed_quarterly=listed["quarterly"],
        listed_yearly=listed["yearly"],
    )
    bodies = {}
    for close in closes:
        rows = slice(*np.searchsorted(run, (close.run_id, close.run_id + 1)).tolist())
        bodies[close.run_id] = pack(replace(days.rows(rows), symbols=days.symbols[rows]), quoted[rows])
    return bodies


def _said(table: pd.DataFrame) -> tuple[BitArray, BitArray]:
    """Bits of the gates that passed and of those that were known, as stored, (rows,) each."""
    pairs = list(map(gate_bits, table["gates"].tolist(), table["tags"].tolist()))
    said = np.array(pairs, dtype=np.uint16).reshape(len(table), 2)
    # Whether a name was an observation does not hang on how a version called that gate.
    measured = table["missing_reason"].isna().to_numpy()
    return np.where(measured, said[:, 0] | np.uint16(MEASURED), said[:, 0]), said[:, 1]


def _listed(table: pd.DataFrame, rules: Rules, measured: BoolArray) -> dict[Lens, StateArray]:
    """Who was listed: under the rules' lens as stored, under each other one as the rules would have it."""
    lists = {rules.lens: listed_of(table["passed"].to_numpy(dtype=bool), measured)}
    both: tuple[Lens, ...] = ("quarterly", "yearly")
    for lens in both:
        if lens != rules.lens:
            other = under(rules, lens)
            lists[lens] = listed_of(judge(under_lens(table, other), other).passed, measured)
    return lists


def rules_then(body: str, rules_hash: str, today: Rules) -> tuple[Rules, bool]:
    """The rules behind a stored hash, and whether they are the very same.

    A section or key that was not there yet is filled from today's; rules that cannot be read at all any more
    are today's.
    """
    filled = _filled(today.model_dump(by_alias=True), json.loads(body))
    try:
        then = Rules.model_validate(filled)
    except ValidationError:
        then = today
    return then, then.hash == rules_hash


def _filled(base: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    both = {key: (base[key], value) for key, value in stored.items() if key in base}
    nested = {
        key: _filled(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
        for key, (known, value) in both.items()
    }
    return {**base, **stored, **nested}


def _table(db: Database, runs: str) -> pd.DataFrame:
    """The names of runs (a JSON list) by run and ticker: what was said of them, and what judging takes."""
    records = db.execute(_ROWS, (runs,)).fetchall()
    kinds: dict[str, Any] = {"run_id": np.int64, **dict.fromkeys(_TEXTS, object)}
    kinds |= {**dict.fromkeys(_NUMBERS, np.float64), **dict.fromkeys(_SAID, object)}
    parts = zip(*records, strict=True) if records else ((),) * len(kinds)
    columns: dict[str, Any] = {
        name: np.array(values, dtype=kind) for (name, kind), values in zip(kinds.items(), parts, strict=True)
    }
    columns["flags"] = np.empty(len(records), dtype=object)
    columns["flags"].fill(())
    return pd.DataFrame(columns)


def _realized(db: Database, runs: str, run: IntArray, symbols: npt.NDArray[np.object_]) -> FloatArray:
    """What is settled of each row, NaN where nothing is."""
    known = {(row[0], row[1]): row[2] for row in db.execute(_SETTLED, (runs,))}
    found = [known.get(row) for row in zip(run.tolist(), symbols.tolist(), strict=True)]
    return np.array(found, dtype=np.float64)


def observed(days: NameDays) -> BoolArray:
    """Name-days that have an IV30 to be compared with what followed, (rows,)."""
    return np.isfinite(days.iv30)
