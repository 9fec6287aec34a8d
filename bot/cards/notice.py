"""What a channel is told instead of a screen: runs that were skipped or failed, or rules that do not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from bot.cards.card import Card
from bot.cards.facts import ADVICE, KINDS, SIMULATED, day
from bot.cards.text import clean, dotted, escaped, plural, stamp

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class MissedRun:
    """A run without its post: `key` as in the ledger, `state` skipped or failed (or posting too late)."""

    key: str
    kind: str
    session: date
    planned_at: datetime
    state: str
    reason: str | None


def notice_card(runs: Sequence[MissedRun], following: datetime | None, simulated: bool = False) -> Card:
    """Which runs a channel will not get, why, and when the next one comes; oldest first."""
    return Card(
        title=dotted((SIMULATED if simulated else "", *_title(runs))),
        state="outage",
        headline="\n".join(_line(run) for run in runs[-_SHOWN:]),
        sentence=dotted(
            (
                f"{plural(len(runs) - _SHOWN, 'earlier run')} as well." if len(runs) > _SHOWN else "",
                f"The next run is due {stamp(following)}." if following is not None else "",
                f"{_instead(runs)} answers meanwhile.",
            )
        ),
        footer=dotted((*(clean(run.key, 40) for run in runs[-_SHOWN:]), ADVICE)),
    )


def rules_card(run: MissedRun, profile: str, simulated: bool = False) -> Card:
    """A server's own rules are not allowed by the operator's any more: said in place of its screen."""
    return Card(
        title=dotted((SIMULATED if simulated else "", f"{KINDS[run.kind]} screen", day(run.session))),
        state="aborted",
        headline="This server's own rules are not allowed any more",
        sentence=(
            f"Whoever runs this bot changed the rules that profile {escaped(profile, 40)} and the thresholds "
            "of this server build on. A manager can choose anew: /config show, /config set."
        ),
        footer=dotted((clean(run.key, 40), ADVICE)),
    )


def _title(runs: Sequence[MissedRun]) -> tuple[str, ...]:
    word = "failed" if all(run.state == "failed" for run in runs) else "skipped"
    if len(runs) == 1:
        return (f"{_post(runs[0])} {word}", day(runs[0].session))
    return (f"{len(runs)} runs {word}",)


def _line(run: MissedRun) -> str:
    reason = escaped(run.reason or "no reason is known", 300).rstrip(".")
    return f"{KINDS.get(run.kind, 'Weekly')}, {day(run.session)}: {reason}"


def _post(run: MissedRun) -> str:
    """What the run would have brought."""
    return "Scorecard of the week" if run.kind == "weekly" else f"{KINDS[run.kind]} screen"


def _instead(runs: Sequence[MissedRun]) -> str:
    return "/scorecard" if all(run.kind == "weekly" for run in runs) else "/screen"
