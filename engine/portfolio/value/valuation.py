"""Every leg of a book on one market: its contract, mark, volatility and greeks (methodology 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Panel
from engine.portfolio.book import Kind, Leg
from engine.portfolio.result import Status
from engine.portfolio.value.early import early_exercise
from engine.portfolio.value.leg_greeks import leg_greeks
from engine.portfolio.value.leg_vol import STEPS, curves_of, forwards_of, leg_volatilities
from engine.portfolio.value.net_vol import Options
from engine.portfolio.value.quotes import (
    NONE,
    YEAR,
    Contracts,
    Marks,
    find_contracts,
    marks_of,
    two_sided_quote,
)
from engine.portfolio.value.underlyings import Underlyings, underlyings_of
from engine.portfolio.valued import ValuedBook
from engine.rules import Rules

_NO_NUMBERS: dict[Kind, tuple[Status, str]] = {
    "adjusted option": ("adjusted contract", "adjusted contract: what it delivers is not known"),
    "future": ("future", "futures are not valued"),
    "future option": ("future option", "options on futures are not valued"),
}
DAY = 1.0 / YEAR
LAST_DAY = "less than a day is left: theta is the time value that passes with it"
_NUMBERS = ("years", "strike", "carry", "vol", "mark", "model", "delta", "gamma", "theta", "vega")


def value_book(legs: Sequence[Leg], panel: Panel, table: pd.DataFrame, rules: Rules) -> ValuedBook:
    """Price, volatility and greeks of every leg, in the order of `legs`.

    `table` is the measured table of the panel (engine.screen.measure), row order of the panel; IV30 and the
    premium ratios are its own. The mark is the mid, half of the ask where nobody bids, or the price of the
    formulas (also where that half is more than they say, of an ask above 0.10); the volatility that of the
    leg's quote or a named fallback (leg_vol); the greeks those of Black, Scholes and Merton
    on the parity forward, with the tree where an American option's |delta| is above the rules' deep_delta;
    with less than a day left theta is the time value left at most. On its day and after the hour of
    settlement an option is worth its intrinsic value. Every fallback is a flag of the leg; what cannot be had
    is NaN, and the status says why. Nothing is raised for bad quotes. Source: methodology 7,
    docs/decisions/0016.
    """
    rate = panel.rate if panel.rate is not None else rules.volatility.risk_free_rate_percent / 100.0
    work = _Work.of(tuple(legs), panel, table, rules)
    _statuses(work, panel)
    _shares(work)
    _settled(work)
    alive = work.where("option") & (work.numbers["years"] > 0)
    if alive.any():
        _options(work, np.flatnonzero(alive), panel, rules, rate)
    _measured(work)
    return _book(work, panel, rate)


@dataclass(slots=True)
class _Work:
    """A book while it is valued; `numbers` are the columns of _NUMBERS, NaN until known."""

    legs: tuple[Leg, ...]
    contracts: Contracts
    shared: Underlyings
    is_call: BoolArray
    is_share: BoolArray
    status: list[Status]
    flags: list[list[str]]
    numbers: dict[str, FloatArray]
    mark_method: list[str]
    vol_method: list[str]

    @classmethod
    def of(cls, legs: tuple[Leg, ...], panel: Panel, table: pd.DataFrame, rules: Rules) -> _Work:
        """Legs looked up, nothing valued yet."""
        contracts = find_contracts(legs, panel)
        numbers = {name: np.full(len(legs), np.nan) for name in _NUMBERS}
        numbers["strike"] = np.array([leg.strike or np.nan for leg in legs], dtype=np.float64)
        return cls(
            legs=legs,
            contracts=contracts,
            shared=underlyings_of(contracts.row, panel, table, rules),
            is_call=np.array([leg.right == "C" for leg in legs], dtype=bool),
            is_share=np.array([leg.kind == "shares" for leg in legs], dtype=bool),
            status=["valued"] * len(legs),
            flags=[[] for _ in legs],
            numbers=numbers,
            mark_method=[""] * len(legs),
            vol_method=[""] * len(legs),
        )

    @property
    def american(self) -> BoolArray:
        """Options that may be exercised early."""
        held: BoolArray = self.contracts.row != NONE
        return held & ~self.is_share & ~self.shared.european

    @property
    def short(self) -> BoolArray:
        """Legs that somebody else may exercise."""
        return np.array([leg.quantity < 0 for leg in self.legs], dtype=bool)

    def where(self, kind: Kind) -> BoolArray:
        """Legs of a kind that nothing keeps from being valued so far."""
        found = [
            leg.kind == kind and status == "valued"
            for leg, status in zip(self.legs, self.status, strict=True)
        ]
        return np.array(found, dtype=bool)

    def put(self, index: IntArray | BoolArray, **columns: FloatArray | float) -> None:
        """Numbers of some legs."""
        for name, values in columns.items():
            self.numbers[name][index] = values


def _statuses(work: _Work, panel: Panel) -> None:
    """What keeps a leg from being valued, and what is to be said of the market it stands in."""
    shared = work.shared
    for place, leg in enumerate(work.legs):
        if work.contracts.days[place] < 0:
            work.status[place] = "expired"
            work.flags[place].append(f"expired on {leg.expiration}")
        elif leg.kind in _NO_NUMBERS:
            work.status[place], words = _NO_NUMBERS[leg.kind]
            work.flags[place].append(words)
        elif work.contracts.row[place] == NONE:
            work.status[place] = "unknown underlying"
            work.flags[place].append("the market of this run does not hold the underlying")
        elif np.isnan(shared.spot[place]):
            work.status[place] = "no quotes"
            work.flags[place].append("no price of the underlying")
        elif shared.stale[place]:
            of = f"of {shared.quoted[place]}" if shared.quoted[place] else "of another day"
            work.flags[place].append(f"quotes {of}, not of the session {panel.session}")
    if not work.contracts.dated:
        for place in np.flatnonzero(work.where("option")).tolist():
            work.flags[place].append("time to expiration in whole days: no expiry is listed")


def _shares(work: _Work) -> None:
    shares = work.where("shares")
    spot = work.shared.spot[shares]
    work.put(shares, years=0.0, mark=spot, model=spot, delta=1.0, gamma=0.0, theta=0.0, vega=0.0)
    for place in np.flatnonzero(shares):
        work.mark_method[place] = "spot"


def _settled(work: _Work) -> None:
    """On its day after the hour: the intrinsic value, which moves with the spot one for one or not at all."""
    options = work.where("option")
    years = np.where(options, work.contracts.years, np.nan)
    work.put(options, years=np.maximum(years[options], 0.0))
    settled = years <= 0
    side = np.where(work.is_call, 1.0, -1.0)[settled]
    intrinsic = np.maximum(side * (work.shared.spot - work.numbers["strike"])[settled], 0.0)
    work.put(settled, mark=intrinsic, model=intrinsic, delta=np.where(intrinsic > 0, side, 0.0))
    work.put(settled, gamma=0.0, theta=0.0, vega=0.0)
    for place in np.flatnonzero(settled):
        work.mark_method[place] = "intrinsic"
        work.flags[place].append("settles today")


def _options(work: _Work, index: IntArray, panel: Panel, rules: Rules, rate: float) -> None:
    """Options with time left: forward, mark, volatility, model price and greeks."""
    contracts, chains = work.contracts.take(index), panel.chains
    curves = curves_of(panel, contracts.row, rate, rules)
    spot, strike, years = work.shared.spot[index], work.numbers["strike"][index], contracts.years
    forward, forward_words = forwards_of(contracts, chains, curves, spot, rate)
    options = Options(spot, forward, strike, years, rate, work.is_call[index], work.american[index])
    bid, ask = two_sided_quote(chains, contracts.place, options.is_call)
    marks = marks_of(bid, ask, options.least, spot)
    iv30 = work.shared.iv30[index]
    vols = leg_volatilities(options, marks, contracts, chains, curves, iv30, rules.iv30.tree_steps)
    model = options.values(vols.vol, STEPS)
    greeks = leg_greeks(options, vols.vol, deep_delta=rules.portfolio.deep_delta, steps=STEPS)
    marks = marks.beside(model)
    mark = np.where(np.isfinite(marks.mark), marks.mark, model)
    theta, ends = _last_day(options, model, greeks.theta)
    work.put(index, carry=options.carry, vol=vols.vol, mark=mark, model=model)
    work.put(index, delta=greeks.delta, gamma=greeks.gamma, theta=theta, vega=greeks.vega)
    deep = np.abs(greeks.delta) > rules.portfolio.deep_delta
    early = early_exercise(
        options, mark, deep, work.short[index], work.shared.dividends(index), panel.session
    )
    for at, place in enumerate(index.tolist()):
        known = bool(np.isfinite(model[at]))
        work.vol_method[place] = vols.method[at]
        work.mark_method[place] = marks.method[at] or ("model" if known else "")
        words = [
            *_quote_words(marks, at, bool(contracts.place[at] != NONE), known),
            forward_words[at],
            vols.remark[at],
            LAST_DAY if ends[at] else "",
            early[at],
        ]
        work.flags[place] += [each for each in words if each]
        if not known:
            work.status[place] = "no quotes" if contracts.place[at] != NONE else "not listed"


def _last_day(options: Options, model: FloatArray, theta: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Theta of a calendar day, and where the day is shorter than that: no more than the time value passes."""
    time_value = np.maximum(model - options.least, 0.0)
    ends: BoolArray = (options.years < DAY) & (theta < -time_value)
    return np.where(ends, -time_value, theta), ends


