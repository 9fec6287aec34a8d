"""The volatility of each leg: its own quote's, or the nearest thing to it, named (methodology 7)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains, Panel
from engine.portfolio.value.net_vol import Options, net_volatility
from engine.portfolio.value.quotes import NONE, YEAR, Contracts, Marks, two_sided_quote
from engine.rules import Rules
from engine.volatility.implied import AtmReason, atm_volatility, rows_of, two_sided

STEPS = 200
"""Steps of the tree for the legs of a book: few enough to afford what the greeks need."""
VAGUE = 0.05
"""A quote in the money is not asked for its volatility when half its spread moves it by more than this."""
HALF_TICK = 0.005
"""No quote is finer: half a cent."""
FAR, FAR_A_YEAR = 0.10, 0.20
"""A parity forward further from the spot than this, as a logarithm, is put down to broken quotes."""

WEEK = 7.0 / YEAR
"""In less time a forward says more of its quotes than of dividends."""

OWN, OTHER, SMILE, TERM, IV30 = "own", "other right", "smile", "term", "iv30"


@dataclass(frozen=True, slots=True)
class Curves:
    """Parity forward and at-the-money volatility of every expiry of some names, by expiry row of the chains.

    NaN where an expiry belongs to another name, or its quotes give none.
    """

    forward: FloatArray
    iv: FloatArray


@dataclass(frozen=True, slots=True)
class LegVols:
    """Volatility of each option, fraction; method own, other right, smile, term, iv30, "" for none.

    remark is the flag that names a fallback, "" where the leg's own quote was used.
    """

    vol: FloatArray
    method: list[str]
    remark: list[str]


def curves_of(panel: Panel, rows: IntArray, rate: float, rules: Rules) -> Curves:
    """Forward and volatility of all expiries of the names in `rows`, as the screen takes them for IV30.

    A forward that lies 10 % plus 20 % a year or more from the spot is left out, as is one whose quotes give
    no volatility.
    """
    chains = panel.chains
    forward, iv = np.full(len(chains.expiry_days), np.nan), np.full(len(chains.expiry_days), np.nan)
    names = np.unique(rows[rows != NONE])
    if not len(names) or not len(forward):
        return Curves(forward, iv)
    expiries, _ = rows_of(chains.name_start, names)
    owner = np.repeat(names, np.diff(chains.name_start)[names])
    spot = panel.names["spot"].to_numpy(dtype=np.float64)[owner]
    american = ~panel.names["european"].to_numpy(dtype=bool)[owner]
    limits = rules.iv30
    found = atm_volatility(
        chains, two_sided(chains), expiries, spot, american, rate, limits.parity_strikes, limits.tree_steps
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(found.forward / spot))
    sound = (found.reason != AtmReason.UNSOLVABLE) & (away < FAR + FAR_A_YEAR * chains.expiry_years[expiries])
    forward[expiries] = np.where(sound, found.forward, np.nan)
    iv[expiries] = np.where(sound, found.iv, np.nan)
    return Curves(forward, iv)


def forwards_of(
    contracts: Contracts, chains: Chains, curves: Curves, spot: FloatArray, rate: float
) -> tuple[FloatArray, list[str]]:
    """Forward of each leg and the flag that names a fallback, "" where it is its expiry's parity forward.

    Else ln(F/S) is taken from the name's other expiries of a week or more, linear in time (0 today, beyond
    the last in proportion), so that dividends stay in it; without any it is the spot with interest.
    """
    forward, remark = np.append(curves.forward, np.nan)[contracts.expiry], [""] * len(spot)
    for place in np.flatnonzero(np.isnan(forward)):
        row, own = contracts.row[place], contracts.years[place]
        part = slice(chains.name_start[row], chains.name_start[row + 1])
        years, drift = chains.expiry_years[part], np.log(curves.forward[part] / spot[place])
        good = np.isfinite(drift) & (years >= WEEK)
        if not good.any():
            forward[place] = spot[place] * np.exp(rate * own)
            remark[place] = "no parity forward: the forward is the spot with interest"
            continue
        years, drift = np.append(0.0, years[good]), np.append(0.0, drift[good])
        beyond = max(own / years[-1], 1.0)
        forward[place] = spot[place] * np.exp(np.interp(own, years, drift) * beyond)
        remark[place] = "no parity forward: it is taken from those of other expiries"
    return forward, remark


def leg_volatilities(
    options: Options,
    marks: Marks,
    contracts: Contracts,
    chains: Chains,
    curves: Curves,
    iv30: FloatArray,
    tree_steps: int,
) -> LegVols:
    """One volatility a leg, the first of these that there is, all of one shape (n,):

    own          of its two-sided quote, early exercise removed; in the money only where the quote tells it to
                 5 points: a price lower by half the spread (half a cent at the least) does not lower it more
    other right  of the out-of-the-money quote at the same strike
    smile        linear in ln(K/F) between the out-of-the-money quotes of the expiry, flat beyond them
    term         at-the-money volatility between the neighbouring expiries, linear in total variance, flat
                 beyond the first and the last, times the skew of the nearest one at the same ln(K/F)/sqrt(T)
    iv30         IV30 of the name
    own          at last, of a quote that leaves it open

    NaN where none is there, or the option has settled. Nothing is raised for bad quotes.
    """
    vol, method, remark = np.full(len(options.spot), np.nan), [""] * len(iv30), [""] * len(iv30)
    in_money = np.where(options.is_call, options.forward > options.strike, options.forward < options.strike)
    alive = options.years > 0

    def put(found: FloatArray, name: str, words: list[str]) -> None:
        for place in np.flatnonzero(np.isnan(vol) & np.isfinite(found) & alive):
            vol[place], method[place], remark[place] = found[place], name, words[place]

    def open_() -> IntArray:
        return np.flatnonzero(np.isnan(vol) & alive)

    own = net_volatility(np.where(marks.usable, marks.mark, np.nan), options, steps=STEPS)
    told = ~in_money | _told(options, own, marks.half, STEPS)
    put(np.where(told, own, np.nan), OWN, remark.copy())
    sides = ["put" if is_call else "call" for is_call in options.is_call]
    words = [f"volatility from the {side} at the same strike: this quote leaves it open" for side in sides]
    put(_other_right(options, contracts, chains, open_(), in_money), OTHER, words)
    put(*_smile(options, contracts, chains, open_(), tree_steps))
    put(*_term(options, contracts, chains, curves, open_(), tree_steps))
    words = ["volatility is the IV30 of the name: no quote gives one"] * len(iv30)
    put(iv30, IV30, words)
    put(own, OWN, ["volatility from a quote that leaves it open: nothing else gives one"] * len(iv30))
    return LegVols(vol, method, remark)


def _told(options: Options, vol: FloatArray, half: FloatArray, steps: int) -> BoolArray:
    """Whether a price lower by half the spread has a volatility lower by no more than VAGUE."""
    lower = np.maximum(vol - VAGUE, 0.25 * vol)
    told: BoolArray = options.values(vol, steps) - options.values(lower, steps) >= np.maximum(half, HALF_TICK)
    return told


def _other_right(
    options: Options, contracts: Contracts, chains: Chains, wanted: IntArray, in_money: BoolArray
) -> FloatArray:
    found = np.full(len(in_money), np.nan)
    wanted = wanted[in_money[wanted] & (contracts.place[wanted] != NONE)]
    if len(wanted):
        mirrored = _as_right(options.take(wanted), ~options.is_call[wanted])
        mid, _ = _mids(chains, contracts.place[wanted], mirrored.is_call)
        found[wanted] = net_volatility(mid, mirrored, steps=STEPS)
    return found


def _as_right(options: Options, is_call: BoolArray) -> Options:
    return Options(
        options.spot,
        options.forward,
        options.strike,
        options.years,
        options.rate,
        is_call,
        options.american,
    )


def _mids(chains: Chains, place: IntArray, is_call: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mid and half spread of the quotes that can be used, else NaN."""
    bid, ask = two_sided_quote(chains, place, is_call)
    usable = (bid > 0) & (ask >= bid)
    return np.where(usable, 0.5 * (bid + ask), np.nan), np.where(usable, 0.5 * (ask - bid), np.nan)


