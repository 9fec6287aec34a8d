"""Settings: each one documented, each mistake one sentence with exit status 2."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.settings import DEFAULT_CONFIG, TOKEN, Settings, read_settings, variable
from engine.environment import PREFIX
from engine.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
GOOD = "A" * 24 + ".GabcDE." + "b" * 30
"""Of the shape of a token, of nobody's."""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX) or name in (TOKEN, "TT_SECRET", "TT_REFRESH"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in ({TOKEN: GOOD} | values).items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_a_token_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch)
    assert settings.discord_token.get_secret_value() == GOOD
    assert settings.provider == "auto"
    assert settings.database == Path("var/variance.db")
    assert settings.config == DEFAULT_CONFIG == ROOT / "config"
    assert settings.discord_api is None


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"{TOKEN}={GOOD}\nVARIANCE_SEED=1\nVARIANCE_LOG_LEVEL=debug\n", encoding="utf-8")
    monkeypatch.setenv("VARIANCE_SEED", "2")
    settings = read_settings()
    assert (settings.seed, settings.log_level) == (2, "debug")


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, VARIANCE_DATABASE="~/variance.db").database == Path.home() / "variance.db"


def test_the_token_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch)
    assert GOOD not in repr(settings) + str(settings) + settings.model_dump_json()


BAD = [
    ({TOKEN: ""}, "DISCORD_TOKEN is missing"),
    ({TOKEN: "changeme"}, "DISCORD_TOKEN is still a placeholder"),
    ({TOKEN: "your-token-here"}, "DISCORD_TOKEN is still a placeholder"),
    ({TOKEN: "<paste it here>"}, "DISCORD_TOKEN is still a placeholder"),
    ({TOKEN: "abc"}, "DISCORD_TOKEN has not the shape"),
    ({TOKEN: f"Bot {GOOD}"}, 'without the word "Bot"'),
    ({TOKEN: GOOD.replace(".", "-")}, "DISCORD_TOKEN has not the shape"),
    ({"VARIANCE_PROVIDER": "yahu"}, "VARIANCE_PROVIDER is 'yahu'; allowed is auto, yahoo, tastytrade"),
    ({"VARIANCE_PROVIDER": "recorded"}, "VARIANCE_DATA is missing"),
    ({"TT_SECRET": "abcdef"}, "TT_SECRET is set without TT_REFRESH"),
    ({"TT_REFRESH": "abcdef"}, "TT_REFRESH is set without TT_SECRET"),
    ({"VARIANCE_CBOE_TERMS": "yes"}, "VARIANCE_CBOE_TERMS is 'yes'; allowed is accepted"),
    (
        {"VARIANCE_STAND_IN": "http://stand-in.example:8090"},
        "VARIANCE_STAND_IN is 'http://stand-in.example:8090'; allowed is an address of this machine",
    ),
    ({"VARIANCE_STAND_IN": "https://127.0.0.1:8090"}, "VARIANCE_STAND_IN is 'https://127.0.0.1:8090'"),
    ({"VARIANCE_STAND_IN_CA": "ca.pem"}, "VARIANCE_STAND_IN_CA is set without VARIANCE_STAND_IN"),
    (
        {"VARIANCE_STAND_IN": "http://127.0.0.1:1", "VARIANCE_STAND_IN_NOW": "yesterday"},
        "VARIANCE_STAND_IN_NOW is 'yesterday'; allowed is an instant with its offset",
    ),
    ({"VARIANCE_SEED": "many"}, "VARIANCE_SEED is 'many'; allowed is a whole number from 0"),
    ({"VARIANCE_SEED": "-1"}, "VARIANCE_SEED is '-1'"),
    ({"VARIANCE_LOG_LEVEL": "loud"}, "allowed is debug, info, warning or error"),
    ({"VARIANCE_SYNC_GUILD": "here"}, "VARIANCE_SYNC_GUILD is 'here'"),
    (
        {"VARIANCE_LOG_LEVL": "info"},
        "VARIANCE_LOG_LEVL is no setting of this bot; did you mean VARIANCE_LOG_LEVEL?",
    ),
    ({"VARIANCE_QUUX": "1"}, "VARIANCE_QUUX is no setting of this bot; allowed are VARIANCE_"),
    ({"VARIANCE_HTTP_PORT": "http"}, "VARIANCE_HTTP_PORT is 'http'; allowed is a port from 0 (any free)"),
    ({"VARIANCE_HTTP_PORT": "65536"}, "VARIANCE_HTTP_PORT is '65536'"),
    ({"VARIANCE_HTTP_HOST": "localhost"}, "VARIANCE_HTTP_HOST is 'localhost'; allowed is an IP address"),
    ({"VARIANCE_BACKUPS_DAILY": "0"}, "VARIANCE_BACKUPS_DAILY is '0'; allowed is a whole number from 1"),
    ({"VARIANCE_BACKUPS_WEEKLY": "-1"}, "VARIANCE_BACKUPS_WEEKLY is '-1'; allowed is a whole number from 0"),
    (
        {"VARIANCE_CLOCK": "2026-11-27T14:45:00Z"},
        "VARIANCE_CLOCK is set for the real Discord and the real market; allowed is only together with",
    ),
    (
        {"VARIANCE_CLOCK": "2026-11-27T14:45:00", "VARIANCE_STAND_IN": "http://127.0.0.1:1"},
        "VARIANCE_CLOCK is '2026-11-27T14:45:00'; allowed is an instant with its offset",
    ),
    ({"VARIANCE_DISCORD_API": "http://127.0.0.1:1"}, "is set without VARIANCE_DISCORD_GATEWAY"),
    ({"VARIANCE_DISCORD_GATEWAY": "ws://127.0.0.1:1"}, "is set without VARIANCE_DISCORD_API"),
    (
        {"VARIANCE_DISCORD_API": "https://discord.example", "VARIANCE_DISCORD_GATEWAY": "ws://127.0.0.1:1"},
        "VARIANCE_DISCORD_API is 'https://discord.example'; allowed is an address of this machine",
    ),
    (
        {"VARIANCE_DISCORD_API": "http://127.0.0.1.example:1", "VARIANCE_DISCORD_GATEWAY": "ws://[::1]:1"},
        "VARIANCE_DISCORD_API is 'http://127.0.0.1.example:1'",
    ),
]


