"""Whole runs over the live market: what is asked, what is merged, what is said when something lacks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina
from pydantic import SecretStr

from engine.errors import SnapshotError
from engine.market.columns import panel_of
from engine.market.live.market import LiveMarket
from engine.market.live.rules import SourceRules, load_proxies, load_sources
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Rules, load_rules, load_universe
from engine.screen.result import EARLY, Screen
from engine.screen.screen import run_screen
from tests.loopback.access import CONFIG, VirtualTime, access_to
from tests.loopback.faults import Edited, Fault
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

NAMES = ("SPY", "QQQ", "AAPL", "MSFT", "KO", "JPM", "XOM", "WMT", "GLD", "TLT")
SESSION = date(2026, 4, 29)
YAHOO, TASTYTRADE = "query2.finance.yahoo.com", "api.tastyworks.com"
LISTINGS = [listing for listing in load_universe(CONFIG) if listing.symbol in NAMES]
Opener = Callable[..., LiveMarket]


@pytest.fixture(scope="module")
def market() -> Snapshot:
    return SimulatedMarket(LISTINGS, SESSION, seed=7).snapshot()


@pytest.fixture(scope="module")
def served(market: Snapshot) -> Iterator[Loopback]:
    with Loopback(whole_market(market)) as net:
        yield net


@pytest.fixture
def net(served: Loopback) -> Iterator[Loopback]:
    stamina.set_testing(True, attempts=3, cap=True)
    served.clear()
    fresh_yfinance()
    yield served
    served.heal()
    fresh_yfinance()
    stamina.set_testing(False)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(CONFIG)


@pytest.fixture
def time(market: Snapshot) -> VirtualTime:
    return VirtualTime(market.asof + timedelta(minutes=20))


@pytest.fixture
def opened(net: Loopback, tmp_path: Path, rules: Rules, time: VirtualTime) -> Iterator[Opener]:
    """Opens markets over one cache folder; closes them afterwards."""
    markets: list[LiveMarket] = []

    def open_one(choice: Choice = "yahoo", over: SourceRules | None = None, **access: Any) -> LiveMarket:
        if choice == "tastytrade":
            access |= {"tastytrade_secret": SecretStr(SECRET), "tastytrade_refresh": SecretStr(REFRESH)}
        reached = access_to(net, tmp_path / "cache", time, rules=over, **access)
        made = LiveMarket(
            reached, chosen_sources(reached, choice), rules, LISTINGS, load_proxies(CONFIG), False
        )
        markets.append(made)
        return made

    yield open_one
    for made in markets:
        made.close()


def with_run(**changes: Any) -> SourceRules:
    rules = load_sources(CONFIG)
    return rules.model_copy(update={"run": rules.run.model_copy(update=changes)})


def screened(snapshot: Snapshot, rules: Rules) -> Screen:
    return run_screen(panel_of(snapshot, rules.benchmark), rules)


def test_the_market_arrives_as_it_was_sent(opened: Opener, market: Snapshot, rules: Rules) -> None:
    """The same numbers as from the tables themselves, but for the expiries that were not asked for."""
    live, sent = screened(opened().snapshot(), rules), screened(market, rules)
    assert live.coverage.measured == sent.coverage.measured == len(NAMES)
    for row in live.rows:
        other = sent.find(row.symbol)
        assert other is not None
        assert row.text("trade_expiry") == other.text("trade_expiry")
        for column in ("hv30", "hv90", "spot", "slippage"):
            assert row.number(column) == pytest.approx(other.number(column), rel=2e-3), (row.symbol, column)
        # The options have a quarter of an hour less to live.
        assert row.number("iv30") == pytest.approx(other.number("iv30"), rel=5e-3), row.symbol


def test_a_second_run_within_the_caches_life_makes_no_request(opened: Opener, net: Loopback) -> None:
    first = opened().snapshot()
    net.clear()
    fresh_yfinance()
    again = opened().snapshot()  # as another process would
    assert net.asked == []
    assert again.quotes.equals(first.quotes)
    assert again.history.equals(first.history)


def test_chains_grow_old_in_session_and_keep_until_the_next_open_after_it(
    opened: Opener, net: Loopback, time: VirtualTime
) -> None:
    live = opened()
    live.snapshot(["KO"])
    net.clear()
    time.pause(12 * 3600.0)
    live.snapshot(["KO"])
    assert net.count(YAHOO, "/options/") == 0
    assert live.is_current(time.now())
    time.start -= timedelta(hours=15)  # 13:20 in New York
    live.access.cache.forget("yahoo", "chain:KO")
    live.snapshot(["KO"])
    pages = net.count(YAHOO, "/options/KO")
    assert pages in (3, 4)
    asof = time.now()
    time.pause(11 * 60.0)
    assert not live.is_current(asof)
    live.snapshot(["KO"])
    assert net.count(YAHOO, "/options/KO") == 2 * pages


def test_what_is_no_longer_good_leaves_the_file(opened: Opener, time: VirtualTime) -> None:
    live = opened()
    live.snapshot()
    kept, good = live.access.cache.counts(time.now())["yahoo"]
    assert kept == good
    time.pause(3 * 86_400.0)
    assert live.access.cache.counts(time.now())["yahoo"] == (kept, 0)
    live.snapshot(["SPY"])
    assert live.access.cache.counts(time.now())["yahoo"][0] == kept
    live.snapshot()
    kept, good = live.access.cache.counts(time.now())["yahoo"]
    assert kept == good


def test_one_name_takes_the_short_way(opened: Opener, net: Loopback) -> None:
    found = opened().snapshot(["KO"])
    assert found.symbols == ["KO"]
    paths = [asked.path for asked in net.asked]
    assert len([path for path in paths if "/options/" in path]) == 3
    assert len([path for path in paths if "/chart/" in path]) == 2  # its own and the benchmark's
    assert net.count("api.nasdaq.com") == 0
    assert len(paths) <= 9  # with cookie, crumb and rate


def test_equal_questions_under_way_share_one_fetch(opened: Opener, net: Loopback) -> None:
    live = opened()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: live.snapshot(["KO"]), range(8)))
    assert net.count(YAHOO, "/options/KO") == 3
    assert net.count(YAHOO, "/chart/KO") == 1
    assert net.count("home.treasury.gov") == 1
    assert all(each.quotes.equals(found[0].quotes) for each in found)


def test_a_large_universe_is_looked_at_in_two_stages_and_no_passing_name_is_lost(
    opened: Opener, net: Loopback, rules: Rules
) -> None:
    whole = screened(opened().snapshot(), rules)
    net.clear()
    fresh_yfinance()
    live = opened(over=with_run(stage_from_names=5, stage_margin_percent=5.0))
    live.access.cache.drop_old(live.access.clock.now() + timedelta(days=30))
    staged = screened(live.snapshot(), rules)
    early = [row.symbol for row in staged.rows if row.text("missing_reason") == EARLY]
    assert [row.symbol for row in staged.passed] == [row.symbol for row in whole.passed]
    assert early
    assert net.count("query1.finance.yahoo.com", "/spark") == 1
    assert all(net.count(YAHOO, f"/options/{symbol}") == 0 for symbol in early)
    assert staged.run.state == "complete"
    assert any("ruled out by closes and metrics alone" in note for note in staged.notes)
    row = staged.find(early[0])
    assert row is not None
    assert row.number("hv30") is not None
    assert "closes_only" in row.flags


def test_the_deadline_ends_a_run_with_what_there_is(opened: Opener, net: Loopback, rules: Rules) -> None:
    """The one place where real seconds count: the line to one name hangs longer than the run may last."""
    net.fault(YAHOO, Fault.TIMEOUT, "/chart/KO")
    quick = {"per_second": 1000.0, "burst": 50}
    limits = {"yahoo": {"timeout_seconds": 7.0, **quick}, "nasdaq": quick, "treasury": quick}
    found = screened(opened(over=with_run(deadline_minutes=0.1), limits=limits).snapshot(), rules)
    late = [
        row.symbol for row in found.rows if row.text("missing_reason") == "run's deadline reached [variance]"
    ]
    assert late == ["KO"]
    assert found.coverage.measured == len(NAMES) - 1


def test_nothing_is_begun_after_the_deadline(opened: Opener, net: Loopback) -> None:
    found = opened(over=with_run(deadline_minutes=1e-9)).snapshot()
    assert set(found.underlyings["error"]) == {"run's deadline reached [variance]"}
    assert net.count(YAHOO, "/options/") == 0


@pytest.mark.parametrize(("broken", "state"), [(3, "complete"), (4, "degraded"), (7, "outage")])
def test_coverage_decides_what_is_ranked(
    opened: Opener, net: Loopback, broken: int, state: str, rules: Rules
) -> None:
    for symbol in NAMES[-broken:]:
        net.fault(YAHOO, Fault.SERVER_ERROR, f"/options/{symbol}")
    live = opened(limits={"yahoo": {"fails_in_a_row": 100, "attempts": 1}})
    found = screened(live.snapshot(), rules)
    assert found.run.state == state
    assert found.coverage.missing == {"server error (5xx) [yahoo]": broken}
    assert bool(found.passed) == (state != "outage")
    if state == "outage":
        assert found.run.reason is not None
        assert found.run.reason.startswith("Only 3 of 10 names could be measured. The next try is at 20:")
        assert found.near_misses == ()


def test_ready_made_values_are_preferred_and_computed_ones_kept_beside(opened: Opener, rules: Rules) -> None:
    live = opened("tastytrade")
    found = run_screen(panel_of(live.snapshot(), "SPY"), rules.settled(live.chosen.provider_values))
    row = found.find("AAPL")
    assert row is not None
    assert row.number("hv90_provider") == pytest.approx(row.number("hv90"), rel=1e-3)
    assert row.number("vrp_structural") == pytest.approx(
        (row.number("iv30") or 0) / (row.number("hv90_provider") or 1), rel=1e-9
    )
    assert row.number("iv_percentile") is not None
    assert row.provenance["chain"]["source"] == "tastytrade"
    assert row.provenance["history"]["source"] == "yahoo"
    assert row.provenance["beta"]["source"] == "tastytrade"
    assert {"iv30_provider", "hv30_provider", "hv90_provider", "iv_rank", "liquidity_rating"} <= set(
        row.provenance
    )


def test_sources_that_disagree_raise_a_flag_and_are_both_told(
    opened: Opener, net: Loopback, rules: Rules
) -> None:
    def dearer(reply: Any) -> Any:
        for item in reply["data"]["items"]:
            if item.get("symbol") == "AAPL":
                item["last"] = str(float(item["last"]) * 1.05)
        return reply

    net.fault(TASTYTRADE, Edited(dearer), "/market-data/by-type")
    found = screened(opened("tastytrade").snapshot(), rules)
    row, other = found.find("AAPL"), found.find("KO")
    assert row is not None
    assert other is not None
    assert "sources_differ" in row.flags
    assert "sources_differ" not in other.flags
    said = row.provenance["spot"]
    assert said["source"] == "tastytrade"
    assert said["otherwise"][0]["source"].startswith("yahoo")
    assert said["value"] == pytest.approx(1.05 * said["otherwise"][0]["value"], rel=1e-3)


def test_the_stream_fills_an_iv_the_metrics_lack(opened: Opener, net: Loopback) -> None:
    def without_iv(reply: Any) -> Any:
        for item in reply["data"]["items"]:
            for field in ("implied-volatility-30-day", "implied-volatility-index"):
                item.pop(field, None)
        return reply

    net.fault(TASTYTRADE, Edited(without_iv), "/market-metrics")
    found = opened("tastytrade").snapshot(["AAPL"])
    said = json.loads(found.underlyings["provenance"][0])["iv30_provider"]
    assert said["source"] == "tastytrade"
    assert said["value"] == pytest.approx(found.underlyings["iv30_provider"][0])
    assert "stream" in said["method"]
    net.clear()
    opened("tastytrade").snapshot(["AAPL"])
    assert net.asked == []


def test_a_future_borrows_the_volatility_of_an_index(opened: Opener, rules: Rules) -> None:
    found = screened(opened().snapshot(["/ES", "SPY", "KO"]), rules)
    row = found.find("/ES")
    assert row is not None
    assert row.text("iv_method") == "proxy"
    assert "proxy_iv" in row.penalties
    assert row.provenance["iv30"]["method"] == "level of ^VIX"
    assert row.number("iv30") == pytest.approx(row.provenance["iv30"]["value"])
    assert row.provenance["history"]["source"] == "yahoo"


def test_a_future_borrows_from_a_fund_when_the_index_is_silent(
    opened: Opener, net: Loopback, rules: Rules
) -> None:
    net.fault(YAHOO, Fault.NOT_FOUND, "/chart/^VIX")
    net.fault(YAHOO, Fault.NOT_FOUND, "/chart/%5EVIX")
    found = screened(opened().snapshot(["/ES", "SPY"]), rules)
    row, fund = found.find("/ES"), found.find("SPY")
    assert row is not None
    assert fund is not None
    assert row.number("iv30") == fund.number("iv30")
    assert row.text("iv_method") == "proxy"


def test_a_history_overtaken_by_a_split_is_fetched_anew(
    opened: Opener, net: Loopback, time: VirtualTime
) -> None:
    """Yesterday's prices in the cache, this morning's price a quarter of them."""
    time.start -= timedelta(days=1)
    old = opened()

    def fourfold(reply: Any) -> Any:
        quote = reply["chart"]["result"][0]["indicators"]
        for series in (*quote["quote"], *quote["adjclose"]):
            for name in set(series) - {"volume"}:
                series[name] = [each and each * 4 for each in series[name]]
        return reply

    net.fault(YAHOO, Edited(fourfold), "/chart/KO")
    old.snapshot(["KO"])
    net.heal()
    net.clear()
    time.start += timedelta(hours=23)
    found = opened().snapshot(["KO"])
    assert net.count(YAHOO, "/chart/KO") == 1
    opened().snapshot(["KO"])
    assert net.count(YAHOO, "/chart/KO") == 1
    closes = found.history[found.history["symbol"] == "KO"]["close"].to_numpy(dtype=np.float64)
    spot = float(found.underlyings.set_index("symbol")["spot"]["KO"])
    assert closes[-1] == pytest.approx(spot, rel=0.05)


def test_a_rate_limit_outlives_the_process(opened: Opener, net: Loopback, time: VirtualTime) -> None:
    net.fault(YAHOO, Fault.RATE_LIMITED)
    opened().snapshot(["KO"])
    net.heal()
    net.clear()
    fresh_yfinance()
    again = opened().snapshot(["KO"])
    assert net.count(YAHOO) == 0
    assert again.underlyings["error"].tolist() == ["paused after failures [yahoo]"]
    time.pause(301.0)
    healed = opened().snapshot(["KO"])
    assert healed.underlyings["error"].isna().all()


def test_no_secret_reaches_a_file(opened: Opener, tmp_path: Path, net: Loopback) -> None:
    net.fault(TASTYTRADE, Fault.HTML, "/market-metrics")
    live = opened("tastytrade")
    live.snapshot(["KO", "AAPL"])
    live.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    for secret in (SECRET, REFRESH, "loopback-access"):
        assert secret.encode() not in written


def test_closing_ends_what_is_under_way(opened: Opener, net: Loopback) -> None:
    net.fault(YAHOO, Fault.TIMEOUT)
    live = opened(limits={"yahoo": {"timeout_seconds": 1.0, "attempts": 1}})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(live.snapshot, ["KO"])
        while not net.count(YAHOO):
            threading.Event().wait(0.01)
        live.close()
        with pytest.raises(SnapshotError, match="closed"):
            waiting.result(timeout=10)
    with pytest.raises(SnapshotError, match="closed"):
        live.snapshot(["KO"])


def test_an_expiry_without_a_page_leaves_the_others(opened: Opener, net: Loopback, rules: Rules) -> None:
    live = opened()
    whole = live.snapshot(["KO"]).quotes["expiration"].unique()
    assert len(whole) >= 2
    live.access.cache.forget("yahoo", "chain:KO")
    trade = int(whole.max().timestamp())
    net.fault(YAHOO, Fault.NOT_FOUND, f"/options/KO?date={trade}")
    found = live.snapshot(["KO"])
    assert set(found.quotes["expiration"].unique()) == set(whole) - {whole.max()}
    assert "1 not to be had" in json.loads(found.underlyings["provenance"][0])["chain"]["method"]
    assert found.underlyings["error"].isna().all()
