"""The operator's own accounts, read through the real SDK against the service on loopback."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from engine.errors import HoldingsError
from engine.market.live.failures import Failure, SourceError
from engine.portfolio.reading.importers import legs_of_account
from tests.engine.market.live.tastytrade_tools import book, opened
from tests.loopback.faults import Edited, Fault
from tests.loopback.tastytrade import API, Accounts, tastytrade

SHORT_PUT = {
    "account-number": "5WX00001",
    "symbol": "KO    260618P00060000",
    "instrument-type": "Equity Option",
    "underlying-symbol": "KO",
    "quantity": 2,
    "quantity-direction": "Short",
    "average-open-price": "1.15",
    "multiplier": 100,
    "expires-at": "2026-06-18T20:00:00.000+00:00",
}
SHARES = SHORT_PUT | {"symbol": "KO", "instrument-type": "Equity", "quantity": 100, "multiplier": 1}


def served(**accounts: Any) -> dict[str, Any]:
    return tastytrade(book(), accounts=Accounts(**accounts))


async def test_every_open_account_is_read_and_their_worth_added_up(tmp_path: Path) -> None:
    handlers = served(
        positions={"5WX00001": [SHORT_PUT], "5WX00002": [SHARES], "5WX00003": [SHARES]},
        worth={"5WX00001": "25000.5", "5WX00002": "1000.25"},
        closed=("5WX00003",),
    )
    async with opened(tmp_path, handlers) as (source, net, _):
        found = await source.holdings()
        assert net.count(API, "/accounts/") == 4
    assert [item["symbol"] for item in found.items] == ["KO    260618P00060000", "KO"]
    assert (found.net_liquidation, found.accounts) == (26000.75, 2)


async def test_a_worth_that_is_not_told_is_not_known(tmp_path: Path) -> None:
    handlers = served(positions={"A1": [], "A2": [SHARES]}, worth={"A1": "100", "A2": None})
    async with opened(tmp_path, handlers) as (source, _, _):
        found = await source.holdings()
    assert found.net_liquidation is None
    assert len(found.items) == 1


async def test_a_login_without_an_open_account_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, served(positions={"A1": []}, closed=("A1",))) as (source, _, _):
        with pytest.raises(HoldingsError, match="no open account for this login"):
            await source.holdings()


async def test_a_balance_that_is_not_found_leaves_the_positions(tmp_path: Path) -> None:
    handlers = served(positions={"A1": [SHORT_PUT], "A2": [SHARES]}, worth={"A1": "100", "A2": "5"})
    async with opened(tmp_path, handlers) as (source, net, _):
        net.fault(API, Fault.NOT_FOUND, "/accounts/A2/balances")
        found = await source.holdings()
    assert (found.net_liquidation, len(found.items), found.accounts) == (None, 2, 2)


async def test_a_token_that_ends_on_the_way_is_told(tmp_path: Path) -> None:
    handlers = served(positions={"A1": [SHORT_PUT], "A2": [SHARES]}, worth={"A1": "100"})
    async with opened(tmp_path, handlers) as (source, net, _):
        net.fault(API, Fault.UNAUTHORIZED, "/accounts/A2/positions")
        with pytest.raises(SourceError) as refused:
            await source.holdings()
        asked = net.count(API, "/accounts/A2")
    assert (refused.value.failure, asked) == (Failure.UNAUTHORIZED, 1)
    assert "A2" not in str(refused.value)


async def test_one_contract_in_two_accounts_stays_two_lots(tmp_path: Path) -> None:
    bought = SHORT_PUT | {"quantity": "1", "quantity-direction": "Long", "average-open-price": "1.30"}
    handlers = served(positions={"A1": [SHORT_PUT], "A2": [bought]}, worth={"A1": "1", "A2": "1"})
    async with opened(tmp_path, handlers) as (source, *_):
        reading = legs_of_account((await source.holdings()).items)
    assert [leg.text for leg in reading.legs] == ["-2 KO 2026-06-18 60P @ 1.15", "1 KO 2026-06-18 60P @ 1.3"]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault.UNAUTHORIZED, Failure.UNAUTHORIZED),
        (Fault.HALF_JSON, Failure.UNREADABLE),
        (Edited(lambda body: {"data": {}}), Failure.MISSING_FIELDS),
    ],
)
async def test_what_fails_has_its_reason(tmp_path: Path, fault: Any, failure: Failure) -> None:
    async with opened(tmp_path, served(positions={"A1": [SHARES]})) as (source, net, _):
        net.fault(API, fault, "/accounts/")
        with pytest.raises(SourceError) as refused:
            await source.holdings()
    assert refused.value.failure is failure


def files_of(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


async def test_nothing_of_it_is_logged_or_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    handlers = served(positions={"5WX00001": [SHORT_PUT]}, worth={"5WX00001": "9"})
    async with opened(tmp_path, handlers) as (source, *_):
        await source.holdings()
    written = files_of(tmp_path)
    for secret in ("5WX00001", "260618P00060000"):
        assert secret not in caplog.text
        assert not any(secret.encode() in each for each in written)
