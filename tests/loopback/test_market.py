"""The made-up sources tell one story, in each source's own shape and units."""

import gzip
import json
import ssl
from collections.abc import AsyncIterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.book import MarketBook
from tests.loopback.market import recorded_market, whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET

YAHOO, TASTYTRADE, CBOE = (
    "https://query2.finance.yahoo.com",
    "https://api.tastyworks.com",
    "https://cdn.cboe.com",
)


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX), date(2026, 4, 28)).snapshot()


async def opened(net: Loopback) -> aiohttp.ClientSession:
    trust = ssl.create_default_context(cafile=str(net.authority))
    client = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust), proxy=net.address, headers={"User-Agent": "tests/1"}
    )
    await client.get("https://fc.yahoo.com/")
    return client


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with Loopback(whole_market(market())) as net, await opened(net) as client:
        yield client


async def json_of(client: aiohttp.ClientSession, url: str, **how: Any) -> Any:
    async with client.get(url, **how) as reply:
        assert reply.status == 200, await reply.text()
        return json.loads(await reply.text())


async def token(client: aiohttp.ClientSession) -> dict[str, str]:
    asked = {"grant_type": "refresh_token", "client_secret": SECRET, "refresh_token": REFRESH}
    async with client.post(f"{TASTYTRADE}/oauth/token", json=asked) as reply:
        answer = await reply.json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


async def test_every_source_has_the_same_quotes(client: aiohttp.ClientSession) -> None:
    book = MarketBook(market())
    contracts = {each.code: each for each in book.contracts("AAPL") if each.quote["bid"] > 0}
    async with client.get(f"{YAHOO.replace('query2', 'query1')}/v1/test/getcrumb") as reply:
        crumb = await reply.text()
    page = await json_of(client, f"{YAHOO}/v7/finance/options/AAPL", params={"crumb": crumb})
    rows = [row for side in ("calls", "puts") for row in page["optionChain"]["result"][0]["options"][0][side]]
    theirs = {row["contractSymbol"]: row for row in rows if row.get("bid")}
    assert len(theirs) > 40
    cboe = await json_of(client, f"{CBOE}/api/global/delayed_quotes/options/AAPL.json")
    delayed = {row["option"]: row for row in cboe["data"]["options"]}
    some = [contracts[code] for code in list(theirs)[:50]]
    params = [("equity-option", each.padded) for each in some]
    data = await json_of(
        client, f"{TASTYTRADE}/market-data/by-type", params=params, headers=await token(client)
    )
    streamed = {item["symbol"]: item for item in data["data"]["items"]}
    for each in some:
        quoted = each.quote["bid"], each.quote["ask"]
        assert (theirs[each.code]["bid"], theirs[each.code]["ask"]) == quoted
        assert (delayed[each.code]["bid"], delayed[each.code]["ask"]) == quoted
        assert (float(streamed[each.padded]["bid"]), float(streamed[each.padded]["ask"])) == quoted


async def test_the_units_differ_as_the_sources_do(client: aiohttp.ClientSession) -> None:
    iv30 = MarketBook(market()).iv30("AAPL")
    assert 0.15 < iv30 < 0.6
    cboe = await json_of(client, f"{CBOE}/api/global/delayed_quotes/options/AAPL.json")
    assert cboe["data"]["iv30"] == pytest.approx(100 * iv30, abs=1e-3)
    metrics = await json_of(
        client, f"{TASTYTRADE}/market-metrics?symbols=AAPL,NOPE", headers=await token(client)
    )
    (item,) = metrics["data"]["items"]
    assert float(item["implied-volatility-index"]) == pytest.approx(iv30)
    assert float(item["implied-volatility-30-day"]) == pytest.approx(100 * iv30)
    assert 0.0 <= float(item["implied-volatility-percentile"]) <= 1.0


