"""Recorded replies from end to end: the command line as a user starts it, told where to go by settings."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.loopback.faults import Handler
from tests.loopback.market import recorded_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import API, REFRESH, SECRET
from tests.loopback.yahoo_door import HOSTS

ROOT = Path(__file__).resolve().parents[4]
FRIDAY_QUOTES = "2025-02-24T09:30:00Z"
"""A Monday before the open, when most option pages of Yahoo were recorded."""
TASTYTRADE_DAY = "2023-06-07T19:56:00Z"
"""Half a minute after Tastytrade's recorded metrics, four minutes before a close."""
NO_PUBLIC = ("treasury", "fred")
"""Sources nobody recorded; the stand-in refuses their hosts."""


def called(settings: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with these settings and no others."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *words],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass
class Line:
    """The command line led to a stand-in by settings alone."""

    net: Loopback
    folder: Path
    now: str
    served: list[tuple[str, bytes]] = field(default_factory=list)
    over: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "VARIANCE_STAND_IN": self.net.address,
            "VARIANCE_STAND_IN_CA": str(self.net.authority),
            "VARIANCE_STAND_IN_NOW": self.now,
            "VARIANCE_CACHE": str(self.folder / "cache"),
            **self.over,
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return called(self.settings(), *words)

    def asked_of_yahoo(self) -> list[str]:
        """Kind and symbol of every request for data, as in `chart/AAPL`."""
        paths = [each.path for each in self.net.asked if each.host in HOSTS and "/finance/" in each.path]
        return ["/".join(path.split("/")[-2:]) for path in paths]


def keeping(handlers: Mapping[str, Handler], served: list[tuple[str, bytes]]) -> dict[str, Handler]:
    """The same handlers, with what they answer written down."""

    def kept(handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            reply = await handler(request)
            if isinstance(reply, web.Response) and reply.status == 200 and isinstance(reply.body, bytes):
                served.append((request.path, reply.body))
            return reply

        return answer

    return {host: kept(handler) for host, handler in handlers.items()}


def line_at(shared_data: Path, folder: Path, now: str, **over: str) -> Line:
    """Over a stand-in that is not yet open."""
    served: list[tuple[str, bytes]] = []
    instant = datetime.fromisoformat(now)
    net = Loopback(keeping(recorded_market(shared_data), served), now=lambda: instant)
    return Line(net, folder, now, served, over)


def brisk(folder: Path, **changed: str) -> str:
    """The project's configuration with sources that may be asked without a wait, and other rules.

    Some need another benchmark: of SPY nothing was recorded that would fit.
    """
    for path in (ROOT / "config").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    sources = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
    for limits in sources["limits"].values():
        limits |= {"burst": 50, "jitter": 0.0}
    (folder / "sources.json").write_text(json.dumps(sources), encoding="utf-8")
    rules = json.loads((folder / "trading_rules.json").read_text(encoding="utf-8"))
    (folder / "trading_rules.json").write_text(json.dumps(rules | changed), encoding="utf-8")
    return str(folder)


def sentences(run: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said on standard error, each line checked to be a sentence for a person."""
    lines = run.stderr.splitlines()
    for line in lines:
        assert line.startswith("variance: ")
        assert line.endswith((".", ")."))
        assert not {"Traceback", "crumb", "Error:"} & set(line.replace("(", " ").split())
    return [line.removeprefix("variance: ") for line in lines]


@dataclass
class Twice:
    """The same question asked twice within the life of the answers."""

    line: Line
    runs: list[subprocess.CompletedProcess[str]]
    asked: list[list[str]]


@pytest.fixture(scope="module")
def twice(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    line = line_at(shared_data, tmp_path_factory.mktemp("user"), FRIDAY_QUOTES)
    config = brisk(tmp_path_factory.mktemp("brisk"))
    question = (
        "screen",
        "AAPL",
        "QQQ",
        "AMZN",
        "--provider",
        "yahoo",
        "--all",
        "--config",
        config,
        "--format",
    )
    runs, asked = [], []
    with line.net:
        for form in ("json", "table"):
            line.net.clear()
            runs.append(line(*question, form))
            asked.append(line.asked_of_yahoo())
        yield Twice(line, runs, asked)


def test_a_screen_over_recorded_replies_says_why_nothing_is_ranked(twice: Twice) -> None:
    run = twice.runs[0]
    assert run.returncode == 1
    result = json.loads(run.stdout)
    assert (result["run"]["state"], result["run"]["session"]) == ("aborted", "2025-02-21")
    assert result["rows"] == []
    assert result["coverage"]["universe"] == 3
    assert result["coverage"]["measured"] == 0
    missing = result["coverage"]["missing"]
    assert sum(missing.values()) == 3
    assert all(reason.endswith("[yahoo]") for reason in missing)
    assert "No prices of SPY: yahoo: unknown symbol." in result["notes"]
    assert any("configured constant" in note for note in result["notes"])


def test_standard_error_has_one_sentence_a_source(twice: Twice) -> None:
    for run in twice.runs:
        gate, *troubles = sentences(run)
        assert gate == "SPY has no valid price and no history in this run, so nothing is ranked."
        assert [trouble.split(":")[0] for trouble in troubles] == list(NO_PUBLIC)
        assert all("no network" in trouble and "DNS" in trouble for trouble in troubles)


def test_the_table_tells_the_same(twice: Twice) -> None:
    run = twice.runs[1]
    assert run.returncode == 1
    assert "ABORTED: SPY has no valid price and no history" in run.stdout
    assert "0 of 3 measured" in run.stdout
    assert "Traceback" not in run.stdout


def test_the_first_run_asks_once_for_each_thing(twice: Twice) -> None:
    asked = twice.asked[0]
    charts = [each for each in asked if each.startswith("chart/")]
    assert sorted(charts) == ["chart/AAPL", "chart/AMZN", "chart/QQQ", "chart/SPY"]
    # The page with the list, then the three expiries of use, which nobody recorded.
    assert {name: asked.count(f"options/{name}") for name in ("AAPL", "AMZN", "QQQ")} == {
        "AAPL": 4,
        "AMZN": 4,
        "QQQ": 4,
    }


def test_the_second_run_asks_only_for_what_it_did_not_get(twice: Twice) -> None:
    """A page that was lacking is no fault of the name, so the chain is tried again."""
    assert {each for each in twice.asked[1] if each not in twice.asked[0]} == set()
    assert [each for each in twice.asked[1] if each in ("chart/AAPL", "chart/AMZN", "chart/QQQ")] == []


def test_what_was_passed_on_are_the_recorded_bytes(twice: Twice, shared_data: Path) -> None:
    recordings = [
        gzip.decompress(path.read_bytes())
        for path in sorted((shared_data / "yahoo_http_fixtures").glob("*.json.gz"))
    ]
    replies = {path: body for path, body in twice.line.served if "/finance/" in path}
    assert {path.rsplit("/", 2)[-2] for path in replies} == {"chart", "options"}
    assert {path.rsplit("/", 1)[-1] for path in replies} == {"AAPL", "QQQ", "AMZN"}
    for path, body in replies.items():
        of_path = [text for text in recordings if path.encode() in text.split(b'"body"')[0]]
        assert any(body in text for text in of_path)
        assert any(json.loads(text)["body"] == json.loads(body) for text in of_path)


@pytest.fixture(scope="module")
def side_by_side(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """TSLA on 2023-06-07: Tastytrade's recorded metrics and Yahoo's recorded prices, in one run."""
    folder = tmp_path_factory.mktemp("both")
    config = tmp_path_factory.mktemp("config")
    line = line_at(shared_data, folder, TASTYTRADE_DAY, TT_SECRET=SECRET, TT_REFRESH=REFRESH)
    with line.net:
        words = ("--provider", "tastytrade", "--all", "--format", "json")
        run = line("screen", "TSLA", *words, "--config", brisk(config, benchmark="TSLA"))
        (row,) = json.loads(run.stdout)["rows"]
        logins = line.net.count(API, "/oauth/token")
        yield {"run": run, "row": row, "logins": logins, "served": line.served}


def test_both_sources_stand_beside_each_other(side_by_side: Mapping[str, Any]) -> None:
    row = side_by_side["row"]
    ours = {name: 100 * row[name] for name in ("hv30", "hv60", "hv90", "hv252")}
    theirs = {name: 100 * row[f"{name}_provider"] for name in ("hv30", "hv60", "hv90", "iv30")}
    # The four of ours as docs/sources-compared.md has them; theirs as the recorded reply says.
    assert ours == pytest.approx({"hv30": 38.41, "hv60": 47.96, "hv90": 54.77, "hv252": 61.55}, abs=0.005)
    assert theirs == pytest.approx({"hv30": 36.63, "hv60": 44.98, "hv90": 48.42, "iv30": 54.91})
    assert "hv_differs" in row["flags"]
    assert row["momentum"] == pytest.approx(36.63 / 48.42)


def test_each_value_says_where_it_came_from(side_by_side: Mapping[str, Any]) -> None:
    row = side_by_side["row"]
    said = {name: each["source"] for name, each in row["provenance"].items()}
    assert said["hv90_provider"] == said["beta"] == said["earnings_date"] == "tastytrade"
    assert said["history"] == "yahoo"
    assert "chain" not in said  # prices of options were recorded by nobody for this day
    assert row["missing_reason"] == "not found (404) [tastytrade]"
    assert row["iv30"] is None


def test_the_credentials_are_used_once_and_shown_nowhere(side_by_side: Mapping[str, Any]) -> None:
    run = side_by_side["run"]
    assert run.returncode == 1
    assert side_by_side["logins"] == 1
    assert SECRET not in run.stdout + run.stderr
    assert REFRESH not in run.stdout + run.stderr
    assert [sentence.split(":")[0] for sentence in sentences(run)][-2:] == list(NO_PUBLIC)


def test_the_metrics_passed_on_are_the_recorded_bytes(
    side_by_side: Mapping[str, Any], shared_data: Path
) -> None:
    bodies = [body for path, body in side_by_side["served"] if path == "/market-metrics"]
    assert bodies == [(shared_data / "tastytrade_http_fixtures" / "marketMetricsResp.json").read_bytes()]


def test_quotes_of_another_session_are_shown_as_such(shared_data: Path, tmp_path: Path) -> None:
    """CRON's recorded page is whole for a run a week before it: its quotes are not of that session."""
    config = tmp_path / "config"
    config.mkdir()
    line = line_at(shared_data, tmp_path, "2025-02-14T21:30:00Z")
    with line.net:
        words = ("--provider", "yahoo", "--all", "--format", "json")
        run = line("screen", "CRON", *words, "--config", brisk(config, benchmark="CRON"))
    result = json.loads(run.stdout)
    (row,) = result["rows"]
    assert run.returncode == 1
    sentences(run)
    assert result["coverage"]["missing"] == {"stale quotes": 1}
    assert (row["quote_session"], result["run"]["session"]) == ("2025-02-21", "2025-02-14")
    assert "stale_quotes" in row["flags"]
    assert row["rank"] is None
    # Ten of eleven bids were 0 before the open: no volatility, and none of Yahoo's own in its place.
    assert row["iv30"] is None
    assert row["iv30_provider"] is None
    assert row["hv20"] is None


@pytest.mark.parametrize("address", ["http://203.0.113.7:8090", "http://localhost.example:8090"])
def test_a_stand_in_elsewhere_is_refused(address: str, tmp_path: Path) -> None:
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "VARIANCE_STAND_IN": address,
        "VARIANCE_CACHE": str(tmp_path / "cache"),
    }
    run = called(settings, "screen", "AAPL", "--provider", "yahoo")
    assert run.returncode == 2
    assert run.stdout == ""
    (said,) = run.stderr.splitlines()
    assert said.startswith(
        f"variance: VARIANCE_STAND_IN is '{address}'; allowed is an address of this machine"
    )
    assert not (tmp_path / "cache").exists()
