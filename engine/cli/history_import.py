"""`variance history import`: daily IV30 from a file or from Tastytrade, closes from saved snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.backup import Places
from engine.cli.history_sheets import counted
from engine.cli.options import ConfigOption, checked
from engine.cli.request import opened_live
from engine.console import busy
from engine.environment import now_from, read_environment
from engine.errors import ConfigError, SnapshotError, VarianceError
from engine.market.columns import panel_of
from engine.market.recorded import read_facts, read_snapshot
from engine.market.schedule import load_overrides
from engine.market.sessions import adopt
from engine.market.snapshot import SIMULATED
from engine.record.imports import (
    ImportCounts,
    ImportedIv,
    ReadFile,
    import_counts,
    keep_imports,
    plain_name,
    read_iv_file,
)
from engine.record.pairs import save_pairs
from engine.record.rows import Realm
from engine.record.series import official_closes
from engine.record.store import Store
from engine.relative.pairs import measure_pairs
from engine.rules import Rules, load_pairs, load_rules, load_universe
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import run_screen, screen_of
from engine.symbols import clean_symbol

if TYPE_CHECKING:
    from engine.market.live.answers import IvHistory
    from engine.market.live.failures import SourceError
    from engine.market.live.gather import Gatherer

REALMS: tuple[Realm, ...] = ("live", "recorded")
TASTYTRADE = "tastytrade"
_MOST_TOLD = 1000


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for."""

    paths: tuple[Path, ...]
    source: str | None
    realm: Realm
    dry: bool
    config: Path
    rules: Rules


def import_command(config_folder: Path) -> Callable[..., None]:
    """The command `variance history import`."""

    def bring(
        paths: Annotated[
            list[Path] | None,
            typer.Argument(help="A CSV file (date, symbol, iv30); with --snapshots further folders."),
        ] = None,
        source: Annotated[
            str | None, typer.Option(help="Where the file's values come from, unless its lines say so.")
        ] = None,
        provider: Annotated[
            str | None, typer.Option(help="tastytrade: a year of its daily implied volatility.")
        ] = None,
        symbols: Annotated[
            str | None, typer.Option(help="With --provider: tickers, parted by commas; else the universe.")
        ] = None,
        snapshots: Annotated[
            list[Path] | None, typer.Option(help="Folders of saved closes, to be measured and judged.")
        ] = None,
        database: Annotated[
            Path | None, typer.Option(help="The record; the bot's own (VARIANCE_DATABASE) when left out.")
        ] = None,
        realm: Annotated[str, typer.Option(help="Which series they belong to: live or recorded.")] = "live",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would happen, keep nothing.")
        ] = False,
        new: Annotated[bool, typer.Option("--new", help="Make the record when there is none.")] = False,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(realm, REALMS, "--realm")
        work = _chosen(paths, provider, symbols, snapshots, source)
        adopt(load_overrides(config))
        files = tuple([*(snapshots or ()), *(paths or ())])
        chosen: Realm = "live" if realm == "live" else "recorded"
        order = _Order(files, source, chosen, dry_run, config, load_rules(config))
        record = (database or read_environment(Places, strict=False).database).expanduser()
        if not record.is_file() and not (new and not dry_run):
            raise ConfigError(
                f"There is no record at {record}: --database FILE names another, --new makes one."
            )
        if work == "snapshots":
            with _record(record) as store:
                _bring_snapshots(store, order)
            return
        # All of it is read before the record is touched.
        values = _from_file(order) if work == "file" else _from_tastytrade(order, symbols)
        with _record(record) as store:
            _bring(store, values, order)

    return bring


