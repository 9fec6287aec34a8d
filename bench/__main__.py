"""`make bench`: every figure, then exit status 1 when one that was promised does not hold."""

from __future__ import annotations

import sys

from bench import alerts, backtest, bot, command, live, portfolio, pricing, record, screen


def main() -> int:
    figures = []
    for part in (pricing, screen, portfolio, command, bot, alerts, live, backtest, record):
        for figure in part.run():
            print(figure, flush=True)
            figures.append(figure)
    failed = sum(figure.holds is False for figure in figures)
    print(f"{sum(figure.holds is True for figure in figures)} promises hold, {failed} do not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
