"""The live market as a provider: its network on an event loop of its own, asked from any thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack
from contextvars import Context
from datetime import date, datetime
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal

from engine.errors import HoldingsError, SnapshotError
from engine.market.live.access import Access
from engine.market.live.answers import HoldsAccounts
from engine.market.live.cache import good_until
from engine.market.live.doctor import Report, examined
from engine.market.live.failures import REMEDIES, SourceError
from engine.market.live.gather import Gatherer, listing_of
from engine.market.live.rules import Proxy
from engine.market.live.sources import HOW, Chosen, opened_sources
from engine.market.live.web import Web
from engine.market.schedule import USUAL, Schedule
from engine.market.sessions import session_of
from engine.market.snapshot import Held, Holdings, Progress, Snapshot
from engine.panel import Kind
from engine.rules import Listing, Rules

T = TypeVar("T")


class LiveMarket:
    """Provider over the chosen sources. Safe to ask from several threads; `close` when done.

    One event loop in one thread owns every connection, so that pace, breaker and cache are one for all
    who ask.
    """

    def __init__(
        self,
        access: Access,
        chosen: Chosen,
        rules: Rules,
        listings: Sequence[Listing],
        proxies: Sequence[Proxy],
        every_profile: bool = True,
        schedule: Schedule = USUAL,
        always: frozenset[str] = frozenset(),
    ) -> None:
        self.access = access
        self.chosen = chosen
        self._listings = {listing.symbol: listing for listing in listings}
        self._proxies = {proxy.symbol: proxy for proxy in proxies}
        self._rules = rules
        self._every_profile = every_profile
        self._schedule = schedule
        self._always = always
        self._closed = False
        self._under_way: set[Future[Any]] = set()
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
        self._gatherer = self._portal.call(self._built)

    def snapshot(
        self,
        symbols: Sequence[str] | None = None,
        progress: Progress | None = None,
        held: Held | None = None,
    ) -> Snapshot:
        """The market of the operator's universe, or of `symbols`, whether they stand in it or not.

        Blocks until the sources have answered or the run's deadline is over. A name that could not be had
        carries its reason. Raises SnapshotError once closed.
        """
        listings = list(self._listings.values()) if symbols is None else [self._listing(s) for s in symbols]
        return self._call(lambda: self._gatherer.snapshot(listings, progress, held))

    def is_current(self, asof: datetime) -> bool:
        """Whether quotes of `asof` are of this session and no older than the cache allows."""
        now = self.access.clock.now()
        fresh = good_until("chain", asof, self.access.rules.cache) > now
        return fresh and session_of(now) == session_of(asof)

    def latest_run(self) -> tuple[date, Kind]:
        """The run a whole market of this moment is: the open once quotes have settled, else a close."""
        run = self._schedule.latest_market(self.access.clock.now())
        return run.session, "open" if run.kind == "open" else "close"

    def holdings(self) -> Holdings:
        """What the operator's own accounts hold, asked anew each time and kept nowhere.

        Raises HoldingsError in one sentence.
        """

        async def read(gatherer: Gatherer) -> Holdings:
            source = gatherer.sources.get("tastytrade")
            if source is None:
                raise HoldingsError(f"No account can be read: Tastytrade is not in use. {HOW['tastytrade']}")
            assert isinstance(source, HoldsAccounts)
            try:
                return await source.holdings()
            except SourceError as error:
                raise HoldingsError(f"{error}. {REMEDIES[error.failure]}") from None

        return self._call(lambda: read(self._gatherer))

    def doctor(self, symbol: str) -> Report:
        """Every source tried, and what would be used for one name."""
        return self._call(lambda: examined(self._gatherer, self.chosen, self._listing(symbol)))

    def on_loop(self, work: Callable[[Gatherer], Coroutine[Any, Any, T]]) -> T:
        """Something else that needs the sources' connections, done where they live."""
        return self._call(lambda: work(self._gatherer))

    def troubles(self) -> list[str]:
        """One sentence a source that did not answer when last asked, with what helps."""
        return [
            f"{error}. {REMEDIES[error.failure]}"
            for traffic in self.access.traffic.values()
            if (error := traffic.trouble) is not None
        ]

    def close(self) -> None:
        """End what is under way, let go of every connection and file; harmless when repeated."""
        if not self._closed:
            self._closed = True
            for traffic in list(self.access.traffic.values()):
                traffic.end()
            for under_way in list(self._under_way):
                under_way.cancel()
            self._portal.call(self._gatherer.aclose)
            self._stack.close()
            self.access.cache.close()

    def _call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._closed:
            raise SnapshotError("The market's connections are closed.")
        # In a context of its own: what is asked is shared with others, who asked may not colour it.
        under_way: Future[T] = Context().run(self._portal.start_task_soon, work)
        self._under_way.add(under_way)
        under_way.add_done_callback(self._under_way.discard)
        try:
            return under_way.result()
        except CancelledError:
            raise SnapshotError("The market's connections are closed.") from None
        except BaseException:
            # Ctrl-C: what is under way must not go on asking behind a closed market.
            under_way.cancel()
            raise

    async def _built(self) -> Gatherer:
        web = Web(self.access)
        sources = opened_sources(self.access, web, self.chosen)
        return Gatherer(
            self.access, sources, web, self._rules, self._proxies, self._every_profile, self._always
        )

    def _listing(self, symbol: str) -> Listing:
        if symbol in self._listings:
            return self._listings[symbol]
        if symbol in self._proxies:
            name = self._proxies[symbol].name
            return Listing(symbol=symbol, name=name, sector="Futures", asset_class="future")
        return listing_of(symbol)
