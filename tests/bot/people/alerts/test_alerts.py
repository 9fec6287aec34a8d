"""Rules over stored runs: every condition, what a run lacks, and a run judged twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.people.alerts import Alerts
from bot.people.alerts.deliveries import Deliveries
from bot.people.alerts.rules import News, PersonSettings, Wish
from bot.people.watchlists import Watchlists
from engine.errors import StoreError
from engine.record.store import Store
from tests.bot.people.alerts.runs import Changes, Runs, a_pair

ANNA, BORIS = 11, 22
BEGIN = datetime(2026, 1, 1, 21, 16, tzinfo=UTC)
GLD_ABOVE = Wish("name", "GLD", "above", "vrp_tactical", 1.30)
WATCHED = ("GLD", "KO", "XLE")


class Desk:
    """Alerts over a record, day after day."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.alerts = Alerts(store)
        self.runs = Runs(store)
        self.now = BEGIN

    def day(self, changes: Changes | None = None, hours: float = 24, **options: Any) -> list[tuple[int, str]]:
        """Another run; (rule number, name) of what fired."""
        self.now += timedelta(hours=hours)
        run_id = self.runs.add(changes, **options)
        fired = self.alerts.evaluate(run_id, self.now)
        news = [each for each in self.news() if each.run.run_id == run_id]
        assert len(news) == fired
        return [(each.number, each.symbol) for each in news]

    def news(self, user_id: int | None = None) -> list[News]:
        """Everything that fired and was not delivered, in order."""
        states = ("pending", "kept", "sent")
        letters = [
            letter
            for person in ([user_id] if user_id else [ANNA, BORIS])
            for letter in Deliveries(self.store).undelivered(person, *states)
        ]
        return [news for letter in letters for news in letter.news]

    def add(self, *wishes: Wish, user_id: int = ANNA) -> None:
        for wish in wishes:
            self.alerts.add(user_id, wish, self.now)

    def sql(self, statement: str) -> list[Any]:
        with self.store.reading() as db:
            return db.execute(statement).fetchall()

    def due(self) -> list[datetime]:
        """When each delivery may leave."""
        found = self.sql("SELECT not_before FROM alert_deliveries ORDER BY id")
        return [datetime.fromisoformat(when) for (when,) in found]

    def everything(self) -> list[Any]:
        """All that alerts keep, to be compared."""
        tables = ("rules", "states", "messages", "deliveries", "settings", "runs")
        return [self.sql(f"SELECT * FROM alert_{table}") for table in tables]


@pytest.fixture
def desk(database: Path) -> Iterator[Desk]:
    with Store.open(database) as store:
        yield Desk(store)


def gld(value: float | None) -> Changes:
    return {"GLD": {"vrp_tactical": value}}


def test_what_holds_already_does_not_fire_and_is_said(desk: Desk) -> None:
    desk.day(gld(1.42))
    begun = desk.alerts.add(ANNA, GLD_ABOVE, desk.now)
    (present,) = begun.present
    assert (present.symbol, present.value, present.holds) == ("GLD", 1.42, True)
    assert desk.day(gld(1.50)) == []
    assert desk.day(gld(1.20)) == []
    assert desk.day(gld(1.31)) == [(1, "GLD")]


def test_a_firing_tells_old_and_new_value_and_their_runs(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.24))
    before = desk.runs.run_id
    desk.day(gld(1.32))
    (news,) = desk.news()
    assert (news.old, news.new) == (1.24, 1.32)
    assert news.old_run is not None
    assert (news.old_run.run_id, news.run.run_id) == (before, desk.runs.run_id)
    assert news.again_at == desk.now + timedelta(hours=20)


def test_a_run_is_judged_once(desk: Desk) -> None:
    desk.add(GLD_ABOVE, Wish("watchlist", "", "signal"))
    desk.day(gld(1.20))
    desk.now += timedelta(days=1)
    run_id = desk.runs.add(gld(1.40))
    assert desk.alerts.evaluate(run_id, desk.now) == 1
    kept = desk.everything()
    assert desk.alerts.evaluate(run_id, desk.now + timedelta(hours=1)) == 0
    assert desk.everything() == kept


def test_runs_without_a_ranking_are_marked_and_not_judged(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.20))
    for state in ("outage", "aborted"):
        assert desk.day(gld(1.50), state=state) == []
    assert desk.sql("SELECT state FROM alert_runs") == [("evaluated",), ("no ranking",), ("no ranking",)]
    assert desk.day() == [(1, "GLD")]
    (news,) = desk.news()
    assert news.old == 1.20


