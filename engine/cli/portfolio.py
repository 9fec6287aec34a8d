"""`variance portfolio`: a file of positions valued, stressed and judged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from engine import console as screens
from engine.cli import portfolio_sheets as sheets
from engine.cli.options import (
    FORMATS,
    ConfigOption,
    DatabaseOption,
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
from engine.market.snapshot import Snapshot
from engine.panel import IvHistory, Panel
from engine.portfolio.analysis import analyse, fit_of
from engine.portfolio.book import Leg, held_of
from engine.portfolio.occ import spellings
from engine.portfolio.reading.importers import LARGEST, read_book
from engine.portfolio.reading.typed import symbol_of
from engine.rules import load_rules
from engine.screen.measure import measure
from engine.screen.screen import run_screen, screen_of
from engine.symbols import clean_symbol

FileArgument = Annotated[
    Path,
    typer.Argument(help="CSV of positions: the plain format, Tastytrade's export or Schwab's."),
]
FitOption = Annotated[
    str | None, typer.Option("--fit", help="A ticker: what one standard strangle in it would do to the book.")
]
WorthOption = Annotated[
    float | None, typer.Option("--net-liq", help="Net liquidation of the account; sizes are held against it.")
]


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the command on the command line."""
    app.command(
        "portfolio",
        help="A book of positions: profit and loss, greeks, Alpha-Theta, stress, and what asks for a look.",
    )(_portfolio(config_folder))


def _portfolio(config_folder: Path) -> Callable[..., None]:
    def portfolio(
        file: FileArgument,
        fit: FitOption = None,
        net_liq: WorthOption = None,
        provider: ProviderOption = None,
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        lens: LensOption = None,
        session: SessionOption = None,
        seed: SeedOption = None,
        config: ConfigOption = config_folder,
        database: DatabaseOption = None,
    ) -> None:
        checked(form, FORMATS, "--format")
        if net_liq is not None and not 0 < net_liq < 1e12:
            raise ConfigError("--net-liq is what the account is worth: allowed is a number above 0.")
        symbol = None if fit is None else symbol_of(clean_symbol(fit))
        content = _content(file)
        request = Request.of(provider, data, session, seed, config)
        with opened(request, load_rules(config).using(profile, lens)) as source:
            book = _Book(source, content, net_liq, symbol)
            book.show(form, database)

    return portfolio


class _Book:
    """One file at one market."""

    def __init__(self, source: Opened, content: bytes, net_liq: float | None, symbol: str | None) -> None:
        self._source = source
        self._net_liq = net_liq
        self._symbol = symbol
        kept = None if source.live is not None else _kept(source)
        self._reading = read_book(content, _today(source, kept))
        self._market = kept if kept is not None else _asked(source, self._reading.legs, symbol)

    def show(self, form: str, database: Path | None) -> None:
        """Print the book in the form asked for; exit 1 when the market says nothing at all."""
        source, rules = self._source, self._source.rules
        market = self._market.only(self._symbols(), rules.benchmark)
        panel = panel_of(market, rules.benchmark)
        if not panel.benchmark:
            leave_without_result(source, run_screen(panel, rules))
        table = measure(panel, rules, self._stored(panel, market, database))
        reading, legs = self._reading, self._reading.legs
        found = analyse(legs, panel, table, rules, self._net_liq, reading.rejected)
        added = None
        if self._symbol is not None:
            added = fit_of(self._symbol, legs, panel, table, rules, self._net_liq)
        if form == "json":
            typer.echo(sheets.portfolio_json(found, added))
        elif form == "csv":
            typer.echo(sheets.portfolio_csv(found), nl=False)
        else:
            terminal = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
            terminal.print(sheets.portfolio_sheet(found, added, reading))
        if source.live is not None:
            _tell_what_lacks(panel)
            leave_without_result(source, screen_of(panel, table, rules))

    def _stored(self, panel: Panel, market: Snapshot, database: Path | None) -> IvHistory | None:
        with record_of(database) as store:
            if store is None:
                return None
            return store.iv_history(panel.symbols, before=panel.session, realm=self._source.realm(market))

    def _symbols(self) -> list[str]:
        own = [spelt for leg in self._reading.legs for spelt in spellings(leg.symbol)]
        added = [] if self._symbol is None else spellings(self._symbol)
        return list(dict.fromkeys([self._source.rules.benchmark, "^VIX", *own, *added]))


def _tell_what_lacks(panel: Panel) -> None:
    """Names the sources had no whole answer for, a sentence each."""
    for symbol, error in zip(panel.symbols, panel.names["provider_error"], strict=True):
        if isinstance(error, str):
            typer.echo(f"variance: {symbol}: {error}.", err=True)


def _content(file: Path) -> bytes:
    """The file, as far as a book may be long. Raises ConfigError when it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}") from None


def _kept(source: Opened) -> Snapshot:
    with screens.busy("reading the market"):
        return source.provider.snapshot()


def _today(source: Opened, kept: Snapshot | None) -> date:
    if kept is not None:
        return kept.session
    assert source.live is not None
    return source.live.latest_run()[0]


def _asked(source: Opened, legs: Sequence[Leg], symbol: str | None) -> Snapshot:
    """The names of the book from live sources, with every contract it holds."""
    assert source.live is not None
    today = source.live.latest_run()[0]
    own = [leg.symbol for leg in legs if leg.has_value(today)]
    names = [source.rules.benchmark, *own, *filter(None, [symbol])]
    with screens.progress_bar("asking the sources") as progress:
        return source.live.snapshot(list(dict.fromkeys(names)), progress, held_of(legs))
