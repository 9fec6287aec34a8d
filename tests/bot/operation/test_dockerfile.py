"""The Dockerfile held against the project: what can be said of it without building an image."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from datetime import UTC, datetime

import pytest

from bot.operation.http import HttpServer, Readiness
from bot.operation.metrics import Metrics
from bot.settings import TOKEN, read_settings
from tests.bot.test_settings import GOOD
from tests.conftest import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LINES = TEXT.replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    (line,) = instructions("ENV")
    return dict(re.findall(r"(\w+)=(\S+)", line))


def test_its_python_is_one_the_project_runs_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    versions = {re.match(r"python:(\d+)\.(\d+)-slim", image) for image in instructions("FROM")}
    assert all(version and (int(version[1]), int(version[2])) >= (3, 11) for version in versions)


def test_it_names_no_registry_and_no_secret() -> None:
    assert not re.search(r"https?://(?!127\.0\.0\.1)|--index|--find-links|TOKEN|TT_", TEXT)


def test_requirements_are_installed_with_their_hashes() -> None:
    assert "--require-hashes -r requirements.txt" in TEXT


def test_everything_it_copies_is_there_and_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {line.split()[0] for line in instructions("COPY") if not line.startswith("--from")}
    assert copied == let_in == {"LICENSE", "bot", "config", "engine", "requirements.txt"}
    assert all((ROOT / name).exists() for name in copied)
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_it_does_not_run_as_root_and_stops_by_sigterm() -> None:
    assert instructions("USER") == ["variance"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["python", "-m", "bot"]
    assert (ROOT / "Procfile").read_text().split(maxsplit=1)[1].split() == ["python", "-m", "bot"]


def test_its_settings_are_settings_and_everything_kept_is_on_the_volume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment().items():
        if name.startswith("VARIANCE_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv(TOKEN, GOOD)
    settings = read_settings(env_file=None)
    (volume,) = instructions("VOLUME")
    kept = (settings.database, settings.cache_folder, settings.backup_folder)
    assert all(str(path).startswith(f"{volume}/") for path in kept)
    assert str(settings.http_port) in instructions("EXPOSE")
    assert str(settings.http_host) == "0.0.0.0"


async def checked(port: int) -> int:
    """The exit status of the health check's own command."""
    (line,) = instructions("HEALTHCHECK")
    words = json.loads(line[line.index("[") :])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words[1:]),
        env={"VARIANCE_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:1"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_the_health_check_sees_whether_the_bot_is_alive() -> None:
    async def state() -> Readiness:
        return Readiness(("not ready is not dead",))

    server = HttpServer("127.0.0.1", 0, Metrics(lambda: datetime(2026, 3, 2, tzinfo=UTC)), state)
    await server.start()
    port = server.port
    assert await checked(port) == 0
    await server.stop()
    assert await checked(port) == 1
