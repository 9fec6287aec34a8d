"""What a request carries, checked as far as Discord would refuse it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.discord_server.faults import Fault

LONGEST_CONTENT = 2000
LONGEST_NONCE = 25
MOST_EMBEDS = 10
EMPTY = Fault("400/50006", 400, 50006, "Cannot send an empty message")

Files = dict[str, bytes]


class Refused(Exception):  # noqa: N818  (an answer, not a mistake)
    """The request is turned away with this."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


def invalid(what: str) -> Refused:
    return Refused(Fault("400/50035", 400, 50035, f"Invalid Form Body: {what}"))


async def read(request: web.Request) -> tuple[dict[str, Any], Files]:
    """The JSON of a request and its files; payload_json and parts where it is multipart."""
    if not request.content_type.startswith("multipart/"):
        return (await request.json() if request.can_read_body else {}), {}
    body: dict[str, Any] = {}
    files: Files = {}
    async for part in await request.multipart():
        data = bytes(await part.read())  # type: ignore[union-attr]
        if part.name == "payload_json":  # type: ignore[union-attr]
            body = json.loads(data)
        else:
            files[part.filename or ""] = data  # type: ignore[union-attr]
    return body, files


def check_message(body: dict[str, Any], files: Files) -> None:
    """Raises Refused for a message Discord would not take."""
    if not any((body.get("content"), body.get("embeds"), body.get("components"), files)):
        raise Refused(EMPTY)
    if len(body.get("content") or "") > LONGEST_CONTENT:
        raise invalid("content")
    if len(str(body.get("nonce") or "")) > LONGEST_NONCE:
        raise invalid("nonce")
    if len(body.get("embeds") or []) > MOST_EMBEDS:
        raise invalid("embeds")
