"""`variance`: the engine on the command line.

Exit 0 with a result, 1 when there is none to be had (the hard gate, sources that do not answer), 2 for bad
use.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from engine import console as screens
from engine.cli import backtest, backup, calibrate, history, live, portfolio, relative, scorecard, sessions
from engine.cli.options import (
    FORMATS,
    AllOption,
    ConfigOption,
    DatabaseOption,
    DataOption,
    FormatOption,
    LensOption,
    ProfileOption,
    ProviderOption,
    SeedOption,
    SessionOption,
    SymbolsOption,
    checked,
)
from engine.cli.request import LIVE, Opened, Request, leave_without_result, opened, record_of
from engine.errors import ConfigError, VarianceError
from engine.market.columns import panel_of
from engine.report import screen_csv, screen_json
from engine.rules import load_rules
from engine.screen.result import Row, Screen
from engine.screen.screen import run_screen
from engine.symbols import clean_symbol, known_symbol

CONFIG = Path(__file__).resolve().parents[2] / "config"
View = Literal["screen", "vrp", "why"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=__doc__,
)
live.add_to(app, CONFIG)
sessions.add_to(app, CONFIG)
relative.add_to(app, CONFIG)
calibrate.add_to(app, CONFIG)
portfolio.add_to(app, CONFIG)
history.add_to(app, CONFIG)
scorecard.add_to(app, CONFIG)
backup.add_to(app)
backtest.add_to(app, CONFIG)


def _view(view: View, words: str) -> None:
    """Add one of the three looks at a market; they share every option."""

    def command(
        names: Annotated[
            list[str] | None, typer.Argument(help="Tickers; with screen the same as --symbols.")
        ] = None,
        provider: ProviderOption = None,
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        lens: LensOption = None,
        symbols: SymbolsOption = None,
        every: AllOption = False,
        session: SessionOption = None,
        seed: SeedOption = None,
        config: ConfigOption = CONFIG,
        database: DatabaseOption = None,
    ) -> None:
        checked(form, FORMATS, "--format")
        wanted = _listed([*(names or ()), *(symbols or "").split(",")])
        if view != "screen" and not wanted and not every:
            raise ConfigError(f"variance {view} needs a ticker, such as: variance {view} AAPL")
        request = Request.of(provider, data, session, seed, config)
        with opened(request, load_rules(config).using(profile, lens)) as source:
            # A live name is asked for alone; a kept market is ranked whole, so that a rank means something.
            alone = wanted if view == "screen" or (request.provider in LIVE and not every) else []
            result = _run(source, alone or None, database)
            _show(form, result, _chosen(view, result, wanted, every), view)
            leave_without_result(source, result)

    app.command(view, help=words)(command)


_view("screen", "Rank the market: what passes every gate, what nearly does, and why the rest dropped out.")
_view("vrp", "Every metric of a name: implied against realized volatility, in both lenses.")
_view("why", "Every gate of a name with value, limit and distance, whether it passed or not.")


@app.command()
def snapshot(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    provider: ProviderOption = None,
    data: DataOption = None,
    symbols: SymbolsOption = None,
    session: SessionOption = None,
    seed: SeedOption = None,
    config: ConfigOption = CONFIG,
) -> None:
    """Save the market as it is now, to be replayed with --provider recorded --data FOLDER."""
    from engine.market.recorded import write_snapshot

    with opened(Request.of(provider, data, session, seed, config), load_rules(config)) as source:
        market = source.market(_listed((symbols or "").split(",")) or None)
        write_snapshot(market, out)
    typer.echo(
        f"{len(market.underlyings)} names and {len(market.quotes)} quotes of {market.session} saved to {out}"
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script; every failure is one sentence on standard error."""
    # What the engine logs of a name's trouble is told with the name; without a handler it would be printed.
    logging.getLogger("engine").addHandler(logging.NullHandler())
    try:
        status = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except typer.BadParameter as error:
        _fail(error.format_message())
    except (TyperException, VarianceError) as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader (a pager, head) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"variance: {sentence}", err=True)
    sys.exit(2)


def _listed(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(clean_symbol(word) for word in words if word.strip()))


def _chosen(view: View, result: Screen, wanted: Sequence[str], every: bool) -> list[Row]:
    if view == "screen":
        return list(result.rows if every else result.passed)
    if result.run.state == "aborted":
        return []
    held = [row.symbol for row in result.rows]
    symbols = held if every else [known_symbol(name, held) for name in wanted]
    return [row for row in map(result.find, symbols) if row is not None]


def _run(source: Opened, symbols: Sequence[str] | None, database: Path | None) -> Screen:
    market = source.market(symbols)
    panel = panel_of(market, source.rules.benchmark)
    history = None
    with record_of(database) as store:
        if store is not None:
            history = store.iv_history(panel.symbols, before=panel.session, realm=source.realm(market))
    with screens.progress_bar("measuring") as progress:
        return run_screen(panel, source.rules, history, universe=symbols, progress=progress)


def _show(form: str, result: Screen, rows: Sequence[Row], view: View) -> None:
    if form == "json":
        typer.echo(screen_json(result, rows))
    elif form == "csv":
        typer.echo(screen_csv(rows), nl=False)
    else:
        terminal = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
        if view == "screen" or not rows:
            terminal.print(screens.screen_table(result, rows))
        detail = {"vrp": screens.vrp_detail, "why": screens.why_detail}.get(view)
        for row in rows if detail else ():
            terminal.print(detail(result, row) if detail else "")
