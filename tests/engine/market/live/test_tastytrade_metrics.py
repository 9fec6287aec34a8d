"""Tastytrade's metrics through the SDK, against a made-up and a recorded one on loopback."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.market.live.failures import Failure, SourceError
from tests.engine.market.live.tastytrade_tools import (
    ASKED,
    METRICS,
    RECORDED,
    TOKEN,
    book,
    facts_in,
    failure_in,
    opened,
)
from tests.loopback.faults import Edited, Fault, replaced, without
from tests.loopback.tastytrade import API, recorded_tastytrade

pytestmark = pytest.mark.usefixtures("no_waiting")


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
