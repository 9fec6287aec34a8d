"""What goes wrong with Yahoo: cookies, crumbs and faults of its data host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.market.live.failures import Failure
from tests.engine.market.live.yahoo_tools import (
    COOKIES,
    CRUMBS,
    DATA,
    FAR,
    NEAR,
    TRADE,
    asked,
    book,
    expected,
    failure,
    market,
    ordered,
    source,
)
from tests.loopback.access import VirtualTime
from tests.loopback.faults import AnyFault, Edited, Fault, emptied, without
from tests.loopback.server import Loopback
from tests.loopback.yahoo import fresh_yfinance, yahoo

pytestmark = pytest.mark.usefixtures("one_yfinance")


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    with Loopback(yahoo(book())) as net:
        yield net


def no_bars(reply: Any) -> Any:
    """As Yahoo answers for a period without a trade."""
    for result in reply["chart"]["result"]:
        del result["timestamp"]
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return reply


# Cookies and crumbs


async def test_a_refused_crumb_is_mended_once(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        net.fault(DATA, Fault.UNAUTHORIZED, "/options/", times=1)
        chain = await yahoo_source.chain("AAPL", asked())
        assert len(chain.quotes)
        assert net.count(DATA, "/options/") == 5
        assert net.count(path="getcrumb") == 2
        assert access.traffic["yahoo"].pause is None


async def test_a_lasting_refusal_ends_after_two_tries(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        net.fault(DATA, Fault.UNAUTHORIZED, "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.UNAUTHORIZED
        assert net.count(DATA, "/options/") == 2
        assert access.traffic["yahoo"].pause is not None
        paused = await failure(yahoo_source.chain("XOM", asked()))
        assert paused.failure is Failure.PAUSED
        assert net.count(DATA, "/options/") == 2


async def test_a_cookie_that_is_worth_nothing_any_more_is_replaced(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path / "first") as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
        book().door.change_locks()
        net.clear()
        chain = await yahoo_source.chain("XOM", asked())
        assert net.count(DATA, "/options/") == 5
    pd.testing.assert_frame_equal(ordered(chain.quotes), expected("XOM", NEAR, FAR, TRADE))


async def test_several_names_at_once_survive_a_cookie_that_is_worth_nothing(
    net: Loopback, tmp_path: Path
) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        await yahoo_source.chain("AAPL", asked())
        book().door.change_locks()
        names = ("AAPL", "XOM", "KO", "AMZN", "SPY", "XLU")
        chains = await asyncio.gather(*(yahoo_source.chain(name, asked()) for name in names))
        assert all(len(chain.quotes) for chain in chains)
        assert access.traffic["yahoo"].pause is None


@pytest.mark.parametrize("consent", [True, False], ids=["with the form", "without the form"])
async def test_a_kept_cookie_that_is_worth_nothing_any_more_is_replaced(
    net: Loopback, tmp_path: Path, consent: bool
) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
    for refused in (True, False):
        if refused:
            book().door.change_locks()
        fresh_yfinance()
        async with source(net, tmp_path) as (yahoo_source, _):
            if not consent:
                net.fault("guce.yahoo.com", Fault.HTML)
            chain = await yahoo_source.chain("AAPL", asked())
            assert len(chain.quotes)
            assert net.count(path="getcrumb") == (2 if refused else 1)
            assert net.count(DATA, "/options/") == (5 if refused else 4)


async def test_a_new_process_takes_the_kept_cookie(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
    fresh_yfinance()
    async with source(net, tmp_path) as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
        assert net.count(COOKIES) == 0
        assert net.count(path="getcrumb") == 1


async def test_without_the_cookie_host_the_consent_form_is_taken(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(COOKIES, Fault.NO_DNS)
        chain = await yahoo_source.chain("AAPL", asked())
        assert net.count("consent.yahoo.com") == 1
    pd.testing.assert_frame_equal(ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))


async def test_a_crumb_that_is_rate_limited_is_no_crumb(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Fault.RATE_LIMITED, "getcrumb")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.RATE_LIMITED
        assert net.count() == 2  # the cookie, and the refused crumb
        assert not any("Too" in each.query for each in net.asked)


# Faults, on the data host


@pytest.mark.parametrize(
    ("fault", "expected_failure", "most"),
    [
        (Fault.FORBIDDEN, Failure.FORBIDDEN, 1),
        (Fault.NOT_FOUND, Failure.UNKNOWN_SYMBOL, 1),
        (Fault.RATE_LIMITED, Failure.RATE_LIMITED, 1),
        (Fault.RATE_LIMITED_600, Failure.RATE_LIMITED, 1),
        (Fault.SERVER_ERROR, Failure.SERVER_ERROR, 3),
        (Fault.UNAVAILABLE, Failure.SERVER_ERROR, 3),
        (Fault.TRUNCATED, Failure.UNREADABLE, 3),
        (Fault.HALF_JSON, Failure.UNREADABLE, 3),
        (Fault.HTML, Failure.UNREADABLE, 3),
        (Fault.EMPTY_BODY, Failure.UNREADABLE, 3),
        (Fault.HALF_OPEN, Failure.BROKEN_CONNECTION, 3),
        (Fault.NO_DNS, Failure.NO_NETWORK, 3),
        (Edited(without("optionChain")), Failure.MISSING_FIELDS, 1),
        (Edited(emptied("result")), Failure.MISSING_FIELDS, 1),
        (Edited(without("expirationDates")), Failure.MISSING_FIELDS, 1),
        (Edited(without("calls")), Failure.MISSING_FIELDS, 1),
        (Edited(emptied("options", "expirationDates")), Failure.NO_OPTIONS, 1),
    ],
)
async def test_a_fault_of_the_options_has_its_name_and_its_number_of_tries(
    net: Loopback, tmp_path: Path, fault: AnyFault, expected_failure: Failure, most: int
) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        net.fault(DATA, fault, "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is expected_failure, error
        assert error.source == "yahoo"
        assert "crumb" not in str(error)
        # A connection that broke is dialled once more by curl itself.
        assert most <= net.count(DATA) <= most * (2 if fault is Fault.HALF_OPEN else 1)
        counts = access.traffic["yahoo"].counts
        assert counts[expected_failure.value] == most


@pytest.mark.parametrize(
    ("fault", "expected_failure"),
    [
        (Fault.FORBIDDEN, Failure.FORBIDDEN),
        (Fault.NOT_FOUND, Failure.UNKNOWN_SYMBOL),
        (Fault.RATE_LIMITED, Failure.RATE_LIMITED),
        (Fault.SERVER_ERROR, Failure.SERVER_ERROR),
        (Fault.TRUNCATED, Failure.UNREADABLE),
        (Fault.HALF_JSON, Failure.UNREADABLE),
        (Fault.HTML, Failure.UNREADABLE),
        (Fault.EMPTY_BODY, Failure.UNREADABLE),
        (Fault.HALF_OPEN, Failure.BROKEN_CONNECTION),
        (Fault.NO_DNS, Failure.NO_NETWORK),
        (Edited(emptied("timestamp")), Failure.UNREADABLE),
        (Edited(no_bars), Failure.NO_HISTORY),
        (Edited(without("indicators")), Failure.MISSING_FIELDS),
    ],
)
async def test_a_fault_of_the_chart_has_its_name(
    net: Loopback, tmp_path: Path, fault: AnyFault, expected_failure: Failure
) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, fault, "/chart/")
        error = await failure(yahoo_source.history("AAPL", asked()))
        assert error.failure is expected_failure, error


async def test_silence_is_given_up(net: Loopback, tmp_path: Path) -> None:
    limits = {"yahoo": {"timeout_seconds": 0.15, "attempts": 2}}
    async with source(net, tmp_path, limits=limits) as (yahoo_source, _):
        net.fault(DATA, Fault.TIMEOUT, "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.TIMED_OUT


async def test_what_passes_is_tried_again(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        net.fault(DATA, Fault.UNAVAILABLE, "/options/", times=2)
        chain = await yahoo_source.chain("AAPL", asked())
        assert access.traffic["yahoo"].counts[Failure.SERVER_ERROR.value] == 2
    pd.testing.assert_frame_equal(ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))


async def test_a_rate_limit_pauses_everything_for_as_long_as_yahoo_says(
    net: Loopback, tmp_path: Path
) -> None:
    time = VirtualTime(market().asof)
    async with source(net, tmp_path, now=time) as (yahoo_source, _):
        net.fault(DATA, Fault.RATE_LIMITED_600, "/options/", times=1)
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.again is not None
        assert error.again - time.now() == pytest.approx(timedelta(minutes=10), abs=timedelta(seconds=2))
        requests = net.count()
        for work in (yahoo_source.chain("XOM", asked()), yahoo_source.history("AAPL", asked())):
            assert (await failure(work)).failure is Failure.PAUSED
        assert net.count() == requests
        time.pause(601)
        assert len((await yahoo_source.chain("AAPL", asked())).quotes)


async def test_an_unknown_name_costs_one_question(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        error = await failure(yahoo_source.chain("NOSUCH", asked()))
        assert error.failure is Failure.UNKNOWN_SYMBOL
        error = await failure(yahoo_source.history("NOSUCH", asked()))
        assert error.failure is Failure.UNKNOWN_SYMBOL
        assert net.count(DATA) == 2
        assert access.traffic["yahoo"].pause is None


async def test_nobody_at_the_stand_in(tmp_path: Path) -> None:
    async with source(None, tmp_path) as (yahoo_source, _):
        error = await failure(yahoo_source.chain("AAPL", asked()))
    assert error.failure is Failure.NO_NETWORK


async def test_no_certificate_of_a_stranger_is_taken(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path, authority=None) as (yahoo_source, _):
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.BROKEN_CONNECTION
        assert net.count() == 0


async def test_metrics_are_none_of_yahoos_business(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        error = await failure(yahoo_source.metrics(["SPY"], asked()))
        assert error.failure is Failure.NOT_CONFIGURED
        assert "metrics" not in yahoo_source.serves
        assert net.count() == 0