def _quote_words(marks: Marks, at: int, listed: bool, known: bool) -> list[str]:
    """How a mark that is no plain mid came about; `known` whether the formulas give a price."""
    words = []
    if not listed:
        words.append("not listed in this chain" + (": marked by the formulas" if known else ""))
    elif marks.broken[at]:
        words.append("quote below the value of exercise" + (": marked by the formulas" if known else ""))
    elif np.isfinite(marks.vague[at]):
        words.append(f"nobody bids, and the ask is {marks.vague[at]:.2f}: marked by the formulas")
    elif not marks.method[at]:
        words.append("no quote: marked by the formulas" if known else "no quote, and no volatility to go by")
    elif not marks.usable[at]:
        words.append(f"nobody bids: marked at half of the ask of {2 * marks.mark[at]:.2f}")
    elif marks.wide[at]:
        low, high = marks.mark[at] - marks.half[at], marks.mark[at] + marks.half[at]
        words.append(f"wide quote: bid {low:.2f}, ask {high:.2f}")
    return words


def _measured(work: _Work) -> None:
    """What of the underlying's own numbers is missing, or not what it is elsewhere."""
    shared, options = work.shared, work.where("option")
    for place, status in enumerate(work.status):
        if status != "valued":
            continue
        if not shared.beta_method[place]:
            work.flags[place].append("no beta: left out of the beta-weighted sums")
        if options[place] and np.isnan(shared.quality[place]):
            lacking = "IV30" if np.isnan(shared.iv30[place]) else "realized volatility of the lens"
            work.flags[place].append(f"no {lacking}: Alpha-Theta is not known")
        elif options[place] and shared.yearly_instead[place]:
            work.flags[place].append("HV90 is missing: IV30 is held against HV252")


def _book(work: _Work, panel: Panel, rate: float) -> ValuedBook:
    shared, numbers = work.shared, work.numbers
    valued = np.array([status == "valued" for status in work.status], dtype=bool)
    return ValuedBook(
        legs=work.legs,
        row=work.contracts.row,
        status=tuple(work.status),
        spot=shared.spot,
        days=work.contracts.days,
        is_call=work.is_call,
        is_share=work.is_share,
        american=work.american,
        rate=rate,
        vol_method=tuple(work.vol_method),
        mark_method=tuple(work.mark_method),
        size=np.array([leg.quantity * leg.multiplier for leg in work.legs], dtype=np.float64),
        beta=shared.beta,
        beta_method=tuple(shared.beta_method),
        iv30=shared.iv30,
        hv=shared.hv,
        quality=shared.quality,
        earnings_days=shared.earnings_days,
        priced=valued & np.isfinite(numbers["model"]),
        flags=tuple(map(tuple, work.flags)),
        benchmark_spot=panel.benchmark_spot,
        **numbers,
    )
