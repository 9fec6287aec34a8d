"""Simulated option chains: which contracts are listed, and what each is worth in the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.market.sessions import DayArray, years_to_settlement
from engine.market.simulated.events import Board
from engine.market.simulated.world import World
from engine.panel import Kind
from engine.pricing.american import early_exercise_premium
from engine.pricing.black import price

RATE = 0.04
"""Continuously compounded, a year; the Snapshot carries it."""
OFFSETS = np.array([-25, -20, -16, -13, -11, *range(-9, 10), 11, 13, 16, 20, 25])
"""Listed strikes, in steps from the one nearest the forward: dense in the middle, sparse in the wings."""
LEAN_BOTH = 2
"""Steps within which a lean chain has call and put, besides the strike nearest spot."""
LEAN_WINGS = (3, 5, 8, 11, 16)
"""Steps beyond, where a lean chain has the side that is out of the money."""
INCREMENTS = np.array([0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0])
STEPS_A_DEVIATION = 4.0
"""Fewest strikes within one standard deviation, where the exchange's smallest increment allows it."""
CURVATURE = 0.012
"""Rise of the smile per squared deviation, as a share of the volatility at the money."""
FARTHEST = 6.0
"""Deviations beyond which the smile is flat."""
EXERCISE_REACH = 1.0
"""Deviations out of the money beyond which an early exercise is worth less than a tick."""
TREE_STEPS = 25


@dataclass(frozen=True, slots=True)
class Request:
    """Which chains to make: session number, names (places in the listings) with their spots, and how.

    Lean chains are for the past: of the very same contracts, those a measurement looks at.
    """

    at: int
    names: IntArray
    spot: FloatArray
    asof: datetime
    kind: Kind
    lean: bool


@dataclass(frozen=True, slots=True)
class Legs:
    """One contract a row, ordered by name, expiration, strike, call before put.

    name          place in the world's listings
    slot          (expiration, strike, right) as one number: the contract's own place in the noise
    steps         strikes away from the one nearest the forward
    deviations    ln(K / F) / (sigma sqrt T)
    nearest       whether the strike is the one nearest spot
    value         model price with the right of early exercise
    at_the_money  model price of an option at the forward
    """

    name: IntArray
    slot: IntArray
    expiration: DayArray
    years: FloatArray
    strike: FloatArray
    is_call: BoolArray
    deviations: FloatArray
    nearest: BoolArray
    value: FloatArray
    at_the_money: FloatArray


@dataclass(frozen=True, slots=True)
class _Expiries:
    """A row for each expiration of each name."""

    name: IntArray
    column: IntArray
    day: DayArray
    years: FloatArray
    spot: FloatArray
    forward: FloatArray
    volatility: FloatArray
    pays: BoolArray


def slots(listed: Board) -> int:
    """How many places the noise of one name has at a session: expirations * strikes * two rights."""
    return len(listed.days) * len(OFFSETS) * 2


def legs(world: World, request: Request, listed: Board) -> Legs:
    """The contracts of the requested names on the session's board, with their model prices.

    A lean chain holds a part of the same contracts at the same prices.
    """
    expiries = _expiries(world, request, listed)
    step = _increments(world, expiries)
    centre = np.rint(expiries.forward / step)
    strike = (centre[:, None] + OFFSETS) * step[:, None]
    nearest = np.argmin(np.abs(strike - expiries.spot[:, None]), axis=1)
    row, column, right = np.nonzero(_wanted(strike, nearest, request.lean))
    chosen = strike[row, column]
    is_call = right == 0
    root_time = np.sqrt(expiries.years)
    deviations = np.log(chosen / expiries.forward[row]) / (expiries.volatility * root_time)[row]
    volatility = expiries.volatility[row] * _smile(world, expiries.name[row], deviations)
    return Legs(
        name=expiries.name[row],
        slot=(expiries.column[row] * len(OFFSETS) + column) * 2 + right,
        expiration=expiries.day[row],
        years=expiries.years[row],
        strike=chosen,
        is_call=is_call,
        deviations=deviations,
        nearest=column == nearest[row],
        value=_value(world, expiries, row, chosen, is_call, volatility, deviations),
        at_the_money=(0.4 * expiries.forward * expiries.volatility * root_time)[row],
    )


