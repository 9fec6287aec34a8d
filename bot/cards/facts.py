"""What stands on every card about the run behind it: title, as-of line, footer."""

from __future__ import annotations

import re
from datetime import date

from bot.cards.table import grouped
from bot.cards.text import clean, dotted, escaped, stamp
from engine.screen.result import Coverage, Run

SIMULATED = "SIMULATED"
ADVICE = "information, not advice"
KINDS = {"open": "Opening", "close": "Closing"}
_OWN = re.compile(r"\+[0-9a-f]{6}$")


def titled(run: Run, *parts: str) -> str:
    """The title, its first word SIMULATED when the market is."""
    return dotted((SIMULATED if run.simulated else "", *parts))


def day(session: date) -> str:
    """`Wed 29 Apr 2026`."""
    return f"{session:%a} {session.day} {session:%b %Y}"


def run_name(run: Run) -> str:
    """`Closing screen`, `Opening screen (indicative)`."""
    return f"{KINDS[run.kind]} screen" + (" (indicative)" if run.kind == "open" else "")


def asof(run: Run, coverage: Coverage | None = None) -> str:
    """Instant, coverage, source, lens and profile, for the body of a card."""
    return dotted(
        (
            f"As of {stamp(run.asof)}",
            covered(coverage) if coverage is not None else "",
            escaped(run.source),
            f"lens {escaped(run.lens)}, profile {profile_name(run.profile)}",
        )
    )


def profile_name(profile: str) -> str:
    """`balanced`; `balanced with own thresholds` for what Rules.tuned calls `balanced+3fa2c1`."""
    name, own = _OWN.subn("", profile)
    return escaped(name) + (" with own thresholds" if own else "")


def covered(coverage: Coverage) -> str:
    """`118 of 124 names, 6 without data (no chain 4, no history 2)`."""
    without = coverage.universe - coverage.measured
    names = f"{grouped(coverage.measured)} of {_names(coverage.universe)}"
    if not without:
        return names
    reasons = sorted(coverage.missing.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{escaped(reason, 40)} {grouped(n)}" for reason, n in reasons[:3])
    more = f" and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    return f"{names}, {grouped(without)} without data" + (f" ({shown}{more})" if shown else "")


def _names(number: int) -> str:
    return f"{grouped(number)} {'name' if number == 1 else 'names'}"


def footer(run: Run, run_id: int) -> str:
    """Run key, rules and engine version in plain text (a footer renders no markdown)."""
    return dotted(
        (
            SIMULATED if run.simulated else "",
            f"{run.session.isoformat()}/{run.kind}",
            f"run {run_id}",
            f"rules {clean(run.rules_hash, 20)}",
            f"engine {clean(run.engine_version, 20)}",
            ADVICE,
        )
    )


def state_line(run: Run, coverage: Coverage) -> str:
    """How far the run reaches when it is not complete; empty when it is."""
    measured = f"Only {grouped(coverage.measured)} of {_names(coverage.universe)} could be measured."
    reason = escaped(run.reason, 300) if run.reason else measured
    match run.state:
        case "degraded":
            return f"Degraded: {reason} The ranking is only of these."
        case "outage":
            return f"Outage: {reason} Nothing is ranked."
        case "aborted":
            return f"Run stopped: {reason}"
        case "complete":
            return ""
