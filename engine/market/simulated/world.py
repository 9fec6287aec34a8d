"""The simulated world: regimes, factor returns, daily bars, and the true volatilities behind them.

A name's daily log return is beta * market + sector loading * its sector + its own shock. The variance of
each of these factors follows a Markov chain over three regimes that stays put with a probability p and
is otherwise drawn anew from the long-run shares. Its expectation k sessions ahead is therefore known:

    E[v(t+k)] = m + p^k (v(t) - m),    m = long-run mean of the chain,

and with it the fair implied variance of every expiration. What the market asks is this times a premium
that wanders about its mean (an AR(1) in logs), plus the variance of the reports that lie in between.

Source: Hamilton (1989) for the regimes; the model is a test bed and claims to forecast nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import ndtr

from engine.arrays import FloatArray, IntArray
from engine.market.sessions import DayArray, sessions_between
from engine.market.simulated.draws import generator
from engine.market.simulated.events import (
    YEARS_AHEAD,
    dividend_days,
    report_days,
    reports_within,
    stacked,
)
from engine.market.simulated.names import Quoting, Traits, quoting_of, traits_of
from engine.rules import Listing

EPOCH = date(2021, 1, 4)
"""First session of every simulated path; later sessions only ever add to it."""
REFERENCE = date(2025, 12, 31)
LEVEL_JITTER = 0.03
"""Session whose closes stand near the levels of the traits table, and how near (a deviation of the log)."""
SESSIONS_A_YEAR = 252.0
MARKET_VOLATILITY = 0.16
REGIME_SHARES = np.array([0.50, 0.35, 0.15])
"""Long-run shares of the calm, normal and stressed regime."""
REGIME_VARIANCES = np.array([0.55, 1.0, 2.5])
"""Variance in each regime relative to the long-run mean, which these make 1."""
MARKET_STAYS, SECTOR_STAYS, OWN_STAYS = 1 - 1 / 60, 1 - 1 / 70, 1 - 1 / 55
OVERNIGHT = 0.2
"""Share of a day's variance that happens before the open."""
REPORT_MOVE = 0.15
"""Standard deviation of the move on a report, in annual volatilities of the name."""
REPORT_PREMIUM = 1.2
"""How much more than this move the options ask for it."""
PREMIUM_MEAN = 0.08
"""Long-run mean of log(implied / expected volatility)."""
PREMIUM_STAYS = 0.97
PREMIUM_COMMON, PREMIUM_OWN, PREMIUM_NAME = 0.05, 0.07, 0.04
"""Deviations of that log: of the part all names share, of a name's own part, of the names' means."""
SHARES = {1: 3e7, 2: 6e6, 3: 1.5e6}
"""Shares traded on a usual day, by tier."""
RISK_REWARD = 0.06
"""Yearly drift of the market."""
_SWITCH, _REGIME, _OWN, _NIGHT, _HIGH, _LOW, _PREMIUM, _VOLUME, _REPORT = range(9)


@dataclass(frozen=True, slots=True)
class Factors:
    """Annual long-run variance each name draws from market, sector and itself, and their regimes.

    market (sessions, 1), sector (sessions, names) and own (sessions, names) are the variances relative
    to the long-run mean; `weights` (3, names) scale them to annual variance.
    """

    market: FloatArray
    sector: FloatArray
    own: FloatArray
    weights: FloatArray

    def annual_variance(self) -> FloatArray:
        """True diffusive variance of each session's return, annualised, (sessions, names)."""
        parts = zip(self.weights, (self.market, self.sector, self.own), strict=True)
        return np.asarray(sum(weight * level for weight, level in parts))

    def expected_variance(self, at: int, ahead: FloatArray) -> FloatArray:
        """Mean annual variance of the next `ahead` sessions (not whole ones too), (names, ahead).

        m + (v - m) * p (1 - p^h) / (h (1 - p)) for each factor, v being its variance at session `at`.
        """
        total = np.zeros((self.weights.shape[1], len(ahead)))
        levels = (self.market, self.sector, self.own)
        for weight, level, stays in zip(
            self.weights, levels, (MARKET_STAYS, SECTOR_STAYS, OWN_STAYS), strict=True
        ):
            kept = stays * (1 - stays**ahead) / (ahead * (1 - stays))
            total += weight[:, None] * (1 + (level[at][:, None] - 1) * kept)
        return total


