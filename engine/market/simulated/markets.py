"""The simulated market played on the calendar: every session of one path, asked for one after another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from engine.errors import SnapshotError
from engine.market.simulated.provider import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.panel import Kind
from engine.rules import Listing


class SimulatedMarkets:
    """A PlayedProvider: the market of whichever run is asked for, all of one seed and so of one path.

    The path is drawn anew for every run, which takes less time than the chains made from it.

    Parameters
    ----------
    listings, seed : as SimulatedMarket takes them
    session, kind : the run that stands before another is asked for; none when `session` is None

    Raises SnapshotError as SimulatedMarket does.
    """

    def __init__(
        self, listings: Sequence[Listing], seed: int = 7, session: date | None = None, kind: Kind = "close"
    ) -> None:
        self.listings = tuple(listings)
        self.seed = seed
        self._market = None if session is None else SimulatedMarket(self.listings, session, kind, seed)

    def of_run(self, session: date, kind: Kind) -> Snapshot:
        """The whole market at one run, which is from then on the one `snapshot` gives.

        Raises SnapshotError for a session that is none or lies before the path.
        """
        market = SimulatedMarket(self.listings, session, kind, self.seed)
        self._market = market
        return market.snapshot()

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        """The market of the run last asked for, narrowed to `symbols`.

        Raises SnapshotError when none of `symbols` is listed, or while no run has been asked for.
        """
        if self._market is None:
            raise SnapshotError("No session of the simulated market has been asked for yet.")
        return self._market.snapshot(symbols)
