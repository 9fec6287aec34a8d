"""Tastytrade's REST service on loopback, made from a Snapshot or of recorded replies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.loopback.book import Contract, MarketBook, monthly
from tests.loopback.dxlink import stream
from tests.loopback.faults import Handler
from tests.loopback.replies import Replies

API, STREAM = "api.tastyworks.com", "tasty-openapi-ws.dxfeed.com"
SECRET, REFRESH = "loopback-secret", "loopback-refresh"
MOST_SYMBOLS = 100
_OCC = re.compile(r"^(.{6})\d{6}[CP]\d{8}$")
_AGENT = re.compile(r"^\S+/\S+")


@dataclass
class Login:
    """Who may come in, and how often somebody did. `expire` ends the tokens given out so far."""

    secret: str = SECRET
    refresh: str = REFRESH
    seconds: int = 900
    given: int = 0
    refused: int = 0
    valid: set[str] = field(default_factory=set)

    @property
    def quote_token(self) -> str:
        """What opens the stream."""
        return "loopback-quotes"

    def expire(self) -> None:
        """From now on a new login is needed."""
        self.valid.clear()

    async def answer(self, request: web.Request) -> web.Response:
        """POST /oauth/token."""
        asked = await request.json()
        known = (self.secret, self.refresh, "refresh_token")
        if (asked.get("client_secret"), asked.get("refresh_token"), asked.get("grant_type")) != known:
            self.refused += 1
            return _error(401, "invalid_credentials", "Invalid client credentials")
        self.given += 1
        token = f"loopback-token-{self.given}"
        self.valid.add(token)
        reply = {"access_token": token, "token_type": "Bearer", "expires_in": self.seconds}
        return web.json_response(reply)

    def admits(self, request: web.Request) -> bool:
        """Whether a request bears a token that was given out."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self.valid


@dataclass
class Accounts:
    """Who owns what: number -> positions as the service lists them, number -> net liquidation as it says."""

    positions: dict[str, list[Any]]
    worth: dict[str, str | None] = field(default_factory=dict)
    closed: tuple[str, ...] = ()

    def answer(self, path: str) -> web.Response | None:
        """The reply to a path of theirs; None for any other."""
        if path == "/customers/me/accounts":
            listed = [
                {
                    "account": {"account-number": number, "is-closed": number in self.closed},
                    "authority-level": "owner",
                }
                for number in self.positions
            ]
            return _items(path, listed)
        found = re.fullmatch(r"/accounts/(\w+)/(positions|balances/USD)", path)
        if found is None or found[1] not in self.positions:
            return None
        if found[2] == "positions":
            return _items(path, self.positions[found[1]])
        worth = {"account-number": found[1], "net-liquidating-value": self.worth.get(found[1])}
        return web.json_response({"data": worth, "context": path})


