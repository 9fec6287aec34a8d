"""American options on the Cox-Ross-Rubinstein tree, thousands of legs at a time.

Every leg is turned into a put in units of its strike: an American call on (S, K, r, q) is the put on
(K, S, q, r), exactly so on this tree. The tree is scaled so that a step costs one addition, one
multiplication and one comparison a node, and three parts of it are never visited because their values
are known without a step: where nothing can be paid any more, where exercise is certain, and legs whose
premium is zero whatever the path. None of this approximates.

Sources: J. Cox, S. Ross and M. Rubinstein, "Option pricing: a simplified approach", 1979; R. McDonald and
M. Schroder, "A parity result for American options", 1998.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
from scipy.special import binom

from engine.arrays import BoolArray, Columns, FloatArray, IntArray

# Legs walked at a time; with 25 steps the four tables of a block take under a megabyte of cache.
_BLOCK = 1024
_MOST_STEPS = 1000
# The scaled values of a leg span exp(+-reach); beyond this the double runs out of exponents.
_LARGEST_LOG = 700.0
# Node numbers come from a logarithm; a node this close to a boundary is treated as on the costlier side.
_TIE = 1e-9


def early_exercise_premium(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    carry_yield: npt.ArrayLike,
    vol: npt.ArrayLike,
    is_call: npt.ArrayLike,
    *,
    steps: int = 25,
) -> FloatArray:
    """American minus European price of one leg, both on the same Cox-Ross-Rubinstein tree.

    The discretisation error is nearly the same in both prices, so that 25 steps give what the single
    prices need hundreds for. Zero, not merely small, where exercise can never pay on the tree (a call
    without carry yield at a rate that is not negative, a put without a rate).

    Parameters
    ----------
    spot, strike : in one currency, > 0
    years : time to expiry in years, > 0
    rate : continuously compounded risk-free rate, fraction a year
    carry_yield : continuous yield q that the forward implies, rate - ln(F/S)/years, fraction a year
    vol : annualised volatility as a fraction, > 0
    is_call : True for a call, False for a put
    steps : steps of the tree, 1..1000

    All but steps broadcast.

    Returns
    -------
    FloatArray
        Premium >= 0 in the currency of spot, of the broadcast shape. NaN when an input is missing or
        not finite, spot, strike, years or vol is not positive, or the risk-neutral probability
        (exp((r - q) dt) - d) / (u - d) is not inside (0, 1), because vol is too small for steps this long,
        or the tree spans more than a double can hold (steps vol sqrt(dt) of several hundred).

    Raises
    ------
    ValueError
        When steps is out of range or the shapes do not broadcast.
    """
    columns = Columns(spot, strike, years, rate, carry_yield, vol, is_call)
    legs = _Puts.of(columns, steps)
    premium = np.where(legs.valid, 0.0, np.nan)
    for index, american, european in _walk(legs, np.flatnonzero(legs.valid & legs.may_exercise), steps):
        # The two prices share their rounding only up to the last digits; the true difference is >= 0.
        premium[index] = np.maximum(american - european, 0.0) * legs.strike[index]
    return premium.reshape(columns.shape)


def american_price(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    carry_yield: npt.ArrayLike,
    vol: npt.ArrayLike,
    is_call: npt.ArrayLike,
    *,
    steps: int = 25,
) -> FloatArray:
    """Price of an American option on the Cox-Ross-Rubinstein tree, in the currency of spot.

    Arguments, shapes, missing values and errors as in `early_exercise_premium`. The price swings around
    its limit with the parity of steps; the European price of `engine.pricing.black` plus the premium
    does so much less.
    """
    columns = Columns(spot, strike, years, rate, carry_yield, vol, is_call)
    legs = _Puts.of(columns, steps)
    price = np.full(columns.size, np.nan)
    for index, american, _ in _walk(legs, np.flatnonzero(legs.valid), steps):
        price[index] = american * legs.strike[index]
    return price.reshape(columns.shape)


@dataclass(frozen=True, slots=True)
class _Puts:
    """Legs as puts in units of their strike; node k of the tree lies at spot u^k, u = exp(width).

    Attributes:
        strike: strike of the put (the spot of a call), the unit of its prices.
        log_spot: ln of the put's spot in that unit.
        width: ln u = vol sqrt(dt).
        odds: ln of the ratio of up to down probability.
        weight: discount factor of a step times sqrt(up * down probability).
        paying: the put pays at node k < paying.
        exercised: exercise may be worth while at node k < exercised, nowhere when -inf.
        certain: exercise is the better choice at node k < certain whenever both nodes that follow it
            are exercised or expire in the money.
        valid: legs the tree can price.
        may_exercise: legs with a node before expiry at which exercise may be worth while.
    """

    strike: FloatArray
    log_spot: FloatArray
    width: FloatArray
    odds: FloatArray
    weight: FloatArray
    paying: FloatArray
    exercised: FloatArray
    certain: FloatArray
    valid: BoolArray
    may_exercise: BoolArray

    @classmethod
    def of(cls, columns: Columns, steps: int) -> "_Puts":
        """From spot, strike, years, rate, carry yield, vol and is_call; calls change sides."""
        if not 1 <= steps <= _MOST_STEPS:
            raise ValueError(f"steps must lie in 1..{_MOST_STEPS}, not {steps}")
        spot, strike, years, rate, carry, vol, is_call = columns.take(np.arange(columns.size))
        calls = is_call.astype(np.bool_)
        # What cannot be priced becomes NaN in the logarithms, roots and ratios below, and invalid with it.
        with np.errstate(all="ignore"):
            step = years / steps
            width = vol * np.sqrt(step)
            earned = np.where(calls, carry, rate) * step
            paid = np.where(calls, rate, carry) * step
            up, down, drift = np.expm1(width), np.expm1(-width), np.expm1(earned - paid)
            chance = (drift - down) / (up - down)
            unit = np.where(calls, spot, strike)
            log_spot = np.log(np.where(calls, strike, spot) / unit)
            paying = -log_spot / width
            exercised, certain = _exercise_limits(earned, paid, log_spot, width)
            exercised = np.minimum(exercised, paying)
            odds = np.log(chance / (1 - chance))
            reach = np.abs(log_spot) + steps * (2 * width + np.abs(odds))
            valid = (spot > 0) & (years > 0) & (vol > 0) & (chance > 0) & (chance < 1)
            return cls(
                strike=unit,
                log_spot=log_spot,
                width=width,
                odds=odds,
                weight=np.exp(-earned) * np.sqrt(chance * (1 - chance)),
                paying=paying,
                exercised=exercised,
                certain=np.minimum(certain, exercised),
                valid=valid & np.isfinite(paying) & (reach < _LARGEST_LOG),
                may_exercise=exercised > 1 - steps,
            )


def _exercise_limits(
    earned: FloatArray, paid: FloatArray, log_spot: FloatArray, width: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Nodes below which exercise of the put may be worth while, and below which it certainly is.

    Waiting one step costs the interest on the strike, R = 1 - exp(-r dt), and saves the yield on the
    spot x, x Q = x (1 - exp(-q dt)); only R > x Q can make exercise the better choice.
    """
    interest, dividends = -np.expm1(-earned), -np.expm1(-paid)
    balance = (np.log(interest / dividends) - log_spot) / width
    exercised = np.where(dividends > 0, balance, np.inf)
    exercised = np.where((interest <= 0) & (dividends >= 0), -np.inf, exercised)
    # Both rates negative: only high nodes pay, those between the balance and the strike.
    exercised = np.where((interest <= 0) & (dividends < 0) & (interest <= dividends), -np.inf, exercised)
    return exercised, np.where(interest > 0, exercised, -np.inf)


