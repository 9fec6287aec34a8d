"""A calibration on a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.proof import calibration_words as words
from engine.proof.calibration import EDGES, QUANTILES, Calibration, LensFigures, Name, Stage, Trigger
from engine.proof.calibration_words import counted, plain
from engine.report import harmless
from engine.screen.result import Run

MOST_NAMES = 60
"""Up to so many names all are shown; of more, those the lenses disagree on."""
_MARKS = {True: "+", False: "-", None: "?"}


@dataclass(frozen=True, slots=True)
class Told:
    """Where the closes come from, and what else is to be said of them."""

    kind: str
    source: str
    notes: tuple[str, ...] = ()


def doubt(run: Run) -> str | None:
    """Why a market is no ground for a trigger; None when it is one."""
    if run.state != "outage":
        return None
    return f"{run.reason} That is too few to calibrate on, so no trigger is evaluated."


def state_words(run: Run) -> str | None:
    """A run that is not whole says so."""
    return None if run.state == "complete" else f"{run.state.upper()}: {run.reason}"


# --- JSON and CSV ---------------------------------------------------------------------------------


def calibration_json(c: Calibration, told: Told) -> str:
    """Every figure under the names of Calibration; fractions and ratios as they are, missing is null."""
    shape = asdict(c)
    shape["names"] = [dict(zip(words.COLUMNS, line, strict=True)) for line in words.cells(c)]
    shape["days"] = [day | {"session": day["session"].isoformat()} for day in shape["days"]]
    for lens in ("quarterly", "yearly"):
        shape[lens] |= _figures_shape(getattr(c, lens))
    extra: dict[str, Any] = {
        "kind": told.kind,
        "source": told.source,
        "notes": list(told.notes),
        "fired": [trigger.name for trigger in c.fired],
        "contradicts": c.contradicts,
        "quarterly_only": list(c.one_lens_only("quarterly")),
        "yearly_only": list(c.one_lens_only("yearly")),
    }
    return json.dumps(extra | shape, indent=1, allow_nan=False)


def _figures_shape(figures: LensFigures) -> dict[str, Any]:
    """Stages with their share, quantiles and bins with their places."""
    stages = {
        name: asdict(stage) | {"share": stage.share}
        for name, stage in (
            ("structural", figures.structural),
            ("tactical", figures.tactical),
            ("both", figures.both),
        )
    }
    spread = figures.distribution
    quantiles = {f"{place:g}": value for place, value in zip(QUANTILES, spread.quantiles, strict=False)}
    return stages | {
        "distribution": asdict(spread) | {"quantiles": quantiles, "edges": list(EDGES)},
    }


def names_csv(c: Calibration) -> str:
    """One line a name of the newest close; missing is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(words.COLUMNS)
    writer.writerows([harmless(_flag(cell)) for cell in line] for line in words.cells(c))
    return out.getvalue()


def _flag(cell: object) -> object:
    return {True: "true", False: "false"}[cell] if isinstance(cell, bool) else cell


# --- terminal -------------------------------------------------------------------------------------


def calibration_sheet(c: Calibration, told: Told, every: bool) -> RenderableType:
    """Figures, triggers, what-ifs, names; each block says what it counts."""
    parts: list[RenderableType] = [_heading(c, told), Text(), _lenses(c), Text(), Text(words.ratio_words(c))]
    parts += [Text(words.band_words(c)), Text(), *_triggers(c), Text(), *_histogram(c), Text(), *_what_ifs(c)]
    if len(c.days) > 1:
        parts += [Text(), _days(c)]
    parts += [Text(), *map(Text, words.disagreement_words(c)), Text(), *_names(c, every)]
    notes = [words.context(), words.missing_words(c), *told.notes, words.NOTHING_CHANGED]
    return Group(*parts, Text(), Text("\n".join(filter(None, notes)), style="dim"))


def _heading(c: Calibration, told: Told) -> Text:
    first, last = c.days[0].session, c.days[-1].session
    when = f"{told.kind} of {last}" if len(c.days) == 1 else f"{len(c.days)} closes, {first} to {last}"
    text = Text(f"Calibration · {when}", style="bold")
    names = f"{counted(c.names_both, plain)} names with both lenses" + (" a close" if len(c.days) > 1 else "")
    second = f"\n{c.profile} profile · {c.lens} lens · {names} · {told.source}"
    return text.append(second, style="not bold")


