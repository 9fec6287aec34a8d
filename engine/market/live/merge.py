"""Field by field into one row a name: the first source of the order wins, dissent is kept beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from engine.market.live.answers import Chain, Fact, Facts, History
from engine.market.live.calendar import UNKNOWN_TIME
from engine.market.live.failures import SourceError
from engine.market.live.rules import SourceRules
from engine.market.live.splits import JUMP, largest_jump
from engine.rules import Listing

JUMP_SESSIONS = 252
"""Jumps further back touch no window the screen uses."""
_CLOSE_DAYS = 7
"""An older close is no price."""
_EARNINGS_APART = 1
"""Days two earnings dates may differ: a report after hours is dated either way."""


@dataclass
class Found:
    """What a run brought together about one name."""

    listing: Listing
    chain: Chain | None = None
    history: History | None = None
    metrics: list[Facts] = field(default_factory=list)
    earnings: Fact | None = None
    ruled_out: str | None = None
    problem: SourceError | None = None
    """Why an essential part is missing."""
    fallback: bool = False
    """Another source than the first of the order answered."""
    iv_proxy: str | None = None
    iv_given: Fact | None = None

    @property
    def error(self) -> str | None:
        """The problem as it is counted."""
        return self.problem.reason if self.problem else None


def row_of(found: Found, rules: SourceRules, session: date, kind: str) -> dict[str, Any]:
    """One line of Snapshot.underlyings: values in the snapshot's units, provenance, marks."""
    listing = found.listing
    said: dict[str, dict[str, Any]] = {}
    marks: list[str] = []
    row: dict[str, Any] = {
        "symbol": listing.symbol,
        "name": _name(found),
        "sector": listing.sector,
        "asset_class": listing.asset_class,
    }
    for column, order in rules.order.fields.items():
        candidates = _candidates(found, column, session, kind)
        chosen = _chosen(candidates, order)
        if chosen is None:
            continue
        row[column] = chosen.value
        said[column] = _said(chosen)
        others = _dissent(column, chosen, candidates, rules)
        if others:
            said[column]["otherwise"] = others
            marks.append("earnings_differ" if column == "earnings_date" else "sources_differ")
    if found.iv_given is not None:
        row["iv_given"], said["iv30"] = found.iv_given.value, _said(found.iv_given)
    if "earnings_date" in row:
        row["earnings_verified"] = _verified(found, said["earnings_date"])
    if "spot" not in row and found.history is not None:
        _spot_of_history(found.history, session, row, said)
    said |= _groups(found)
    row |= {
        "quote_time": _quote_time(found),
        "iv_proxy": found.iv_proxy,
        "error": found.error,
        "ruled_out": found.ruled_out,
        "source": found.chain.source if found.chain else None,
        "marks": " ".join([*dict.fromkeys(marks), *_marks(found)]) or None,
        "provenance": json.dumps(said, separators=(",", ":")),
    }
    return row


def _name(found: Found) -> str:
    """The operator's name, or for a ticker asked for out of turn what the source calls it."""
    listing = found.listing
    if listing.name == listing.symbol and found.chain is not None and "name" in found.chain.facts:
        return str(found.chain.facts["name"].value)
    return listing.name


def _candidates(found: Found, column: str, session: date, kind: str) -> dict[str, Fact]:
    """What each source says of a column, by source; a chain's word before the same source's metrics."""
    said: dict[str, Fact] = {}
    parts: list[Facts] = [*found.metrics]
    if found.history is not None:
        parts.append(found.history.facts)
    if found.chain is not None:
        parts.append(found.chain.facts)
    for facts in parts:
        if column in facts:
            said[facts[column].source] = facts[column]
    if column == "earnings_date" and found.earnings is not None:
        said[found.earnings.source] = found.earnings
    if column == "spot" and found.history is not None and kind == "close":
        closing = _close_of(found.history, session)
        if closing is not None:
            said[f"{found.history.source} close"] = closing
    return said


