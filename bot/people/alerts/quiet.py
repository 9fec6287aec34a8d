"""When a person may be written to: quiet hours and the daily digest, by the clock on the person's wall."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.people.alerts.rules import PersonSettings

_ONE_DAY = timedelta(days=1)


def allowed_from(instant: datetime, settings: PersonSettings) -> datetime:
    """The first instant at or after `instant` outside the quiet hours, in UTC.

    Quiet hours last from their first minute until the clock shows their last; both alike would be the
    whole day and are refused on entry. In the night a clock is set back, the later of two equal
    times ends them.
    """
    if settings.quiet is None or settings.zone is None:
        return instant
    begins, ends = settings.quiet
    zone = ZoneInfo(settings.zone)
    local = instant.astimezone(zone)
    if not within(local.time(), begins, ends):
        return instant
    day = local.date() if local.time() < ends else local.date() + _ONE_DAY
    return max(_instant(datetime.combine(day, ends), zone, fold) for fold in (0, 1))


def digest_from(instant: datetime, settings: PersonSettings) -> datetime:
    """The first digest after `instant`, in UTC; once a day also in the nights the clock is changed.

    Raises ValueError when the person wants none.
    """
    if settings.digest_at is None or settings.zone is None:
        raise ValueError("this person wants no digest")
    zone = ZoneInfo(settings.zone)
    today = instant.astimezone(zone).date()
    days = (today + step * _ONE_DAY for step in (-1, 0, 1, 2))
    digests = (_instant(datetime.combine(day, settings.digest_at), zone, 0) for day in days)
    return next(digest for digest in digests if digest > instant)


def within(moment: time, begins: time, ends: time) -> bool:
    """Whether a time of day lies in a span that may reach over midnight; its end does not belong to it."""
    if begins <= ends:
        return begins <= moment < ends
    return moment >= begins or moment < ends


def _instant(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    """A time on the wall in UTC. One that a clock set forward skips is an hour later on that wall."""
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)
