"""The internet on loopback: a forward proxy that answers for every host with certificates of its own."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType

import trustme
from aiohttp import web

from tests.loopback.faults import AnyFault, Fault, Handler, spoiled

Delay = float | Callable[[str, str], float]
_HERE = "127.0.0.1"
_LARGEST_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived; a refused CONNECT has an empty path. `at` is in monotonic seconds."""

    host: str
    path: str
    query: str
    at: float
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass
class _Rule:
    host: str
    fault: AnyFault
    path: str
    times: int | None


class Loopback:
    """A forward proxy on 127.0.0.1 with an own thread and event loop; a context manager, `async` or not.

    `handlers` gives each host its answers, any other host is refused as if its name were unknown. `delay`
    is the latency of an answer in seconds, or a function of host and path. `now` stamps the Date header,
    for clients whose clock is a made-up one; None is the real time. `port` 0 picks a free one.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        delay: Delay = 0.0,
        now: Callable[[], datetime] | None = None,
        port: int = 0,
    ) -> None:
        self.handlers = dict(handlers)
        self.delay = delay
        self.now = now
        self._port = port
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._rules: list[_Rule] = []
        self._tunnels: dict[asyncio.Task[None], str] = {}
        self._certificates = _Certificates()
        self._failed: BaseException | None = None

    def __enter__(self) -> Loopback:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Loopback:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # In a thread, so that clients on this loop see their connections end.
        await asyncio.to_thread(self.stop)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._folder = tempfile.TemporaryDirectory(prefix="loopback")
        self.authority = Path(self._folder.name) / "authority.pem"
        self._certificates.authority.cert_pem.write_to_path(str(self.authority))
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="loopback", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failed is not None:
            self._thread.join()
            self._folder.cleanup()
            raise self._failed

    def stop(self) -> None:
        """Cut every connection and wait until all is closed."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._folder.cleanup()

    @property
    def address(self) -> str:
        """The proxy's address, for Access.stand_in."""
        return f"http://{_HERE}:{self._port}"

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, oldest first."""
        with self._lock:
            return list(self._asked)

    def count(self, host: str | None = None, path: str | None = None) -> int:
        """How many requests went to a host, and to paths that contain `path`."""
        return sum(
            (host is None or asked.host == host) and (path is None or path in asked.path)
            for asked in self.asked
        )

    def clear(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            self._asked.clear()

    def fault(self, host: str, fault: AnyFault, path: str = "", times: int | None = None) -> None:
        """From now on a host answers wrongly where path and query hold `path`; `times` requests, or for good.

        The newest fault that fits counts. Open connections are cut where the name is no longer found.
        """
        with self._lock:
            self._rules.insert(0, _Rule(host, fault, path, times))
        if fault is Fault.NO_DNS:
            asyncio.run_coroutine_threadsafe(self._cut(host), self._loop).result()

    def heal(self) -> None:
        """Everything answers rightly again."""
        with self._lock:
            self._rules.clear()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            self._failed = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        app.on_response_prepare.append(self._stamp)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HERE, 0, ssl_context=self._certificates.context).start()
            self._inner = runner.addresses[0][1]
            proxy = await asyncio.start_server(self._accept, _HERE, self._port)
            self._port = proxy.sockets[0].getsockname()[1]
            ready.set()
            await self._stopping.wait()
            proxy.close()
            await self._end(list(self._tunnels))
        finally:
            await runner.cleanup()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tunnels[task] = ""
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._tunnel(task, reader, writer)
        finally:
            writer.transport.abort()
            del self._tunnels[task]

    async def _tunnel(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, *_ = head[0].split(" ")
        host = target.rsplit(":", 1)[0]
        if method != "CONNECT":
            return await _refuse(writer, "501 Not Implemented")
        if host not in self.handlers or self._due(host, "", connecting=True) is Fault.NO_DNS:
            self._note(Asked(host, "", "", time.monotonic(), method))
            return await _refuse(writer, "502 Bad Gateway")
        self._tunnels[task] = host
        inner_reader, inner_writer = await asyncio.open_connection(_HERE, self._inner)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        pipes = [
            asyncio.ensure_future(_pipe(reader, inner_writer)),
            asyncio.ensure_future(_pipe(inner_reader, writer)),
        ]
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            inner_writer.transport.abort()
            writer.transport.abort()
            await self._end(pipes)

    async def _cut(self, host: str) -> None:
        await self._end([task for task, theirs in self._tunnels.items() if theirs == host])

    @staticmethod
    async def _end(tasks: Iterable[asyncio.Future[None]]) -> None:
        tasks = list(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        host = (request.host or "").rsplit(":", 1)[0]
        asked = Asked(
            host, request.path, request.query_string, time.monotonic(), request.method, dict(request.headers)
        )
        self._note(asked)
        seconds = self.delay(host, request.path) if callable(self.delay) else self.delay
        if seconds > 0:
            await asyncio.sleep(seconds)
        handler = self.handlers[host]
        fault = self._due(host, f"{request.path}?{request.query_string}")
        return await (handler(request) if fault is None else spoiled(fault, request, handler))

    async def _stamp(self, _: web.Request, answer: web.StreamResponse) -> None:
        if self.now is not None:
            answer.headers["Date"] = format_datetime(self.now().astimezone(UTC), usegmt=True)

    def _note(self, asked: Asked) -> None:
        with self._lock:
            self._asked.append(asked)

    def _due(self, host: str, path: str, connecting: bool = False) -> AnyFault | None:
        with self._lock:
            for rule in self._rules:
                fits = rule.host == host and (connecting or rule.path in path)
                if not fits or rule.times == 0 or (connecting and rule.fault is not Fault.NO_DNS):
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
        return None


class _Certificates:
    """One authority; a certificate for each host, made when it is first asked for."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.context = self._context("localhost")
        self.context.sni_callback = self._chosen

    def _context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(host).configure_cert(context)
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[host] = context
        return self._contexts[host]

    def _chosen(self, connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
        if host:
            connection.context = self._context(host)


async def _refuse(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_LARGEST_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
