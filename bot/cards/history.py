"""One stored close of a name, as the chart needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """Volatilities as annualised fractions, None where the run stored none; `passed` None when not judged."""

    session: date
    iv30: float | None
    hv30: float | None
    hv90: float | None
    passed: bool | None