def _walk(legs: _Puts, chosen: IntArray, steps: int) -> Iterator[tuple[IntArray, FloatArray, FloatArray]]:
    """Blocks of the chosen legs with their American and European prices in units of the put's strike.

    Legs that pay and are exercised at the same nodes share a block, so that a block skips as much as a leg.
    """
    span = 2 * steps + 3
    pays = np.clip(np.floor(legs.paying[chosen]), -steps - 1, steps + 1)
    exercised = np.clip(np.floor(legs.exercised[chosen]), -steps - 1, steps + 1)
    place = pays * span + exercised
    # A stable sort of 16-bit numbers is a radix sort: five times as fast as one of floats.
    kind = np.int16 if span * span < 2**15 else np.int32
    order = chosen[np.argsort(place.astype(kind), kind="stable")]
    memory = np.empty(5 * (steps + 2) * min(_BLOCK, len(order)))
    for start in range(0, len(order), _BLOCK):
        index = order[start : start + _BLOCK]
        yield index, *_roll_back(legs, index, steps, memory)


def _geometric(table: FloatArray, first: FloatArray, ratio: FloatArray) -> None:
    """Fill the rows of table with first * ratio**row, doubling the filled part."""
    table[0] = first
    filled = 1
    while filled < len(table):
        # Squared when it is needed and not after: one power more could overflow.
        ratio = ratio if filled == 1 else ratio * ratio
        more = min(filled, len(table) - filled)
        np.multiply(table[:more], ratio, out=table[filled : filled + more])
        filled += more


