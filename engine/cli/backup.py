"""`variance backup` and `variance restore`: the record copied while it is in use, and put back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from engine.environment import LiveSettings, read_environment
from engine.record.backup import back_up, restore


class Places(LiveSettings):
    """Where the bot of the same environment keeps its record and its backups."""

    database: Path = Path("var/variance.db")
    backups: Path | None = None


def add_to(app: typer.Typer) -> None:
    """Put the commands on the command line."""
    app.command("backup", help="Copy the record into a dated file, also while the bot is running.")(_backup)
    app.command("restore", help="Put a backup in the record's place; the file there moves aside.")(_restore)


def _backup(
    database: Annotated[
        Path | None, typer.Option(help="The record; the bot's own (VARIANCE_DATABASE) when left out.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder; VARIANCE_BACKUPS, or backups beside the record, when left out."),
    ] = None,
) -> None:
    places = read_environment(Places, strict=False)
    record = (database or places.database).expanduser()
    chosen = to or (places.backups if database is None else None) or record.parent / "backups"
    made = back_up(record, chosen.expanduser(), datetime.now(UTC))
    typer.echo(f"{made.path} ({made.size:,} bytes, checked)")


def _restore(
    backup: Annotated[Path, typer.Argument(help="The file to restore from.")],
    database: Annotated[Path, typer.Option(help="The record to replace; stop the bot first.")],
) -> None:
    record = database.expanduser()
    aside = restore(backup.expanduser(), record, datetime.now(UTC))
    typer.echo(f"{record} is now the record of {backup}.")
    if aside is not None:
        typer.echo(f"What stood there before is {aside}.")
