"""`python -m tests.loopback`: a stand-in for the internet to try the command line against, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

from engine.market.simulated import SimulatedMarket
from engine.rules import load_universe
from tests.loopback.access import CONFIG
from tests.loopback.market import recorded_market, whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET

SESSION = date(2026, 4, 29)
RECORDED_NOW = "2025-02-24T09:30:00Z"
"""When the recorded option pages of Yahoo were asked for; the Date of every answer."""


def main() -> None:
    """Print the settings that lead here, and answer."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--recorded", type=Path, help="folder of recorded replies, passed on unchanged")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; a free one when left out")
    parser.add_argument(
        "--session", type=date.fromisoformat, default=SESSION, help="day of the made-up market"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until an answer")
    chosen = parser.parse_args()
    now = datetime.fromisoformat(RECORDED_NOW)
    if chosen.recorded:
        handlers = recorded_market(chosen.recorded)
    else:
        market = SimulatedMarket(load_universe(CONFIG), chosen.session, seed=chosen.seed).snapshot()
        handlers, now = whole_market(market), market.asof
    with Loopback(handlers, delay=chosen.delay, now=lambda: now, port=chosen.port) as net:
        settings = {
            "VARIANCE_STAND_IN": net.address,
            "VARIANCE_STAND_IN_CA": net.authority,
            "VARIANCE_STAND_IN_NOW": now.isoformat(),
            "TT_SECRET": SECRET,
            "TT_REFRESH": REFRESH,
        }
        print("\n".join(f"{name}={value}" for name, value in settings.items()), flush=True)  # noqa: T201
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
