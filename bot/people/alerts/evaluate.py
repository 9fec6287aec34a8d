"""Which rules fire, over arrays: one entry a rule and name, all entries of a family at once.

Nothing in here reads a file or a clock. `seen` is what is remembered of each entry between two runs;
UNKNOWN until a run held a value for it, and a first value never fires: there is nothing it could have
crossed or changed from. An entry that is `quiet` (cooling or snoozed) is held back: what is remembered of
it stays, so that the first run after the silence fires if the condition still holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray

UNKNOWN = -1
ARMED, BEYOND = 0, 1
NONE_TOLD = 0
"""Of reports: no date has been told yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Per entry: whether it fires, whether it would but for the silence, and what is remembered now.

    Remembered is 0 or 1 for a level, the code of a word, or the day number of a report.
    """

    fires: BoolArray
    held: BoolArray
    seen: IntArray


def crossings(
    values: FloatArray, levels: FloatArray, bands: FloatArray, seen: IntArray, quiet: BoolArray
) -> Outcome:
    """Values that rose above their levels; for a fall below, hand in both with the sign turned.

    An armed entry fires when its value exceeds the level. It is armed again only once the value stood
    below `level - band`. NaN is missing and changes nothing.
    """
    beyond = values > levels
    crossing = beyond & (seen == ARMED)
    fires = crossing & ~quiet
    first = (seen == UNKNOWN) & ~np.isnan(values)
    back = (seen == BEYOND) & (values < levels - bands)
    after = np.where(fires, BEYOND, seen)
    after = np.where(back, ARMED, after)
    after = np.where(first, beyond.astype(np.int64), after)
    return Outcome(fires, crossing & quiet, after)


def changes(words: IntArray, seen: IntArray, quiet: BoolArray) -> Outcome:
    """Words (by their codes) that differ from the one told last; UNKNOWN is missing and changes nothing."""
    known = words != UNKNOWN
    moved = known & (seen != UNKNOWN) & (words != seen)
    fires = moved & ~quiet
    after = np.where(fires | (known & (seen == UNKNOWN)), words, seen)
    return Outcome(fires, moved & quiet, after)


def reports(
    days: FloatArray, dates: IntArray, within: FloatArray, seen: IntArray, quiet: BoolArray
) -> Outcome:
    """Reports that came within so many days; each date fires once, those gone by never.

    `dates` are day numbers, UNKNOWN where there is none.
    """
    known = ~np.isnan(days) & (dates != UNKNOWN)
    near = known & (days >= 0) & (days <= within)
    due = near & (seen != UNKNOWN) & (seen != dates)
    fires = due & ~quiet
    after = np.where(fires, dates, seen)
    after = np.where(known & (seen == UNKNOWN), np.where(near, dates, NONE_TOLD), after)
    return Outcome(fires, due & quiet, after)
