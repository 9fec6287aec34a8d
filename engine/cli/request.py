"""Which market a command line asks for, opened, and how it is told what stood in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from engine import console as screens
from engine.environment import LiveSettings, read_environment
from engine.errors import ConfigError
from engine.market.schedule import load_overrides
from engine.market.sessions import adopt
from engine.market.snapshot import SIMULATED, Provider, Snapshot
from engine.record.rows import Realm
from engine.rules import Rules, load_universe
from engine.screen.result import Screen
from engine.symbols import known_symbol

if TYPE_CHECKING:
    from engine.market.live.market import LiveMarket
    from engine.market.live.sources import Choice
    from engine.record.store import Store

LIVE = ("auto", "yahoo", "tastytrade", "cboe")
DEMO_SESSION = "2025-12-31"
"""The simulated market's day unless another is asked for; the demo plays the same."""
DEMO_SEED = 7
PROVIDERS = (*LIVE, "recorded", "simulated")


@dataclass(frozen=True, slots=True)
class Request:
    """The options that say which market is meant."""

    provider: str
    data: Path | None
    session: str | None
    seed: int | None
    config: Path

    @classmethod
    def of(
        cls, provider: str | None, data: Path | None, session: str | None, seed: int | None, config: Path
    ) -> Request:
        """What was typed; without a provider, a folder means a recorded market, a day or seed a made-up one.

        Raises ConfigError for an unknown provider, or for options of another one.
        """
        made_up = session is not None or seed is not None
        provider = provider or ("recorded" if data else "simulated" if made_up else "auto")
        if provider not in PROVIDERS:
            raise ConfigError(f"--provider {provider!r} is not known: use one of {', '.join(PROVIDERS)}.")
        if data is not None and provider != "recorded":
            raise ConfigError(f"--provider {provider}: only a recorded market has a --data folder.")
        if made_up and provider != "simulated":
            raise ConfigError(
                f"--provider {provider}: only the simulated market has a --session and a --seed."
            )
        return cls(provider, data, session, seed, config)


@dataclass(frozen=True, slots=True)
class Opened:
    """A provider at work, with the rules as they apply to it."""

    provider: Provider | LiveMarket
    rules: Rules
    live: LiveMarket | None = None
    """The same provider when it is a live one."""

    def market(self, symbols: Sequence[str] | None) -> Snapshot:
        """The market, narrowed to `symbols`. Raises UnknownSymbolError, SnapshotError."""
        if self.live is not None:
            with screens.progress_bar("asking the sources") as progress:
                return self.live.snapshot(symbols, progress)
        with screens.busy("reading the market"):
            market = self.provider.snapshot()
        if symbols is None:
            return market
        held = set(market.symbols)
        if not held.intersection(symbols):
            known_symbol(symbols[0] if symbols else "", held)
        return market.only(symbols, self.rules.benchmark)

    def realm(self, market: Snapshot) -> Realm:
        """Which record the market belongs to."""
        if self.live is not None:
            return "live"
        return "simulated" if market.source.startswith(SIMULATED) else "recorded"


@contextmanager
def record_of(database: Path | None) -> Iterator[Store | None]:
    """The bot's record, None when none was asked for. Raises ConfigError for a file that is not there."""
    if database is None:
        yield None
        return
    if not database.is_file():
        raise ConfigError("--database: there is no such file; what is stored is read from the bot's.")
    import stamina.instrumentation

    from engine.record.store import Store

    # A retry would be logged on standard output, into the middle of the JSON.
    stamina.instrumentation.set_on_retry_hooks(())
    with Store.open(database) as store:
        yield store


def leave_without_result(source: Opened, result: Screen) -> None:
    """Say what stood in the way, a sentence a source; exit 1 when it left nothing to show."""
    live = source.live
    nothing = result.run.state == "aborted" or (
        live is not None and (result.run.state == "outage" or not result.coverage.measured)
    )
    if nothing and result.run.reason:
        typer.echo(f"variance: {result.run.reason}", err=True)
    elif nothing:
        for row in result.rows:
            typer.echo(f"variance: {row.symbol}: {row.text('missing_reason')}.", err=True)
    for sentence in live.troubles() if live is not None else ():
        typer.echo(f"variance: {sentence}", err=True)
    if nothing:
        raise typer.Exit(1)


@contextmanager
def opened(request: Request, rules: Rules) -> Iterator[Opened]:
    """The market a request names. Raises ConfigError, SnapshotError or StoreError in one sentence."""
    if request.provider not in LIVE:
        adopt(load_overrides(request.config))
        yield Opened(_kept_market(request, rules), rules)
        return
    with opened_live(request.provider, request.config, rules) as (market, settled):
        yield Opened(market, settled, live=market)


@contextmanager
def opened_live(choice: str, config: Path, rules: Rules) -> Iterator[tuple[LiveMarket, Rules]]:
    """The live market, closed afterwards. Raises ConfigError or StoreError in one sentence."""
    with screens.busy("opening the sources"):
        # Loaded here: the clients behind it take a second that other markets need not wait for.
        import stamina.instrumentation

        from engine.market.live.compose import live_market

        # A retry would be logged on standard output, into the middle of the JSON.
        stamina.instrumentation.set_on_retry_hooks(())
        settings = read_environment(LiveSettings, strict=False)
        listings = load_universe(config)
        adopt(load_overrides(config))
        chosen = cast("Choice", choice)
        market, settled = live_market(settings, chosen, rules, listings, config, every_profile=False)
    try:
        yield market, settled
    finally:
        market.close()


def _kept_market(request: Request, rules: Rules) -> Provider:
    if request.provider == "recorded":
        if request.data is None:
            raise ConfigError("--provider recorded needs --data FOLDER, the folder of a recorded market.")
        from engine.market.recorded import RecordedMarket

        return RecordedMarket(request.data, rules.benchmark)
    from engine.market.simulated import SimulatedMarket

    try:
        day = date.fromisoformat(request.session or DEMO_SESSION)
    except ValueError:
        raise ConfigError(f"--session {request.session!r} is no day: write it as 2025-12-31.") from None
    seed = DEMO_SEED if request.seed is None else request.seed
    return SimulatedMarket(load_universe(request.config), day, seed=seed)
