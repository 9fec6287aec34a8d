"""A full book under a thousand scenarios, beside QuantLib pricing the same legs one by one."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import QuantLib as ql  # type: ignore[import-untyped]  # noqa: N813

from bench.figure import Figure, seconds
from engine.arrays import FloatArray
from engine.portfolio.book import Leg
from engine.portfolio.stress import scenario_pl
from engine.portfolio.valued import ValuedBook
from engine.rules import load_rules

LEGS, SCENARIOS = 500, 1_000
SAMPLE = 50
"""Legs QuantLib is timed on, under every scenario; its time grows with their number."""
ROUNDS = 5
VIX, RATE = 18.0, 0.04
LEAST_FACTOR = 0.10
CONFIG = Path(__file__).resolve().parents[1] / "config"
TODAY = ql.Date(2, 1, 2026)
COUNT = ql.Actual365Fixed()


def run() -> list[Figure]:
    """Medians over rounds in which the rivals take turns; QuantLib prices every leg as European."""
    rules = load_rules(CONFIG)
    european, american = book(american=False), book(american=True)
    moves, points = scenarios()
    rounds = [
        (
            seconds(lambda: scenario_pl(european, moves, points, VIX, rules)),
            seconds(lambda: scenario_pl(american, moves, points, VIX, rules)),
            seconds(lambda: quantlib_pl(european, moves, points, SAMPLE)) * LEGS / SAMPLE,
        )
        for _ in range(ROUNDS)
    ]
    plain = statistics.median(loop / ours for ours, _, loop in rounds)
    early = statistics.median(loop / ours for _, ours, loop in rounds)
    ours, trees, loop = (1e3 * statistics.median(column) for column in zip(*rounds, strict=True))
    off = np.abs(
        scenario_pl(european, moves, points, VIX, rules)[:, :SAMPLE]
        - quantlib_pl(european, moves, points, SAMPLE)
    )
    peak = _peak(lambda: scenario_pl(american, moves, points, VIX, rules)) / (8 * LEGS * SCENARIOS)
    return [
        Figure(f"{LEGS} legs x {SCENARIOS:,} scenarios revalued, European, ms", f"{ours:.0f}"),
        Figure("the same, American, the tree where it counts, ms", f"{trees:.0f}"),
        Figure(f"the same by QuantLib, European, {SAMPLE} legs scaled up, ms", f"{loop:,.0f}"),
        Figure("times as fast as QuantLib, European", f"{plain:.0f}", ">= 30", plain >= 30),
        Figure("American, times as fast as QuantLib is with European", f"{early:.0f}", ">= 10", early >= 10),
        Figure(
            "largest difference of those legs' P/L, money",
            f"{off.max():.1e}",
            "<= 1e-6",
            bool(off.max() <= 1e-6),
        ),
        Figure("memory at the peak, in units of the result", f"{peak:.1f}", "<= 4", peak <= 4),
    ]


def scenarios() -> tuple[FloatArray, FloatArray]:
    """Moves of the benchmark, and points of its volatility index that go against them."""
    random = np.random.default_rng(5)
    moves = random.normal(0.0, 0.03, SCENARIOS)
    return moves, -150.0 * moves + random.normal(0.0, 2.0, SCENARIOS)


def book(american: bool) -> ValuedBook:
    """Short puts and calls of many names, mostly 10 to 40 delta, a week to four months out."""
    random = np.random.default_rng(4)
    spot, vol = random.uniform(30, 400, LEGS), random.uniform(0.15, 0.8, LEGS)
    days, is_call = random.integers(7, 121, LEGS), random.random(LEGS) < 0.5
    side = np.where(is_call, 1.0, -1.0)
    strike = spot * np.exp(side * vol * np.sqrt(days / 365) * random.uniform(-0.3, 1.8, LEGS))
    nothing = np.full(LEGS, np.nan)
    words = ("",) * LEGS
    return ValuedBook(
        legs=tuple(Leg(f"N{leg}", "option", -1.0) for leg in range(LEGS)),
        row=np.arange(LEGS),
        status=("valued",) * LEGS,
        spot=spot,
        years=days / 365,
        days=days.astype(np.float64),
        strike=strike,
        is_call=is_call,
        is_share=np.zeros(LEGS, dtype=bool),
        american=np.full(LEGS, american),
        rate=RATE,
        carry=random.uniform(0.0, 0.03, LEGS),
        vol=vol,
        vol_method=("own",) * LEGS,
        mark=nothing,
        mark_method=("mid",) * LEGS,
        model=nothing,
        delta=nothing,
        gamma=nothing,
        theta=nothing,
        vega=nothing,
        size=np.full(LEGS, -100.0),
        beta=random.uniform(0.5, 1.6, LEGS),
        beta_method=words,
        iv30=nothing,
        hv=nothing,
        quality=nothing,
        earnings_days=nothing,
        priced=np.ones(LEGS, dtype=bool),
        flags=((),) * LEGS,
        benchmark_spot=None,
    )


def quantlib_pl(valued: ValuedBook, moves: FloatArray, points: FloatArray, legs: int) -> FloatArray:
    """P/L of the first legs of a European book, (scenarios, legs): two quotes set, one price taken."""
    ql.Settings.instance().evaluationDate = TODAY
    factors = np.maximum(1.0 + points / VIX, LEAST_FACTOR).tolist()
    pl = np.empty((len(moves), legs))
    for leg in range(legs):
        option, spot, vol = _option(valued, leg)
        now, here, sigma = option.NPV(), float(valued.spot[leg]), float(valued.vol[leg])
        for row, (move, factor) in enumerate(
            zip((1.0 + valued.beta[leg] * moves).tolist(), factors, strict=True)
        ):
            spot.setValue(here * move)
            vol.setValue(sigma * factor)
            pl[row, leg] = option.NPV() - now
    return pl * valued.size[:legs]


def _option(valued: ValuedBook, leg: int) -> tuple[Any, Any, Any]:
    """QuantLib's option on a leg, with the quotes its spot and volatility are read from."""
    spot, vol = ql.SimpleQuote(float(valued.spot[leg])), ql.SimpleQuote(float(valued.vol[leg]))
    curves = [
        ql.YieldTermStructureHandle(ql.FlatForward(TODAY, float(rate), COUNT))
        for rate in (valued.carry[leg], valued.rate)
    ]
    smile = ql.BlackConstantVol(TODAY, ql.NullCalendar(), ql.QuoteHandle(vol), COUNT)
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(spot), *curves, ql.BlackVolTermStructureHandle(smile)
    )
    right = ql.Option.Call if valued.is_call[leg] else ql.Option.Put
    expiry = TODAY + int(valued.days[leg])
    payoff = ql.PlainVanillaPayoff(right, float(valued.strike[leg]))
    option = ql.VanillaOption(payoff, ql.EuropeanExercise(expiry))
    option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    return option, spot, vol


def _peak(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(peak)
