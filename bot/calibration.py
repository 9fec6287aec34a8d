"""Do the thresholds still fit? Asked of the market at hand, of stored closes, and by the clock monthly."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from bot.cards.calibration import CalibrationView, calibration_card, calibration_note
from bot.cards.card import Card
from bot.failures import NoMarketError, RunGoneError
from bot.people.guilds import Guilds
from bot.screening import Market
from bot.service import MarketService
from engine.errors import ConfigError
from engine.proof.calibration import Calibration, calibrate
from engine.proof.lenses import Close
from engine.record.closes import last_closes, measured_table, newest_close
from engine.record.rows import Realm, RunInfo
from engine.rules import Rules
from engine.screen.lens import measurement_key
from engine.screen.result import Run

MOST_CLOSES = 63
NOTE_CLOSES = 21
"""Official closes a monthly note pools: about a month, so that one odd day decides nothing."""
_BOTS = "the rules of the bot"
_SERVERS = "the rules of this server"


class CalibrationAnswers:
    """Measures and suggests; nothing is ever applied."""

    def __init__(self, service: MarketService) -> None:
        self.service = service
        self._servers = Guilds(service.store)

    async def card(self, guild_id: int | None, closes: int | None = None) -> Card:
        """The market at hand under both lenses, or the last `closes` official closes pooled.

        Judged by the server's own rules where it has some. Where no market is at hand that can be ranked, the
        last stored close stands in. Raises NoMarketError when there is neither.
        """
        rules, whose, notes = await self._rules(guild_id)
        market = self.service.market
        if closes is None and market is not None and _ranked(market):
            view = await self._of_market(market, rules, whose, notes)
        else:
            if closes is None:
                notes = (*notes, "No market at hand can be ranked; this is the last stored close.")
            view = await self._of_record(closes or 1, rules, whose, notes)
        return await self.service.desk(lambda: calibration_card(view))

    async def note(self, run_id: int) -> Card | None:
        """What administrators are told: the triggers that fire over a month of closes up to an official run.

        Judged by the bot's own rules; None when none fires. Raises RunGoneError.
        """
        store, rules = self.service.store, self.service.rules
        info = await self.service.desk(lambda: store.run_info(run_id))
        if info is None:
            raise RunGoneError("That run is no longer in the record.")
        found = await self._stored(info.realm, NOTE_CLOSES, rules, info.run.session + timedelta(days=1))
        if found is None:
            return None
        view = _view(found[0], found[1].run, rules, found[1].id, _BOTS)
        return await self.service.desk(lambda: calibration_note(view))

    async def _rules(self, guild_id: int | None) -> tuple[Rules, str, tuple[str, ...]]:
        """The rules to judge by, whose they are, and a word on what stood in the way of a server's own."""
        rules, servers = self.service.rules, self._servers
        settings = None if guild_id is None else await self.service.desk(lambda: servers.get(guild_id))
        if settings is None:
            return rules, _BOTS, ()
        try:
            own = settings.rules(rules)
        except ConfigError:
            return (
                rules,
                _BOTS,
                ("The rules of this server are not allowed any more; /config show tells why.",),
            )
        if measurement_key(own) != measurement_key(rules):
            return own, _SERVERS, ("Measured by the bot's rules and judged by those of this server.",)
        return own, _BOTS if own.hash == rules.hash else _SERVERS, ()

    async def _of_market(
        self, market: Market, rules: Rules, whose: str, notes: tuple[str, ...]
    ) -> CalibrationView:
        table, official = market.table, market.official
        assert table is not None
        run = official.screen.run
        found = await self.service.engine(lambda: calibrate([Close(run.session, table)], rules))
        view = _view(found, run, rules, official.run_id, whose)
        return replace(view, coverage=official.screen.coverage, notes=notes)

    async def _of_record(
        self, count: int, rules: Rules, whose: str, notes: tuple[str, ...]
    ) -> CalibrationView:
        market, store = self.service.market, self.service.store
        newest = await self.service.desk(lambda: newest_close(store))
        realm = None if newest is None else newest.realm
        if market is not None:
            realm = self.service.realm_of(market.official.screen.run)
        found = None if realm is None else await self._stored(realm, count, rules)
        if found is None:
            raise NoMarketError(
                "There is no market to calibrate on yet: none at hand, no official close stored."
            )
        held = len(found[0].days)
        if held < count:
            notes = (*notes, f"The record holds {held} of the {count} closes asked for.")
        return replace(_view(found[0], found[1].run, rules, found[1].id, whose), notes=notes)

    async def _stored(
        self, realm: Realm, count: int, rules: Rules, before: date = date.max
    ) -> tuple[Calibration, RunInfo] | None:
        """The last official closes pooled, with the newest of their runs; None without any.

        Each is read by itself, so that nobody's card waits for all of them.
        """
        service, store = self.service, self.service.store
        infos = await service.desk(lambda: last_closes(store, realm, count, before))
        if not infos:
            return None
        closes = [await self._close(info) for info in infos]
        return await service.engine(lambda: calibrate(closes, rules)), infos[-1]

    async def _close(self, info: RunInfo) -> Close:
        store = self.service.store
        return Close(info.run.session, await self.service.desk(lambda: measured_table(store, info.id)))


def _ranked(market: Market) -> bool:
    return market.table is not None and market.official.screen.run.state in ("complete", "degraded")


def _view(found: Calibration, run: Run, rules: Rules, run_id: int, whose: str) -> CalibrationView:
    """The run as the rules in force judge it, so that the card names them."""
    judged = replace(run, lens=rules.lens, profile=rules.profile, rules_hash=rules.hash)
    return CalibrationView(found, judged, run_id, whose)