def _chosen(
    paths: Sequence[Path] | None,
    provider: str | None,
    symbols: str | None,
    snapshots: Sequence[Path] | None,
    source: str | None,
) -> str:
    """Which of the three kinds of import is meant. Raises ConfigError when it is none, or several."""
    if provider is not None:
        checked(provider, (TASTYTRADE,), "--provider")
        if paths or snapshots or source is not None:
            raise ConfigError("--provider takes no file and no --source: it brings its own values.")
        return "provider"
    if symbols is not None:
        raise ConfigError("--symbols belongs to --provider tastytrade; a file says its symbols itself.")
    if snapshots:
        if source is not None:
            raise ConfigError("--source belongs to a file; a snapshot names its source itself.")
        return "snapshots"
    if paths is None or len(paths) != 1:
        raise ConfigError(
            "variance history import takes one CSV FILE, --provider tastytrade, or --snapshots FOLDER ..."
        )
    return "file"


def _record(path: Path) -> Store:
    import stamina.instrumentation

    # A retry would be logged on standard output.
    stamina.instrumentation.set_on_retry_hooks(())
    return Store.open(path)


def _now() -> datetime:
    return now_from(read_environment(Places, strict=False).stand_in_now)()


# --- values ---------------------------------------------------------------------------------------


def _from_file(order: _Order) -> Sequence[ImportedIv]:
    source = plain_name(order.source) if order.source is not None else None
    if source == "":
        raise ConfigError("--source is empty; allowed is a name such as ibkr.")
    with busy("reading the file"):
        read = read_iv_file(order.paths[0], _now(), source)
    for line in _line_words(read):
        typer.echo(line, err=True)
    ignored = f", columns not used: {', '.join(read.ignored)}" if read.ignored else ""
    taken = f"{counted(len(read.values), 'value')} taken, {counted(read.rejected, 'line')} rejected"
    typer.echo(f"{counted(read.lines, 'line')} read, {taken}{ignored}.")
    return read.values


def _line_words(read: ReadFile) -> Iterator[str]:
    """A sentence a problem line; beyond the first ones only how many there are of each kind."""
    for verdict in read.verdicts[:_MOST_TOLD]:
        yield f"line {verdict.line}: {verdict.outcome}: {verdict.reason}"
    rest = Counter(verdict.outcome for verdict in read.verdicts[_MOST_TOLD:])
    if rest:
        yield "and further lines: " + ", ".join(f"{outcome} {count:,}" for outcome, count in rest.items())


def _from_tastytrade(order: _Order, symbols: str | None) -> Sequence[ImportedIv]:
    listed = [clean_symbol(word) for word in (symbols or "").split(",") if word.strip()]
    wanted = listed or [listing.symbol for listing in load_universe(order.config)]
    wanted = [symbol for symbol in dict.fromkeys(wanted) if not symbol.startswith("/")]

    async def ask(gatherer: Gatherer) -> dict[str, IvHistory | SourceError]:
        from engine.market.live.gather import moment

        asked = moment(gatherer.access.clock.now(), gatherer.rules)
        return await gatherer.fetcher.iv_history(wanted, asked)

    with opened_live(TASTYTRADE, order.config, order.rules) as (market, _), busy("asking Tastytrade"):
        answers = market.on_loop(ask)
        troubles = market.troubles()
    values: list[ImportedIv] = []
    for symbol in wanted:
        answer = answers.get(symbol)
        if isinstance(answer, list):
            values += [ImportedIv(symbol, day, iv30, "Tastytrade") for day, iv30 in answer]
        else:
            typer.echo(f"{symbol}: {answer or 'no answer'}.", err=True)
    for sentence in troubles:
        typer.echo(f"variance: {sentence}", err=True)
    if not values:
        raise VarianceError("Tastytrade brought no daily implied volatility for these names.")
    names = len({value.symbol for value in values})
    typer.echo(f"{counted(len(values), 'value')} of {names:,} of {len(wanted):,} names from Tastytrade.")
    return values


def _bring(store: Store, values: Sequence[ImportedIv], order: _Order) -> None:
    with busy("looking into the record" if order.dry else "keeping"):
        counts = (
            import_counts(store, values, order.realm)
            if order.dry
            else keep_imports(store, values, order.realm, _now())
        )
    typer.echo(_count_words(counts, order))