def test_a_degraded_run_is_judged(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.20))
    assert desk.day(gld(1.50), state="degraded") == [(1, "GLD")]


def test_an_older_run_does_not_turn_the_clock_back(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.20))
    desk.day(gld(1.20))
    assert desk.day(gld(1.50), days=-1) == []
    assert desk.sql("SELECT state FROM alert_runs WHERE state <> 'evaluated'") == [("overtaken",)]


def test_a_run_the_record_does_not_hold_is_refused(desk: Desk) -> None:
    with pytest.raises(StoreError, match="not in the record"):
        desk.alerts.evaluate(999_999, desk.now)


def test_a_name_missing_in_a_run_is_left_as_it_was(desk: Desk) -> None:
    desk.add(GLD_ABOVE, Wish("name", "GLD", "leaves"), Wish("name", "GLD", "signal"))
    desk.day({"GLD": {"vrp_tactical": 1.20, "passed": True, "signal": "RICH"}})
    assert desk.day(without=["GLD"]) == []
    assert desk.day({"GLD": {"missing_reason": "no quotes", "passed": False, "vrp_tactical": None}}) == []
    back = {"GLD": {"missing_reason": None, "passed": True, "vrp_tactical": 1.40, "signal": "RICH"}}
    assert desk.day(back) == [(1, "GLD")]
    (news,) = desk.news()
    assert news.old is None
    assert news.old_run is not None


def test_entering_and_leaving_the_list(desk: Desk) -> None:
    desk.add(Wish("name", "KO", "enters"), Wish("name", "KO", "leaves"))
    desk.day({"KO": {"passed": False}})
    assert desk.day({"KO": {"passed": True}}) == [(1, "KO")]
    assert desk.day({"KO": {"passed": True}}) == []
    assert desk.day({"KO": {"passed": False}}) == [(2, "KO")]
    assert [(news.old, news.new) for news in desk.news()] == [
        ("not in the list", "in the list"),
        ("in the list", "not in the list"),
    ]


@pytest.mark.parametrize(
    ("condition", "words"), [("regime", ("NORMAL", "COILED")), ("signal", ("FAIR", "RICH"))]
)
def test_another_regime_or_signal(desk: Desk, condition: Any, words: tuple[str, str]) -> None:
    before, after = words
    desk.add(Wish("name", "KO", condition))
    desk.day({"KO": {condition: before}})
    desk.now += timedelta(days=1)
    known = len(desk.news())
    assert desk.day({"KO": {condition: before}}) == []
    assert desk.day({"KO": {condition: after}}) == [(1, "KO")]
    assert [(news.old, news.new) for news in desk.news()[known:]] == [(before, after)]


def test_earnings_fire_once_a_report_date(desk: Desk) -> None:
    desk.add(Wish("name", "KO", "earnings", level=7.0))
    date = {"earnings_date": "2026-01-12"}
    desk.day({"KO": {"earnings_days": 10.0, **date}})
    assert desk.day({"KO": {"earnings_days": 7.0, **date}}) == [(1, "KO")]
    for days in (6.0, 3.0, 0.0, -1.0):
        assert desk.day({"KO": {"earnings_days": days, **date}}) == []
    assert desk.day({"KO": {"earnings_days": 5.0, "earnings_date": "2026-04-20"}}) == [(1, "KO")]
    assert [str(news.report) for news in desk.news()] == ["2026-01-12", "2026-04-20"]


def test_a_pair_breaks_and_its_numbers_cross(desk: Desk) -> None:
    desk.day(pairs=[a_pair(0.80)])
    pair = "PRECIOUS_METALS"
    desk.add(
        Wish("pair", pair, "breaks"),
        Wish("pair", pair, "signal"),
        Wish("pair", pair, "above", "spread", 0.5),
        Wish("pair", pair, "below", "correlation_60", 0.6),
    )
    key = f"pair:{pair}"
    assert desk.day(pairs=[a_pair(0.76, spread=0.6)]) == [(3, key)]
    broken = a_pair(0.74, signal="CORRELATION BROKEN", correlation_60=0.59)
    assert desk.day(pairs=[broken]) == [(1, key), (2, key), (4, key)]
    assert desk.day(pairs=[a_pair(0.76, signal="CORRELATION BROKEN")]) == []
    assert desk.day() == []
    assert desk.day(pairs=[a_pair(None, signal="no data", spread=None)]) == []
    assert desk.day(pairs=[a_pair(0.74, signal="CORRELATION BROKEN")]) == []
    assert desk.day(pairs=[a_pair(0.78)]) == [(2, key)]
    assert desk.day(pairs=[a_pair(0.74)]) == [(1, key)]


