"""The simulated market played from run to run."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from engine.errors import SnapshotError
from engine.market.simulated import SimulatedMarket, SimulatedMarkets
from engine.market.snapshot import LiveProvider, PlayedProvider, Snapshot
from tests.engine.market.simulation import FEW

THEN, NEXT, LAST = date(2026, 12, 31), date(2027, 1, 4), date(2027, 1, 5)


def closes(snapshot: Snapshot, session: date) -> "pd.Series[float]":
    bars = snapshot.history[snapshot.history["date"] == pd.Timestamp(session)]
    return bars.set_index("symbol")["close"]


def test_it_is_a_played_provider_and_no_live_one() -> None:
    markets = SimulatedMarkets(FEW)
    assert isinstance(markets, PlayedProvider)
    assert not isinstance(markets, LiveProvider)
    assert not isinstance(SimulatedMarket(FEW, NEXT), PlayedProvider)


def test_a_run_is_the_simulated_market_of_its_session_and_seed() -> None:
    played = SimulatedMarkets(FEW, seed=11).of_run(NEXT, "open")
    alone = SimulatedMarket(FEW, NEXT, "open", 11).snapshot()
    assert (played.session, played.kind, played.source) == (NEXT, "open", "SIMULATED market, seed 11")
    for table in ("quotes", "underlyings", "history"):
        pd.testing.assert_frame_equal(getattr(played, table), getattr(alone, table))


def test_sessions_of_one_seed_lie_on_one_path_over_the_turn_of_the_year() -> None:
    markets = SimulatedMarkets(FEW, seed=7)
    first, second, third = (markets.of_run(day, "close") for day in (THEN, NEXT, LAST))
    for earlier, later in ((first, second), (second, third), (first, third)):
        now = closes(earlier, earlier.session)
        assert now.notna().all()
        pd.testing.assert_series_equal(closes(later, earlier.session)[now.index], now)
    # An open run stands between two closes: the day before is in its history, its own close is not.
    morning = markets.of_run(NEXT, "open")
    pd.testing.assert_series_equal(closes(morning, THEN), closes(second, THEN))
    assert closes(morning, NEXT).empty
    assert morning.asof < second.asof


def test_another_seed_is_another_path() -> None:
    one, other = (SimulatedMarkets(FEW, seed=seed).of_run(NEXT, "close") for seed in (7, 8))
    assert not np.allclose(closes(one, NEXT), closes(other, NEXT))


def test_a_name_is_asked_of_the_run_that_was_last_played() -> None:
    markets = SimulatedMarkets(FEW, 7, THEN)
    assert (markets.snapshot().session, markets.snapshot().kind) == (THEN, "close")
    markets.of_run(NEXT, "open")
    ko = markets.snapshot(["KO"])
    assert (ko.session, ko.kind, ko.symbols) == (NEXT, "open", ["KO"])
    markets.of_run(THEN, "close")
    assert markets.snapshot(["KO"]).session == THEN


def test_what_is_not_played_is_refused_and_changes_nothing() -> None:
    markets = SimulatedMarkets(FEW)
    with pytest.raises(SnapshotError, match="No session of the simulated market has been asked for yet"):
        markets.snapshot()
    markets.of_run(NEXT, "close")
    for day in (date(2027, 1, 1), date(2020, 1, 2)):
        with pytest.raises(SnapshotError):
            markets.of_run(day, "close")
    with pytest.raises(SnapshotError, match="lists none of ZZZZ"):
        markets.snapshot(["ZZZZ"])
    assert markets.snapshot().session == NEXT
    with pytest.raises(SnapshotError, match="the seed is -1"):
        SimulatedMarkets(FEW, -1, NEXT)
