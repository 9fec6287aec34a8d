"""Files under config/ as models: unchangeable, unknown keys refused, every error one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from engine.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
Ticker = Annotated[str, StringConstraints(pattern=r"^[/^]?[A-Z0-9][A-Z0-9.\-]{0,9}$")]


class Frozen(BaseModel):
    """What every file under config/ is read into: unchangeable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


def read_json(path: Path) -> object:
    """A JSON file. Raises ConfigError with the line that is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path.name}, line {error.lineno}: not valid JSON ({error.msg})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read: {cause(error)}") from None


def cause(error: Exception) -> str:
    """What went wrong with a file, in the system's words."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def validated(model: type[ModelT], data: object, path: Path, line: int | None = None) -> ModelT:
    """`data` as a model. Raises ConfigError with file, key, value and what is allowed."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(sentence(path, error, line=line)) from None


def sentence(path: Path, error: ValidationError, prefix: str = "", line: int | None = None) -> str:
    """File, key, value and what is allowed, from the first of pydantic's findings."""
    first = error.errors()[0]
    key = prefix + ".".join(str(part) for part in first["loc"])
    place = path.name + (f", line {line}" if line else "")
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key {key}"
    if first["type"] == "missing":
        return f"{place}: key {key} is missing"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    verb = "" if first["type"] == "value_error" else "allowed is "
    value = first["input"]
    shown = f" has the value {value!r};" if isinstance(value, str | int | float | bool | None) else ""
    return f"{place}: {key or 'the file'}{shown or ':'} {verb}{message}"


def no_repeats(path: Path, key: str, values: list[str]) -> None:
    """Raises ConfigError when a value stands twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ConfigError(f"{path.name}: {key} {value} stands twice; each may stand once")
        seen.add(value)
