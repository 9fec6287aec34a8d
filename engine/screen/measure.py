"""From a panel to the table of metrics: one row a name, one column a glossary entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains, IvHistory, Panel, Prices
from engine.rules import Rules
from engine.screen.flags import BROUGHT, collect
from engine.screen.iv import YEAR, Columns, implied_columns
from engine.screen.premium import premiums, regimes
from engine.screen.proxy import proxy_volatility, with_given
from engine.screen.result import EARLY
from engine.screen.tradable import Tradable, tradable
from engine.volatility.forecast import Bars, forecast
from engine.volatility.rank import hv_rank, percentile, rank
from engine.volatility.realized import close_to_close_many, log_returns, yang_zhang
from engine.volatility.term import ExpiryGrid

CHUNK = 500
"""Names measured at a time: temporaries stay under 100 MB whatever the universe."""
HV_WINDOWS = (20, 30, 60, 90, 252)
WIDE_SHARE = 0.10
"""Quote error of IV30, as a share of it, from which the quotes are called wide."""
Progress = Callable[[int, int], None]
MIN_OVERLAP = 60
"""Fewest common returns a correlation is taken from."""
ObjectArray = npt.NDArray[np.object_]


def measure(
    panel: Panel,
    rules: Rules,
    iv_history: IvHistory | None = None,
    book_returns: FloatArray | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Every metric of every name.

    Returns a table in the panel's row order with `symbol`, `flags` (tuples of codes) and the columns of
    the glossary but those the lens decides (engine.screen.lens); volatilities and ratios are fractions,
    missing is NaN or None. `iv_history` gives percentile and rank; `book_returns` (daily log returns of
    a book, oldest first, ending with the panel's last session) gives the correlation. Bad quotes raise
    nothing: the name's `missing_reason` says why it could not be measured. `progress` is told (measured,
    all) after every chunk. Source: methodology 1 to 5.
    """
    rate = panel.rate if panel.rate is not None else rules.volatility.risk_free_rate_percent / 100.0
    parts: list[Columns] = []
    given = proxy_volatility(panel, rules, rate)
    for first, part, history in _chunks(panel, iv_history):
        own_given = given[first : first + len(part.names)]
        parts.append(_measure_chunk(part, rules, rate, history, book_returns, own_given))
        if progress is not None:
            progress(min(len(parts) * CHUNK, len(panel.names)), len(panel.names))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pd.DataFrame(columns)


def _chunks(panel: Panel, iv_history: IvHistory | None) -> Iterator[tuple[int, Panel, IvHistory | None]]:
    for first in range(0, len(panel.names), CHUNK):
        last = min(first + CHUNK, len(panel.names))
        history = None if iv_history is None else iv_history.of_names(first, last)
        yield first, panel.of_names(first, last), history


def _measure_chunk(
    panel: Panel,
    rules: Rules,
    rate: float,
    iv_history: IvHistory | None,
    book_returns: FloatArray | None,
    given: FloatArray,
) -> Columns:
    names = panel.names
    spot = names["spot"].to_numpy(dtype=np.float64)
    grid = _expiry_grid(panel.chains, len(names))
    implied = implied_columns(panel.chains, grid, spot, ~names["european"].to_numpy(dtype=bool), rules, rate)
    realized = _realized(panel.prices)
    trade = tradable(panel.chains, grid, spot, rules)
    columns: Columns = {"symbol": names["symbol"].to_numpy(dtype=object)}
    columns |= {name: names[name].to_numpy() for name in _CARRIED}
    columns |= with_given(implied.columns, given) | realized | _traded(trade, spot, rules)
    columns |= premiums(columns, _denominator(columns, 30, rules), _denominator(columns, 90, rules), rules)
    columns |= regimes(columns, rules)
    ranks = _history_ranks(columns["iv30"].astype(np.float64), iv_history, panel, rules)
    columns |= ranks.columns
    columns["correlation"] = book_correlation(panel.prices, book_returns)
    columns["missing_reason"] = _missing_reason(panel, columns, implied.quoted)
    columns["flags"] = _flags(panel, columns, trade, ranks, rules)
    return columns


_CARRIED = (
    "name",
    "sector",
    "asset_class",
    "spot",
    "quote_session",
    "earnings_date",
    "earnings_days",
    "liquidity_rating",
    "hv30_provider",
    "hv60_provider",
    "hv90_provider",
    "iv30_provider",
    "beta",
    "corr_spy",
    "provenance",
)


