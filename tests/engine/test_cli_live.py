"""The live commands as an operator meets them: with sources, with sick ones, and without any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import stamina

from engine.cli import main
from engine.environment import PREFIX
from engine.market.simulated import SimulatedMarket
from engine.rules import load_universe
from tests.loopback.access import CONFIG
from tests.loopback.faults import Fault
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

NOW = "2026-04-29T20:20:00Z"
NOBODY = "http://127.0.0.1:1"
"""Where nothing listens: a machine without a network."""


@pytest.fixture(scope="module")
def served() -> Iterator[Loopback]:
    market = SimulatedMarket(load_universe(CONFIG)[:12], date(2026, 4, 29), seed=7).snapshot()
    with Loopback(whole_market(market)) as net:
        yield net


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("TT_SECRET", "TT_REFRESH", "CBOE_TERMS", "STAND_IN", "STAND_IN_CA", "STAND_IN_NOW"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(PREFIX + name, raising=False)
    monkeypatch.setenv("VARIANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    stamina.set_testing(True, attempts=3, cap=True)
    fresh_yfinance()
    yield
    stamina.set_testing(False)
    fresh_yfinance()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VARIANCE_STAND_IN", NOBODY)


@pytest.fixture
def net(served: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("VARIANCE_STAND_IN", served.address)
    monkeypatch.setenv("VARIANCE_STAND_IN_CA", str(served.authority))
    monkeypatch.setenv("VARIANCE_STAND_IN_NOW", NOW)
    served.clear()
    yield served
    served.heal()


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return int(end.value.code or 0), said.out, said.err


@pytest.mark.usefixtures("offline")
def test_without_key_network_and_cache_a_screen_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "screen", "--provider", "yahoo", "--format", "json")
    assert status == 1
    found = json.loads(out)
    assert found["run"]["state"] == "aborted"
    assert found["rows"] == []
    assert "no network [yahoo]" in found["coverage"]["missing"]
    lines = err.splitlines()
    assert all(line.startswith("variance: ") for line in lines)
    for source in ("yahoo", "treasury", "fred", "nasdaq"):
        assert len([line for line in lines if line.startswith(f"variance: {source}: no network")]) == 1


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("source", ["tastytrade", "cboe"])
def test_a_source_without_its_key_is_one_sentence(capsys: pytest.CaptureFixture[str], source: str) -> None:
    for view in (("screen",), ("vrp", "KO")):
        status, out, err = call(capsys, *view, "--provider", source)
        assert status == 2
        assert out == ""
        assert err.startswith(f"variance: {source} is not configured. ")
        assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("offline")
def test_doctor_without_a_network_has_a_sentence_and_a_remedy_for_each_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = call(capsys, "doctor", "--format", "json")
    assert status == 1
    found = {source["name"]: source for source in json.loads(out)["sources"]}
    assert {"yahoo", "tastytrade", "cboe", "treasury", "nasdaq", "directory"} <= set(found)
    for source in found.values():
        assert {"name", "configured", "ok", "latency_ms", "detail", "remedy"} <= set(source)
        assert not source["ok"]
        assert source["latency_ms"] is None
        assert source["detail"]
        assert source["remedy"].endswith(".")
    assert [name for name, source in found.items() if not source["configured"]] == ["tastytrade", "cboe"]
    assert "TT_SECRET" in found["tastytrade"]["remedy"]
    assert "docs/sources.md" in found["cboe"]["remedy"]


def test_doctor_shows_what_would_be_used(
    capsys: pytest.CaptureFixture[str], net: Loopback, monkeypatch: pytest.MonkeyPatch, brisk: Path
) -> None:
    monkeypatch.setenv("TT_SECRET", SECRET)
    monkeypatch.setenv("TT_REFRESH", REFRESH)
    monkeypatch.setenv("VARIANCE_CBOE_TERMS", "accepted")
    status, out, err = call(capsys, "doctor", "SPY", "--format", "json", "--config", str(brisk))
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert all(source["configured"] and source["ok"] for source in found["sources"])
    assert all(source["latency_ms"] > 0 for source in found["sources"])
    assert all(abs(source["clock_skew_seconds"]) < 365 * 86_400 for source in found["sources"])
    used = found["symbol"]["used"]
    assert used["chain"]["source"] == used["hv30_provider"]["source"] == "tastytrade"
    assert used["history"]["source"] == "yahoo"
    assert 0.5 < found["symbol"]["coverage"] <= 1
    assert found["symbol"]["missing"] is None
    assert found["cache"]["sources"]["yahoo"]["good"] >= 1
    assert SECRET not in out
    assert REFRESH not in out


def test_doctor_names_the_sick_source_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str], net: Loopback, brisk: Path
) -> None:
    net.fault("home.treasury.gov", Fault.HTML)
    status, out, _ = call(capsys, "doctor", "SPY", "--config", str(brisk))
    assert status == 0
    lines = [line for line in out.splitlines() if line.startswith(("x ", "+ "))]
    assert [line.split()[1] for line in lines if line.startswith("x ")] == ["treasury"]
    assert "4.00 % from fred is used" in out


def test_one_name_from_the_live_market(
    capsys: pytest.CaptureFixture[str], net: Loopback, brisk: Path
) -> None:
    status, out, err = call(capsys, "vrp", "IWM", "--format", "json", "--config", str(brisk))
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["run"]["source"] == "Yahoo"
    (row,) = found["rows"]
    assert row["iv30"] > 0.1
    assert row["provenance"]["chain"]["source"] == "yahoo"
    net.clear()
    fresh_yfinance()
    status, out, _ = call(capsys, "why", "IWM", "--provider", "yahoo", "--config", str(brisk))
    assert status == 0
    assert "IWM:" in out
    assert net.asked == []


@pytest.fixture
def brisk(tmp_path: Path) -> Path:
    """The operator's folder with a first burst that needs no waiting, and a sector of three names."""
    folder = tmp_path / "brisk"
    folder.mkdir()
    for file in CONFIG.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    sources = json.loads((CONFIG / "sources.json").read_text(encoding="utf-8"))
    for limit in sources["limits"].values():
        limit |= {"burst": 20, "jitter": 0.0}
    (folder / "sources.json").write_text(json.dumps(sources), encoding="utf-8")
    names = "".join(f"{symbol},{symbol},Havens,etf\n" for symbol in ("GLD", "SLV", "IWM"))
    universe = f"symbol,name,sector,asset_class\nQQQ,QQQ,Broad Market,etf\n{names}"
    (folder / "universe.csv").write_text(universe, encoding="utf-8")
    return folder


