"""A Screen on a terminal: tables with rich, the words around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from engine.screen.flags import FLAGS
from engine.screen.glossary import GLOSSARY, METRICS, Kind, title_of
from engine.screen.result import Gate, Row, Screen

MISSING = "?"
_COLUMNS = (
    ("IV30", "iv30"),
    ("HV30", "hv30"),
    ("HV90", "hv90"),
    ("VRP-S", "vrp_structural"),
    ("VRP-T", "vrp_tactical"),
    ("Mom", "momentum"),
    ("IVP", "iv_percentile"),
    ("Slip%", "slippage"),
    ("Yld%", "yield"),
    ("Earn", "earnings_days"),
)
_YEARLY = {"hv30": "hv20", "hv90": "hv252", "vrp_structural": "structural_252", "vrp_tactical": "tactical_20"}
_MARKS = {"pass": ("+", "green"), "fail": ("-", "red"), "unknown": ("?", "yellow")}


def shown(value: object, kind: Kind) -> str:
    """A metric as text: percent for volatilities, two decimals for ratios, `?` for missing."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    match kind:
        case "volatility" | "percent" | "points":
            return f"{100 * value:.1f}"
        case "ratio":
            return f"{value:.2f}"
        case "price":
            return f"{value:,.2f}"
        case _:
            return f"{value:,.0f}"


def heading(screen: Screen) -> Text:
    """Run, source and coverage in two lines."""
    run, coverage = screen.run, screen.coverage
    first = f"{run.kind.capitalize()} screen of {run.session} · {run.profile} profile · {run.lens} lens"
    second = (
        f"{coverage.measured} of {coverage.universe} measured · {coverage.passed} pass · as of "
        f"{run.asof:%Y-%m-%d %H:%M %z} · {run.source} · rules {run.rules_hash}"
    )
    text = Text(first, style="bold").append("\n" + second, style="not bold")
    if run.state != "complete":
        text.append(f"\n{run.state.upper()}: {run.reason}", style="bold yellow")
    return text


def screen_table(screen: Screen, rows: Sequence[Row]) -> RenderableType:
    """The ranked table with coverage, near misses and why names dropped out."""
    yearly = screen.run.lens == "yearly"
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("Symbol")
    table.add_column("Signal")
    table.add_column("Score", justify="right")
    for title, column in _COLUMNS:
        table.add_column(_lens_title(title, column, yearly), justify="right")
    table.add_column("Notes")
    for row in rows:
        cells = [_cell(row, column, yearly) for _, column in _COLUMNS]
        score = MISSING if row.score is None else f"{row.score:.0f}"
        # As Text: a reason such as `timed out [yahoo]` would be taken for a style.
        remark = Text(_remark(row))
        table.add_row(str(row.rank or "-"), row.symbol, row.signal or MISSING, score, *cells, remark)
    body: RenderableType = table if rows else Text(_empty_sentence(screen))
    return Group(heading(screen), Text(), body, Text(), _footer(screen))


def _lens_title(title: str, column: str, yearly: bool) -> str:
    return GLOSSARY[_YEARLY[column]].title if yearly and column.startswith("hv") else title


def _cell(row: Row, column: str, yearly: bool) -> str:
    column = _YEARLY.get(column, column) if yearly else column
    if column == "earnings_days" and row.values[column] is None:
        return MISSING
    return shown(row.values[column], GLOSSARY[column].kind)


def _remark(row: Row) -> str:
    if row.text("missing_reason"):
        return str(row.values["missing_reason"])
    failed = [gate.name for gate in row.failed]
    words = [f"fails {', '.join(failed)}"] if failed else []
    return "; ".join(dict.fromkeys([*words, *row.penalties, *row.flags]))


def _empty_sentence(screen: Screen) -> str:
    if screen.run.state == "aborted":
        return "No ranking."
    if screen.run.state == "outage":
        return "No name passes, and too few could be measured for that to mean anything."
    return "No name passes every gate; an empty list is a normal result."


def _footer(screen: Screen) -> Text:
    lines = []
    if screen.near_misses:
        near = [_near_words(row) for row in map(screen.find, screen.near_misses[:8]) if row is not None]
        more = len(screen.near_misses) - len(near)
        lines.append("Near misses: " + ", ".join(near) + (f" and {more} more" if more > 0 else ""))
    failed = Counter(
        gate.name for row in screen.rows if not row.text("missing_reason") for gate in row.failed
    )
    if failed:
        lines.append("Kept out by: " + ", ".join(f"{name} {count}" for name, count in failed.most_common()))
    if screen.coverage.missing:
        reasons = sorted(screen.coverage.missing.items(), key=lambda item: -item[1])
        lines.append("Not measured: " + ", ".join(f"{reason} {count}" for reason, count in reasons))
    lines += [f"Note: {note}" for note in screen.notes]
    lines.append("Information, not advice.")
    return Text("\n".join(lines), style="dim")


