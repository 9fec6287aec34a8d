"""What holds for any values, any rules and any order of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.people.alerts.evaluate import ARMED, crossings
from bot.people.alerts.frame import HEADROOM, PASSED, THRESHOLD, Frame, Vocabulary
from bot.people.alerts.look import Look, Stored, Watched, look, repacked
from bot.people.alerts.rules import Condition, Rule, RunFacts, Wish

NAMES = ("AAPL", "GLD", "KO", "XLE")
OWNER = 7
NOW = datetime(2026, 1, 5, tzinfo=UTC)
REGIMES = ("COILED", "EXPANDING", "NORMAL")

levels = st.floats(0.1, 10.0)
maybe = st.one_of(st.none(), st.floats(0.0, 3.0))


@st.composite
def frames(draw: st.DrawFn, vocabulary: Vocabulary) -> Frame:
    """A run over some of the names."""
    held = draw(st.lists(st.sampled_from(NAMES), unique=True))
    numbers = {
        column: np.array([draw(maybe) for _ in held], dtype=np.float64)
        for column in ("vrp_tactical", "iv30", "earnings_days", "correlation", THRESHOLD, HEADROOM)
    }
    numbers[PASSED] = np.array([float(draw(st.booleans())) for _ in held], dtype=np.float64)
    words = {
        word: np.array(
            [vocabulary.code(draw(st.one_of(st.none(), st.sampled_from(REGIMES)))) for _ in held],
            dtype=np.int64,
        )
        for word in ("regime", "signal")
    }
    reports = np.array([draw(st.integers(740_000, 740_003)) for _ in held], dtype=np.int64)
    facts = RunFacts(1, date(2026, 1, 5), "close", simulated=False)
    return Frame(facts, tuple(held), numbers, words, reports, {key: row for row, key in enumerate(held)})


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Rules of one person on the watchlist or single names."""
    made = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        condition: Condition = draw(
            st.sampled_from(("above", "below", "enters", "leaves", "regime", "signal", "earnings"))
        )
        crossing = condition in ("above", "below")
        level = draw(levels) if crossing else 2.0 if condition == "earnings" else None
        metric = draw(st.sampled_from(("vrp_tactical", "iv30"))) if crossing else ""
        name = draw(st.sampled_from(("", *NAMES)))
        wish = Wish("name" if name else "watchlist", name, condition, metric, level)
        snoozed = draw(st.sampled_from((None, NOW + timedelta(hours=1))))
        made.append(Rule(number, OWNER, number, wish, NOW, snoozed))
    return made


def seen_by(stored: Sequence[Stored], frame: Frame, vocabulary: Vocabulary) -> tuple[Look, list[Stored]]:
    """One look, and the rules as they are stored after it."""
    watched = Watched(frame, {OWNER: NAMES})
    found = look(stored, watched, frame, vocabulary, NOW)
    after = [
        Stored(each.rule, repacked(found, place, watched, vocabulary)) for place, each in enumerate(stored)
    ]
    return found, after


def fired(found: Look) -> set[tuple[int, str]]:
    return {
        (each.rule.id, found.keys[entry])
        for place, each in enumerate(found.stored)
        for entry in range(found.span(place).start, found.span(place).stop)
        if found.outcome.fires[entry]
    }


@given(level=levels, share=st.floats(0.0, 0.2), walk=st.lists(st.floats(0.0, 1.0), max_size=40))
def test_an_oscillation_within_the_band_never_fires_twice(
    level: float, share: float, walk: list[float]
) -> None:
    band, seen, fires = level * share, np.array([ARMED]), 0
    for step in walk:
        value = level - band + step * 3 * (band + 0.1)
        outcome = crossings(
            np.array([max(value, level - band)]),
            np.array([level]),
            np.array([band]),
            seen,
            np.array([False]),
        )
        seen, fires = outcome.seen, fires + int(outcome.fires[0])
    assert fires <= 1


@settings(deadline=None)
@given(st.data())
def test_a_second_look_at_the_same_run_changes_nothing(data: st.DataObject) -> None:
    vocabulary = Vocabulary()
    stored = [Stored(rule) for rule in data.draw(rules())]
    for _ in range(data.draw(st.integers(0, 2))):
        _, stored = seen_by(stored, data.draw(frames(vocabulary)), vocabulary)
    frame = data.draw(frames(vocabulary))
    _, stored = seen_by(stored, frame, vocabulary)
    found, again = seen_by(stored, frame, vocabulary)
    assert not found.outcome.fires.any()
    assert [each.seen for each in again] == [each.seen for each in stored]


@settings(deadline=None)
@given(st.data())
def test_the_order_of_rules_does_not_matter(data: st.DataObject) -> None:
    vocabulary = Vocabulary()
    first, second = data.draw(frames(vocabulary)), data.draw(frames(vocabulary))
    made = [Stored(rule) for rule in data.draw(rules())]
    mixed = data.draw(st.permutations(made))
    results = []
    for order in (made, mixed):
        _, after = seen_by(order, first, vocabulary)
        found, last = seen_by(after, second, vocabulary)
        results.append((fired(found), {each.rule.id: each.seen for each in last}))
    assert results[0] == results[1]


@settings(deadline=None)
@given(st.data())
def test_a_name_the_run_does_not_hold_is_left_as_it_was(data: st.DataObject) -> None:
    vocabulary = Vocabulary()
    stored = [Stored(rule) for rule in data.draw(rules())]
    _, before = seen_by(stored, data.draw(frames(vocabulary)), vocabulary)
    nothing = Frame(
        RunFacts(2, date(2026, 1, 6), "close", simulated=False),
        (),
        {column: np.empty(0) for column in ("vrp_tactical", PASSED, HEADROOM)},
        {word: np.empty(0, dtype=np.int64) for word in ("regime", "signal")},
        np.empty(0, dtype=np.int64),
    )
    found, after = seen_by(before, nothing, vocabulary)
    assert not found.outcome.fires.any()
    assert [each.seen for each in after] == [each.seen for each in before]
