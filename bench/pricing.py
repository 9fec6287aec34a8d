"""How fast the pricing kernel is, beside the libraries it replaces, all measured in one run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
from fast_vollib.jackel import jackel_iv_black
from vollib.black.implied_volatility import implied_volatility as vollib_implied  # type: ignore[import-untyped]

from bench.figure import Figure, seconds
from engine.arrays import BoolArray, FloatArray
from engine.pricing import early_exercise_premium, implied_volatility, price

QUOTES = 300_000
SAMPLE = 3_000
"""Quotes the scalar loop is timed on; its time is proportional to their number."""
LEGS = 80_000
ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Quotes:
    """Usable quotes of a wide market: strikes within 2.5 standard deviations, a week to two years."""

    value: FloatArray
    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    discount: FloatArray
    is_call: BoolArray
    vol: FloatArray


def quotes(count: int, seed: int = 1) -> Quotes:
    random = np.random.default_rng(seed)
    forward = random.uniform(20, 500, count)
    years, vol = random.uniform(7, 730, count) / 365, random.uniform(0.1, 1.0, count)
    strike = forward * np.exp(vol * np.sqrt(years) * random.uniform(-2.5, 2.5, count))
    discount, is_call = np.exp(-0.04 * years), random.random(count) < 0.5
    value = price(forward, strike, years, vol, discount, is_call)
    return Quotes(value, forward, strike, years, discount, is_call, vol)


def implied_kernel_seconds(count: int) -> float:
    """Seconds to invert `count` quotes once; the yardstick for whole screens."""
    market = quotes(count)
    return seconds(lambda: _ours(market))


def run() -> list[Figure]:
    """Every ratio is a median over rounds in which the rivals take turns."""
    return [*_implied_lines(), _tree_line()]


def _implied_lines() -> list[Figure]:
    market = quotes(QUOTES)
    undiscounted = market.value / market.discount
    times: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        ours = seconds(lambda: _ours(market)) / QUOTES
        jackel = seconds(
            lambda: jackel_iv_black(undiscounted, market.forward, market.strike, market.years, market.is_call)
        )
        times.append((ours, jackel / QUOTES, _vollib_seconds(market) / SAMPLE))
    kernel = statistics.median(ours for ours, _, _ in times)
    against_loop = statistics.median(loop / ours for ours, _, loop in times)
    against_jackel = statistics.median(jackel / ours for ours, jackel, _ in times)
    error = float(np.nanmax(np.abs(_ours(market) - market.vol)))
    return [
        Figure("implied volatility, ns an option", f"{kernel * 1e9:.0f}"),
        Figure("implied volatility, million quotes a second", f"{1e-6 / kernel:.1f}"),
        Figure("times as fast as a vollib loop", f"{against_loop:.0f}", ">= 150", against_loop >= 150),
        Figure("times as fast as fast-vollib jackel", f"{against_jackel:.1f}", ">= 5", against_jackel >= 5),
        Figure(f"largest error of {QUOTES:,} volatilities", f"{error:.1e}", "<= 1e-9", error <= 1e-9),
    ]


def _tree_line() -> Figure:
    market = quotes(LEGS, seed=2)
    rng = np.random.default_rng(3)
    carry = rng.choice([0.0, 0.005, 0.01, 0.02, 0.04], LEGS) + rng.normal(0, 0.003, LEGS)
    spot = market.forward * np.exp((carry - 0.04) * market.years)
    legs = (spot, market.strike, market.years, 0.04, carry, market.vol, market.is_call)
    took = statistics.median(seconds(lambda: early_exercise_premium(*legs)) for _ in range(ROUNDS))
    return Figure("American tree of 25 steps, us a leg", f"{took / LEGS * 1e6:.2f}")


def _ours(market: Quotes) -> FloatArray:
    return implied_volatility(
        market.value, market.forward, market.strike, market.years, market.discount, market.is_call
    ).vol


def _vollib_seconds(market: Quotes) -> float:
    rate = -np.log(market.discount) / market.years
    columns = (market.value, market.forward, market.strike, rate, market.years)
    rows = list(zip(*(column[:SAMPLE].tolist() for column in columns), strict=True))
    flags = np.where(market.is_call[:SAMPLE], "c", "p").tolist()
    return seconds(lambda: [vollib_implied(*row, flag) for row, flag in zip(rows, flags, strict=True)])
