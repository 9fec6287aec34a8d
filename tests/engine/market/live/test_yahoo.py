"""The real Yahoo source and yfinance under it, against a made-up and a recorded Yahoo on loopback."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stamina

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Chain, History
from engine.market.live.failures import Failure, SourceError
from engine.market.live.splits import unadjusted_split as split_found
from engine.market.live.yahoo import YahooSource
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import VirtualTime, access_to
from tests.loopback.faults import AnyFault, Edited, Fault, emptied, replaced, without
from tests.loopback.server import Loopback
from tests.loopback.yahoo import YahooBook, fresh_yfinance, unadjusted_split, yahoo
from tests.loopback.yahoo_recorded import recorded_yahoo

DATA, COOKIES = "query2.finance.yahoo.com", "fc.yahoo.com"
CRUMBS = "query1.finance.yahoo.com"
SESSION = date(2026, 4, 28)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
KO_EX = [date(2025, 6, 13), date(2025, 9, 15), date(2025, 12, 12), date(2026, 3, 13)]
QUOTES = ["strike", "bid", "ask", "last", "volume", "open_interest"]

Opened = Callable[..., Any]


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX), SESSION).snapshot()


@cache
def book() -> YahooBook:
    return YahooBook(
        market(),
        dividends={"KO": [(day, 0.51) for day in KO_EX]},
        splits={"AMZN": [(date(2025, 10, 6), 4.0)]},
    )


@pytest.fixture(autouse=True)
def _one_yfinance_a_test() -> Iterator[None]:
    fresh_yfinance()
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    with Loopback(yahoo(book())) as net:
        yield net


@asynccontextmanager
async def source(net: Loopback | None, folder: Path, **how: Any) -> AsyncIterator[tuple[YahooSource, Access]]:
    """A new source in a new folder, a healthy net before and after."""
    if net is not None:
        net.heal()
        net.clear()
    how.setdefault("now", market().asof + timedelta(minutes=20))
    access = access_to(net, folder, **how)
    made = YahooSource(access)
    try:
        yield made, access
    finally:
        await made.aclose()
        access.cache.close()
        if net is not None:
            net.heal()


def asked(now: datetime | None = None, session: date = SESSION) -> Asked:
    return Asked(now or market().asof, session)


async def failure(work: Awaitable[object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await work
    return caught.value


def expected(symbol: str, *days: date) -> pd.DataFrame:
    quotes = market().quotes
    wanted = quotes["expiration"].isin([np.datetime64(day, "s") for day in days])
    return _ordered(quotes[(quotes["symbol"] == symbol) & wanted])


def _ordered(quotes: pd.DataFrame) -> pd.DataFrame:
    columns = quotes.assign(right=quotes["right"].astype("str"))[["expiration", "right", *QUOTES]]
    return columns.sort_values(["expiration", "right", "strike"], kind="stable").reset_index(drop=True)


def no_bars(reply: Any) -> Any:
    """As Yahoo answers for a period without a trade."""
    for result in reply["chart"]["result"]:
        del result["timestamp"]
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return reply


# What Yahoo gives


async def test_a_chain_has_the_snapshots_quotes_of_the_wanted_expiries_only(
    net: Loopback, tmp_path: Path
) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        chain = await yahoo_source.chain("AAPL", asked())
        pd.testing.assert_frame_equal(_ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))
        listed = market().quotes.query("symbol == 'AAPL'")["expiration"].nunique()
        assert chain.method == f"3 of {listed} expiries"
        assert net.count(DATA, "/v7/finance/options/AAPL") == 4  # the nearest comes with the list
        assert net.count() == access.traffic["yahoo"].counts["requests"] == 6
        assert access.clock.ticks() == pytest.approx(2.0)  # four at once, then one a second
        assert access.traffic["yahoo"].skew == pytest.approx(0.0, abs=2.0)


async def test_a_chain_brings_spot_trade_time_and_the_next_report(net: Loopback, tmp_path: Path) -> None:
    row = market().underlyings.set_index("symbol").loc["AAPL"]
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.facts["spot"].value == row["spot"]
    assert chain.traded == market().asof.astimezone(UTC)
    assert chain.facts["name"].value == "Apple Inc."
    assert chain.facts["earnings_date"].value == row["earnings_date"]
    assert chain.facts["earnings_verified"].value is (row["earnings_verified"] == "true")
    assert chain.facts["earnings_date"].source == "yahoo"


async def test_the_second_name_needs_no_new_cookie(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
        net.clear()
        await yahoo_source.chain("XOM", asked())
        assert net.count(COOKIES) == net.count(path="getcrumb") == 0
        assert net.count() == 4


async def test_an_index_has_its_own_spelling(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("SPX", asked())
        assert net.count(DATA, "/options/^SPX") == 2
    # Only monthlies are listed of it: 17 and 51 days ahead.
    pd.testing.assert_frame_equal(_ordered(chain.quotes), expected("SPX", date(2026, 5, 15), TRADE))


async def test_a_chain_survives_the_cache(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("KO", asked())
    again = Chain.load(chain.dump())
    pd.testing.assert_frame_equal(_ordered(again.quotes), _ordered(chain.quotes))
    assert (again.facts, again.traded, again.method) == (chain.facts, chain.traded, chain.method)


@pytest.mark.parametrize("symbol", ["AAPL", "KO"])
async def test_a_history_has_the_snapshots_adjusted_bars(net: Loopback, tmp_path: Path, symbol: str) -> None:
    bars = market().history.query("symbol == @symbol").drop(columns="symbol")
    bars = bars[bars["date"] >= pd.Timestamp(SESSION) - pd.Timedelta(days=900)].reset_index(drop=True)
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history(symbol, asked())
        assert net.count() == 3  # cookie, crumb, chart: no question for the time zone
    pd.testing.assert_frame_equal(history.bars, bars, rtol=1e-9)
    assert len(history.bars) > 600


async def test_a_history_brings_the_next_dividend(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history("KO", asked())
    # Gaps of 94, 88 and 91 days: 91 after the last.
    assert history.facts["dividend_date"].value == "2026-06-12"
    assert history.facts["dividend_amount"].value == 0.51
    assert history.splits == ()


async def test_a_history_lists_splits(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history("AMZN", asked())
    assert history.splits == ((date(2025, 10, 6), 4.0),)
    assert split_found(history) is None
    assert History.load(history.dump()).splits == history.splits


async def test_prices_before_a_split_left_as_they_were_are_seen(net: Loopback, tmp_path: Path) -> None:
    days = market().history.query("symbol == 'AMZN'")["date"]
    since = int((days >= "2025-10-06").sum())
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(unadjusted_split(4.0, since)), "/chart/")
        history = await yahoo_source.history("AMZN", asked())
    assert split_found(history) == date(2025, 10, 6)


async def test_closes_come_twenty_names_a_request(net: Loopback, tmp_path: Path) -> None:
    strangers = [f"Q{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTU"]
    names = ["SPY", "AAPL", *strangers, "XOM"]
    async with source(net, tmp_path) as (yahoo_source, _):
        found = await yahoo_source.closes(names, asked())
        assert net.count(path="/spark") == 2
    assert list(sorted(found)) == sorted(names)
    for symbol in ("SPY", "AAPL", "XOM"):
        bars = market().history.query("symbol == @symbol").set_index("date")["close"]
        closes = found[symbol]
        assert isinstance(closes, History)
        assert len(closes.bars) > 490
        shown = closes.bars.set_index("date")["close"]
        pd.testing.assert_series_equal(shown, bars[bars.index >= shown.index[0]], rtol=1e-9)
        assert closes.bars["open"].isna().all()
    for symbol in strangers:
        error = found[symbol]
        assert isinstance(error, SourceError)
        assert error.failure is Failure.UNKNOWN_SYMBOL


async def test_a_part_that_fails_leaves_the_other_parts(net: Loopback, tmp_path: Path) -> None:
    names = [f"Q{place}" for place in range(20)] + ["SPY"]
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Fault.FORBIDDEN, "/spark", times=1)
        found = await yahoo_source.closes(names, asked())
    kinds = {type(answer) for answer in found.values()}
    assert len(found) == 21
    assert SourceError in kinds


async def test_metrics_are_none_of_yahoos_business(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        error = await failure(yahoo_source.metrics(["SPY"], asked()))
        assert error.failure is Failure.NOT_CONFIGURED
        assert "metrics" not in yahoo_source.serves
        assert net.count() == 0


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
    pd.testing.assert_frame_equal(_ordered(chain.quotes), expected("XOM", NEAR, FAR, TRADE))


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
    pd.testing.assert_frame_equal(_ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))


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
    pd.testing.assert_frame_equal(_ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))


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


# Replies that are readable and wrong


async def test_a_chain_without_contracts_is_empty(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(emptied("calls", "puts")), "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.EMPTY_CHAIN
        assert net.count(DATA) == 4


@pytest.mark.parametrize(
    "edit",
    [
        replaced(None, "bid", "ask"),
        replaced(float("nan"), "bid", "ask"),
        without("bid", "ask"),
    ],
    ids=["null", "NaN", "left out"],
)
async def test_missing_quotes_stay_missing(net: Loopback, tmp_path: Path, edit: Any) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(edit), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.quotes["bid"].isna().all()
    assert chain.quotes["ask"].isna().all()
    blank = expected("AAPL", NEAR, FAR, TRADE).assign(bid=np.nan, ask=np.nan)
    pd.testing.assert_frame_equal(_ordered(chain.quotes), blank)


async def test_zero_quotes_stay_zero(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced(0, "bid", "ask")), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert (chain.quotes[["bid", "ask"]] == 0.0).all(axis=None)


async def test_a_price_that_is_not_there_is_no_fact(net: Loopback, tmp_path: Path) -> None:
    gone = ("regularMarketPrice", "earningsTimestampStart", "longName", "shortName")
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(without(*gone)), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.facts == {}


async def test_a_report_that_is_over_is_no_next_report(net: Loopback, tmp_path: Path) -> None:
    past = int(datetime(2026, 4, 27, 20, tzinfo=UTC).timestamp())
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced(past, "earningsTimestampStart")), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert "earnings_date" not in chain.facts


async def test_other_deliverables_are_left_out(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced("MINI", "contractSize")), "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
    assert error.failure is Failure.EMPTY_CHAIN


async def test_holes_in_the_spark_stay_holes(net: Loopback, tmp_path: Path) -> None:
    def holed(reply: Any) -> Any:
        reply["SPY"]["close"][-3] = None
        return reply

    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Edited(holed), "/spark")
        closes = (await yahoo_source.closes(["SPY"], asked()))["SPY"]
    assert isinstance(closes, History)
    assert list(closes.bars["close"].isna().to_numpy().nonzero()[0]) == [len(closes.bars) - 3]


async def test_a_spark_of_unequal_length_is_unreadable(net: Loopback, tmp_path: Path) -> None:
    def shorter(reply: Any) -> Any:
        reply["SPY"]["close"].pop()
        return reply

    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Edited(shorter), "/spark")
        error = (await yahoo_source.closes(["SPY"], asked()))["SPY"]
    assert isinstance(error, SourceError)
    assert error.failure is Failure.UNREADABLE


# Recorded replies


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Iterator[Loopback]:
    with Loopback(recorded_yahoo(shared_data / "yahoo_http_fixtures")) as net:
        yield net


RECORDED = datetime(2025, 2, 24, 9, 25, tzinfo=UTC)
"""Before the open of a Monday: quotes of the session of Friday, February 21."""


SINGLE = Asked(RECORDED, date(2025, 2, 3), target_days=1, trade_days=(0, 0))
"""One page a name was recorded; asked on February 3, the nearest expiry is the only one of use."""


def reply(folder: Path, name: str) -> dict[str, Any]:
    """The body of a recording."""
    recording = json.loads(gzip.decompress((folder / "yahoo_http_fixtures" / name).read_bytes()))
    body: dict[str, Any] = recording["body"]
    return body


@pytest.mark.parametrize("symbol", ["AAPL", "ABBV", "PYPL"])
async def test_a_recorded_page_is_read_as_it_is(
    recorded: Loopback, shared_data: Path, tmp_path: Path, symbol: str
) -> None:
    page = reply(shared_data, f"options-{symbol}.json.gz")["optionChain"]["result"][0]
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        chain = await yahoo_source.chain(symbol, SINGLE)
        assert recorded.count(DATA) == 1
    rows = [row for side in ("calls", "puts") for row in page["options"][0][side]]
    theirs = ("strike", "bid", "ask", "lastPrice", "volume", "openInterest")
    table = np.array([[row.get(field, np.nan) for field in theirs] for row in rows], dtype=np.float64)
    np.testing.assert_array_equal(chain.quotes[QUOTES].to_numpy(), table)
    assert list(chain.quotes["contract"]) == [row["contractSymbol"] for row in rows]
    assert set(chain.quotes["expiration"]) == {pd.Timestamp(2025, 2, 28)}
    assert chain.facts["spot"].value == page["quote"]["regularMarketPrice"]
    assert chain.traded is not None
    assert chain.traded.replace(second=0) == datetime(2025, 2, 21, 21, tzinfo=UTC)  # Friday's close


async def test_the_recorded_apple_page_by_hand(recorded: Loopback, tmp_path: Path) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        chain = await yahoo_source.chain("AAPL", SINGLE)
    assert chain.facts["spot"].value == 245.55
    assert chain.facts["earnings_date"].value == "2025-04-30"
    assert chain.facts["earnings_verified"].value is False
    assert len(chain.quotes) == 54 + 48
    assert (chain.quotes.query("right == 'C'")["bid"] > 0).sum() == 1
    assert chain.method == "1 of 20 expiries"


async def test_a_recorded_page_of_an_expired_day_is_empty(recorded: Loopback, tmp_path: Path) -> None:
    expired = int(datetime(2022, 3, 1, tzinfo=UTC).timestamp())
    then = Asked(datetime(2022, 2, 3, 15, tzinfo=UTC), date(2022, 2, 3), target_days=1, trade_days=(0, 0))
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        recorded.fault(DATA, Edited(replaced([expired], "expirationDates")), "/options/", times=1)
        error = await failure(yahoo_source.chain("AAPL", then))
        assert error.failure is Failure.EMPTY_CHAIN
        assert [each.query.split("&")[0] for each in recorded.asked][-1] == f"date={expired}"


async def test_the_recorded_split_of_nvidia(recorded: Loopback, tmp_path: Path) -> None:
    then = datetime(2022, 1, 31, 21, tzinfo=UTC)
    async with source(recorded, tmp_path, now=then) as (yahoo_source, _):
        history = await yahoo_source.history("NVDA", Asked(then, date(2022, 1, 31)))
    assert history.splits == ((date(2021, 7, 20), 4.0),)
    assert split_found(history) is None
    assert len(history.bars) == 252
    assert history.bars["date"].iloc[0] == pd.Timestamp(2021, 2, 1)


async def test_the_recorded_dividends_of_microsoft_tell_the_next_one(
    recorded: Loopback, shared_data: Path, tmp_path: Path
) -> None:
    then = datetime(2022, 1, 31, 21, tzinfo=UTC)
    async with source(recorded, tmp_path, now=then) as (yahoo_source, _):
        history = await yahoo_source.history("MSFT", Asked(then, date(2022, 1, 31)))
    # It went ex on that day indeed, with that amount.
    assert history.facts["dividend_date"].value == "2022-02-16"
    assert history.facts["dividend_amount"].value == 0.62
    name = "historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv.json.gz"
    indicators = reply(shared_data, name)["chart"]["result"][0]["indicators"]
    np.testing.assert_allclose(history.bars["close"], indicators["adjclose"][0]["adjclose"], rtol=1e-9)


async def test_a_name_nobody_recorded(recorded: Loopback, tmp_path: Path) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        error = await failure(yahoo_source.chain("XOM", SINGLE))
    assert error.failure is Failure.UNKNOWN_SYMBOL


@pytest.mark.parametrize("symbol", ["ADH", "EURUSD=X", "^VXAPL"])
async def test_recorded_names_without_options(recorded: Loopback, tmp_path: Path, symbol: str) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        error = await failure(yahoo_source.chain(symbol, Asked(RECORDED, date(2025, 2, 21))))
    assert error.failure is Failure.NO_OPTIONS
