"""What became of official closes: settled from later prices, once, and never rewritten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bot.past import keep_closes, past_closes
from engine.market.columns import panel_of
from engine.market.simulated import SimulatedMarket
from engine.record import Store
from engine.record.outcomes import GONE, MISSING, STOPPED, Settled, settle
from engine.rules import Rules, load_rules, load_universe
from tests.engine.record.prices import a_panel, plain_realized, sessions_from, walk
from tests.engine.record.screens import DAY, RULES, a_row, a_screen, closes, sql

CONFIG = Path(__file__).resolve().parents[3] / "config"
AHEAD = sessions_from(DAY, 100)
"""AHEAD[0] is the session after DAY; AHEAD[20] the first whose close settles it."""
HORIZON = AHEAD[20]
LAST_TRY = AHEAD[62]
"""42 sessions after the horizon."""


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(CONFIG)


def keep(
    store: Store, session: date = DAY, iv30: Mapping[str, float | None] | None = None, **run: Any
) -> int:
    screen = a_screen(*closes(iv30 or {"KO": 0.2, "PEP": 0.3}), session=session, **run)
    return store.save(screen, RULES, official=True, realm="live")


def market(until: date, *symbols: str) -> dict[str, pd.Series[float]]:
    """The same walk for a name however far it is looked at."""
    end = AHEAD[-1]
    return {symbol: walk(ord(symbol[0]), end, 200).loc[:until] for symbol in symbols or ("KO", "PEP")}


def outcomes(store: Store) -> dict[tuple[int, str], tuple[float | None, str | None, str]]:
    """(realized, reason, settled_on) by run and ticker."""
    found = sql(store, "SELECT run_id, symbol, realized, reason, settled_on FROM outcomes")
    return {(row[0], row[1]): row[2:] for row in found}


def test_a_simulated_months_outcomes_are_those_of_plain_pandas(store: Store, rules: Rules) -> None:
    listings = load_universe(CONFIG)[:14]
    then = SimulatedMarket(listings, date(2025, 9, 30))
    for _ in keep_closes(past_closes(then, 8, rules), rules, store):
        pass
    later = SimulatedMarket(listings, date(2025, 11, 28)).snapshot()
    found = settle(store, panel_of(later, rules.benchmark), "simulated", rules)
    prices = later.history.pivot(index="date", columns="symbol", values="close")
    rows = sql(
        store,
        "SELECT r.session, o.symbol, t.realized FROM runs r JOIN observations o ON o.run_id = r.id"
        " JOIN outcomes t USING (run_id, symbol) WHERE o.missing_reason IS NULL AND o.iv30 NOT NULL",
    )
    assert len(rows) == found.outcomes == len(outcomes(store)) > 60
    for session, symbol, realized in rows:
        after = prices[symbol].loc[session:].iloc[:22]
        returns = np.log(after / after.shift()).iloc[1:]
        assert realized == pytest.approx(np.sqrt(252 * (returns**2).mean()), rel=1e-12), (session, symbol)
    measured = sql(store, "SELECT sum(measured) FROM runs")[0][0]
    assert measured == len(rows)


def test_an_outcome_is_known_with_the_close_of_the_last_session_and_not_before(
    store: Store, rules: Rules
) -> None:
    run = keep(store)
    assert settle(store, a_panel(AHEAD[19], market(AHEAD[19])), "live", rules) == Settled(packed=1)
    assert outcomes(store) == {}
    assert settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules) == Settled(outcomes=2)
    found = outcomes(store)
    for symbol, series in market(HORIZON).items():
        realized, reason, settled_on = found[run, symbol]
        assert realized == pytest.approx(plain_realized(series, DAY), rel=1e-12)
        assert (reason, settled_on) == (None, HORIZON.isoformat())


def test_what_is_settled_is_never_rewritten(store: Store, rules: Rules) -> None:
    keep(store)
    settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules)
    before = outcomes(store)
    other = {symbol: series**1.5 for symbol, series in market(AHEAD[30]).items()}
    assert settle(store, a_panel(AHEAD[30], other), "live", rules) == Settled()
    assert outcomes(store) == before


def test_the_opening_of_a_session_settles_nothing(store: Store, rules: Rules) -> None:
    keep(store)
    panel = a_panel(AHEAD[30], market(AHEAD[29]), kind="open")
    assert settle(store, panel, "live", rules) == Settled()


def test_a_name_whose_closes_come_late_is_settled_late(store: Store, rules: Rules) -> None:
    run = keep(store)
    whole = market(AHEAD[-1])
    holed = {"KO": whole["KO"], "PEP": whole["PEP"].drop(AHEAD[7])}
    assert settle(store, a_panel(HORIZON, holed), "live", rules).outcomes == 1
    assert settle(store, a_panel(AHEAD[25], holed), "live", rules) == Settled()
    assert settle(store, a_panel(AHEAD[40], whole), "live", rules).outcomes == 1
    realized, _, settled_on = outcomes(store)[run, "PEP"]
    assert realized == pytest.approx(plain_realized(whole["PEP"], DAY), rel=1e-12)
    assert settled_on == AHEAD[40].isoformat()


def test_what_never_comes_is_given_up_with_the_reason_and_not_tried_again(store: Store, rules: Rules) -> None:
    run = keep(store, iv30={"KO": 0.2, "PEP": 0.3, "STOP": 0.4, "GONE": 0.5, "NONE": 0.6})
    whole = market(AHEAD[-1], "KO", "PEP", "STOP", "NONE")
    known = {
        "KO": whole["KO"],
        "PEP": whole["PEP"].drop(AHEAD[3]),
        "STOP": whole["STOP"].loc[: AHEAD[5]],
        "NONE": whole["NONE"].iloc[:0],
    }
    settle(store, a_panel(HORIZON, known), "live", rules)
    assert len(outcomes(store)) == 1
    settle(store, a_panel(AHEAD[61], known), "live", rules)
    assert len(outcomes(store)) == 1
    found = settle(store, a_panel(LAST_TRY, known), "live", rules)
    assert found == Settled(lost={STOPPED: 1, GONE: 1, MISSING: 2})
    reasons = {symbol: reason for (_, symbol), (_, reason, _) in outcomes(store).items()}
    assert reasons == {"KO": None, "PEP": MISSING, "STOP": STOPPED, "GONE": GONE, "NONE": MISSING}
    assert settle(store, a_panel(AHEAD[70], {**whole, "GONE": whole["KO"]}), "live", rules) == Settled()
    assert outcomes(store)[run, "PEP"][0] is None


def test_a_split_in_between_does_no_harm(store: Store, rules: Rules) -> None:
    """Four for one on the tenth session after: the source then divides every close before it by four."""
    run = keep(store, iv30={"KO": 0.2})
    unsplit = market(HORIZON, "KO")["KO"]
    raw = unsplit.where([day < AHEAD[9] for day in unsplit.index], unsplit / 4)
    adjusted = raw.where([day >= AHEAD[9] for day in raw.index], raw / 4)
    settle(store, a_panel(HORIZON, {"KO": adjusted}), "live", rules)
    assert outcomes(store)[run, "KO"][0] == pytest.approx(plain_realized(unsplit, DAY), rel=1e-9)
    assert plain_realized(raw, DAY) > 4  # what a close of the day itself would have told


def test_a_month_of_silence_is_made_up_for_by_one_close(store: Store, rules: Rules) -> None:
    days = [DAY, *AHEAD[:4]]
    runs = [keep(store, day) for day in days]
    late = AHEAD[45]
    assert settle(store, a_panel(late, market(late)), "live", rules) == Settled(packed=5, outcomes=10)
    for run, day in zip(runs, days, strict=True):
        realized = outcomes(store)[run, "KO"][0]
        assert realized == pytest.approx(plain_realized(market(late)["KO"], day), rel=1e-12)


def test_a_corrected_close_gets_outcomes_of_its_own(store: Store, rules: Rules) -> None:
    first = keep(store)
    settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules)
    before = outcomes(store)
    second = keep(store, iv30={"KO": 0.21, "PEP": 0.3})
    assert settle(store, a_panel(AHEAD[21], market(AHEAD[21])), "live", rules) == Settled(
        packed=1, outcomes=2
    )
    after = outcomes(store)
    assert {key: after[key] for key in before} == before
    assert after[second, "KO"][0] == after[first, "KO"][0]


def test_a_close_that_was_corrected_before_is_settled_once(store: Store, rules: Rules) -> None:
    keep(store)
    second = keep(store, iv30={"KO": 0.21, "PEP": 0.3})
    settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules)
    assert {run for run, _ in outcomes(store)} == {second}


@pytest.mark.parametrize(
    "run",
    [
        {"profile": "broad"},
        {"lens": "yearly"},
        {"kind": "open"},
        {"state": "outage"},
        {"source": "SIMULATED market, seed 7"},
    ],
)
def test_closes_of_another_series_are_left_alone(store: Store, rules: Rules, run: dict[str, Any]) -> None:
    keep(store, **run)
    assert settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules) == Settled()
    assert outcomes(store) == {}


def test_one_simulated_market_says_nothing_about_another(store: Store, rules: Rules) -> None:
    keep(store, source="SIMULATED market, seed 7")
    other = a_panel(HORIZON, market(HORIZON), source="SIMULATED market, seed 8")
    assert settle(store, other, "simulated", rules) == Settled()
    same = a_panel(HORIZON, market(HORIZON), source="SIMULATED market, seed 7")
    assert settle(store, same, "simulated", rules).outcomes == 2


def test_names_that_were_not_measured_have_no_outcome(store: Store, rules: Rules) -> None:
    rows = (
        a_row("KO", iv30=0.2, missing_reason="stale quotes"),
        a_row("PEP", iv30=None),
        a_row("SPY", iv30=0.1),
    )
    store.save(a_screen(*rows), RULES, official=True, realm="live")
    settle(store, a_panel(HORIZON, market(HORIZON, "KO", "PEP", "SPY")), "live", rules)
    assert [symbol for _, symbol in outcomes(store)] == ["SPY"]


def test_columns_that_are_gone_are_made_again_with_what_was_settled(store: Store, rules: Rules) -> None:
    """As after an update of the program that packs them another way."""
    keep(store, iv30={"KO": 0.2, "PEP": 0.3, "GONE": 0.4})
    keep(store, AHEAD[0])
    settle(store, a_panel(LAST_TRY, market(LAST_TRY)), "live", rules)
    before = sql(store, "SELECT * FROM outcome_days ORDER BY run_id")
    kept = outcomes(store)
    store.write(lambda db: db.execute("DELETE FROM outcome_days WHERE run_id = 1"))
    store.write(lambda db: db.execute("UPDATE outcome_days SET layout = 'older', body = x'00'"))
    found = settle(store, a_panel(AHEAD[70], market(AHEAD[70])), "live", rules)
    assert found == Settled(packed=2)
    assert sql(store, "SELECT * FROM outcome_days ORDER BY run_id") == before
    assert outcomes(store) == kept


def test_another_horizon_in_the_rules_changes_what_was_not_begun(store: Store, rules: Rules) -> None:
    keep(store)
    keep(store, AHEAD[0])
    settle(store, a_panel(HORIZON, market(HORIZON)), "live", rules)
    shorter = rules.model_copy(update={"proof": rules.proof.model_copy(update={"horizon_sessions": 10})})
    settle(store, a_panel(AHEAD[21], market(AHEAD[21])), "live", shorter)
    found = sql(store, "SELECT run_id, sessions, realized FROM outcomes WHERE symbol = 'KO' ORDER BY run_id")
    assert [row[:2] for row in found] == [(1, 21), (2, 10)]
    assert found[1][2] == pytest.approx(plain_realized(market(AHEAD[21])["KO"], AHEAD[0], 10), rel=1e-12)
