"""The simulated market as a provider: one session's snapshot, the year before it, and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.errors import SnapshotError
from engine.market.sessions import NEW_YORK, DayArray, close_of, sessions_between
from engine.market.simulated.chains import RATE, Request
from engine.market.simulated.dirt import SHORT_HISTORY, Dirt, dirt_of
from engine.market.simulated.events import FAR_FUTURE
from engine.market.simulated.quotes import category, quote_table
from engine.market.simulated.world import EPOCH, World, build_world
from engine.market.snapshot import SIMULATED, Snapshot
from engine.panel import Kind
from engine.rules import Listing

BENCHMARK = "SPY"
HISTORY_SESSIONS = 640
"""Daily bars a snapshot carries: HV252 with a year of ranks, and room to fit a forecast."""
FIRST_SESSION = EPOCH.replace(year=EPOCH.year + 1)
"""Earlier than this there is less than a year of path behind a session."""
OPEN_RUN = time(9, 45)
"""New York time of an open snapshot, a quarter of an hour after the bell."""
REPORT_SIGHT_DAYS, REPORT_VERIFIED_DAYS = 95, 40
"""How many days ahead a report date is guessed by the feed, and confirmed."""
YEAR = 365.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What the model knows and no feed tells; arrays in the order of `symbols`, annual fractions.

    iv30        implied volatility at the forward, 30 calendar days, as the model prices it
    volatility  true volatility of the session's own return, reports left out
    expected    root of the expected mean variance of the next 21 sessions, reports included
    """

    session: date
    symbols: tuple[str, ...]
    iv30: FloatArray
    volatility: FloatArray
    expected: FloatArray


