"""Marks on a name: what was unusual about its measurement, each with the sentence that explains it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays import BoolArray

FLAGS: dict[str, str] = {
    "stale_quotes": "The quotes are of another session than the run; the name is measured but not ranked.",
    "quote_time_unknown": "The source gives no quote time; the run's own time is assumed.",
    "nearest_expiry": "IV30 comes from the one expiry nearest 30 days; there was none on the other side.",
    "yearly_lens": "HV90 is missing, so the yearly lens (252/20) and its own thresholds were used.",
    "no_monthly_expiry": "No standard monthly within the range; the most traded expiry was looked at.",
    "dividend_before_expiry": "A cash dividend above 0.5 % of spot goes ex before the far expiry.",
    "earnings_soon": "Earnings fall within the next days.",
    "earnings_unverified": "The earnings date is not confirmed.",
    "hv_differs": "The provider's HV differs from the computed one by more than the configured share.",
    "hv_computed": "The provider has no HV for this name; the computed one was used.",
    "price_history_lags": "The daily closes end before the run's session.",
    "iv_differs": "The provider's IV30 differs from the computed one by more than the configured share.",
    "iv_percentile_series": "The IV percentile is against a year of the provider's IV; the record is short.",
    "iv_percentile_provider": "The IV percentile is the provider's; the own record is still short.",
    "iv_history_imported": "Imported values fill the gaps of the year behind the IV percentile.",
    "proxy_iv": "The implied volatility is that of a proxy, not of the name itself.",
    "sources_differ": "Two sources disagree on a value beyond the configured share; see the provenance.",
    "earnings_differ": "Two sources give different earnings dates; see the provenance.",
    "price_jump": "A daily move beyond 50 % stands in the closes: a split nobody listed, or a very bad day.",
    "closes_only": "The history holds closes only, of unknown adjustment; no open, high and low.",
    "fallback_source": "A source further down the order had to answer; see the provenance.",
    "wide_quotes": "The quoted spread leaves IV30 open by more than a tenth of it.",
}


BROUGHT = ("sources_differ", "earnings_differ", "price_jump", "closes_only", "fallback_source")
"""Marks the sources' merger brings along; the others come from measuring."""


def collect(marks: Mapping[str, BoolArray], count: int) -> list[tuple[str, ...]]:
    """The flags of each name, in the order of FLAGS. Raises KeyError for a mark without a sentence."""
    found: list[list[str]] = [[] for _ in range(count)]
    for code in sorted(marks, key=list(FLAGS).index):
        for row in np.flatnonzero(marks[code]):
            found[row].append(code)
    return [tuple(codes) for codes in found]
