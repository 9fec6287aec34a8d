"""`variance doctor` and `variance universe`: the live sources looked after."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.request import LIVE, opened_live
from engine.console import busy, provenance_table
from engine.errors import ConfigError, StoreError, VarianceError
from engine.rules import load_rules, load_universe
from engine.symbols import clean_symbol

if TYPE_CHECKING:
    from engine.market.live.directory import UniverseChange
    from engine.market.live.doctor import Check, Report

FORMATS = ("table", "json")
FormatOption = Annotated[str, typer.Option("--format", help="table or json.")]
LiveOption = Annotated[str, typer.Option("--provider", help="auto, yahoo, tastytrade or cboe.")]


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the commands on the command line."""
    universe = typer.Typer(no_args_is_help=True, help="The operator's list of names.")
    app.command(
        "doctor", help="Try every source and show what would be used, with a remedy for each failure."
    )(_doctor(config_folder))
    universe.command("refresh", help="Compare the universe with the directory of names that have options.")(
        _refresh(config_folder)
    )
    app.add_typer(universe, name="universe")


def _doctor(config_folder: Path) -> Callable[..., None]:
    def doctor(
        symbol: Annotated[str, typer.Argument(help="The name to try it with.")] = "SPY",
        provider: LiveOption = "auto",
        form: FormatOption = "table",
        config: Annotated[Path, typer.Option(help="Folder of sources.json.")] = config_folder,
    ) -> None:
        _known(form, FORMATS, "--format")
        _known(provider, LIVE, "--provider")
        rules = load_rules(config)
        with opened_live(provider, config, rules) as (market, _), busy("asking every source"):
            report = market.doctor(clean_symbol(symbol))
        if form == "json":
            typer.echo(json.dumps(report.shape(), indent=2))
        else:
            Console(width=None if os.isatty(1) else 150, highlight=False).print(_sheet(report))
        if not report.healthy:
            raise typer.Exit(1)

    return doctor


def _refresh(config_folder: Path) -> Callable[..., None]:
    def refresh(
        out: Annotated[
            Path | None, typer.Option(help="Write the new universe here; only shown when left out.")
        ] = None,
        every: Annotated[bool, typer.Option("--all", help="Add every other name with options.")] = False,
        config: Annotated[Path, typer.Option(help="Folder of universe.csv.")] = config_folder,
    ) -> None:
        from engine.market.live.directory import optionable, refreshed_universe

        listings = load_universe(config)
        with opened_live("yahoo", config, load_rules(config)) as (market, _), busy("reading the directory"):
            directory, origin = market.on_loop(lambda gatherer: optionable(gatherer.access, gatherer.web))
        change = refreshed_universe(listings, directory)
        typer.echo(_told(change, len(directory), origin))
        if out is None:
            return
        if change.doubtful and not every:
            raise VarianceError("The directory lacks most of the universe, so nothing was written.")
        _write(out, change.text(every))
        typer.echo(f"Written to {out}; put it in place of universe.csv to use it.")

    return refresh


def _known(value: str, allowed: tuple[str, ...], option: str) -> None:
    if value not in allowed:
        raise ConfigError(f"{option} {value!r} is not known: use one of {', '.join(allowed)}.")


def _told(change: UniverseChange, listed: int, origin: str) -> str:
    lines = [
        f"{listed} names with options ({origin}); {len(change.kept)} of yours are among them, "
        f"{len(change.gone)} are not."
    ]
    candidates = {listing.symbol: found for listing, found in change.renamed}
    for listing in change.gone:
        hint = candidates.get(listing.symbol)
        lines.append(f"  {listing.symbol} ({listing.name})" + (f": now {', '.join(hint)}?" if hint else ""))
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    """Whole or not at all. Raises StoreError."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error


def _sheet(report: Report) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Source", "Latency", "Limit", "Detail"):
        table.add_column(title, justify="right" if title == "Latency" else "left", overflow="fold")
    for check in report.checks:
        table.add_row(*_line(check))
    missing = f" ({report.missing})" if report.missing else ""
    heading = f"{report.symbol}: {100 * report.coverage:.0f} % of the fields filled{missing}"
    kept = ", ".join(f"{name} {count['good']} good of {count['answers']}" for name, count in _counts(report))
    where = f"Cache: {report.cache['folder']}" + (f" ({kept})" if kept else " (empty)")
    return Group(
        table,
        Text(),
        Text(heading, style="bold"),
        provenance_table(report.used),
        Text(),
        Text(where, style="dim"),
    )


def _counts(report: Report) -> list[tuple[str, dict[str, int]]]:
    return sorted(report.cache["sources"].items())


def _line(check: Check) -> tuple[Text, str, str, str, Text]:
    if not check.configured:
        mark = Text("-", style="dim")
    else:
        mark = Text("+", style="green") if check.ok else Text("x", style="red")
    latency = f"{check.latency_ms:.0f} ms" if check.latency_ms is not None else ""
    detail = Text(check.detail)
    if check.remedy:
        detail.append(f"\n{check.remedy}", style="yellow")
    return mark, check.name, latency, check.limit, detail
