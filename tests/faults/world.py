"""One live run under a fault: the real clients against the stand-in internet, what is seen, what is kept."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import stamina
from pydantic import SecretStr
from rich.console import Console

from bot.service import MarketService
from engine.console import screen_table
from engine.market.columns import panel_of
from engine.market.live.market import LiveMarket
from engine.market.live.rules import load_proxies
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.portfolio.book import Leg
from engine.record.store import Store
from engine.rules import Rules, load_rules, load_universe
from engine.screen.result import Screen
from engine.screen.screen import run_screen
from tests.loopback.access import CONFIG, VirtualTime, access_to
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

NAMES = ("SPY", "AAPL", "KO", "MSFT", "JPM", "XOM")
VICTIM = "KO"
SESSION = date(2026, 4, 29)
EARLY_CLOSE = date(2025, 11, 28)
TRIES = 3


@dataclass(frozen=True)
class Case:
    """One fault of one source, and what must come of it.

    `harm` puts the fault on the line. `sees` must stand in what the person is shown. `measured` is how many
    of the six names must still be measured. `requests` is the most the source may be asked meanwhile.
    """

    source: str
    fault: str
    harm: Callable[[Loopback], None]
    sees: str
    measured: int = len(NAMES)
    choice: Choice = "yahoo"
    reason: str | None = None
    """Missing reason of the victim, as counted and stored; None when it must be measured."""
    still: tuple[str, ...] = ()
    """Metrics the victim must have in spite of its reason."""
    state: str = "complete"
    pauses: timedelta | None = None
    """How long the source must be left alone, also by the next process."""
    requests: tuple[str, int] | None = None
    """A host, and the most it may be asked."""
    session: date = SESSION
    extra: tuple[str, ...] = ()
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    of_a_book: bool = False
    """Whether a person asks for a book that holds every name, instead of the operator for a screen."""

    def __str__(self) -> str:
        return f"{self.source}: {self.fault}"


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    text: str
    screen: Screen
    wrong: list[str]

    @property
    def seen(self) -> str:
        """The line of the screen that tells of it."""
        lines = [line.strip() for line in self.text.splitlines() if self.case.sees in line]
        return lines[0] if lines else "nothing of it"

    @property
    def stored(self) -> str:
        """What the record keeps of it."""
        coverage = self.screen.coverage
        missing = ", ".join(f"{reason} {count}" for reason, count in coverage.missing.items())
        return f"{self.screen.run.state}, {coverage.measured} measured" + (f", {missing}" if missing else "")


class World:
    """The stand-in internet of each session, started once; a fault is healed before the next."""

    def __init__(self) -> None:
        self._nets: dict[date, tuple[Loopback, Snapshot]] = {}
        self.rules: Rules = load_rules(CONFIG)
        self.listings = [listing for listing in load_universe(CONFIG) if listing.symbol in NAMES]

    def net(self, session: date) -> tuple[Loopback, Snapshot]:
        """The internet of one day."""
        if session not in self._nets:
            market = SimulatedMarket(self.listings, session, seed=7).snapshot()
            net = Loopback(whole_market(market))
            net.start()
            self._nets[session] = (net, market)
        return self._nets[session]

    def close(self) -> None:
        """Stop the servers."""
        for net, _ in self._nets.values():
            net.stop()

    def suffer(self, case: Case, folder: Path) -> Outcome:
        """Run the case on an empty cache and an empty record."""
        net, market = self.net(case.session)
        net.heal()
        net.clear()
        case.harm(net)
        fresh_yfinance()
        time = VirtualTime(market.asof + timedelta(minutes=20))
        try:
            with _opened(net, folder, time, case, self) as live:
                if case.of_a_book:
                    screen = _of_a_book(live, self.rules, folder / "book.db", market)
                    text = "\n".join([str(screen.run.reason), *live.troubles()])
                else:
                    found = live.snapshot([*NAMES, *case.extra])
                    screen = run_screen(panel_of(found, self.rules.benchmark), self.rules, universe=None)
                    text = shown(screen, live.troubles())
                wrong = [*_judged(case, screen, text, net), *_pause(case, live, time.now())]
        finally:
            net.heal()
        wrong += _record(screen, folder / "variance.db")
        return Outcome(case, text, screen, wrong)


@contextmanager
def world_without_waiting() -> Iterator[World]:
    """A world in which tries follow each other at once."""
    stamina.set_testing(True, attempts=TRIES, cap=True)
    world = World()
    try:
        yield world
    finally:
        world.close()
        stamina.set_testing(False)
        fresh_yfinance()


@contextmanager
def _opened(net: Loopback, folder: Path, time: VirtualTime, case: Case, world: World) -> Iterator[LiveMarket]:
    access = access_to(
        net,
        folder,
        time,
        limits=case.limits,
        tastytrade_secret=SecretStr(SECRET) if case.choice == "tastytrade" else None,
        tastytrade_refresh=SecretStr(REFRESH) if case.choice == "tastytrade" else None,
        cboe_allowed=case.choice == "cboe",
    )
    chosen = chosen_sources(access, case.choice)
    live = LiveMarket(access, chosen, world.rules, world.listings, load_proxies(CONFIG))
    try:
        yield live
    finally:
        live.close()


def _of_a_book(live: LiveMarket, rules: Rules, path: Path, market: Snapshot) -> Screen:
    """What the bot values a book by: shares and the last listed put of every name."""
    legs = [Leg(symbol, "shares", 100.0) for symbol in NAMES]
    for symbol in NAMES:
        last = market.quotes[market.quotes["symbol"] == symbol].iloc[-1]
        legs.append(Leg(symbol, "option", -1.0, last["expiration"].date(), float(last["strike"]), "P"))
    with Store.open(path) as store:
        service = MarketService(live, rules, store, realm="live", universe=NAMES)
        return asyncio.run(service.book_market(legs)).screen


def shown(screen: Screen, troubles: list[str]) -> str:
    """The terminal's text, wide enough that no sentence breaks."""
    paper = Console(file=io.StringIO(), width=400, record=True, highlight=False)
    paper.print(screen_table(screen, screen.rows))
    return paper.export_text() + "\n".join(troubles)


