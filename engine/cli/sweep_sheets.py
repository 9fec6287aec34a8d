"""A sweep of thresholds: what was asked for, its table and its JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Group as Together
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.proof_sheets import NO_CLAIM, points
from engine.console import MISSING
from engine.errors import ConfigError
from engine.proof.sweep import OutOfSample, Sweep, Trial
from engine.proof.trials import Outcome
from engine.rules import Lens
from engine.symbols import shortened

LARGEST = 100.0
MOST = 200
_TITLES = (
    *("Structural >", "Tactical >", "n", "Eff. n", "Hit %", "95 % interval", "Mean", "A day", "Whipsaw %"),
)


def limits(text: str | None, option: str) -> tuple[float, ...]:
    """`1.0:1.4:0.05`, or a single number; () for nothing. Raises ConfigError saying what is allowed."""
    if text is None:
        return ()
    allowed = ConfigError(
        f"{option} {shortened(text)!r}: write low:high:step such as 1.0:1.4:0.05, or one number, "
        f"within 0..{LARGEST:g} and at most {MOST} of them."
    )
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        raise allowed from None
    if not all(math.isfinite(part) and 0 <= part <= LARGEST for part in parts):
        raise allowed
    if len(parts) == 1:
        return (parts[0],)
    if len(parts) != 3 or parts[2] <= 0 or parts[1] < parts[0]:
        raise allowed
    low, high, step = parts
    # A hair more, so that 1.4 is reached although 0.05 is no exact number.
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > MOST:
        raise allowed
    return tuple(round(low + place * step, 10) for place in range(count))


def around(lens: Lens) -> tuple[float, ...]:
    """Thresholds tried where none are given: nine around those of the lens."""
    low = 0.7 if lens == "yearly" else 1.0
    return tuple(round(low + 0.05 * place, 2) for place in range(9))


def sweep_shape(result: Sweep) -> dict[str, Any]:
    """Every pair with its outcome, the best with its widened interval, and the out-of-sample check."""
    best, checked = result.best, result.out_of_sample
    widened = {"ci_low_widened": result.wide_low, "ci_high_widened": result.wide_high}
    return {
        "trials": len(result.trials),
        "pairs": [_trial_shape(trial) for trial in result.trials],
        "best": None if best is None else {**_trial_shape(best), **widened},
        "out_of_sample": None if checked is None else _checked_shape(checked),
        "settings": result.settings,
    }


def _trial_shape(trial: Trial) -> dict[str, Any]:
    return {
        "structural": trial.structural,
        "tactical": trial.tactical,
        **_outcome_shape(trial.outcome),
        "candidates_a_day": trial.candidates_a_day,
        "whipsaw": {"n": trial.whipsaw_n, "share": trial.whipsaw},
    }


def _outcome_shape(outcome: Outcome) -> dict[str, Any]:
    keys = ("n", "effective_n", "hit_rate", "ci_low", "ci_high", "mean_gap")
    return {key: getattr(outcome, key) for key in keys}


def _checked_shape(checked: OutOfSample) -> dict[str, Any]:
    return {
        "structural": checked.structural,
        "tactical": checked.tactical,
        "middle": checked.middle.isoformat(),
        "first_half": _outcome_shape(checked.first),
        "second_half": _outcome_shape(checked.second),
        "universe_second_half": _outcome_shape(checked.universe),
    }


def sweep_sheet(result: Sweep) -> RenderableType:
    """The table of pairs, then what the best of them is worth."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in _TITLES:
        table.add_column(title, justify="right", no_wrap=True)
    least = float(result.settings["small_sample_below"])
    for trial in result.trials:
        table.add_row(*_cells(trial, least), style="bold" if trial == result.best else "")
    settings = result.settings
    heading = Text(f"Sweep · {settings['judged_from']} to {settings['judged_to']}", style="bold")
    trials, names = _counted(len(result.trials), "trial"), _counted(settings["names"], "name")
    spread = f"{names} · {settings['lens']} lens · {settings['profile']} profile"
    heading.append(f"\n{trials} · {spread}", style="not bold")
    notes = [*_notes(result), *(f"Note: {note}" for note in settings["notes"]), NO_CLAIM]
    words = "\n".join([*_best_words(result), *_checked_words(result.out_of_sample)])
    return Together(heading, Text(), table, Text(), Text(words), Text(), Text("\n".join(notes), style="dim"))


def _cells(trial: Trial, least: float) -> tuple[str, ...]:
    outcome = trial.outcome
    star = "*" if outcome.n and outcome.effective_n < least else " "
    leaving = MISSING if trial.whipsaw is None else f"{100 * trial.whipsaw:.1f}"
    return (
        f"{trial.structural:g}",
        f"{trial.tactical:g}",
        f"{outcome.n:,}",
        f"{outcome.effective_n:,.0f}{star}",
        _percent(outcome.hit_rate),
        _interval(outcome.ci_low, outcome.ci_high) if outcome.n else MISSING,
        points(outcome.mean_gap),
        f"{trial.candidates_a_day:.1f}",
        leaving,
    )


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return f"{_percent(low)}..{_percent(high)}"


def _best_words(result: Sweep) -> list[str]:
    best, trials = result.best, _counted(len(result.trials), "trial")
    if best is None:
        return ["No pair has a sample that is large enough to be called the best."]
    outcome = best.outcome
    return [
        f"Best of {trials}: structural > {best.structural:g} and tactical > {best.tactical:g}, "
        f"hit rate {_percent(outcome.hit_rate)} %.",
        f"Its 95 % interval {_interval(outcome.ci_low, outcome.ci_high)} becomes "
        f"{_interval(result.wide_low, result.wide_high)} when widened for {trials} (Sidak).",
    ]


def _checked_words(checked: OutOfSample | None) -> list[str]:
    if checked is None:
        return ["Out of sample: no pair of the first half has a sample that is large enough."]
    first, second, universe = checked.first, checked.second, checked.universe
    held = (
        "no observation"
        if not second.n
        else (
            f"hit rate {_percent(second.hit_rate)} % ({_interval(second.ci_low, second.ci_high)}), "
            f"mean {points(second.mean_gap)} points"
        )
    )
    return [
        f"Out of sample: the best pair of the first half, structural > {checked.structural:g} and "
        f"tactical > {checked.tactical:g} (hit rate {_percent(first.hit_rate)} %, "
        f"mean {points(first.mean_gap)} points), has on the second half, from {checked.middle}: {held}.",
        f"Every name of the second half: hit rate {_percent(universe.hit_rate)} %, "
        f"mean {points(universe.mean_gap)} points.",
    ]


def _notes(result: Sweep) -> list[str]:
    settings = result.settings
    notes = [
        "A pair lists what passes every other judged gate and lies above both thresholds. Gap and hit as in "
        "the scorecard; a day: names listed a session; best: the highest lower end of the interval.",
        f"Not judged: {', '.join(settings['gates_not_judged'])}.",
    ]
    least = settings["small_sample_below"]
    if any(0 < trial.outcome.effective_n < least for trial in result.trials):
        notes.append(f"*: small sample, worth fewer than {least:g} independent observations.")
    return notes
