"""`variance history` and `variance history import` as an operator types them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import stamina

from engine.cli import main
from engine.market.recorded import write_snapshot
from engine.market.simulated import SimulatedMarket
from engine.record import Store
from engine.rules import load_universe
from tests.engine.record.screens import DAY, RULES, a_row, a_screen
from tests.loopback.access import CONFIG
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

FILE = "date,symbol,iv30\n2026-04-28,AAPL,0.27\n2026-04-29,AAPL,0.31\n2026-04-28,KO,0.14\n"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE", "BACKUPS", "CBOE_TERMS", "STAND_IN", "STAND_IN_CA", "STAND_IN_NOW"):
        monkeypatch.delenv(f"VARIANCE_{name}", raising=False)
    for name in ("TT_SECRET", "TT_REFRESH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VARIANCE_CACHE", str(tmp_path / "cache"))


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(("history", *words))
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return int(end.value.code or 0), said.out, said.err


@pytest.fixture
def record() -> Path:
    """The bot's own place, with one live close of AAPL that was corrected, and a recorded one of KO."""
    path = Path("var/variance.db")
    with Store.open(path) as store:
        row = a_row("AAPL", iv30=0.28, iv_method="nearest", hv30=0.2, vrp_tactical=1.4, name="Apple Inc.")
        store.save(a_screen(a_row("AAPL", iv30=0.25)), RULES, True, realm="live")
        store.save(a_screen(row), RULES, True, realm="live")
        store.save(a_screen(a_row("KO", iv30=0.14)), RULES, True, realm="recorded")
    return path


@pytest.mark.usefixtures("record")
def test_a_history_as_table_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "aapl")
    assert (status, err) == (0, "")
    assert out.startswith("AAPL (Apple Inc.): 2026-04-29 to 2026-04-29\n1 own close, 1 with IV30")
    assert "IV percentile unknown, IV rank unknown (n=0 of 60)" in out
    assert "Corrected later: 1" in out
    assert "nearest" in out
    # Options may stand before the name, and `show` may be written out.
    status, out, _ = call(capsys, "--window", "quarter", "--format", "json", "AAPL")
    found = json.loads(out)
    assert call(capsys, "show", "AAPL", "--window", "quarter", "--format", "json")[1] == out
    assert (found["symbol"], found["name"], found["realm"]) == ("AAPL", "Apple Inc.", "live")
    assert found["latest"]["session"] == DAY.isoformat()
    [close] = found["closes"]
    assert close["iv30"] == 0.28
    assert close["vrp_tactical"] == 1.4
    assert (close["source"], close["origin"], close["revision"]) == ("own", "yahoo", 2)
    assert (close["passed"], close["failed"], close["rules_hash"]) == (True, [], "0123456789ab")
    [line] = list(csv.DictReader(io.StringIO(call(capsys, "AAPL", "--format", "csv")[1])))
    assert list(line) == list(close)
    assert (line["session"], line["iv30"], line["hv90"], line["engine_version"]) == (
        "2026-04-29",
        "0.28",
        "",
        "0.1.0",
    )


@pytest.mark.usefixtures("record")
def test_another_realm_is_found_by_itself_or_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "KO, RECORDED market: 2026-04-29" in call(capsys, "KO")[1]
    status, out, err = call(capsys, "KO", "--realm", "live")
    assert (status, out) == (2, "")
    assert err == "variance: The record holds no official close of the live market of KO.\n"


@pytest.mark.usefixtures("record")
def test_corrections_show_every_version(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(call(capsys, "AAPL", "--corrections", "--format", "json")[1])
    told = [(each["iv30"], each["revision"], each["stands"]) for each in found["versions"]]
    assert told == [(0.25, 1, False), (0.28, 2, True)]
    assert "the marked one stands" in call(capsys, "AAPL", "--corrections")[1]
    assert call(capsys, "KO", "--corrections")[1] == "No close of KO was ever corrected.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("AAPLE",), "The record holds no official close of AAPLE. Did you mean AAPL?"),
        (("AAPL", "--window", "month"), "--window 'month' is not known: use one of quarter, year, all."),
        (("AAPL", "--realm", "dream"), "--realm 'dream' is not known: use one of live, recorded, simulated."),
        (("no ticker",), "'no ticker' is no ticker"),
        (("AAPL", "--database", "none.db"), "There is no record at none.db: --database FILE names another."),
        (("import",), "variance history import takes one CSV FILE, --provider tastytrade, or --snapshots"),
        (("import", "a.csv", "b.csv"), "variance history import takes one CSV FILE"),
        (("import", "a.csv", "--provider", "tastytrade"), "--provider takes no file"),
        (("import", "--provider", "yahoo"), "--provider 'yahoo' is not known: use one of tastytrade."),
        (("import", "a.csv", "--symbols", "KO"), "--symbols belongs to --provider tastytrade"),
        (("import", "a.csv", "--source", ""), "--source is empty"),
        (("import", "a.csv", "--realm", "simulated"), "--realm 'simulated' is not known"),
        (("import", "a.csv"), "a.csv cannot be read: No such file or directory."),
        (("import", "a.csv", "--database", "none.db"), "There is no record at none.db: --database FILE"),
        (("import", "--provider", "tastytrade"), "tastytrade is not configured."),
    ],
)
@pytest.mark.usefixtures("record")
def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith(f"variance: {sentence}")
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("record")
def test_a_file_is_imported_once_and_beside_the_own_closes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("iv.csv").write_text(FILE + "2026-04-28,AAPL,n/a\n", encoding="utf-8")
    words = ("import", "iv.csv", "--source", "ibkr")
    status, out, err = call(capsys, *words, "--dry-run")
    assert status == 0
    assert "Dry run, nothing is kept: 3 new, 0 unchanged, 0 changed" in out
    assert err == "line 5: rejected: iv30 'n/a' is not a number\n"
    _, out, _ = call(capsys, *words)
    assert "4 lines read, 3 values taken, 1 line rejected." in out
    assert "Kept in the live series: 3 new, 0 unchanged, 0 changed" in out
    assert "On 1 of these days an own official close has IV30" in out
    assert "0 new, 3 unchanged, 0 changed" in call(capsys, *words)[1]
    Path("iv.csv").write_text(FILE.replace("0.27", "0.26"), encoding="utf-8")
    assert "0 new, 2 unchanged, 1 changed" in call(capsys, *words)[1]
    found = json.loads(call(capsys, "AAPL", "--format", "json")[1])
    assert [(each["session"], each["iv30"], each["source"], each["origin"]) for each in found["closes"]] == [
        ("2026-04-28", 0.26, "imported", "ibkr"),
        ("2026-04-29", 0.28, "own", "yahoo"),
    ]
    assert found["latest"]["iv_percentile_imported"] == 1
    table = call(capsys, "AAPL")[1]
    assert "1 imported value where no own close has IV30 (origin: ibkr 1)" in table


