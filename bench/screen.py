"""A whole universe from arrays to a judged table, beside the kernel inverting all its quotes once."""

from __future__ import annotations

import statistics
import tracemalloc
from pathlib import Path

from bench.figure import Figure, seconds
from bench.market import panel
from bench.pricing import implied_kernel_seconds
from engine.panel import Panel
from engine.rules import Rules, load_rules
from engine.screen.measure import measure
from engine.screen.screen import judge_table

NAMES = 5_000
FEW = 500
QUOTES = 600
ROUNDS = 5
CONFIG = Path(__file__).resolve().parents[1] / "config"


def run() -> list[Figure]:
    rules, whole, few = load_rules(CONFIG), panel(NAMES), panel(FEW)
    _judged(few, rules)
    rounds = [
        (
            seconds(lambda: _judged(whole, rules)),
            implied_kernel_seconds(NAMES * QUOTES),
            statistics.median(seconds(lambda: _judged(few, rules)) for _ in range(3)),
        )
        for _ in range(ROUNDS)
    ]
    share = statistics.median(ours / kernel for ours, kernel, _ in rounds)
    growth = statistics.median(ours / part for ours, _, part in rounds)
    peak = _temporary_megabytes(whole, rules)
    took = statistics.median(ours for ours, _, _ in rounds)
    return [
        Figure(f"{NAMES:,} names x {QUOTES} quotes to a judged table, ms", f"{took * 1e3:.0f}"),
        Figure("share of the kernel's time for those 3 million quotes", f"{share:.2f}", "<= 1", share <= 1),
        Figure("memory at the peak, the result included, MB", f"{peak:.0f}", "< 100", peak < 100),
        Figure(f"cost of {NAMES:,} names in units of {FEW}", f"{growth:.1f}", "<= 12", growth <= 12),
    ]


def _judged(market: Panel, rules: Rules) -> object:
    return judge_table(measure(market, rules), rules)


def _temporary_megabytes(market: Panel, rules: Rules) -> float:
    """Peak above what the market already held; the result itself is in it."""
    tracemalloc.start()
    _judged(market, rules)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6
