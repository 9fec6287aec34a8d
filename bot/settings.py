"""What an operator sets from outside: environment variables, or the same lines in a file named .env."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, IPvAnyAddress, SecretStr, field_validator, model_validator

from engine.environment import LOOPBACK, LiveSettings, is_loopback, read_environment, variable_of

TOKEN = "DISCORD_TOKEN"  # noqa: S105  (the name of the variable, not its value)
DEFAULT_CONFIG = Path(__file__).resolve().parents[1] / "config"

_PLACEHOLDERS = ("changeme", "change-me", "your", "token", "placeholder", "example", "xxx", "todo", "<")
_TOKEN_SHAPE = re.compile(r"[A-Za-z0-9_-]{18,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{20,}")
_TOKEN_PLACE = "copy it from the Bot page of your application in Discord's developer portal"  # noqa: S105


class Settings(LiveSettings):
    """The operator's choices, checked. `.env.example` explains each; a test keeps the two in step."""

    discord_token: Annotated[SecretStr, Field(validation_alias=TOKEN, description=_TOKEN_PLACE)]
    provider: Annotated[
        Literal["auto", "yahoo", "tastytrade", "cboe", "recorded", "simulated"],
        Field(description="auto, yahoo, tastytrade, cboe, recorded or simulated"),
    ] = "auto"
    data: Annotated[Path | None, Field(description="the folder of a recorded market")] = None
    seed: Annotated[int, Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")] = 7
    database: Annotated[Path, Field(description="the path of a file")] = Path("var/variance.db")
    backups: Annotated[Path | None, Field(description="the path of a folder")] = None
    backups_daily: Annotated[int, Field(ge=1, le=366, description="a whole number from 1 to 366")] = 7
    backups_weekly: Annotated[int, Field(ge=0, le=520, description="a whole number from 0 to 520")] = 4
    config: Annotated[Path, Field(description="a folder with trading_rules.json")] = DEFAULT_CONFIG
    http_port: Annotated[
        int | None, Field(ge=0, le=65535, description="a port from 0 (any free) to 65535")
    ] = None
    http_host: Annotated[
        IPvAnyAddress, Field(description="an IP address of this machine, such as 127.0.0.1 or 0.0.0.0")
    ] = IPv4Address("127.0.0.1")
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="debug, info, warning or error")
    ] = "info"
    sync_guild: Annotated[int | None, Field(gt=0, lt=2**63, description="the number of a Discord server")] = (
        None
    )
    discord_api: Annotated[str | None, Field(description=LOOPBACK.format("http", 8080))] = None
    discord_gateway: Annotated[str | None, Field(description=LOOPBACK.format("ws", 8081))] = None
    clock: Annotated[
        AwareDatetime | None, Field(description="an instant with its offset, such as 2026-11-27T14:45:00Z")
    ] = None

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

    @field_validator("data", "database", "config", "backups")
    @classmethod
    def _from_home(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser()

    @field_validator("discord_api", "discord_gateway")
    @classmethod
    def _only_this_machine(cls, address: str | None) -> str | None:
        if address is not None and not is_loopback(address):
            raise ValueError("not this machine")
        return address

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
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
        if self.clock is not None and self.discord_api is None and self.stand_in is None:
            raise ValueError(
                f"{variable('clock')} is set for the real Discord and the real market; allowed is only "
                f"together with {variable('discord_api')} or {variable('stand_in')}"
            )
        return self

    @property
    def backup_folder(self) -> Path:
        """Where nightly backups go: the operator's folder, or `backups` beside the database."""
        return self.backups or self.database.parent / "backups"


def variable(field: str) -> str:
    """The environment variable of a field of Settings."""
    return variable_of(Settings, field)


def read_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Settings from the environment, then from `env_file` when it exists.

    Raises ConfigError in one sentence: the variable, its value (never a secret) and what is allowed.
    """
    return read_environment(Settings, env_file)
