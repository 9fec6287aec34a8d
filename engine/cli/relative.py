"""`variance pairs` and `variance sectors`: names measured against each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console, RenderableType

from engine import console as screens
from engine.cli import relative_sheets as sheets
from engine.cli.options import (
    FORMATS,
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
from engine.cli.request import LIVE, Opened, Request, leave_without_result, opened, record_of
from engine.errors import ConfigError
from engine.market.columns import panel_of
from engine.panel import Panel
from engine.record.pairs import spread_history
from engine.record.rows import Realm
from engine.relative.pairs import PairDetail, PairRow, SpreadHistory, measure_pairs, pair_detail
from engine.relative.sectors import measure_sectors, ratio_column, small_sectors
from engine.rules import Pair, load_pairs, load_rules, load_universe
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import run_screen, screen_of

PairArgument = Annotated[
    str | None,
    typer.Argument(help="A pair of pairs.json, by its id or its legs (GLD/SLV); all when left out."),
]
SectorArgument = Annotated[
    str | None, typer.Argument(help="A sector, or a part of its name; all of them when left out.")
]
HistoryOption = Annotated[
    Path | None, typer.Option("--database", help="The bot's database: brings the past of each spread.")
]


@dataclass(frozen=True, slots=True)
class _Measured:
    """One market, measured once; `table` is None after the hard gate."""

    panel: Panel
    table: pd.DataFrame | None
    screen: Screen
    realm: Realm


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the commands on the command line."""
    app.command(
        "pairs",
        help="Pairs of names: how far their premiums lie apart, and whether they still move together.",
    )(_pairs(config_folder))
    app.command(
        "sectors", help="Sectors: how rich each is as a whole, and which names stand apart from theirs."
    )(_sectors(config_folder))


def _pairs(config_folder: Path) -> Callable[..., None]:
    def pairs(
        pair: PairArgument = None,
        provider: ProviderOption = None,
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        session: SessionOption = None,
        seed: SeedOption = None,
        config: ConfigOption = config_folder,
        database: HistoryOption = None,
    ) -> None:
        checked(form, FORMATS, "--format")
        request = Request.of(provider, data, session, seed, config)
        rules = load_rules(config).using(profile)
        chosen = _chosen_pairs(load_pairs(config), pair)
        legs = list(dict.fromkeys(leg for each in chosen for leg in (each.leg_a, each.leg_b)))
        with opened(request, rules) as source:
            # Live, only the legs are asked for; a kept market is read whole anyway.
            found = _measure(source, legs if request.provider in LIVE else None)
            apart = source.rules.relative.convergence_spread
            rows = measure_pairs(found.panel, found.table, chosen, apart)
            if form == "table":
                details = _details(found, rows, database)
                if found.table is not None:
                    _print(sheets.pairs_sheet(found.screen, rows, details, apart, alone=pair is not None))
            else:
                typer.echo(
                    sheets.pairs_json(rows) if form == "json" else sheets.pairs_csv(rows), nl=form == "json"
                )
            leave_without_result(source, found.screen)

    return pairs


def _sectors(config_folder: Path) -> Callable[..., None]:
    def sectors(
        sector: SectorArgument = None,
        provider: ProviderOption = None,
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        lens: LensOption = None,
        session: SessionOption = None,
        seed: SeedOption = None,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(form, FORMATS, "--format")
        request = Request.of(provider, data, session, seed, config)
        rules = load_rules(config).using(profile, lens)
        live = request.provider in LIVE
        symbols: list[str] | None = None
        if live and sector is not None:
            listings = load_universe(config)
            sector = _chosen_sector([listing.sector for listing in listings], sector)
            symbols = [listing.symbol for listing in listings if listing.sector == sector]
        with opened(request, rules) as source:
            found = _measure(source, symbols)
            if sector is not None and not live:
                sector = _chosen_sector(list(found.panel.names["sector"].dropna()), sector)
            view = sheets.SectorView(
                measure_sectors(found.table, source.rules, whole_market=symbols is None),
                small_sectors(found.table, source.rules),
                sector,
            )
            _show_sectors(form, found, view, source)

    return sectors


def _show_sectors(form: str, found: _Measured, view: sheets.SectorView, source: Opened) -> None:
    least = source.rules.relative.sector_min_names
    if form != "table":
        shown = sheets.sectors_json(view.reports) if form == "json" else sheets.sectors_csv(view.reports)
        typer.echo(shown, nl=form == "json")
    elif found.table is not None and view.reports:
        notable = source.rules.relative.notable_delta
        _print(sheets.sectors_sheet(found.screen, view, notable, least))
    leave_without_result(source, found.screen)
    if not view.reports:
        typer.echo(f"variance: {sheets.too_small(view, ratio_column(source.rules), least)}", err=True)
        raise typer.Exit(1)


def _measure(source: Opened, symbols: Sequence[str] | None) -> _Measured:
    """The market measured once and judged, for what the run has to say of itself."""
    market = source.market(symbols)
    panel = panel_of(market, source.rules.benchmark)
    realm = source.realm(market)
    if not panel.benchmark:
        return _Measured(panel, None, run_screen(panel, source.rules, universe=symbols), realm)
    with screens.progress_bar("measuring") as progress:
        table = measure(panel, source.rules, progress=progress)
    return _Measured(panel, table, screen_of(panel, table, source.rules, symbols), realm)


def _details(found: _Measured, rows: Sequence[PairRow], database: Path | None) -> list[PairDetail]:
    histories: list[SpreadHistory | None] = [None] * len(rows)
    with record_of(database) as store:
        if store is not None:
            realm, before = found.realm, found.panel.session
            histories = [spread_history(store, row.leg_a, row.leg_b, realm, before) for row in rows]
    return [pair_detail(row, past, found.table) for row, past in zip(rows, histories, strict=True)]


def _chosen_pairs(pairs: Sequence[Pair], wanted: str | None) -> list[Pair]:
    """The pairs asked for. Raises ConfigError naming those there are."""
    if not pairs:
        raise ConfigError("pairs.json lists no pair: give at least one.")
    if wanted is None:
        return list(pairs)
    name = wanted.strip().upper()
    ident = name.replace("-", "_").replace(" ", "_")
    legs = {leg.strip().removeprefix("$") for leg in name.split("/")}
    found = [each for each in pairs if each.id == ident or {each.leg_a, each.leg_b} == legs]
    if not found:
        raise ConfigError(f"There is no such pair: use one of {', '.join(each.id for each in pairs)}.")
    return found


def _chosen_sector(sectors: Sequence[str], wanted: str) -> str:
    """The sector somebody means. Raises ConfigError naming those there are."""
    known = sorted(set(map(str, sectors)))
    name = wanted.strip().casefold()
    exact = [sector for sector in known if sector.casefold() == name]
    begins = [sector for sector in known if name and sector.casefold().startswith(name)]
    holds = [sector for sector in known if name and name in sector.casefold()]
    for found in (exact, begins, holds):
        if len(found) == 1:
            return found[0]
    raise ConfigError(
        f"There is no such sector: use one of {', '.join(known) or 'none, the market names none'}."
    )


def _print(sheet: RenderableType) -> None:
    Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(sheet)
