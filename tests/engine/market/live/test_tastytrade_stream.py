"""Tastytrade's stream through the SDK, against a made-up one on loopback."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from engine.market.live.failures import Failure, SourceError
from tests.engine.market.live.tastytrade_tools import ASKED, FAR, NOW, book, failure_in, market, opened
from tests.loopback.book import MarketBook
from tests.loopback.dxlink import stream
from tests.loopback.faults import AnyFault, Edited, Fault, Handler, replaced, without
from tests.loopback.tastytrade import API, STREAM, Login, tastytrade

pytestmark = pytest.mark.usefixtures("no_waiting")


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
