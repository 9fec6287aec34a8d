"""JSON replies, made once for each key."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any

from aiohttp import web


class Replies:
    """What one handler has answered so far, as bytes."""

    def __init__(self) -> None:
        self._made: dict[Hashable, bytes] = {}

    def json(self, key: Hashable, make: Callable[[], Any]) -> web.Response:
        """The reply of a key; `make` gives what is to be encoded, the first time."""
        if key not in self._made:
            self._made[key] = json.dumps(make()).encode()
        return web.Response(body=self._made[key], content_type="application/json", charset="utf-8")
