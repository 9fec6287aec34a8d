"""The volatility of each leg: its own quote's, or the nearest thing to it, named (methodology 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains, Panel
from engine.portfolio.net_vol import Options, net_volatility
from engine.portfolio.quotes import NONE, Contracts, Marks, two_sided_quote
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
                 beyond the first and the last
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
    put(*_term(options, contracts, chains, curves, open_()))
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
    if not len(wanted):
        return found, SMILE, words
    # One leg of each expiry knows its spot, forward and years; the strikes come from the chain.
    expiries, first = np.unique(contracts.expiry[wanted], return_index=True)
    rows, begins = rows_of(chains.expiry_start, expiries)
    bounds = np.append(begins, len(rows))
    of = options.take(np.repeat(wanted[first], np.diff(bounds)))
    strike = chains.strike[rows]
    is_call = strike >= of.forward
    listed = Options(of.spot, of.forward, strike, of.years, of.rate, is_call, of.american)
    mid, half = _mids(chains, rows, is_call)
    vol = net_volatility(mid, listed, steps=tree_steps)
    vol = np.where(_told(listed, vol, half, tree_steps), vol, np.nan)
    distance = np.log(strike / of.forward)
    for place in wanted:
        at = int(np.searchsorted(expiries, contracts.expiry[place]))
        part = slice(bounds[at], bounds[at + 1])
        good = np.isfinite(vol[part])
        if not good.any():
            continue
        x, own = distance[part][good], np.log(options.strike[place] / options.forward[place])
        found[place] = np.interp(own, x, vol[part][good])
        words[place] = "volatility from the smile of the expiry: the quote of this leg gives none"
        if not x[0] <= own <= x[-1]:
            words[place] += ", and its strike lies beyond the last one that does"
    return found, SMILE, words


def _term(
    options: Options, contracts: Contracts, chains: Chains, curves: Curves, wanted: IntArray
) -> tuple[FloatArray, str, list[str]]:
    found, words = np.full(len(options.spot), np.nan), [""] * len(options.spot)
    for place in wanted:
        row = contracts.row[place]
        part = slice(chains.name_start[row], chains.name_start[row + 1])
        iv, years, own = curves.iv[part], chains.expiry_years[part], options.years[place]
        good = np.isfinite(iv) & (years > 0)
        if not good.any():
            continue
        iv, years = iv[good], years[good]
        within = np.clip(own, years[0], years[-1])
        found[place] = np.sqrt(np.interp(within, years, iv * iv * years) / within)
        words[place] = "volatility from at-the-money quotes of other expiries: this one gives none"
        if own != within:
            words[place] += ", and it lies beyond those that do"
    return found, TERM, words
