"""The record keeps what it was given, whole, and tells its markets apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.record import Store
from engine.rules import Rules, load_rules
from engine.screen.glossary import METRICS
from engine.screen.result import Coverage, Gate, Row, Run, Screen
from tests.conftest import ROOT
from tests.engine.record.screens import LIVE, RULES, SIMULATED, a_row, a_screen, closes, sql

LATER = date(2027, 1, 1)


# Round trip

texts = st.text(max_size=12)
numbers = st.none() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)
gates = st.builds(
    Gate,
    name=texts,
    state=st.sampled_from(["pass", "fail", "unknown"]),
    value=numbers,
    limit=numbers,
    distance=numbers,
    comparison=texts,
    blocks=st.booleans(),
)
_by_kind = {"text": st.none() | texts, "flag": st.none() | st.booleans()}
rows = st.builds(
    Row,
    symbol=st.text(min_size=1, max_size=8),
    passed=st.booleans(),
    rank=st.none() | st.integers(1, 9999),
    signal=st.none() | texts,
    score=numbers,
    score_share=numbers,
    penalties=st.lists(texts, max_size=2).map(tuple),
    flags=st.lists(texts, max_size=2).map(tuple),
    gates=st.lists(gates, max_size=2).map(tuple),
    tags=st.lists(gates, max_size=1).map(tuple),
    values=st.fixed_dictionaries({metric.column: _by_kind.get(metric.kind, numbers) for metric in METRICS}),
)
runs = st.builds(
    Run,
    asof=st.datetimes(timezones=st.just(UTC)),
    session=st.dates(),
    kind=st.sampled_from(["open", "close"]),
    source=texts,
    lens=texts,
    profile=texts,
    engine_version=texts,
    rules_hash=texts,
    state=st.sampled_from(["complete", "degraded", "outage", "aborted"]),
    reason=st.none() | texts,
)
counts = st.integers(0, 10_000)
screens = st.builds(
    Screen,
    run=runs,
    coverage=st.builds(Coverage, counts, counts, counts, st.dictionaries(texts, counts, max_size=3)),
    rows=st.lists(rows, max_size=3, unique_by=lambda row: row.symbol).map(tuple),
    near_misses=st.lists(texts, max_size=3).map(tuple),
    notes=st.lists(texts, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("record") / "variance.db") as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(screen=screens, official=st.booleans())
def test_what_is_saved_is_what_is_loaded(shared_store: Store, screen: Screen, official: bool) -> None:
    run_id = shared_store.save(screen, RULES, official)
    assert shared_store.load(run_id) == screen
    assert [shared_store.row(run_id, row.symbol) for row in screen.rows] == list(screen.rows)


def test_a_row_keeps_its_place_in_the_list_and_not_that_of_its_ticker(store: Store) -> None:
    screen = a_screen(a_row("MSFT"), a_row("AAPL"), a_row("KO"))
    assert [row.symbol for row in store.load(store.save(screen, RULES, True)).rows] == ["MSFT", "AAPL", "KO"]


def test_a_single_name_is_read_alone_and_an_unknown_one_is_none(store: Store) -> None:
    run_id = store.save(a_screen(a_row("AAPL", iv30=0.28), a_row("KO", iv30=0.14)), RULES, True)
    found = store.row(run_id, "KO")
    assert found is not None
    assert found.number("iv30") == 0.14
    assert store.row(run_id, "MSFT") is None


def test_an_unknown_run_is_refused(store: Store) -> None:
    assert store.run_info(99) is None
    with pytest.raises(StoreError, match="Run 99 is not in the record"):
        store.load(99)


def test_numpy_scalars_and_nan_become_plain_values(store: Store) -> None:
    values: dict[str, Any] = {
        "iv30": np.float64(0.25),
        "hv30": np.float32(0.5),
        "hv_rank_n": np.int64(252),
        "hv90": float("nan"),
        "hv20": np.float32("nan"),
        "iv_model_free_complete": np.True_,
        "zone": np.str_("normal"),
    }
    verdict = Gate("structural", "unknown", np.float32("nan"), np.float64(1.1), np.int64(2), ">", np.False_)  # type: ignore[arg-type]
    row = replace(a_row("AAPL", **values), rank=np.int64(3), passed=np.True_, gates=(verdict,))  # type: ignore[arg-type]
    screen = replace(a_screen(row), coverage=Coverage(np.int64(1), 1, 1, {"no quotes": np.int64(0)}))  # type: ignore[arg-type, dict-item]
    run_id = store.save(screen, RULES, True)
    kinds = sql(
        store,
        "SELECT typeof(iv30), typeof(hv30), typeof(hv_rank_n), typeof(hv90), typeof(hv20), "
        "typeof(iv_model_free_complete), typeof(zone), typeof(rank), typeof(passed) FROM observations",
    )
    assert kinds == [("real", "real", "real", "null", "null", "integer", "text", "integer", "integer")]
    loaded = store.load(run_id).rows[0]
    assert (loaded.rank, loaded.passed, loaded.values["hv30"], loaded.values["hv_rank_n"]) == (
        3,
        True,
        0.5,
        252,
    )
    assert loaded.values["hv90"] is None
    assert loaded.values["iv_model_free_complete"] is True
    assert loaded.gates == (Gate("structural", "unknown", None, 1.1, 2, ">", False),)


def test_text_where_a_number_belongs_is_refused_and_nothing_is_left(store: Store) -> None:
    with pytest.raises(StoreError, match=r"cannot store TEXT value in REAL column observations\.iv30"):
        store.save(a_screen(a_row("AAPL", iv30=0.2), a_row("KO", iv30="n/a")), RULES, True)
    assert store.counts().runs == 0
    assert store.rules("0123456789ab") is None


def test_a_row_without_a_metric_is_refused(store: Store) -> None:
    row = a_row("AAPL")
    values = {column: value for column, value in row.values.items() if column != "iv30"}
    with pytest.raises(KeyError, match="iv30"):
        store.save(a_screen(replace(row, values=values)), RULES, True)


def test_the_rules_of_a_run_can_be_read_years_later(store: Store) -> None:
    rules = load_rules(ROOT / "config").using("broad")
    screen = a_screen()
    screen = replace(screen, run=replace(screen.run, rules_hash=rules.hash))
    store.save(screen, rules.model_dump_json(by_alias=True), True)
    body = store.rules(rules.hash)
    assert body is not None
    assert Rules.model_validate_json(body).hash == rules.hash


def test_rules_that_are_no_json_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="json_valid"):
        store.save(a_screen(), "gates: strict", True)


# Versions of a run


def test_the_same_run_is_kept_once(store: Store) -> None:
    first = store.save(a_screen(), RULES, True)
    assert store.save(a_screen(), RULES, True) == first
    assert store.counts().runs == 1


@pytest.mark.parametrize(
    "corrected",
    [
        a_screen(a_row("AAPL", iv30=0.29)),
        a_screen(replace(a_row("AAPL", iv30=0.28), tags=())),
        replace(a_screen(), notes=()),
        a_screen(at=time(20, 5)),
        a_screen(source="tastytrade"),
    ],
    ids=["value", "verdict", "note", "instant", "source"],
)
def test_a_correction_is_a_new_row_and_the_old_one_stays(store: Store, corrected: Screen) -> None:
    first = store.save(a_screen(), RULES, True, realm="live")
    second = store.save(corrected, RULES, True, realm="live")
    infos = [store.run_info(run_id) for run_id in (first, second)]
    assert [info and info.revision for info in infos] == [1, 2]
    assert len({info.key for info in infos if info}) == 1
    assert store.load(first) == a_screen()
    assert store.latest() == (second, corrected)


def test_what_a_person_asked_for_never_corrects_the_official_run(store: Store) -> None:
    official = store.save(a_screen(*closes({"AAPL": 0.28})), RULES, True, realm="live")
    asked = store.save(a_screen(*closes({"AAPL": 0.99})), RULES, False, realm="live")
    info = store.run_info(asked)
    assert info is not None
    assert (info.revision, info.official) == (1, False)
    assert store.latest(official_only=True) == (official, store.load(official))
    assert store.iv_history(["AAPL"], LATER, realm="live").iv30.tolist() == [[0.28]]


def test_two_recordings_of_one_session_do_not_correct_each_other(store: Store) -> None:
    first = store.save(a_screen(*closes({"AAPL": 0.2}), source="one"), RULES, True)
    second = store.save(a_screen(*closes({"KO": 0.1}), source="two"), RULES, True)
    assert [info and info.revision for info in (store.run_info(first), store.run_info(second))] == [1, 1]
    assert store.iv_history(["AAPL", "KO"], LATER, realm="recorded").iv30.tolist() == [[0.2], [0.1]]


# Which run is the latest


def test_the_latest_run_is_that_of_the_newest_market_not_the_last_saved(store: Store) -> None:
    newest = store.save(a_screen(session=date(2026, 4, 30), kind="open"), RULES, True)
    close = store.save(a_screen(session=date(2026, 4, 29)), RULES, True)
    opening = store.save(a_screen(session=date(2026, 4, 29), kind="open"), RULES, True)
    assert [found and found[0] for found in (store.latest(), store.latest("close"))] == [newest, close]
    before = store.previous_official(date(2026, 4, 30), realm="recorded", kind="open")
    assert before is not None
    assert before[0] == opening


def test_the_latest_run_can_be_asked_by_profile_lens_and_realm(store: Store) -> None:
    broad = store.save(a_screen(profile="broad", lens="yearly"), RULES, True, realm="live")
    simulated = store.save(a_screen(session=LATER, source=SIMULATED), RULES, True, realm="live")
    found = (store.latest(profile="broad"), store.latest(lens="yearly"), store.latest(realm="live"))
    assert [entry and entry[0] for entry in found] == [broad, broad, broad]
    assert store.latest() == (simulated, store.load(simulated))
    assert store.latest(profile="selective") is None


def test_within_a_session_the_close_is_later_than_the_open(store: Store) -> None:
    close = store.save(a_screen(kind="close"), RULES, True)
    store.save(a_screen(kind="open"), RULES, True)
    found = store.latest()
    assert found is not None
    assert found[0] == close


def test_the_previous_official_run_is_of_an_earlier_session_and_the_same_realm(store: Store) -> None:
    monday = store.save(a_screen(session=date(2026, 4, 27)), RULES, True, realm="live")
    store.save(a_screen(session=date(2026, 4, 28), source=SIMULATED), RULES, True)
    store.save(a_screen(session=date(2026, 4, 28)), RULES, False, realm="live")
    store.save(a_screen(session=date(2026, 4, 29)), RULES, True, realm="live")
    found = store.previous_official(date(2026, 4, 29), realm="live")
    assert found is not None
    assert found[0] == monday
    assert store.previous_official(date(2026, 4, 27), realm="live") is None


# Series


def save_closes(store: Store, iv30: dict[date, dict[str, float | None]], source: str = LIVE) -> None:
    for session, values in iv30.items():
        store.save(a_screen(*closes(values), session=session, source=source), RULES, True, realm="live")


MON, TUE, WED, THU = (date(2026, 4, day) for day in (27, 28, 29, 30))
WEEK: dict[date, dict[str, float | None]] = {
    WED: {"AAPL": 0.23, "KO": None},
    MON: {"AAPL": 0.21, "KO": 0.11},
    THU: {"AAPL": 0.24, "KO": 0.14},
    TUE: {"KO": 0.12},
}


def test_iv_history_is_oldest_first_in_the_order_asked_with_nan_for_missing(store: Store) -> None:
    save_closes(store, WEEK)
    got = store.iv_history(["KO", "AAPL", "MSFT"], LATER, realm="live").iv30
    nan = np.nan
    np.testing.assert_array_equal(
        got, [[0.11, 0.12, nan, 0.14], [0.21, nan, 0.23, 0.24], [nan, nan, nan, nan]], strict=True
    )


def test_iv_history_ends_before_the_session_and_holds_so_many_sessions(store: Store) -> None:
    save_closes(store, WEEK)
    got = store.iv_history(["AAPL"], THU, realm="live", days=2).iv30
    np.testing.assert_array_equal(got, [[np.nan, 0.23]])
    assert store.iv_history(["AAPL"], MON, realm="live").iv30.shape == (1, 0)


def test_a_ticker_asked_twice_stands_twice(store: Store) -> None:
    save_closes(store, {MON: {"AAPL": 0.2}})
    assert store.iv_history(["AAPL", "AAPL"], LATER, realm="live").iv30.tolist() == [[0.2], [0.2]]


def test_iv_history_of_many_names_equals_that_of_each(store: Store) -> None:
    symbols = [f"S{number:03d}" for number in range(120)]
    expected = np.arange(240, dtype=np.float64).reshape(120, 2) / 1000 + 0.1
    for column, session in enumerate((MON, TUE)):
        save_closes(store, {session: dict(zip(symbols, expected[:, column].tolist(), strict=True))})
    np.testing.assert_array_equal(store.iv_history(symbols[::-1], LATER, realm="live").iv30, expected[::-1])
    np.testing.assert_array_equal(store.iv_history(symbols[7:8], LATER, realm="live").iv30, expected[7:8])


def test_only_usable_official_closes_make_the_series(store: Store) -> None:
    save_closes(store, {MON: {"AAPL": 0.21}})
    rows = closes({"AAPL": 0.9})
    store.save(a_screen(*rows, session=TUE, kind="open"), RULES, True, realm="live")
    store.save(a_screen(*rows, session=TUE), RULES, False, realm="live")
    store.save(a_screen(*rows, session=WED, state="outage"), RULES, True, realm="live")
    store.save(a_screen(*closes({"AAPL": 0.24}), session=THU, state="degraded"), RULES, True, realm="live")
    assert store.iv_history(["AAPL"], LATER, realm="live").iv30.tolist() == [[0.21, 0.24]]
    assert [point.session for point in store.history("AAPL", "live")] == [MON, THU]


def test_a_correction_replaces_the_value_in_the_series(store: Store) -> None:
    save_closes(store, {MON: {"AAPL": 0.21, "KO": 0.1}})
    save_closes(store, {MON: {"AAPL": 0.31, "KO": None}})
    got = store.iv_history(["AAPL", "KO"], LATER, realm="live").iv30
    np.testing.assert_array_equal(got, [[0.31], [np.nan]])


def test_of_two_recordings_of_a_session_the_later_saved_value_counts(store: Store) -> None:
    held: dict[str, dict[str, float | None]] = {
        "one": {"AAPL": 0.2, "KO": 0.1},
        "two": {"AAPL": 0.3, "KO": None},
    }
    for source, values in held.items():
        store.save(a_screen(*closes(values), source=source), RULES, True)
    assert store.iv_history(["AAPL", "KO"], LATER, realm="recorded").iv30.tolist() == [[0.3], [0.1]]
    assert [point.values["iv30"] for point in store.history("AAPL", "recorded")] == [0.3]


def test_a_failed_second_attempt_leaves_the_good_close_in_the_series(store: Store) -> None:
    save_closes(store, {MON: {"AAPL": 0.21}})
    store.save(a_screen(*closes({}), session=MON, state="outage"), RULES, True, realm="live")
    assert store.iv_history(["AAPL"], LATER, realm="live").iv30.tolist() == [[0.21]]


def test_a_simulated_market_never_enters_a_real_series(store: Store) -> None:
    save_closes(store, {MON: {"AAPL": 0.21}})
    save_closes(store, {MON: {"AAPL": 0.9}, TUE: {"AAPL": 0.91}}, source=SIMULATED)
    store.save(a_screen(*closes({"AAPL": 0.5}), session=WED, source="disk"), RULES, True, realm="recorded")
    series = {
        realm: store.iv_history(["AAPL"], LATER, realm=realm).iv30.tolist()
        for realm in ("live", "recorded", "simulated")
    }
    assert series == {"live": [[0.21]], "recorded": [[0.5]], "simulated": [[0.9, 0.91]]}
    assert [point.values["iv30"] for point in store.history("AAPL", "live")] == [0.21]


def test_history_gives_the_columns_asked_and_leaves_out_sessions_without_the_name(store: Store) -> None:
    save_closes(store, WEEK)
    points = store.history("AAPL", "live", columns=("passed", "iv30", "hv30"))
    assert [point.session for point in points] == [MON, WED, THU]
    assert points[0].values == {"passed": True, "iv30": 0.21, "hv30": None}
    assert [point.session for point in store.history("AAPL", "live", before=THU, days=2)] == [WED]


def test_history_refuses_a_column_that_is_not_stored(store: Store) -> None:
    with pytest.raises(ValueError, match="iv31; --"):
        store.history("AAPL", "live", columns=("iv30", "iv31; --"))


# The file


def test_an_empty_record_answers_with_nothing(store: Store) -> None:
    assert store.latest() is None
    assert store.iv_history(["AAPL"], LATER, realm="live").iv30.shape == (1, 0)
    assert store.history("AAPL", "live") == []
    found = store.counts()
    assert (found.runs, found.observations, found.last) == (0, 0, None)


def test_counts_tell_runs_observations_size_and_the_newest_run(store: Store) -> None:
    store.save(a_screen(*closes({"AAPL": 0.2, "KO": 0.1}), session=TUE), RULES, True)
    store.save(a_screen(session=MON), RULES, True)
    found = store.counts()
    assert (found.runs, found.observations) == (2, 3)
    assert found.last is not None
    assert found.last.run.session == TUE
    on_disk = sum(
        file.stat().st_size for file in store.path.parent.glob("variance.db*") if "shm" not in file.name
    )
    assert found.size == on_disk


def test_settings_are_kept_and_replaced(store: Store) -> None:
    assert store.get_setting("commands") is None
    store.set_setting("commands", "one")
    store.set_setting("commands", "two")
    assert store.get_setting("commands") == "two"