def _count_words(counts: ImportCounts, order: _Order) -> str:
    began = "Dry run, nothing is kept: " if order.dry else f"Kept in the {order.realm} series: "
    own = (
        f" On {counts.beside_own:,} of these days an own official close has IV30; the import stands beside "
        "it, the own one is used."
        if counts.beside_own
        else ""
    )
    return (
        f"{began}{counts.new:,} new, {counts.unchanged:,} unchanged, {counts.changed:,} changed "
        f"(a new revision beside the old one).{own}"
    )


# --- snapshots ------------------------------------------------------------------------------------


def _bring_snapshots(store: Store, order: _Order) -> None:
    """Measure and judge saved closes, the oldest first, each with the history before it."""
    closes = list(_saved_closes(order.paths))
    kept = 0
    for session, folder in sorted(closes):
        kept += _bring_one(store, folder, session, order)
    done = "would be kept" if order.dry else "kept as official closes"
    typer.echo(f"{kept} of {counted(len(order.paths), 'snapshot')} {done}.")
    if not closes:
        raise SnapshotError("None of the folders holds a saved close.")


def _saved_closes(folders: Sequence[Path]) -> Iterator[tuple[date, Path]]:
    """Session and folder of what is a close; whatever is not is told and left out."""
    for folder in dict.fromkeys(folders):
        try:
            facts = read_facts(folder / "snapshot.json")
        except SnapshotError as error:
            typer.echo(f"{folder}: left out: {error}.", err=True)
            continue
        if facts["kind"] != "close":
            typer.echo(
                f"{folder}: left out: a snapshot of the opening is only indicative; the official series "
                "is made of closes.",
                err=True,
            )
            continue
        yield facts["session"], folder


def _bring_one(store: Store, folder: Path, session: date, order: _Order) -> bool:
    """Whether a snapshot was kept, or in a dry run would be."""
    try:
        market = read_snapshot(folder)
    except SnapshotError as error:
        typer.echo(f"{folder}: left out: {error}.", err=True)
        return False
    realm: Realm = "simulated" if market.source.startswith(SIMULATED) else order.realm
    if _has_close(store, session, realm):
        typer.echo(f"{folder}: left as it is: {session} already has an official close ({realm}).")
        return False
    if order.dry:
        typer.echo(f"{folder}: would become the official close of {session} ({realm}).")
        return True
    theirs = market.underlyings.get("hv30_provider")
    rules = order.rules.settled(theirs is not None and bool(theirs.notna().any()))
    panel = panel_of(market, rules.benchmark)
    table = None
    if panel.benchmark:
        history = store.iv_history(panel.symbols, panel.session, realm=realm)
        table = measure(panel, rules, history)
    screen = run_screen(panel, rules) if table is None else screen_of(panel, table, rules)
    if screen.run.state not in ("complete", "degraded"):
        typer.echo(f"{folder}: left out: {screen.run.reason}", err=True)
        return False
    run_id = store.save(screen, _rules_body(rules), official=True, realm=realm)
    pairs = load_pairs(order.config)
    save_pairs(store, run_id, measure_pairs(panel, table, pairs, rules.relative.convergence_spread))
    typer.echo(f"{folder}: {_screen_words(screen)} ({realm}).")
    return True


def _has_close(store: Store, session: date, realm: Realm) -> bool:
    with store.reading() as db:
        closes = official_closes(db, realm, date.fromordinal(session.toordinal() + 1), 1)
    return bool(closes) and closes[0][0] == session


def _rules_body(rules: Rules) -> str:
    return rules.model_dump_json(exclude={"profiles"}, by_alias=True)


def _screen_words(screen: Screen) -> str:
    coverage = screen.coverage
    return (
        f"official close of {screen.run.session}, {coverage.measured} of {coverage.universe} names measured, "
        f"{coverage.passed} listed"
    )