def _judged(case: Case, screen: Screen, text: str, net: Loopback) -> list[str]:
    wrong = []
    if case.sees not in text:
        wrong.append(f"{case.sees!r} is not shown")
    if screen.coverage.measured != case.measured:
        wrong.append(f"{screen.coverage.measured} measured instead of {case.measured}")
    if screen.run.state != case.state:
        wrong.append(f"state {screen.run.state} instead of {case.state}")
    row = screen.find(VICTIM)
    reason = row.text("missing_reason") if row else None
    if screen.rows and reason != case.reason:
        wrong.append(f"the victim's reason is {reason!r} instead of {case.reason!r}")
    lacking = [name for name in case.still if row is None or row.values[name] is None]
    if lacking:
        wrong.append(f"{', '.join(lacking)} should be known")
    if case.requests and net.count(case.requests[0]) > case.requests[1]:
        wrong.append(f"{net.count(case.requests[0])} requests instead of {case.requests[1]} at most")
    wrong += [f"{secret!r} is shown" for secret in (SECRET, REFRESH) if secret in text]
    if "Traceback" in text:
        wrong.append("a traceback is shown")
    return wrong


def _pause(case: Case, live: LiveMarket, now: datetime) -> list[str]:
    stored = live.access.cache.paused_until(case.source)
    if case.pauses is None:
        return [f"paused until {stored[0]}"] if stored is not None else []
    if stored is None:
        return ["no pause is kept"]
    left = stored[0] - now
    # Some seconds went by on the virtual clock between the refusal and the end of the run.
    return [] if left > case.pauses - timedelta(seconds=60) else [f"only {left} of pause are kept"]


def _record(screen: Screen, path: Path) -> list[str]:
    """The run is kept whole: state, counts, reasons, and where each value came from."""
    with Store.open(path) as store:
        kept = store.load(store.save(screen, "{}", True, "live"))
    wrong = []
    if kept.run.state != screen.run.state or kept.coverage.missing != screen.coverage.missing:
        wrong.append("the record tells another state or other reasons")
    for row in screen.rows:
        other = kept.find(row.symbol)
        if other is None or other.values["missing_reason"] != row.values["missing_reason"]:
            wrong.append(f"the record tells another reason for {row.symbol}")
        elif row.text("provenance") and json.loads(str(other.values["provenance"])) != row.provenance:
            wrong.append(f"the record tells another origin for {row.symbol}")
    return wrong
