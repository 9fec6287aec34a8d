"""The official and the public sources on loopback: rates, the earnings calendar, directories of names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from aiohttp import web

from engine.market.sessions import sessions_before
from tests.loopback.book import MarketBook
from tests.loopback.faults import Handler

TREASURY, FRED = "home.treasury.gov", "fred.stlouisfed.org"
NASDAQ = "api.nasdaq.com"
OCC, SYMBOLS = "marketdata.theocc.com", "www.cboe.com"
TENORS = ("1 Mo", "1.5 Month", "2 Mo", "3 Mo", "4 Mo", "6 Mo", "1 Yr", "2 Yr", "5 Yr", "10 Yr", "30 Yr")
DAYS = 30
"""Sessions the yields go back."""


def public(book: MarketBook) -> dict[str, Handler]:
    """Handlers of the Treasury, FRED, Nasdaq, the OCC and Cboe's directory.

    The yield curve is flat at the Snapshot's rate (4 percent when it has none), rounded to a basis point as
    published; reports stand on the days the Snapshot tells.
    """
    days: list[date] = list(sessions_before(book.snapshot.session, DAYS).astype(object))
    rate = 0.04 if book.snapshot.rate is None else book.snapshot.rate
    percent = f"{200 * math.expm1(rate / 2):.2f}"

    async def treasury(request: web.Request) -> web.StreamResponse:
        year = request.path.split("/")[-2]
        return _text("text/csv", _treasury([day for day in days if str(day.year) == year], percent))

    async def fred(request: web.Request) -> web.StreamResponse:
        return _text("text/csv", _fred(days, request.query.get("id", "DGS3MO").split(","), percent))

    async def nasdaq(request: web.Request) -> web.StreamResponse:
        if "Mozilla" not in request.headers.get("User-Agent", ""):
            return web.Response(status=403, text="<html>Access Denied</html>", content_type="text/html")
        return web.json_response(_reports(book, request.query.get("date", "")))

    async def occ(request: web.Request) -> web.StreamResponse:
        return _text("text/plain", _occ(book))

    async def symbols(request: web.Request) -> web.StreamResponse:
        return _text("text/csv", _directory(book))

    return {TREASURY: treasury, FRED: fred, NASDAQ: nasdaq, OCC: occ, SYMBOLS: symbols}


def _text(kind: str, text: str) -> web.Response:
    return web.Response(text=text, content_type=kind)


def _treasury(days: Sequence[date], percent: str) -> str:
    header = ",".join(["Date", *(f'"{tenor}"' for tenor in TENORS)])
    rows = [f"{day:%m/%d/%Y}," + ",".join([percent] * len(TENORS)) for day in reversed(days)]
    return "\n".join([header, *rows]) + "\n"


def _fred(days: Sequence[date], series: Sequence[str], percent: str) -> str:
    rows = [f"{day}," + ",".join([percent] * len(series)) for day in days]
    return "\n".join([",".join(["observation_date", *series]), *rows]) + "\n"


def _reports(book: MarketBook, day: str) -> dict[str, object]:
    rows = [
        {
            "lastYearRptDt": "N/A",
            "lastYearEPS": "N/A",
            "time": _report_time(book, symbol),
            "symbol": symbol,
            "name": row["name"],
            "marketCap": "$1,000,000,000",
            "fiscalQuarterEnding": "Mar/2026",
            "epsForecast": "$1.00",
            "noOfEsts": "5",
        }
        for symbol, row in book.rows.items()
        if book.text(symbol, "earnings_date") == day
    ]
    headers = {"symbol": "Symbol", "name": "Company Name", "time": "Time"}
    return {
        "data": {"asOf": day, "headers": headers if rows else None, "rows": rows or None},
        "message": None,
        "status": {"rCode": 200, "bCodeMessage": None, "developerMessage": None},
    }


def _report_time(book: MarketBook, symbol: str) -> str:
    announced = book.text(symbol, "earnings_verified") == "true"
    return "time-after-hours" if announced else "time-not-supplied"


def _occ(book: MarketBook) -> str:
    rows = [
        f"{symbol.replace('.', ''):6}\t{symbol:6}\t{row['name']:35}\tABCE\t250000\t1"
        for symbol, row in book.rows.items()
    ]
    return "".join(f"{row}\r\n" for row in rows)


def _directory(book: MarketBook) -> str:
    rows = [f'"{row["name"]}","{symbol}","Market Maker","1/1"' for symbol, row in book.rows.items()]
    return "\r\n".join(["Company Name, Stock Symbol, DPM Name, Post/Station", *rows]) + "\r\n"
