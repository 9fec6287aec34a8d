"""Three pages for those who look after the bot: is it alive, is it well, and its figures."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import structlog
from aiohttp import web

from bot.operation.metrics import CONTENT_TYPE, Metrics, watch_loop
from bot.settings import variable
from engine.errors import ConfigError, VarianceError

log = structlog.get_logger("variance.http")

PATIENCE = 5.0
"""Seconds the state may take to be found out before that is an answer, too."""
_SLOW = "the state cannot be found out in time"
_UNREADABLE = "the record cannot be read; see the log"

_MEANINGS = {
    errno.EADDRINUSE: "which another program holds; choose another port, or 0 for any free one",
    errno.EACCES: "which only the system's administrator may open; choose one from 1024 on",
    errno.EADDRNOTAVAIL: "which is no address of this machine; allowed is 127.0.0.1, 0.0.0.0 or one it has",
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the bot does what it should, and if not, every reason in a few words."""

    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """No reason speaks against it."""
        return not self.reasons


class HttpServer:
    """/healthz, /readyz and /metrics on one port, by GET and HEAD; nothing else.

    While it serves it also watches the event loop it serves from.
    """

    def __init__(
        self,
        host: str | IPv4Address | IPv6Address,
        port: int,
        metrics: Metrics,
        readiness: Callable[[], Awaitable[Readiness]],
        patience: float = PATIENCE,
    ) -> None:
        self._host = str(host)
        self._wanted = port
        self._metrics = metrics
        self._readiness = readiness
        self._patience = patience
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._figures),
            ]
        )
        app.on_response_prepare.append(_unnamed)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self._watch: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port served on, also when any free one was asked for; the wanted one before `start`."""
        addresses = self._runner.addresses
        return int(addresses[0][1]) if addresses else self._wanted

    async def start(self) -> None:
        """Serve from now on. Raises ConfigError in one sentence when the port cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._wanted).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(self._sentence(error)) from None
        self._watch = asyncio.create_task(watch_loop(self._metrics), name="event loop watch")
        log.info("pages served", host=self._host, port=self.port)

    async def stop(self) -> None:
        """Let go of the port; harmless when repeated, or when it was never started."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        await self._runner.cleanup()

    def _sentence(self, error: OSError) -> str:
        # Python 3.13 says without a number that no address could be bound.
        code = error.errno or errno.EADDRNOTAVAIL
        where = f"{variable('http_port')} is {self._wanted}"
        if code == errno.EADDRNOTAVAIL:
            where = f"{variable('http_host')} is {self._host}"
        return f"{where}, {_MEANINGS.get(code, f'which cannot be opened: {error.strerror}')}"

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.Response:
        found = await self._found_out()
        body = {"ready": found.ready, "reasons": list(found.reasons)}
        return web.json_response(body, status=200 if found.ready else 503)

    async def _found_out(self) -> Readiness:
        try:
            async with asyncio.timeout(self._patience):
                return await self._readiness()
        except TimeoutError:
            return Readiness((_SLOW,))
        except VarianceError as error:
            # Its text may name paths, and this page asks nobody for a password.
            log.error("readiness unknown", error=type(error).__name__, reason=str(error))
            return Readiness((_UNREADABLE,))

    async def _figures(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


async def _unnamed(request: web.Request, response: web.StreamResponse) -> None:
    """Which libraries answer is nobody's business."""
    response.headers["Server"] = "variance"