def _near_words(row: Row) -> str:
    gate = row.failed[0]
    return (
        f"{row.symbol} ({gate.name} {gate_number(gate, gate.value)}, limit {gate_number(gate, gate.limit)})"
    )


def gate_number(gate: Gate, value: float | None) -> str:
    """A gate's value or limit in the unit its metric is shown in."""
    if value is None:
        return MISSING
    return shown(value, "percent") + " %" if gate.name == "slippage" else f"{value:,.4g}"


def vrp_detail(screen: Screen, row: Row) -> RenderableType:
    """Every metric of one name with its unit."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Metric")
    table.add_column("Value", justify="right")
    table.add_column("Formula", style="dim")
    unmeasured = row.text("missing_reason") is not None
    for metric in METRICS:
        value = row.values[metric.column]
        if metric.column == "provenance" or (unmeasured and value is None):
            continue
        unit = " %" if metric.kind in ("volatility", "percent") else " pts" if metric.kind == "points" else ""
        words = shown(value, metric.kind) + ("" if value is None else unit)
        table.add_row(metric.title, Text(words), metric.formula)
    score = MISSING if row.score is None else f"{row.score:.1f}"
    words = f"{row.symbol}: {row.signal or 'not measured'} · score {score} · {_verdict(row)}"
    notes = [f"{code}: {FLAGS[code]}" for code in row.flags]
    title, remarks = Text(words, style="bold"), Text("\n".join(notes), style="dim")
    parts: list[RenderableType] = [heading(screen), Text(), title, table, remarks]
    if row.provenance:
        parts += [Text(), provenance_table(row.provenance)]
    return Group(*parts)


def provenance_table(said: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Where each value came from, and what another source said otherwise."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Field", "Value", "Source", "How", "As of", "Others say"):
        table.add_column(title, overflow="fold")
    for name, part in said.items():
        others = [f"{_plain(other.get('value'))} ({other['source']})" for other in part.get("otherwise", ())]
        cells = (_plain(part.get(key)) for key in ("value", "source", "method", "at"))
        table.add_row(title_of(name), *map(Text, (*cells, ", ".join(others))))
    return table


def _plain(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def why_detail(screen: Screen, row: Row) -> RenderableType:
    """Every gate of one name with value, limit and distance."""
    table = gates_table(row.gates, row.tags)
    reason = row.text("missing_reason")
    words = [f"{row.symbol}: {_verdict(row)}" + (f" ({reason})" if reason else "")]
    words += [f"penalty: {name}" for name in row.penalties]
    words += [f"{code}: {FLAGS[code]}" for code in row.flags]
    return Group(heading(screen), Text(), table, Text("\n".join(words)))


def gates_table(gates: Sequence[Gate], tags: Sequence[Gate] = ()) -> Table:
    """Gates with value, limit and distance; `tags` are those that keep nobody out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Gate"):
        table.add_column(title)
    for title in ("Value", "", "Limit", "Distance"):
        table.add_column(title, justify="right")
    named = [*((gate, gate.name) for gate in gates), *((gate, f"{gate.name} (tag)") for gate in tags)]
    for gate, name in named:
        mark, colour = _MARKS[gate.state]
        table.add_row(Text(mark, style=colour), name, *_gate_cells(gate))
    return table


def _gate_cells(gate: Gate) -> tuple[str, str, str, str]:
    """Value, comparison, limit, distance; the data gate compares no number and shows none."""
    if gate.comparison == "is":
        return "", "", "", ""
    value, limit, distance = (gate_number(gate, each) for each in (gate.value, gate.limit, gate.distance))
    compared = f"not 0..{gate.limit:g}" if gate.comparison == "outside" else gate.comparison
    return value, compared, "" if gate.comparison == "outside" else limit, distance


def _verdict(row: Row) -> str:
    if row.passed:
        return f"listed as number {row.rank}, every gate passes"
    return f"not listed, {len(row.failed)} of {len(row.gates)} gates keep it out"


# Progress goes to standard error, so that the result on standard output stays clean.


@contextmanager
def busy(words: str) -> Iterator[None]:
    """A spinner on a terminal while something of unknown length runs; nothing elsewhere."""
    console = Console(stderr=True)
    with console.status(words) if console.is_terminal else nullcontext():
        yield


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal once the work turns out to be long; what it yields is told (done, all)."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, visible=False)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=done < total)

        yield advance