@pytest.mark.parametrize(("values", "sentence"), BAD)
def test_a_mistake_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        given(monkeypatch, **values)
    text = str(raised.value)
    assert sentence in text
    assert "\n" not in text
    token = values.get(TOKEN) or GOOD
    assert token not in text


def test_an_unknown_key_of_the_file_is_named() -> None:
    Path(".env").write_text(f"{TOKEN}={GOOD}\nVARIANCE_DATABSE=x\nEDITOR=vi\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"VARIANCE_DATABSE .* VARIANCE_DATABASE"):
        read_settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_a_stand_in_on_this_machine_is_allowed(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    addresses = {"VARIANCE_DISCORD_API": f"http://{host}:1", "VARIANCE_DISCORD_GATEWAY": f"ws://{host}:2"}
    assert given(monkeypatch, **addresses).discord_api == f"http://{host}:1"


STAND_INS = [
    {"VARIANCE_DISCORD_API": "http://127.0.0.1:1", "VARIANCE_DISCORD_GATEWAY": "ws://127.0.0.1:2"},
    {"VARIANCE_STAND_IN": "http://127.0.0.1:3"},
]


@pytest.mark.parametrize("stand_in", STAND_INS)
def test_with_a_stand_in_the_clock_may_be_set(
    monkeypatch: pytest.MonkeyPatch, stand_in: dict[str, str]
) -> None:
    settings = given(monkeypatch, VARIANCE_CLOCK="2026-11-27T09:45:00-05:00", **stand_in)
    assert settings.clock == datetime(2026, 11, 27, 14, 45, tzinfo=UTC)


def test_backups_stand_beside_the_database_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch).backup_folder == Path("var/backups")
    assert given(monkeypatch, VARIANCE_DATABASE="disk/v.db").backup_folder == Path("disk/backups")
    assert given(monkeypatch, VARIANCE_BACKUPS="~/kept").backup_folder == Path.home() / "kept"


def test_there_are_no_pages_unless_a_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = given(monkeypatch)
    assert (settings.http_port, str(settings.http_host)) == (None, "127.0.0.1")
    everywhere = given(monkeypatch, VARIANCE_HTTP_PORT="0", VARIANCE_HTTP_HOST="::")
    assert (everywhere.http_port, str(everywhere.http_host)) == (0, "::")


def example() -> dict[str, str]:
    """Every setting the example file names, with the value it shows."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, flags=re.MULTILINE))


def test_the_example_names_every_setting_and_no_other() -> None:
    assert set(example()) == {variable(field) for field in Settings.model_fields}


def test_the_example_shows_the_defaults() -> None:
    for field, info in Settings.model_fields.items():
        shown = example()[variable(field)]
        if field not in ("discord_token", "config"):
            assert shown == ("" if info.default is None else str(info.default)), field


def test_the_example_explains_every_setting() -> None:
    blocks = (ROOT / ".env.example").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    for block in blocks:
        lines = block.splitlines()
        assert lines[0].startswith("# "), block
        assert re.match(r"#?[A-Z_]+=", lines[-1]), block


def start(tmp_path: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """`python -m bot` as an operator starts it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])} | values
    return subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "DISCORD_TOKEN is missing"),
        ({TOKEN: "changeme"}, "DISCORD_TOKEN is still a placeholder"),
        ({TOKEN: GOOD, "VARIANCE_COLOUR": "blue"}, "VARIANCE_COLOUR is no setting"),
        ({TOKEN: GOOD, "VARIANCE_DATABASE": "file/x.db"}, "cannot be made"),
    ],
)
def test_a_bad_start_ends_with_status_2_and_one_line(
    tmp_path: Path, values: dict[str, str], named: str
) -> None:
    (tmp_path / "file").touch()
    ended = start(tmp_path, **values)
    assert ended.returncode == 2
    assert ended.stdout == ""
    one_line(ended.stderr, named)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"VARIANCE_PROVIDER": "recorded", "VARIANCE_DATA": "nowhere"}, "VARIANCE_DATA is 'nowhere'"),
        ({"VARIANCE_CONFIG": "nowhere"}, "trading_rules.json cannot be read"),
    ],
)
@pytest.mark.usefixtures("restored_logs")
def test_settings_that_lead_nowhere_end_it_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], values: dict[str, str], named: str
) -> None:
    for name, value in ({TOKEN: GOOD} | values).items():
        monkeypatch.setenv(name, value)
    turn = sys.getswitchinterval()
    try:
        assert main() == 2
    finally:
        sys.setswitchinterval(turn)
    said = capsys.readouterr()
    assert said.out == ""
    one_line(said.err, named)


def one_line(said: str, named: str) -> None:
    (line,) = [line for line in said.splitlines() if "SIMULATED" not in line]
    assert named in line
    assert GOOD not in said
