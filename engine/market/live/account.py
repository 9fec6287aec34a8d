"""What the operator's own Tastytrade accounts hold, read and never written, and kept nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import HoldingsError
from engine.market.live.failures import OF_THE_SYMBOL, SourceError
from engine.market.live.tastytrade_session import TastytradeLine
from engine.market.live.traffic import persistent
from engine.market.snapshot import Holdings

_ACCOUNTS = "/customers/me/accounts"


async def holdings_of(line: TastytradeLine) -> Holdings:
    """Every open account's positions and net liquidation; two requests an account and one before.

    No account number leaves this function. A balance that is not to be had leaves the sum unknown. Raises
    SourceError, HoldingsError for a login without an open account.
    """
    numbers = await persistent(line.traffic, lambda: _numbers(line))
    if not numbers:
        raise HoldingsError("Tastytrade lists no open account for this login.")
    items: list[Mapping[str, object]] = []
    values: list[float] = []
    for number in numbers:
        items += await persistent(line.traffic, lambda number=number: _positions(line, number))  # type: ignore[misc]
        values.append(await _worth(line, number))
    total = math.fsum(values)
    known = bool(values) and math.isfinite(total)
    return Holdings(tuple(items), total if known else None, len(numbers))


async def _numbers(line: TastytradeLine) -> list[str]:
    accounts = [_mapping(item.get("account")) for item in _mappings(await line.items(_ACCOUNTS))]
    opened = [account for account in accounts if not account.get("is-closed")]
    return [str(account["account-number"]) for account in opened if account.get("account-number")]


async def _positions(line: TastytradeLine, number: str) -> list[Mapping[str, object]]:
    return _mappings(await line.items(f"/accounts/{number}/positions"))


async def _worth(line: TastytradeLine, number: str) -> float:
    try:
        return await persistent(line.traffic, lambda: _value(line, number))
    except SourceError as error:
        if error.failure in OF_THE_SYMBOL:
            return math.nan
        raise


async def _value(line: TastytradeLine, number: str) -> float:
    data = await line.data(f"/accounts/{number}/balances/USD")
    try:
        return float(data["net-liquidating-value"])
    except (KeyError, TypeError, ValueError):
        return math.nan


def _mappings(items: Sequence[Any]) -> list[Mapping[str, object]]:
    return [item for item in items if isinstance(item, Mapping)]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
