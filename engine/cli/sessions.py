"""`variance sessions`: the planned runs of a stretch of days, shown and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from engine.errors import ConfigError
from engine.market.schedule import PlannedRun, load_overrides, load_schedule
from engine.market.sessions import NEW_YORK, adopt, closes_early

FORMATS = ("table", "json")
DAYS = 7
"""How many days are shown unless --to says otherwise."""
LONGEST = 3660
FIRST_YEAR, LAST_YEAR = 1990, 2199
"""What the calendar's library computes with confidence: sessions that open at 09:30, days pandas can hold."""


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the command on the command line."""
    app.command("sessions", help="The planned runs from one day to another; starts nothing, asks no source.")(
        _sessions(config_folder)
    )


def _sessions(config_folder: Path) -> Callable[..., None]:
    def sessions(
        first: Annotated[str | None, typer.Option("--from", help="First day; today in New York.")] = None,
        last: Annotated[str | None, typer.Option("--to", help=f"Last day; {DAYS} days after it.")] = None,
        form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
        config: Annotated[Path, typer.Option(help="Folder of schedule.json.")] = config_folder,
    ) -> None:
        if form not in FORMATS:
            raise ConfigError(f"--format {form!r} is not known: use one of {', '.join(FORMATS)}.")
        begin = datetime.now(NEW_YORK).date() if first is None else _day("--from", first)
        end = begin + timedelta(days=DAYS) if last is None else _day("--to", last)
        _check_order(begin, end)
        schedule = load_schedule(config)
        adopt(load_overrides(config))
        runs = schedule.of_sessions(begin, end)
        if form == "json":
            typer.echo(json.dumps([_entry(run) for run in runs], indent=2))
        else:
            Console(width=None if os.isatty(1) else 150, highlight=False).print(_table(runs))

    return sessions


def _day(option: str, text: str) -> date:
    try:
        day: date | None = date.fromisoformat(text)
    except ValueError:
        day = None
    # The library also takes weeks (2026-W48) and days without dashes.
    if day is None or day.isoformat() != text:
        raise ConfigError(f"{option} {text!r} is no day: write it as 2026-11-27.")
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ConfigError(
            f"{option} {text} is outside the calendar: allowed are {FIRST_YEAR} to {LAST_YEAR}."
        )
    return day


def _check_order(first: date, last: date) -> None:
    if first > last:
        raise ConfigError(f"--from {first} lies after --to {last}: give the earlier day first.")
    if (last - first).days > LONGEST:
        raise ConfigError(f"{first} to {last} is too long: allowed are {LONGEST} days at a time.")


def _entry(run: PlannedRun) -> dict[str, str]:
    return {
        "key": run.key,
        "kind": run.kind,
        "session": run.session.isoformat(),
        "at": run.at.isoformat(),
    }


def _table(runs: list[PlannedRun]) -> Table | str:
    if not runs:
        return "No run is planned in these days."
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Run", "New York", "UTC", ""):
        table.add_column(title)
    for run in runs:
        local, note = run.at.astimezone(NEW_YORK), ""
        if run.kind == "close" and closes_early(run.session):
            note = "early close"
        table.add_row(run.key, f"{local:%a %d %b %Y %H:%M %Z}", f"{run.at:%a %H:%M}", note)
    return table