def _lenses(c: Calibration) -> Table:
    table = _table("", ">Quarterly 90/30", ">Yearly 252/20")
    lenses = (c.quarterly, c.yearly)
    table.add_row("Mean VRP, names with both", plain(c.mean_quarterly, 3), plain(c.mean_yearly, 3))
    table.add_row("Mean VRP, every name", *(plain(each.distribution.mean, 3) for each in lenses))
    table.add_row("Deviation", *(plain(each.distribution.sd, 3) for each in lenses))
    for place, share in enumerate(QUANTILES):
        values = (each.distribution.quantiles for each in lenses)
        table.add_row(f"{100 * share:.0f} % quantile", *(plain(v[place], 2) if v else "?" for v in values))
    table.add_row("Pass structural", *(_stage(each.structural) for each in lenses))
    table.add_row("Pass tactical", *(_stage(each.tactical) for each in lenses))
    table.add_row("Pass both", *(_stage(each.both) for each in lenses))
    table.add_row("Pass every gate", *(counted(each.candidates, plain) for each in lenses))
    return table


def _stage(stage: Stage) -> str:
    share = "?" if stage.share is None else f"{100 * stage.share:.1f} %"
    return f"{stage.passing} of {stage.n}, {share}"


def _triggers(c: Calibration) -> Iterable[RenderableType]:
    yield Text("Triggers", style="bold")
    if c.triggers:
        table = _table("Trigger", ">Value", ">Limit", "")
        for trigger in c.triggers:
            fired = Text("fires", style="bold yellow") if trigger.fired else Text("-", style="dim")
            table.add_row(trigger.name, *_values(trigger), fired)
        yield table
    yield from (Padding(Text(words.trigger_words(each, c)), (0, 0, 0, 2)) for each in c.fired)
    if c.contradicts:
        yield Padding(Text(words.CONTRADICTION, style="yellow"), (0, 0, 0, 2))
    if said := words.silence_words(c):
        yield Text(said)


def _values(trigger: Trigger) -> tuple[str, str]:
    if trigger.name.startswith("candidates"):
        return counted(trigger.value, plain), plain(trigger.limit, 0)
    return plain(trigger.value, 3), plain(trigger.limit, 3)


def _histogram(c: Calibration) -> Iterable[RenderableType]:
    spread = words.own_figures(c).distribution
    ratio = "IV30/HV252" if c.lens == "yearly" else "IV30/HV90"
    yield Text(f"{ratio}, {spread.n} {'names' if len(c.days) == 1 else 'name-days'}", style="bold")
    yield from (Text(line) for line in words.bars(spread, 60) if spread.n)


def _what_ifs(c: Calibration) -> Iterable[RenderableType]:
    yield Text("What if (alternatives the method rejected; none is in force)", style="bold")
    table = _table("", ">Structural", ">Every gate", "Thresholds, passing of names")
    for each in c.what_ifs:
        numbers = (counted(each.structural, plain), counted(each.candidates, plain))
        table.add_row(each.name, *numbers, words.what_if_words(each))
    yield table
    for each in c.what_ifs:
        yield Padding(Text(f"{each.name}: {words.changed_words(each)}", style="dim"), (0, 0, 0, 2))


def _days(c: Calibration) -> Table:
    table = _table("Close", ">Names", ">Ratio", ">Pass")
    for day in c.days:
        table.add_row(str(day.session), str(day.names), plain(day.ratio, 3), str(day.candidates))
    return table


def _names(c: Calibration, every: bool) -> Iterable[RenderableType]:
    names = [each for each in c.names if each.iv30 is not None]
    if not every and len(names) > MOST_NAMES:
        apart = {*c.one_lens_only("quarterly"), *c.one_lens_only("yearly")}
        names = [each for each in names if each.symbol in apart]
    table = _table("Name", ">IV30", ">HV90", ">HV252", ">IV/90", ">IV/252", ">Ratio", "90", "252", "List")
    for each in names:
        volatilities = (_percent(value) for value in (each.iv30, each.hv90, each.hv252))
        ratios = (plain(value) for value in (each.quarterly, each.yearly, each.ratio))
        # As Text: a symbol of a source is no markup.
        table.add_row(
            Text(each.symbol), *volatilities, *ratios, *_marks(each), "yes" if each.candidate else ""
        )
    if names:
        yield table
    left = sum(each.iv30 is not None for each in c.names) - len(names)
    if left:
        yield Text(
            f"{left} names that do not pass under one lens only are left out; --all shows them.", style="dim"
        )
    yield Text(
        "90, 252: structural and tactical gate of that lens, + passes, - fails, ? unknown.", style="dim"
    )


def _marks(each: Name) -> tuple[str, str]:
    return (
        _MARKS[each.structural_quarterly] + _MARKS[each.tactical_quarterly],
        _MARKS[each.structural_yearly] + _MARKS[each.tactical_yearly],
    )


def _percent(value: float | None) -> str:
    return plain(None if value is None else 100 * value, 1)


def _table(*titles: str) -> Table:
    """A table without lines; a title that begins with > stands over a column of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left")
    return table
