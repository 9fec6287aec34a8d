"""From the lines of two files to a past: IV30 and closes of names on the exchange's own days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.errors import UnreadableError
from engine.proof.days import DayArray

SPLIT_RATIOS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50)
"""Splits looked for, and their inverses; a ratio of 3 to 2 is too near to what a bad day can do."""
SPLIT_TOLERANCE = 0.02
LARGE_MOVE = 0.40
"""A one-day move beyond this that is no split is kept as real and named."""
STOPPED_AFTER = 5
"""Sessions without a close before the end of the prices from which a name has stopped trading."""
_NAMED = 12
"""So many names or days are told one by one, the others by their number."""


@dataclass(frozen=True, slots=True)
class Lines:
    """One value a name and day as a file gave it, in the order of its lines.

    `name` (lines,) indexes `symbols`; `day` (lines,) datetime64[D]; `value` (lines,) NaN where empty.
    """

    symbols: tuple[str, ...]
    name: IntArray
    day: DayArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class Past:
    """IV30 and closes on a grid of sessions, oldest first, NaN where missing.

    symbols   names held by both files
    sessions  (sessions,) datetime64[D]
    iv30      (names, sessions) annual fractions
    close     (names, sessions), splits nobody adjusted removed from the day they happened on
    ends      (names,) column of the last close
    closes_to column of the last session that has any close
    notes     what was found and done about it, a sentence each
    """

    symbols: tuple[str, ...]
    sessions: DayArray
    iv30: FloatArray
    close: FloatArray
    ends: IntArray
    closes_to: int
    notes: tuple[str, ...]

    @property
    def stopped(self) -> BoolArray:
        """Names whose closes end well before the others', (names,)."""
        return stopped_before(self.ends, self.closes_to)


def stopped_before(ends: IntArray, closes_to: int) -> BoolArray:
    """Whether a last close (names,) lies STOPPED_AFTER sessions or more before the last of all."""
    stopped: BoolArray = closes_to - ends >= STOPPED_AFTER
    return stopped


def past_of(iv: Lines, prices: Lines, sessions: DayArray, repair: bool = True) -> Past:
    """Match names, keep what lies on `sessions` (all trading days of both files), clean it and say so.

    Lines on days without a session are dropped; values that are not finite or not above 0 are missing; of
    lines repeated for a name and day the later one stands. A missing session stays missing. With `repair`
    a one-day move within 2 % of a split's ratio has that ratio taken out of its return: later closes are
    multiplied by it, earlier ones stay as they are, so no past day changes by what comes after it.

    Raises UnreadableError when no name is in both files, or when one of them has no usable line of such
    a name.
    """
    symbols = tuple(sorted(set(iv.symbols) & set(prices.symbols)))
    if not symbols:
        raise UnreadableError(
            "No name stands in both files: the symbols of --iv and --prices must be written alike."
        )
    notes = _one_sided(iv.symbols, prices.symbols)
    iv30 = _matrix(iv, symbols, sessions, "IV", notes)
    close = _matrix(prices, symbols, sessions, "price", notes)
    ends = _last_known(close)
    closes_to = int(ends.max())
    _tell_gaps(close, ends, notes)
    if repair:
        close = _repaired(close, symbols, sessions, notes)
    else:
        notes.append("Prices are taken as they are: no split was looked for.")
    _tell_ends(symbols, sessions, ends, closes_to, notes)
    return Past(symbols, sessions, iv30, close, ends, closes_to, tuple(notes))


def _one_sided(iv: Sequence[str], prices: Sequence[str]) -> list[str]:
    notes = []
    for here, there, has, lacks in ((iv, prices, "IV", "prices"), (prices, iv, "prices", "IV")):
        alone = sorted(set(here) - set(there))
        if alone:
            notes.append(
                f"{_counted(len(alone), 'name')} with {has} but no {lacks} left out: {listed(alone)}."
            )
    return notes


