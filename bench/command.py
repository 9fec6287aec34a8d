"""The command line as a whole process, beside what it cannot do without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench.figure import Figure, seconds
from engine.market.recorded import write_snapshot
from engine.market.simulated import SimulatedMarket
from engine.rules import load_universe

ROOT = Path(__file__).resolve().parents[1]
RECORDED = ROOT.parent / "shared" / "data" / "snapshots" / "ndx100_2026-04-29_close"
ROUNDS = 7
BARE = (
    "import pandas, numpy, sys, pathlib\n"
    "for name in ('quotes.csv.gz', 'underlyings.csv', 'history.csv.gz'):\n"
    "    pandas.read_csv(pathlib.Path(sys.argv[1]) / name)\n"
)


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        market, name = RECORDED, "ndx100"
        if not market.is_dir():
            market, name = Path(folder), "a simulated market (no recorded one beside the checkout)"
            listings = load_universe(ROOT / "config")[:51]
            write_snapshot(SimulatedMarket(listings, date(2025, 12, 31)).snapshot(), market)
        screen = [
            sys.executable,
            "-m",
            "engine.cli",
            "screen",
            "--provider",
            "recorded",
            "--data",
            str(market),
        ]
        bare = [sys.executable, "-c", BARE, str(market)]
        _run(screen)
        rounds = [(seconds(lambda: _run(screen)), seconds(lambda: _run(bare))) for _ in range(ROUNDS)]
    ratio = statistics.median(ours / floor for ours, floor in rounds)
    took = statistics.median(ours for ours, _ in rounds)
    return [
        Figure(f"variance screen on {name}, whole process, s", f"{took:.2f}"),
        Figure("in units of importing pandas and numpy and reading", f"{ratio:.2f}", "<= 3", ratio <= 3),
    ]


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
