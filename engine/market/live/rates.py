"""The risk-free rate: Treasury par yields, FRED's copy of them, or the configured constant, named as such."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import StringIO

import numpy as np

from engine.market.live.access import Access
from engine.market.live.failures import Failure, SourceError
from engine.market.live.rules import SourceName
from engine.market.live.web import Reply, Web

TENOR_MONTHS = 1.25
"""38 days: between the 30 days of IV30 and the 45 of a trade."""
OLDEST_DAYS = 10
"""A yield further back than that is missing, not old: no closure of the bond market lasts as long."""
_TREASURY = (
    "https://home.treasury.gov/resource-center/data-chart-center/interest-rates/"
    "daily-treasury-rates.csv/{year}/all"
)
_FRED = "https://fred.stlouisfed.org/graph/fredgraph.csv"
_MONTHS = {"1 Mo": 1.0, "1.5 Month": 1.5, "2 Mo": 2.0, "3 Mo": 3.0}
_FRED_MONTHS = {"DGS1MO": 1.0, "DGS3MO": 3.0}
_BELIEVABLE_PERCENT = (-5.0, 30.0)

Curve = Mapping[str, float]
"""Par yield in percent (bond-equivalent) by the source's name of the tenor."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A continuously compounded yearly rate (fraction) with where it came from.

    `at` is the day the yield was published for, None for the constant. `note` is one sentence for the
    reader whenever the rate is not the Treasury's own.
    """

    value: float
    source: str
    method: str
    at: date | None
    note: str | None


async def risk_free_rate(access: Access, web: Web, day: date, fallback: float) -> Rate:
    """The rate for options of 30 to 45 days as of `day`, kept for the rest of the New York day.

    No failure of a source is raised: without Treasury and FRED it is `fallback` (a fraction, continuously
    compounded).
    """
    held = _held(access, day)
    if held is not None:
        return held
    try:
        rate = await _asked(web, "treasury", day, None)
    except SourceError as refused:
        reason = (
            f"The rate is FRED's copy of the Treasury yields, as the Treasury gave none ({refused.failure})."
        )
        try:
            rate = await _asked(web, "fred", day, reason)
        except SourceError as error:
            causes = f"the Treasury ({refused.failure}) and FRED ({error.failure})"
            note = f"The rate is the configured constant, as {causes} gave none."
            # Not kept: a minute without a network must not decide the day.
            return Rate(fallback, "constant", "configured", None, note)
    text = json.dumps([rate.value, rate.source, rate.method, str(rate.at), rate.note])
    access.cache.put("treasury", _key(day), text, "day", access.clock.now())
    return rate


def continuous(percent: float) -> float:
    """A bond-equivalent yield (percent, two coupons a year) as a continuously compounded fraction."""
    return 2.0 * math.log1p(percent / 200.0)


def _key(day: date) -> str:
    return f"rate:{day}"


def _held(access: Access, day: date) -> Rate | None:
    hit = access.cache.get("treasury", _key(day), access.clock.now())
    if hit is None:
        return None
    try:
        value, source, method, at, note = json.loads(hit[0])
        return Rate(float(value), source, method, date.fromisoformat(at), note)
    except (ValueError, TypeError):
        access.cache.forget("treasury", _key(day))
        return None


async def _asked(web: Web, source: SourceName, day: date, note: str | None) -> Rate:
    ask = _treasury if source == "treasury" else _fred
    at, curve, months = await ask(web, day)
    percent, method = _at_tenor(curve, months)
    return Rate(continuous(percent), source, f"{method}, par yield", at, note)


async def _treasury(web: Web, day: date) -> tuple[date, Curve, Mapping[str, float]]:
    # The first sessions of January stand in a file that may still be empty.
    years = [day.year, *([day.year - 1] if day.timetuple().tm_yday <= OLDEST_DAYS else [])]
    for year in years:
        rows = await web.get(
            "treasury",
            _TREASURY.format(year=year),
            lambda reply: list(_rows(reply, ("Date",), _MONTHS, _american)),
            params={
                "type": "daily_treasury_yield_curve",
                "field_tdr_date_value": str(year),
                "page": "",
                "_format": "csv",
            },
        )
        found = _newest(rows, day)
        if found is not None:
            return *found, _MONTHS
    raise SourceError("treasury", Failure.MISSING_FIELDS, detail=f"no yield of the {OLDEST_DAYS} days before")


async def _fred(web: Web, day: date) -> tuple[date, Curve, Mapping[str, float]]:
    rows = await web.get(
        "fred",
        _FRED,
        lambda reply: list(_rows(reply, ("observation_date", "DATE"), _FRED_MONTHS, date.fromisoformat)),
        params={"id": ",".join(_FRED_MONTHS), "cosd": str(day - timedelta(days=30)), "coed": str(day)},
    )
    found = _newest(rows, day)
    if found is None:
        raise SourceError("fred", Failure.MISSING_FIELDS, detail=f"no yield of the {OLDEST_DAYS} days before")
    return *found, _FRED_MONTHS


def _american(text: str) -> date:
    # A day without a clock or a zone.
    return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007


def _rows(
    reply: Reply, day_columns: tuple[str, ...], tenors: Iterable[str], parsed: Callable[[str], date]
) -> Iterable[tuple[date, Curve]]:
    """Days with at least one yield. Raises KeyError without the columns, ValueError for half a file."""
    table = csv.DictReader(StringIO(reply.text), strict=True)
    header = table.fieldnames
    if header is None:  # a year that has not begun
        return
    column = next((name for name in day_columns if name in header), None)
    present = [name for name in tenors if name in header]
    if column is None or not present:
        raise KeyError(day_columns[0])
    for row in table:
        curve = {name: float(row[name]) for name in present if row[name] not in (None, "", ".", "N/A")}
        low, high = _BELIEVABLE_PERCENT
        if any(not low <= percent <= high for percent in curve.values()):
            raise ValueError("a yield out of bounds")
        if curve:
            yield parsed(row[column]), curve


def _newest(rows: Iterable[tuple[date, Curve]], day: date) -> tuple[date, Curve] | None:
    fitting = [row for row in rows if day - timedelta(days=OLDEST_DAYS) <= row[0] <= day]
    return max(fitting, key=lambda row: row[0], default=None)


def _at_tenor(curve: Curve, months: Mapping[str, float]) -> tuple[float, str]:
    """The yield in percent at TENOR_MONTHS and how it was taken: between two tenors, or the nearest one."""
    known = sorted(curve, key=lambda name: months[name])
    below = [name for name in known if months[name] <= TENOR_MONTHS]
    above = [name for name in known if months[name] > TENOR_MONTHS]
    if below and above:
        ends = (below[-1], above[0])
        percent = np.interp(TENOR_MONTHS, [months[name] for name in ends], [curve[name] for name in ends])
        return float(percent), f"38 days between {ends[0]} and {ends[1]}"
    nearest = min(known, key=lambda name: abs(months[name] - TENOR_MONTHS))
    return curve[nearest], f"{nearest} alone"
