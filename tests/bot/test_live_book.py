"""A book over live sources: the owner's account read, and every contract of a book quoted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from engine.market.live.market import LiveMarket
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.rules import Listing, Rules
from tests.bot.conftest import Clock, MakeBot, World, discord_around, labels_of, text_of
from tests.loopback.access import VirtualTime, access_to
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET, Accounts
from tests.loopback.yahoo import fresh_yfinance

FEW = ("SPY", "KO", "PEP")
FAR = "2026-06-18"
"""An expiration the screen has no use for."""
ACCOUNT = "5WX00001"


def position(symbol: str, quantity: int, kind: str = "Equity Option") -> dict[str, Any]:
    return {
        "account-number": ACCOUNT,
        "symbol": symbol,
        "instrument-type": kind,
        "underlying-symbol": symbol.split()[0],
        "quantity": quantity,
        "quantity-direction": "Short",
        "average-open-price": "1.15",
        "multiplier": 100,
        "expires-at": f"{FAR}T20:00:00.000+00:00",
    }


HELD = Accounts(
    {ACCOUNT: [position("KO    260618P00064000", 2), position("BTC/USD", 1, "Cryptocurrency")]},
    {ACCOUNT: "26000.75"},
)


@pytest.fixture
def net(market: SimulatedMarket) -> Any:
    stamina.set_testing(True, attempts=2, cap=True)
    fresh_yfinance()
    with Loopback(whole_market(market.snapshot(), accounts=HELD)) as served:
        yield served
    fresh_yfinance()
    stamina.set_testing(False)


@asynccontextmanager
async def desk_of(
    make_bot: MakeBot,
    clock: Clock,
    net: Loopback,
    folder: Path,
    rules: Rules,
    listings: tuple[Listing, ...],
    choice: Choice,
) -> AsyncIterator[World]:
    time = VirtualTime(datetime.fromisoformat("2025-12-31T16:20:00-05:00"))
    logins: dict[str, Any] = {}
    if choice == "tastytrade":
        logins = {"tastytrade_secret": SecretStr(SECRET), "tastytrade_refresh": SecretStr(REFRESH)}
    access = access_to(net, folder, time, **logins)
    few = [listing for listing in listings if listing.symbol in FEW]
    live = LiveMarket(access, chosen_sources(access, choice), rules, few, [])
    async with discord_around(make_bot(live, realm="live", universe=list(FEW)), clock) as world:
        yield world


@pytest.mark.parametrize("choice", ["tastytrade", "yahoo"])
async def test_every_contract_of_a_book_is_quoted(
    make_bot: MakeBot,
    clock: Clock,
    net: Loopback,
    tmp_path: Path,
    rules: Rules,
    listings: tuple[Listing, ...],
    choice: Choice,
) -> None:
    async with desk_of(make_bot, clock, net, tmp_path, rules, listings, choice) as world:
        await world.ask("portfolio add", positions=f"-2 KO {FAR} 64P @ 2.15")
        await world.rest()
        card = await world.ask("portfolio show")
        text = text_of(card)
        assert card.ephemeral
        assert "marked by the formulas" not in text
        assert "KO" in text
        assert "no px" not in text
        held = [leg for _, leg in world.bot.portfolios.legs(world.visitor.id)]
        market = await world.bot.service.book_market(held)
        assert FAR in set(market.panel.chains.expiry_date.astype("U10"))


async def test_the_owner_reads_the_account_and_nobody_else_does(
    make_bot: MakeBot,
    clock: Clock,
    net: Loopback,
    tmp_path: Path,
    rules: Rules,
    listings: tuple[Listing, ...],
) -> None:
    async with desk_of(make_bot, clock, net, tmp_path, rules, listings, "tastytrade") as world:
        refused = await world.ask("portfolio live")
        assert refused.ephemeral
        assert "Only the owner of this bot may read the account behind it." in text_of(refused)
        assert net.count(path="/accounts") == 0
        world.bot.owner_id = world.visitor.id
        await world.rest()
        preview = await world.ask("portfolio live")
        text = text_of(preview)
        assert preview.ephemeral
        assert "1 row can be used, 1 cannot" in text
        assert f"-2 KO {FAR} 64P @ 1.15" in text.replace("@1.15", "@ 1.15")
        assert "26,001; /portfolio settings keeps it" in text
        assert ACCOUNT not in text
        assert labels_of(preview)[0] == "Add 1 leg"
        await world.press(preview, "Add 1 leg")
        assert [leg.text for _, leg in world.bot.portfolios.legs(world.visitor.id)] == [
            f"-2 KO {FAR} 64P @ 1.15"
        ]


async def test_a_market_without_an_account_says_so(world: World) -> None:
    world.bot.owner_id = world.visitor.id
    answer = await world.ask("portfolio live")
    assert answer.ephemeral
    assert "no account behind it" in text_of(answer)