def _asked_for(net: Loopback) -> set[str]:
    """Whose pages were asked for, of all the names the market serves."""
    ends = {asked.path.rpartition("/")[2] for asked in net.asked}
    return ends & {listing.symbol for listing in load_universe(CONFIG)}


def test_a_pair_asks_for_its_legs_and_the_benchmark_alone(
    capsys: pytest.CaptureFixture[str], net: Loopback, brisk: Path
) -> None:
    words = ("pairs", "GLD/SLV", "--provider", "yahoo", "--format", "json", "--config", str(brisk))
    status, out, err = call(capsys, *words)
    assert (status, err) == (0, "")
    (row,) = json.loads(out)
    assert row["spread"] == row["structural_a"] - row["structural_b"]
    assert -1 <= row["correlation"] <= 1
    assert _asked_for(net) == {"SPY", "GLD", "SLV"}


def test_a_sector_asks_for_its_names_and_is_not_compared_with_the_rest(
    capsys: pytest.CaptureFixture[str], net: Loopback, brisk: Path
) -> None:
    status, out, err = call(capsys, "sectors", "hav", "--provider", "yahoo", "--config", str(brisk))
    assert (status, err) == (0, "")
    assert "Only this sector was asked for" in out
    assert "not compared with the market" in out
    assert all(f"\n{symbol} " in out for symbol in ("GLD", "SLV", "IWM"))
    assert _asked_for(net) == {"SPY", "GLD", "SLV", "IWM"}


