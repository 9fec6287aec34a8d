"""Options that several commands share, and the one check they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import ConfigError

FORMATS = ("table", "json", "csv")

ProviderOption = Annotated[
    str | None,
    typer.Option(
        help="auto (the default: Tastytrade with credentials, else Yahoo), yahoo, tastytrade, cboe, "
        "recorded or simulated."
    ),
]
DataOption = Annotated[Path | None, typer.Option(help="Folder of a recorded market.")]
FormatOption = Annotated[str, typer.Option("--format", help="table, json or csv.")]
ProfileOption = Annotated[str | None, typer.Option(help="A profile of trading_rules.json.")]
LensOption = Annotated[str | None, typer.Option(help="quarterly, yearly or consensus.")]
SymbolsOption = Annotated[str | None, typer.Option(help="Tickers, separated by commas.")]
AllOption = Annotated[bool, typer.Option("--all", help="Names that failed as well.")]
SessionOption = Annotated[str | None, typer.Option(help="Day of the simulated market.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of the simulated market.")]
ConfigOption = Annotated[Path, typer.Option(help="Folder of trading_rules.json and universe.csv.")]
DatabaseOption = Annotated[
    Path | None, typer.Option(help="The bot's database: brings IV percentiles from stored closes.")
]


def checked(value: str, allowed: Sequence[str], option: str) -> str:
    """`value`, when it is one of `allowed`. Raises ConfigError naming them."""
    if value not in allowed:
        raise ConfigError(f"{option} {value!r} is not known: use one of {', '.join(allowed)}.")
    return value
