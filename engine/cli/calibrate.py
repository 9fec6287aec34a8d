"""`variance calibrate`: do the thresholds still fit the market they judge?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from engine import console as screens
from engine.cli import calibrate_sheets as sheets
from engine.cli.calibrate_sheets import Told
from engine.cli.options import (
    FORMATS,
    AllOption,
    ConfigOption,
    DataOption,
    FormatOption,
    LensOption,
    ProfileOption,
    ProviderOption,
    SeedOption,
    SessionOption,
    checked,
)
from engine.cli.request import Opened, Request, leave_without_result, opened, record_of
from engine.errors import ConfigError
from engine.market.columns import panel_of
from engine.proof.calibration import Calibration, calibrate
from engine.proof.lenses import Close
from engine.record.closes import last_closes, measured_table, newest_close
from engine.rules import Rules, load_rules
from engine.screen.measure import measure
from engine.screen.result import Run, Screen
from engine.screen.screen import run_screen, screen_of

MOST_CLOSES = 252
RecordOption = Annotated[
    Path | None,
    typer.Option("--database", help="The bot's database: its stored closes in place of a market."),
]
ClosesOption = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_CLOSES, help="With --database: so many last official closes, pooled."),
]


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the command on the command line."""
    app.command(
        "calibrate",
        help="Both lenses side by side, and whether the thresholds still fit; nothing is ever changed.",
    )(_calibrate(config_folder))


def _calibrate(config_folder: Path) -> Callable[..., None]:
    def calibration(
        provider: ProviderOption = None,
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        lens: LensOption = None,
        session: SessionOption = None,
        seed: SeedOption = None,
        config: ConfigOption = config_folder,
        database: RecordOption = None,
        closes: ClosesOption = None,
        every: AllOption = False,
    ) -> None:
        checked(form, FORMATS, "--format")
        rules = load_rules(config).using(profile, lens)
        if database is not None:
            if any(each is not None for each in (provider, data, session, seed)):
                raise ConfigError(
                    "--database reads stored closes in place of a market: leave --provider, --data, "
                    "--session and --seed out."
                )
            _show(form, *_stored(database, closes or 1, rules), every)
            return
        if closes is not None:
            raise ConfigError("--closes needs --database FILE: several closes are read from the record.")
        with opened(Request.of(provider, data, session, seed, config), rules) as source:
            screen, found = _at_hand(source)
            if found is not None:
                _show(form, _told(screen.run), found, every)
            leave_without_result(source, screen)

    return calibration


def _at_hand(source: Opened) -> tuple[Screen, Calibration | None]:
    """The market measured and judged; no calibration after the hard gate."""
    market = source.market(None)
    panel = panel_of(market, source.rules.benchmark)
    if not panel.benchmark:
        return run_screen(panel, source.rules), None
    with screens.progress_bar("measuring") as progress:
        table = measure(panel, source.rules, progress=progress)
    screen = screen_of(panel, table, source.rules)
    return screen, calibrate([Close(panel.session, table)], source.rules, sheets.doubt(screen.run))


def _stored(database: Path, count: int, rules: Rules) -> tuple[Told, Calibration]:
    """The last stored official closes of the realm the newest one belongs to."""
    with record_of(database) as store:
        assert store is not None
        newest = newest_close(store)
        if newest is None:
            typer.echo("variance: The record holds no official close yet.", err=True)
            raise typer.Exit(1)
        infos = last_closes(store, newest.realm, count)
        with screens.busy("reading the record"):
            closes = [Close(info.run.session, measured_table(store, info.id)) for info in infos]
    short = (
        f"The record holds {len(closes)} of the {count} closes asked for." if len(closes) < count else None
    )
    return _told(infos[-1].run, short), calibrate(closes, rules)


def _told(run: Run, note: str | None = None) -> Told:
    return Told(run.kind, run.source, tuple(filter(None, (note, sheets.state_words(run)))))


def _show(form: str, told: Told, found: Calibration, every: bool) -> None:
    if form == "table":
        console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
        console.print(sheets.calibration_sheet(found, told, every))
    else:
        text = sheets.calibration_json(found, told) if form == "json" else sheets.names_csv(found)
        typer.echo(text, nl=form == "json")
