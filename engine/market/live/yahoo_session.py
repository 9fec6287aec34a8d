"""The one HTTP session of yfinance: every request of the library, whatever it is for, keeps our manners."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from curl_cffi import CurlECode
from curl_cffi.requests import Response, Session
from curl_cffi.requests.exceptions import RequestException

from engine.market.live.access import Access
from engine.market.live.failures import Failure, SourceError, of_status

YAHOO: Literal["yahoo"] = "yahoo"
_DATA_HOSTS = ("query1.finance.yahoo.com", "query2.finance.yahoo.com")
_RESOLVE = (CurlECode.COULDNT_RESOLVE_HOST, CurlECode.COULDNT_RESOLVE_PROXY)
_UNREACHABLE = (*_RESOLVE, CurlECode.COULDNT_CONNECT, CurlECode.PROXY, CurlECode.INTERFACE_FAILED)
_KEPT_COOKIE = "curlCffi"
"""The library's name for the cookie it keeps in a file."""
_LOCK = threading.Lock()


class PoliteSession(Session[Response]):
    """A browser-like session that waits its turn, counts, and ends an operation at a refusal.

    yfinance answers any status from 400 up with a new cookie, a new crumb and the same request again,
    three requests for one, and keeps a refusal's text as its crumb. Only a 401 may be mended that way, once
    for the crumb and once for the data of an operation; all else is raised here as a SourceError, which the
    library lets through.
    """

    def __init__(self, access: Access) -> None:
        address = access.stand_in
        super().__init__(
            impersonate="chrome",
            # Typed as a bool by the library, a path by its documentation and its code.
            verify=str(access.authority) if access.authority else True,  # type: ignore[arg-type]
            proxies={"http": address, "https": address} if address else None,
        )
        self._traffic = access.towards(YAHOO)
        self._clock = access.clock
        self._own = threading.local()

    def begin(self) -> None:
        """A new operation of this thread starts: refused credentials are counted anew."""
        self._own.refused = set()

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Response:
        """Send one request in its turn. Raises SourceError for a refusal, curl's errors otherwise."""
        self._traffic.turn_in_thread()
        kwargs["timeout"] = self._traffic.limits.timeout_seconds
        started = self._clock.ticks()
        response = super().request(method, url, *args, **kwargs)
        self._traffic.answered(self._clock.ticks() - started, response.headers.get("Date"))
        parts = urlsplit(url)
        if parts.hostname in _DATA_HOSTS:
            self._judge(response, parts.path)
        return response

    def _judge(self, response: Response, path: str) -> None:
        error = of_status(YAHOO, response.status_code, self._clock.now(), response.headers.get("Retry-After"))
        if error is None:
            return
        if error.failure is Failure.UNAUTHORIZED and self._mendable(path):
            return
        if error.failure is Failure.NOT_FOUND and "/finance/" in path:
            raise SourceError(YAHOO, Failure.UNKNOWN_SYMBOL)
        raise error

    def _mendable(self, path: str) -> bool:
        refused: set[bool] = self._own.refused
        of_crumb = path.endswith("/getcrumb")
        if of_crumb in refused:
            return False
        refused.add(of_crumb)
        # The library would take the refused cookie from its file again, in this process and the next.
        from yfinance.cache import get_cookie_cache

        get_cookie_cache().store(_KEPT_COOKIE, None)
        return True


def failure_of(error: RequestException) -> SourceError:
    """A curl failure as a SourceError; the text holds curl's words, never an address with a crumb."""
    code = error.code
    if code in _RESOLVE:
        return SourceError(YAHOO, Failure.NO_NETWORK, detail="the host name cannot be resolved")
    if code in _UNREACHABLE:
        return SourceError(YAHOO, Failure.NO_NETWORK, detail="no connection")
    if code == CurlECode.OPERATION_TIMEDOUT:
        return SourceError(YAHOO, Failure.TIMED_OUT)
    if code == CurlECode.PARTIAL_FILE:
        return SourceError(YAHOO, Failure.UNREADABLE, detail="cut off")
    return SourceError(YAHOO, Failure.BROKEN_CONNECTION, detail=f"curl {int(code)}")


def prepared_yfinance(folder: Path) -> Any:
    """The library, with its files in our private folder and its errors unhidden."""
    with _LOCK:
        import pandas as pd
        import yfinance

        # yfinance shows deprecations of pandas inside itself on standard error; they are its to mend.
        warnings.filterwarnings("ignore", category=pd.errors.Pandas4Warning, module=r"yfinance")
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)
        yfinance.config.debug.hide_exceptions = False
        own = folder / "yfinance"
        # Its cookies lie there, whoever owns the folder around it.
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(own))
        return yfinance
