"""From a Snapshot's tables to a Panel's columns: sorted, paired, aligned on the exchange calendar."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.market.sessions import DayArray, is_monthly, sessions_before, sessions_of, years_to_settlement
from engine.market.snapshot import Snapshot
from engine.panel import Chains, Panel, Prices

HISTORY_SESSIONS = 600
"""Two years and a half: enough for HV252, a year of HV20 values and the forecast's fit."""
_STRIKE_BITS, _DAY_BITS = 31, 14
_MAX_STRIKE = (1 << _STRIKE_BITS) / 1000.0


def panel_of(snapshot: Snapshot, benchmark: str) -> Panel:
    """Turn a market into columns, a row a name in the order of `underlyings`.

    Repeated underlyings keep their last line, repeated quotes and days too. Expired, adjusted and
    unreadable quotes are left out and counted in `dropped`; prices after the run are never looked at
    (an open run ends with the previous session's close).
    """
    underlyings = snapshot.underlyings.drop_duplicates("symbol", keep="last").reset_index(drop=True)
    dropped: Counter[str] = Counter()
    repeated = len(snapshot.underlyings) - len(underlyings)
    if repeated:
        dropped["repeated underlying"] += repeated
    names = _names(snapshot, underlyings)
    symbols = underlyings["symbol"].to_numpy(dtype=object)
    grid = _grid(snapshot)
    prices = _prices(snapshot.history, symbols, grid, dropped)
    benchmark_close = _benchmark_close(snapshot, benchmark, grid)
    return Panel(
        asof=snapshot.asof,
        session=snapshot.session,
        kind=snapshot.kind,
        source=snapshot.source,
        rate=snapshot.rate,
        names=names,
        chains=_chains(snapshot, symbols, dropped),
        prices=prices,
        benchmark=_has_benchmark(snapshot, benchmark, grid),
        dropped=dict(dropped),
        benchmark_close=benchmark_close,
        benchmark_spot=_benchmark_spot(snapshot, benchmark, benchmark_close),
        iv_series=_iv_series(snapshot, symbols),
        notes=snapshot.notes,
        next_try=snapshot.next_try,
    )


def _names(snapshot: Snapshot, underlyings: pd.DataFrame) -> pd.DataFrame:
    def numbers(column: str) -> FloatArray:
        if column not in underlyings:
            return np.full(len(underlyings), np.nan)
        return underlyings[column].to_numpy(dtype=np.float64)

    def texts(column: str) -> npt.NDArray[np.object_]:
        if column not in underlyings:
            return np.full(len(underlyings), None, dtype=object)
        values = underlyings[column].to_numpy(dtype=object)
        return _blanked(values, pd.isna(values))

    quoted = _quote_sessions(underlyings["quote_time"])
    session = np.datetime64(snapshot.session)
    earnings = _days_from(session, texts("earnings_date"))
    asset_class = texts("asset_class")
    verified = np.array([str(text).lower() in ("true", "1", "yes") for text in texts("earnings_verified")])
    return pd.DataFrame(
        {
            "symbol": texts("symbol"),
            "name": texts("name"),
            "sector": texts("sector"),
            "asset_class": asset_class,
            "spot": _positive(numbers("spot")),
            "fresh": np.isnat(quoted) | (quoted == session),
            "quote_session": _blanked(quoted.astype("U10").astype(object), np.isnat(quoted)),
            "earnings_days": earnings,
            "earnings_date": _blanked(texts("earnings_date"), np.isnan(earnings)),
            "earnings_verified": verified,
            "liquidity_rating": numbers("liquidity_rating"),
            "iv_percentile_provider": numbers("iv_percentile"),
            "iv_rank_provider": numbers("iv_rank"),
            "iv30_provider": _positive(numbers("iv30_provider")),
            "iv_given": _positive(numbers("iv_given")),
            "iv_proxy": texts("iv_proxy"),
            "hv30_provider": numbers("hv30_provider"),
            "hv60_provider": numbers("hv60_provider"),
            "hv90_provider": numbers("hv90_provider"),
            "beta": numbers("beta"),
            "corr_spy": numbers("corr_spy"),
            "dividend_days": _days_from(session, texts("dividend_date")),
            "dividend_amount": numbers("dividend_amount"),
            "european": asset_class == "index",
            "proxy_iv": (asset_class == "future") | pd.notna(texts("iv_proxy")) | (numbers("iv_given") > 0),
            "provider_error": texts("error"),
            "provenance": texts("provenance"),
            "marks": texts("marks"),
            "ruled_out": texts("ruled_out"),
        }
    )


def _blanked(values: npt.NDArray[np.object_], missing: BoolArray) -> npt.NDArray[np.object_]:
    blanked = values.copy()
    blanked[missing] = None
    return blanked


