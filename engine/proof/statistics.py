"""How sure a hit rate is: Wilson's interval, and how many independent observations a sample is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.arrays import FloatArray

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def wilson(rate: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share: (low, high), both within 0..1, the rate between them.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). `n` may be an effective number and need not
    be whole. Raises ValueError for n <= 0 or a rate outside 0..1. Source: Wilson (1927), "Probable
    inference, the law of succession, and statistical inference", JASA 22.
    """
    if not (n > 0 and 0.0 <= rate <= 1.0):
        raise ValueError("wilson needs n above 0 and a rate within 0..1")
    share = z * z / n
    middle = (rate + share / 2) / (1 + share)
    half = z / (1 + share) * math.sqrt(rate * (1 - rate) / n + share / (4 * n))
    return min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half))


@dataclass(slots=True)
class SessionSums:
    """What the intraclass correlation needs of the sessions of one group; sums, so it streams.

    n, hits    observations and hits
    sessions   sessions with at least one observation
    squares    sum over sessions of n_s^2
    shares     sum over sessions of h_s^2 / n_s
    """

    n: int = 0
    hits: int = 0
    sessions: int = 0
    squares: float = 0.0
    shares: float = 0.0

    def add(self, n: FloatArray, hits: FloatArray) -> None:
        """Observations and hits of further sessions, (sessions,) each; sessions without any count nothing."""
        some = n > 0
        count, hit = n[some], hits[some]
        self.n += int(count.sum())
        self.hits += int(hit.sum())
        self.sessions += len(count)
        self.squares += float(count @ count)
        self.shares += float(np.sum(hit * hit / count))

    @property
    def intraclass(self) -> float | None:
        """Correlation of two hits of one session: (MSB - MSW) / (MSB + (n0 - 1) MSW).

        The one-way ANOVA estimator with sessions as classes and n0 = (n - sum n_s^2 / n) / (sessions - 1).
        None where it cannot be had: one session, one name a session, or hits that do not vary. It may be
        below 0. Source: Donner (1986), "A review of inference procedures for the intraclass correlation
        coefficient", International Statistical Review 54.
        """
        between, within = self.sessions - 1, self.n - self.sessions
        if between < 1 or within < 1 or self.hits in (0, self.n):
            return None
        # Hits are 0 or 1, so that their sum of squares is their sum.
        msb = max(0.0, self.shares - self.hits**2 / self.n) / between
        msw = max(0.0, self.hits - self.shares) / within
        size = (self.n - self.squares / self.n) / between
        below = msb + (size - 1) * msw
        return (msb - msw) / below if below > 0 else None


def effective_n(sums: SessionSums, free: int, periods: int) -> float:
    """How many independent observations a group is worth, between 1 and its n; 0 for an empty one.

    free / (1 + (m - 1) rho), a design effect for names that move together (Kish 1965, "Survey Sampling"):

    free      observations whose windows do not overlap, counted name by name
    periods   the same counted over the group's sessions, as if they were one name's
    m         free / periods, the names of one period, times sum n_s^2 sessions / n^2 as the names come in
              crowds: a period that holds many weighs as many
    rho       r + (1 - r) / periods with r the intraclass correlation of hits within a session, within 0..1,
              or 1 where it cannot be had; so few periods never pass for many

    docs/decisions/0019-effective-n.md tells how often the interval at it holds the true rate.
    """
    if sums.n == 0:
        return 0.0
    found = sums.intraclass
    correlation = 1.0 if found is None else min(1.0, max(0.0, found))
    rho = correlation + (1.0 - correlation) / periods
    crowding = sums.squares * sums.sessions / sums.n**2
    names = max(1.0, free / periods * crowding)
    return float(min(sums.n, max(1.0, free / (1.0 + (names - 1.0) * rho))))
