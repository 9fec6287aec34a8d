"""Plain HTTP requests in one shared session: in turn, timed, judged, and never answered with a web page."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from engine import __version__
from engine.market.live.access import Access
from engine.market.live.failures import Failure, SourceError, of_status
from engine.market.live.rules import SourceName
from engine.market.live.traffic import Traffic, persistent

T = TypeVar("T")

LARGEST = 64 * 1024 * 1024
"""Bytes of a body, unpacked; the largest known one (every SPX option) has a quarter of that."""
_CHUNK = 1 << 16
_IN_THREAD_FROM = 1 << 18
"""Bytes from which reading a body would hold the event loop up."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A body that is no web page, and the address that gave it after redirects."""

    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as UTF-8, a byte order mark left out. Raises ValueError when it is none."""
        return self.body.decode("utf-8-sig")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none, or only half of one."""
        return json.loads(self.text)


class Web:
    """One aiohttp session for all sources without a library of their own.

    Opened with the first request, on the loop that is running then; `aclose` ends it.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def get(
        self,
        source: SourceName,
        url: str,
        read: Callable[[Reply], T],
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        unlisted: frozenset[int] = frozenset(),
    ) -> T:
        """What `read` makes of the reply; the whole is tried again where its failure may pass.

        `read` may raise SourceError, ValueError (told as UNREADABLE) or KeyError, TypeError, IndexError,
        AttributeError (MISSING_FIELDS); with a large body it runs in a thread. `unlisted` are statuses by
        which this source says that it does not know the symbol. Raises SourceError.
        """
        traffic = self._access.towards(source)

        async def once() -> T:
            await traffic.turn()
            with _mapped(source):
                reply = await self._fetch(traffic, url, params, headers, unlisted)
            with _understood(source):
                if len(reply.body) < _IN_THREAD_FROM:
                    return read(reply)
                return await asyncio.to_thread(read, reply)

        return await persistent(traffic, once)

    async def aclose(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _fetch(
        self,
        traffic: Traffic,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        unlisted: frozenset[int],
    ) -> Reply:
        clock, started = self._access.clock, self._access.clock.ticks()
        async with self._opened().get(
            url,
            params=params,
            headers=headers,
            proxy=self._access.stand_in,
            middlewares=(_in_turn(traffic),),
            timeout=aiohttp.ClientTimeout(total=traffic.limits.timeout_seconds),
        ) as response:
            traffic.answered(clock.ticks() - started, response.headers.get("Date"))
            error = of_status(
                traffic.source, response.status, clock.now(), response.headers.get("Retry-After")
            )
            if error is not None and response.status not in unlisted:
                raise error
            body = await _limited(traffic.source, response)
            page = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
            if error is not None:
                # A page in place of the short refusal is a firewall's, and says nothing of the symbol.
                raise (
                    error
                    if page and b"<html" in body[:2048].lower()
                    else SourceError(traffic.source, Failure.UNKNOWN_SYMBOL)
                )
            if page:
                raise SourceError(traffic.source, Failure.UNREADABLE, detail="a web page instead of data")
            return Reply(body, str(response.url))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            authority = self._access.authority
            context = ssl.create_default_context(cafile=str(authority)) if authority else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                headers={"User-Agent": f"variance/{__version__}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                # As the other clients do: a machine may reach the internet only through its proxy.
                trust_env=self._access.stand_in is None,
            )
        return self._session


def _in_turn(traffic: Traffic) -> aiohttp.ClientMiddlewareType:
    """Lets every further request of an operation wait its turn, too: a redirect, or aiohttp's own second
    try on a connection that was cut.
    """
    sent = False

    async def wait(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal sent
        if sent:
            await traffic.turn()
        sent = True
        return await handler(request)

    return wait


async def _limited(source: str, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > LARGEST:
            raise SourceError(source, Failure.UNREADABLE, detail=f"more than {LARGEST >> 20} MB")
    return bytes(body)


@contextmanager
def _mapped(source: str) -> Iterator[None]:
    """What aiohttp raises, as a SourceError whose text holds no address."""
    try:
        yield
    except TimeoutError:
        raise SourceError(source, Failure.TIMED_OUT) from None
    except (aiohttp.ClientError, ssl.SSLError, OSError) as error:
        raise SourceError(source, *_failure_of(error)) from None


_MEANINGS: tuple[tuple[type[Exception], Failure, str], ...] = (
    (aiohttp.ClientConnectorDNSError, Failure.NO_NETWORK, "the host name cannot be resolved"),
    (aiohttp.ClientHttpProxyError, Failure.NO_NETWORK, "the proxy reaches no host"),
    (aiohttp.ClientSSLError, Failure.BROKEN_CONNECTION, "no trusted TLS connection"),
    (aiohttp.ClientConnectorError, Failure.NO_NETWORK, "no connection"),
    (aiohttp.ClientPayloadError, Failure.UNREADABLE, "cut off"),
    (aiohttp.ClientConnectionError, Failure.BROKEN_CONNECTION, ""),
    (aiohttp.TooManyRedirects, Failure.UNREADABLE, "redirects without end"),
    (aiohttp.ClientResponseError, Failure.UNREADABLE, "no HTTP"),
    (OSError, Failure.BROKEN_CONNECTION, ""),
)
"""By kind, the narrower before the wider one."""


def _failure_of(error: Exception) -> tuple[Failure, str]:
    for kind, failure, detail in _MEANINGS:
        if isinstance(error, kind):
            return failure, detail
    return Failure.UNEXPECTED, type(error).__name__


@contextmanager
def _understood(source: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        raise SourceError(source, Failure.UNREADABLE) from None
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise SourceError(source, Failure.MISSING_FIELDS, detail=type(error).__name__) from None
