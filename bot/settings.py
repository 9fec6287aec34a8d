"""What an operator sets from outside: environment variables, or the same lines in a file named .env."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.errors import ConfigError

PREFIX = "VARIANCE_"
TOKEN = "DISCORD_TOKEN"  # noqa: S105  (the name of the variable, not its value)
DEFAULT_CONFIG = Path(__file__).resolve().parents[1] / "config"

_PLACEHOLDERS = ("changeme", "change-me", "your", "token", "placeholder", "example", "xxx", "todo", "<")
_TOKEN_SHAPE = re.compile(r"[A-Za-z0-9_-]{18,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{20,}")
_LOOPBACK = "an address of this machine, such as {}://127.0.0.1:{}"
_TOKEN_PLACE = "copy it from the Bot page of your application in Discord's developer portal"  # noqa: S105


class Settings(BaseSettings):
    """The operator's choices, checked. `.env.example` explains each; a test keeps the two in step.

    A field's description is what a message calls allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    discord_token: Annotated[SecretStr, Field(validation_alias=TOKEN)]
    provider: Annotated[Literal["simulated", "recorded"], Field(description="simulated or recorded")] = (
        "simulated"
    )
    data: Annotated[Path | None, Field(description="the folder of a recorded market")] = None
    seed: Annotated[int, Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")] = 7
    database: Annotated[Path, Field(description="the path of a file")] = Path("var/variance.db")
    config: Annotated[Path, Field(description="a folder with trading_rules.json")] = DEFAULT_CONFIG
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="debug, info, warning or error")
    ] = "info"
    sync_guild: Annotated[int | None, Field(gt=0, lt=2**63, description="the number of a Discord server")] = (
        None
    )
    discord_api: Annotated[str | None, Field(description=_LOOPBACK.format("http", 8080))] = None
    discord_gateway: Annotated[str | None, Field(description=_LOOPBACK.format("ws", 8081))] = None

    @field_validator("discord_token")
    @classmethod
    def _token_is_real(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value().strip()
        if any(word in text.lower() for word in _PLACEHOLDERS) and not _TOKEN_SHAPE.fullmatch(text):
            raise ValueError(f"is still a placeholder; {_TOKEN_PLACE}")
        if text.startswith("Bot "):
            raise ValueError('must be given without the word "Bot" in front')
        if not _TOKEN_SHAPE.fullmatch(text):
            raise ValueError(f"has not the shape of a bot token (three parts joined by dots); {_TOKEN_PLACE}")
        return SecretStr(text)

    @field_validator("data", "database", "config")
    @classmethod
    def _from_home(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser()

    @field_validator("discord_api", "discord_gateway")
    @classmethod
    def _only_this_machine(cls, address: str | None) -> str | None:
        if address is not None and not _is_loopback(address):
            raise ValueError("not this machine")
        return address

    @model_validator(mode="after")
    def _belong_together(self) -> Settings:
        if (self.discord_api is None) != (self.discord_gateway is None):
            given, lacking = ("discord_api", "discord_gateway")[:: 1 if self.discord_api else -1]
            raise ValueError(
                f"{variable(given)} is set without {variable(lacking)}; "
                "allowed is both, or neither for Discord itself"
            )
        if self.provider == "recorded" and self.data is None:
            raise ValueError(
                f"{variable('data')} is missing: the recorded provider needs the folder of a recorded market"
            )
        return self


def variable(field: str) -> str:
    """The environment variable of a field of Settings."""
    return TOKEN if field == "discord_token" else PREFIX + field.upper()


def read_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Settings from the environment, then from `env_file` when it exists.

    Raises ConfigError in one sentence: the variable, its value (never the token) and what is allowed.
    """
    in_file: Mapping[str, str | None] = {}
    if env_file is not None and env_file.is_file():
        try:
            in_file = dotenv_values(env_file, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{env_file.name} cannot be read: {error}") from None
    _refuse_unknown([*os.environ, *in_file])
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [variable(field) for field in Settings.model_fields]
    for name in names:
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known:
            words = [each.removeprefix(PREFIX) for each in known]
            near = difflib.get_close_matches(upper.removeprefix(PREFIX), words, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else f"allowed are {', '.join(known[1:])}"
            raise ConfigError(f"{name} is no setting of this bot; {hint}")


def _sentence(error: ValidationError) -> str:
    """Variable, value and what is allowed, from the first of pydantic's findings."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = str(first["loc"][0])
    name = TOKEN if field == TOKEN else variable(field)
    if first["type"] == "missing":
        return f"{name} is missing; {_TOKEN_PLACE}"
    if name == TOKEN:
        return f"{name} {message}"
    return f"{name} is {first['input']!r}; allowed is {Settings.model_fields[field].description}"


def _is_loopback(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https", "ws", "wss"):
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