def tastytrade(
    book: MarketBook, login: Login | None = None, accounts: Accounts | None = None
) -> dict[str, Handler]:
    """Handlers of Tastytrade's two hosts for a made-up market."""
    login, replies = login or Login(), Replies()
    accounts = accounts or Accounts({})

    async def data(request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/market-metrics":
            symbols = [symbol for symbol in request.query.get("symbols", "").split(",") if symbol]
            return _items(path, [_metrics(book, symbol) for symbol in symbols if _ours(symbol) in book.rows])
        if path == "/market-data/by-type":
            return _by_type(book, request)
        if path.startswith("/option-chains/") and path.endswith("/nested"):
            return _nested(book, path, replies)
        return accounts.answer(path) or _error(404, "not_found", "Not found")

    return {API: _guarded(login, data), STREAM: stream(book, login.quote_token)}


def recorded_tastytrade(folder: Path, login: Login | None = None) -> dict[str, Handler]:
    """Handlers that pass on the recorded metrics (AAPL, TSLA) and the chain of AAPL, their bytes unchanged.

    Prices were never recorded: 404, as for any other path; the stream stays shut.
    """
    files = {
        "/market-metrics": "marketMetricsResp.json",
        "/option-chains/AAPL/nested": "equityOptionChainsNestedResp.json",
    }
    bodies = {path: (folder / name).read_bytes() for path, name in files.items()}

    async def data(request: web.Request) -> web.StreamResponse:
        if request.path not in bodies:
            return _error(404, "not_found", "Not found")
        return web.Response(body=bodies[request.path], content_type="application/json")

    return {API: _guarded(login or Login(), data)}


def _guarded(login: Login, data: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not _AGENT.match(request.headers.get("User-Agent", "")):
            return web.Response(status=401, text="<html>401 Authorization Required</html>")
        if request.path == "/oauth/token":
            return await login.answer(request)
        if not login.admits(request):
            return _error(401, "token_invalid", "This token is invalid or has expired")
        if request.path == "/api-quote-tokens":
            return web.json_response({"data": _quote_token(login), "context": request.path})
        return await data(request)

    return answer


def _quote_token(login: Login) -> dict[str, str]:
    return {
        "token": login.quote_token,
        "dxlink-url": f"wss://{STREAM}/realtime",
        "level": "api",
    }


def _metrics(book: MarketBook, theirs: str) -> dict[str, Any]:
    """One item: indices, ranks and percentiles are fractions, volatilities of so many days in percent."""
    symbol = _ours(theirs)
    stamp = _stamp(book.traded(symbol))
    iv30, hv30 = book.iv30(symbol), book.hv(symbol, 30)
    item: dict[str, Any] = {
        "symbol": theirs,
        "implied-volatility-index": _text(iv30),
        "implied-volatility-index-rank": _text(book.rank(symbol)),
        "implied-volatility-index-rank-source": "tw",
        "tw-implied-volatility-index-rank": _text(book.rank(symbol)),
        "implied-volatility-percentile": _text(book.percentile(symbol)),
        "implied-volatility-updated-at": stamp,
        "implied-volatility-30-day": _text(100 * iv30),
        "historical-volatility-30-day": _text(100 * hv30),
        "historical-volatility-60-day": _text(100 * book.hv(symbol, 60)),
        "historical-volatility-90-day": _text(100 * book.hv(symbol, 90)),
        "iv-hv-30-day-difference": _text(100 * (iv30 - hv30)),
        "liquidity-rating": _whole(book.value(symbol, "liquidity_rating")),
        "beta": _text(book.value(symbol, "beta")),
        "corr-spy-3month": _text(book.value(symbol, "corr_spy")),
        "dividend-next-date": book.text(symbol, "dividend_date"),
        "dividend-rate-per-share": _text(book.value(symbol, "dividend_amount")),
        "earnings": _earnings(book, symbol, stamp),
        "market-cap": 1_000_000_000,
        "updated-at": stamp,
    }
    return {name: value for name, value in item.items() if value is not None}


def _earnings(book: MarketBook, symbol: str, stamp: str) -> dict[str, Any] | None:
    due = book.text(symbol, "earnings_date")
    if due is None:
        return None
    return {
        "visible": True,
        "expected-report-date": due,
        "estimated": book.text(symbol, "earnings_verified") != "true",
        "late-flag": 0,
        "time-of-day": "AMC",
        "updated-at": stamp,
    }


def _nested(book: MarketBook, path: str, replies: Replies) -> web.Response:
    theirs = path.removeprefix("/option-chains/").removesuffix("/nested")
    symbol = _ours(theirs)
    if symbol not in book.rows:
        return _error(404, "record_not_found", f"No option chain for {theirs}")
    if (fault := book.fault(symbol)) is not None:
        return _error(502, "bad_gateway", fault)
    return replies.json(path, lambda: {"data": {"items": _roots(book, symbol, theirs)}, "context": path})


def _roots(book: MarketBook, symbol: str, theirs: str) -> list[dict[str, Any]]:
    by_root: dict[str, list[Contract]] = {}
    for contract in book.contracts(symbol):
        by_root.setdefault(contract.root, []).append(contract)
    return [_root(book, theirs, root, own) for root, own in by_root.items()]


def _root(book: MarketBook, theirs: str, root: str, contracts: list[Contract]) -> dict[str, Any]:
    odd = contracts[0].adjusted
    shares = "50.0" if odd else "100.0"
    delivered = {
        "id": 1,
        "root-symbol": root,
        "deliverable-type": "Shares",
        "description": f"{shares} shares of {theirs}",
        "amount": shares,
        "symbol": theirs,
        "instrument-type": "Equity",
        "percent": "100",
    }
    days = sorted({contract.expiration for contract in contracts})
    by_day: dict[date, list[Contract]] = {day: [] for day in days}
    for contract in contracts:
        by_day[contract.expiration].append(contract)
    return {
        "underlying-symbol": theirs,
        "root-symbol": root,
        "option-chain-type": "Non-standard" if odd else "Standard",
        "shares-per-contract": 100,
        "tick-sizes": [{"value": "0.01", "threshold": "3.0"}, {"value": "0.05"}],
        "deliverables": [delivered],
        "expirations": [
            {
                "expiration-type": "Regular" if monthly(day) else "Weekly",
                "expiration-date": day.isoformat(),
                "days-to-expiration": (day - book.snapshot.session).days,
                "settlement-type": "PM",
                "strikes": _strikes(root, day, own),
            }
            for day, own in by_day.items()
        ],
    }


def _strikes(root: str, day: date, contracts: list[Contract]) -> list[dict[str, str]]:
    strikes = []
    for strike in sorted({contract.strike for contract in contracts}):
        call, put = (Contract(root, day, right, strike, {}) for right in "CP")
        strikes.append(
            {
                "strike-price": f"{strike:.3f}".rstrip("0").removesuffix(".") + (".0" * (strike % 1 == 0)),
                "call": call.padded,
                "call-streamer-symbol": call.streamed,
                "put": put.padded,
                "put-streamer-symbol": put.streamed,
            }
        )
    return strikes


def _by_type(book: MarketBook, request: web.Request) -> web.Response:
    kinds = {"equity": "Equity", "index": "Index", "equity-option": "Equity Option"}
    asked = [
        (kinds[kind.removesuffix("[]")], symbol)
        for kind, symbols in request.query.items()
        if kind.removesuffix("[]") in kinds
        for symbol in symbols.split(",")
    ]
    if len(asked) > MOST_SYMBOLS:
        return _error(400, "too_many_symbols", f"No more than {MOST_SYMBOLS} symbols")
    found = (
        _option(book, symbol) if kind == "Equity Option" else _underlying(book, kind, symbol)
        for kind, symbol in asked
    )
    return _items(request.path, [item for item in found if item is not None])


def _option(book: MarketBook, padded: str) -> dict[str, Any] | None:
    match = _OCC.match(padded)
    root = match[1].strip() if match else ""
    symbol = book.roots.get(root) or book.roots.get(root.rstrip("0123456789"))
    if symbol is None:
        return None
    contract = _by_code(book, symbol).get(padded)
    if contract is None:
        return None
    quote = contract.quote
    traded = book.traded(symbol) if quote["volume"] > 0 else None
    figures = {**quote, "mid": (quote["bid"] + quote["ask"]) / 2}
    return _data(book, padded, "Equity Option", figures, traded)


def _by_code(book: MarketBook, symbol: str) -> dict[str, Contract]:
    known: dict[str, dict[str, Contract]] = book.__dict__.setdefault("_by_padded_code", {})
    if symbol not in known:
        known[symbol] = {contract.padded: contract for contract in book.contracts(symbol)}
    return known[symbol]


def _underlying(book: MarketBook, kind: str, theirs: str) -> dict[str, Any] | None:
    symbol = _ours(theirs)
    if symbol not in book.rows or math.isnan(spot := book.value(symbol, "spot")):
        return None
    bars = book.bars.get(symbol)
    before = float(bars["close"].iloc[-2]) if bars is not None and len(bars) > 1 else math.nan
    figures = {"last": spot, "bid": spot, "ask": spot, "mid": spot, "prev-close": before}
    return _data(book, theirs, kind, figures, book.traded(symbol))


def _data(
    book: MarketBook, symbol: str, kind: str, figures: dict[str, float], traded: datetime | None
) -> dict[str, Any]:
    session = book.snapshot.session
    numbers = {name.replace("_", "-"): _text(value) for name, value in figures.items()}
    item: dict[str, Any] = {
        "symbol": symbol,
        "instrument-type": kind,
        "updated-at": _stamp(book.snapshot.asof),
        "bid-size": "1.0",
        "ask-size": "1.0",
        **numbers,
        "mark": numbers["mid"],
        "close-price-type": "Regular",
        "summary-date": session.isoformat(),
        "prev-close-date": (session - timedelta(days=1)).isoformat(),
        "prev-close-price-type": "Regular",
        "is-trading-halted": False,
        "halt-start-time": -1,
        "halt-end-time": -1,
        "last-trade-time": round(traded.timestamp() * 1000) if traded else None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _items(path: str, items: Iterable[Any]) -> web.Response:
    return web.json_response({"data": {"items": list(items)}, "context": path})


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def _ours(theirs: str) -> str:
    return theirs.replace("/", ".")


def _text(number: float) -> str | None:
    return None if math.isnan(number) else repr(float(number))


def _whole(number: float) -> int | None:
    return None if math.isnan(number) else round(number)


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