def test_a_watchlist_rule_looks_at_the_list_as_it_is(desk: Desk) -> None:
    lists = Watchlists(desk.store)
    lists.add(ANNA, WATCHED, desk.now)
    lists.add(BORIS, ["GLD"], desk.now)
    calm, high = ({name: {"iv30": value} for name in (*WATCHED, "AAPL")} for value in (0.20, 0.40))
    desk.day(calm)
    for person in (ANNA, BORIS):
        desk.add(Wish("watchlist", "", "above", "iv30", 0.30), user_id=person)
    lists.add(ANNA, ["AAPL"], desk.now)
    lists.remove(ANNA, ["KO"])
    assert sorted(desk.day(high)) == [(1, "GLD"), (1, "GLD"), (1, "XLE")]
    assert [news.symbol for news in desk.news(BORIS)] == ["GLD"]
    desk.day(calm)
    assert desk.day(high) == [(1, "GLD"), (1, "XLE"), (1, "AAPL"), (1, "GLD")]


def test_a_name_put_on_the_list_again_begins_anew(desk: Desk) -> None:
    lists = Watchlists(desk.store)
    lists.add(ANNA, WATCHED, desk.now)
    desk.day(gld(1.20))
    desk.add(Wish("watchlist", "", "above", "vrp_tactical", 1.30))
    lists.remove(ANNA, ["GLD"])
    assert desk.day(gld(1.40)) == []
    lists.add(ANNA, ["GLD"], desk.now)
    assert desk.day(gld(1.41)) == []


def test_a_crossing_within_the_pause_is_told_after_it(desk: Desk) -> None:
    desk.add(Wish("name", "GLD", "above", "vrp_tactical", 1.30, cooldown=72 * 3600))
    desk.day(gld(1.20))
    assert desk.day(gld(1.40)) == [(1, "GLD")]
    desk.day(gld(1.20))
    assert desk.day(gld(1.41)) == []
    held = desk.runs.run_id
    ((_, standing),) = desk.alerts.of_person(ANNA)
    assert standing.waiting == ("GLD",)
    assert desk.day(gld(1.42), hours=25) == [(1, "GLD")]
    news = desk.news()[-1]
    assert (news.old, news.new) == (1.20, 1.42)
    assert news.crossed is not None
    assert news.crossed.run_id == held


def test_a_crossing_within_the_pause_that_is_over_is_never_told(desk: Desk) -> None:
    desk.add(Wish("name", "GLD", "above", "vrp_tactical", 1.30, cooldown=72 * 3600))
    desk.day(gld(1.20))
    desk.day(gld(1.40))
    desk.day(gld(1.20))
    desk.day(gld(1.41))
    assert desk.day(gld(1.20), hours=48) == []
    assert desk.alerts.of_person(ANNA)[0][1].waiting == ()