def _smile(
    options: Options, contracts: Contracts, chains: Chains, wanted: IntArray, tree_steps: int
) -> tuple[FloatArray, str, list[str]]:
    found, words = np.full(len(options.spot), np.nan), [""] * len(options.spot)
    wanted = wanted[contracts.expiry[wanted] != NONE]
    # One leg of each expiry knows its spot, forward and years.
    expiries, first = np.unique(contracts.expiry[wanted], return_index=True)
    smiles = _smiles_of(chains, expiries, options.take(wanted[first]), tree_steps)
    for place in wanted:
        x, vol = smiles[int(contracts.expiry[place])]
        own = np.log(options.strike[place] / options.forward[place])
        if not len(x):
            continue
        found[place] = np.interp(own, x, vol)
        words[place] = "volatility from the smile of the expiry: the quote of this leg gives none"
        if not x[0] <= own <= x[-1]:
            words[place] += ", and its strike lies beyond the last one that does"
    return found, SMILE, words


def _smiles_of(
    chains: Chains, expiries: IntArray, of: Options, tree_steps: int
) -> dict[int, tuple[FloatArray, FloatArray]]:
    """By expiry: ln(K/F) ascending and the volatility of its out-of-the-money quotes, as far as they tell it.

    `of` has one element an expiry, whose spot, forward and years are taken.
    """
    if not len(expiries):
        return {}
    rows, begins = rows_of(chains.expiry_start, expiries)
    bounds = np.append(begins, len(rows))
    each = of.take(np.repeat(np.arange(len(expiries)), np.diff(bounds)))
    strike = chains.strike[rows]
    is_call = strike >= each.forward
    listed = Options(each.spot, each.forward, strike, each.years, each.rate, is_call, each.american)
    mid, half = _mids(chains, rows, is_call)
    vol = net_volatility(mid, listed, steps=tree_steps)
    good = np.isfinite(vol) & _told(listed, vol, half, tree_steps)
    distance = np.log(strike / each.forward)
    parts = [np.arange(start, stop)[good[start:stop]] for start, stop in pairwise(bounds)]
    return {int(expiry): (distance[part], vol[part]) for expiry, part in zip(expiries, parts, strict=True)}


