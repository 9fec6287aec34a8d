"""Is it alive, what does it know, when does it run next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.cards.card import Card, CardState
from bot.cards.facts import ADVICE, KINDS, SIMULATED, covered, day
from bot.cards.table import MISSING, NOT_APPLICABLE, count, fixed, grouped, known, pairs
from bot.cards.text import clean, dotted, escaped, listed, stamp
from engine.screen.result import Coverage, Run


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """What is due, late, missed and on its way."""

    next_run: datetime
    next_kind: str
    under_way: tuple[str, ...]
    overdue: tuple[str, ...]
    missed: tuple[tuple[str, str], ...]
    """Key and reason of the runs of the last month that were skipped or failed, oldest first."""
    queued: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Status:
    """What the running bot knows about itself; None where it does not know."""

    version: str
    source: str
    universe: int
    last_run: Run | None
    last_run_id: int | None
    coverage: Coverage | None
    clock: ClockStatus | None
    """None when nothing is run by itself."""
    sources: tuple[str, ...] | None
    """One sentence a source in trouble; None for a market that asks no source."""
    runs_stored: int
    observations_stored: int
    database_bytes: int
    uptime_seconds: float
    latency_ms: float | None
    guilds: int


def status_card(status: Status) -> Card:
    """Last run, next run, record and process; the accent is the state of the last run."""
    simulated = status.source.startswith(SIMULATED) or bool(status.last_run and status.last_run.simulated)
    return Card(
        title=dotted((SIMULATED if simulated else "", "Status")),
        state=_state(status),
        headline="\n".join(filter(None, (_overdue(status.clock), _last(status)))),
        table=pairs(
            (
                ("universe", f"{grouped(status.universe)} names"),
                ("record", f"{count(status.runs_stored)} runs"),
                ("", f"{count(status.observations_stored)} observations"),
                ("", bytes_text(status.database_bytes)),
                ("uptime", duration(status.uptime_seconds)),
                ("latency", _latency(status.latency_ms)),
                ("servers", count(status.guilds)),
                ("queue", _queued(status.clock)),
                ("version", clean(status.version, 20)),
            )
        ),
        sentence=_next(status.clock),
        details=(*_sources(status.sources), *_missed(status.clock)),
        asof=dotted(
            (
                f"As of {stamp(status.last_run.asof)}" if status.last_run else "",
                covered(status.coverage) if status.coverage else "",
                escaped(status.source),
            )
        ),
        footer=dotted((SIMULATED if simulated else "", f"engine {clean(status.version, 20)}", ADVICE)),
    )


def duration(seconds: float) -> str:
    """`3 d 4 h`, `4 h 12 min`, `12 min`, `40 s`."""
    whole = int(known(seconds) or 0)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"


def bytes_text(size: int) -> str:
    """`842 B`, `12.3 kB`, `4.1 MB`, `2.0 GB`."""
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= scale:
            return f"{fixed(size / scale, 1)} {unit}"
    return f"{size} B"


def _state(status: Status) -> CardState:
    if status.clock is not None and status.clock.overdue:
        return "outage"
    return status.last_run.state if status.last_run is not None else "info"


def _overdue(clock: ClockStatus | None) -> str:
    if clock is None or not clock.overdue:
        return ""
    return f"Overdue: {listed(map(escaped, clock.overdue), 3)}"


def _last(status: Status) -> str:
    run = status.last_run
    if run is None:
        return "No run yet"
    number = f" (run {status.last_run_id})" if status.last_run_id is not None else ""
    reason = f": {escaped(run.reason, 300)}" if run.reason else ""
    return f"Last run {KINDS[run.kind].lower()}, {day(run.session)}{number}: {run.state}{reason}"


def _next(clock: ClockStatus | None) -> str:
    if clock is None:
        return "No run is scheduled: this market stands still."
    paused = "Paused by the owner: nothing runs or posts until /ops resume. " if clock.paused else ""
    under_way = f"Under way: {listed(map(escaped, clock.under_way), 2)}. " if clock.under_way else ""
    return (
        f"{paused}{under_way}Next run: {escaped(clock.next_kind)}, "
        f"{stamp(clock.next_run)} ({stamp(clock.next_run, 'R')})."
    )


def _queued(clock: ClockStatus | None) -> str:
    if clock is None:
        return NOT_APPLICABLE
    return f"{grouped(clock.queued)} {'message' if clock.queued == 1 else 'messages'}"


def _sources(sources: tuple[str, ...] | None) -> tuple[str, ...]:
    if sources is None:
        return ()
    return tuple(escaped(sentence, 300) for sentence in sources) or (
        "Every source answered when last asked.",
    )


def _missed(clock: ClockStatus | None) -> tuple[str, ...]:
    if clock is None or not clock.missed:
        return ()
    last = [f"{escaped(key)} ({escaped(reason, 160)})" for key, reason in clock.missed[::-1]]
    return (f"Missed in the last 30 days: {listed(last, 3)}.",)


def _latency(milliseconds: float | None) -> str:
    number = known(milliseconds)
    return f"{fixed(number, 0)} ms" if number is not None else MISSING
