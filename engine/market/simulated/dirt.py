"""What goes wrong in the simulated feed: which names lack what at a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray
from engine.market.simulated.draws import generator

SHORT_HISTORY = {"weeks": 15, "months": 70}
"""Sessions of history the feed still has: too few for HV20, and too few for HV90."""
PROVIDER_ERRORS = (
    "no answer within 10 s",
    "HTTP 429: too many requests",
    "HTTP 502: bad gateway",
    "the answer is no JSON",
)
_LASTING = ("no_history", "weeks", "months")
_PASSING = {
    "error": 1,
    "stale": 1,
    "no_spot": 1,
    "one_sided": 1,
    "wide": 4,
    "crossed": 2,
    "dead": 5,
    "expired": 2,
    "repeated": 3,
    "adjusted": 2,
}
"""Faults of a single session and how many names have each."""


@dataclass(frozen=True, slots=True)
class Dirt:
    """Places (in the listings) of the names with each fault; a name has one at the most.

    no_history  the feed has no daily closes              weeks, months  it has a few of them
    error       the provider answered with `error_text`   stale          last quoted a session ago
    no_spot     no price of the underlying                one_sided      every bid is zero
    wide        spreads several times the usual           crossed        call bid above ask at the money
    dead        no trade at the money                     expired        last week's contracts still listed
    repeated    quotes delivered twice                    adjusted       contracts of a past split beside
    """

    no_history: frozenset[int]
    weeks: frozenset[int]
    months: frozenset[int]
    error: frozenset[int]
    stale: frozenset[int]
    no_spot: frozenset[int]
    one_sided: frozenset[int]
    wide: frozenset[int]
    crossed: frozenset[int]
    dead: frozenset[int]
    expired: frozenset[int]
    repeated: frozenset[int]
    adjusted: frozenset[int]
    error_text: str


def dirt_of(frail: BoolArray, seed: int, ordinal: int) -> Dirt:
    """The faults at the session with this number, among the names that are `frail`.

    Faults of the history last, the others change from session to session. Small universes of healthy
    names have none.
    """
    lasting = [int(place) for place in generator(seed, "lasting faults").permutation(np.flatnonzero(frail))]
    faults = {kind: frozenset(lasting[row : row + 1]) for row, kind in enumerate(_LASTING)}
    draw = generator(seed, "passing faults", ordinal)
    text = PROVIDER_ERRORS[int(draw.integers(len(PROVIDER_ERRORS)))]
    rest = [int(place) for place in draw.permutation(sorted(lasting[len(_LASTING) :]))]
    for kind, count in _PASSING.items():
        faults[kind], rest = frozenset(rest[:count]), rest[count:]
    return Dirt(**faults, error_text=text)
