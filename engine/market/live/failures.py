"""What a source can answer instead of data: a fixed set of reasons, each counted and each with a remedy."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from engine.errors import VarianceError


class Failure(StrEnum):
    """Why a request brought nothing. The value is what a person reads and what is counted."""

    UNAUTHORIZED = "credentials refused (401)"
    FORBIDDEN = "access refused (403)"
    NOT_FOUND = "not found (404)"
    RATE_LIMITED = "rate limited (429)"
    SERVER_ERROR = "server error (5xx)"
    TIMED_OUT = "timed out"
    UNREADABLE = "unreadable reply"
    MISSING_FIELDS = "fields missing in the reply"
    EMPTY_CHAIN = "empty option chain"
    NO_OPTIONS = "no options listed"
    UNKNOWN_SYMBOL = "unknown symbol"
    NO_HISTORY = "no price history"
    UNADJUSTED_SPLIT = "split not adjusted in the history"
    NO_NETWORK = "no network"
    BROKEN_CONNECTION = "connection broken"
    PAUSED = "paused after failures"
    DEADLINE = "run's deadline reached"
    NOT_CONFIGURED = "not configured"
    UNEXPECTED = "unexpected failure"


MAY_PASS = frozenset(
    {
        Failure.SERVER_ERROR,
        Failure.TIMED_OUT,
        Failure.UNREADABLE,
        Failure.NO_NETWORK,
        Failure.BROKEN_CONNECTION,
    }
)
"""What may be gone a moment later, so that asking again makes sense."""
OF_THE_SYMBOL = frozenset(
    {
        Failure.NOT_FOUND,
        Failure.UNKNOWN_SYMBOL,
        Failure.NO_OPTIONS,
        Failure.EMPTY_CHAIN,
        Failure.NO_HISTORY,
        Failure.UNADJUSTED_SPLIT,
        Failure.MISSING_FIELDS,
    }
)
"""What says nothing about the source's health."""

REMEDIES: dict[Failure, str] = {
    Failure.UNAUTHORIZED: "Make new credentials and set them; too many refused tries block the address.",
    Failure.FORBIDDEN: "The source turns this address away; wait some hours or use another source.",
    Failure.NOT_FOUND: "Look the ticker up at the source; it may have been renamed.",
    Failure.RATE_LIMITED: "Wait until the pause is over; a smaller universe asks less.",
    Failure.SERVER_ERROR: "The source has trouble; wait and try again.",
    Failure.TIMED_OUT: "Check the connection; the source may be slow at the moment.",
    Failure.UNREADABLE: "The source may have changed its format or show a notice; look for a newer version.",
    Failure.MISSING_FIELDS: "The source may have changed its format; look for a newer version.",
    Failure.EMPTY_CHAIN: "No quotes are listed; before the open this is normal.",
    Failure.NO_OPTIONS: "Take the name out of the universe.",
    Failure.UNKNOWN_SYMBOL: "Take the name out of the universe or correct its ticker.",
    Failure.NO_HISTORY: "Take the name out of the universe or wait until it has traded for a month.",
    Failure.UNADJUSTED_SPLIT: "Sources adjust a split within a day or two; the name returns then.",
    Failure.NO_NETWORK: "Check that this machine reaches the internet and resolves names (DNS).",
    Failure.BROKEN_CONNECTION: "Check proxy and firewall; the connection is cut while in use.",
    Failure.PAUSED: "Wait until the pause is over.",
    Failure.DEADLINE: "Raise run.deadline_minutes in config/sources.json or make the universe smaller.",
    Failure.NOT_CONFIGURED: "Set the credentials or the switch of this source (see .env.example).",
    Failure.UNEXPECTED: "See the log for the kind of error and report it.",
}


class SourceError(VarianceError):
    """A request that brought nothing, with the source and the reason; its text names no secret.

    `again` is the earliest sensible next try when the source or the breaker gave one.
    """

    def __init__(
        self, source: str, failure: Failure, detail: str = "", again: datetime | None = None
    ) -> None:
        self.source = source
        self.failure = failure
        self.detail = detail
        self.again = again
        super().__init__(f"{source}: {failure}{f' ({detail})' if detail else ''}")

    @property
    def reason(self) -> str:
        """`rate limited (429) [yahoo]`: what is counted; few different texts whatever the detail."""
        return f"{self.failure} [{self.source}]"


def of_status(source: str, status: int, now: datetime, retry_after: str | None = None) -> SourceError | None:
    """The failure behind an HTTP status, None when it is none. `retry_after` is the header, in seconds."""
    if status < 400:
        return None
    if status == 429:
        seconds = float(retry_after) if retry_after and retry_after.strip().isdigit() else 0.0
        again = now + timedelta(seconds=min(seconds, 86_400.0)) if seconds else None
        return SourceError(source, Failure.RATE_LIMITED, again=again)
    known = {
        401: Failure.UNAUTHORIZED,
        403: Failure.FORBIDDEN,
        404: Failure.NOT_FOUND,
        408: Failure.TIMED_OUT,
    }
    failure = known.get(status, Failure.SERVER_ERROR if status >= 500 else Failure.UNEXPECTED)
    return SourceError(source, failure, detail="" if status in known else f"HTTP {status}")