def listed(words: Sequence[str]) -> str:
    """The first dozen of some words, and how many more there are."""
    more = len(words) - _NAMED
    return ", ".join(words[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


# --- lines on the grid ---------------------------------------------------------------------------


def _matrix(
    lines: Lines, symbols: Sequence[str], sessions: DayArray, file: str, notes: list[str]
) -> FloatArray:
    place = {symbol: row for row, symbol in enumerate(symbols)}
    row_of = np.array([place.get(symbol, -1) for symbol in lines.symbols], dtype=np.int64)
    row = row_of[lines.name]
    column = np.searchsorted(sessions, lines.day)
    traded = np.zeros(len(row), dtype=bool)
    if len(sessions):
        traded = sessions[np.minimum(column, len(sessions) - 1)] == lines.day
    ours = row >= 0
    _note(notes, ours & ~traded, "{} of the " + file + " file on days without a session left out.")
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(lines.value) & (lines.value > 0)
    _note(
        notes,
        ours & traded & ~sound,
        "{} of the " + file + " file without a value above 0 counted as missing.",
    )
    kept = np.flatnonzero(ours & traded & sound)
    if not len(kept):
        raise UnreadableError(
            f"The {file} file has no value above 0 on a trading day for a name of both files."
        )
    return _scattered(row[kept], column[kept], lines.value[kept], (len(symbols), len(sessions)), file, notes)


def _note(notes: list[str], found: BoolArray, sentence: str) -> None:
    count = int(np.count_nonzero(found))
    if count:
        notes.append(sentence.format(_counted(count, "line")))


def _scattered(
    row: IntArray, column: IntArray, value: FloatArray, shape: tuple[int, int], file: str, notes: list[str]
) -> FloatArray:
    """Values in their places; of several for one place the later line stands."""
    key = row * shape[1] + column
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    repeats = key[1:] == key[:-1]
    differs = value[1:] != value[:-1]
    _note(notes, repeats & ~differs, "{} of the " + file + " file repeated word for word merged.")
    _note(
        notes,
        repeats & differs,
        "{} of the "
        + file
        + " file contradicted by a later line for the same name and day; the later stands.",
    )
    last = np.append(~repeats, True)
    matrix = np.full(shape, np.nan)
    matrix.reshape(-1)[key[last]] = value[last]
    return matrix


def _last_known(close: FloatArray) -> IntArray:
    known = np.isfinite(close)
    last: IntArray = close.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), last, -1)


# --- what the prices tell ------------------------------------------------------------------------


def _tell_gaps(close: FloatArray, ends: IntArray, notes: list[str]) -> None:
    known = np.isfinite(close)
    starts = np.where(known.any(axis=1), np.argmax(known, axis=1), 0)
    missing = np.where(ends >= 0, ends - starts + 1, 0) - known.sum(axis=1)
    count = int(missing.sum())
    if count:
        names = int(np.count_nonzero(missing))
        notes.append(
            f"{_counted(count, 'close')} missing inside the series of {_counted(names, 'name')}: never "
            "filled; windows and outcomes that hold one are not measured."
        )


def _repaired(close: FloatArray, symbols: Sequence[str], sessions: DayArray, notes: list[str]) -> FloatArray:
    with np.errstate(invalid="ignore"):
        move = close[:, 1:] / close[:, :-1]
        # NaN is in neither: a move over a missing session is no one-day move.
        far = np.argwhere((move < 1 - LARGE_MOVE) | (move > 1 + LARGE_MOVE))
    repaired, splits, real = close, [], []
    for row, before in far:
        times = float(move[row, before])
        ratio = split_ratio(times)
        told = f"{symbols[row]} {sessions[before + 1]}"
        if ratio is None:
            real.append(f"{told} ({100 * (times - 1):+.0f} %)")
            continue
        if repaired is close:
            repaired = close.copy()
        repaired[row, before + 1 :] *= ratio
        splits.append(f"{told} ({_ratio_words(ratio)})")
    if splits:
        notes.append(
            f"{_counted(len(splits), 'one-day move')} taken for a split nobody adjusted, "
            f"that day's return corrected by the ratio: {listed(splits)}."
        )
    if real:
        notes.append(
            f"{_counted(len(real), 'one-day move')} beyond {100 * LARGE_MOVE:.0f} % "
            f"that fits no split, kept as real: {listed(real)}."
        )
    return repaired


def split_ratio(times: float) -> float | None:
    """New shares for an old one that explain a close `times` the one before, within 2 %; None where none do.

    2.0 for a close that halved, 0.1 for one that rose tenfold.
    """
    for ratio in (*SPLIT_RATIOS, *(1 / ratio for ratio in SPLIT_RATIOS)):
        if abs(times * ratio - 1) <= SPLIT_TOLERANCE:
            return float(ratio)
    return None


def _ratio_words(ratio: float) -> str:
    return f"{ratio:.0f} for 1" if ratio > 1 else f"1 for {1 / ratio:.0f}"


def _tell_ends(
    symbols: Sequence[str], sessions: DayArray, ends: IntArray, closes_to: int, notes: list[str]
) -> None:
    stopped = np.flatnonzero(stopped_before(ends, closes_to))
    if len(stopped):
        told = [f"{symbols[row]} after {sessions[ends[row]]}" for row in map(int, stopped) if ends[row] >= 0]
        told += [f"{symbols[row]} without any close" for row in map(int, stopped) if ends[row] < 0]
        notes.append(
            f"{_counted(len(stopped), 'name')} without closes up to the end: {listed(told)}; "
            "what was observed in the last sessions before has no outcome and is counted as lost."
        )
    elif len(symbols) > 1:
        notes.append(
            "Every name has closes up to the end of the files: names that disappeared earlier are not in "
            "them, so the figures are those of survivors."
        )