@pytest.mark.usefixtures("offline")
def test_a_book_asks_for_its_own_contracts_and_tells_what_lacks(
    capsys: pytest.CaptureFixture[str], net: Loopback, tmp_path: Path, brisk: Path
) -> None:
    book = tmp_path / "book.csv"
    book.write_text(
        "symbol,expiration,strike,right,quantity,open_price\n"
        "SPY,2026-09-18,600,P,-1,12.5\n"
        "NOSUCH,2026-06-18,50,P,-1,1\n"
        "DIA,2026-03-20,400,P,-1,1\n"
    )
    status, out, err = call(
        capsys, "portfolio", str(book), "--provider", "yahoo", "--format", "json", "--config", str(brisk)
    )
    found = json.loads(out)
    assert status == 0
    by_name = {position["symbol"]: position["legs"][0] for position in found["positions"]}
    assert by_name["SPY"]["mark_method"] == "mid"
    assert by_name["DIA"]["status"] == "expired"
    assert "variance: NOSUCH: unknown symbol" in err
    # What has expired costs no request.
    assert net.count("query2.finance.yahoo.com", "/options/DIA") == 0


def test_an_unknown_pair_or_sector_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    for view, kind in (("pairs", "pair"), ("sectors", "sector")):
        status, out, err = call(capsys, view, "nonsense", "--provider", "yahoo")
        assert (status, out) == (2, "")
        assert err.startswith(f"variance: There is no such {kind}: use one of ")


def test_a_saved_live_market_plays_again_the_same(
    capsys: pytest.CaptureFixture[str], net: Loopback, tmp_path: Path, brisk: Path
) -> None:
    folder = str(tmp_path / "saved")
    status, out, _ = call(capsys, "snapshot", "--symbols", "IWM,QQQ", "--out", folder, "--config", str(brisk))
    assert status == 0
    assert out.startswith("2 names and ")
    live = json.loads(
        call(capsys, "screen", "--symbols", "IWM,QQQ", "--all", "--format", "json", "--config", str(brisk))[1]
    )
    again = json.loads(call(capsys, "screen", "--data", folder, "--all", "--format", "json")[1])
    assert again["rows"] == live["rows"]
    assert again["run"]["source"] == "Yahoo"
    assert all(row["provenance"]["chain"]["source"] == "yahoo" for row in again["rows"])


def test_a_name_nobody_knows_is_told_with_its_reason(
    capsys: pytest.CaptureFixture[str], net: Loopback
) -> None:
    status, out, err = call(capsys, "vrp", "ZZZZ", "--provider", "yahoo")
    assert status == 1
    assert "unknown symbol [yahoo]" in out
    assert err == "variance: ZZZZ: unknown symbol [yahoo].\n"


def test_the_universe_is_compared_with_the_directory(
    capsys: pytest.CaptureFixture[str], net: Loopback, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    for file in CONFIG.glob("*.json"):
        (config / file.name).write_bytes(file.read_bytes())
    header, *lines = (CONFIG / "universe.csv").read_text(encoding="utf-8").splitlines()
    mine = "\n".join([header, *lines[:3], "GONE,Gone Corp,Nowhere,equity", "/ES,E-mini,Futures,future", ""])
    (config / "universe.csv").write_text(mine, encoding="utf-8")
    out = tmp_path / "new.csv"
    status, said, _ = call(capsys, "universe", "refresh", "--config", str(config), "--out", str(out))
    assert status == 0
    assert "GONE (Gone Corp)" in said
    assert out.read_text(encoding="utf-8").splitlines() == [header, *lines[:3], "/ES,E-mini,Futures,future"]
    assert (config / "universe.csv").read_text(encoding="utf-8") == mine
    net.fault("marketdata.theocc.com", Fault.SERVER_ERROR)
    net.fault("www.cboe.com", Fault.SERVER_ERROR)
    net.clear()
    status, _, _ = call(capsys, "universe", "refresh", "--config", str(config))
    assert (status, net.asked) == (0, [])  # kept for a week


@pytest.mark.usefixtures("offline")
def test_the_directory_out_of_reach_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = call(capsys, "universe", "refresh")
    assert status == 2
    assert out == ""
    assert err.startswith("variance: directory: no network")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("address", ["http://10.0.0.1:8090", "https://query1.finance.yahoo.com", "there"])
def test_a_stand_in_elsewhere_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("VARIANCE_STAND_IN", address)
    status, out, err = call(capsys, "screen", "--provider", "yahoo")
    assert status == 2
    assert out == ""
    assert err.startswith(
        f"variance: VARIANCE_STAND_IN is '{address}'; allowed is an address of this machine"
    )
