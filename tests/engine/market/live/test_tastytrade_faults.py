"""What goes wrong with Tastytrade: logins, limits, faults of its API, and secrets that stay inside."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from engine.market.live.failures import Failure, SourceError
from engine.market.live.tastytrade import TastytradeSource
from tests.engine.market.live.tastytrade_tools import (
    ASKED,
    CHAINS,
    CREDENTIALS,
    METRICS,
    NOW,
    TOKEN,
    book,
    facts_in,
    failure_in,
    opened,
)
from tests.loopback.access import access_to
from tests.loopback.faults import AnyFault, Edited, Fault, replaced, without
from tests.loopback.tastytrade import API, REFRESH, SECRET, Login, tastytrade

pytestmark = pytest.mark.usefixtures("no_waiting")


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
