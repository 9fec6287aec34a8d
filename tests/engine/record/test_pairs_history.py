"""The past of any pair, read from the names that were stored."""

from collections.abc import Sequence
from datetime import date, time, timedelta

import numpy as np
import pytest

from engine.record import Store
from engine.record.pairs import spread_history
from engine.relative.pairs import SpreadHistory
from tests.engine.record.screens import DAY, RULES, SIMULATED, a_row, a_screen

LATER = date.max


def keep(store: Store, session: date, official: bool = True, *, at: time = time(20), **ratios: object) -> int:
    """A close that holds these names with their ratio; further fields of the run by keyword `run_...`."""
    run = {name.removeprefix("run_"): ratios.pop(name) for name in list(ratios) if name.startswith("run_")}
    rows = [a_row(symbol, structural_252=ratio, iv30=0.3) for symbol, ratio in ratios.items()]
    return store.save(a_screen(*rows, session=session, at=at, **run), RULES, official, "live")  # type: ignore[arg-type]


def history(
    store: Store, before: date = LATER, days: int = 252, legs: Sequence[str] = ("KO", "PEP")
) -> SpreadHistory:
    return spread_history(store, legs[0], legs[1], "live", before, days)


def after(days: int) -> date:
    return DAY + timedelta(days=days)


def test_the_spread_of_two_names_by_session_oldest_first(store: Store) -> None:
    keep(store, after(1), KO=1.2, PEP=0.9, MSFT=3.0)
    keep(store, DAY, KO=1.0, PEP=1.1)
    found = history(store)
    assert found.sessions == (DAY, after(1))
    np.testing.assert_allclose(found.a, [1.0, 1.2])
    np.testing.assert_allclose(found.b, [1.1, 0.9])
    np.testing.assert_allclose(found.spread, [-0.1, 0.3])
    turned = history(store, legs=("PEP", "KO"))
    np.testing.assert_allclose(turned.spread, -found.spread)


def test_a_leg_that_is_missing_is_nan_and_sessions_without_either_are_left_out(store: Store) -> None:
    keep(store, DAY, KO=1.0)
    keep(store, after(1), MSFT=1.0)
    keep(store, after(2), KO=None, PEP=None)
    keep(store, after(3), KO=1.0, PEP=0.5)
    found = history(store)
    assert found.sessions == (DAY, after(3))
    np.testing.assert_array_equal(found.spread, [np.nan, 0.5])
    np.testing.assert_array_equal(found.b, [np.nan, 0.5])


def test_a_ratio_of_quotes_that_did_not_count_does_not_count_later(store: Store) -> None:
    rows = (a_row("KO", structural_252=9.0, missing_reason="stale quotes"), a_row("PEP", structural_252=1.0))
    store.save(a_screen(*rows), RULES, True, "live")
    np.testing.assert_array_equal(history(store).a, [np.nan])


def test_it_ends_before_the_session_and_holds_so_many_sessions(store: Store) -> None:
    for day in range(5):
        keep(store, after(day), KO=1.0 + day, PEP=1.0)
    assert history(store, before=after(3)).sessions == (DAY, after(1), after(2))
    assert history(store, before=after(3), days=2).sessions == (after(1), after(2))
    assert history(store, before=DAY).sessions == ()


def test_only_official_closes_of_the_realm_that_were_measured_count(store: Store) -> None:
    keep(store, DAY, official=False, KO=1.0, PEP=1.0)
    keep(store, after(1), KO=1.0, PEP=1.0, run_kind="open")
    keep(store, after(2), KO=1.0, PEP=1.0, run_state="outage")
    keep(store, after(3), KO=1.0, PEP=1.0, run_source=SIMULATED)
    assert history(store).sessions == ()
    keep(store, after(4), KO=1.5, PEP=1.0, run_state="degraded")
    np.testing.assert_allclose(history(store).spread, [0.5])
    assert spread_history(store, "KO", "PEP", "simulated", LATER).sessions == (after(3),)


def test_the_last_revision_and_of_several_runs_the_latest_saved_count(store: Store) -> None:
    keep(store, DAY, KO=1.0, PEP=1.0)
    keep(store, DAY, KO=1.4, PEP=1.0, at=time(20, 5))
    np.testing.assert_allclose(history(store).spread, [0.4])
    # A run under a server's own profile holds KO alone: PEP stays that of the other run.
    keep(store, DAY, KO=1.7, run_profile="broad")
    np.testing.assert_allclose(history(store).spread, [0.7])


@pytest.mark.parametrize("legs", [("ZZZZ", "YYYY"), ("KO' OR 1=1 --", "PEP")])
def test_names_nobody_stored_have_no_past(store: Store, legs: tuple[str, str]) -> None:
    keep(store, DAY, KO=1.0)
    found = history(store, legs=legs)
    assert (found.sessions, len(found.spread)) == ((), 0)


def test_a_pair_of_one_name_with_itself_does_not_spread(store: Store) -> None:
    keep(store, DAY, KO=1.3)
    np.testing.assert_array_equal(history(store, legs=("KO", "KO")).spread, [0.0])


def test_one_leg_s_past_is_what_the_record_s_own_history_says(store: Store) -> None:
    for day in range(6):
        keep(store, after(day), KO=1.0 + day / 10, PEP=1.0 if day % 2 else None)
    points = store.history("PEP", "live", columns=["structural_252"])
    told = {point.session: point.values["structural_252"] for point in points}
    found = history(store)
    for session, ratio in zip(found.sessions, found.b, strict=True):
        assert told[session] == (None if np.isnan(ratio) else ratio)
