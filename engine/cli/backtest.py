"""`variance backtest` and `variance sweep`: a past judged day by day as it came."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.console import Group as Together
from rich.text import Text

from engine import console as screens
from engine.cli import sweep_sheets
from engine.cli.backtest_files import read_iv, read_prices
from engine.cli.options import ConfigOption, LensOption, ProfileOption, checked
from engine.cli.proof_sheets import groups_table, scorecard_sheet
from engine.errors import ConfigError
from engine.market.schedule import load_overrides
from engine.market.sessions import adopt, sessions_between
from engine.proof.backtest import backtest
from engine.proof.result import BYS, Backtest, By
from engine.proof.series import Past, past_of
from engine.proof.shape import scorecard_shape
from engine.proof.sweep import sweep
from engine.rules import Rules, load_rules
from engine.symbols import clean_symbol, shortened

FORMATS = ("table", "json")
REPORTS = (".html", ".png")

IvOption = Annotated[Path, typer.Option("--iv", help="CSV of date, symbol, iv30 (a fraction); .gz too.")]
PricesOption = Annotated[Path, typer.Option("--prices", help="CSV of date, symbol, close; .gz too.")]
FormatOption = Annotated[str, typer.Option("--format", help="table or json.")]
BenchmarkOption = Annotated[str | None, typer.Option(help="The second baseline; SPY unless another is set.")]
ByOption = Annotated[
    str | None, typer.Option(help="signal, regime, gate or symbol; all but the last without.")
]
FromOption = Annotated[str | None, typer.Option("--from", help="First day judged, such as 2022-01-03.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Last day judged; outcomes may lie after it.")]
AsIsOption = Annotated[bool, typer.Option("--as-is", help="Look for no unadjusted splits in the prices.")]
ReportOption = Annotated[Path | None, typer.Option(help="Write a report as well: FILE.html or FILE.png.")]
StructuralOption = Annotated[
    str | None, typer.Option(help="Thresholds tried, low:high:step; around the lens's own without.")
]
TacticalOption = Annotated[str | None, typer.Option(help="The same for the tactical premium.")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What both commands want: a past, the rules it is judged by, and the days."""

    past: Past
    rules: Rules
    first: date | None
    last: date | None


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the commands on the command line."""
    app.command(
        "backtest", help="Judge a past of IV30 and prices day by day as it came, and score the calls."
    )(_backtest(config_folder))
    app.command("sweep", help="Try pairs of premium thresholds on the same past, the number of trials told.")(
        _sweep(config_folder)
    )


def _backtest(config_folder: Path) -> Callable[..., None]:
    def command(
        iv: IvOption,
        prices: PricesOption,
        form: FormatOption = "table",
        lens: LensOption = None,
        profile: ProfileOption = None,
        report: ReportOption = None,
        benchmark: BenchmarkOption = None,
        by: ByOption = None,
        first: FromOption = None,
        last: ToOption = None,
        as_is: AsIsOption = False,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(form, FORMATS, "--format")
        grouped = _by(by)
        _check_report(report)
        named = None if benchmark is None else clean_symbol(benchmark)
        asked = _asked(iv, prices, lens, profile, (first, last), as_is, config)
        with screens.progress_bar("judging") as progress:
            result = backtest(
                asked.past,
                asked.rules,
                named or asked.rules.benchmark,
                grouped,
                asked.first,
                asked.last,
                progress,
            )
        if report is not None:
            _write(result, report)
        if form == "json":
            typer.echo(json.dumps(scorecard_shape(result.scorecard), indent=1, allow_nan=False))
        else:
            _print(result)

    return command


def _sweep(config_folder: Path) -> Callable[..., None]:
    def command(
        iv: IvOption,
        prices: PricesOption,
        structural: StructuralOption = None,
        tactical: TacticalOption = None,
        form: FormatOption = "table",
        lens: LensOption = None,
        profile: ProfileOption = None,
        first: FromOption = None,
        last: ToOption = None,
        as_is: AsIsOption = False,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(form, FORMATS, "--format")
        limits = (
            sweep_sheets.limits(structural, "--structural"),
            sweep_sheets.limits(tactical, "--tactical"),
        )
        asked = _asked(iv, prices, lens, profile, (first, last), as_is, config)
        around = sweep_sheets.around(asked.rules.lens)
        with screens.progress_bar("judging") as progress:
            result = sweep(
                asked.past,
                asked.rules,
                limits[0] or around,
                limits[1] or around,
                asked.first,
                asked.last,
                progress,
            )
        if form == "json":
            typer.echo(json.dumps(sweep_sheets.sweep_shape(result), indent=1, allow_nan=False))
        else:
            _terminal().print(sweep_sheets.sweep_sheet(result))

    return command


def _asked(
    iv: Path,
    prices: Path,
    lens: str | None,
    profile: str | None,
    days: tuple[str | None, str | None],
    as_is: bool,
    config: Path,
) -> _Asked:
    rules = load_rules(config).using(profile, lens).settled(provider_values=False)
    first, last = _day(days[0], "--from"), _day(days[1], "--to")
    if first is not None and last is not None and first > last:
        raise ConfigError("--from lies after --to: give the earlier day first.")
    adopt(load_overrides(config))
    with screens.busy("reading the files"):
        implied, closes = read_iv(iv), read_prices(prices)
        days_held = [day for lines in (implied, closes) for day in (lines.day.min(), lines.day.max())]
        grid = sessions_between(min(days_held).item(), max(days_held).item())
        past = past_of(implied, closes, grid, repair=not as_is)
    return _Asked(past, rules, first, last)


def _by(text: str | None) -> By | None:
    for by in BYS:
        if text == by:
            return by
    if text is not None:
        raise ConfigError(f"--by {shortened(text)!r} is not known: use one of {', '.join(BYS)}.")
    return None


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {shortened(text)!r} is no day: write it as 2025-12-31.") from None


def _check_report(path: Path | None) -> None:
    """A report that cannot be written should not cost a whole backtest first."""
    if path is None:
        return
    if path.suffix.lower() not in REPORTS:
        raise ConfigError("--report: name a file that ends in .html or .png.")
    if not path.parent.is_dir():
        raise ConfigError("--report: there is no such folder to write to.")


def _write(result: Backtest, path: Path) -> None:
    # Drawing is loaded only where a report is asked for.
    from engine.cli.backtest_report import write_report

    try:
        write_report(result, path)
    except OSError:
        raise ConfigError("--report: the file cannot be written there.") from None


def _print(result: Backtest) -> None:
    card = result.scorecard
    least = float(card.settings["small_sample_below"])
    missing = ", ".join(f"{gate} ({why})" for gate, why in card.settings["gates_not_judged"].items())
    notes = [f"Not judged: {missing}.", *result.notes]
    _terminal().print(
        Together(
            scorecard_sheet(card, "Backtest"),
            Text("\nOne premium above a threshold, whatever the other gates say", style="bold"),
            groups_table(result.thresholds, (), least),
            Text("\n" + "\n".join(f"Note: {note}" for note in notes), style="dim"),
        )
    )


def _terminal() -> Console:
    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)
