"""What a close that is taken does to the record, beside the run itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from bot.past import keep_closes, past_closes
from bot.screening import Screening
from bot.service import MarketService
from engine.market.simulated import SimulatedMarket
from engine.record import Store
from engine.rules import Rules, load_rules, load_universe
from tests.engine.record.screens import sql

CONFIG = Path(__file__).resolve().parents[2] / "config"
LAST = date(2025, 12, 30)
CLOSES = 22


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "variance.db")


def past(store: Store, rules: Rules) -> tuple[SimulatedMarket, Screening]:
    """A record that holds one close whose sessions after are over by the market's own close, and one not."""
    listings = load_universe(CONFIG)[:8]
    market = SimulatedMarket(listings, LAST)
    for _ in keep_closes(past_closes(market, CLOSES, rules), rules, store):
        pass
    return market, Screening(market, rules, store, "simulated", None, listings, ())


def outcomes(store: Store) -> int:
    return int(sql(store, "SELECT count(*) FROM outcomes")[0][0])


def test_an_official_close_settles_what_is_due_and_no_other_market_does(store: Store) -> None:
    rules = load_rules(CONFIG)
    market, screening = past(store, rules)
    with store:
        opening = screening.take(SimulatedMarket(market.listings, LAST, "open").snapshot(), official=True)
        screening.settle(opening.panel, official=True)
        beside = screening.take(market.snapshot(), official=False)
        screening.settle(beside.panel, official=False)
        assert outcomes(store) == 0
        taken = screening.take(market.snapshot(), official=True)
        assert outcomes(store) == 0  # the run is there, and may be posted, before it settles anything
        screening.settle(taken.panel, official=True)
        found = sql(store, "SELECT run_id, count(*) FROM outcomes WHERE realized > 0 GROUP BY run_id")
        measured = sql(store, "SELECT id, measured FROM runs WHERE id IN (1, 2) ORDER BY id")
        assert found == measured
        assert sql(store, "SELECT count(*) FROM outcome_days") == [(CLOSES + 1,)]
        assert sql(store, "SELECT count(*) FROM scorecards")[0][0] > 0


def test_what_a_crash_cut_off_is_settled_by_the_same_close_taken_after_it(store: Store) -> None:
    rules = load_rules(CONFIG)
    market, screening = past(store, rules)
    with store:
        screening.take(market.snapshot(), official=True)  # and the process ends here
        again = Screening(market, rules, store, "simulated", None, market.listings, ())
        again.settle(again.take(market.snapshot(), official=False).panel, official=False)
        assert outcomes(store) > 0


def test_a_settlement_that_fails_does_not_lose_the_run(store: Store) -> None:
    rules = load_rules(CONFIG)
    market, screening = past(store, rules)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DROP TABLE outcomes")
    with store:
        taken = screening.take(market.snapshot(), official=True)
        screening.settle(taken.panel, official=True)
        assert store.load(taken.official.run_id) == taken.official.screen


async def test_a_market_is_at_hand_before_it_has_settled_the_earlier_ones(store: Store) -> None:
    rules = load_rules(CONFIG)
    market, _ = past(store, rules)
    service = MarketService(market, rules, store, realm="simulated", listings=market.listings)
    with closing(sqlite3.connect(store.path)) as elsewhere:
        taken = await service.refresh()
        assert elsewhere.execute("SELECT count(*) FROM outcomes").fetchone() == (0,)
        assert service.market is taken
        await service.settling.done()
        assert elsewhere.execute("SELECT count(*) FROM outcomes").fetchone() > (0,)
    service.close()
