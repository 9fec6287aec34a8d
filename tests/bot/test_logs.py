"""Logs: facts in one line, no token, no debug chatter of libraries."""

from __future__ import annotations

import logging

import pytest
import structlog

from bot.logs import configure
from tests.bot.test_settings import GOOD

pytestmark = pytest.mark.usefixtures("restored_logs")


def test_a_fact_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    structlog.get_logger("variance.test").info("market screened", measured=118, run_id=7)
    (line,) = capsys.readouterr().err.splitlines()
    assert 'event="market screened" measured=118 run_id=7' in line
    assert line.startswith("timestamp=")
    assert "level=info logger=variance.test" in line


def test_tokens_are_blotted_out_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    structlog.get_logger("variance.test").warning(f"login with {GOOD}", header=f"Bot {GOOD}")
    logging.getLogger("aiohttp").error("header %s", GOOD)
    try:
        raise ValueError(GOOD)
    except ValueError:
        structlog.get_logger("variance.test").exception("failed")
    text = capsys.readouterr().err
    assert GOOD not in text
    assert text.count("<token>") == 4
    assert "Traceback" in text


def test_the_level_is_the_operators(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")
    structlog.get_logger("variance.test").info("not this")
    structlog.get_logger("variance.test").warning("this")
    assert "not this" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["discord", "discord.gateway", "discord.http"])
def test_the_gateways_payloads_are_never_logged(capsys: pytest.CaptureFixture[str], name: str) -> None:
    configure("debug")
    logging.getLogger(name).debug("what somebody said")
    assert capsys.readouterr().err == ""
