"""Official closes as name-days: those of a series, out of what is packed or out of the stored rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError
from sqlite_utils import Database

from engine.arrays import BoolArray, FloatArray
from engine.market.sessions import sessions_between
from engine.proof.days import NameDays, Seen, name_days
from engine.proof.lenses import under
from engine.record.packed import LAYOUT, pack, unpack
from engine.record.rows import quoted
from engine.rules import Rules
from engine.screen.gates import judge
from engine.screen.lens import under_lens
from engine.screen.score import signals

_TEXTS = ("symbol", "asset_class", "regime", "zone", "missing_reason")
_NUMBERS = (
    *("spot", "iv30", "vrp_structural", "vrp_tactical", "structural_252", "tactical_20", "momentum"),
    *("iv_percentile", "atm_volume", "atm_open_interest", "slippage", "liquidity_rating", "earnings_days"),
)
"""Metrics that gates, lens and signals read."""
_ROWS = f"SELECT {quoted((*_TEXTS, *_NUMBERS))} FROM observations WHERE run_id = ? ORDER BY symbol"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Close:
    """An official close of a scorecard's series, and what is known of its outcomes.

    waiting, settled   measured names without an outcome yet, and with one
    lost               names that will never have one, by reason
    sessions           over how many sessions its outcomes are measured; None as long as it is not packed
    as_judged          whether it is judged by the very rules of its day
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
_CLOSES = (
    "WITH closes AS (SELECT max(id) AS id, session, source, rules_hash, measured FROM runs"
    " WHERE realm = ? AND profile = ? AND lens = ? AND official = 1 AND kind = 'close'"
    " AND state IN ('complete', 'degraded') GROUP BY session)"
    " SELECT closes.id, session, source, rules_hash, coalesce(waiting, measured), coalesce(settled, 0),"
    " coalesce(lost, '{}'), sessions, coalesce(as_judged, 1)"
    " FROM closes LEFT JOIN outcome_days AS d ON d.run_id = closes.id AND d.layout = ? ORDER BY session"
)


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


def body_of(db: Database, close: Close, rules: Rules) -> tuple[bytes, bool]:
    """A close in columns (engine.record.packed), and whether it is judged by the very rules of its day.

    As it was packed, or from the stored rows (stored_days).
    """
    if close.sessions is not None:
        kept = db.execute("SELECT body FROM outcome_days WHERE run_id = ?", (close.run_id,)).fetchone()
        return bytes(kept[0]), close.as_judged
    return stored_days(db, close, rules)


def packed_days(db: Database, close: Close) -> NameDays:
    """A close that is kept in columns already, which every settled one is."""
    kept = db.execute("SELECT body FROM outcome_days WHERE run_id = ?", (close.run_id,)).fetchone()
    return unpack(kept[0], close.session)


def stored_days(db: Database, close: Close, rules: Rules) -> tuple[bytes, bool]:
    """A stored close in columns, judged by the rules of its day, and whether those were stored whole.

    What the stored rules lack, because an older version wrote them, is taken from today's. The run's own
    verdicts are not read: the same rules over the same metrics give the same. Both lenses are judged anew.
    A name that could not be measured (missing_reason) has no observation, whatever its quotes said.
    Outcomes that are settled already stand in `realized`.
    """
    found = db.execute("SELECT body FROM rules WHERE hash = ?", (close.rules_hash,)).fetchone()
    then, whole = rules_then(str(found[0]) if found else "{}", close.rules_hash, rules)
    table = _table(db, close.run_id)
    symbols = [str(symbol) for symbol in table["symbol"]]
    seen = under_lens(table, then)
    verdicts = judge(seen, then)
    both: tuple[Literal["quarterly", "yearly"], ...] = ("quarterly", "yearly")
    lenses = {lens: judge(under_lens(table, under(then, lens)), under(then, lens)) for lens in both}
    quoted = table["iv30"].to_numpy(dtype=np.float64)
    counted = seen.assign(iv30=np.where(table["missing_reason"].isna().to_numpy(), quoted, np.nan))
    days = name_days(
        symbols,
        np.full(len(table), np.datetime64(close.session, "D")),
        np.arange(len(table)),
        _settled(db, close.run_id, symbols),
        Seen(counted, verdicts, signals(seen, then)),
        lenses,
    )
    return pack(days, quoted), whole


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


def _table(db: Database, run_id: int) -> pd.DataFrame:
    """A run's names by ticker, with what judging them takes."""
    records = db.execute(_ROWS, (run_id,)).fetchall()
    kinds: dict[str, Any] = dict.fromkeys(_TEXTS, object) | dict.fromkeys(_NUMBERS, np.float64)
    parts = zip(*records, strict=True) if records else ((),) * len(kinds)
    columns: dict[str, Any] = {
        name: np.array(values, dtype=kind) for (name, kind), values in zip(kinds.items(), parts, strict=True)
    }
    columns["flags"] = np.empty(len(records), dtype=object)
    columns["flags"].fill(())
    return pd.DataFrame(columns)


def _settled(db: Database, run_id: int, symbols: list[str]) -> FloatArray:
    known = dict(db.execute("SELECT symbol, realized FROM outcomes WHERE run_id = ?", (run_id,)).fetchall())
    return np.array([known.get(symbol) for symbol in symbols], dtype=np.float64)


def observed(days: NameDays) -> BoolArray:
    """Name-days that have an IV30 to be compared with what followed, (rows,)."""
    return np.isfinite(days.iv30)
