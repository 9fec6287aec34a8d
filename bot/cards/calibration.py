"""A calibration as those who manage a server see it, and the short note when a trigger fires."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from bot.cards.card import TABLE_WIDTH, Attachment, Card
from bot.cards.csvfile import cell
from bot.cards.facts import SIMULATED, asof, day, footer, profile_name, state_line, titled
from bot.cards.table import MISSING, Column, count, fixed, known, layout
from bot.cards.text import dotted, escaped, plural
from engine.proof import calibration_words as words
from engine.proof.calibration import Calibration, Stage
from engine.screen.result import Coverage, Run, Value

_LINE = 900
_SPOKEN = {"by rank": "by rank", "by regime": "by regime of HV90", "formula": "by the method's formula"}


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """A calibration with the run it is of (the newest of several closes) and whose rules judged it.

    `run` tells lens, profile and hash of those rules; `coverage` is None for stored closes.
    """

    found: Calibration
    run: Run
    run_id: int
    whose: str
    coverage: Coverage | None = None
    notes: tuple[str, ...] = ()


def calibration_card(view: CalibrationView) -> Card:
    """Both lenses side by side, the distribution, triggers and what they suggest, what-ifs; a file."""
    c, run = view.found, view.run
    state = state_line(run, view.coverage) if view.coverage is not None else ""
    return Card(
        title=titled(run, "Calibration", _when(c)),
        state=run.state,
        headline="\n".join(filter(None, (state, _headline(c), _judged(view)))),
        table="\n".join((_table(c), *_histogram(c))),
        sentence=escaped(words.ratio_words(c, _number), _LINE),
        details=tuple(_lines(view)),
        asof=_source(view),
        footer=footer(run, view.run_id),
        files=(_file(view),),
    )


def calibration_note(view: CalibrationView) -> Card | None:
    """The triggers that fire and what each suggests; None when none does."""
    c = view.found
    if not c.fired:
        return None
    return Card(
        title=titled(view.run, "Calibration note", _when(c)),
        state="info",
        headline=_headline(c),
        sentence=escaped(words.ratio_words(c, _number), _LINE),
        details=(
            *(f"• {line}" for line in _fired(c)),
            escaped(words.context(_number), _LINE),
            f"{words.NOTHING_CHANGED} /calibrate shows the whole, by this server's own rules if it has some.",
        ),
        asof=_source(view),
        footer=footer(view.run, view.run_id),
    )


def _number(value: float | None, decimals: int) -> str:
    return fixed(value, decimals, 10)


def _when(c: Calibration) -> str:
    if len(c.days) == 1:
        return day(c.days[-1].session)
    return f"{len(c.days)} closes to {day(c.days[-1].session)}"


def _headline(c: Calibration) -> str:
    if c.silence is not None:
        return "No trigger is evaluated"
    names = ", ".join(trigger.name for trigger in c.fired)
    return f"{plural(len(c.fired), 'trigger')} of {len(c.triggers)}: {names}" if names else "No trigger fires"


def _judged(view: CalibrationView) -> str:
    return f"Judged by {view.whose}: {profile_name(view.run.profile)}, lens {escaped(view.run.lens)}"


def _source(view: CalibrationView) -> str:
    if view.coverage is not None:
        return asof(view.run, view.coverage)
    first, last = (each.session for each in (view.found.days[0], view.found.days[-1]))
    closes = (
        f"Stored close of {day(last)}" if first == last else f"Stored closes, {day(first)} to {day(last)}"
    )
    return dotted((closes, escaped(view.run.source)))


def _table(c: Calibration) -> str:
    """Both lenses beside each other: at most TABLE_WIDTH columns."""
    lenses = (c.quarterly, c.yearly)
    rows = (
        ("Names", [count(each.distribution.n) for each in lenses]),
        ("Mean VRP", [fixed(each.distribution.mean, 3) for each in lenses]),
        ("Deviation", [fixed(each.distribution.sd, 3) for each in lenses]),
        ("Mean, both", [fixed(mean, 3) for mean in (c.mean_quarterly, c.mean_yearly)]),
        ("Structural", [_stage(each.structural) for each in lenses]),
        ("Tactical", [_stage(each.tactical) for each in lenses]),
        ("Both gates", [_stage(each.both) for each in lenses]),
        ("Every gate", [words.counted(each.candidates, _number) for each in lenses]),
    )
    return layout(
        (
            Column("LENS", [label for label, _ in rows], right=False),
            *(
                Column(title, [cells[place] for _, cells in rows])
                for place, title in enumerate(("QUARTERLY", "YEARLY"))
            ),
        )
    )


def _stage(stage: Stage) -> str:
    return MISSING if stage.share is None else f"{fixed(100 * stage.share, 1, 5)} %"


def _histogram(c: Calibration) -> Iterable[str]:
    """VRP structural of the lens in force in bars; nothing where no name has it."""
    found = words.own_figures(c).distribution
    if found.n:
        ratio = "IV30/HV252" if c.lens == "yearly" else "IV30/HV90"
        yield from ("", f"{ratio}, {'names' if len(c.days) == 1 else 'name-days'}")
        yield from words.bars(found, TABLE_WIDTH, _number)


def _lines(view: CalibrationView) -> Iterable[str]:
    """Triggers first: what gives way for room is the last."""
    c = view.found
    yield from (f"• {line}" for line in _fired(c))
    if said := words.silence_words(c):
        yield escaped(said, _LINE)
    yield f"{words.NOTHING_CHANGED} {escaped(words.context(_number), _LINE)}"
    yield escaped(words.band_words(c, _number), _LINE)
    yield from (escaped(line, _LINE) for line in words.disagreement_words(c))
    if len(c.days) > 1 and (spread := _range(c)):
        yield spread
    for each in c.what_ifs:
        name = _SPOKEN.get(each.name, each.name)
        numbers = (words.counted(value, _number) for value in (each.structural, each.candidates))
        passing = "structural {}, every gate {}".format(*numbers)
        yield (
            f"**What if {name}:** {passing} ({escaped(words.what_if_words(each, _number), _LINE)}); "
            f"{escaped(words.changed_words(each), _LINE)}"
        )
    if left := words.missing_words(c):
        yield left
    yield from view.notes


def _fired(c: Calibration) -> list[str]:
    lines = [escaped(words.trigger_words(each, c, _number), _LINE) for each in c.fired]
    return [*lines, words.CONTRADICTION] if c.contradicts else lines


def _range(c: Calibration) -> str:
    """The lowest and the highest close, so that an odd day shows."""
    ratios = [ratio for each in c.days if (ratio := known(each.ratio)) is not None]
    listed = [each.candidates for each in c.days]
    if not ratios:
        return ""
    return (
        f"Close by close: ratio {_number(min(ratios), 3)} to {_number(max(ratios), 3)}, "
        f"candidates {min(listed)} to {max(listed)}."
    )


def _file(view: CalibrationView) -> Attachment:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(words.COLUMNS)
    writer.writerows([cell(_value(value)) for value in line] for line in words.cells(view.found))
    mark = f"{SIMULATED}_" if view.run.simulated else ""
    rows = f"{len(view.found.names)} names under both lenses"
    return Attachment(
        filename=f"{mark}calibration_{view.run.session.isoformat()}.csv",
        data=file.getvalue().encode("utf-8", "replace"),
        description=f"{SIMULATED}: {rows}" if view.run.simulated else rows,
    )


def _value(value: object) -> Value:
    return value if isinstance(value, str | float | int | bool) else None
