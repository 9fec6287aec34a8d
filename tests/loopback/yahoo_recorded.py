"""Yahoo on loopback, of recorded replies passed on as they came."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.loopback.faults import Handler
from tests.loopback.yahoo_door import HOSTS, Door, as_json, asked, crumb, not_found, refused

Key = tuple[str | None, str | None]


def recorded_yahoo(folder: Path, door: Door | None = None) -> dict[str, Handler]:
    """Handlers of Yahoo's hosts that pass on the recorded replies of a folder, their bytes unchanged.

    A reply is found by path and by `date` (options) or the period (charts). Of an option page that is asked
    for without a date the latest recording is given; of a chart whose period nobody recorded, the longest of
    its symbol: they hold one day to one year, too little for a realized volatility of a year. Spark was
    never recorded: 404.
    """
    options, charts = _recordings(folder)
    door = door or Door()

    async def data(request: web.Request) -> web.StreamResponse:
        kind, symbol = asked(request)
        if kind == "getcrumb":
            return crumb(door, request)
        if kind == "options" and not door.admits(request):
            return refused(kind)
        found = options.get((symbol, request.query.get("date"))) if kind == "options" else None
        if kind == "chart" and symbol in charts:
            period = (request.query.get("period1"), request.query.get("period2"))
            found = charts[symbol].get(period) or max(charts[symbol].values(), key=len)
        return not_found(kind) if found is None else as_json(found)

    return {**dict.fromkeys(HOSTS, data), **door.handlers()}


def _recordings(folder: Path) -> tuple[dict[Key, bytes], dict[str, dict[Key, bytes]]]:
    options: dict[Key, bytes] = {}
    charts: dict[str, dict[Key, bytes]] = {}
    # Backwards, the recordings of 2022 (AAPL_2022-02-16) come before the plain ones, which replace them.
    for path in sorted(folder.glob("*.json.gz"), reverse=True):
        text = gzip.decompress(path.read_bytes()).decode()
        recorded = json.loads(text)
        kind, symbol = recorded["url"].split("/")[-2:]
        query, body = recorded["query"], _body(text, recorded)
        if kind == "options":
            options[symbol, query.get("date")] = body
            for page in recorded["body"]["optionChain"]["result"][0]["options"]:
                options.setdefault((symbol, str(page["expirationDate"])), body)
        elif kind == "chart":
            charts.setdefault(symbol, {})[query.get("period1"), query.get("period2")] = body
    return options, charts


def _body(text: str, recorded: Mapping[str, Any]) -> bytes:
    """The reply as it stands in the recording."""
    body = recorded["body"]
    if isinstance(body, str):
        return body.encode()
    start = text.index('"body":') + len('"body":')
    start += len(text[start:]) - len(text[start:].lstrip())
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end].encode()
