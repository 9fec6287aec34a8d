"""The demo as a person starts it: another process, a page, an end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pandas as pd
import pytest

from bot.demo import SEED, SESSION, main
from bot.past import YEAR, closes_ahead, keep_closes, past_closes
from engine.market.columns import panel_of
from engine.market.recorded import write_snapshot
from engine.market.simulated import SimulatedMarket
from engine.record.store import Store
from engine.rules import Listing, Rules
from engine.screen.screen import run_screen
from tests.bot.conftest import PAST, SYMBOLS, Played

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:[0-9]+/")


MODULE = ("-m", "bot.demo")
SHORT = ("-c", "import sys, bot.demo; bot.demo.YEAR = 25; sys.exit(bot.demo.main())")
"""The same program with a past of five weeks: a year of it costs half a minute of computing."""


@asynccontextmanager
async def demo(
    folder: Path, *words: str, program: tuple[str, str] = MODULE
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, *words),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def lines_until(process: asyncio.subprocess.Process, wanted: str) -> list[str]:
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    while not any(wanted in line for line in lines):
        line = (await asyncio.wait_for(process.stdout.readline(), 90)).decode()
        assert line, (lines, (await process.stderr.read()).decode())
        lines.append(line)
    return lines


async def page_at(lines: list[str]) -> int:
    """The status of the page at the printed address."""
    address = ADDRESS.search("".join(lines))
    assert address is not None, lines
    async with aiohttp.ClientSession() as session, session.get(address[0]) as response:
        assert "html" in response.headers["content-type"]
        return response.status


async def ends_cleanly(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    assert errors == b""


async def test_the_demo_shows_a_page_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    async with demo(tmp_path, program=SHORT) as process:
        lines = await lines_until(process, "Ctrl-C")
        assert any("25 of 25" in line for line in lines)
        assert await page_at(lines) == 200
        await ends_cleanly(process, signal.SIGINT)
    assert os.listdir(tmp_path) == [], "what was not asked for is not left behind"


async def test_the_demo_plays_a_recorded_market(played: Played, tmp_path: Path) -> None:
    write_snapshot(played.market, tmp_path / "recorded")
    async with demo(tmp_path, "--data", "recorded", "--database", "kept.db") as process:
        lines = await lines_until(process, "Ctrl-C")
        assert await page_at(lines) == 200
        await ends_cleanly(process, signal.SIGTERM)
    with Store.open(tmp_path / "kept.db") as store:
        assert store.counts().observations == len(SYMBOLS)


async def test_the_demo_ends_on_ctrl_c_while_it_makes_its_past(tmp_path: Path) -> None:
    async with demo(tmp_path) as process:
        await lines_until(process, "1 of 252")
        await ends_cleanly(process, signal.SIGINT)


async def test_a_port_in_use_is_one_sentence_and_status_2(played: Played, tmp_path: Path) -> None:
    write_snapshot(played.market, tmp_path / "recorded")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with demo(tmp_path, "--data", "recorded", "--port", port) as process:
            _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    (line,) = errors.decode().splitlines()
    assert port in line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data", "nowhere"], "no recorded market at nowhere: the folder does not exist"),
        (["--data", "."], "snapshot.json is missing"),
    ],
)
def test_an_unreadable_recording_is_one_sentence_and_status_2(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_a_bad_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--port", port])
    assert ended.value.code == 2
    assert "allowed is 0 to 65535" in capsys.readouterr().err


def test_other_processes_make_the_same_past(
    listings: tuple[Listing, ...], market: SimulatedMarket, rules: Rules
) -> None:
    with closes_ahead(listings, SESSION, SEED, 5, rules) as closes:
        for ahead, here in zip(closes, past_closes(market, 5, rules), strict=True):
            assert ahead.panel.session == here.panel.session
            pd.testing.assert_frame_equal(ahead.table, here.table, check_exact=True)


def test_a_past_close_is_judged_as_a_screen_with_its_history_would_be(
    market: SimulatedMarket, rules: Rules, tmp_path: Path
) -> None:
    *_, last = snapshots = list(market.past_closes(PAST))
    with Store.open(tmp_path / "x.db") as store:
        *_, kept = keep_closes(past_closes(market, PAST, rules), rules, store)
        panel = panel_of(last, "SPY")
        history = store.iv_history(panel.symbols, last.session, realm="simulated")
    assert history.iv30.shape[1] == len(snapshots) - 1
    assert kept == run_screen(panel, rules, history)


def test_each_past_close_knows_only_those_before_it(
    market: SimulatedMarket, rules: Rules, filled: Path
) -> None:
    with Store.open(filled) as store:
        sessions = [point.session for point in store.history("SPY", "simulated")]
        counts = [point.values for point in store.history("SPY", "simulated", columns=("iv_percentile_n",))]
    assert len(sessions) == PAST < YEAR
    assert sessions == sorted(sessions)
    assert max(sessions) < SESSION
    assert [values["iv_percentile_n"] for values in counts] == [float(n) for n in range(PAST)]


def test_past_closes_are_official(market: SimulatedMarket, rules: Rules, tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db") as store:
        list(keep_closes(past_closes(market, 2, rules), rules, store))
        infos = [store.run_info(run_id) for run_id in (1, 2)]
    assert all(info is not None and info.official and info.realm == "simulated" for info in infos)
