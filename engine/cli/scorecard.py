"""`variance scorecard`: what became of the record's own calls."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from engine.cli.history import REALMS, DatabaseOption, record_file
from engine.cli.options import ConfigOption, checked
from engine.cli.proof_sheets import scorecard_sheet
from engine.cli.request import record_of
from engine.errors import ConfigError
from engine.market.schedule import load_overrides
from engine.market.sessions import adopt
from engine.proof.result import ALL, BYS, By, Scorecard
from engine.proof.shape import scorecard_shape
from engine.record.rows import Realm
from engine.record.scorecards import first_settlement, held, stored_scorecard
from engine.record.series import WINDOWS
from engine.record.store import Store
from engine.rules import Rules, load_rules
from engine.symbols import known_symbol

FORMATS = ("table", "json")
LONGEST = 100_000
"""Sessions a window may have at most: more than the exchange has seen."""


def add_to(app: typer.Typer, config_folder: Path) -> None:
    """Put the command on the command line."""
    app.command(
        "scorecard",
        help="What became of the record's calls: IV30 at every official close against the movement after it.",
    )(_scorecard(config_folder))


def _scorecard(config_folder: Path) -> Callable[..., None]:
    def scorecard(
        by: Annotated[
            str | None, typer.Argument(help="signal, regime, gate or symbol; the first three when left out.")
        ] = None,
        window: Annotated[
            str,
            typer.Option(
                help="quarter, year or all: the last 63 or 252 settled sessions; or a number of them."
            ),
        ] = "all",
        symbol: Annotated[str | None, typer.Option(help="One ticker; only with symbol.")] = None,
        database: DatabaseOption = None,
        form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
        realm: Annotated[
            str | None,
            typer.Option(help="live, recorded or simulated; the first with closes when left out."),
        ] = None,
        config: ConfigOption = config_folder,
    ) -> None:
        checked(form, FORMATS, "--format")
        about = _by(by, symbol)
        sessions = _sessions(window)
        if realm is not None:
            checked(realm, REALMS, "--realm")
        rules = load_rules(config)
        adopt(load_overrides(config))
        with record_of(record_file(database)) as store:
            assert store is not None
            _answer(store, rules, about, sessions, symbol, form, realm)

    return scorecard


def _answer(
    store: Store,
    rules: Rules,
    by: By | None,
    sessions: int | None,
    symbol: str | None,
    form: str,
    realm: str | None,
) -> None:
    asked = cast("Sequence[Realm]", REALMS if realm is None else (realm,))
    chosen = next((each for each in asked if held(store, each, rules)), asked[0])
    card = stored_scorecard(store, chosen, rules, by, sessions)
    known = any(group.n for group in card.groups)
    if symbol is not None and known:
        card = _of_symbol(card, symbol)
    if form == "json":
        typer.echo(json.dumps(scorecard_shape(card), indent=2))
    elif known:
        sheet = scorecard_sheet(card, _title(chosen, rules, by, sessions))
        Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(sheet)
    if not known:
        sentence = _not_yet(store, chosen, rules)
        typer.echo(f"variance: {sentence}" if form == "json" else sentence, err=form == "json")


def _not_yet(store: Store, realm: Realm, rules: Rules) -> str:
    """When the first outcome will be known, in a sentence."""
    horizon = rules.proof.horizon_sessions
    when: date | None = first_settlement(store, realm, rules)
    if when is None:
        return (
            f"The record holds no official close of the {realm} market under profile {rules.profile} and the "
            f"{rules.lens} lens yet; the first outcome is known {horizon} sessions after the first one."
        )
    return (
        f"No outcome is known yet; the first are settled by the close of {when.isoformat()}, "
        f"{horizon} sessions after the first official close, or by the next one stored after that."
    )


def _title(realm: Realm, rules: Rules, by: By | None, sessions: int | None) -> str:
    about = "" if by is None else f" by {by}"
    span = "all settled sessions" if sessions is None else f"the last {sessions} settled sessions"
    return f"Scorecard{about}: {realm} record, profile {rules.profile}, {rules.lens} lens, {span}"


def _of_symbol(card: Scorecard, symbol: str) -> Scorecard:
    names = [group.name for group in card.groups if group.name != ALL]
    wanted = known_symbol(symbol, names)
    return replace(card, groups=tuple(each for each in card.groups if each.name in (ALL, wanted)))


def _by(text: str | None, symbol: str | None) -> By | None:
    if text is not None and text not in BYS:
        raise ConfigError(f"A scorecard counts by {', '.join(BYS)}; all but symbol when none is named.")
    if symbol is not None and text != "symbol":
        raise ConfigError("--symbol is one ticker of the scorecard by symbol: variance scorecard symbol ...")
    return text


def _sessions(text: str) -> int | None:
    if text in WINDOWS:
        return WINDOWS[text]
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LONGEST)) else 0
    if not 1 <= number <= LONGEST:
        raise ConfigError(
            f"--window is a number of sessions from 1 to {LONGEST}, or one of {', '.join(WINDOWS)}."
        )
    return number