def _term(
    options: Options, contracts: Contracts, chains: Chains, curves: Curves, wanted: IntArray, tree_steps: int
) -> tuple[FloatArray, str, list[str]]:
    found, words = np.full(len(options.spot), np.nan), [""] * len(options.spot)
    guides: dict[int, int] = {}
    for place in wanted:
        row = contracts.row[place]
        listed = np.arange(chains.name_start[row], chains.name_start[row + 1])
        listed = listed[np.isfinite(curves.iv[listed]) & (chains.expiry_years[listed] > 0)]
        if not len(listed):
            continue
        iv, years, own = curves.iv[listed], chains.expiry_years[listed], options.years[place]
        within = np.clip(own, years[0], years[-1])
        found[place] = np.sqrt(np.interp(within, years, iv * iv * years) / within)
        guides[int(place)] = int(listed[np.argmin(np.abs(years - own))])
        words[place] = "volatility from other expiries, at the money and by skew: this one gives none"
        if own != within:
            words[place] += ", and it lies beyond those that do"
    for place, skew in _skews(options, chains, curves, guides, tree_steps).items():
        found[place] *= skew
    return found, TERM, words


def _skews(
    options: Options, chains: Chains, curves: Curves, guides: dict[int, int], tree_steps: int
) -> dict[int, float]:
    """By leg: what the smile of its guide says of the strike's volatility against that at the money.

    Read at the same ln(K/F)/sqrt(years), by which the smiles of a name's expiries are much alike.
    """
    places = np.array(list(guides), dtype=np.int64)
    expiries, first = np.unique(np.array(list(guides.values()), dtype=np.int64), return_index=True)
    legs = options.take(places[first])
    forward, years = curves.forward[expiries], chains.expiry_years[expiries]
    of = Options(legs.spot, forward, legs.strike, years, legs.rate, legs.is_call, legs.american)
    smiles = _smiles_of(chains, expiries, of, tree_steps)
    skews: dict[int, float] = {}
    for place, guide in guides.items():
        x, vol = smiles[guide]
        if not len(x):
            continue
        scale = np.sqrt(chains.expiry_years[guide] / options.years[place])
        own = np.log(options.strike[place] / options.forward[place]) * scale
        skews[place] = float(np.interp(own, x, vol) / np.interp(0.0, x, vol))
    return skews
