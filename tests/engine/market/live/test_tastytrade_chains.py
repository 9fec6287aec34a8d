"""Tastytrade's chains through the SDK, against a made-up one on loopback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.market.live.answers import Chain
from engine.market.live.failures import Failure, SourceError
from engine.market.live.tastytrade import STRIKES_AT_MOST
from tests.engine.market.live.tastytrade_tools import (
    ASKED,
    CHAINS,
    FAR,
    NEAR,
    PRICES,
    QUOTES,
    SESSION,
    TRADE,
    book,
    market,
    opened,
)
from tests.loopback.faults import Edited, Fault, emptied, replaced, without
from tests.loopback.tastytrade import API

pytestmark = pytest.mark.usefixtures("no_waiting")


def held(symbol: str, days: set[date]) -> pd.DataFrame:
    """Contracts of some expiries, as the server has them."""
    quotes = market().quotes
    own = pd.DataFrame(quotes[quotes["symbol"] == symbol])
    return pd.DataFrame(own[own["expiration"].isin(pd.to_datetime(sorted(days)))])


@pytest.mark.parametrize(
    ("symbol", "days"),
    [
        ("AAPL", {NEAR, FAR, TRADE}),
        ("BRK.B", {NEAR, FAR, TRADE}),
        ("SPX", {date(2026, 5, 15), TRADE}),  # no weeklies: the monthlies bracket 30 days
    ],
)
async def test_quotes_are_those_the_server_holds(tmp_path: Path, symbol: str, days: set[date]) -> None:
    async with opened(tmp_path) as (source, net, _):
        chain = await source.chain(symbol, ASKED)
        requests = net.count(API, PRICES)
    assert {day.date() for day in chain.quotes["expiration"]} == days
    theirs = held(symbol, days).astype({"right": str})
    joined = chain.quotes.merge(theirs, on=["expiration", "strike", "right"], suffixes=("", "_held"))
    assert len(joined) == len(chain.quotes) > 60
    for column in QUOTES[1:]:
        np.testing.assert_array_equal(joined[column], joined[f"{column}_held"])
    assert requests == 1 + -(-len(chain.quotes) // 100)
    spot = market().underlyings.set_index("symbol")["spot"][symbol]
    assert chain.facts["spot"].value == spot
    assert chain.quotes["strike"].between(0.5 * spot, 2.0 * spot).all()
    assert chain.traded == book().traded(symbol)
    assert chain.fetched.date() == SESSION
    again = Chain.load(chain.dump())
    pd.testing.assert_frame_equal(again.quotes[chain.quotes.columns], chain.quotes, check_dtype=False)


async def test_many_strikes_are_thinned_away_from_the_spot(tmp_path: Path) -> None:
    def crowded(reply: Any) -> Any:
        for chain in reply["data"]["items"]:
            for expiry in chain["expirations"]:
                expiry["strikes"] = [
                    {"strike-price": f"{strike}.0"}
                    | {side: f"AAPL  260522{side[0].upper()}{strike:05d}000" for side in ("call", "put")}
                    for strike in range(20, 1000)
                ]
        return reply

    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(crowded), CHAINS)
        net.fault(API, Edited(lambda reply: one_item_of(reply)), PRICES)
        chain = await source.chain("AAPL", ASKED)
    spot = float(str(chain.facts["spot"].value))
    for _, own in chain.quotes.groupby("expiration"):
        strikes = np.unique(own["strike"])
        gaps = np.diff(strikes)
        middle = int(np.searchsorted(strikes, spot))
        assert 0.8 * STRIKES_AT_MOST <= len(strikes) <= STRIKES_AT_MOST
        assert gaps[middle - 1] == 1.0  # the strikes next to the spot stay
        assert strikes[-1] == np.floor(2 * spot)
        assert strikes[0] == np.ceil(spot / 2)
        assert (np.diff(gaps[middle:]) >= -1.0).all()
    assert "contracts" in chain.method


def one_item_of(reply: Any) -> Any:
    """Whatever was asked for, prices of one instrument that is both the underlying and a contract."""
    item = {"symbol": "AAPL  260522C00251000", "last": "250.5", "bid": "1.0", "ask": "1.1"}
    reply["data"]["items"] = [item]
    return reply


async def test_morning_settlement_and_odd_contracts_are_left_out(tmp_path: Path) -> None:
    def morning(reply: Any) -> Any:
        for chain in reply["data"]["items"]:
            for expiry in chain["expirations"]:
                if expiry["expiration-date"] == NEAR.isoformat():
                    expiry["settlement-type"] = "AM"
        return reply

    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(morning), CHAINS)
        chain = await source.chain("AAPL", ASKED)
        net.heal()
        net.fault(API, Edited(replaced("50.0", "amount")), CHAINS)
        with pytest.raises(SourceError) as odd:
            await source.chain("KO", ASKED)
    assert NEAR not in {day.date() for day in chain.quotes["expiration"]}
    assert odd.value.failure is Failure.NO_OPTIONS


async def test_held_strikes_stay_however_far_and_none_that_settles_in_the_morning(tmp_path: Path) -> None:
    listed = held("AAPL", {TRADE})
    far = float(listed["strike"].max()) + 500.0

    def wider(reply: Any) -> Any:
        for chain in reply["data"]["items"]:
            for expiry in chain["expirations"]:
                if expiry["expiration-date"] == FAR.isoformat():
                    expiry["settlement-type"] = "AM"
                legs = {side: f"AAPL  260618{side[0].upper()}{far * 1000:08.0f}" for side in ("call", "put")}
                if expiry["expiration-date"] == TRADE.isoformat():
                    expiry["strikes"].append({"strike-price": f"{far}"} | legs)
        return reply

    holds = frozenset({(TRADE, far), (FAR, 250.0), (date(2026, 5, 1), 250.0)})
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(wider), CHAINS)
        chain = await source.chain("AAPL", replace(ASKED, held={"AAPL": holds}))
        requests = net.count(API, PRICES)
    strikes = chain.quotes[chain.quotes["expiration"] == np.datetime64(TRADE, "s")]["strike"]
    assert strikes.max() == far
    assert FAR not in set(chain.quotes["expiration"].dt.date)
    assert requests == 1 + -(-len(chain.quotes) // 100)


@pytest.mark.parametrize(
    ("edit", "path", "failure"),
    [
        (emptied("items"), CHAINS, Failure.NO_OPTIONS),
        (emptied("strikes"), CHAINS, Failure.NO_OPTIONS),
        (without("strike-price"), CHAINS, Failure.MISSING_FIELDS),
        (without("expirations"), CHAINS, Failure.MISSING_FIELDS),
        (replaced("?", "expiration-date"), CHAINS, Failure.UNREADABLE),
        (replaced(["?"], "items"), CHAINS, Failure.UNREADABLE),
        (replaced("NaN", "last", "mark", "mid"), PRICES, Failure.MISSING_FIELDS),
        (emptied("items"), PRICES, Failure.MISSING_FIELDS),
    ],
)
async def test_a_chain_that_is_none(tmp_path: Path, edit: Any, path: str, failure: Failure) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(edit), path)
        with pytest.raises(SourceError) as raised:
            await source.chain("AAPL", ASKED)
    assert raised.value.failure is failure


async def test_an_unknown_name_has_no_chain(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, _, _):
        with pytest.raises(SourceError) as raised:
            await source.chain("ZZZZ", ASKED)
    assert raised.value.failure is Failure.NOT_FOUND


async def test_missing_figures_are_no_numbers_and_no_trade_is_no_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(without("bid", "open-interest", "last-trade-time")), PRICES)
        chain = await source.chain("AAPL", ASKED)
    assert chain.quotes[["bid", "open_interest"]].isna().all(axis=None)
    assert chain.quotes["ask"].notna().any()
    assert chain.traded is None


@pytest.mark.parametrize("stamp", [1_777_406_399, 1_777_406_399_000, "1777406399000"])
async def test_trade_times_in_seconds_or_thousandths(tmp_path: Path, stamp: object) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(replaced(stamp, "last-trade-time")), PRICES)
        chain = await source.chain("KO", ASKED)
    assert chain.traded == chain.facts["spot"].at == datetime(2026, 4, 28, 19, 59, 59, tzinfo=UTC)


async def test_a_second_try_repeats_only_what_failed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, net, _):
        await source.chain("AAPL", ASKED)
        calm = net.count()
        net.clear()
        net.fault(API, Fault.SERVER_ERROR, PRICES, times=1)
        await source.chain("AAPL", ASKED)
        assert net.count() == calm  # one more request, and no login
