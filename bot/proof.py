"""What became of the calls, asked and drawn: the scorecard, its weekly post, its figures beside a verdict.

Everything is read from the record; nothing is judged here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import numpy as np
import structlog

from bot.cards.card import Card
from bot.cards.evidence import Evidence
from bot.cards.scorecard import Asked, Stored, scorecard_card
from bot.cards.scorecard_weekly import Call, Week, weekly_card
from bot.cards.table import numbers as dressed_as
from bot.service import MarketService
from engine.errors import StoreError
from engine.market.sessions import sessions_between
from engine.proof.days import LISTED, NameDays
from engine.proof.result import By
from engine.record.closes import newest_close
from engine.record.days import Close, body_of, closes_of
from engine.record.packed import unpack
from engine.record.rows import Realm
from engine.record.scorecards import evidence, stored_scorecard
from engine.record.series import WINDOWS

log = structlog.get_logger("variance.proof")

Window = Literal["quarter", "year", "all"]
PATIENCE = 2.0
"""Seconds an answer waits for the figures it may quote: a record never counted before takes longer once."""


class ProofAnswers:
    """Reads scorecards at the desk and draws them; every method returns a card that can be sent as it is."""

    def __init__(self, service: MarketService) -> None:
        self.service = service
        self.patience = PATIENCE
        self._under_way: dict[Realm, asyncio.Future[Evidence | None]] = {}

    async def scorecard(self, by: By | None = None, window: Window = "all") -> Card:
        """The scorecard by some groups; before the first outcome when it comes."""
        realm = await self._realm()
        store, rules = self.service.store, self.service.rules
        asked = Asked(rules, realm == "simulated", by, window)

        def draw() -> Card:
            card = stored_scorecard(store, realm, rules, by, WINDOWS[window])
            return scorecard_card(card, asked, self._stored(self._closes(realm)))

        return await self.service.desk(draw)

    async def weekly(self, upto: date, since: date, numbers: str | None) -> Card:
        """What became known after the close of `since` up to that of `upto`, and the scorecard as it stands.

        `numbers` is the server's language of numbers.
        """
        realm = await self._realm()
        store, rules = self.service.store, self.service.rules
        asked = Asked(rules, realm == "simulated")

        def draw() -> Card:
            closes = [close for close in self._closes(realm) if close.session <= upto]
            card = stored_scorecard(store, realm, rules, None, None)
            with dressed_as(numbers):
                return weekly_card(card, self._week(closes, since, upto), asked, self._stored(closes))

        return await self.service.desk(draw)

    async def evidence(self, realm: Realm | None = None) -> Evidence | None:
        """The figures an answer may quote, of the record at hand unless told otherwise.

        None while they cannot be had quickly or at all: what is quoted beside an answer never keeps the
        answer back. The count goes on, so that the next question finds it.
        """
        realm = realm or await self.service.desk(self._newest_realm)
        if realm is None:
            return None
        under_way = self._under_way.get(realm)
        if under_way is None:
            # In a thread of its own: the desk draws the answer meanwhile.
            under_way = asyncio.ensure_future(asyncio.to_thread(self._evidence, realm))
            self._under_way[realm] = under_way
            under_way.add_done_callback(lambda _: self._under_way.pop(realm, None))
        done, _ = await asyncio.wait({under_way}, timeout=self.patience)
        return under_way.result() if done else None

    def _evidence(self, realm: Realm) -> Evidence | None:
        rules = self.service.rules
        try:
            return Evidence(evidence(self.service.store, realm, rules), rules, realm == "simulated")
        except StoreError as error:
            log.warning("no evidence", reason=str(error))
            return None

    def _newest_realm(self) -> Realm | None:
        """The realm of the market at hand, else that of the newest stored close. Reads the disk."""
        market = self.service.market
        if market is not None:
            return self.service.realm_of(market.official.screen.run)
        found = newest_close(self.service.store)
        return None if found is None else found.realm

    async def _realm(self) -> Realm:
        """Which record is meant; waits for a market only where nothing is stored yet."""
        realm = await self.service.desk(self._newest_realm)
        if realm is not None:
            return realm
        return self.service.realm_of((await self.service.ready()).official.screen.run)

    def _closes(self, realm: Realm) -> list[Close]:
        with self.service.store.reading() as db:
            return closes_of(db, realm, self.service.rules)

    def _stored(self, closes: Sequence[Close]) -> Stored:
        if not closes:
            return Stored()
        first, last = closes[0], closes[-1]
        return Stored(len(closes), first.session, last.session, self._due(first))

    def _due(self, close: Close) -> date:
        """The session after whose close the outcomes of a close are known."""
        return session_after(close.session, close.horizon(self.service.rules))

    def _week(self, closes: Sequence[Close], since: date, upto: date) -> Week:
        over = [close for close in closes if since < self._due(close) <= upto and close.settled]
        ahead = (due for close in closes if close.waiting and (due := self._due(close)) > upto)
        with self.service.store.reading() as db:
            days = [unpack(body_of(db, close, self.service.rules)[0], close.session) for close in over]
        return week_of(days, since, upto, next(ahead, None))


def session_after(session: date, count: int) -> date:
    """The session `count` sessions after one."""
    reach = timedelta(days=2 * count + 14)  # seven sessions take nine or ten days, holidays a few more
    found: date = sessions_between(session, session + reach)[count].astype(date)
    return found


def week_of(days: Sequence[NameDays], since: date, upto: date, due: date | None) -> Week:
    """Outcomes of some closes, counted: hits, those of listed names, the largest and the smallest gap."""
    known = [part.rows(np.isfinite(part.gap)) for part in days]
    known = [part for part in known if len(part)]
    if not known:
        return Week(since, upto, due=due)
    gap = np.concatenate([part.gap for part in known])
    listed = np.concatenate([part.listed for part in known]) == LISTED
    calls = [(part, row) for part in known for row in range(len(part))]
    best, worst = (_call(*calls[place]) for place in (int(gap.argmax()), int(gap.argmin())))
    return Week(
        since,
        upto,
        n=len(gap),
        hits=int(np.count_nonzero(gap > 0)),
        mean_gap=float(gap.mean()),
        listed=int(np.count_nonzero(listed)),
        listed_hits=int(np.count_nonzero(listed & (gap > 0))),
        best=best,
        worst=worst,
        due=due,
    )


def _call(days: NameDays, row: int) -> Call:
    return Call(
        symbol=days.symbols[int(days.name[row])],
        session=days.session[row].astype(date),
        gap=float(days.gap[row]),
        listed=int(days.listed[row]) == LISTED,
    )
