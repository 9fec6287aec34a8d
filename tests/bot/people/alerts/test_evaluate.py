"""Series of values by hand: what fires, what is held back, what is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from bot.people.alerts.evaluate import ARMED, BEYOND, NONE_TOLD, UNKNOWN, changes, crossings, reports

NAN = float("nan")
LEVEL, BAND = 1.30, 0.03


def played(values: list[float], quiet: list[bool] | None = None, seen: int = ARMED) -> str:
    """One entry through a series of runs: F fires, h held back, a dot for nothing."""
    told = ""
    for value, silent in zip(values, quiet or [False] * len(values), strict=True):
        outcome = crossings(
            np.array([value]), np.array([LEVEL]), np.array([BAND]), np.array([seen]), np.array([silent])
        )
        told += "F" if outcome.fires[0] else "h" if outcome.held[0] else "."
        seen = int(outcome.seen[0])
    return told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1.20, 1.31], ".F"),
        ([1.20, 1.30], ".."),
        ([1.20, 1.31, 1.50, 1.31], ".F.."),
        ([1.31, 1.29, 1.31, 1.28, 1.31], "F...."),
        ([1.31, 1.27, 1.31], "F.."),
        ([1.31, 1.269999, 1.31], "F.F"),
        ([1.31, NAN, 1.31, NAN, 1.20, NAN, 1.31], "F.....F"),
        ([NAN, NAN, 1.31], "..F"),
    ],
)
def test_a_crossing_fires_once_until_the_value_went_back_beyond_the_band(
    values: list[float], told: str
) -> None:
    assert played(values) == told


@pytest.mark.parametrize(
    ("values", "told"),
    [([1.40, 1.40], ".."), ([1.40, 1.20, 1.40], "..F"), ([NAN, 1.40, 1.41], "..."), ([1.20, 1.40], ".F")],
)
def test_the_first_value_ever_only_begins(values: list[float], told: str) -> None:
    assert played(values, seen=UNKNOWN) == told


@pytest.mark.parametrize(
    ("values", "quiet", "told"),
    [
        ([1.20, 1.40, 1.41], [False, True, False], ".hF"),
        ([1.20, 1.40, 1.20, 1.20], [False, True, True, False], ".h.."),
        ([1.20, 1.40, 1.29, 1.40], [False, True, False, False], ".h.F"),
        ([1.20, 1.40, NAN, 1.41], [False, True, False, False], ".h.F"),
        ([1.40, 1.20, 1.40, 1.40], [False, True, True, False], "F.hF"),
    ],
)
def test_a_crossing_in_the_silence_is_told_after_it_if_it_still_holds(
    values: list[float], quiet: list[bool], told: str
) -> None:
    assert played(values, quiet) == told


def test_a_fall_is_a_rise_with_the_sign_turned() -> None:
    seen = np.array([ARMED])
    for value, fires in ((0.25, False), (0.19, True), (0.18, False), (0.201, False), (0.19, False)):
        outcome = crossings(-np.array([value]), -np.array([0.20]), np.array([0.005]), seen, np.array([False]))
        assert bool(outcome.fires[0]) is fires
        seen = outcome.seen


def test_a_word_fires_when_it_differs_from_the_one_told_last() -> None:
    told, seen = "", np.array([UNKNOWN])
    for word, silent in (
        *((2, False), (2, False), (UNKNOWN, False), (1, False), (1, False)),
        *((0, True), (1, False), (0, True), (0, True), (0, False)),
    ):
        outcome = changes(np.array([word]), seen, np.array([silent]))
        told += "F" if outcome.fires[0] else "h" if outcome.held[0] else "."
        seen = outcome.seen
    assert told == "...F.h.hhF"


def test_each_report_date_fires_once() -> None:
    told, seen = "", np.array([NONE_TOLD])
    first, second = 740_000, 740_091
    for days, date, silent in (
        *((9, first, False), (7, first, False), (6, first, False), (0, first, False)),
        *((-1, first, False), (NAN, UNKNOWN, False), (90, second, False)),
        *((7, second, True), (6, second, False), (5, second, False)),
    ):
        outcome = reports(
            np.array([float(days)]), np.array([date]), np.array([7.0]), seen, np.array([silent])
        )
        told += "F" if outcome.fires[0] else "h" if outcome.held[0] else "."
        seen = outcome.seen
    assert told == ".F.....hF."


def test_a_report_already_near_only_begins() -> None:
    outcome = reports(
        np.array([3.0, 30.0]),
        np.array([740_000, 740_030]),
        np.array([7.0, 7.0]),
        np.array([UNKNOWN, UNKNOWN]),
        np.array([False, False]),
    )
    assert not outcome.fires.any()
    assert outcome.seen.tolist() == [740_000, NONE_TOLD]


def test_entries_do_not_touch_each_other() -> None:
    outcome = crossings(
        np.array([1.4, NAN, 1.2, 1.4]),
        np.full(4, LEVEL),
        np.full(4, BAND),
        np.array([ARMED, BEYOND, BEYOND, UNKNOWN]),
        np.array([False, False, False, True]),
    )
    assert outcome.fires.tolist() == [True, False, False, False]
    assert outcome.seen.tolist() == [BEYOND, BEYOND, ARMED, BEYOND]