def test_a_new_record_is_made_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("iv.csv").write_text(FILE, encoding="utf-8")
    assert call(capsys, "import", "iv.csv")[0] == 2
    status, out, _ = call(capsys, "import", "iv.csv", "--new", "--realm", "recorded")
    assert status == 0
    assert "Kept in the recorded series: 3 new" in out
    assert "KO, RECORDED market" in call(capsys, "KO")[1]


def test_saved_closes_become_official_ones_oldest_first(capsys: pytest.CaptureFixture[str]) -> None:
    listings = [each for each in load_universe(CONFIG) if each.symbol in ("SPY", "KO", "GLD")]
    days = [date(2026, 4, 27), date(2026, 4, 28), date(2026, 4, 29)]
    for day in days:
        write_snapshot(SimulatedMarket(listings, day, seed=7).snapshot(), Path(day.isoformat()))
    write_snapshot(SimulatedMarket(listings, days[0], "open", seed=7).snapshot(), Path("open"))
    folders = ["2026-04-29", "open", "2026-04-27"]
    words = ("import", "--snapshots", *folders, "nowhere", "--database", "new.db", "--new")
    status, out, err = call(capsys, *words)
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "2026-04-27",
        "2026-04-29",
        "2 of 4 snapshots kept as official closes.",
    ]
    assert "official close of 2026-04-27, 3 of 3 names measured" in out
    assert "open: left out: a snapshot of the opening is only indicative" in err
    assert "nowhere: left out: snapshot.json is missing in nowhere." in err
    _, out, _ = call(capsys, "import", "--snapshots", "2026-04-29", "2026-04-28", "--database", "new.db")
    assert "2026-04-29: left as it is: 2026-04-29 already has an official close (simulated)." in out
    assert out.endswith("1 of 2 snapshots kept as official closes.\n")
    found = json.loads(call(capsys, "KO", "--database", "new.db", "--format", "json")[1])
    assert found["realm"] == "simulated"
    closes = found["closes"]
    assert [each["session"] for each in closes] == [day.isoformat() for day in days]
    assert [each["revision"] for each in closes] == [1, 1, 1]
    # The same numbers as the same folder screened by itself.
    with pytest.raises(SystemExit):
        main(("vrp", "KO", "--data", "2026-04-28", "--format", "json"))
    [row] = json.loads(capsys.readouterr().out)["rows"]
    assert (closes[1]["iv30"], closes[1]["hv252"]) == (row["iv30"], row["hv252"])
    assert call(capsys, "import", "--snapshots", "open", "--database", "new.db")[0] == 2


@pytest.fixture(scope="module")
def served() -> Iterator[Loopback]:
    market = SimulatedMarket(load_universe(CONFIG)[:4], date(2026, 4, 29), seed=7).snapshot()
    with Loopback(whole_market(market)) as net:
        yield net


@pytest.fixture
def net(served: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("VARIANCE_STAND_IN", served.address)
    monkeypatch.setenv("VARIANCE_STAND_IN_CA", str(served.authority))
    monkeypatch.setenv("VARIANCE_STAND_IN_NOW", "2026-04-29T20:20:00Z")
    monkeypatch.setenv("TT_SECRET", SECRET)
    monkeypatch.setenv("TT_REFRESH", REFRESH)
    stamina.set_testing(True, attempts=3, cap=True)
    fresh_yfinance()
    served.clear()
    yield served
    served.heal()
    stamina.set_testing(False)
    fresh_yfinance()


@pytest.mark.usefixtures("record", "net")
def test_a_year_from_tastytrade(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("import", "--provider", "tastytrade", "--symbols", "iwm,NOSUCH")
    status, out, err = call(capsys, *words)
    assert status == 0
    assert "of 1 of 2 names from Tastytrade." in out
    assert err.startswith("NOSUCH: tastytrade: ")
    kept = json.loads(call(capsys, "IWM", "--window", "all", "--format", "json")[1])
    assert kept["imported"] > 200
    assert {each["origin"] for each in kept["closes"]} == {"Tastytrade"}
    assert kept["latest"]["iv_percentile_n"] == kept["latest"]["iv_percentile_imported"] > 200
    assert "0 new" in call(capsys, *words)[1]
