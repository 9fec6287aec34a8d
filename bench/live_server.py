"""The stand-in internet of the live benchmark: thousands of names, answers after a realistic delay."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import cached_property
from multiprocessing.connection import Connection
from string import ascii_uppercase
from typing import Any

import pandas as pd
from aiohttp import web

from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Listing
from tests.loopback.book import MarketBook
from tests.loopback.cboe import FILES, HOME
from tests.loopback.dxlink import stream
from tests.loopback.faults import Handler
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import API, STREAM, Login
from tests.loopback.yahoo_door import HOSTS

SESSION = date(2026, 4, 29)
MEDIANS = {**dict.fromkeys(HOSTS, 0.25), API: 0.15, HOME: 0.4, FILES: 0.4}
"""Seconds until an answer; a fifth of a second for every other host."""
DELAYS = "250, 150, 400"
SPREAD = 0.4
"""Standard deviation of the delay's logarithm: one answer in twenty takes about twice the median."""
BLOCKS, BLOCK = ascii_uppercase[:25], 200
_LETTERS = ascii_uppercase[:20]
_NAME = re.compile(rf"Q([{BLOCKS}])(?=[{_LETTERS}]{{2}})")
_OF_THE_MOMENT = re.compile(r"period2=\d+")


def symbols(count: int) -> list[str]:
    """Names in blocks of 200, `QAAA` to `QYJT`, and the benchmark last."""
    pairs = [first + second for first in _LETTERS[: BLOCK // len(_LETTERS)] for second in _LETTERS]
    names = [f"Q{block}{pair}" for block in BLOCKS for pair in pairs]
    return [*names[: count - 1], BENCHMARK]


def listing(symbol: str) -> Listing:
    """A share, or the benchmark's fund."""
    kind = "etf" if symbol == BENCHMARK else "equity"
    return Listing(symbol=symbol, name=f"{symbol} Company", sector="Technology", asset_class=kind)


class Desk:
    """Handlers for one block of names; the names of every other block are the same under another letter.

    An answer is made once and then only renamed, so that five thousand names need neither the memory nor
    the time of five thousand: what a client waits for is the delay.
    """

    def __init__(self, market: Snapshot) -> None:
        login = Login()
        self._made: dict[tuple[str, str], bytes] = {}
        self.served: list[bytes] = []
        """Bodies that answered for names of the blocks, since it was last cleared."""
        whole = whole_market(market, login)
        self.handlers = {host: self._remembering(host, handler) for host, handler in whole.items()}
        self.handlers[STREAM] = stream(_Tiled(market), login.quote_token)

    def _remembering(self, host: str, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            block = _NAME.search(request.path_qs)
            if block is None:
                return await handler(request)
            path = _NAME.sub("QA", request.path_qs)
            key = host, _OF_THE_MOMENT.sub("", path)
            if key not in self._made:
                made = await handler(request.clone(rel_url=path))
                if made.status != 200 or not isinstance(made, web.Response):
                    return made
                assert isinstance(made.body, bytes)
                self._made[key] = made.body
            body = self._made[key]
            self.served.append(body)
            renamed = body.replace(b"QA", b"Q" + block[1].encode())
            return web.Response(body=renamed, content_type="application/json", charset="utf-8")

        return answer


class _Tiled(MarketBook):
    """What the stream tells: the volatilities of every block are those of the first.

    Its candles bear no prices: nobody reads them, and looking them up would hold the server up.
    """

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        plain = MarketBook(self.snapshot).rows
        return {_NAME.sub(f"Q{block}", name): row for name, row in plain.items() for block in BLOCKS}

    @cached_property
    def bars(self) -> dict[str, pd.DataFrame]:
        return dict.fromkeys(self.rows, self.snapshot.history.iloc[:0])

    def iv_series(self, symbol: str) -> list[tuple[date, float]]:
        name = _NAME.sub("QA", symbol)
        if name not in self._series:
            self._series[name] = self._plain.iv_series(name)
        return self._series[name]

    @cached_property
    def _plain(self) -> MarketBook:
        return MarketBook(self.snapshot)

    @cached_property
    def _series(self) -> dict[str, list[tuple[date, float]]]:
        return {}


def faultless_market() -> Snapshot:
    """One block of names and the benchmark, all of them whole: the feed of this market never fails."""
    pairs = [first + second for first in _LETTERS for second in _LETTERS]
    listings = [listing(symbol) for symbol in (*(f"QA{pair}" for pair in pairs), BENCHMARK)]
    market = SimulatedMarket(listings, SESSION, seed=7).snapshot()
    known, sessions = market.underlyings, market.history["symbol"].value_counts()
    whole = known[
        known["spot"].notna()
        & known["error"].isna()
        & known["symbol"].isin(sessions.index[sessions == sessions.max()])
        & known["symbol"].isin(market.quotes["symbol"].unique())
    ]
    names = [symbol for symbol in whole["symbol"] if symbol != BENCHMARK][:BLOCK]
    return _renamed(
        market.only([*names, BENCHMARK], BENCHMARK), dict(zip(names, symbols(BLOCK + 1), strict=False))
    )


def _renamed(market: Snapshot, new: dict[str, str]) -> Snapshot:
    tables = {}
    for table in ("quotes", "underlyings", "history"):
        frame = getattr(market, table)
        symbol = frame["symbol"].astype("object").replace(new)
        tables[table] = frame.assign(symbol=pd.Categorical(symbol) if table != "underlyings" else symbol)
    return replace(market, **tables)


def delays(scale: Callable[[], float]) -> Callable[[str, str], float]:
    """Seconds of an answer by host, drawn around the host's median and divided by the scale."""
    drawn = random.Random(11)

    def delay(host: str, path: str) -> float:
        if scale() <= 0:
            return 0.0
        return MEDIANS.get(host, 0.2) * drawn.lognormvariate(0.0, SPREAD) / scale()

    return delay


def serve(orders: Connection) -> None:
    """Answer until told to stop. Orders: a new scale (0 for no delay), "served" for the bodies, "stop"."""
    scale = 0.0
    market = faultless_market()
    desk = Desk(market)
    with Loopback(desk.handlers, delay=delays(lambda: scale)) as net:
        orders.send((net.address, str(net.authority), market.asof))
        while (order := orders.recv()) != "stop":
            if order == "served":
                orders.send(list(desk.served))
            else:
                scale = float(order)
                orders.send(None)
            desk.served.clear()