def _expiries(world: World, request: Request, listed: Board) -> _Expiries:
    at, names, spot = request.at, request.names, request.spot
    years = years_to_settlement(request.asof, listed.days)
    tiers = world.quoting.tier[names]
    row, column = np.nonzero((listed.lean if request.lean else listed.listed)[tiers - 1])
    cash = _dividends(world, at, listed.days)[names]
    forward = (spot[:, None] - cash) * np.exp(RATE * years)
    variance = world.implied_variance(at, listed.days, years)[names]
    return _Expiries(
        name=names[row],
        column=column,
        day=listed.days[column],
        years=years[column],
        spot=spot[row],
        forward=forward[row, column],
        volatility=np.sqrt(variance / years)[row, column],
        pays=cash[row, column] > 0,
    )


def _dividends(world: World, at: int, expirations: DayArray) -> FloatArray:
    """Present value of the cash that goes ex between the session and each expiration, (names, m)."""
    ahead = (world.dividends - world.sessions[at]).astype(np.float64)
    due = np.where(ahead > 0, np.exp(-RATE * ahead / 365.0), 0.0)
    paid = world.dividends[:, :, None] <= expirations
    return np.asarray(world.dividend_amount[:, None] * np.einsum("nd,ndm->nm", due, paid))


def _increments(world: World, expiries: _Expiries) -> FloatArray:
    """Distance of the strikes: an exchange increment, fine enough for the expiration's deviation."""
    deviation = expiries.forward * expiries.volatility * np.sqrt(expiries.years)
    wished = np.searchsorted(INCREMENTS, deviation / STEPS_A_DEVIATION, side="right") - 1
    liquid = world.quoting.tier[expiries.name] == 1
    smallest = np.searchsorted([25.0, 100.0, 250.0], expiries.spot, side="right")
    smallest = np.where(liquid, np.searchsorted([100.0, 1000.0], expiries.spot, side="right"), smallest)
    return INCREMENTS[np.maximum(wished, smallest)]


def _wanted(strike: FloatArray, nearest: IntArray, lean: bool) -> BoolArray:
    """Which contracts of each expiration are made, (expirations, strikes, call and put)."""
    possible = np.repeat((strike > 0)[:, :, None], 2, axis=2)
    if not lean:
        return possible
    both = np.tile(np.abs(OFFSETS) <= LEAN_BOTH, (len(strike), 1))
    both[np.arange(len(strike)), nearest] = True
    wing = np.isin(np.abs(OFFSETS), LEAN_WINGS)
    return possible & np.stack([both | (wing & (OFFSETS > 0)), both | (wing & (OFFSETS < 0))], axis=2)


def _smile(world: World, name: IntArray, deviations: FloatArray) -> FloatArray:
    skew = world.quoting.skew[name]
    bounded = np.clip(deviations, -FARTHEST, FARTHEST)
    return np.asarray(1.0 - skew * bounded + CURVATURE * bounded**2)


def _value(
    world: World,
    expiries: _Expiries,
    row: IntArray,
    strike: FloatArray,
    is_call: BoolArray,
    volatility: FloatArray,
    deviations: FloatArray,
) -> FloatArray:
    """Black (1976) on the forward plus the early-exercise premium of stocks and funds."""
    years, forward, spot = expiries.years[row], expiries.forward[row], expiries.spot[row]
    value = price(forward, strike, years, volatility, np.exp(-RATE * years), is_call)
    way = np.where(is_call, 1.0, -1.0)
    # Without a dividend to catch, a call is never exercised early; far wings are not worth the tree.
    due = (
        world.quoting.american[expiries.name[row]]
        & (way * deviations <= EXERCISE_REACH)
        & (~is_call | expiries.pays[row])
    )
    leg = np.flatnonzero(due)
    carry = RATE - np.log(forward[leg] / spot[leg]) / years[leg]
    value[leg] += early_exercise_premium(
        spot[leg],
        strike[leg],
        years[leg],
        np.full(len(leg), RATE),
        carry,
        volatility[leg],
        is_call[leg],
        steps=TREE_STEPS,
    )
    return value
