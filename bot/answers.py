"""Questions to cards: the same for a command, a button and a scheduled post."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.calibration import CalibrationAnswers
from bot.cards.card import Button, Card
from bot.cards.csvfile import screen_csv
from bot.cards.facts import footer, run_name, titled
from bot.cards.history import HistoryPoint
from bot.cards.method import method_card
from bot.cards.name import vrp_card, why_card
from bot.cards.people import ranked_card
from bot.cards.portfolio_rows import EMPTY
from bot.cards.relative import pairs_line
from bot.cards.screen import post_card, screen_card
from bot.cards.table import numbers as dressed_as
from bot.cards.text import escaped
from bot.failures import InputError
from bot.people.portfolios import Portfolios
from bot.people.watchlists import Watchlists
from bot.proof import ProofAnswers
from bot.relative import RelativeAnswers
from bot.screening import Judged
from bot.service import MarketService
from engine.record.series import Point
from engine.screen.result import Row, Screen

UNIVERSES = {"all": "", "equities": "equity", "etfs": "etf"}
"""What /screen can be narrowed to -> the asset class that stays."""
WATCHLIST = "watchlist"
"""What a person can narrow /screen to besides: the own names, looked up whenever they are asked for."""
MINE = "mine"
"""Before the universe in a scope's text: the list is judged beside the presser's own book."""
_BESIDE = "Judged beside your book: one gate more, the correlation with it"
_UNKNOWN_BOOK = (
    "Judged without your book: this run knows the closes of none of its names, so no correlation is known"
)
_SPOKEN = {"equities": "single equities", "etfs": "ETFs", WATCHLIST: "your watchlist"}
_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which names of a run a list shows; travels in the buttons as text.

    A watchlist's `names` never travel: whoever presses a button sees the own list, nobody else's.
    """

    universe: str = "all"
    sector: str = ""
    names: tuple[str, ...] = ()
    mine: bool = False
    """Judged beside the own book, which never travels either."""

    @classmethod
    def parse(cls, text: str) -> Scope:
        """The scope of a button's text; everything when it is empty or of no use."""
        universe, _, sector = text.partition(_SEPARATOR)
        own, _, universe = universe.rpartition("+")
        return cls(universe if universe in (*UNIVERSES, WATCHLIST) else "all", sector, mine=own == MINE)

    @property
    def personal(self) -> bool:
        """Whether one person alone may see the list."""
        return self.mine or self.universe == WATCHLIST

    @property
    def text(self) -> str:
        """The scope for a button, empty for everything."""
        own = f"{MINE}+" if self.mine else ""
        return f"{own}{self.universe}{_SEPARATOR}{self.sector}" if self != Scope() else ""

    @property
    def spoken(self) -> str:
        """The scope for a person: `ETFs, sector Energy`."""
        parts = (_SPOKEN.get(self.universe, ""), f"sector {escaped(self.sector)}" if self.sector else "")
        return ", ".join(filter(None, parts))

    def holds(self, row: Row) -> bool:
        """Whether the row belongs to the scope."""
        if self.universe == WATCHLIST and row.symbol not in self.names:
            return False
        wanted = UNIVERSES.get(self.universe)
        if wanted and row.text("asset_class") != wanted:
            return False
        return not self.sector or row.text("sector") == self.sector

    def require(self, screen: Screen) -> None:
        """Raise InputError when a screen holds names, but none of the scope."""
        if screen.rows and not any(self.holds(row) for row in screen.rows):
            raise InputError(
                "No name of your watchlist is in this run and sector."
                if self.universe == WATCHLIST
                else "No name of this run is of that kind and sector; leave one of the two out."
            )

    def narrow(self, screen: Screen) -> Screen:
        """The screen seen through the scope. Raises InputError when no name is left."""
        self.require(screen)
        return self.seen(screen)

    def seen(self, screen: Screen) -> Screen:
        """The screen seen through the scope, whether it holds a name of it or not."""
        if self == Scope(mine=self.mine):
            return screen
        return screen.narrowed([row.symbol for row in screen.rows if self.holds(row)])


