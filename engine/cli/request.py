"""Which market a command line asks for, opened, and how it is told what stood in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engine import console as screens
from engine.environment import LiveSettings, read_environment
from engine.errors import ConfigError
from engine.market.snapshot import SIMULATED, Provider, Snapshot
from engine.record.rows import Realm
from engine.rules import Rules, load_universe
from engine.symbols import known_symbol

if TYPE_CHECKING:
    from engine.market.live.market import LiveMarket
    from engine.market.live.sources import Choice

LIVE = ("auto", "yahoo", "tastytrade", "cboe")
PROVIDERS = (*LIVE, "recorded", "simulated")


@dataclass(frozen=True, slots=True)
class Request:
    """The options that say which market is meant."""

    provider: str
    data: Path | None
    session: str
    seed: int
    config: Path


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
def opened(request: Request, rules: Rules) -> Iterator[Opened]:
    """The market a request names. Raises ConfigError, SnapshotError or StoreError in one sentence."""
    if request.provider not in PROVIDERS:
        raise ConfigError(f"--provider {request.provider!r} is not known: use one of {', '.join(PROVIDERS)}.")
    if request.provider not in LIVE:
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
        market, settled = live_market(settings, cast("Choice", choice), rules, load_universe(config), config)
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
        day = date.fromisoformat(request.session)
    except ValueError:
        raise ConfigError(f"--session {request.session!r} is no day: write it as 2025-12-31.") from None
    return SimulatedMarket(load_universe(request.config), day, seed=request.seed)
