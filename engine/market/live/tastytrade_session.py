"""The SDK's session towards Tastytrade: every request paced, counted and judged, no secret let out."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import anyio
from pydantic import SecretStr, ValidationError

from engine.market.live.access import Access
from engine.market.live.failures import Failure, SourceError, of_status

if TYPE_CHECKING:
    from httpx2 import Request, Response
    from tastytrade import Session

TASTYTRADE: Literal["tastytrade"] = "tastytrade"
_LOGIN = "/oauth/token"
_STARTED = "variance.started"
_TALKATIVE = ("tastytrade", "httpx2", "httpcore2")
"""Loggers that write addresses, headers and whole replies at DEBUG."""
_WHOLE = 2.0
"""Timeouts (each for one wait of the socket) a request may last in all, its login included."""


class TastytradeLine:
    """One read-only login for as long as the source lives, made at the first question.

    The SDK is imported then too: it takes more than a second, in a thread.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self.traffic = access.towards(TASTYTRADE)
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()

    async def session(self) -> Session:
        """The session, not logged in before its first request. Raises SourceError NOT_CONFIGURED."""
        secret, refresh = self._access.tastytrade_secret, self._access.tastytrade_refresh
        if not (secret and refresh and secret.get_secret_value() and refresh.get_secret_value()):
            raise SourceError(TASTYTRADE, Failure.NOT_CONFIGURED)
        async with self._opening:
            if self._session is None:
                made = await asyncio.to_thread(self._made, secret, refresh)
                self._session = await self._open.enter_async_context(made)
        return self._session

    async def items(self, path: str, params: Mapping[str, Any] | None = None) -> list[Any]:
        """What a reply lists under data.items; one request, and a login when it is due.

        Raises SourceError. Only within `persistent`, which counts and retries.
        """
        data = await self.data(path, params)
        found = data.get("items")
        if not isinstance(found, list):
            raise SourceError(TASTYTRADE, Failure.MISSING_FIELDS, detail="no list of items")
        return found

    async def data(self, path: str, params: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """What a reply holds under data; as `items`."""
        session = await self.session()
        with mapped():
            with anyio.fail_after(_WHOLE * self.traffic.limits.timeout_seconds):
                # The SDK's typed calls lose a whole batch over one odd item, hence the call below them.
                data = await session._get(path, params=dict(params or {}))
        if not isinstance(data, Mapping):
            raise SourceError(TASTYTRADE, Failure.MISSING_FIELDS, detail="no data")
        return data

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._open.aclose()

    def _made(self, secret: SecretStr, refresh: SecretStr) -> Session:
        from tastytrade import Session

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        authority = self._access.authority
        return Session(
            secret.get_secret_value(),
            refresh.get_secret_value(),
            # Kept by the SDK and given to the client of its stream as well.
            proxy=self._access.stand_in,
            verify=ssl.create_default_context(cafile=str(authority)) if authority else True,
            timeout=self.traffic.limits.timeout_seconds,
            event_hooks={"request": [self._before], "response": [self._after]},
        )

    async def _before(self, request: Request) -> None:
        await self.traffic.turn()
        request.extensions = {**request.extensions, _STARTED: self._access.clock.ticks()}

    async def _after(self, response: Response) -> None:
        seconds = self._access.clock.ticks() - response.request.extensions[_STARTED]
        self.traffic.answered(seconds, response.headers.get("Date"))
        if response.request.url.path == _LOGIN and response.status_code in (400, 401):
            # OAuth says 400 for a grant that was revoked; more tries would block the address.
            raise SourceError(TASTYTRADE, Failure.UNAUTHORIZED, detail="login")
        now = self._access.clock.now()
        error = of_status(TASTYTRADE, response.status_code, now, response.headers.get("Retry-After"))
        if error is None:
            return
        if error.failure is Failure.UNAUTHORIZED and self._session is not None:
            # The token is worth nothing any more; after the pause a new one is asked for.
            self._session.session_expiration = 0.0
        raise error


@contextmanager
def mapped() -> Iterator[None]:
    """Turn whatever the SDK, its HTTP client or a malformed reply raises into a SourceError.

    Texts of the SDK's errors hold bodies of replies; none of them is passed on.
    """
    from httpx2 import HTTPError, InvalidURL
    from httpx2.websockets import HTTPXWSException
    from tastytrade.utils import TastytradeError

    libraries = (HTTPError, InvalidURL, HTTPXWSException, TastytradeError, ExceptionGroup)
    try:
        yield
    except (*libraries, ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise failure_of(error) from None


def failure_of(error: BaseException) -> SourceError:
    """The failure behind an exception of the SDK, of httpx2 or of reading a reply."""
    import httpx2
    from httpx2.websockets import HTTPXWSException
    from tastytrade.utils import TastytradeError
    from wsproto.utilities import ProtocolError

    error = _first_leaf(error)
    if isinstance(error, SourceError):
        return error
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return _unreachable(error)
    if isinstance(error, TastytradeError):
        return _said_by_sdk(str(error))
    kinds: list[tuple[type[BaseException] | tuple[type[BaseException], ...], Failure]] = [
        ((httpx2.TimeoutException, TimeoutError), Failure.TIMED_OUT),
        ((httpx2.DecodingError, httpx2.InvalidURL, httpx2.UnsupportedProtocol), Failure.UNREADABLE),
        ((httpx2.HTTPError, HTTPXWSException, ProtocolError, OSError), Failure.BROKEN_CONNECTION),
        ((ValidationError, KeyError, TypeError, IndexError), Failure.MISSING_FIELDS),
        # json's own error is a ValueError; a reply that is a list has no `get`.
        ((ValueError, AttributeError), Failure.UNREADABLE),
    ]
    failure = next((failure for kind, failure in kinds if isinstance(error, kind)), Failure.UNEXPECTED)
    return SourceError(TASTYTRADE, failure, detail=type(error).__name__)


def _first_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _unreachable(error: BaseException) -> SourceError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return SourceError(TASTYTRADE, Failure.NO_NETWORK, detail="the host name cannot be resolved")
        if isinstance(cause, ssl.SSLError):
            return SourceError(TASTYTRADE, Failure.BROKEN_CONNECTION, detail="TLS refused")
        cause = cause.__cause__ or cause.__context__
    return SourceError(TASTYTRADE, Failure.NO_NETWORK, detail="no connection")


def _said_by_sdk(text: str) -> SourceError:
    if text.startswith("No data"):
        return SourceError(TASTYTRADE, Failure.MISSING_FIELDS, detail="no data")
    if text.startswith(("Fatal streamer", "Subscription message")):
        return SourceError(TASTYTRADE, Failure.SERVER_ERROR, detail="the stream refused")
    return SourceError(TASTYTRADE, Failure.UNREADABLE)
