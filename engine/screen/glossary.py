"""Every metric once: column, unit, formula, source. `/method`, the headers and the record read this."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "volatility", "ratio", "percent", "percentile", "price", "days", "count", "points", "text", "flag"
]


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of the measured table.

    kind "volatility" is an annualised fraction shown in percent; "percent" a fraction shown in
    percent; "percentile" 0..100; "points" a fraction shown in volatility points.
    """

    column: str
    title: str
    kind: Kind
    formula: str
    source: str


_SEED = "seeds of the method, section {}"
_CBOE = "Cboe, VIX white paper"
_QUOTES = "option quotes of the run's session"
_CLOSES = "adjusted daily closes"

METRICS: tuple[Metric, ...] = (
    Metric("name", "Name", "text", "company or fund", "universe file or provider"),
    Metric("sector", "Sector", "text", "sector of the name", "universe file or provider"),
    Metric("asset_class", "Class", "text", "equity, etf, index or future", "universe file or provider"),
    Metric("spot", "Spot", "price", "last price of the underlying", "provider"),
    Metric(
        "quote_session",
        "Quotes of",
        "text",
        "trading day of the quotes, by the exchange calendar",
        "provider, XNYS",
    ),
    Metric(
        "iv30",
        "IV30",
        "volatility",
        "at-the-money-forward implied volatility, early exercise removed, total variance interpolated "
        "linearly between the expiries around 30 calendar days",
        _QUOTES,
    ),
    Metric(
        "iv_method",
        "IV method",
        "text",
        "interpolated (two expiries around 30 days), nearest (one expiry within 20..45 days) "
        "or proxy (a volatility index or a fund)",
        "this engine",
    ),
    Metric("iv_near_days", "Near expiry", "days", "calendar days to the near expiry used", _QUOTES),
    Metric("iv_far_days", "Far expiry", "days", "calendar days to the far expiry used", _QUOTES),
    Metric(
        "iv_error",
        "IV30 quote error",
        "points",
        "half the difference of IV30 at the ask and at the bid: what the quoted spread leaves open",
        _QUOTES,
    ),
    Metric(
        "iv_straddle",
        "IV straddle",
        "volatility",
        "mean of call and put implied volatility at the strike nearest spot, expiry nearest 30 days",
        _QUOTES,
    ),
    Metric(
        "iv_model_free",
        "IV model-free",
        "volatility",
        "sqrt of the 30-day variance 2/T * sum(dK/K^2 e^rT Q) - (F/K0-1)^2/T over out-of-the-money quotes; "
        "reads higher than IV30 by the skew",
        _CBOE,
    ),
    Metric(
        "iv_model_free_complete", "Model-free complete", "flag", "both wings reach far enough", "this engine"
    ),
    Metric("iv60", "IV60", "volatility", "as IV30, at 60 calendar days", _QUOTES),
    Metric("term_slope", "Term slope", "ratio", "IV30 / IV60; above 1 the front is dearer", _QUOTES),
    Metric(
        "skew_25",
        "25-delta skew",
        "points",
        "implied volatility of the 25-delta put minus that of the 25-delta call, expiry nearest 30 days",
        _QUOTES,
    ),
    Metric("hv20", "HV20", "volatility", "sample deviation of the last 20 log returns * sqrt(252)", _CLOSES),
    Metric("hv30", "HV30", "volatility", "sample deviation of the last 30 log returns * sqrt(252)", _CLOSES),
    Metric("hv60", "HV60", "volatility", "sample deviation of the last 60 log returns * sqrt(252)", _CLOSES),
    Metric("hv90", "HV90", "volatility", "sample deviation of the last 90 log returns * sqrt(252)", _CLOSES),
    Metric(
        "hv252", "HV252", "volatility", "sample deviation of the last 252 log returns * sqrt(252)", _CLOSES
    ),
    Metric(
        "hv30_yz",
        "HV30 Yang-Zhang",
        "volatility",
        "30-day open-high-low-close estimator; a second opinion with a third of the sampling error",
        "Yang and Zhang (2000)",
    ),
    Metric(
        "hv_forecast",
        "HV forecast",
        "volatility",
        "expected volatility of the next 21 sessions: HAR on log realized variance, "
        "EWMA where history is short",
        "Corsi (2009); RiskMetrics (1996)",
    ),
    Metric(
        "hv_forecast_method",
        "Forecast method",
        "text",
        "har (with open, high, low), har_close, or ewma",
        "this engine",
    ),
    Metric("hv30_provider", "HV30 of provider", "volatility", "as delivered", "provider"),
    Metric("hv60_provider", "HV60 of provider", "volatility", "as delivered", "provider"),
    Metric("hv90_provider", "HV90 of provider", "volatility", "as delivered", "provider"),
    Metric("iv30_provider", "IV30 of provider", "volatility", "as delivered, kept beside", "provider"),
    Metric("beta", "Beta", "ratio", "as delivered", "provider"),
    Metric("corr_spy", "Correlation with SPY", "ratio", "three months, as delivered", "provider"),
    Metric(
        "hv_rank",
        "HV rank",
        "percentile",
        "share of the last 252 daily HV20 values strictly below the latest; at least 60 values",
        _CLOSES,
    ),
    Metric("hv_rank_n", "HV rank n", "count", "daily HV20 values behind the rank", _CLOSES),
    Metric(
        "vrp_structural",
        "VRP structural",
        "ratio",
        "IV30 / max(HV90, 5 %): the premium against the quarter's movement",
        _SEED.format("002, stage 1"),
    ),
    Metric(
        "vrp_tactical",
        "VRP tactical",
        "ratio",
        "IV30 / max(HV30, 5 %): the premium against the month's movement",
        _SEED.format("002, stage 2"),
    ),
    Metric(
        "structural_252",
        "Structural 252",
        "ratio",
        "IV30 / max(HV252, 5 %), yearly lens",
        _SEED.format("000, 001"),
    ),
    Metric("tactical_20", "Tactical 20", "ratio", "IV30 / max(HV20, 5 %), yearly lens", _SEED.format("001")),
    Metric(
        "lens", "Lens", "text", "which pair of windows was judged: quarterly 90/30 or yearly 252/20", "rules"
    ),
    Metric("markup", "Markup", "percent", "tactical ratio of the lens - 1", _SEED.format("001")),
    Metric("divergence", "Divergence", "ratio", "tactical / structural of the lens", "methodology"),
    Metric("spread_vol", "IV - HV", "points", "IV30 - HV30, in volatility points", "Carr and Wu (2009)"),
    Metric(
        "spread_variance",
        "IV^2 - HV^2",
        "ratio",
        "IV30^2 - HV30^2, annualised variance",
        "Carr and Wu (2009)",
    ),
    Metric(
        "momentum",
        "Vol momentum",
        "ratio",
        "HV30 / HV90, the compression ratio, no floor",
        _SEED.format("002"),
    ),
    Metric(
        "zone",
        "Zone",
        "text",
        "HV30/HV90 < 0.60 severe compression, < 0.75 mild compression, <= 1.15 normal, "
        "<= 1.30 mild expansion, above severe expansion; a fact, not a verdict",
        _SEED.format("002"),
    ),
    Metric(
        "regime",
        "Regime",
        "text",
        "COILED: HV20/HV60 < 0.85 and HV20/HV252 < 0.75; EXPANDING: HV20/HV252 > 1.25; else NORMAL",
        _SEED.format("001"),
    ),
    Metric(
        "iv_percentile",
        "IV percentile",
        "percentile",
        "share of the stored daily closes of IV30 (252 at most) strictly below today's; at least 60",
        "own record, a provider's daily series, or the provider's number (flagged)",
    ),
    Metric(
        "iv_percentile_n", "IV percentile n", "count", "stored closes behind the percentile", "own record"
    ),
    Metric(
        "iv_rank", "IV rank", "percentile", "(IV30 - low) / (high - low) of the stored year", "own record"
    ),
    Metric(
        "yield",
        "Yield 30d",
        "percent",
        "at-the-money straddle mid / (20 % of spot) * 30 / days, at the expiry a trade would use",
        _QUOTES,
    ),
    Metric(
        "slippage",
        "Slippage",
        "percent",
        "worst of call and put (ask - bid) / mid at the trade expiry",
        _QUOTES,
    ),
    Metric("trade_expiry", "Trade expiry", "text", "standard monthly nearest 45 days within 25..70", _QUOTES),
    Metric("trade_days", "Trade days", "days", "calendar days to the trade expiry", _QUOTES),
    Metric("trade_strike", "Trade strike", "price", "strike nearest spot at the trade expiry", _QUOTES),
    Metric(
        "atm_volume", "ATM volume", "count", "smaller of call and put volume at the trade strike", _QUOTES
    ),
    Metric(
        "atm_open_interest",
        "ATM open interest",
        "count",
        "smaller of call and put open interest there",
        _QUOTES,
    ),
    Metric("liquidity_rating", "Liquidity rating", "count", "0..5 as delivered", "provider"),
    Metric("earnings_date", "Earnings", "text", "next report date", "provider"),
    Metric(
        "earnings_days",
        "Days to earnings",
        "days",
        "calendar days from the session to the report",
        "provider",
    ),
    Metric("correlation", "Correlation", "ratio", "of the name's daily log returns with the book's", _CLOSES),
    Metric(
        "provenance",
        "Provenance",
        "text",
        "source, quote time and method of each value; and what a second source said otherwise",
        "sources of the run",
    ),
    Metric("missing_reason", "Missing", "text", "why the name could not be measured", "this engine"),
)

