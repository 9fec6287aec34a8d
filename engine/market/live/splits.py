"""Splits a source lists but has not worked into its prices, and jumps that look like one."""

from __future__ import annotations

from datetime import date

import numpy as np

from engine.market.live.answers import History

_CLOSE_TO = 0.15
"""Log distance within which a move counts as the split itself; a day's own move is added to it."""
_WORTH = 0.18
"""Splits nearer to 1:1 than 6:5 cannot be told from a day's move."""
JUMP = float(np.log(1.5))
"""A daily move beyond this is worth a mark: a split nobody listed, or a very bad day."""


def unadjusted_split(history: History) -> date | None:
    """The day of a listed split that still stands as a jump in the closes, None when there is none.

    A split of ratio r is unadjusted when the log move of its day lies within 0.15 of -ln r.
    """
    days = history.bars["date"].to_numpy().astype("datetime64[D]")
    closes = history.bars["close"].to_numpy(dtype=np.float64)
    for day, ratio in history.splits:
        place = int(np.searchsorted(days, np.datetime64(day)))
        if not 0 < place < len(closes) or ratio <= 0 or abs(np.log(ratio)) < _WORTH:
            continue
        before, after = closes[place - 1], closes[place]
        if before > 0 and after > 0 and abs(np.log(after / before) + np.log(ratio)) < _CLOSE_TO:
            return day
    return None


def largest_jump(history: History, sessions: int) -> float:
    """Largest absolute daily log move of the last `sessions` closes; NaN without two of them."""
    closes = history.bars["close"].to_numpy(dtype=np.float64)[-sessions - 1 :]
    closes = closes[np.isfinite(closes) & (closes > 0)]
    return float(np.abs(np.diff(np.log(closes))).max()) if len(closes) > 1 else float("nan")
