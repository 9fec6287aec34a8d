"""A name's history on a terminal, as JSON and as CSV (docs/history-formats.md)."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.console import MISSING
from engine.record.names import CLOSE_COLUMNS, NameClose, NameHistory
from engine.report import harmless

_FIELDS = (
    *("session", "source", "origin", *CLOSE_COLUMNS, "failed"),
    *("profile", "lens", "rules_hash", "engine_version", "run_id", "revision", "stands"),
)
_PERCENTS = ("iv30", "hv20", "hv30", "hv60", "hv90", "hv252")
_RATIOS = ("vrp_structural", "vrp_tactical", "structural_252", "tactical_20")
_FOOTNOTE = (
    "Official closes only; nothing stored is ever rewritten, a correction is a further revision "
    "(--corrections). Volatilities in percent a year. Ratios: IV30/HV90, IV30/HV30, IV30/HV252, IV30/HV20."
)


# --- JSON and CSV ---------------------------------------------------------------------------------


def history_json(history: NameHistory) -> str:
    """The standing of the latest IV30 and every close of the window; fractions, missing is null."""
    standing = history.standing
    shape = {
        "symbol": history.symbol,
        "name": history.company,
        "realm": history.realm,
        "window": history.window,
        "own_closes": len(history.own),
        "imported": len(history.closes) - len(history.own),
        "corrected": history.corrected,
        "earnings": [day.isoformat() for day in history.earnings],
        "latest": None
        if standing is None
        else {
            "session": standing.session.isoformat(),
            "iv30": standing.iv30,
            "iv_rank": standing.rank,
            "iv_percentile": standing.percentile,
            "iv_percentile_n": standing.n,
            "iv_percentile_imported": standing.imported,
            "iv_percentile_least_n": standing.least,
            "iv30_low": standing.low,
            "iv30_high": standing.high,
        },
        "closes": [close_shape(close) for close in history.closes],
    }
    return json.dumps(shape, indent=1, allow_nan=False)


def versions_json(symbol: str, closes: Sequence[NameClose]) -> str:
    """Every version of the closes that have more than one."""
    shape = {"symbol": symbol, "versions": [close_shape(close) for close in closes]}
    return json.dumps(shape, indent=1, allow_nan=False)


def closes_csv(closes: Iterable[NameClose]) -> str:
    """One line a close, missing is an empty cell; texts cannot become formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_FIELDS)
    for close in closes:
        shape = close_shape(close)
        failed = shape["failed"]
        shape["failed"] = None if failed is None else " ".join(failed)
        writer.writerow([harmless(cell) for cell in shape.values()])
    return out.getvalue()


def close_shape(close: NameClose) -> dict[str, Any]:
    """One close; `source` is own or imported, `origin` who delivered it, `failed` the gates against it."""
    values = {column: close.values.get(column) for column in CLOSE_COLUMNS}
    shape: dict[str, Any] = {
        "session": close.session.isoformat(),
        "source": "imported" if close.imported else "own",
        "origin": close.origin,
        **values,
        "iv30": close.iv30,
        "failed": None if close.imported else list(close.failed),
        "profile": close.profile,
        "lens": close.lens,
        "rules_hash": close.rules_hash,
        "engine_version": close.engine_version,
        "run_id": close.run_id,
        "revision": close.revision,
        "stands": close.stands,
    }
    return shape


# --- the terminal ---------------------------------------------------------------------------------


def history_sheet(history: NameHistory) -> RenderableType:
    """Where IV30 stands, then every close, the newest last."""
    lines = [Text(_heading(history), style="bold"), *map(Text, _facts(history))]
    return Group(*lines, Text(), _table(history.closes, False), Text(), Text(_FOOTNOTE, style="dim"))


def versions_sheet(symbol: str, closes: Sequence[NameClose]) -> RenderableType:
    """Every version of the closes that have more than one."""
    if not closes:
        return Text(f"No close of {symbol} was ever corrected.")
    heading = Text(f"{symbol}: closes with more than one version; the marked one stands", style="bold")
    return Group(heading, Text(), _table(closes, True))


def _heading(history: NameHistory) -> str:
    first, last = history.closes[0].session, history.closes[-1].session
    named = f" ({history.company})" if history.company and history.company != history.symbol else ""
    market = "" if history.realm == "live" else f", {history.realm.upper()} market"
    return f"{history.symbol}{named}{market}: {first} to {last}"


def _facts(history: NameHistory) -> list[str]:
    own = history.own
    imported = len(history.closes) - len(own)
    measured = sum(close.iv30 is not None for close in own)
    listed = sum(close.listed for close in own)
    facts = [f"{counted(len(own), 'own close')}, {measured} with IV30, listed on {listed}"]
    if imported:
        origins = Counter(close.origin for close in history.closes if close.imported)
        said = ", ".join(f"{origin} {count}" for origin, count in origins.most_common())
        facts.append(f"{counted(imported, 'imported value')} where no own close has IV30 (origin: {said})")
    standing = history.standing
    if standing is not None:
        facts.append(
            f"IV30 {_percent(standing.iv30)} % on {standing.session}, range of the year "
            f"{_percent(standing.low)} to {_percent(standing.high)} %"
        )
        brought = f", {standing.imported} of them imported" if standing.imported else ""
        known = standing.percentile is not None
        n = f"n={standing.n}{brought}" if known else f"n={standing.n} of {standing.least}{brought}"
        facts.append(f"IV percentile {_whole(standing.percentile)}, IV rank {_whole(standing.rank)} ({n})")
    if history.earnings:
        facts.append(f"Earnings reported: {', '.join(day.isoformat() for day in history.earnings)}")
    if history.corrected:
        facts.append(f"Corrected later: {history.corrected} (see --corrections)")
    return facts


def _table(closes: Sequence[NameClose], versions: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    left = ("Session", "From", "Method", "Signal", "Regime", "Zone", "Verdict", "Rules", "Engine")
    titles = (
        *("Session", "From", "IV30", "Method", "HV20", "HV30", "HV60", "HV90", "HV252"),
        *("/HV90", "/HV30", "/HV252", "/HV20"),
        *("Signal", "Regime", "Zone", "Verdict", "Rules", "Engine", "Rev"),
    )
    for title in titles:
        table.add_column(title, justify="left" if title in left else "right", no_wrap=title == "Session")
    for close in closes:
        style = "bold" if versions and close.stands else "dim" if close.imported or versions else ""
        table.add_row(*_cells(close, versions), style=style)
    return table


def _cells(close: NameClose, versions: bool) -> list[str]:
    values = close.values
    return [
        close.session.isoformat(),
        close.origin if close.imported else "own",
        _percent(close.iv30),
        str(values.get("iv_method") or ("" if close.imported else MISSING)),
        *(_own_number(close, column) for column in (*_PERCENTS[1:], *_RATIOS)),
        *(str(values.get(column) or "") for column in ("signal", "regime", "zone")),
        _verdict(close),
        close.rules_hash or "",
        close.engine_version or "",
        f"{close.revision}{' *' if versions and close.stands else ''}",
    ]


def _own_number(close: NameClose, column: str) -> str:
    if close.imported:
        return ""
    value = close.number(column)
    return _percent(value) if column in _PERCENTS else MISSING if value is None else f"{value:.2f}"


def _verdict(close: NameClose) -> str:
    if close.imported:
        return ""
    return "passes" if close.listed else "fails " + ", ".join(close.failed) if close.failed else "not listed"


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{100 * value:.1f}"


def counted(number: int, noun: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _whole(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"
