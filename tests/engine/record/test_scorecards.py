"""Scorecards of the record against plain pandas over its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bot.past import keep_closes, past_closes
from engine.market.columns import panel_of
from engine.market.sessions import sessions_before
from engine.market.simulated import SimulatedMarket
from engine.proof.result import By, Group, Scorecard
from engine.record import Store
from engine.record.outcomes import settle
from engine.record.scorecards import (
    evidence,
    first_settlement,
    keep_up,
    refresh,
    stored_scorecard,
)
from engine.record.series import WINDOWS
from engine.rules import Rules, load_rules, load_universe
from engine.screen.premium import REGIMES, ZONES
from engine.screen.result import Gate
from engine.screen.score import SIGNALS
from tests.engine.record.prices import a_panel, sessions_from, walk
from tests.engine.record.screens import DAY, RULES, a_row, a_screen, closes, sql

CONFIG = Path(__file__).resolve().parents[3] / "config"
LAST = date(2025, 12, 30)
CLOSES, HORIZON = 45, 21
_TABLE = (
    "SELECT r.id AS run, r.session, o.*, v.gates, v.tags, t.realized, t.reason AS lost FROM runs r"
    " JOIN observations o ON o.run_id = r.id JOIN verdicts v USING (run_id, symbol)"
    " LEFT JOIN outcomes t USING (run_id, symbol) WHERE o.missing_reason IS NULL AND o.iv30 NOT NULL"
)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(CONFIG)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, rules: Rules) -> Iterator[Store]:
    """A record of 45 simulated closes, the first 24 of them settled by the close after the last."""
    listings = [each for each in load_universe(CONFIG) if each.asset_class in ("etf", "equity")][:24]
    market = SimulatedMarket(listings, LAST)
    with Store.open(tmp_path_factory.mktemp("record") / "variance.db") as store:
        for _ in keep_closes(past_closes(market, CLOSES, rules), rules, store):
            pass
        keep_up(store, panel_of(market.snapshot(), rules.benchmark), "simulated", rules)
        yield store


@pytest.fixture(scope="module")
def table(settled: Store) -> pd.DataFrame:
    """Every measured name of every close with its outcome, as another program reads it."""
    rows = sql(settled, _TABLE)
    names = sql(settled, "SELECT name FROM pragma_table_info('observations')")
    columns = ["run", "session", *(name for (name,) in names), "gates", "tags", "realized", "lost"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["gap"] = frame["iv30"] - frame["realized"].astype("float64")
    states = [
        {gate[0]: gate[1] for part in (gates, tags) for gate in json.loads(part)}
        for gates, tags in zip(frame["gates"], frame["tags"], strict=True)
    ]
    return frame.assign(**pd.DataFrame(states).add_prefix("gate_"))


def the_same(group: Group, rows: pd.DataFrame) -> None:
    gaps = rows["gap"].dropna()
    assert group.n == len(gaps), group.name
    if not len(gaps):
        assert (group.hit_rate, group.mean_gap, group.worst) == (None, None, None)
        return
    told = (group.hit_rate, group.mean_gap, group.median_gap, group.worst)
    assert told == pytest.approx(((gaps > 0).mean(), gaps.mean(), gaps.median(), gaps.min()), rel=1e-9)
    known = rows.loc[gaps.index]
    assert (group.names, group.sessions) == (known["symbol"].nunique(), known["session"].nunique())


def card_of(store: Store, rules: Rules, by: By | None, sessions: int | None = None) -> Scorecard:
    return stored_scorecard(store, "simulated", rules, by, sessions)


def test_groups_equal_a_plain_groupby(settled: Store, rules: Rules, table: pd.DataFrame) -> None:
    both = {(True, True): "both gates", (True, False): "structural only"}
    both |= {(False, True): "tactical only", (False, False): "neither"}
    structural, tactical = table["gate_structural"], table["gate_tactical"]
    dual = pd.Series([both[a == "p", b == "p"] for a, b in zip(structural, tactical, strict=True)])
    dual[(structural == "u") | (tactical == "u")] = None
    listed = table["passed"].map({1: "listed", 0: "not listed"})
    of_signal, of_regime = card_of(settled, rules, "signal"), card_of(settled, rules, "regime")
    of_gate, of_symbol = card_of(settled, rules, "gate"), card_of(settled, rules, "symbol")
    assert [group.name for group in of_signal.groups] == ["all", *SIGNALS]
    assert [group.name for group in of_regime.groups] == ["all", *REGIMES, *ZONES]
    for card, labels, names in (
        (of_signal, table["signal"], SIGNALS),
        (of_regime, table["regime"], REGIMES),
        (of_regime, table["zone"], ZONES),
        (of_gate, dual, tuple(both.values())),
        (of_gate, listed, ("listed", "not listed")),
        (of_symbol, table["symbol"], tuple(sorted(table["symbol"].unique()))),
    ):
        the_same(card.groups[0], table)
        for name in names:
            group = card.group(name)
            assert group is not None, name
            the_same(group, table[(labels == name).to_numpy()])
    assert sum(group.n for group in of_signal.groups[1:]) == of_signal.groups[0].n > 400


def test_gates_equal_the_verdicts_of_their_day(settled: Store, rules: Rules, table: pd.DataFrame) -> None:
    card = card_of(settled, rules, "gate")
    seen = 0
    for name in (column for column in table if column.startswith("gate_")):
        for letter, verdict in (("p", "pass"), ("f", "fail")):
            group = card.group(f"{name.removeprefix('gate_')}: {verdict}")
            if group is not None:
                the_same(group, table[table[name] == letter])
                seen += group.n > 0
    assert seen > 10


def test_baselines_and_what_has_no_outcome(settled: Store, rules: Rules, table: pd.DataFrame) -> None:
    card = evidence(settled, "simulated", rules)
    universe, benchmark = card.baselines
    assert (universe.name, benchmark.name) == ("universe", "SPY")
    the_same(universe, table)
    the_same(benchmark, table[table["symbol"] == "SPY"])
    without = table[table["realized"].isna()]
    assert card.waiting == without["lost"].isna().sum() > 300
    assert card.lost == without["lost"].dropna().value_counts().to_dict()
    assert card.settings["realm"] == "simulated"
    assert card.settings["sessions_judged_by_filled_rules"] == 0
    assert {group.name for group in card.groups} >= {"all", *SIGNALS, *ZONES, "regime COILED", "both gates"}


def test_whipsaw_under_the_rules_lens_is_that_of_the_stored_lists(
    settled: Store, rules: Rules, table: pd.DataFrame
) -> None:
    days = sorted(table["session"].unique())
    listed = table.pivot(index="session", columns="symbol", values="passed").reindex(days)
    n = left = 0
    for place in range(len(days) - 10):
        for symbol in listed.columns[listed.iloc[place] == 1]:
            n += 1
            left += bool((listed[symbol].iloc[place + 1 : place + 11] == 0).any())
    quarterly, yearly = evidence(settled, "simulated", rules).whipsaw
    assert (quarterly.lens, quarterly.n) == ("quarterly", n)
    assert quarterly.share == pytest.approx(left / n)
    assert yearly.lens == "yearly"


def test_a_window_counts_the_last_settled_sessions(settled: Store, rules: Rules, table: pd.DataFrame) -> None:
    known = sorted(table.loc[table["realized"].notna(), "session"].unique())
    assert len(known) == CLOSES - HORIZON + 1
    last = table[table["session"] >= known[-5]]
    card = card_of(settled, rules, "signal", 5)
    the_same(card.groups[0], last)
    the_same(card.baselines[1], last[last["symbol"] == "SPY"])
    assert (str(card.first), str(card.last)) == (known[-5], known[-1])
    assert card.settings["window"] == 5
    whole, quarter = card_of(settled, rules, None), card_of(settled, rules, None, WINDOWS["quarter"])
    assert quarter.groups == whole.groups
    with pytest.raises(ValueError, match="at least one session"):
        card_of(settled, rules, None, 0)


def test_cards_a_process_was_killed_over_are_counted_by_the_next_close(store: Store, rules: Rules) -> None:
    ahead = sessions_from(DAY, 30)
    prices = {"KO": walk(1, ahead[-1], 200), "SPY": walk(2, ahead[-1], 200)}
    screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}), session=DAY)
    store.save(screen, RULES, official=True, realm="live")
    settle(store, a_panel(ahead[20], prices), "live", rules)  # and the process ends here
    assert sql(store, "SELECT count(*) FROM scorecards") == [(0,)]
    assert keep_up(store, a_panel(ahead[20], prices), "live", rules).outcomes == 0
    kept = sql(store, "SELECT * FROM scorecards ORDER BY key")
    assert len(kept) == 2 * len(WINDOWS)
    store.write(lambda db: db.execute("UPDATE scorecards SET body = x'00'"))
    keep_up(store, a_panel(ahead[20], prices), "live", rules)
    assert sql(store, "SELECT DISTINCT body FROM scorecards") == [(b"\0",)], "those that stand are left alone"


def test_a_card_that_cannot_be_kept_answers_all_the_same(store: Store, rules: Rules) -> None:
    screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}), session=DAY)
    store.save(screen, RULES, official=True, realm="live")
    full = "BEGIN SELECT RAISE(ABORT, 'full'); END"
    store.write(lambda db: db.execute(f"CREATE TRIGGER full BEFORE INSERT ON scorecards {full}"))
    assert stored_scorecard(store, "live", rules).waiting == 2
    assert sql(store, "SELECT count(*) FROM scorecards") == [(0,)]


def test_a_card_is_kept_until_something_changes(store: Store, rules: Rules) -> None:
    ahead = sessions_from(DAY, 30)
    prices = {"KO": walk(1, ahead[-1], 200), "SPY": walk(2, ahead[-1], 200)}

    def close(session: date) -> None:
        screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}), session=session)
        store.save(screen, RULES, official=True, realm="live")
        keep_up(store, a_panel(session, prices), "live", rules)

    close(DAY)
    assert first_settlement(store, "live", rules) == ahead[20]
    assert stored_scorecard(store, "live", rules).groups[0].n == 0
    close(ahead[20])
    kept = sql(store, "SELECT key, version, body FROM scorecards ORDER BY key")
    assert len(kept) == 2 * len(WINDOWS)
    card = stored_scorecard(store, "live", rules)
    assert (card.groups[0].n, card.groups[0].hit_rate, card.waiting) == (2, 0.5, 2)
    assert card.settings["sessions_judged_by_filled_rules"] == 2
    store.write(lambda db: db.execute("UPDATE scorecards SET body = (SELECT body FROM scorecards LIMIT 1)"))
    kept_card = stored_scorecard(store, "live", rules, "symbol")
    assert [group.name for group in kept_card.groups[:2]] == ["all", "EVENT"], "read, not counted again"
    close(ahead[21])
    card = stored_scorecard(store, "live", rules)
    assert (card.groups[0].n, card.waiting) == (2, 4)
    assert first_settlement(store, "live", rules) > ahead[21]


def test_each_close_is_judged_by_the_rules_of_its_day(store: Store, rules: Rules) -> None:
    """Neither a threshold changed since nor a newer section of the rules changes what was listed."""
    market = SimulatedMarket(load_universe(CONFIG)[:14], LAST)
    then = rules.tuned([("vrp_structural_threshold", 0.2), ("vrp_tactical_threshold", 0.2)])
    then = then.model_copy(update={"profile": "balanced"})
    for _ in keep_closes(past_closes(market, 23, then), then, store):
        pass
    body = json.loads(sql(store, "SELECT body FROM rules")[0][0])
    del body["proof"], body["calibration"]
    store.write(lambda db: db.execute("UPDATE rules SET body = ?", (json.dumps(body),)))
    settle(store, panel_of(market.snapshot(), rules.benchmark), "simulated", rules)
    card = stored_scorecard(store, "simulated", rules, "gate")
    listed = sql(
        store, "SELECT count(*) FROM observations o JOIN outcomes t USING (run_id, symbol) WHERE o.passed = 1"
    )
    group = card.group("listed")
    assert group is not None
    assert group.n == listed[0][0] > 0
    structural = card.group("structural: fail")
    assert structural is not None
    assert structural.n == 0
    assert card.settings["sessions_judged_by_filled_rules"] == 0


def test_a_call_is_the_one_that_was_stored_and_is_never_judged_again(store: Store, rules: Rules) -> None:
    """A version that would judge otherwise changes no call: the stored words count, against the metrics."""
    poor = {"vrp_structural": 0.5, "vrp_tactical": 0.5, "structural_252": 0.5, "tactical_20": 0.5}
    gates = tuple(
        Gate(name, "pass", 0.5, 0.1, 0.4, ">", False) for name in ("data", "structural", "tactical")
    )
    gates += (Gate("a gate of old", "fail", 1.0, 2.0, -1.0, ">", True),)
    row = a_row("KO", iv30=0.9, **poor)
    rows = [
        replace(row, signal="RICH", passed=True, gates=gates),
        replace(row, symbol="SPY", signal=None, passed=False, gates=gates[:2]),
    ]
    store.save(a_screen(*rows), RULES, official=True, realm="live")
    ahead = sessions_from(DAY, 21)
    prices = {"KO": walk(1, ahead[-1], 200), "SPY": walk(2, ahead[-1], 200)}
    settle(store, a_panel(ahead[20], prices), "live", rules)
    card = evidence(store, "live", rules)
    counted = {group.name: group.n for group in card.groups if group.n}
    assert counted == {
        "all": 2,
        "RICH": 1,
        "both gates": 1,
        "listed": 1,
        "not listed": 1,
        "data: pass": 2,
        "structural: pass": 2,
        "tactical: pass": 1,
        "earnings: fail": 2,
    }


def test_rules_that_cannot_be_read_any_more_are_todays_and_counted(store: Store, rules: Rules) -> None:
    ahead = sessions_from(DAY, 30)
    screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}))
    store.save(screen, '{"lens": "sideways", "gates": 5}', official=True, realm="live")
    prices = {"KO": walk(1, ahead[-1], 200), "SPY": walk(2, ahead[-1], 200)}
    settle(store, a_panel(ahead[20], prices), "live", rules)
    card = stored_scorecard(store, "live", rules)
    assert (card.groups[0].n, card.settings["sessions_judged_by_filled_rules"]) == (2, 1)


def test_outcomes_over_another_horizon_are_left_out_and_counted(store: Store, rules: Rules) -> None:
    ahead = sessions_from(DAY, 60)
    prices = {"KO": walk(1, ahead[-1], 200), "SPY": walk(2, ahead[-1], 200)}
    for session in (DAY, ahead[0]):
        screen = a_screen(*closes({"KO": 0.9, "SPY": 0.02}), session=session)
        store.save(screen, RULES, official=True, realm="live")
    settle(store, a_panel(ahead[20], prices), "live", rules)
    shorter = rules.model_copy(update={"proof": rules.proof.model_copy(update={"horizon_sessions": 10})})
    settle(store, a_panel(ahead[21], prices), "live", shorter)
    for asked in (rules, shorter):
        refresh(store, "live", asked)
        card = stored_scorecard(store, "live", asked)
        assert (card.groups[0].n, card.settings["sessions_of_another_horizon"]) == (2, 1)
    assert str(stored_scorecard(store, "live", rules).first) == DAY.isoformat()
    assert str(stored_scorecard(store, "live", shorter).first) == ahead[0].isoformat()


def test_percentiles_of_many_names_are_the_same_from_packed_closes(settled: Store) -> None:
    """Of many names the packed columns are read, of few the rows."""
    symbols = [symbol for (symbol,) in sql(settled, "SELECT DISTINCT symbol FROM observations")]
    many = symbols + [f"ZZ{number}" for number in range(60)]
    together = settled.iv_history(many, LAST, realm="simulated").iv30[: len(symbols)]
    apart = np.vstack([settled.iv_history([each], LAST, realm="simulated").iv30 for each in symbols])
    np.testing.assert_array_equal(together, apart)
    assert together.shape == (len(symbols), CLOSES)
    assert np.isfinite(together).mean() > 0.8
    assert len(sessions_before(LAST, CLOSES)) == together.shape[1]
