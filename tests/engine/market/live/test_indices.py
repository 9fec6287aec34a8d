"""An index as the sources list it: two roots in one expiry, a caret or an underscore before its name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from engine.market.live.gather import listing_of
from engine.market.live.market import LiveMarket
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Listing, load_rules, load_universe
from tests.loopback.access import CONFIG, VirtualTime, access_to
from tests.loopback.faults import Edited
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

SPX = Listing(symbol="SPX", name="S&P 500", sector="Index", asset_class="index")


@pytest.fixture(scope="module")
def market() -> Snapshot:
    return SimulatedMarket([*load_universe(CONFIG)[:20], SPX], date(2026, 4, 29), seed=7).snapshot()


@pytest.fixture
def net(market: Snapshot) -> Iterator[Loopback]:
    stamina.set_testing(True, attempts=2, cap=True)
    fresh_yfinance()
    with Loopback(whole_market(market)) as net:
        yield net
    fresh_yfinance()
    stamina.set_testing(False)


def with_morning_contracts(reply: Any) -> Any:
    """Every contract under the root settled at the close, and dearer under the one settled at the open."""
    for page in reply["optionChain"]["result"][0]["options"]:
        for side in ("calls", "puts"):
            late = [
                each | {"contractSymbol": each["contractSymbol"].replace("SPX", "SPXW")}
                for each in page[side]
            ]
            page[side] = late + [each | {"bid": 2 * each["bid"]} for each in page[side]]
    return reply


@pytest.mark.parametrize("choice", ["yahoo", "tastytrade", "cboe"])
def test_an_index_comes_with_the_contracts_that_settle_at_the_close(
    net: Loopback, market: Snapshot, tmp_path: Path, choice: Choice
) -> None:
    net.fault("query2.finance.yahoo.com", Edited(with_morning_contracts), "/options/")
    access = access_to(
        net,
        tmp_path,
        VirtualTime(market.asof + timedelta(minutes=20)),
        cboe_allowed=choice == "cboe",
        tastytrade_secret=SecretStr(SECRET) if choice == "tastytrade" else None,
        tastytrade_refresh=SecretStr(REFRESH) if choice == "tastytrade" else None,
    )
    live = LiveMarket(access, chosen_sources(access, choice), load_rules(CONFIG), [SPX], ())
    try:
        found = live.snapshot()
    finally:
        live.close()
    (row,) = found.underlyings.to_dict("records")
    assert row["error"] is None
    assert row["source"] == choice
    quotes = found.quotes.set_index(["expiration", "right", "strike"]).sort_index()
    assert quotes.index.is_unique
    assert set(quotes["contract"].str[:-15]) == {"SPXW"}
    sent = market.quotes.query("symbol == 'SPX'").set_index(["expiration", "right", "strike"])
    shared = quotes.index.intersection(sent.index)
    assert len(shared) == len(quotes)
    assert quotes.loc[shared, "bid"].equals(sent.loc[shared, "bid"].astype("float64"))


def test_a_ticker_outside_the_universe_is_told_by_its_look() -> None:
    kinds = {name: listing_of(name).asset_class for name in ("SPX", "^VIX", "/ES", "KO")}
    assert kinds == {"SPX": "index", "^VIX": "index", "/ES": "future", "KO": "equity"}
