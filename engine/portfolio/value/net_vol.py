"""Implied volatility of American quotes: the one at which formula and early-exercise premium give the mid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.portfolio.value.leg_price import leg_values
from engine.pricing import implied_volatility

_ROUNDS = 12
# Share of the strike by which the price found may miss the quote: 0.0001 on a strike of 100.
_SETTLED = 1e-6


@dataclass(frozen=True, slots=True)
class Options:
    """What an option's price follows from besides its volatility, arrays of one shape (n,).

    spot, forward, strike in one currency; years ACT/365 to settlement; rate continuously compounded,
    fraction a year; american: may be exercised early.
    """

    spot: FloatArray
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    rate: float
    is_call: BoolArray
    american: BoolArray

    @property
    def carry(self) -> FloatArray:
        """The yield q the forward implies, rate - ln(F/S)/years, fraction a year."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.rate - np.log(self.forward / self.spot) / self.years

    @property
    def discount(self) -> FloatArray:
        """Discount factor to settlement."""
        return np.exp(-self.rate * self.years)

    @property
    def intrinsic(self) -> FloatArray:
        """What exercise at once brings, >= 0."""
        return np.maximum(np.where(self.is_call, 1.0, -1.0) * (self.spot - self.strike), 0.0)

    @property
    def least(self) -> FloatArray:
        """What it is worth without any volatility: exercise at once, or on the forward when European."""
        ahead = np.where(self.is_call, 1.0, -1.0) * (self.forward - self.strike) * self.discount
        return np.where(self.american, self.intrinsic, np.maximum(ahead, 0.0))

    def take(self, index: IntArray | BoolArray) -> Options:
        """The chosen ones."""
        return Options(
            self.spot[index],
            self.forward[index],
            self.strike[index],
            self.years[index],
            self.rate,
            self.is_call[index],
            self.american[index],
        )

    def values(self, vol: FloatArray, steps: int) -> FloatArray:
        """Prices at `vol`, early exercise in them wherever it counts (engine.portfolio.value.leg_price)."""
        legs = (self.spot, self.strike, self.years, self.rate, self.carry, vol, self.is_call, self.american)
        return leg_values(*legs, deep_delta=0.0, steps=steps)


def net_volatility(value: FloatArray, options: Options, *, steps: int) -> FloatArray:
    """Volatility v with Black(v) + premium(v) = value, the premium that of early exercise on the tree.

    For European options the implied volatility itself. The search runs by secants from above: the European
    volatility of the whole price is too high, and the price is convex where the premium counts.

    Returns annualised fractions, shape (n,); NaN where an input is missing, the price is not above what
    exercise brings at once (American) or outside the bounds of Black (1976), or no volatility gives it.
    Source: methodology 2; Cox, Ross and Rubinstein (1979).
    """
    vol = _european(value, options)
    vol[options.american & ~(value > options.intrinsic)] = np.nan
    tree = np.flatnonzero(options.american & np.isfinite(vol))
    if len(tree):
        vol[tree] = _searched(value[tree], options.take(tree), vol[tree], steps)
    return vol


def _european(value: FloatArray, options: Options) -> FloatArray:
    discount = options.discount
    return implied_volatility(
        value, options.forward, options.strike, options.years, discount, options.is_call
    ).vol


def _searched(value: FloatArray, options: Options, high: FloatArray, steps: int) -> FloatArray:
    """Secants from the European volatilities down."""
    tolerance = _SETTLED * options.strike
    last, last_excess = high, options.values(high, steps) - value
    vol = _european(value - last_excess, options)
    vol = np.where(np.isfinite(vol), vol, 0.9 * high)
    excess = options.values(vol, steps) - value
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_ROUNDS):
            off = np.flatnonzero(np.abs(excess) > tolerance)
            if not len(off):
                break
            step = excess[off] * (vol[off] - last[off]) / (excess[off] - last_excess[off])
            # Never further than half of where it stands: the next volatility stays positive.
            step = np.clip(np.where(np.isfinite(step), step, 0.0), -0.5 * vol[off], 0.5 * vol[off])
            last[off], last_excess[off] = vol[off], excess[off]
            vol[off] -= step
            excess[off] = options.take(off).values(vol[off], steps) - value[off]
    return np.where(np.abs(excess) <= tolerance, vol, np.nan)