def _close_of(history: History, session: date) -> Fact | None:
    days = history.bars["date"].to_numpy().astype("datetime64[D]")
    if not len(days) or days[-1] != np.datetime64(session):
        return None
    close = float(history.bars["close"].to_numpy(dtype=np.float64)[-1])
    return Fact(close, f"{history.source} close", "daily bar") if np.isfinite(close) else None


def _chosen(candidates: Mapping[str, Fact], order: Sequence[str]) -> Fact | None:
    return next((candidates[source] for source in order if source in candidates), None)


def _dissent(
    column: str, chosen: Fact, candidates: Mapping[str, Fact], rules: SourceRules
) -> list[dict[str, Any]]:
    """What other sources say that is further away than the configured share (dates: than a day)."""
    others = [fact for source, fact in candidates.items() if fact is not chosen]
    if column == "earnings_date":
        apart = [fact for fact in others if _days_apart(chosen, fact) > _EARNINGS_APART]
        return [_said(fact) for fact in apart]
    percent = rules.disagreement_percent.get(column)
    if percent is None or not isinstance(chosen.value, int | float) or not chosen.value:
        return []
    numbers = [fact for fact in others if isinstance(fact.value, int | float)]
    return [_said(fact) for fact in numbers if abs(float(fact.value) / chosen.value - 1) > percent / 100]


def _days_apart(one: Fact, other: Fact) -> int:
    return abs((date.fromisoformat(str(one.value)) - date.fromisoformat(str(other.value))).days)


def _said(fact: Fact) -> dict[str, Any]:
    return {name: value for name, value in fact.shape().items() if value not in (None, "")}


def _verified(found: Found, said: Mapping[str, Any]) -> bool:
    """Whether the source of the chosen date, or another one with the same date, calls it announced."""
    if said["source"] == "nasdaq" and said.get("method") != UNKNOWN_TIME:
        return True
    parts = [*found.metrics, *([found.chain.facts] if found.chain else [])]
    for facts in parts:
        when, sure = facts.get("earnings_date"), facts.get("earnings_verified")
        if when is not None and when.value == said["value"] and sure is not None and sure.value is True:
            return True
    return False


def _spot_of_history(
    history: History, session: date, row: dict[str, Any], said: dict[str, dict[str, Any]]
) -> None:
    """The last close as the price, named as such with its day; none when it is more than a week old."""
    closes = history.bars["close"].to_numpy(dtype=np.float64)
    days = history.bars["date"].to_numpy().astype("datetime64[D]")
    recent = days >= np.datetime64(session - timedelta(days=_CLOSE_DAYS))
    valid = np.flatnonzero(np.isfinite(closes) & (closes > 0) & recent)
    if len(valid):
        day = str(days[valid[-1]])
        row["spot"] = float(closes[valid[-1]])
        said["spot"] = {"value": row["spot"], "source": history.source, "method": f"daily close of {day}"}


def _quote_time(found: Found) -> str | None:
    """The newest trade of chain or underlying, or of the index whose level is borrowed."""
    if found.chain is not None:
        return found.chain.traded.isoformat() if found.chain.traded else None
    if found.iv_given is not None and found.iv_given.at is not None:
        return found.iv_given.at.isoformat()
    return None


def _groups(found: Found) -> dict[str, dict[str, Any]]:
    said: dict[str, dict[str, Any]] = {}
    if (chain := found.chain) is not None:
        said["chain"] = _without_nothing(
            source=chain.source, method=chain.method, at=_text(chain.traded), fetched=_text(chain.fetched)
        )
    if (history := found.history) is not None:
        days = history.bars["date"].to_numpy().astype("datetime64[D]")
        said["history"] = _without_nothing(
            source=history.source,
            method=history.method,
            at=str(days[-1]) if len(days) else None,
            fetched=_text(history.fetched),
        )
    return said


def _without_nothing(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds") if instant else None


def _marks(found: Found) -> list[str]:
    marks = ["fallback_source"] if found.fallback else []
    if found.history is not None:
        if "spark" in found.history.method:
            marks.append("closes_only")
        if largest_jump(found.history, JUMP_SESSIONS) > JUMP:
            marks.append("price_jump")
    return marks