class Answers:
    """Asks the service and draws; every method returns a card that can be sent as it is."""

    def __init__(self, service: MarketService) -> None:
        self.service = service
        self.watchlists = Watchlists(service.store)
        self.relative = RelativeAnswers(service)
        self.calibration = CalibrationAnswers(service)
        self.proof = ProofAnswers(service)
        self.portfolios = Portfolios(service.store)

    async def screen(
        self, profile: str | None, lens: str | None, scope: Scope, user_id: int | None = None
    ) -> Card:
        """The ranked list; a watchlist is that of `user_id`. Raises InputError when it is empty."""
        scope = await self._own(scope, user_id)
        judged = await self._beside(await self.service.screen(profile, lens), scope, user_id)
        return await self.service.desk(lambda: _screen_page(judged, 0, scope))

    async def page(self, run_id: int, argument: str, user_id: int | None = None) -> Card:
        """Another page of a list: `argument` is `page|scope` (bot.cards.screen)."""
        number, _, text = argument.partition("|")
        scope = await self._own(Scope.parse(text), user_id)
        judged = Judged(run_id, await self.service.stored(run_id))
        judged = await self._beside(judged, scope, user_id)
        page = int(number) if number.isdecimal() else 0
        return await self.service.desk(lambda: _screen_page(judged, page, scope))

    async def vrp(self, symbol: str, run_id: int | None = None) -> Card:
        """One name with its chart."""
        row, judged = await self.service.row(symbol, run_id)
        service = self.service

        def draw() -> Card:
            points = service.history(symbol, judged.screen)
            return vrp_card(row, judged.screen.run, judged.run_id, [_point(point) for point in points])

        return await self.service.desk(draw)

    async def why(self, symbol: str, run_id: int | None = None, user_id: int | None = None) -> Card:
        """Every gate of one name, of `KO+mine` the one beside the book of `user_id` too."""
        symbol, _, own = symbol.partition("+")
        row, judged = await self.service.row(symbol, run_id)
        if own == MINE:
            beside = (await self._beside(judged, Scope(mine=True), user_id)).screen
            row = beside.find(symbol) or row
        run = judged.screen.run
        evidence = await self.proof.evidence(self.service.realm_of(run))
        return await self.service.desk(lambda: why_card(row, run, judged.run_id, evidence))

    async def csv(self, run_id: int, scope: Scope, user_id: int | None = None) -> Card:
        """The whole run as a file."""
        scope = await self._own(scope, user_id)
        judged = Judged(run_id, await self.service.stored(run_id))
        screen = (await self._beside(judged, scope, user_id)).screen
        return await self.service.desk(lambda: _csv_card(scope.narrow(screen), run_id, scope))

    async def method(self, word: str | None) -> Card:
        """Formula and source of a metric and what became of its groups, or the overview."""
        evidence = await self.proof.evidence() if word else None
        return await self.service.desk(lambda: method_card(word, evidence))

    async def post(self) -> Card:
        """The scheduled post of the market at hand."""
        return await self.scheduled((await self.service.screen()).run_id, Scope())

    async def scheduled(
        self,
        run_id: int,
        scope: Scope,
        *,
        late_since: datetime | None = None,
        numbers: str | None = None,
        official_id: int | None = None,
        guild_id: int | None = None,
    ) -> Card:
        """The post of a stored run as one server wants it; `late_since` is when a late one was due.

        `official_id` is the run that measured the pairs, where a server's own rules made another of it;
        `guild_id` is the server, whose own pairs are told of beside the operator's.
        """
        screen = await self.service.stored(run_id)
        previous = await self.service.previous(screen)
        official = run_id if official_id is None else official_id
        news = await self.relative.news(official, screen.run, guild_id)

        def draw() -> Card:
            with dressed_as(numbers):
                before = previous if previous is None else scope.seen(previous)
                card = post_card(
                    scope.seen(screen),
                    run_id,
                    before,
                    scope=scope.text,
                    late_since=late_since,
                    pairs=pairs_line(news.rows, news.before),
                )
                return _narrowed(card, scope)

        return await self.service.desk(draw)

    async def _own(self, scope: Scope, user_id: int | None) -> Scope:
        """The scope with the names of the person who asks, when it is a watchlist."""
        if scope.universe != WATCHLIST:
            return scope
        names = [] if user_id is None else await self.service.desk(lambda: self.watchlists.symbols(user_id))
        if not names:
            raise InputError("Your watchlist is empty; /watch add puts names on it.")
        return replace(scope, names=tuple(names))

    async def _beside(self, judged: Judged, scope: Scope, user_id: int | None) -> Judged:
        """The run judged beside the book of the person who asks, when the scope says so; kept nowhere."""
        if not scope.mine:
            return judged
        held = [] if user_id is None else await self.service.desk(lambda: self.portfolios.legs(user_id))
        if not held:
            raise InputError(EMPTY)
        return await self.service.beside(judged, [leg for _, leg in held])


def _screen_page(judged: Judged, page: int, scope: Scope) -> Card:
    beside = _beside_text(judged.screen) if scope.mine else ""
    if scope.universe == WATCHLIST:
        # Without a sector the names this run does not hold are shown too.
        names = [row.symbol for row in scope.narrow(judged.screen).rows] if scope.sector else scope.names
        card = ranked_card(judged.screen.narrowed(names), judged.run_id, names, page, scope.text)
        return _led(card, beside)
    card = screen_card(scope.narrow(judged.screen), judged.run_id, page, scope=scope.text)
    card = _led(_narrowed(card, scope), beside)
    return replace(card, buttons=tuple(map(_own_why, card.buttons))) if scope.mine else card


def _narrowed(card: Card, scope: Scope) -> Card:
    return _led(card, f"Only {scope.spoken}" if scope.spoken else "")


def _led(card: Card, lead: str) -> Card:
    return replace(card, headline="\n".join(filter(None, (lead, card.headline))))


def _own_why(button: Button) -> Button:
    """A list beside the own book explains its names beside it too."""
    return replace(button, argument=f"{button.argument}+{MINE}") if button.action == "why" else button


def _beside_text(screen: Screen) -> str:
    """Whether the correlation with the book was known for any name; empty where nothing was judged."""
    states = {gate.state for row in screen.rows for gate in row.gates if gate.name == "correlation"}
    if not states:
        return ""
    return _UNKNOWN_BOOK if states == {"unknown"} else _BESIDE


def _csv_card(screen: Screen, run_id: int, scope: Scope) -> Card:
    run = screen.run
    of = f", {scope.spoken} only" if scope.spoken else ""
    return Card(
        title=titled(run, run_name(run), "full list"),
        state=run.state,
        headline=_beside_text(screen) if scope.mine else "",
        sentence=f"{len(screen.rows)} names{of}: every metric, every gate with value, limit and distance.",
        footer=footer(run, run_id),
        files=(screen_csv(screen),),
    )


def _point(point: Point) -> HistoryPoint:
    volatility = {
        name: value if isinstance(value := point.values[name], float) else None
        for name in ("iv30", "hv30", "hv90")
    }
    passed = point.values["passed"]
    return HistoryPoint(
        session=point.session, passed=bool(passed) if passed is not None else None, **volatility
    )
