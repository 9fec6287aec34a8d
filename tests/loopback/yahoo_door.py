"""The shape of Yahoo's service: its hosts, its cookie and crumb, and the way it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from tests.loopback.faults import Handler

HOSTS = ("query1.finance.yahoo.com", "query2.finance.yahoo.com")
_DELISTED = "No data found, symbol may be delisted"


@dataclass
class Door:
    """Yahoo's cookie and the crumb that belongs to it."""

    number: int = 1

    def change_locks(self) -> None:
        """Cookies and crumbs given out so far are refused from now on."""
        self.number += 1

    @property
    def crumb(self) -> str:
        """What getcrumb answers to the holder of the cookie."""
        return f"Lo0pb.ack/{self.number}"

    @property
    def cookie(self) -> str:
        """The value of A3."""
        return f"d=loopback&S={self.number}"

    def opens(self, request: web.Request) -> bool:
        """Whether the cookie is the one given out last."""
        return request.cookies.get("A3") == self.cookie

    def admits(self, request: web.Request) -> bool:
        """Whether the crumb is, too."""
        return self.opens(request) and request.query.get("crumb") == self.crumb

    def handlers(self) -> dict[str, Handler]:
        """The hosts that give the cookie out: at once, or after the consent form offered in Europe."""

        async def cookie(request: web.Request) -> web.StreamResponse:
            return web.Response(status=404, text="", headers=self._given())

        async def consent(request: web.Request) -> web.StreamResponse:
            if request.path != "/consent":
                return web.Response(text="", headers=self._given())
            inputs = (f'<input name="{name}" value="{name}-1">' for name in ("csrfToken", "sessionId"))
            return web.Response(text=f"<html><form>{''.join(inputs)}</form></html>", content_type="text/html")

        return {"fc.yahoo.com": cookie, **dict.fromkeys(("guce.yahoo.com", "consent.yahoo.com"), consent)}

    def _given(self) -> dict[str, str]:
        # Without an age the client cannot keep it: it compares the cookie's end with the clock.
        ends = "Max-Age=31557600; Domain=.yahoo.com; Path=/; SameSite=None; Secure; HttpOnly"
        return {"Set-Cookie": f"A3={self.cookie}; {ends}"}


def asked(request: web.Request) -> tuple[str, str]:
    """Kind and symbol of /v7/finance/options/AAPL; `spark` and `getcrumb` have no symbol."""
    parts = [part for part in request.path.split("/") if part]
    if parts[-1:] in (["getcrumb"], ["spark"]):
        return parts[-1], ""
    return (parts[-2], parts[-1]) if len(parts) == 4 else ("finance", "")


def crumb(door: Door, request: web.Request) -> web.Response:
    return web.Response(text=door.crumb) if door.opens(request) else refused("finance")


def as_json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def not_found(kind: str) -> web.Response:
    return error_reply({"options": "optionChain"}.get(kind, kind), 404, "Not Found", _DELISTED)


def refused(kind: str) -> web.Response:
    return error_reply(kind, 401, "Unauthorized", "Invalid Crumb")


def error_reply(kind: str, status: int, code: str, text: str) -> web.Response:
    reply = {kind: {"result": None, "error": {"code": code, "description": text}}}
    return web.json_response(reply, status=status)