class SimulatedMarket:
    """A made-up market that is the same for a seed and a session, on every machine.

    Parameters
    ----------
    listings : the universe; tickers it does not know get traits drawn from their letters
    session : trading day of the snapshot, from FIRST_SESSION on
    kind : "close" (official closes) or "open" (minutes after the bell, wider and thinner)
    seed : 0 or more
    asof : instant of the snapshot; the close, or a quarter of an hour after the open, when None
    without_benchmark : leave SPY out, to show what the hard gate does

    Raises SnapshotError for a negative seed, an empty universe and a session the simulation does not hold.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        session: date,
        kind: Kind = "close",
        seed: int = 7,
        asof: datetime | None = None,
        without_benchmark: bool = False,
    ) -> None:
        if seed < 0:
            raise SnapshotError(f"the seed is {seed}; the simulated market takes 0 or more")
        if session < FIRST_SESSION:
            raise SnapshotError(f"the simulated market begins on {FIRST_SESSION}, {session} lies before it")
        if not len(sessions_between(session, session)):
            raise SnapshotError(f"{session} is no trading day in New York, so there is no simulated session")
        kept = [item for item in listings if not (without_benchmark and item.symbol == BENCHMARK)]
        if not kept:
            raise SnapshotError("the universe is empty, so there is nothing to simulate")
        self.listings = tuple(kept)
        self.session = session
        self.kind: Kind = kind
        self.seed = seed
        self.asof = asof or (
            close_of(session) if kind == "close" else datetime.combine(session, OPEN_RUN, tzinfo=NEW_YORK)
        )

    @property
    def source(self) -> str:
        """How the snapshots name themselves."""
        return f"{SIMULATED} market, seed {self.seed}"

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        """The whole market at the session, or the listed ones of `symbols` (the benchmark's bars stay).

        Raises SnapshotError when none of `symbols` is listed.
        """
        names = np.arange(len(self.listings))
        if symbols is not None:
            wanted = set(symbols)
            names = np.array([row for row in names if self.listings[row].symbol in wanted], dtype=np.int64)
            if not len(names):
                raise SnapshotError(f"the simulated market lists none of {', '.join(symbols)}")
        at = self._at(self.session)
        last = at if self.kind == "close" else at - 1
        bars = self._bars(max(last + 1 - HISTORY_SESSIONS, 0), last)
        made = self._made(at, names, self.asof, self.kind, bars, lean=False)
        if symbols is None:
            return made
        return made.only([self.listings[row].symbol for row in names], BENCHMARK)

    def past_closes(self, count: int = 252) -> Iterator[Snapshot]:
        """Official closes of the `count` sessions before this one, oldest first, with lean chains.

        A lean chain holds, of the very same quotes, those a measurement looks at. Sessions before
        FIRST_SESSION are left out.
        """
        now = self._at(self.session)
        first = max(now - count, self._at(FIRST_SESSION))
        oldest = max(first + 1 - HISTORY_SESSIONS, 0)
        bars = self._bars(oldest, now - 1)
        names = np.arange(len(self.listings))
        for at in range(first, now):
            asof = close_of(self.world.sessions[at].astype(date))
            rows = slice(max(at + 1 - HISTORY_SESSIONS, 0) - oldest, at + 1 - oldest)
            window = bars.iloc[rows.start * len(names) : rows.stop * len(names)]
            yield self._made(at, names, asof, "close", window, lean=True)

    def truth(self, session: date | None = None) -> Truth:
        """The model's volatilities at the close of a session of the path (this one when None)."""
        at = self._at(session or self.session)
        return Truth(
            session=self.world.sessions[at].astype(date),
            symbols=tuple(listing.symbol for listing in self.listings),
            iv30=self._implied(at, 30.0),
            volatility=np.sqrt(self.world.factors.annual_variance()[at]),
            expected=self.world.expected_realized(at, 21),
        )

    def true_iv(self, symbol: str, session: date, days: float) -> float:
        """Implied volatility at the forward the model gives a name at a close, `days` calendar days ahead.

        Raises KeyError for a name that is not listed.
        """
        place = {listing.symbol: row for row, listing in enumerate(self.listings)}[symbol]
        return float(self._implied(self._at(session), days)[place])

    @cached_property
    def world(self) -> World:
        """Every path up to the session."""
        return build_world(self.listings, self.seed, self.session)

    def _implied(self, at: int, days: float) -> FloatArray:
        day = np.array([self.world.sessions[at] + np.timedelta64(round(days), "D")])
        years = np.array([days / YEAR])
        return np.asarray(np.sqrt(self.world.implied_variance(at, day, years)[:, 0] / years))

    def _at(self, session: date) -> int:
        place = int(np.searchsorted(self.world.sessions, np.datetime64(session)))
        if place == len(self.world.sessions) or self.world.sessions[place] != np.datetime64(session):
            raise SnapshotError(f"{session} is no session of this simulated market")
        return place

    def _bars(self, first: int, last: int) -> pd.DataFrame:
        """Daily bars of all names from one session number to another, session by session."""
        span, count = slice(first, last + 1), len(self.listings)
        bars, days = self.world.bars, self.world.sessions[span]
        symbols = [listing.symbol for listing in self.listings]
        columns: dict[str, Any] = {
            "date": np.repeat(days.astype("datetime64[s]"), count),
            "symbol": category(np.tile(np.arange(count), len(days)), symbols),
        }
        for column in ("open", "high", "low", "close", "volume"):
            columns[column] = getattr(bars, column)[span].ravel()
        return pd.DataFrame(columns)

    def _made(
        self, at: int, names: IntArray, asof: datetime, kind: Kind, bars: pd.DataFrame, lean: bool
    ) -> Snapshot:
        dirt = dirt_of(self.world.quoting.frail, self.seed, at)
        spot = self._spots(at, kind, dirt)
        quoted = names[~np.isin(names, list(dirt.error))]
        request = Request(at, quoted, spot[quoted], asof, kind, lean)
        return Snapshot(
            asof=asof,
            session=self.world.sessions[at].astype(date),
            kind=kind,
            source=self.source,
            quotes=quote_table(self.world, request, dirt),
            underlyings=self._underlyings(at, names, spot, asof, dirt),
            history=self._reaching(bars, dirt),
            rate=RATE,
        )

    def _spots(self, at: int, kind: Kind, dirt: Dirt) -> FloatArray:
        """Last price of each name; a stale feed still shows the close before."""
        bars = self.world.bars
        spot: FloatArray = (bars.close if kind == "close" else bars.open)[at].copy()
        stale = list(dirt.stale)
        spot[stale] = bars.close[at - 1, stale]
        return spot

    def _reaching(self, bars: pd.DataFrame, dirt: Dirt) -> pd.DataFrame:
        """The bars as far back as the feed has them for each name."""
        count = len(self.listings)
        keep = np.ones((len(bars) // count, count), dtype=bool)
        keep[:, list(dirt.no_history)] = False
        for kind, sessions in SHORT_HISTORY.items():
            keep[:-sessions, list(getattr(dirt, kind))] = False
        return bars if keep.all() else bars[keep.ravel()]

    def _underlyings(
        self, at: int, names: IntArray, spot: FloatArray, asof: datetime, dirt: Dirt
    ) -> pd.DataFrame:
        world, session = self.world, self.world.sessions[at]
        listings = [self.listings[row] for row in names]
        tomorrow = session + np.timedelta64(1, "D")
        report, ex_day = _next(world.reports[names], session), _next(world.dividends[names], tomorrow)
        in_sight = _days(report, session) <= REPORT_SIGHT_DAYS
        verified = np.where(_days(report, session) <= REPORT_VERIFIED_DAYS, "true", "false")
        pays = ex_day < FAR_FUTURE
        unpriced = np.isin(names, list(dirt.no_spot | dirt.error))
        earlier, now = close_of(world.sessions[at - 1].astype(date)).isoformat(), asof.isoformat()
        return pd.DataFrame(
            {
                "symbol": [listing.symbol for listing in listings],
                "spot": np.where(unpriced, np.nan, spot[names]),
                "quote_time": [earlier if row in dirt.stale else now for row in names],
                "name": [listing.name for listing in listings],
                "sector": [listing.sector for listing in listings],
                "asset_class": [listing.asset_class for listing in listings],
                "earnings_date": _texts(report, in_sight),
                "liquidity_rating": world.quoting.rating[names],
                "beta": [world.traits[row].beta for row in names],
                "dividend_date": _texts(ex_day, pays),
                "dividend_amount": np.where(pays, world.dividend_amount[names], np.nan),
                "earnings_verified": _texts(verified, in_sight),
                "error": _texts(np.full(len(names), dirt.error_text), np.isin(names, list(dirt.error))),
            }
        )


def _next(events: DayArray, session: np.datetime64) -> DayArray:
    """First event of each name on or after a session; FAR_FUTURE when there is none."""
    return np.asarray(np.where(events >= session, events, FAR_FUTURE).min(axis=1))


def _days(events: DayArray, session: np.datetime64) -> IntArray:
    return (events - session).astype(np.int64)


def _texts(values: npt.NDArray[Any], known: BoolArray) -> pd.Series[str]:
    """The values as text, missing where they are not known."""
    texts = values.astype("U").astype(object)
    texts[~known] = None
    return pd.Series(texts, dtype="str")
