"""What an operator sets from outside for the live market: environment variables, or lines in `.env`.

The only place of the engine that reads the environment.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from platformdirs import user_cache_path
from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.errors import ConfigError

PREFIX = "VARIANCE_"
LOOPBACK = "an address of this machine, such as {}://127.0.0.1:{}"
_WHERE_CREDENTIALS = "make both under OAuth applications in your Tastytrade account, with the read scope only"


class LiveSettings(BaseSettings):
    """Credentials, switches and places of the live market, checked.

    A field's description is what a message calls allowed; a field with an alias is named so outside.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    tt_secret: Annotated[
        SecretStr | None, Field(validation_alias="TT_SECRET", description="the secret of an OAuth app")
    ] = None
    tt_refresh: Annotated[
        SecretStr | None, Field(validation_alias="TT_REFRESH", description="a refresh token of its grant")
    ] = None
    cboe_terms: Annotated[
        Literal["accepted"] | None, Field(description="accepted, once docs/sources.md has been read")
    ] = None
    cache: Annotated[Path | None, Field(description="a folder for answers already fetched")] = None
    stand_in: Annotated[str | None, Field(description=LOOPBACK.format("http", 8090))] = None
    stand_in_ca: Annotated[Path | None, Field(description="a PEM file with the stand-in's authority")] = None
    stand_in_now: Annotated[
        AwareDatetime | None, Field(description="an instant with its offset, such as 2025-02-24T09:30:00Z")
    ] = None

    @field_validator("cache", "stand_in_ca")
    @classmethod
    def _place_from_home(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser()

    @field_validator("stand_in")
    @classmethod
    def _stand_in_is_here(cls, address: str | None) -> str | None:
        if address is not None and not is_loopback(address, ("http",)):
            raise ValueError("not this machine")
        return address

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.tt_secret is None) != (self.tt_refresh is None):
            given, lacking = ("TT_SECRET", "TT_REFRESH")[:: 1 if self.tt_secret else -1]
            raise ValueError(f"{given} is set without {lacking}; {_WHERE_CREDENTIALS}")
        if self.stand_in is None and (self.stand_in_ca or self.stand_in_now):
            name = "stand_in_ca" if self.stand_in_ca else "stand_in_now"
            raise ValueError(
                f"{PREFIX}{name.upper()} is set without {PREFIX}STAND_IN; allowed is only together with it"
            )
        return self

    @property
    def cache_folder(self) -> Path:
        """Where answers are kept: the operator's folder, or the user's own cache folder."""
        return self.cache or user_cache_path("variance", appauthor=False)


def now_from(start: datetime | None) -> Callable[[], datetime]:
    """The time in UTC; with `start` a clock that shows it now and runs on from there."""
    if start is None:
        return lambda: datetime.now(UTC)
    began, shown = time.monotonic(), start.astimezone(UTC)
    return lambda: shown + timedelta(seconds=time.monotonic() - began)


SettingsT = TypeVar("SettingsT", bound=LiveSettings)


def variable_of(model: type[BaseSettings], field: str) -> str:
    """The environment variable of a field."""
    alias = model.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def read_environment(
    model: type[SettingsT], env_file: Path | None = Path(".env"), strict: bool = True
) -> SettingsT:
    """Settings from the environment, then from `env_file` when it exists.

    `strict` refuses a variable with our prefix that the model does not know. Raises ConfigError in one
    sentence: the variable, its value (never a secret) and what is allowed.
    """
    in_file: Mapping[str, str | None] = {}
    if env_file is not None and env_file.is_file():
        try:
            in_file = dotenv_values(env_file, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{env_file.name} cannot be read: {error}") from None
    if strict:
        _refuse_unknown(model, [*os.environ, *in_file])
    try:
        return model(_env_file=env_file)
    except ValidationError as error:
        raise ConfigError(_sentence(model, error)) from None


def _refuse_unknown(model: type[BaseSettings], names: Iterable[str]) -> None:
    known = [name for field in model.model_fields if (name := variable_of(model, field)).startswith(PREFIX)]
    for name in names:
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known:
            words = [each.removeprefix(PREFIX) for each in known]
            near = difflib.get_close_matches(upper.removeprefix(PREFIX), words, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else f"allowed are {', '.join(known)}"
            raise ConfigError(f"{name} is no setting of this bot; {hint}")


def _sentence(model: type[BaseSettings], error: ValidationError) -> str:
    """Variable, value and what is allowed, from the first of pydantic's findings."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    place = str(first["loc"][0])
    fields = {variable_of(model, field): field for field in model.model_fields}
    name = place if place in fields else variable_of(model, place)
    about = model.model_fields[fields[name]]
    if first["type"] == "missing":
        return f"{name} is missing; {about.description}"
    if "SecretStr" in str(about.annotation):
        return f"{name} {message}"
    return f"{name} is {first['input']!r}; allowed is {about.description}"


def is_loopback(address: str, schemes: Iterable[str] = ("http", "https", "ws", "wss")) -> bool:
    """Whether an address can only be this machine: `localhost`, 127.x.x.x or ::1."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in schemes:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
