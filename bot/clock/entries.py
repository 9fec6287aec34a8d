"""What the ledger holds, and how its rows become values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from engine.market.schedule import PlannedKind

RunState = Literal["planned", "computing", "computed", "posting", "done", "failed", "skipped"]
PostState = Literal["pending", "sending", "sent", "failed", "skipped"]
What = Literal["screen", "notice"]

OPEN_STATES = ("planned", "computing", "computed", "posting")
RUN_FIELDS = (
    "key, kind, session, planned_at, until, state, attempts, next_try, run_floor, run_id, alerted, quiet,"
    " started_at, finished_at, again_at, reason"
)
POST_FIELDS = (
    "key, channel_id, guild_id, what, state, nonce, run_id, told_by, message_id, floor, attempts,"
    " next_try, reason"
)


@dataclass(frozen=True, slots=True)
class LedgerRun:
    """One planned run as the ledger has it.

    `run_floor` is the newest id of the record when computing began: an official run beyond it was made for
    this entry. A weekly run measures nothing: its `run_id` is the newest official close. `quiet` runs post
    nothing. `again_at` asks for the market once more although the run is done.
    """

    key: str
    kind: PlannedKind
    session: date
    planned_at: datetime
    until: datetime
    state: RunState
    attempts: int
    next_try: datetime | None
    run_floor: int | None
    run_id: int | None
    alerted: bool
    quiet: bool
    started_at: datetime | None
    finished_at: datetime | None
    again_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Post:
    """What one channel gets of one run: the screen, or the notice that it was skipped or failed.

    The screen of a weekly run is the scorecard; its `run_id` is the newest close it was drawn after.
    `floor` is the newest message of ours in the channel when the post was first claimed: it lies above.
    """

    key: str
    channel_id: int
    guild_id: int
    what: What
    state: PostState
    nonce: str
    run_id: int | None
    told_by: str | None
    message_id: int | None
    floor: int | None
    attempts: int
    next_try: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """A channel that is to get a run, with the run judged its way (None for a notice)."""

    channel_id: int
    guild_id: int
    run_id: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Posts on their way, by state."""

    pending: int
    sending: int


def nonce_of(key: str, channel_id: int) -> str:
    """What makes two deliveries of one post the same to Discord: 20 characters of a hash."""
    return hashlib.sha256(f"{key}#{channel_id}".encode()).hexdigest()[:20]


def run_of(row: Sequence[Any]) -> LedgerRun:
    """A row in the order of RUN_FIELDS."""
    key, kind, session, planned, until, state, attempts, next_try, floor, run_id, alerted, quiet = row[:12]
    started, finished, again, reason = row[12:]
    planned_at, window = instant_of(planned), instant_of(until)
    assert planned_at is not None
    assert window is not None
    return LedgerRun(
        key=key,
        kind=kind,
        session=date.fromisoformat(session),
        planned_at=planned_at,
        until=window,
        state=state,
        attempts=attempts,
        next_try=instant_of(next_try),
        run_floor=floor,
        run_id=run_id,
        alerted=bool(alerted),
        quiet=bool(quiet),
        started_at=instant_of(started),
        finished_at=instant_of(finished),
        again_at=instant_of(again),
        reason=reason,
    )


def post_of(row: Sequence[Any]) -> Post:
    """A row in the order of POST_FIELDS."""
    key, channel, guild, what, state, nonce, run_id, told_by, message_id, floor, attempts = row[:11]
    next_try, reason = row[11:]
    return Post(
        key=key,
        channel_id=channel,
        guild_id=guild,
        what=what,
        state=state,
        nonce=nonce,
        run_id=run_id,
        told_by=told_by,
        message_id=message_id,
        floor=floor,
        attempts=attempts,
        next_try=instant_of(next_try),
        reason=reason,
    )


def text_of(instant: datetime) -> str:
    """UTC with microseconds always there, so that texts compare as instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def instant_of(text: str | None) -> datetime | None:
    """The reverse of text_of; None stays None."""
    return None if text is None else datetime.fromisoformat(text)
