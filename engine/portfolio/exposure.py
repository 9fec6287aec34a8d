"""What parts of a book are exposed to: sums over legs, the cost of gamma, and how its names go together.

A part is an index into the book's legs and the quantity meant, signed: all of a leg or the share of it that
belongs to one position. A sum in which any part lacks its value is None, never the sum of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Panel
from engine.portfolio.result import Spread
from engine.portfolio.value.leg_price import leg_values
from engine.portfolio.valued import ValuedBook
from engine.relative.together import YEAR, correlations, session_returns
from engine.rules import Rules

Parts = Sequence[tuple[int, float]]

CALENDAR_DAYS = 365.0
TRADING_DAYS = 252.0
VOL_POINT = 0.01
DEVIATIONS = 2.0
"""A bad day of the size triage: two standard deviations of IV30."""
LEAST_WEIGHT = 0.5
"""A day counts in the book's returns when names of at least this share of its weight have a return."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Sums over parts, units as in engine.portfolio.result.PositionView; None where a part has no value."""

    opened: float | None
    worth: float | None
    pl: float | None
    days: int | None
    theta: float | None
    alpha_theta: float | None
    quality: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    beta_delta: float | None
    beta_gamma: float | None


def exposure_of(valued: ValuedBook, parts: Parts) -> Exposure:
    """Sum the legs' numbers over some parts, size = quantity * multiplier of the leg.

        opened = sum size * open price, worth = sum size * mark, pl = worth - opened
        theta, delta, gamma = sum size * greek;  vega = sum size * vega / 100, money a volatility point
        alpha_theta = sum size * theta * IV30/HV;  quality = alpha_theta / theta, None at a theta of 0
        beta_delta = sum size * delta * beta * S/B;  beta_gamma = sum size * gamma * (beta * S/B)^2

    S is the underlying's price and B the benchmark's. `days` are the calendar days to the nearest expiration
    to come; negative when all have passed.
    Shares pay no theta, and so ask for no IV30/HV. No parts: sums of 0. Source: methodology 7.
    """
    legs, size = _sized(valued, parts)
    benchmark = np.nan if valued.benchmark_spot is None else valued.benchmark_spot
    lever = valued.beta[legs] * valued.spot[legs] / benchmark
    paid = np.array([_number(valued.legs[leg].open_price) for leg in legs], dtype=np.float64)
    theta, delta, gamma = (size * greek[legs] for greek in (valued.theta, valued.delta, valued.gamma))
    opened, worth = _sum(size * paid), _sum(size * valued.mark[legs])
    raw, alpha = _sum(theta), _sum(np.where(theta == 0, 0.0, theta * valued.quality[legs]))
    return Exposure(
        opened=opened,
        worth=worth,
        pl=None if opened is None or worth is None else worth - opened,
        days=_nearest(valued.days[legs]),
        theta=raw,
        alpha_theta=alpha,
        quality=None if not raw or alpha is None else alpha / raw,
        delta=_sum(delta),
        gamma=_sum(gamma),
        vega=_sum(size * valued.vega[legs] * VOL_POINT),
        beta_delta=_sum(delta * lever),
        beta_gamma=_sum(np.where(gamma == 0, 0.0, gamma * lever**2)),
    )


def gamma_cost(valued: ValuedBook, parts: Parts) -> float | None:
    """What being short gamma costs on an average day: 1/2 |gamma| S^2 HV^2 / 365, money a calendar day, >= 0.

    Where less than a day is left and theta is held to the time value, the cost is held to the same part.

    The moves the underlying makes at its realized volatility HV (the lens's structural denominator), against
    which theta is earned: for a delta-hedged option theta is the same with IV in place of HV, so that theta
    is above the cost while IV is above HV. 0 when the parts together are long gamma. None when a gamma or an
    HV that is needed is missing. Source: Hull, theta and gamma of a delta-neutral portfolio.
    """
    legs, size = _sized(valued, parts)
    gamma = size * valued.gamma[legs]
    moved = np.where(gamma == 0, 0.0, gamma * (valued.spot[legs] * valued.hv[legs]) ** 2)
    total = _sum(moved * _held(valued, legs))
    return None if total is None else max(-0.5 * total / CALENDAR_DAYS, 0.0)


def _held(valued: ValuedBook, legs: IntArray) -> FloatArray:
    """Share of the formula's theta, 1/2 gamma S^2 vol^2 / 365, that the last day's theta is; 1 before."""
    formula = 0.5 * valued.gamma[legs] * (valued.spot[legs] * valued.vol[legs]) ** 2 / CALENDAR_DAYS
    last = (valued.years[legs] * CALENDAR_DAYS < 1.0) & (formula > 0)
    return np.where(last, np.clip(-valued.theta[legs] / np.where(last, formula, 1.0), 0.0, 1.0), 1.0)


