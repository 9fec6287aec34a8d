"""What may go wrong on the way to Discord and back: asked for one by one, or by chance from a seed."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FORBIDDEN = 403
GONE = 404
LIMITED = 429


@dataclass(frozen=True, slots=True)
class Fault:
    """With a `status` the request is refused; otherwise it may be `stored`, then waits, then may be `cut`."""

    name: str
    status: int | None = None
    code: int = 0
    message: str = ""
    stored: bool = True
    seconds: float = 0.0
    cut: bool = False


def limited(seconds: float = 0.05) -> Fault:
    """429: too fast; `seconds` to wait."""
    return Fault("429", LIMITED, 0, "You are being rate limited.", seconds=seconds)


def broken(status: int = 500) -> Fault:
    """A failure of Discord's own."""
    return Fault(str(status), status, 0, f"{status}: Server Error")


def late(seconds: float) -> Fault:
    """Stored at once, answered after `seconds`."""
    return Fault("late", seconds=seconds)


NO_PERMISSION = Fault("403/50013", FORBIDDEN, 50013, "Missing Permissions")
NO_ACCESS = Fault("403/50001", FORBIDDEN, 50001, "Missing Access")
CLOSED_DM = Fault("403/50007", FORBIDDEN, 50007, "Cannot send messages to this user")
NO_CHANNEL = Fault("404/10003", GONE, 10003, "Unknown Channel")
NO_MESSAGE = Fault("404/10008", GONE, 10008, "Unknown Message")
NO_USER = Fault("404/10013", GONE, 10013, "Unknown User")
NO_GUILD = Fault("404/10004", GONE, 10004, "Unknown Guild")
REFUSED_TOKEN = Fault("401", 401, 0, "401: Unauthorized")
CUT_BEFORE = Fault("cut before it was stored", stored=False, cut=True)
CUT_AFTER = Fault("cut after it was stored", cut=True)


def as_json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """discord.py reads JSON only under this very content type."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
    )


def refusal(fault: Fault) -> web.Response:
    """The answer with which a request is turned away."""
    assert fault.status is not None
    body: dict[str, object] = {"code": fault.code, "message": fault.message}
    if fault.status != LIMITED:
        return as_json(body, fault.status)
    # Without Via discord.py takes it for a ban by the network in between.
    headers = {"Via": "1.1 loopback", "Retry-After": str(fault.seconds)}
    return as_json(body | {"retry_after": fault.seconds, "global": False}, fault.status, headers)


@dataclass
class _Asked:
    fault: Fault
    route: str
    channel_id: str | None
    times: int


class Faults:
    """Which request suffers what. A fault asked for goes before one of chance."""

    def __init__(self) -> None:
        self._asked: list[_Asked] = []
        self._chances: list[tuple[str, random.Random, Mapping[Fault, float]]] = []
        self.delay: Callable[[str], float] = lambda route: 0.0
        """Seconds every answer takes, by the name of the route."""
        self.suffered: list[tuple[str, str | None, Fault]] = []

    def ask(self, fault: Fault, route: str, channel_id: str | None = None, times: int = 1) -> None:
        """The next `times` requests of a route, to one channel or any."""
        self._asked.append(_Asked(fault, route, channel_id, times))

    def chance(self, route: str, generator: random.Random, rates: Mapping[Fault, float]) -> None:
        """From now on each request of a route may suffer, at these rates."""
        self._chances.append((route, generator, rates))

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._asked.clear()
        self._chances.clear()

    def take(self, route: str, channel_id: str | None) -> Fault | None:
        """What this request suffers."""
        fault = self._next(route, channel_id)
        if fault is not None:
            self.suffered.append((route, channel_id, fault))
        return fault

    def _next(self, route: str, channel_id: str | None) -> Fault | None:
        for asked in self._asked:
            if asked.route == route and asked.times and asked.channel_id in (None, channel_id):
                asked.times -= 1
                return asked.fault
        for name, generator, rates in self._chances:
            if name == route:
                drawn = generator.random()
                for fault, rate in rates.items():
                    drawn -= rate
                    if drawn < 0:
                        return fault
        return None


async def suffer(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """The answer to a request under a fault."""
    if fault.status is not None:
        return refusal(fault)
    answer = await handler(request) if fault.stored else web.Response()
    if fault.seconds:
        await asyncio.sleep(fault.seconds)
    if fault.cut and request.transport is not None:
        request.transport.abort()
    return answer