@dataclass(frozen=True, slots=True)
class Bars:
    """Daily prices (sessions, names), rounded to cents, and traded shares."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is drawn once for a seed; chains are made from it session by session."""

    seed: int
    listings: tuple[Listing, ...]
    traits: tuple[Traits, ...]
    quoting: Quoting
    sessions: DayArray
    factors: Factors
    premium: FloatArray
    """log(implied / expected volatility), (sessions, names)."""
    bars: Bars
    report_variance: FloatArray
    """Variance of the move on one report, (names,)."""
    reports: DayArray
    dividends: DayArray
    """Days of the reports and ex-dividend days, (names, n), filled up with FAR_FUTURE."""
    dividend_amount: FloatArray
    """Cash of one dividend, (names,)."""

    def implied_variance(self, at: int, expirations: DayArray, years: FloatArray) -> FloatArray:
        """Total variance sigma^2 T the market asks at the forward, (names, expirations).

        The dividends' drop is taken as made good the same day, so that the path is its own adjusted one.
        """
        session = self.sessions[at].astype(date)
        diffusive = self.factors.expected_variance(at, years * SESSIONS_A_YEAR) * years
        jumps = reports_within(self.reports, session, expirations) * self.report_variance[:, None]
        asked: FloatArray = np.exp(2 * self.premium[at])[:, None] * diffusive + REPORT_PREMIUM**2 * jumps
        return asked

    def expected_realized(self, at: int, ahead: int) -> FloatArray:
        """Root of the expected mean annual variance of the next `ahead` sessions, reports included."""
        diffusive = self.factors.expected_variance(at, np.array([float(ahead)]))[:, 0]
        last = self.sessions[at] + np.timedelta64(round(ahead * 365 / SESSIONS_A_YEAR), "D")
        jumps = reports_within(self.reports, self.sessions[at].astype(date), np.array([last]))[:, 0]
        return np.sqrt(diffusive + jumps * self.report_variance * SESSIONS_A_YEAR / ahead)


def build_world(listings: Sequence[Listing], seed: int, last: date) -> World:
    """Draw every path from EPOCH to `last` (REFERENCE at the least, because levels are tied to it).

    Draws are rows of seeded streams, a session each: a later `last` adds rows and changes none.
    """
    horizon = max(last, REFERENCE)
    calendar = sessions_between(EPOCH, date(horizon.year + YEARS_AHEAD, 12, 31))
    sessions = calendar[calendar <= np.datetime64(horizon)]
    traits = tuple(traits_of(listing, seed) for listing in listings)
    reports = stacked([report_days(*pair, seed, calendar) for pair in zip(listings, traits, strict=True)])
    dividends = stacked([dividend_days(*pair, seed, calendar) for pair in zip(listings, traits, strict=True)])
    draws = np.stack(
        [generator(seed, listing.symbol).standard_normal((len(sessions), 9)) for listing in listings], axis=2
    )
    market = generator(seed, "the market").standard_normal((len(sessions), 4))
    factors, shocks = _factors(listings, traits, seed, market, draws)
    report_variance = (REPORT_MOVE * np.array([trait.volatility for trait in traits])) ** 2
    surprise = _surprises(reports, sessions, report_variance) * draws[:, _REPORT]
    price = np.array([trait.price for trait in traits])
    return World(
        seed=seed,
        listings=tuple(listings),
        traits=traits,
        quoting=quoting_of(listings, traits, seed),
        sessions=sessions,
        factors=factors,
        premium=_premium(listings, market[:, 3], draws[:, _PREMIUM], seed),
        bars=_bars(factors.annual_variance() / SESSIONS_A_YEAR, shocks, surprise, traits, sessions, draws),
        report_variance=report_variance,
        reports=reports,
        dividends=dividends,
        dividend_amount=np.round(price * np.array([trait.dividend for trait in traits]) / 4, 2),
    )


def _regimes(switch: FloatArray, pick: FloatArray, stays: float) -> FloatArray:
    """Relative variance of each session from two uniforms a session; axis 0 is time."""
    fresh = switch >= stays
    fresh[0] = True
    place = np.arange(len(switch)).reshape(-1, *[1] * (switch.ndim - 1))
    latest = np.maximum.accumulate(np.where(fresh, place, 0), axis=0)
    state = np.searchsorted(np.cumsum(REGIME_SHARES)[:-1], pick, side="right")
    return REGIME_VARIANCES[np.take_along_axis(state, latest, axis=0)]