def _positive(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _quote_sessions(times: pd.Series[Any]) -> DayArray:
    instants = pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601")
    return sessions_of(pd.DatetimeIndex(instants))


def _days_from(session: np.datetime64, texts: npt.NDArray[np.object_]) -> FloatArray:
    days = pd.to_datetime(pd.Series(texts, dtype="str"), errors="coerce", format="%Y-%m-%d")
    apart = (days.to_numpy().astype("datetime64[D]") - session).astype("timedelta64[D]")
    return np.where(np.isnat(apart), np.nan, apart.astype(np.float64))


# --- prices ------------------------------------------------------------------------------------


def _grid(snapshot: Snapshot) -> DayArray:
    grid = sessions_before(snapshot.session, HISTORY_SESSIONS + 1)
    closed = snapshot.kind == "close" or grid[-1] != np.datetime64(snapshot.session)
    grid = grid if closed else grid[:-1]
    first = snapshot.history["date"].min()
    return grid if pd.isna(first) else grid[grid >= np.datetime64(first, "D")]


def _prices(
    history: pd.DataFrame, symbols: npt.NDArray[np.object_], grid: DayArray, dropped: Counter[str]
) -> Prices:
    codes = _codes(history["symbol"], symbols)
    days = history["date"].to_numpy().astype("datetime64[D]")
    place = np.searchsorted(grid, days)
    traded = (
        (place < len(grid)) & (grid[np.minimum(place, len(grid) - 1)] == days) if len(grid) else days != days
    )
    inside = (days >= grid[0]) & (days <= grid[-1]) if len(grid) else traded
    no_session = int(np.count_nonzero(inside & ~traded & (codes >= 0)))
    if no_session:
        dropped["price on a day without a session"] += no_session
    keep = traded & (codes >= 0)
    rows, columns = codes[keep], place[keep]
    close = _scatter(history["close"].to_numpy()[keep], rows, columns, len(symbols), len(grid))
    valid = np.isfinite(close) & (close > 0)
    last = (
        np.where(valid.any(axis=1), len(grid) - 1 - np.argmax(valid[:, ::-1], axis=1), -1)
        if len(grid)
        else (np.full(len(symbols), -1))
    )
    lag = np.where(last >= 0, len(grid) - 1 - last, np.nan)
    shifted = {
        column: _right_aligned(
            _scatter(history[column].to_numpy()[keep], rows, columns, len(symbols), len(grid)), lag
        )
        for column in ("open", "high", "low")
    }
    return Prices(close=_right_aligned(np.where(valid, close, np.nan), lag), lag=lag, **shifted)


def _scatter(values: FloatArray, rows: IntArray, columns: IntArray, names: int, width: int) -> FloatArray:
    matrix = np.full((names, width), np.nan)
    matrix[rows, columns] = values
    return matrix


def _right_aligned(matrix: FloatArray, lag: FloatArray) -> FloatArray:
    for row in np.flatnonzero(lag > 0):
        late = int(lag[row])
        matrix[row, late:] = matrix[row, :-late].copy()
        matrix[row, :late] = np.nan
    return matrix


IV_SESSIONS = 252
"""A year of a source's own implied volatility."""


def _iv_series(snapshot: Snapshot, symbols: npt.NDArray[np.object_]) -> FloatArray | None:
    series = snapshot.iv_series
    if series is None or series.empty:
        return None
    grid = sessions_before(snapshot.session, IV_SESSIONS + 1)[:-1]
    codes = _codes(series["symbol"], symbols)
    days = series["date"].to_numpy().astype("datetime64[D]")
    place = np.minimum(np.searchsorted(grid, days), len(grid) - 1)
    values = series["iv30"].to_numpy(dtype=np.float64)
    keep = (codes >= 0) & (grid[place] == days) & np.isfinite(values) & (values > 0)
    return _scatter(values[keep], codes[keep], place[keep], len(symbols), len(grid))


def _has_benchmark(snapshot: Snapshot, benchmark: str, grid: DayArray) -> bool:
    line = snapshot.underlyings[snapshot.underlyings["symbol"] == benchmark]
    spot = line["spot"].to_numpy(dtype=np.float64)
    if np.any(np.isfinite(spot) & (spot > 0)):
        return True
    closes = snapshot.history[snapshot.history["symbol"] == benchmark]
    recent = (
        closes["date"].to_numpy().astype("datetime64[D]") >= grid[-2:].min()
        if len(grid)
        else closes["close"] < 0
    )
    return bool(np.any((closes["close"].to_numpy() > 0) & np.asarray(recent)))


def _benchmark_close(snapshot: Snapshot, benchmark: str, grid: DayArray) -> FloatArray | None:
    prices = _prices(snapshot.history, np.array([benchmark], dtype=object), grid, Counter())
    return prices.session_closes([0])[0] if np.isfinite(prices.lag[0]) else None


def _benchmark_spot(snapshot: Snapshot, benchmark: str, closes: FloatArray | None) -> float | None:
    line = snapshot.underlyings[snapshot.underlyings["symbol"] == benchmark]
    for spot in line["spot"].to_numpy(dtype=np.float64)[::-1]:
        if np.isfinite(spot) and spot > 0:
            return float(spot)
    known = closes[np.isfinite(closes)] if closes is not None else np.zeros(0)
    return float(known[-1]) if len(known) else None


def _codes(symbols: pd.Series[Any], wanted: npt.NDArray[np.object_]) -> IntArray:
    """Row number of each symbol in `wanted`, -1 when it is not there."""
    as_category = symbols.astype("category")
    place = pd.Index(wanted).get_indexer(pd.Index(as_category.cat.categories.astype(object)))
    codes = as_category.cat.codes.to_numpy()
    found = np.append(place, -1)[codes]
    return np.asarray(found, dtype=np.int64)


# --- quotes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Quote rows that can be used at all, sorted by name, expiry, strike and right, none repeated."""

    key: IntArray
    """name | expiry | strike: equal for the call and the put of one strike."""
    is_call: BoolArray
    rows: IntArray


def _chains(snapshot: Snapshot, symbols: npt.NDArray[np.object_], dropped: Counter[str]) -> Chains:
    quotes = snapshot.quotes
    session = np.datetime64(snapshot.session)
    order = _sorted_rows(quotes, symbols, session, dropped)
    starts = np.flatnonzero(np.diff(order.key, prepend=-1))
    strike_of = np.cumsum(np.diff(order.key, prepend=-1) != 0) - 1
    sides = {
        f"{side}_{column}": _side(quotes[column].to_numpy(), order, strike_of, len(starts), side == "call")
        for side in ("call", "put")
        for column in ("bid", "ask", "volume", "open_interest")
    }
    expiry_key = order.key[starts] >> _STRIKE_BITS
    expiry_first = np.flatnonzero(np.diff(expiry_key, prepend=-1))
    expiry_of_name = expiry_key[expiry_first] >> _DAY_BITS
    days = (expiry_key[expiry_first] & ((1 << _DAY_BITS) - 1)).astype(np.float64)
    dates = session + days.astype("timedelta64[D]")
    return Chains(
        name_start=np.searchsorted(expiry_of_name, np.arange(len(symbols) + 1)),
        expiry_date=dates,
        expiry_days=days,
        expiry_years=years_to_settlement(snapshot.asof, dates),
        monthly=is_monthly(dates),
        expiry_start=np.append(expiry_first, len(starts)),
        strike=quotes["strike"].to_numpy()[order.rows[starts]],
        **sides,
    )


def _side(values: FloatArray, order: _Sorted, strike_of: IntArray, strikes: int, call: bool) -> FloatArray:
    column = np.full(strikes, np.nan)
    chosen = order.is_call == call
    column[strike_of[chosen]] = values[order.rows[chosen]]
    column[np.isinf(column)] = np.nan
    return column


def _sorted_rows(
    quotes: pd.DataFrame, symbols: npt.NDArray[np.object_], session: np.datetime64, dropped: Counter[str]
) -> _Sorted:
    names = _codes(quotes["symbol"], symbols)
    days = (quotes["expiration"].to_numpy().astype("datetime64[D]") - session).astype(np.int64)
    strikes = quotes["strike"].to_numpy()
    right = (
        quotes["right"].astype("str").str.upper() if quotes["right"].dtype != "category" else quotes["right"]
    )
    is_call, is_put = (right == "C").to_numpy(), (right == "P").to_numpy()
    reasons = {
        "quote of an unlisted name": names < 0,
        "expired quote": days < 0,
        "unreadable quote": ~((strikes > 0) & (strikes < _MAX_STRIKE))
        | ~(is_call | is_put)
        | (days >= 1 << _DAY_BITS),
        "adjusted contract": _adjusted(quotes),
    }
    keep = np.ones(len(quotes), dtype=bool)
    for reason, bad in reasons.items():
        count = int(np.count_nonzero(bad & keep))
        if count:
            dropped[reason] += count
        keep &= ~bad
    rows = np.flatnonzero(keep)
    key = (names[rows] << _DAY_BITS | days[rows]) << _STRIKE_BITS | np.rint(strikes[rows] * 1000).astype(
        np.int64
    )
    return _without_repeats(key, is_call[rows], rows, dropped)


def _without_repeats(key: IntArray, is_call: BoolArray, rows: IntArray, dropped: Counter[str]) -> _Sorted:
    full = key * 2 + is_call
    order = np.argsort(full, kind="stable")
    full = full[order]
    last = np.append(full[1:] != full[:-1], True) if len(full) else np.zeros(0, dtype=bool)
    repeated = len(full) - int(np.count_nonzero(last))
    if repeated:
        dropped["repeated quote"] += repeated
    chosen = order[last]
    return _Sorted(key=key[chosen], is_call=is_call[chosen], rows=rows[chosen])


def _adjusted(quotes: pd.DataFrame) -> BoolArray:
    """Contracts whose OCC root ends in a digit deliver something else than 100 plain shares."""
    if "contract" not in quotes:
        return np.zeros(len(quotes), dtype=bool)
    # A plain loop lets other threads in between; one long pandas call would hold the bot's event loop.
    contracts = quotes["contract"].tolist()
    return np.array([isinstance(each, str) and _root(each)[-1:].isdigit() for each in contracts], dtype=bool)


def _root(contract: str) -> str:
    """The OCC symbol without its date, right and strike (six, one and eight signs)."""
    return contract[:-15].rstrip()