GLOSSARY: dict[str, Metric] = {metric.column: metric for metric in METRICS}


def title_of(column: str) -> str:
    """How a column is called on a card; a column that is no metric by its own words."""
    return GLOSSARY[column].title if column in GLOSSARY else column.replace("_", " ").capitalize()


TERMS: tuple[Metric, ...] = (
    Metric(
        "score",
        "Score",
        "count",
        "0..100: 0.30 structural + 0.30 tactical richness, 0.15 IV percentile, 0.10 momentum, 0.10 yield, "
        "0.05 liquidity; missing components drop out; times the penalties",
        "methodology 5",
    ),
    Metric(
        "penalties",
        "Penalties",
        "text",
        "volatility_trap x0.50 (HV rank < 15), compression x0.80 (COILED), proxy_iv x0.85",
        _SEED.format("001, 6"),
    ),
    Metric(
        "signal",
        "Signal",
        "text",
        "first match of EVENT (earnings within 10 days), RICH (IV percentile > 80, markup > 20 % or "
        "structural above the rich threshold), COILED, EXPANDING, DISCOUNT (markup < -10 %), FAIR",
        "methodology 5",
    ),
    Metric(
        "hard_gate",
        "Hard gate",
        "text",
        "without a valid price or history of the benchmark (SPY) the run stops and ranks nothing",
        _SEED.format("001, 4"),
    ),
    Metric(
        "coverage",
        "Coverage",
        "text",
        "measured names of those asked; below 70 % the run is degraded, below 40 % an outage",
        "methodology 5",
    ),
    Metric(
        "near_miss",
        "Near miss",
        "text",
        "a name exactly one gate short, ordered by the distance relative to the limit",
        "methodology 5",
    ),
    Metric(
        "pair_spread",
        "Pair spread",
        "ratio",
        "IV30/HV252 of the first leg less that of the second; its z-score is taken against the stored closes",
        "methodology 6",
    ),
    Metric(
        "convergence",
        "Convergence",
        "text",
        "a pair spread beyond 0.5 either way while the correlation of daily log returns over 252 sessions is "
        "at or above the pair's threshold; below it the pair is broken",
        "methodology 6",
    ),
    Metric(
        "sector_delta",
        "Sector delta",
        "ratio",
        "VRP structural less the mean of its sector, of at least 3 names; idiosyncratic where it is the "
        "larger part of the distance from the market's median, systematic where the sector's own is",
        "methodology 6",
    ),
    Metric(
        "premium_captured",
        "Premium captured",
        "points",
        "the gap: IV30 at an official close less sqrt(252 * mean of the squared log returns of the next 21 "
        "sessions); what the options charged beyond the movement that came. Mean, median and worst (the "
        "smallest) are of a group's outcomes; no cost, no path and no position is in it",
        "methodology 8",
    ),
    Metric(
        "hit_rate",
        "Hit rate",
        "percent",
        "share of outcomes with a premium captured above 0; its 95 % interval is Wilson's at the effective n",
        "methodology 8; Wilson (1927)",
    ),
    Metric(
        "effective_n",
        "Effective n",
        "count",
        "independent outcomes a sample is worth: free / (1 + (m - 1) * rho); free: windows that do not "
        "overlap, name by name; m: names of one period, crowds weighed; rho = r + (1 - r) / periods, r the "
        "correlation of hits within a session. Below 30 a sample is called small",
        "decision 19; Kish (1965), design effect",
    ),
    Metric(
        "whipsaw",
        "Whipsaw",
        "percent",
        "of listed name-days whose next 10 sessions are all known, the share that left the list within "
        "them; told for the quarterly and the yearly lens",
        "methodology 8",
    ),
    Metric(
        "baselines",
        "Baselines",
        "text",
        "universe: every measured name at every official close that has an outcome; SPY: the benchmark "
        "alone. Over the universe: a group's mean less the universe's on the same sessions, weighted alike",
        "methodology 8",
    ),
    Metric(
        "scorecard_groups",
        "Scorecard groups",
        "text",
        "by the rules of each day: both premium gates, structural only, tactical only, neither; listed or "
        "not; each gate passed (+) or failed (-); signal, regime and zone",
        "methodology 8",
    ),
)
"""Words of the cards that are no column."""


def explain(word: str) -> Metric | None:
    """The entry of a column, title or term; case, blanks and underscores do not matter, None when unknown."""
    key = _fold(word)
    return next((m for m in METRICS + TERMS if key in (_fold(m.column), _fold(m.title))), None)


def suggestions(word: str, count: int = 3) -> list[str]:
    """Titles nearest in spelling to `word`."""
    titles = {_fold(m.title): m.title for m in METRICS + TERMS}
    return [titles[key] for key in difflib.get_close_matches(_fold(word), titles, n=count, cutoff=0.4)]


def _fold(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())