def _factors(
    listings: Sequence[Listing],
    traits: Sequence[Traits],
    seed: int,
    market: FloatArray,
    draws: FloatArray,
) -> tuple[Factors, FloatArray]:
    """The factors' variances and the names' diffusive log returns without drift."""
    sectors = sorted({listing.sector for listing in listings})
    sector_of = np.array([sectors.index(listing.sector) for listing in listings], dtype=np.int64)
    streams = np.stack(
        [generator(seed, "sector", name).standard_normal((len(market), 3)) for name in sectors], axis=2
    )
    weights, sign = _weights(traits)
    factors = Factors(
        market=_regimes(ndtr(market[:, 0]), ndtr(market[:, 1]), MARKET_STAYS)[:, None],
        sector=_regimes(ndtr(streams[:, 0]), ndtr(streams[:, 1]), SECTOR_STAYS)[:, sector_of],
        own=_regimes(ndtr(draws[:, _SWITCH]), ndtr(draws[:, _REGIME]), OWN_STAYS),
        weights=weights,
    )
    daily = weights / SESSIONS_A_YEAR
    shocks = (
        sign * np.sqrt(daily[0] * factors.market) * market[:, 2:3]
        + np.sqrt(daily[1] * factors.sector) * streams[:, 2][:, sector_of]
        + np.sqrt(daily[2] * factors.own) * draws[:, _OWN]
    )
    return factors, shocks


def _weights(traits: Sequence[Traits]) -> tuple[FloatArray, FloatArray]:
    """Annual variance from market, sector and the name itself, (3, names), and the sign of beta."""
    total = np.array([trait.volatility**2 for trait in traits])
    beta = np.array([trait.beta for trait in traits])
    own = total * np.array([trait.own for trait in traits])
    market = (beta * MARKET_VOLATILITY) ** 2
    return np.stack([market, np.maximum(total - market - own, 0.0), own]), np.sign(beta)


def _surprises(reports: DayArray, sessions: DayArray, variance: FloatArray) -> FloatArray:
    """Deviation of the overnight jump, (sessions, names): the session after a report, 0 elsewhere."""
    after: IntArray = np.searchsorted(sessions, reports, side="right")
    jumps = np.zeros((len(sessions), len(reports)))
    name, event = np.nonzero(after < len(sessions))
    jumps[after[name, event], name] = np.sqrt(variance)[name]
    return jumps


def _bars(
    variance: FloatArray,
    shocks: FloatArray,
    surprise: FloatArray,
    traits: Sequence[Traits],
    sessions: DayArray,
    draws: FloatArray,
) -> Bars:
    """Open, high, low and close of Brownian days: exact law of each, given the day's return.

    The open is a bridge at OVERNIGHT of the variance; the high above the open of a path that ends d
    higher is (d + sqrt(d^2 - 2 s^2 ln U)) / 2, the low its mirror image.
    """
    beta = np.array([trait.beta for trait in traits])
    moves = shocks + beta * RISK_REWARD / SESSIONS_A_YEAR - variance / 2
    night = OVERNIGHT * moves + np.sqrt(OVERNIGHT * (1 - OVERNIGHT) * variance) * draws[:, _NIGHT]
    level = np.cumsum(moves + surprise, axis=0)
    reference = np.searchsorted(sessions, np.datetime64(REFERENCE))
    level += np.log([trait.price for trait in traits]) + LEVEL_JITTER * draws[0, _NIGHT] - level[reference]
    close = np.exp(level)
    opening = close * np.exp(night - moves)
    span = moves - night
    spread = 2 * (1 - OVERNIGHT) * variance
    up, down = (
        (np.sqrt(span**2 - spread * np.log(ndtr(draws[:, column]))) + way * span) / 2
        for column, way in ((_HIGH, 1), (_LOW, -1))
    )
    shares = np.array([SHARES[trait.tier] for trait in traits])
    traded = shares * np.exp(0.35 * draws[:, _VOLUME] + 8 * np.abs(shocks))
    opening, high, low, close = (
        np.round(bar, 2) for bar in (opening, opening * np.exp(up), opening * np.exp(-down), close)
    )
    return Bars(open=opening, high=high, low=low, close=close, volume=np.round(traded))


def _premium(listings: Sequence[Listing], common: FloatArray, own: FloatArray, seed: int) -> FloatArray:
    shocks = PREMIUM_COMMON * common[:, None] + PREMIUM_OWN * own
    wander = np.empty_like(shocks)
    wander[0] = shocks[0]
    fresh = np.sqrt(1 - PREMIUM_STAYS**2)
    for session in range(1, len(shocks)):
        wander[session] = PREMIUM_STAYS * wander[session - 1] + fresh * shocks[session]
    means = [generator(seed, listing.symbol, "premium").standard_normal() for listing in listings]
    return PREMIUM_MEAN + PREMIUM_NAME * np.array(means) + wander