def two_sigma_loss(valued: ValuedBook, parts: Parts, rules: Rules) -> float | None:
    """The worse of two full revaluations, money, >= 0: every underlying up or down by 2 IV30 / sqrt(252).

    Volatilities and time stay as they are; compared is with the formulas' price before the move, so that a
    stale mark is no loss. None when a leg cannot be revalued or its name has no IV30. Source: methodology 7.
    """
    legs, size = _sized(valued, parts)
    move = DEVIATIONS * valued.iv30[legs] / np.sqrt(TRADING_DAYS)
    spot = valued.spot[legs] * (1.0 + np.multiply.outer([0.0, -1.0, 1.0], move))
    values = leg_values(
        spot,
        valued.strike[legs],
        valued.years[legs],
        valued.rate,
        valued.carry[legs],
        valued.vol[legs],
        valued.is_call[legs],
        valued.american[legs],
        # Early exercise at both ends of the move: at one alone it would be a jump of the formulas.
        deep_delta=0.0,
        steps=rules.iv30.tree_steps,
    )
    values = np.where(valued.is_share[legs], spot, values)
    values[:, ~valued.priced[legs]] = np.nan
    before, down, up = (_sum(size * row) for row in values)
    if before is None or down is None or up is None:
        return None
    return max(before - min(down, up), 0.0)


# --- the book as a whole -----------------------------------------------------------------------


def book_returns(valued: ValuedBook, panel: Panel) -> FloatArray | None:
    """Daily log returns of the book's underlyings, weighted by notional, (sessions - 1,), oldest first.

    A name's weight is the notional of its valued legs, sum |quantity * multiplier| * spot, whichever way they
    face: what the book depends on, not what it gains by. On a day on which names lack a return the others
    stand for them, as long as they hold half of the weight; else NaN. None without any return at all.
    """
    rows, places = _rows(valued)
    if not len(rows):
        return None
    notional = np.abs(valued.size) * valued.spot
    weight = np.bincount(places, weights=notional[_valued(valued)], minlength=len(rows))
    returns = session_returns(panel.prices, rows.tolist())
    known = np.isfinite(returns)
    present = weight @ known
    enough = (present >= LEAST_WEIGHT * weight.sum()) & (present > 0)
    mean = weight @ np.where(known, returns, 0.0) / np.where(enough, present, np.nan)
    return mean if np.isfinite(mean).any() else None


def mean_correlation(valued: ValuedBook, panel: Panel) -> float | None:
    """Mean correlation over all pairs of the book's underlyings, each name once whatever its size.

    Pearson's, of daily log returns over the sessions among the last 252 on which both have one (at least
    200); pairs that have no correlation are left out. None below two names or without any such pair.
    Source: methodology 7.
    """
    rows, _ = _rows(valued)
    if len(rows) < 2:
        return None
    pairs = correlations(session_returns(panel.prices, rows.tolist())[:, -YEAR:])
    each = pairs[np.triu_indices(len(rows), 1)]
    each = each[np.isfinite(each)]
    return float(each.mean()) if len(each) else None


def concentration(mean: float | None, rules: Rules) -> Spread | None:
    """What the rules call a mean correlation: diversified, bound or CONCENTRATED; None while unknown."""
    if mean is None:
        return None
    limits = rules.portfolio
    if mean < limits.diversified_below:
        return "diversified"
    return "bound" if mean < limits.bound_below else "CONCENTRATED"


def largest_position(
    valued: ValuedBook, losses: Mapping[str, float], net_liquidation: float | None
) -> tuple[str | None, float | None]:
    """Underlying with the largest size, and its share of net liquidation (fraction).

    Size is the larger of two sums of money: the delta, |sum size * delta * S| over the name's valued legs,
    which is what is owned or owed in shares today; and what the name loses in its worst scenario (`losses`,
    positive), for a strangle has next to no delta. (None, None) when nothing is valued; the share is None
    without a positive net liquidation.
    """
    sums: dict[str, float] = {}
    for place in np.flatnonzero(_valued(valued) & np.isfinite(valued.delta)):
        money = float(valued.size[place] * valued.delta[place] * valued.spot[place])
        symbol = valued.legs[place].symbol
        sums[symbol] = sums.get(symbol, 0.0) + money
    if not sums:
        return None, None
    sizes = {symbol: max(abs(money), losses.get(symbol, 0.0)) for symbol, money in sums.items()}
    symbol = max(sizes, key=lambda name: sizes[name])
    if net_liquidation is None or net_liquidation <= 0:
        return symbol, None
    return symbol, sizes[symbol] / net_liquidation


def _valued(valued: ValuedBook) -> BoolArray:
    return np.array([status == "valued" for status in valued.status], dtype=bool)


def _rows(valued: ValuedBook) -> tuple[IntArray, IntArray]:
    """Rows of the underlyings of valued legs, each once, and which of them each such leg stands on."""
    rows, places = np.unique(valued.row[_valued(valued)], return_inverse=True)
    return rows, places.reshape(-1)


def _sized(valued: ValuedBook, parts: Parts) -> tuple[IntArray, FloatArray]:
    legs = np.array([place for place, _ in parts], dtype=np.int64)
    size = [quantity * valued.legs[place].multiplier for place, quantity in parts]
    return legs, np.array(size, dtype=np.float64)


def _nearest(days: FloatArray) -> int | None:
    known, coming = days[np.isfinite(days)], days[days >= 0]
    if not len(known):
        return None
    return int(coming.min() if len(coming) else known.max())


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _sum(values: FloatArray) -> float | None:
    total = float(values.sum())
    return total if np.isfinite(total) else None
