"""`make kill`: KILLS kills (200 by default), the table of what became of every post, and one last line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.kill.worlds import in_worlds


def main() -> int:
    """1 when a post was lost or doubled or a run never ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "200")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the logs and databases")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill") as temporary:
        folder = given.keep or Path(temporary)
        tally = asyncio.run(in_worlds(folder, given.kills, given.seed, given.workers))
    tally.show(Console(width=140))
    seconds = time.monotonic() - began
    about = (
        f"seed {given.seed}, {len(tally.rounds)} rounds, {tally.weekly} kills of a weekly post,"
        f" {tally.ended} processes ended by themselves"
    )
    sys.stdout.write(f"{about}, {seconds:.0f} s\n{tally.last_line}\n")
    return 1 if any(tally.wrong()) else 0


if __name__ == "__main__":
    sys.exit(main())