def _expiry_grid(chains: Chains, names: int) -> ExpiryGrid:
    name_of = np.repeat(np.arange(names), np.diff(chains.name_start))
    return ExpiryGrid(name_of, names, chains.expiry_days, chains.expiry_years * YEAR)


# --- realized ----------------------------------------------------------------------------------


def _realized(prices: Prices) -> Columns:
    hv = close_to_close_many(prices.close, HV_WINDOWS)
    columns: Columns = {f"hv{window}": hv[place] for place, window in enumerate(HV_WINDOWS)}
    columns["hv30_yz"] = yang_zhang(prices.open, prices.high, prices.low, prices.close)
    ahead = forecast(prices.close, bars=Bars(prices.open, prices.high, prices.low))
    columns["hv_forecast"], columns["hv_forecast_method"] = ahead.volatility, ahead.method
    columns["hv_rank"], columns["hv_rank_n"] = hv_rank(prices.close)
    return columns


def _denominator(columns: Columns, window: int, rules: Rules) -> FloatArray:
    computed = columns[f"hv{window}"].astype(np.float64)
    provider = columns[f"hv{window}_provider"].astype(np.float64)
    if rules.volatility.hv_source != "provider":
        return computed
    return np.where(np.isfinite(provider), provider, computed)


# --- ranks, trade, reasons -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ranks:
    columns: Columns
    supplier: ObjectArray
    """Who stands behind the percentile: own, series (a provider's year), number (a provider's) or none."""
    imported: BoolArray
    """Whether values that were imported are among the own ones behind it."""


def _history_ranks(iv30: FloatArray, history: IvHistory | None, panel: Panel, rules: Rules) -> _Ranks:
    """Percentile and rank from the own record; where that is short, from a provider's year, or its number."""
    minimum = rules.gates.iv_history_min_days
    nothing = np.full((len(iv30), 0), np.nan)
    own = nothing if history is None else history.iv30
    theirs = nothing if panel.iv_series is None else panel.iv_series
    number = panel.names["iv_percentile_provider"].to_numpy(dtype=np.float64)
    rank_number = panel.names["iv_rank_provider"].to_numpy(dtype=np.float64)
    mine, other = percentile(own, iv30, minimum), percentile(theirs, iv30, minimum)
    use_own, use_series = np.isfinite(mine.value), np.isfinite(other.value)
    choices = [use_own, use_series, np.isfinite(number)]
    ranks = [rank(own, iv30, minimum).value, rank(theirs, iv30, minimum).value, rank_number]
    columns: Columns = {
        "iv_percentile": np.select(choices, [mine.value, other.value, number], np.nan),
        "iv_percentile_n": np.where(use_series & ~use_own, other.observations, mine.observations).astype(
            float
        ),
        "iv_rank": np.select(choices, ranks, np.nan),
    }
    supplier = np.select(choices, ["own", "series", "number"], "").astype(object)
    brought = np.zeros(len(iv30), dtype=np.int64)
    if history is not None and history.imported is not None:
        brought = history.imported
    return _Ranks(columns, supplier, use_own & (brought > 0))


def _traded(trade: Tradable, spot: FloatArray, rules: Rules) -> Columns:
    notional = rules.score.yield_notional_percent / 100.0 * spot
    return {
        "yield": trade.straddle / notional * rules.iv30.target_days / trade.days,
        "slippage": trade.slippage,
        "trade_expiry": trade.expiry,
        "trade_days": trade.days,
        "trade_strike": trade.strike,
        "atm_volume": trade.volume,
        "atm_open_interest": trade.open_interest,
    }


