"""The market one book is looked at in: which names are asked for, and what is said of those not had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from bot.cards.text import listed
from bot.failures import TooSlowError
from engine.market.live.failures import OF_THE_SYMBOL, Failure
from engine.market.snapshot import Held, Snapshot
from engine.panel import Panel
from engine.portfolio.book import Leg, held_of
from engine.screen.result import Screen

MOST_NAMES = 60
"""Underlyings asked for at a time: at a request a second the last is there before the first grows old."""
_TOLD = 4
_UNKNOWN = tuple(str(failure) for failure in (Failure.UNKNOWN_SYMBOL, Failure.NOT_FOUND))
_OF_THE_NAME = tuple(str(failure) for failure in OF_THE_SYMBOL)


@dataclass(frozen=True, slots=True)
class BookMarket:
    """The market a person's book is looked at in: never stored."""

    panel: Panel
    table: pd.DataFrame | None
    """What `measure` found; None when the hard gate stopped it."""
    screen: Screen

    @property
    def is_quoted(self) -> bool:
        """Whether it holds any option quote, and was measured."""
        return self.table is not None and len(self.panel.chains.strike) > 0

    def but(self, sentence: str) -> BookMarket:
        """The same market, degraded by what the sentence says."""
        run = self.screen.run
        told = " ".join(filter(None, (run.reason, sentence)))
        state = "degraded" if run.state == "complete" else run.state
        return replace(self, screen=replace(self.screen, run=replace(run, state=state, reason=told)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What live sources are asked for; equal for equal books, so that one answer serves both.

    symbols   the benchmark, names of the question, and the book's own, at most MOST_NAMES of these
    held      contracts of the book in these names
    left_out  names of the book beyond
    """

    symbols: frozenset[str]
    held: frozenset[tuple[str, frozenset[tuple[date, float]]]]
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, legs: Sequence[Leg], first: Sequence[str], session: date) -> Wanted:
        """What a book wants at a session, or after it; those with the most legs go first.

        Futures, options on them, adjusted contracts and what has expired have no value to be asked for.
        """
        count = Counter(leg.symbol for leg in legs if leg.has_value(session))
        own = [symbol for symbol, _ in count.most_common()]
        symbols = frozenset([*first, *own[:MOST_NAMES]])
        held = {symbol: contracts for symbol, contracts in held_of(legs).items() if symbol in symbols}
        left = tuple(symbol for symbol in own[MOST_NAMES:] if symbol not in symbols)
        return cls(symbols, frozenset(held.items()), left)

    @property
    def contracts(self) -> Held:
        """As a live provider takes them."""
        return dict(self.held)


def known_part(snapshot: Snapshot, benchmark: str) -> Snapshot:
    """The market without names no source knows, so that they are called unknown and not unquoted."""
    rows = snapshot.underlyings
    if "error" not in rows:
        return snapshot
    known = [
        str(symbol)
        for symbol, spot, error in zip(rows["symbol"], rows["spot"], rows["error"], strict=True)
        if symbol == benchmark or spot > 0 or not str(error).startswith(_UNKNOWN)
    ]
    return snapshot.only(known, benchmark)


def told(market: BookMarket, wanted: Wanted, benchmark: str) -> BookMarket:
    """The market with a sentence on what was not had, and on what was not asked for."""
    errors = dict(_passing(market.panel, wanted.symbols))
    if market.table is None:
        why = f" ({errors[benchmark]})" if benchmark in errors else ""
        run = replace(market.screen.run, reason=f"No price of {benchmark} is to be had{why}.")
        return replace(market, screen=replace(market.screen, run=run))
    if errors:
        names = listed((f"{name} ({why})" for name, why in errors.items()), _TOLD)
        market = market.but(f"No whole answer for {names}.")
    if wanted.left_out:
        market = market.but(
            f"{MOST_NAMES} underlyings are asked for at a time, those with the most legs; "
            f"{len(wanted.left_out)} are left out: {listed(wanted.left_out, _TOLD)}."
        )
    return market


def instead(failed: BookMarket, at_hand: BookMarket) -> BookMarket:
    """The market of the last run where the sources bring no quotes now."""
    run = at_hand.screen.run
    why = next((f" ({error})" for _, error in _passing(failed.panel, failed.panel.symbols)), "")
    return at_hand.but(
        f"The sources bring no quotes now{why}: this is the market of the last run, "
        f"{run.session.isoformat()}/{run.kind}."
    )


def too_slow(done: tuple[int, int] | None) -> TooSlowError:
    """What is said when a person's patience is over; `done` of how many names, None before the first."""
    if done is None:
        return TooSlowError("The sources are busy with other books; ask again in a minute.")
    return TooSlowError(
        f"The names of your book are still being asked for ({done[0]} of {done[1]}); ask again in a minute."
    )


def _passing(panel: Panel, symbols: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names a source failed for, with the reason; what is the name's own nature is told with its legs."""
    for symbol, error in zip(panel.symbols, panel.names["provider_error"], strict=True):
        if symbol in symbols and isinstance(error, str) and not error.startswith(_OF_THE_NAME):
            yield symbol, error
