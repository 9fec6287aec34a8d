"""Five years of 500 names judged day by day under both lenses, beside plain pandas; memory over the years."""

from __future__ import annotations

import statistics
import tempfile
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from bench.figure import Figure, seconds
from engine.cli.backtest_files import read_iv, read_prices
from engine.market.sessions import sessions_before
from engine.proof.backtest import backtest
from engine.proof.series import Past, past_of
from engine.proof.sweep import sweep
from engine.rules import load_rules

NAMES, SESSIONS = 500, 1_260
SAMPLE = 5
"""Names the pandas loop is timed on; its time grows with their number."""
ROUNDS = 3
CONFIG = Path(__file__).resolve().parents[1] / "config"
LIMITS = tuple(round(1.0 + 0.05 * place, 2) for place in range(9))


def run() -> list[Figure]:
    """Medians over rounds in which the rivals take turns."""
    rules = load_rules(CONFIG).settled(provider_values=False)
    lived = past(NAMES, SESSIONS)
    sample = part(lived, SAMPLE, SESSIONS)
    rounds = [
        (
            seconds(lambda: backtest(lived, rules, "N000")),
            seconds(lambda: pandas_loop(sample)) * NAMES / SAMPLE,
        )
        for _ in range(ROUNDS)
    ]
    ours, loop = (statistics.median(column) for column in zip(*rounds, strict=True))
    faster = statistics.median(theirs / own for own, theirs in rounds)
    years = peak(lambda: backtest(lived, rules, "N000"))
    half = part(lived, NAMES, SESSIONS // 2)
    grown = years / peak(lambda: backtest(half, rules, "N000"))
    listed = backtest(sample, rules, "N000", by="gate").scorecard.group("listed")
    swept = seconds(lambda: sweep(lived, rules, LIMITS, LIMITS))
    same = listed is not None and listed.n == pandas_loop(sample)
    return [
        Figure(f"{NAMES} names x {SESSIONS:,} sessions backtested, both lenses, s", f"{ours:.1f}"),
        Figure(
            f"the same by pandas, name by name and day by day, {SAMPLE} names scaled up, s", f"{loop:,.0f}"
        ),
        Figure("times as fast as the pandas loop", f"{faster:.0f}", ">= 10", faster >= 10),
        Figure("both list the same name-days of the part", str(same), "True", same),
        Figure("memory at the peak beside the past, MB", f"{years / 1e6:.0f}", "<= 200", years <= 200e6),
        Figure("that of five years over that of two and a half", f"{grown:.2f}", "<= 1.2", grown <= 1.2),
        Figure(
            f"{len(LIMITS) ** 2} pairs of thresholds swept, in units of one backtest",
            f"{swept / ours:.1f}",
            "<= 5",
            swept / ours <= 5,
        ),
        Figure("two files of 630,000 lines read, matched and cleaned, s", f"{seconds_to_read(lived):.1f}"),
    ]


def past(names: int, sessions: int) -> Past:
    """Names that move with a market and on their own, their IV30 around what they do."""
    random = np.random.default_rng(6)
    level = 0.25 * np.exp(0.3 * np.cumsum(random.normal(0, 0.03, (names, sessions)), axis=1))
    moves = (0.5 * random.normal(size=sessions) + 0.85 * random.normal(size=(names, sessions))) * level
    return Past(
        symbols=tuple(f"N{name:03}" for name in range(names)),
        sessions=sessions_before(date(2024, 12, 31), sessions),
        iv30=level * np.exp(random.normal(0.1, 0.2, (names, sessions))),
        close=100 * np.exp(np.cumsum(moves / np.sqrt(252), axis=1)),
        ends=np.full(names, sessions - 1),
        closes_to=sessions - 1,
        notes=(),
    )


def part(lived: Past, names: int, sessions: int) -> Past:
    """The first names, their last sessions."""
    return Past(
        symbols=lived.symbols[:names],
        sessions=lived.sessions[-sessions:],
        iv30=np.ascontiguousarray(lived.iv30[:names, -sessions:]),
        close=np.ascontiguousarray(lived.close[:names, -sessions:]),
        ends=np.full(names, sessions - 1),
        closes_to=sessions - 1,
        notes=(),
    )


def pandas_loop(lived: Past) -> int:
    """Listed name-days with an outcome by the quarterly lens, the yearly one judged beside it.

    What one writes first: rolling windows a name, then each day looked at in turn.
    """
    found = 0
    for iv30, close in zip(lived.iv30, lived.close, strict=True):
        iv, returns = pd.Series(iv30), np.log(pd.Series(close)).diff()
        hv = {window: returns.rolling(window).std() * np.sqrt(252) for window in (20, 30, 60, 90, 252)}
        after = np.sqrt(252 * (returns**2).rolling(21).mean().shift(-21))
        gaps: dict[str, list[float]] = {"quarterly": [], "yearly": []}
        for day in range(len(iv)):
            before = iv.iloc[max(0, day - 252) : day]
            rank = 100 * (before < iv[day]).mean() if len(before) >= 60 else 100.0
            if rank < 20 or not hv[30][day] / hv[90][day] >= 0.85:
                continue
            if iv[day] / max(hv[90][day], 0.05) > 1.10 and iv[day] / max(hv[30][day], 0.05) > 1.15:
                gaps["quarterly"].append(iv[day] - after[day])
            if iv[day] / max(hv[252][day], 0.05) > 0.85 and iv[day] / max(hv[20][day], 0.05) > 0.90:
                gaps["yearly"].append(iv[day] - after[day])
        found += int(np.count_nonzero(np.isfinite(gaps["quarterly"])))
    return found


def peak(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return float(most)


def seconds_to_read(lived: Past) -> float:
    """From two files to a past."""
    with tempfile.TemporaryDirectory() as folder:
        for value, matrix in (("iv30", lived.iv30), ("close", lived.close)):
            lines = {
                "date": np.repeat(lived.sessions, len(lived.symbols)),
                "symbol": list(lived.symbols) * len(lived.sessions),
                value: matrix.T.reshape(-1),
            }
            pd.DataFrame(lines).to_csv(Path(folder, f"{value}.csv"), index=False)
        iv, prices = Path(folder, "iv30.csv"), Path(folder, "close.csv")
        return seconds(lambda: past_of(read_iv(iv), read_prices(prices), lived.sessions))
