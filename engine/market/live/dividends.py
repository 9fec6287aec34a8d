"""The next cash dividend from the pattern of the past ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from engine.market.live.answers import Fact, Facts

_PACES = ((25, 35), (80, 100), (170, 195), (350, 380))
"""Days between ex-dates that count as monthly, quarterly, half-yearly and yearly."""
_FEWEST = 3


def projected_dividend(past: Sequence[tuple[date, float]], session: date, source: str) -> Facts:
    """Columns dividend_date (YYYY-MM-DD) and dividend_amount (currency a share) of the next ex-date.

    The median gap of the last ex-dates is added to the last one, with the last amount. Fewer than three
    ex-dates, an irregular pace, or a date already past by more than a week give nothing: no guess.
    """
    recent = sorted(past)[-5:]
    if len(recent) < _FEWEST:
        return {}
    gaps = [(later[0] - earlier[0]).days for earlier, later in pairwise(recent)]
    gap = median(gaps)
    if not any(low <= gap <= high for low, high in _PACES):
        return {}
    due = recent[-1][0] + timedelta(days=round(gap))
    if due < session - timedelta(days=7):
        return {}
    due = max(due, session)
    method = f"projected from {len(recent)} past ex-dates"
    return {
        "dividend_date": Fact(due.isoformat(), source, method),
        "dividend_amount": Fact(recent[-1][1], source, method),
    }
