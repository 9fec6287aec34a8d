"""Whipsaw: how many of the listed names leave the list again within some sessions."""

from __future__ import annotations

import numpy as np

from engine.arrays import IntArray
from engine.proof.days import LISTED, NOT_LISTED, NOT_MEASURED, StateArray
from engine.proof.result import Whipsaw


class WhipsawCounter:
    """Counts session by session; of the past it keeps the last `within` sessions."""

    def __init__(self, lens: str, within: int) -> None:
        self._lens, self._within = lens, within
        self._states = np.empty((0, 0), dtype=np.int8)
        self._positions = np.empty(0, dtype=np.int64)
        self._n = self._left = 0

    def add(self, positions: IntArray, session: IntArray, name: IntArray, listed: StateArray) -> None:
        """Further whole sessions.

        positions   (sessions,) their numbers; a number left out is a session the data do not know
        session     (rows,) index into positions
        name        (rows,) number of the ticker, the same in every block
        listed      (rows,) LISTED, NOT_LISTED or NOT_MEASURED
        """
        old = len(self._positions)
        names = max(self._states.shape[1], int(name.max()) + 1 if len(name) else 0)
        states = np.full((old + len(positions), names), NOT_MEASURED, dtype=np.int8)
        states[:old, : self._states.shape[1]] = self._states
        states[old + session, name] = listed
        self._positions = np.concatenate([self._positions, positions])
        ready = max(0, len(states) - self._within)
        known = self._positions[self._within :] - self._positions[:ready] == self._within
        out = states == NOT_LISTED
        left = np.zeros((ready, names), dtype=bool)
        for ahead in range(1, self._within + 1):
            left |= out[ahead : ahead + ready]
        listed_then = (states[:ready] == LISTED) & known[:, None]
        self._n += int(np.count_nonzero(listed_then))
        self._left += int(np.count_nonzero(listed_then & left))
        self._states, self._positions = states[ready:].copy(), self._positions[ready:].copy()

    def result(self) -> Whipsaw:
        """Listed name-days whose next sessions are all known, and the share of them that left."""
        return Whipsaw(self._lens, self._n, self._left / self._n if self._n else None)