@pytest.mark.parametrize(
    ("symbol", "rough"), [("SPY", 0.15), ("AAPL", 0.15), ("KO", 0.15), ("XOM", 0.15), ("AMZN", 0.15)]
)
def test_the_rule_of_thumb_is_near_the_models_volatility(symbol: str, rough: float) -> None:
    truth = SimulatedMarket((*FEW, INDEX), date(2026, 4, 28)).true_iv(symbol, date(2026, 4, 28), 30.0)
    assert MarketBook(market()).iv30(symbol) == pytest.approx(truth, rel=rough)


async def test_dividends_of_the_past_lead_to_the_next(client: aiohttp.ClientSession) -> None:
    row = market().underlyings.set_index("symbol").loc["KO"]
    chart = await json_of(client, f"{YAHOO}/v8/finance/chart/KO", params={"period1": "0"})
    result = chart["chart"]["result"][0]
    paid = [event["amount"] for event in result["events"]["dividends"].values()]
    assert len(paid) >= 7
    assert set(paid) == {row["dividend_amount"]}
    adjusted = result["indicators"]["adjclose"][0]["adjclose"]
    plain = result["indicators"]["quote"][0]["close"]
    np.testing.assert_allclose(adjusted, market().history.query("symbol == 'KO'")["close"])
    # On an ex-day the adjusted return holds the dividend, the plain one does not.
    (first, event), *_ = sorted(result["events"]["dividends"].items())
    at = result["timestamp"].index(int(first))
    assert adjusted[at - 1] / adjusted[at] == pytest.approx((plain[at - 1] - event["amount"]) / plain[at])


async def test_rates_reports_and_directories(client: aiohttp.ClientSession) -> None:
    treasury = "https://home.treasury.gov/resource-center/data-chart-center/interest-rates"
    async with client.get(f"{treasury}/daily-treasury-rates.csv/2026/all") as reply:
        first, second, *_ = (await reply.text()).splitlines()
    assert first.startswith('Date,"1 Mo","1.5 Month","2 Mo","3 Mo"')
    assert second.startswith("04/28/2026,4.04,")  # 4 percent continuously, two coupons a year
    due = str(market().underlyings.set_index("symbol").at["AAPL", "earnings_date"])
    calendar = f"https://api.nasdaq.com/api/calendar/earnings?date={due}"
    reports = await json_of(client, calendar, headers={"User-Agent": "Mozilla/5.0"})
    assert "AAPL" in [row["symbol"] for row in reports["data"]["rows"]]
    async with client.get("https://marketdata.theocc.com/delo-download") as reply:
        assert len((await reply.text()).split("\r\n")) == len(market().symbols) + 1


async def test_futures_have_prices_and_a_volatility_index(client: aiohttp.ClientSession) -> None:
    last = {}
    for symbol in ("ES=F", "^VIX"):
        chart = await json_of(client, f"{YAHOO}/v8/finance/chart/{symbol}", params={"period1": "0"})
        last[symbol] = chart["chart"]["result"][0]["indicators"]["quote"][0]["close"][-1]
    spot = market().underlyings.set_index("symbol").loc["SPY", "spot"]
    assert last["ES=F"] == spot
    assert last["^VIX"] == pytest.approx(100 * MarketBook(market()).iv30("SPY"))


async def test_recordings_pass_unchanged(shared_data: Path) -> None:
    async with Loopback(recorded_market(shared_data)) as net, await opened(net) as client:
        async with client.get(f"{CBOE}/api/global/delayed_quotes/options/MOD.json") as reply:
            path = shared_data / "cboe_delayed_snapshots" / "MOD_2026-07-29_reassembled.json.gz"
            assert await reply.read() == gzip.decompress(path.read_bytes())
        headers = await token(client)
        async with client.get(f"{TASTYTRADE}/market-metrics?symbols=AAPL", headers=headers) as reply:
            recorded = shared_data / "tastytrade_http_fixtures" / "marketMetricsResp.json"
            assert await reply.read() == recorded.read_bytes()
        async with client.get(f"{CBOE}/api/global/delayed_quotes/options/AAPL.json") as reply:
            assert reply.status == 403