def book_correlation(prices: Prices, book_returns: FloatArray | None) -> FloatArray:
    """Correlation of every name with a book, (names,): Pearson's of the daily log returns.

    Over the common days of the last 252, at least 60; `book_returns` as in `measure`. NaN below, for a name
    without a close of the panel's last session, and for every name without a book.
    """
    if book_returns is None:
        return np.full(len(prices.close), np.nan)
    own = log_returns(prices.close)
    width = min(own.shape[1], len(book_returns), 252)
    own, book = own[:, own.shape[1] - width :], np.broadcast_to(book_returns[-width:], (len(own), width))
    both = np.isfinite(own) & np.isfinite(book)
    n = np.count_nonzero(both, axis=1)
    x, y = np.where(both, own, 0.0), np.where(both, book, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(both, x - (x.sum(axis=1) / n)[:, None], 0.0)
        y = np.where(both, y - (y.sum(axis=1) / n)[:, None], 0.0)
        value = (x * y).sum(axis=1) / np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return np.where((n >= MIN_OVERLAP) & (prices.lag == 0), value, np.nan)


def _missing_reason(panel: Panel, columns: Columns, quoted: IntArray) -> ObjectArray:
    names = panel.names
    error = names["provider_error"].to_numpy(dtype=object)
    expiries = np.diff(panel.chains.name_start)
    iv30, hv20 = (columns[name].astype(np.float64) for name in ("iv30", "hv20"))
    has_iv = np.isfinite(iv30)
    early = pd.notna(names["ruled_out"].to_numpy(dtype=object))
    reasons = {
        EARLY: early,
        "no valid spot": np.isnan(names["spot"].to_numpy(dtype=np.float64)),
        "stale quotes": ~names["fresh"].to_numpy(dtype=bool),
        "no option quotes": (expiries == 0) & ~has_iv,
        "no two-sided quotes": (quoted == 0) & ~has_iv,
        "no expiry around 30 days": np.isnan(iv30),
        "no price history": np.isnan(panel.prices.lag),
        "price history too short": np.isnan(hv20),
    }
    found = np.full(len(names), None, dtype=object)
    for reason, holds in reversed(reasons.items()):
        found[holds] = reason
    # A source's own words come first: they tell what to do about it.
    return np.where(pd.notna(error), error, found)


def _flags(panel: Panel, columns: Columns, trade: Tradable, ranks: _Ranks, rules: Rules) -> ObjectArray:
    names = panel.names
    earnings = columns["earnings_days"].astype(np.float64)
    provider_used = rules.volatility.hv_source == "provider"
    spot = names["spot"].to_numpy(dtype=np.float64)
    dividend_days = names["dividend_days"].to_numpy(dtype=np.float64)
    dividend_share = names["dividend_amount"].to_numpy(dtype=np.float64) / spot
    brought = [set(str(text).split()) if text is not None else set() for text in names["marks"].tolist()]
    marks = {
        "stale_quotes": ~names["fresh"].to_numpy(dtype=bool),
        "quote_time_unknown": pd.isna(names["quote_session"].to_numpy(dtype=object)),
        "nearest_expiry": columns["iv_method"] == "nearest",
        "no_monthly_expiry": ~trade.standard & np.isfinite(trade.days),
        "dividend_before_expiry": (dividend_share > rules.volatility.dividend_flag_percent / 100)
        & (dividend_days >= 0)
        & (dividend_days <= columns["iv_far_days"].astype(np.float64)),
        "earnings_unverified": np.isfinite(earnings) & ~names["earnings_verified"].to_numpy(dtype=bool),
        "hv_differs": _differs(columns, 30, rules) | _differs(columns, 90, rules),
        "hv_computed": provider_used & np.isnan(columns["hv90_provider"].astype(np.float64)),
        "price_history_lags": panel.prices.lag > 0,
        "iv_differs": _iv_differs(columns, rules),
        "iv_percentile_series": ranks.supplier == "series",
        "iv_percentile_provider": ranks.supplier == "number",
        "iv_history_imported": ranks.imported,
        "proxy_iv": names["proxy_iv"].to_numpy(dtype=bool),
        "wide_quotes": columns["iv_error"].astype(np.float64)
        > WIDE_SHARE * columns["iv30"].astype(np.float64),
        **{code: np.array([code in codes for codes in brought], dtype=bool) for code in BROUGHT},
    }
    found = np.empty(len(names), dtype=object)
    found[:] = collect(marks, len(names))
    return found


def _iv_differs(columns: Columns, rules: Rules) -> BoolArray:
    own, theirs = (columns[name].astype(np.float64) for name in ("iv30", "iv30_provider"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(theirs / own - 1) > rules.volatility.iv_difference_flag_percent / 100


def _differs(columns: Columns, window: int, rules: Rules) -> BoolArray:
    own = columns[f"hv{window}"].astype(np.float64)
    provider = columns[f"hv{window}_provider"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(provider / own - 1) > rules.volatility.hv_difference_flag_percent / 100