def test_a_snoozed_rule_tells_afterwards_what_still_holds(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    rule = desk.alerts.of_person(ANNA)[0][0]
    desk.day(gld(1.20))
    assert desk.alerts.snooze(ANNA, rule.id, desk.now + timedelta(hours=30)) == 1
    assert desk.alerts.snooze(BORIS, rule.id, None) == 0
    assert desk.day(gld(1.40)) == []
    assert desk.day(gld(1.40)) == [(1, "GLD")]


def test_a_rule_switched_off_is_not_judged_and_begins_anew(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    rule = desk.alerts.of_person(ANNA)[0][0]
    desk.day(gld(1.20))
    assert desk.alerts.switch(BORIS, rule.id, on=False) == 0
    assert desk.alerts.switch(ANNA, rule.id, on=False) == 1
    assert desk.day(gld(1.40)) == []
    assert desk.alerts.switch(ANNA, None, on=True) == 1
    assert desk.day(gld(1.40)) == []
    desk.day(gld(1.20))
    assert desk.day(gld(1.40)) == [(1, "GLD")]


def test_another_market_is_a_new_beginning(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.20))
    desk.runs.become(source="yahoo")
    assert desk.day(gld(1.40)) == []
    assert desk.day(gld(1.20)) == []
    assert desk.day(gld(1.40)) == [(1, "GLD")]


def test_other_rules_make_another_list_and_the_numbers_go_on(desk: Desk) -> None:
    desk.add(GLD_ABOVE, Wish("name", "GLD", "enters"), Wish("name", "GLD", "signal"))
    desk.day({"GLD": {"vrp_tactical": 1.20, "passed": False, "signal": "FAIR"}})
    desk.runs.become(rules_hash="0123456789ab")
    high = {"vrp_tactical": 1.40, "passed": True, "signal": "RICH"}
    assert desk.day({"GLD": high}) == [(1, "GLD")]
    desk.day({"GLD": {**high, "passed": False, "signal": "FAIR"}})
    assert (2, "GLD") in desk.day({"GLD": high})


def test_the_runs_of_servers_own_rules_are_no_beginning(desk: Desk) -> None:
    desk.day(gld(1.20))
    official = desk.runs.run_id
    desk.runs.become(profile="balanced+3fa2c1")
    own = desk.runs.add(gld(1.42))
    for hint in (None, official):
        wish = Wish("name", "GLD", "above", "vrp_tactical", 1.30 + (hint or 0) / 1e6)
        begun = desk.alerts.add(ANNA, wish, desk.now, hint)
        assert begun.run is not None
        assert begun.run.run_id == official
    assert own > official


def test_a_person_gets_ten_messages_and_the_rest_as_one(desk: Desk) -> None:
    names = [row.symbol for row in desk.runs.screen.rows if row.text("missing_reason") is None][:14]
    Watchlists(desk.store).add(ANNA, names, desk.now)
    desk.day({name: {"iv30": 0.20} for name in names})
    desk.add(Wish("watchlist", "", "above", "iv30", 0.30))
    assert len(desk.day({name: {"iv30": 0.40} for name in names})) == 14
    letters = Deliveries(desk.store).undelivered(ANNA, "pending")
    assert [(letter.digest, len(letter.news)) for letter in letters] == [(False, 1)] * 10 + [(True, 4)]


def test_a_digest_gathers_what_fires_until_it_comes(desk: Desk) -> None:
    desk.alerts.choose(ANNA, PersonSettings(zone="UTC", digest_at=time(8)), desk.now)
    desk.add(GLD_ABOVE, Wish("name", "KO", "above", "iv30", 0.30))
    desk.day({**gld(1.20), "KO": {"iv30": 0.20}}, hours=4)
    desk.day(gld(1.40), hours=1)
    desk.day({"KO": {"iv30": 0.40}}, hours=1)
    (letter,) = Deliveries(desk.store).undelivered(ANNA, "pending")
    assert letter.digest
    assert len(letter.news) == 2
    assert desk.due() == [datetime(2026, 1, 2, 8, tzinfo=UTC)]


def test_a_digest_chosen_later_takes_up_what_waits(desk: Desk) -> None:
    desk.alerts.choose(ANNA, PersonSettings(zone="UTC", quiet=(time(20), time(7))), desk.now)
    desk.add(GLD_ABOVE, Wish("name", "GLD", "above", "vrp_tactical", 1.35))
    desk.day(gld(1.20))
    desk.day(gld(1.40))
    assert [due.hour for due in desk.due()] == [7, 7]
    desk.alerts.choose(ANNA, PersonSettings(zone="UTC", digest_at=time(12)), desk.now)
    (digest,) = Deliveries(desk.store).undelivered(ANNA, "pending")
    assert len(digest.news) == 2
    assert [due.hour for due in desk.due()] == [12]
    desk.alerts.choose(ANNA, PersonSettings(), desk.now)
    assert desk.due() == [desk.now]


def test_a_rule_takes_its_messages_along(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.day(gld(1.20))
    desk.day(gld(1.40))
    assert desk.alerts.remove(BORIS, 1) is None
    assert desk.alerts.remove(ANNA, 1) is not None
    for table in ("rules", "states", "messages", "deliveries"):
        assert desk.sql(f"SELECT * FROM alert_{table}") == []


def test_a_number_is_never_given_twice(desk: Desk) -> None:
    desk.add(GLD_ABOVE)
    desk.alerts.remove(ANNA, 1)
    desk.add(GLD_ABOVE)
    desk.add(GLD_ABOVE, user_id=BORIS)
    assert [rule.number for rule, _ in desk.alerts.of_person(ANNA)] == [2]
    assert [rule.number for rule, _ in desk.alerts.of_person(BORIS)] == [1]
