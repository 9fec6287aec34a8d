"""Daily IV30 from files: every problem line has a verdict, nothing is rewritten, twice is once."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UnreadableError
from engine.market.columns import panel_of
from engine.market.sessions import sessions_between
from engine.market.simulated import SimulatedMarket
from engine.record import Store
from engine.record.imports import ImportedIv, import_counts, keep_imports, read_iv_file
from engine.record.names import name_history, reported, stored_symbols, versions
from engine.rules import load_rules, load_universe
from engine.screen.flags import FLAGS
from engine.screen.measure import measure
from tests.conftest import ROOT
from tests.engine.record.screens import RULES, a_row, a_screen, closes, sql

NOW = datetime(2026, 4, 30, 12, tzinfo=UTC)
"""Before the opening: the last session that is over is the 29th."""
DAYS = [day.astype(date) for day in sessions_between(date(2025, 1, 2), date(2026, 4, 29))]


def written(folder: Path, *lines: str, header: str = "date,symbol,iv30") -> Path:
    path = folder / "iv.csv"
    path.write_text("\n".join((header, *lines, "")), encoding="utf-8")
    return path


def values(symbol: str, iv30: dict[date, float], source: str = "csv") -> list[ImportedIv]:
    return [ImportedIv(symbol, day, each, source) for day, each in iv30.items()]


# Reading


def test_every_problem_line_has_its_number_and_reason(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "2026-04-29,AAPL,0.28",
        "2026-04-25,AAPL,0.28",
        "2026-04-28,AAPL,n/a",
        "2026-04-28,AAPL,nan",
        "2026-04-28,AAPL,-0.2",
        "2026-04-28,AAPL,28.1",
        "2026-04-30,AAPL,0.28",
        "04/28/2026,AAPL,0.28",
        "20260428,AAPL,0.28",
        "2026-04-28,not a name,0.28",
        "2026-04-28,AAPL",
        "",
        "2026-04-29,aapl,0.28",
        "2026-04-28,$KO,0.14",
        "2026-04-28,KO,0.15",
        "1987-10-19,KO,1.5",
    )
    read = read_iv_file(path, NOW)
    assert read.lines == 15
    assert read.values == (
        ImportedIv("AAPL", date(2026, 4, 29), 0.28, "csv"),
        ImportedIv("KO", date(2026, 4, 28), 0.15, "csv"),
    )
    assert [(each.line, each.outcome, each.reason) for each in read.verdicts] == [
        (3, "rejected", "2026-04-25 is no exchange session"),
        (4, "rejected", "iv30 'n/a' is not a number"),
        (5, "rejected", "iv30 is not a number"),
        (6, "rejected", "iv30 must be above 0"),
        (7, "rejected", "iv30 28.1 looks like percents: write 0.281"),
        (8, "rejected", "2026-04-30 lies ahead: the last session that is over is 2026-04-29"),
        (9, "rejected", "'04/28/2026' is no day: write it as 2026-04-29"),
        (10, "rejected", "'20260428' is no day: write it as 2026-04-29"),
        (11, "rejected", "'not a name' is no ticker"),
        (12, "rejected", "it has fewer cells than the header"),
        (14, "remark", "repeats line 2"),
        (16, "remark", "another iv30 than line 15 for KO on 2026-04-28; this later line stands"),
        (17, "rejected", "1987-10-19 lies before 1990-01-01"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "iv.csv lacks the column date, symbol, iv30: the first line must name"),
        ("date,symbol,iv30\n", "iv.csv holds no line below its header."),
        ("date,ticker,iv30\n2026-04-29,A,0.2\n", "iv.csv lacks the column symbol:"),
        ("date,symbol,iv30,IV30\n2026-04-29,A,0.2,0.2\n", "iv.csv has the column iv30 more than once."),
        ("date;symbol;iv30\n2026-04-29;A;0.2\n", "The columns of iv.csv are not parted by commas"),
        (
            "date,symbol,iv30\n2026-04-29,A,18.5\n2026-04-29,B,28.5\n2026-04-28,B,0.2\n",
            "The middle iv30 of iv.csv is 18.5: these are percents. Write fractions, 0.185 for 18.5 %.",
        ),
        ("date,symbol,iv30\n2026-04-25,A,0.2\n", "iv.csv has no usable line; line 2: 2026-04-25 is no"),
        ("date,symbol,iv30\n" + "x" * 20_000, "iv.csv has a line of over 10,000 signs"),
        ('date,symbol,iv30\n"' + "x\n" * 70_000, "iv.csv is no usable CSV: field larger than field limit"),
    ],
)
def test_a_file_of_no_use_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "iv.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableError) as error:
        read_iv_file(path, NOW)
    assert str(error.value).startswith(sentence)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"date,symbol,iv30\n2026-04-29,A,0.2\n" * 50)
    for content in (b"\xff\xfe\x00date", whole[:-20], b"\x1f\x8bnot packed at all"):
        (tmp_path / "iv.csv").write_bytes(content)
        with pytest.raises(UnreadableError, match=r"^iv\.csv (is no text|cannot be read)"):
            read_iv_file(tmp_path / "iv.csv", NOW)
    with pytest.raises(UnreadableError, match=r"^none\.csv cannot be read: No such file"):
        read_iv_file(tmp_path / "none.csv", NOW)


def test_columns_in_any_order_packed_or_with_a_mark_and_a_source_a_line(tmp_path: Path) -> None:
    text = "\ufeffIV30, Symbol,hv,DATE,source\r\n0.2,KO,9,2026-04-29,desk\r\n0.3,KO,9,2026-04-28,\r\n"
    path = tmp_path / "iv.csv.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8")))
    read = read_iv_file(path, NOW, "vendor")
    assert [(each.session.day, each.iv30, each.source) for each in read.values] == [
        (28, 0.3, "vendor"),
        (29, 0.2, "desk"),
    ]
    assert (read.ignored, read.verdicts) == (("hv",), ())


# Keeping

stored = st.dictionaries(
    st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(DAYS[:6])),
    st.sampled_from([0.1, 0.2, 0.30000000000000004]),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("record") / "variance.db") as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(imports=st.lists(stored, min_size=1, max_size=3))
def test_the_same_import_twice_changes_nothing_and_nothing_is_rewritten(
    shared: Store, imports: list[dict[tuple[str, date], float]]
) -> None:
    for wanted in imports:
        batch = [ImportedIv(symbol, day, iv30, "x") for (symbol, day), iv30 in wanted.items()]
        before = sql(shared, "SELECT * FROM imported_iv ORDER BY 1, 2, 3, 4")
        foreseen = import_counts(shared, batch, "live")
        counts = keep_imports(shared, batch, "live", NOW)
        assert counts == foreseen
        assert counts.new + counts.unchanged + counts.changed == len(batch)
        after = sql(shared, "SELECT * FROM imported_iv ORDER BY 1, 2, 3, 4")
        assert set(before) <= set(after)
        assert len(after) == len(before) + counts.new + counts.changed
        again = keep_imports(shared, batch, "live", NOW)
        assert (again.new, again.changed, again.unchanged) == (0, 0, len(batch))
        assert sql(shared, "SELECT * FROM imported_iv ORDER BY 1, 2, 3, 4") == after
        for each in batch:
            [found] = sql(
                shared,
                "SELECT iv30, max(revision) FROM imported_iv WHERE symbol = ? AND session = ?",
                each.symbol,
                each.session.isoformat(),
            )
            assert found[0] == each.iv30


# Percentiles


def test_own_closes_win_and_imports_fill_the_gaps_of_the_year(store: Store) -> None:
    for place, day in enumerate(DAYS[-4:-1]):
        store.save(
            a_screen(*closes({"AAPL": None if place == 1 else 0.5, "KO": 0.1}), session=day),
            RULES,
            True,
            realm="live",
        )
    brought = dict(zip(DAYS[-300:], np.linspace(0.2, 0.4, 300).tolist(), strict=True))
    counts = keep_imports(store, values("AAPL", brought), "live", NOW)
    assert (counts.new, counts.beside_own) == (300, 2)
    keep_imports(store, values("AAPL", {DAYS[-3]: 0.99}), "live", NOW)
    found = store.iv_history(["KO", "AAPL", "XLE"], DAYS[-1], realm="live")
    assert found.imported is not None
    assert found.imported.tolist() == [0, 250, 0]
    expected = [brought[day] for day in DAYS[-253:-4]] + [0.5, 0.99, 0.5]
    assert found.iv30[1].tolist() == expected
    # A name without imports is what it was: three stored sessions, nothing pushed out.
    assert found.iv30[0][np.isfinite(found.iv30[0])].tolist() == [0.1, 0.1, 0.1]
    assert np.isnan(found.iv30[2]).all()
    assert store.iv_history(["AAPL"], DAYS[-1], realm="recorded").iv30.shape == (1, 0)


def test_values_of_another_time_do_not_stand_in_for_this_year(store: Store) -> None:
    keep_imports(store, values("AAPL", dict.fromkeys(DAYS[:40], 0.3)), "live", NOW)
    found = store.iv_history(["AAPL"], DAYS[-1], realm="live")
    assert (found.iv30.size, found.imported) == (0, None)


def test_a_percentile_with_imports_behind_it_says_so(store: Store) -> None:
    rules = load_rules(ROOT / "config")
    listings = [each for each in load_universe(ROOT / "config") if each.symbol in ("SPY", "AAPL", "KO")]
    panel = panel_of(SimulatedMarket(listings, date(2026, 4, 29), seed=7).snapshot(), "SPY")
    brought = dict.fromkeys(DAYS[-100:-1], 0.01)
    keep_imports(store, values("AAPL", brought), "live", NOW)
    history = store.iv_history(panel.symbols, panel.session, realm="live")
    table = measure(panel, rules, history).set_index("symbol")
    assert table.loc["AAPL", "iv_percentile_n"] == 99
    assert table.loc["AAPL", "iv_percentile"] == 100.0
    assert "iv_history_imported" in table.loc["AAPL", "flags"]
    assert "iv_history_imported" not in table.loc["KO", "flags"]
    assert FLAGS["iv_history_imported"].endswith(".")


# One name's history


def test_a_history_prefers_the_rules_asked_by_and_keeps_what_was_corrected(store: Store) -> None:
    rules = load_rules(ROOT / "config")
    day, before = DAYS[-1], DAYS[-2]
    ours = store.save(a_screen(a_row("AAPL", iv30=0.30), session=day), RULES, True, realm="live")
    store.save(
        a_screen(a_row("AAPL", iv30=0.30, hv30=0.9), session=day, profile="broad"), RULES, True, realm="live"
    )
    first = store.save(a_screen(a_row("AAPL", iv30=0.20), session=before), RULES, True, realm="live")
    later = store.save(a_screen(a_row("AAPL", iv30=0.25), session=before), RULES, True, realm="live")
    keep_imports(store, values("AAPL", {before: 0.9, DAYS[-3]: 0.21}, "ibkr"), "live", NOW)
    keep_imports(store, values("AAPL", {DAYS[-3]: 0.22}, "ibkr"), "live", NOW)
    history = name_history(store, "AAPL", "live", "all", rules)
    assert history is not None
    assert [(close.session, close.iv30, close.imported) for close in history.closes] == [
        (DAYS[-3], 0.22, True),
        (before, 0.25, False),
        (day, 0.30, False),
    ]
    assert [close.run_id for close in history.own] == [later, ours]
    assert history.corrected == 2
    standing = history.standing
    assert standing is not None
    assert (standing.n, standing.imported, standing.low, standing.high) == (2, 1, 0.22, 0.30)
    assert (standing.rank, standing.percentile, standing.least) == (None, None, 60)
    told = [(each.iv30, each.revision, each.stands, each.run_id) for each in versions(store, "AAPL", "live")]
    assert told == [
        (0.21, 1, False, None),
        (0.22, 2, True, None),
        (0.20, 1, False, first),
        (0.25, 2, True, later),
    ]
    assert name_history(store, "KO", "live", "all", rules) is None
    assert stored_symbols(store, "live") == ["AAPL"]
    assert stored_symbols(store, "recorded") == []


def test_a_window_is_of_sessions_and_not_of_rows(store: Store) -> None:
    rules = load_rules(ROOT / "config")
    for day in DAYS[-70:]:
        store.save(a_screen(*closes({"KO": None}), session=day), RULES, True, realm="live")
    keep_imports(store, values("KO", dict.fromkeys(DAYS[-70:], 0.2)), "live", NOW)
    history = name_history(store, "KO", "live", "quarter", rules)
    assert history is not None
    assert len({close.session for close in history.closes}) == 63
    assert len(history.own) == 63
    assert history.standing is not None
    assert history.standing.n == 69


def test_earnings_happened_when_a_date_that_has_come_gives_way_to_a_later_one(store: Store) -> None:
    rules = load_rules(ROOT / "config")
    announced = [
        (date(2026, 1, 5), "2026-01-29"),
        (date(2026, 1, 6), "2026-02-03"),  # moved before its day: no report
        (date(2026, 2, 2), None),
        (date(2026, 2, 3), "2026-02-03"),
        (date(2026, 2, 4), "2026-02-03"),  # not yet renewed by the source
        (date(2026, 2, 6), "2026-05-01"),
        (date(2026, 2, 9), "not a day"),
    ]
    for day, text in announced:
        row = a_row("KO", iv30=0.2, earnings_date=text)
        store.save(a_screen(row, session=day), RULES, True, realm="live")
    history = name_history(store, "KO", "live", "all", rules)
    assert history is not None
    assert history.earnings == (date(2026, 2, 3),)
    assert reported(history.closes[:3]) == []