def _roll_back(legs: _Puts, index: IntArray, steps: int, memory: FloatArray) -> tuple[FloatArray, FloatArray]:
    """American and European price of one block.

    With V the value at node k, p the up probability and D the discount factor of a step, the scaled value
    W = V (p / (1 - p))**(k/2) obeys W = D sqrt(p (1 - p)) (W_up + W_down): one weight for both branches, and
    a payoff that depends on the node alone, not on the step.
    """
    weight = legs.weight[index]
    rows = _row_count(legs.paying[index].max() + _TIE, steps)
    if rows == 0:
        nothing = np.zeros(len(index))
        return nothing, nothing
    shape = (5, rows + 1, len(index))
    values, after, payoff, between, scratch = memory[: np.prod(shape)].reshape(shape)
    _payoffs(legs, index, steps, payoff[:rows], between[:rows], scratch[:rows])
    np.maximum(payoff[:rows], 0.0, out=values[:rows])
    values[rows] = after[rows] = 0.0
    shares = binom(steps, np.arange(rows)) * 0.5**steps
    european = np.einsum("j,jl->l", shares, values[:rows]) * (2.0 * weight) ** steps

    limit = legs.exercised[index].max() + _TIE
    unknown = steps + 1 - _row_count(legs.certain[index].min() - _TIE, steps)
    for step in range(steps - 1, -1, -1):
        shift, odd = divmod(steps - step, 2)
        gain = between if odd else payoff
        low, high = max(step - unknown + 1, 0), min(step + 1, rows)
        if low < high:
            part = after[low:high]
            np.add(values[low:high], values[low + 1 : high + 1], out=part)
            part *= weight
            top = min(high, ceil((limit + step) / 2)) if np.isfinite(limit) else low
            if top > low:
                np.maximum(after[low:top], gain[low + shift : top + shift], out=after[low:top])
        if low:
            after[low - 1] = gain[low - 1 + shift]
        values, after = after, values
    return values[0].copy(), european


def _row_count(below: float, steps: int) -> int:
    """How many of the last nodes -steps, -steps + 2, .., steps lie below a limit."""
    if not np.isfinite(below):
        return 0 if below < 0 else steps + 1
    return min(max(ceil((below + steps) / 2), 0), steps + 1)


def _payoffs(
    legs: _Puts, index: IntArray, steps: int, payoff: FloatArray, between: FloatArray, scratch: FloatArray
) -> None:
    """Scaled payoffs at nodes -steps + 2 row, and at the nodes one higher; negative where it pays nothing."""
    tilt = 0.5 * legs.odds[index]
    climb = tilt + legs.width[index]
    up, rise = np.exp(tilt), np.exp(climb)
    _geometric(payoff, np.exp(-steps * tilt), up * up)
    _geometric(scratch, np.exp(legs.log_spot[index] - steps * climb), rise * rise)
    np.multiply(payoff, up, out=between)
    payoff -= scratch
    scratch *= rise
    between -= scratch
