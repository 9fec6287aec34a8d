"""What people type about a rule, checked; refusals in one sentence that repeats nothing of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from bot.failures import InputError
from bot.people.alerts.metrics import NAME_METRICS, PAIR_METRICS, Metric
from bot.people.alerts.quiet import within
from bot.people.alerts.rules import (
    CROSSINGS,
    OF_NAMES,
    OF_PAIRS,
    Condition,
    PersonSettings,
    Subject,
    Wish,
)

HOUR = 3600
LEAST_HOURS, MOST_HOURS, USUAL_HOURS = 1, 14 * 24, 20
MOST_DAYS = 60
OFF = "off"
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])")
_WHOLE = re.compile(r"[0-9]{1,4}")


def cooldown_of(text: str) -> int:
    """Hours as typed, in seconds. Raises InputError outside 1 hour to 14 days."""
    hours = int(text.strip()) if _WHOLE.fullmatch(text.strip()) else 0
    if not LEAST_HOURS <= hours <= MOST_HOURS:
        raise InputError(f"The pause is a whole number of hours, {LEAST_HOURS} to {MOST_HOURS}.")
    return hours * HOUR


def days_of(text: str) -> float:
    """Days before a report as typed. Raises InputError outside 1 to 60."""
    days = int(text.strip()) if _WHOLE.fullmatch(text.strip()) else 0
    if not 1 <= days <= MOST_DAYS:
        raise InputError(f"The days before a report are a whole number, 1 to {MOST_DAYS}.")
    return float(days)


def clock_of(text: str, what: str) -> time:
    """`8:30` as a time of day. Raises InputError."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{what} is a time from 00:00 to 23:59, such as 08:30, or off.")
    return time(int(found[1]), int(found[2]))


def quiet_of(text: str) -> tuple[time, time]:
    """`22:00-07:00` as a span. Raises InputError, also for one without length."""
    parts = [part.strip() for part in re.split("[-\u2013]|to", text)]
    if len(parts) != 2 or not all(_CLOCK.fullmatch(part) for part in parts):
        raise InputError("Quiet hours are two times, such as 22:00-07:00, or off.")
    begins, ends = (clock_of(part, "Quiet hours") for part in parts)
    if begins == ends:
        raise InputError("Quiet hours need two different times; /alert snooze silences everything.")
    return begins, ends


@cache
def zones() -> tuple[str, ...]:
    """Every IANA time zone of this machine, cities first."""
    return tuple(sorted(available_timezones(), key=lambda zone: ("/" not in zone, zone)))


def zone_of(text: str) -> str:
    """The IANA zone a person meant, whatever the case. Raises InputError with what is near."""
    wanted = text.strip().casefold().replace(" ", "_")
    known = {zone.casefold(): zone for zone in zones()}
    if wanted not in known:
        near = [known[each] for each in get_close_matches(wanted[:60], known, n=2, cutoff=0.6)]
        hint = f"Did you mean {' or '.join(near)}?" if near else "Start typing a city and pick from the list."
        raise InputError(f"There is no such time zone. {hint}")
    return known[wanted]


def settings_from(
    present: PersonSettings, quiet: str | None, digest: str | None, zone: str | None
) -> PersonSettings:
    """The settings with what somebody typed about them. Raises InputError."""
    wanted = present
    if zone is not None:
        wanted = replace(wanted, zone=zone_of(zone))
    if quiet is not None:
        wanted = replace(wanted, quiet=None if _is_off(quiet) else quiet_of(quiet))
    if digest is not None:
        wanted = replace(wanted, digest_at=None if _is_off(digest) else clock_of(digest, "The digest"))
    if wanted.zone is None and (wanted.quiet is not None or wanted.digest_at is not None):
        raise InputError("Name your time zone as well, such as zone:Europe/Berlin.")
    if wanted.quiet is not None and wanted.digest_at is not None and within(wanted.digest_at, *wanted.quiet):
        raise InputError(
            "The digest would come within your quiet hours; choose another time for one of them."
        )
    return wanted


def _is_off(text: str) -> bool:
    return text.strip().casefold() == OFF


def metric_named(text: str, subject: Subject) -> Metric:
    """The metric a person meant by its title or column. Raises InputError with what is near."""
    metrics = PAIR_METRICS if subject == "pair" else NAME_METRICS
    names = {_folded(word): metric for metric in metrics.values() for word in (metric.title, metric.column)}
    found = names.get(_folded(text))
    if found is None:
        near = [names[each].title for each in get_close_matches(_folded(text)[:60], names, n=2, cutoff=0.5)]
        offered = near or [metric.title for metric in list(metrics.values())[:4]]
        raise InputError(f"There is no such metric. Near it: {', '.join(dict.fromkeys(offered))}.")
    return found


def wish_of(
    subject: Subject,
    target: str,
    condition: Condition,
    metric: str | None,
    level: str | None,
    days: int | None,
    hours: int,
    channel: tuple[int, int] | None,
) -> Wish:
    """A rule from the options of /alert add. Raises InputError for options that do not go together."""
    if condition not in (OF_PAIRS if subject == "pair" else OF_NAMES):
        other = "a name or the watchlist" if subject == "pair" else "a pair"
        raise InputError(f"That condition is for {other} only.")
    crossing = condition in CROSSINGS
    for given, wanted, option in (
        (metric, crossing, "metric"),
        (level, crossing, "level"),
        (days, condition == "earnings", "days"),
    ):
        if wanted and given is None:
            raise InputError(f"This condition needs the option {option} as well.")
        if given is not None and not wanted:
            raise InputError(f"This condition takes no {option}; leave that option out.")
    wish = Wish(subject, target, condition, cooldown=hours * HOUR, channel=channel)
    if metric is not None and level is not None:
        watched = metric_named(metric, subject)
        return Wish(subject, target, condition, watched.column, watched.parse(level), hours * HOUR, channel)
    if days is not None:
        return Wish(subject, target, condition, "", float(days), hours * HOUR, channel)
    return wish


def _folded(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
