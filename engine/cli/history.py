"""`variance history`: one name through the record, and values from elsewhere brought into it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from typer.core import TyperGroup

from engine.cli import history_sheets as sheets
from engine.cli.backup import Places
from engine.cli.history_import import import_command
from engine.cli.options import FORMATS, ConfigOption, FormatOption, checked
from engine.cli.request import record_of
from engine.environment import read_environment
from engine.errors import ConfigError
from engine.record.names import NameClose, name_history, stored_symbols, versions
from engine.record.rows import Realm
from engine.record.series import WINDOWS
from engine.record.store import Store
from engine.rules import Rules, load_rules
from engine.symbols import clean_symbol, nearest

REALMS: tuple[Realm, ...] = ("live", "recorded", "simulated")
"""In the order they are looked through when none is asked for."""
_SHOW = "show"
_HELP = """One name through the official closes of the record: variance history SYMBOL. Its options are those
of `variance history show --help`; `variance history import` brings values from elsewhere."""

DatabaseOption = Annotated[
    Path | None,
    typer.Option("--database", help="The record; the bot's own (VARIANCE_DATABASE) when left out."),
]


class HistoryGroup(TyperGroup):
    """Takes `history AAPL` for `history show AAPL`: whatever is no command of its own is a name.

    A ticker called like one of the commands is asked for with `show` before it.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The words after `history`, with the command they leave out."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [_SHOW, *args]
        return super().parse_args(ctx, args)


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the commands on the command line."""
    group = typer.Typer(cls=HistoryGroup, no_args_is_help=True, help=_HELP)
    group.command(_SHOW, help="One name's official closes: IV30, realized volatility, ratios, verdicts.")(
        _show(config_folder)
    )
    group.command(
        "import",
        help="Daily IV30 from a CSV file (date, symbol, iv30), from Tastytrade, or saved closes.",
    )(import_command(config_folder))
    app.add_typer(group, name="history")


def _show(config_folder: Path) -> Callable[..., None]:
    def show(
        symbol: Annotated[str, typer.Argument(help="A ticker, such as AAPL.")],
        database: DatabaseOption = None,
        window: Annotated[
            str, typer.Option(help="quarter, year or all: the last 63 or 252 sessions stored, or every one.")
        ] = "year",
        form: FormatOption = "table",
        realm: Annotated[
            str | None,
            typer.Option(help="live, recorded or simulated; the first that holds the name when left out."),
        ] = None,
        corrections: Annotated[
            bool, typer.Option("--corrections", help="Every version of closes that were corrected.")
        ] = False,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(form, FORMATS, "--format")
        checked(window, tuple(WINDOWS), "--window")
        wanted = _realms(realm)
        ticker = clean_symbol(symbol)
        rules = load_rules(config)
        with record_of(record_file(database)) as store:
            assert store is not None
            if corrections:
                _told_versions(store, ticker, wanted, form)
            else:
                _told(store, ticker, wanted, window, form, rules)

    return show


def record_file(database: Path | None) -> Path:
    """The record that is meant. Raises ConfigError when there is none."""
    path = (database or read_environment(Places, strict=False).database).expanduser()
    if not path.is_file():
        raise ConfigError(f"There is no record at {path}: --database FILE names another.")
    return path


def _realms(wanted: str | None) -> tuple[Realm, ...]:
    if wanted is None:
        return REALMS
    checked(wanted, REALMS, "--realm")
    return tuple(realm for realm in REALMS if realm == wanted)


def _told(store: Store, symbol: str, realms: tuple[Realm, ...], window: str, form: str, rules: Rules) -> None:
    for realm in realms:
        history = name_history(store, symbol, realm, window, rules)
        if history is not None:
            break
    else:
        raise _unknown(store, symbol, realms)
    if form == "json":
        typer.echo(sheets.history_json(history))
    elif form == "csv":
        typer.echo(sheets.closes_csv(history.closes), nl=False)
    else:
        _print(sheets.history_sheet(history))


def _told_versions(store: Store, symbol: str, realms: tuple[Realm, ...], form: str) -> None:
    found: list[NameClose] = []
    for realm in realms:
        found = versions(store, symbol, realm)
        if found:
            break
    if form == "json":
        typer.echo(sheets.versions_json(symbol, found))
    elif form == "csv":
        typer.echo(sheets.closes_csv(found), nl=False)
    else:
        _print(sheets.versions_sheet(symbol, found))


def _unknown(store: Store, symbol: str, realms: tuple[Realm, ...]) -> ConfigError:
    """The sentence about a name that was never stored, with those that look like it."""
    near = nearest(symbol, {each for realm in realms for each in stored_symbols(store, realm)})
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    where = f" of the {realms[0]} market" if len(realms) == 1 else ""
    return ConfigError(f"The record holds no official close{where} of {symbol}.{hint}")


def _print(sheet: RenderableType) -> None:
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(sheet)
