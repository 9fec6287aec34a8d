"""Observations of a past without an outcome: still waiting for one, or never to have one."""

from __future__ import annotations

from collections import Counter

import numpy as np

from engine.proof.judged import JudgedDays
from engine.proof.series import Past

STOPPED, MISSING = "stopped trading", "closes missing"


class Unsettled:
    """Counts block by block; every observation with an IV30 and no outcome is in exactly one of the three."""

    def __init__(self, past: Past, horizon: int) -> None:
        self._past, self._horizon, self._stopped = past, horizon, past.stopped
        self.waiting = 0
        self.lost: Counter[str] = Counter()
        self._short = self._shorter = self._observed = 0

    def add(self, judged: JudgedDays) -> None:
        """Further judged days."""
        rows = judged.rows
        observed = np.isfinite(judged.own.iv30)
        open_ended = observed & ~np.isfinite(rows.realized)
        over = rows.session + self._horizon
        stopped = open_ended & self._stopped[rows.name] & (over > self._past.ends[rows.name])
        waiting = open_ended & ~stopped & (over > self._past.closes_to)
        self.waiting += int(np.count_nonzero(waiting))
        for reason, found in ((STOPPED, stopped), (MISSING, open_ended & ~stopped & ~waiting)):
            if found.any():
                self.lost[reason] += int(np.count_nonzero(found))
        self._observed += int(np.count_nonzero(observed))
        quarterly, yearly = (
            np.isnan(rows.table[ratio].to_numpy(dtype=np.float64))
            for ratio in ("vrp_structural", "structural_252")
        )
        self._short += int(np.count_nonzero(observed & quarterly))
        self._shorter += int(np.count_nonzero(observed & yearly))

    def notes(self) -> tuple[str, ...]:
        """What to know of the observations as a whole."""
        if not self._shorter:
            return ()
        return (
            f"Of {self._observed:,} observations {self._short:,} lack the 91 closes that HV90 needs and "
            f'{self._shorter:,} the 253 of HV252: they count in "all", in the universe and as not listed by '
            "the lens that wants them; its premium gates are unknown.",
        )
