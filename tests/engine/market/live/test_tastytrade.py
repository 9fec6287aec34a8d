"""The real Tastytrade source and the SDK under it, against a made-up and a recorded one on loopback."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from engine.market.live.answers import Asked, Chain, Facts
from engine.market.live.failures import Failure, SourceError
from engine.market.live.tastytrade import STRIKES_AT_MOST, TastytradeSource, occ_symbol, streamer_symbol
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Listing
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import VirtualTime, access_to
from tests.loopback.book import MarketBook
from tests.loopback.dxlink import stream
from tests.loopback.faults import AnyFault, Edited, Fault, Handler, emptied, replaced, without
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import API, REFRESH, SECRET, STREAM, Login, recorded_tastytrade, tastytrade

SESSION = date(2026, 4, 28)
NOW = datetime(2026, 4, 28, 20, 20, tzinfo=UTC)
ASKED = Asked(NOW, SESSION)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
RECORDED = Asked(datetime(2023, 6, 7, 20, 20, tzinfo=UTC), date(2023, 6, 7))
CLASS_B = Listing(symbol="BRK.B", name="Berkshire Hathaway", sector="Financials", asset_class="equity")
QUOTES = ["strike", "bid", "ask", "last", "volume", "open_interest"]
METRICS, TOKEN, CHAINS, PRICES = "/market-metrics", "/oauth/token", "/option-chains", "/market-data"
CREDENTIALS: dict[str, Any] = {
    "tastytrade_secret": SecretStr(SECRET),
    "tastytrade_refresh": SecretStr(REFRESH),
}


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX, CLASS_B), SESSION).snapshot()


@cache
def book() -> MarketBook:
    return MarketBook(market())


@pytest.fixture(autouse=True)
def _no_waiting_between_tries() -> Iterator[None]:
    stamina.set_testing(True, attempts=3, cap=True)
    yield
    stamina.set_testing(False)


@asynccontextmanager
async def opened(
    folder: Path,
    handlers: dict[str, Handler] | None = None,
    now: datetime = NOW,
    patience: float = 10.0,
    **over: Any,
) -> AsyncIterator[tuple[TastytradeSource, Loopback, VirtualTime]]:
    """A source with credentials, its internet and its clock."""
    time = VirtualTime(now)
    with Loopback(handlers or tastytrade(book())) as net:
        limits = {"tastytrade": {"timeout_seconds": patience}}
        source = TastytradeSource(access_to(net, folder, time, limits=limits, **(CREDENTIALS | over)))
        try:
            yield source, net, time
        finally:
            await source.aclose()


def failure_in(answer: object) -> Failure:
    assert isinstance(answer, SourceError)
    return answer.failure


def facts_in(answer: Facts | SourceError) -> Facts:
    assert not isinstance(answer, SourceError)
    return answer


async def test_the_recorded_metrics_in_the_units_of_a_snapshot(tmp_path: Path, shared_data: Path) -> None:
    handlers = recorded_tastytrade(shared_data / "tastytrade_http_fixtures")
    async with opened(tmp_path, handlers, RECORDED.now) as (source, _, _):
        found = await source.metrics(["AAPL", "TSLA"], RECORDED)
    apple, tesla = facts_in(found["AAPL"]), facts_in(found["TSLA"])
    numbers = {
        "iv30_provider": 0.2187,
        "hv30_provider": 0.2002,
        "hv60_provider": 0.1955,
        "hv90_provider": 0.2024,
        "iv_percentile": 3.12498,
        "iv_rank": 2.231313,
        "liquidity_rating": 4,
        "beta": 1.265634436,
        "corr_spy": 0.79,
    }
    assert {name: apple[name].value for name in numbers} == pytest.approx(numbers)
    assert (apple["earnings_date"].value, apple["earnings_verified"].value) == ("2023-07-27", True)
    assert apple["iv30_provider"].at == datetime(2023, 6, 7, 19, 55, 22, 110_000, UTC)
    assert not {"dividend_date", "dividend_amount"} & set(apple)  # both of its dates are past
    assert tesla["iv30_provider"].value == pytest.approx(0.5491)
    assert {fact.source for fact in apple.values()} == {"tastytrade"}


async def test_metrics_say_what_the_market_knows(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, net, _):
        found = await source.metrics(["AAPL", "BRK.B", "ZZZZ"], ASKED)
    assert failure_in(found["ZZZZ"]) is Failure.UNKNOWN_SYMBOL
    assert net.count(API, METRICS) == 1
    for symbol in ("AAPL", "BRK.B"):
        facts = facts_in(found[symbol])
        assert facts["iv30_provider"].value == pytest.approx(book().iv30(symbol))
        assert facts["hv30_provider"].value == pytest.approx(book().hv(symbol, 30))
        assert facts["earnings_date"].value == book().text(symbol, "earnings_date")
        assert facts["liquidity_rating"].value == book().value(symbol, "liquidity_rating")
    apple = facts_in(found["AAPL"])
    assert apple["iv_rank"].value == pytest.approx(100 * book().rank("AAPL"))
    assert apple["iv_percentile"].value == pytest.approx(100 * book().percentile("AAPL"))
    assert apple["dividend_date"].value == book().text("AAPL", "dividend_date")
    assert apple["dividend_amount"].value == book().value("AAPL", "dividend_amount")


@pytest.mark.parametrize(
    ("edit", "gone", "kept"),
    [
        (replaced("0.0", "historical-volatility-30-day"), "hv30_provider", "hv60_provider"),
        (replaced("NaN", "historical-volatility-60-day"), "hv60_provider", "hv30_provider"),
        (replaced(None, "beta"), "beta", "hv90_provider"),
        (replaced(["?"], "liquidity-rating"), "liquidity_rating", "beta"),
        (replaced("1.7", "implied-volatility-percentile"), "iv_percentile", "iv_rank"),
        (replaced("soon", "expected-report-date"), "earnings_date", "beta"),
        (replaced("2026-04-27", "expected-report-date"), "earnings_date", "beta"),
        (without("earnings", "updated-at", "market-cap"), "earnings_date", "beta"),
    ],
)
async def test_a_value_that_is_none_is_left_out(tmp_path: Path, edit: Any, gone: str, kept: str) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(edit), METRICS)
        facts = facts_in((await source.metrics(["AAPL"], ASKED))["AAPL"])
    assert gone not in facts
    assert kept in facts


async def test_the_index_stands_in_for_a_missing_iv_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(without("implied-volatility-30-day")), METRICS)
        facts = facts_in((await source.metrics(["AAPL"], ASKED))["AAPL"])
    assert facts["iv30_provider"].method == "iv index"
    assert facts["iv30_provider"].value == pytest.approx(book().iv30("AAPL"))


@pytest.mark.parametrize(
    ("spoil", "lost"),
    [
        (lambda item: {"symbol": item["symbol"], "beta": {"": []}}, Failure.MISSING_FIELDS),
        (lambda item: {"symbol": item["symbol"]}, Failure.MISSING_FIELDS),
        (lambda item: "garbage", Failure.MISSING_FIELDS),
        (lambda item: None, Failure.MISSING_FIELDS),
    ],
)
async def test_an_odd_item_loses_only_itself(tmp_path: Path, spoil: Any, lost: Failure) -> None:
    def second(reply: Any) -> Any:
        items = reply["data"]["items"]
        reply["data"]["items"] = [items[0], spoil(items[1]), *items[2:]]
        return reply

    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Edited(second), METRICS)
        found = await source.metrics(["SPY", "AAPL", "KO"], ASKED)
    assert failure_in(found["AAPL"]) is lost
    assert all("beta" in facts_in(found[symbol]) for symbol in ("SPY", "KO"))


async def test_fifty_names_a_request_and_one_login(tmp_path: Path) -> None:
    names = [f"N{number:03d}" for number in range(119)] + ["AAPL"]
    async with opened(tmp_path) as (source, net, time):
        found = await source.metrics(names, ASKED)
        assert net.count(API, METRICS) == 3
        assert net.count(API, TOKEN) == 1
        assert set(found) == set(names)
        assert failure_in(found["N000"]) is Failure.UNKNOWN_SYMBOL
        assert "beta" in facts_in(found["AAPL"])
        assert time.passed < 1.0  # four requests: what may follow each other at once


async def test_one_batch_that_fails_leaves_the_others(tmp_path: Path) -> None:
    names = ["AAPL"] + [f"N{number:03d}" for number in range(60)] + ["KO"]
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, Fault.NOT_FOUND, METRICS, times=1)
        found = await source.metrics(names, ASKED)
    lost = [symbol for symbol in names if failure_of(found[symbol]) is Failure.NOT_FOUND]
    assert lost in (names[:50], names[50:])


def failure_of(answer: object) -> Failure | None:
    return answer.failure if isinstance(answer, SourceError) else None


@pytest.mark.parametrize("status", [Fault.UNAUTHORIZED, None])
async def test_a_refused_login_is_not_repeated_within_the_pause(tmp_path: Path, status: Fault | None) -> None:
    handlers = tastytrade(book(), Login() if status else Login(secret="another"))
    async with opened(tmp_path, handlers) as (source, net, time):
        if status:
            net.fault(API, status, TOKEN)
        found = await source.metrics([f"N{number:03d}" for number in range(120)], ASKED)
        again = await source.metrics(["AAPL"], ASKED)
        assert net.count() == net.count(API, TOKEN) == 1
        assert {failure_in(each) for each in found.values()} == {Failure.UNAUTHORIZED, Failure.PAUSED}
        assert failure_in(again["AAPL"]) is Failure.PAUSED
        time.pause(301)
        assert failure_in((await source.metrics(["AAPL"], ASKED))["AAPL"]) is Failure.UNAUTHORIZED
        assert net.count() == 2


async def test_a_token_refused_in_use_is_replaced_after_the_pause(tmp_path: Path) -> None:
    login = Login()
    async with opened(tmp_path, tastytrade(book(), login)) as (source, _, time):
        await source.metrics(["AAPL"], ASKED)
        login.expire()
        assert failure_in((await source.metrics(["AAPL"], ASKED))["AAPL"]) is Failure.UNAUTHORIZED
        time.pause(301)
        assert "beta" in facts_in((await source.metrics(["AAPL"], ASKED))["AAPL"])
        assert login.given == 2


@pytest.mark.parametrize(("fault", "minutes"), [(Fault.RATE_LIMITED, 5), (Fault.RATE_LIMITED_600, 10)])
async def test_a_rate_limit_pauses_the_source(tmp_path: Path, fault: Fault, minutes: int) -> None:
    async with opened(tmp_path) as (source, net, time):
        net.fault(API, fault, METRICS)
        first = (await source.metrics(["AAPL"], ASKED))["AAPL"]
        assert failure_in(first) is Failure.RATE_LIMITED
        assert isinstance(first, SourceError)
        assert first.again == pytest.approx(time.now() + timedelta(minutes=minutes), abs=timedelta(seconds=5))
        sent = net.count()
        assert failure_in((await source.metrics(["AAPL"], ASKED))["AAPL"]) is Failure.PAUSED
        assert net.count() == sent


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault.FORBIDDEN, Failure.FORBIDDEN),
        (Fault.NOT_FOUND, Failure.NOT_FOUND),
        (Fault.SERVER_ERROR, Failure.SERVER_ERROR),
        (Fault.UNAVAILABLE, Failure.SERVER_ERROR),
        (Fault.TIMEOUT, Failure.TIMED_OUT),
        (Fault.TRUNCATED, Failure.BROKEN_CONNECTION),
        (Fault.HALF_OPEN, Failure.BROKEN_CONNECTION),
        (Fault.HALF_JSON, Failure.UNREADABLE),
        (Fault.HTML, Failure.UNREADABLE),
        (Fault.EMPTY_BODY, Failure.UNREADABLE),
        (Fault.NO_DNS, Failure.NO_NETWORK),
        (Edited(without("data")), Failure.MISSING_FIELDS),
        (Edited(without("items")), Failure.MISSING_FIELDS),
        (Edited(replaced({}, "items")), Failure.MISSING_FIELDS),
        (Edited(lambda reply: [reply]), Failure.UNREADABLE),
    ],
    ids=str,
)
async def test_each_fault_has_its_reason(tmp_path: Path, fault: AnyFault, failure: Failure) -> None:
    async with opened(tmp_path / "metrics", patience=0.4) as (source, net, _):
        net.fault(API, fault, METRICS)
        found = await source.metrics(["AAPL"], ASKED)
    async with opened(tmp_path / "chain", patience=0.4) as (source, net, _):
        net.fault(API, fault, CHAINS)
        with pytest.raises(SourceError) as raised:
            await source.chain("AAPL", ASKED)
    assert failure_in(found["AAPL"]) is failure
    assert raised.value.failure is failure


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.HTML, Fault.HALF_OPEN, Fault.HALF_JSON])
@pytest.mark.parametrize("path", [TOKEN, METRICS])
async def test_what_passes_is_asked_for_again(tmp_path: Path, fault: Fault, path: str) -> None:
    async with opened(tmp_path) as (source, net, _):
        net.fault(API, fault, path, times=1)
        found = await source.metrics(["AAPL"], ASKED)
        assert "beta" in facts_in(found["AAPL"])
        assert net.count(API, path) == 2


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    source = TastytradeSource(access_to(None, tmp_path, NOW, **CREDENTIALS))
    assert failure_in((await source.metrics(["AAPL"], ASKED))["AAPL"]) is Failure.NO_NETWORK
    await source.aclose()


async def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, authority=None) as (source, _, _):
        refused = (await source.metrics(["AAPL"], ASKED))["AAPL"]
    assert failure_in(refused) is Failure.BROKEN_CONNECTION


@pytest.mark.parametrize("name", ["tastytrade_secret", "tastytrade_refresh"])
@pytest.mark.parametrize("value", [None, SecretStr("")])
async def test_without_credentials_nothing_is_asked(
    tmp_path: Path, name: str, value: SecretStr | None
) -> None:
    changed: dict[str, Any] = {name: value}
    async with opened(tmp_path, **changed) as (source, net, _):
        asks = (
            source.metrics(["AAPL"], ASKED),
            source.chain("AAPL", ASKED),
            source.iv_history(["AAPL"], ASKED),
        )
        for ask in asks:
            with pytest.raises(SourceError) as raised:
                await ask
            assert raised.value.failure is Failure.NOT_CONFIGURED
        assert net.count() == 0


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


def with_iv(values: dict[date, float]) -> dict[str, Handler]:
    """A market whose daily implied volatility of BRK.B is given."""
    frame = pd.DataFrame({"date": pd.to_datetime(list(values)), "symbol": "BRK.B", "iv30": values.values()})
    return tastytrade(MarketBook(replace(market(), iv_series=frame)))


async def test_a_year_of_implied_volatility_as_the_stream_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (source, net, _):
        found = await source.iv_history(["AAPL", "KO", "ZZZZ"], ASKED)
        assert net.count(API, "/api-quote-tokens") == net.count(STREAM) == 1
    assert failure_in(found["ZZZZ"]) is Failure.NO_HISTORY
    for symbol in ("AAPL", "KO"):
        series = found[symbol]
        assert not isinstance(series, SourceError)
        days, values = zip(*series, strict=True)
        known_days, known_values = zip(*book().iv_series(symbol), strict=True)
        assert days == known_days
        assert values == pytest.approx(known_values)
        assert len(series) == 252


async def test_candles_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    values = {
        date(2024, 12, 31): 0.5,  # over a year ago
        date(2026, 4, 3): 0.31,  # Good Friday
        date(2026, 4, 20): float("nan"),
        date(2026, 4, 21): 0.0,
        date(2026, 4, 24): 0.25,
        date(2026, 4, 27): 0.26,
        date(2026, 4, 28): 0.27,
    }
    at_noon = replace(ASKED, now=NOW - timedelta(hours=4))
    async with opened(tmp_path, with_iv(values)) as (source, _, _):
        closed = await source.iv_history(["BRK.B"], ASKED)
        open_still = await source.iv_history(["BRK.B"], at_noon)
    kept = [(day, values[day]) for day in list(values)[4:]]
    assert closed["BRK.B"] == kept
    assert open_still["BRK.B"] == kept[:-1]


async def test_the_stream_knows_iv_of_underlyings_and_greeks(tmp_path: Path) -> None:
    contract = next(
        each
        for each in book().contracts("AAPL")
        if each.expiration == FAR and each.right == "P" and each.strike > book().value("AAPL", "spot")
    )
    async with opened(tmp_path, patience=2.0) as (source, _, _):
        ivs = await source.underlying_iv(["AAPL", "ZZZZ"])
        greeks = await source.greeks([contract.padded])
    assert not isinstance(ivs["AAPL"], SourceError)
    assert ivs["AAPL"].value == pytest.approx(book().iv30("AAPL"))
    assert failure_in(ivs["ZZZZ"]) is Failure.TIMED_OUT
    found = greeks[contract.padded]
    assert not isinstance(found, SourceError)
    assert found.price == pytest.approx((contract.quote["bid"] + contract.quote["ask"]) / 2)
    assert -1.0 < found.delta < -0.4
    assert 0.05 < found.volatility < 2.0


class _Stumbling(MarketBook):
    """Breaks off the stream the first time it comes to KO."""

    stumbles = 1

    def iv_series(self, symbol: str) -> list[tuple[date, float]]:
        if symbol == "KO" and self.stumbles:
            self.stumbles -= 1
            raise ConnectionResetError
        return super().iv_series(symbol)


async def test_a_stream_that_breaks_off_is_taken_up_again(tmp_path: Path) -> None:
    async with opened(tmp_path, tastytrade(_Stumbling(market()))) as (source, net, _):
        found = await source.iv_history(["AAPL", "KO"], ASKED)
        assert net.count(STREAM) == 2
    for symbol, series in found.items():
        assert not isinstance(series, SourceError)
        assert [day for day, _ in series] == [day for day, _ in book().iv_series(symbol)]


async def test_what_came_before_the_stream_broke_off_for_good_is_kept(tmp_path: Path) -> None:
    broken = _Stumbling(market())
    broken.stumbles = 100
    async with opened(tmp_path, tastytrade(broken)) as (source, _, _):
        found = await source.iv_history(["AAPL", "KO"], ASKED)
    assert isinstance(found["AAPL"], list)
    assert failure_in(found["KO"]) is Failure.BROKEN_CONNECTION


async def test_a_stream_without_a_word_times_out(tmp_path: Path) -> None:
    handlers = tastytrade(book()) | {STREAM: stream(book(), Login().quote_token, silent=True)}
    async with opened(tmp_path, handlers, patience=0.3) as (source, _, _):
        found = await source.iv_history(["AAPL", "KO"], ASKED)
    assert {failure_in(each) for each in found.values()} == {Failure.TIMED_OUT}


@pytest.mark.parametrize(
    ("host", "fault", "failure"),
    [
        (STREAM, Fault.UNAUTHORIZED, Failure.UNAUTHORIZED),
        (STREAM, Fault.RATE_LIMITED, Failure.RATE_LIMITED),
        (STREAM, Fault.SERVER_ERROR, Failure.SERVER_ERROR),
        (STREAM, Fault.HALF_OPEN, Failure.BROKEN_CONNECTION),
        (STREAM, Fault.HTML, Failure.BROKEN_CONNECTION),
        (STREAM, Fault.TIMEOUT, Failure.TIMED_OUT),
        (STREAM, Fault.NO_DNS, Failure.NO_NETWORK),
        (API, Fault.FORBIDDEN, Failure.FORBIDDEN),
        (API, Fault.HTML, Failure.UNREADABLE),
        (API, Edited(replaced("wrong", "token")), Failure.SERVER_ERROR),
        (API, Edited(without("dxlink-url")), Failure.MISSING_FIELDS),
        (API, Edited(replaced("wss://here:port", "dxlink-url")), Failure.UNREADABLE),
    ],
    ids=str,
)
async def test_each_fault_of_the_stream_has_its_reason(
    tmp_path: Path, host: str, fault: AnyFault, failure: Failure
) -> None:
    async with opened(tmp_path, patience=0.5) as (source, net, _):
        net.fault(host, fault, "/realtime" if host == STREAM else "/api-quote-tokens")
        found = await source.iv_history(["AAPL"], ASKED)
    assert failure_in(found["AAPL"]) is failure


async def test_secrets_stay_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    login = Login()
    async with opened(tmp_path, tastytrade(book(), login), patience=0.5) as (source, net, time):
        said += [str(await source.iv_history(["AAPL"], ASKED)), repr(source), repr(vars(source))]
        for fault in (*Fault, Edited(replaced("wrong", "token")), Edited(without("data"))):
            net.heal()
            login.expire()
            for path in (TOKEN, METRICS, "/api-quote-tokens"):
                net.fault(API, fault, path)
            for found in (await source.metrics(["AAPL"], ASKED), await source.iv_history(["AAPL"], ASKED)):
                answer = found["AAPL"]
                said += [str(answer), repr(answer), str(getattr(answer, "__cause__", ""))]
            time.pause(1_000)
    printed = capsys.readouterr()
    everything = "\n".join([*said, caplog.text, printed.out, printed.err])
    for secret in (SECRET, REFRESH, login.quote_token, "loopback-token"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("occ", "streamed"),
    [
        ("AAPL  261218P00200000", ".AAPL261218P200"),
        ("AAPL  261218C00202500", ".AAPL261218C202.5"),
        ("F     260618C00012370", ".F260618C12.37"),
        ("SPXW  260522P05005000", ".SPXW260522P5005"),
        ("AAPL1 260618C00000125", ".AAPL1260618C0.125"),
        ("CPB   260618P00040000", ".CPB260618P40"),
    ],
)
def test_symbols_of_options(occ: str, streamed: str) -> None:
    assert streamer_symbol(occ) == streamed
    assert streamer_symbol(occ.replace(" ", "")) == streamed
    assert occ_symbol(streamed) == occ


@given(
    root=st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    day=st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    right=st.sampled_from("CP"),
    thousandths=st.integers(1, 99_999_999),
)
def test_every_option_symbol_comes_back(root: str, day: date, right: str, thousandths: int) -> None:
    occ = f"{root:<6}{day:%y%m%d}{right}{thousandths:08d}"
    assert occ_symbol(streamer_symbol(occ)) == occ


@pytest.mark.parametrize("text", ["", "AAPL", ".AAPL", "AAPL  261218X00200000", ".AAPL261218C", "C1", ".C5"])
def test_what_is_no_option_symbol(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        streamer_symbol(text)
    with pytest.raises(ValueError, match="no option symbol"):
        occ_symbol(text)
