"""What may go wrong on the line or in a reply, by name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Edit = Callable[[Any], Any]


class Fault(StrEnum):
    """A fault that needs no knowledge of the reply it spoils."""

    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    RATE_LIMITED = "429"
    RATE_LIMITED_600 = "429, Retry-After: 600"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    TIMEOUT = "never an answer"
    TRUNCATED = "connection closed in the middle of the body"
    HALF_JSON = "half of the reply, as if it were all"
    HTML = "a page instead of data"
    EMPTY_BODY = "200 with nothing"
    HALF_OPEN = "connection cut after the request"
    NO_DNS = "host name not found"


@dataclass(frozen=True, slots=True)
class Edited:
    """The handler's own JSON reply, changed; replies that are no JSON pass as they are."""

    edit: Edit = field(repr=False)
    name: str = "edited reply"


AnyFault = Fault | Edited

_STATUS = {
    Fault.UNAUTHORIZED: (401, "Unauthorized"),
    Fault.FORBIDDEN: (403, "Forbidden"),
    Fault.NOT_FOUND: (404, "Not Found"),
    Fault.RATE_LIMITED: (429, "Too Many Requests\r\n"),
    Fault.RATE_LIMITED_600: (429, "Too Many Requests\r\n"),
    Fault.SERVER_ERROR: (500, "Internal Server Error"),
    Fault.UNAVAILABLE: (503, "Service Unavailable"),
}
_PAGE = "<!DOCTYPE html><html><head><title>One moment</title></head><body><p>Please wait.</p></body></html>"
_ROUTINE = ("Content-Type", "Content-Length", "Date", "Server", "Transfer-Encoding")


async def spoiled(fault: AnyFault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """The answer to a request under a fault. Runs the handler only where its reply is what is spoiled."""
    if isinstance(fault, Fault) and fault in _STATUS:
        status, text = _STATUS[fault]
        headers = {"Retry-After": "600"} if fault is Fault.RATE_LIMITED_600 else None
        return web.Response(status=status, text=text, headers=headers)
    if fault is Fault.HTML:
        return web.Response(text=_PAGE, content_type="text/html")
    if fault is Fault.EMPTY_BODY:
        return web.Response(body=b"", content_type="application/json")
    if fault is Fault.TIMEOUT:
        # Ends by cancellation, when the client gives up or the server stops.
        await asyncio.Event().wait()
    if fault in (Fault.HALF_OPEN, Fault.NO_DNS) or "Upgrade" in request.headers:
        return _cut(request)
    answer = await handler(request)
    if not isinstance(answer, web.Response):
        return answer
    return await _changed(fault, request, answer)


async def _changed(fault: AnyFault, request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _bytes(answer)
    kept = {name: value for name, value in answer.headers.items() if name not in _ROUTINE}
    if isinstance(fault, Edited):
        if answer.content_type != "application/json":
            return answer
        text = json.dumps(fault.edit(json.loads(body)))
        return web.Response(text=text, status=answer.status, headers=kept, content_type="application/json")
    half = body[: len(body) // 2]
    if fault is Fault.HALF_JSON:
        return web.Response(body=half, headers=kept, content_type=answer.content_type)
    stream = web.StreamResponse(headers=kept)
    stream.content_type = answer.content_type
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(half)
    if request.transport is not None:
        request.transport.close()
    return stream


def _bytes(answer: web.Response) -> bytes:
    body = answer.body
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    raise TypeError("handlers answer with bytes, text or JSON")


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def without(*fields: str) -> Edit:
    """An edit that takes the fields out, wherever they stand."""
    return lambda reply: _walked(
        reply, lambda owner: {name: value for name, value in owner.items() if name not in fields}
    )


def replaced(value: Any, *fields: str) -> Edit:
    """An edit that sets the fields to a value, wherever they stand."""
    return lambda reply: _walked(
        reply, lambda owner: {name: value if name in fields else old for name, old in owner.items()}
    )


def emptied(*fields: str) -> Edit:
    """An edit that leaves lists of these names without a member."""
    return replaced([], *fields)


def _walked(reply: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(reply, dict):
        return {name: _walked(value, change) for name, value in change(reply).items()}
    if isinstance(reply, list):
        return [_walked(value, change) for value in reply]
    return reply
