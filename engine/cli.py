"""`variance`: the engine on the command line.

Exit 0 with a result, 1 when the hard gate stops the run, 2 for bad use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from engine import console as screens
from engine.errors import ConfigError, VarianceError
from engine.market.columns import panel_of
from engine.market.snapshot import Provider, Snapshot
from engine.report import screen_csv, screen_json
from engine.rules import Rules, load_rules, load_universe
from engine.screen.result import Row, Screen
from engine.screen.screen import run_screen
from engine.symbols import clean_symbol, known_symbol

CONFIG = Path(__file__).resolve().parents[1] / "config"
DEMO_SESSION = "2025-12-31"
"""The simulated market's day unless another is asked for; the demo plays the same."""
FORMATS = ("table", "json", "csv")
PROVIDERS = ("simulated", "recorded")
View = Literal["screen", "vrp", "why"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=__doc__,
)

ProviderOption = Annotated[str, typer.Option(help="simulated or recorded.")]
DataOption = Annotated[Path | None, typer.Option(help="Folder of a recorded market.")]
FormatOption = Annotated[str, typer.Option("--format", help="table, json or csv.")]
ProfileOption = Annotated[str | None, typer.Option(help="A profile of trading_rules.json.")]
LensOption = Annotated[str | None, typer.Option(help="quarterly, yearly or consensus.")]
SymbolsOption = Annotated[str | None, typer.Option(help="Tickers, separated by commas.")]
AllOption = Annotated[bool, typer.Option("--all", help="Names that failed as well.")]
SessionOption = Annotated[str, typer.Option(help="Day of the simulated market.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the simulated market.")]
ConfigOption = Annotated[Path, typer.Option(help="Folder of trading_rules.json and universe.csv.")]
DatabaseOption = Annotated[
    Path | None, typer.Option(help="The bot's database: brings IV percentiles from stored closes.")
]


@dataclass(frozen=True, slots=True)
class _Source:
    provider: str
    data: Path | None
    session: str
    seed: int
    config: Path
    database: Path | None


def _view(view: View, words: str) -> None:
    """Add one of the three looks at a market; they share every option."""

    def command(
        names: Annotated[
            list[str] | None, typer.Argument(help="Tickers; with screen the same as --symbols.")
        ] = None,
        provider: ProviderOption = "simulated",
        data: DataOption = None,
        form: FormatOption = "table",
        profile: ProfileOption = None,
        lens: LensOption = None,
        symbols: SymbolsOption = None,
        every: AllOption = False,
        session: SessionOption = DEMO_SESSION,
        seed: SeedOption = 7,
        config: ConfigOption = CONFIG,
        database: DatabaseOption = None,
    ) -> None:
        _checked(form, FORMATS, "--format")
        source = _Source(provider, data, session, seed, config, database)
        wanted = _listed([*(names or ()), *(symbols or "").split(",")])
        result = _run(source, profile, lens, wanted or None if view == "screen" else None)
        _show(form, result, _chosen(view, result, wanted, every), view)
        if result.run.state == "aborted":
            typer.echo(f"variance: {result.run.reason}", err=True)
            raise typer.Exit(1)

    app.command(view, help=words)(command)


_view("screen", "Rank the market: what passes every gate, what nearly does, and why the rest dropped out.")
_view("vrp", "Every metric of a name: implied against realized volatility, in both lenses.")
_view("why", "Every gate of a name with value, limit and distance, whether it passed or not.")


@app.command()
def snapshot(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    provider: ProviderOption = "simulated",
    data: DataOption = None,
    symbols: SymbolsOption = None,
    session: SessionOption = DEMO_SESSION,
    seed: SeedOption = 7,
    config: ConfigOption = CONFIG,
) -> None:
    """Save the market as it is now, to be replayed with --provider recorded --data FOLDER."""
    from engine.market.recorded import write_snapshot

    rules = load_rules(config)
    source = _Source(provider, data, session, seed, config, None)
    market = _market(source, rules, _listed((symbols or "").split(",")) or None)
    write_snapshot(market, out)
    typer.echo(
        f"{len(market.underlyings)} names and {len(market.quotes)} quotes of {market.session} saved to {out}"
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the console script; every failure is one sentence on standard error."""
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


def _checked(value: str, allowed: Sequence[str], option: str) -> str:
    if value not in allowed:
        raise ConfigError(f"{option} {value!r} is not known: use one of {', '.join(allowed)}.")
    return value


def _listed(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(clean_symbol(word) for word in words if word.strip()))


def _chosen(view: View, result: Screen, wanted: Sequence[str], every: bool) -> list[Row]:
    if view == "screen":
        return list(result.rows if every else result.passed)
    if not wanted and not every:
        raise ConfigError(f"variance {view} needs a ticker, such as: variance {view} AAPL")
    if result.run.state == "aborted":
        return []
    held = [row.symbol for row in result.rows]
    symbols = held if every else [known_symbol(name, held) for name in wanted]
    return [row for row in map(result.find, symbols) if row is not None]


def _provider(source: _Source, rules: Rules) -> Provider:
    _checked(source.provider, PROVIDERS, "--provider")
    if source.provider == "recorded":
        if source.data is None:
            raise ConfigError("--provider recorded needs --data FOLDER, the folder of a recorded market.")
        from engine.market.recorded import RecordedMarket

        return RecordedMarket(source.data, rules.benchmark)
    from engine.market.simulated import SimulatedMarket

    try:
        day = date.fromisoformat(source.session)
    except ValueError:
        raise ConfigError(f"--session {source.session!r} is no day: write it as 2025-12-31.") from None
    return SimulatedMarket(load_universe(source.config), day, seed=source.seed)


def _market(source: _Source, rules: Rules, symbols: Sequence[str] | None) -> Snapshot:
    provider = _provider(source, rules)
    with screens.busy("reading the market"):
        market = provider.snapshot()
    if symbols is None:
        return market
    held = set(market.symbols)
    if not held.intersection(symbols):
        known_symbol(symbols[0] if symbols else "", held)
    return market.only(symbols, rules.benchmark)


def _run(source: _Source, profile: str | None, lens: str | None, symbols: Sequence[str] | None) -> Screen:
    rules = load_rules(source.config).using(profile, lens)
    market = _market(source, rules, symbols)
    panel = panel_of(market, rules.benchmark)
    history = None
    if source.database is not None:
        import stamina.instrumentation

        from engine.record.store import Store

        # A retry would be logged on standard output, into the middle of the JSON.
        stamina.instrumentation.set_on_retry_hooks(())
        with Store.open(source.database) as store:
            history = store.iv_history(panel.symbols, before=panel.session, realm=_realm(market))
    with screens.progress_bar() as progress:
        return run_screen(panel, rules, history, universe=symbols, progress=progress)


def _realm(market: Snapshot) -> Literal["simulated", "recorded"]:
    return "simulated" if market.source.startswith("SIMULATED") else "recorded"


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


if __name__ == "__main__":
    main()
