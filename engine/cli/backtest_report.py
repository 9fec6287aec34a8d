"""The report of a backtest: one HTML page that needs nothing else, or one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import Any

from engine.errors import ConfigError
from engine.proof.days import DUAL
from engine.proof.result import ALL, UNIVERSE, Backtest, Group, Scorecard, Whipsaw
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

MISSING = "?"
NO_CLAIM = "It is no claim of profit: costs, spreads, stops and sizes are not in it."
_HEADER = ("", "n", "effective n", "hit rate", "95 % interval", "mean", "median", "worst", "over universe")
_LINE = 108
"""Letters of a line of the picture."""
_CSS = """
:root{--background:#fff;--ink:#1d1f23;--faint:#5c6068;--grid:#e3e5e8;--panel:#f6f7f8;
--universe:#747a83;--listed:#1f6fd6;--benchmark:#b8641a;--loss:#c03a45}
@media (prefers-color-scheme:dark){:root{--background:#1e1f22;--ink:#f2f3f5;--faint:#b5bac1;
--grid:#3f4147;--panel:#2b2d31;--universe:#a3a8b0;--listed:#7fb4ff;--benchmark:#f2a65a;--loss:#e06c75}}
*{box-sizing:border-box}
body{margin:0;background:var(--background);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.1rem;margin:2rem 0 .4rem}
p{margin:.4rem 0;max-width:46rem}
.faint,figcaption,caption{color:var(--faint);font-size:.9rem}
caption{text-align:left;padding:.2rem 0}
figure{margin:.6rem 0}
svg{width:100%;height:auto;max-width:45rem;display:block}
svg text{font-family:system-ui,sans-serif!important}
.wide{overflow-x:auto;background:var(--panel);border-radius:8px;padding:.2rem .6rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .5rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
tr:last-child>*{border-bottom:0}
thead th{color:var(--faint);font-weight:400}
th:first-child{text-align:left;position:sticky;left:0;background:var(--panel)}
tr.small td{color:var(--faint)}
dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.2rem 1rem;font-size:.9rem}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
"""


def write_report(result: Backtest, path: Path) -> None:
    """Writes the report where `path` says: .html is a page, .png one picture.

    Raises ConfigError in one sentence when the name ends otherwise or the file cannot be written.
    """
    makers: Mapping[str, Callable[[Backtest], bytes]] = {
        ".html": lambda each: page(each).encode("utf-8", "replace"),
        ".png": _picture,
    }
    make = makers.get(path.suffix.lower())
    if make is None:
        raise ConfigError("a report is a page or a picture: its file name must end in .html or .png")
    made = make(result)
    try:
        path.write_bytes(made)
    except OSError as error:
        raise ConfigError(f"the report cannot be written: {error.strerror or type(error).__name__}") from None


def headline(result: Backtest) -> tuple[str, ...]:
    """What the backtest found, a sentence each: size, share, gaps, the listed, and what it is not."""
    card = result.scorecard
    everything = _named(card, ALL)
    if everything is None or everything.hit_rate is None:
        return ("No observation has a known outcome yet, so there is nothing to say.", NO_CLAIM)
    horizon = _horizon(card)
    sentences = [
        f"{_many(everything.names, 'name')} on {_many(everything.sessions, 'session')}{_dates(card)}: on "
        f"{_percent(everything.hit_rate)} % of {_many(everything.n, 'observation')} IV30 stood above the "
        f"movement of the {horizon} sessions after it.",
        f"The 95 % interval is {_interval(everything)} %: windows overlap"
        f"{' and names move together' if everything.names > 1 else ''}, so that they are worth about "
        f"{everything.effective_n:,.0f} independent observations.",
        f"The gap was {_points(everything.mean_gap)} points of volatility in the mean, "
        f"{_points(everything.median_gap)} in the median, {_points(everything.worst)} at worst.",
    ]
    listed = _named(card, "listed")
    if listed is not None and listed.hit_rate is not None:
        over = _against(listed.over_universe) if everything.names > 1 else ""
        sentences.append(
            f"Listed names: {_percent(listed.hit_rate)} % of {listed.n:,} (interval {_interval(listed)} %), "
            f"mean {_points(listed.mean_gap)} points{over}."
        )
    elif listed is not None:
        sentences.append("No name was listed on any of these sessions.")
    return (*sentences, NO_CLAIM)


def page(result: Backtest) -> str:
    """The report as one HTML page: style inside, pictures inside, no script, nothing fetched."""
    card = result.scorecard
    title = "Backtest: IV30 against the movement after it"
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in headline(result))
    parts = [
        f"<h1>{title}</h1>{said}",
        *_figures(result),
        _legend(card),
        *_tables(result),
        _whipsaw(card),
        _about(result),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{_CSS}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


# --- pictures -------------------------------------------------------------------------------------


def _telling(result: Backtest) -> list[Group]:
    """The groups whose hit rates stand beside each other: listed or not, the dual filter, the zones."""
    wanted = (ALL, "listed", "not listed", *DUAL, *ZONES)
    return [group for name in wanted if (group := _named(result.scorecard, name)) is not None]


def _picture(result: Backtest) -> bytes:
    from engine.cli.backtest_pictures import sheet_png  # matplotlib is slow to load

    lines = (
        "Backtest: IV30 against the movement after it",
        *chain(*(wrap(s, _LINE) for s in headline(result))),
    )
    return sheet_png(result, _horizon(result.scorecard), lines, _telling(result))


def _figures(result: Backtest) -> list[str]:
    from engine.cli.backtest_pictures import curves_svg, histogram_svg, intervals_svg  # slow to load

    horizon = _horizon(result.scorecard)
    equity = (
        f"The mean gap of each session's observations divided by {horizon}, added up, in points of "
        f"volatility: as though 1/{horizon} of the whole were begun on every session. Up to {horizon} "
        "cohorts run at the same time and share most of their days, so a smooth line is no evidence of "
        "steadiness. An entry counts on its own session, though its outcome was known only "
        f"{horizon} sessions later; a session without a listed name adds nothing."
    )
    spread = (
        "Share of observations by gap, in points of volatility: filled the universe, outlined the listed "
        "names. The outermost bars gather what lies beyond; left of zero the movement exceeded IV30."
    )
    rates = "Share of observations with IV30 above the movement after it, 95 % interval; dashed: universe."
    base = _named(result.scorecard, UNIVERSE)
    return [
        _figure("Captured premium", curves_svg(result, horizon), equity),
        _figure("Distribution of gaps", histogram_svg(result), spread),
        _figure("Hit rates", intervals_svg(_telling(result), base), rates),
    ]


def _figure(title: str, svg: str, caption: str) -> str:
    label = escape(f"{title}. {caption}", quote=True)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<h2>{title}</h2><figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


# --- tables ---------------------------------------------------------------------------------------


def _tables(result: Backtest) -> list[str]:
    card = result.scorecard
    names = {group.name: group for group in card.groups}
    families: list[tuple[str, Iterable[str]]] = [
        ("Is the dual filter needed?", DUAL),
        ("By zone of the compression ratio HV30/HV90", ZONES),
        ("By regime", [f"regime {name}" for name in REGIMES]),
        ("By signal", SIGNALS),
    ]
    known = {ALL, *chain.from_iterable(wanted for _, wanted in families)}
    rest = [group for group in card.groups if group.name not in known]
    tables = [_table("All, and the baselines", [*_some(names, [ALL]), *card.baselines], card)]
    tables += [_table(title, _some(names, wanted), card) for title, wanted in families]
    tables.insert(3, _table("By threshold", result.thresholds, card))
    tables += [_table(f"By lens: {lens}", groups, card) for lens, groups in result.lenses.items()]
    tables.append(_table("By gate, and further groups", rest, card))
    return [table for table in tables if table]


def _legend(card: Scorecard) -> str:
    least = _least(card)
    small = "" if least is None else f" Small: fewer than {least:g} effective observations."
    return (
        f'<h2>Tables</h2><p class="faint">Gap: IV30 at entry less the movement of the {_horizon(card)} '
        "sessions after it, in points of volatility; hit: a gap above 0. Over universe: the mean gap less "
        "that of all names on the same sessions. Effective n: how many independent observations "
        f"the n are worth; the interval rests on it.{small}</p>"
    )


def _some(names: Mapping[str, Group], wanted: Iterable[str]) -> list[Group]:
    return [names[name] for name in wanted if name in names]


def _table(title: str, groups: Sequence[Group], card: Scorecard) -> str:
    if not groups:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADER)
    rows = "".join(_row(group, _least(card)) for group in groups)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(group: Group, least: float | None) -> str:
    small = least is not None and 0 < group.effective_n < least
    cells = (
        f"{group.n:,}",
        f"{group.effective_n:,.0f}" + (" small" if small else ""),
        _percent(group.hit_rate, unit=" %"),
        _interval(group),
        *(_points(value) for value in (group.mean_gap, group.median_gap, group.worst, group.over_universe)),
    )
    mark = ' class="small"' if small else ""
    return f'<tr{mark}><th scope="row">{_safe(group.name)}</th>{"".join(f"<td>{c}</td>" for c in cells)}</tr>'


def _whipsaw(card: Scorecard) -> str:
    within = card.settings.get("whipsaw_sessions")
    when = f"within {within} sessions" if within is not None else "soon after"
    rows = "".join(_whipsaw_row(each) for each in card.whipsaw)
    return (
        '<h2>Whipsaw</h2><div class="wide"><table>'
        f"<caption>Of listed name-days, the share that left the list {escape(str(when))}.</caption>"
        '<thead><tr><th scope="col">lens</th><th scope="col">n</th><th scope="col">share</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _whipsaw_row(each: Whipsaw) -> str:
    share = _percent(each.share, unit=" %")
    return f'<tr><th scope="row">{_safe(each.lens)}</th><td>{each.n:,}</td><td>{share}</td></tr>'


def _about(result: Backtest) -> str:
    card = result.scorecard
    counted = [f"{card.waiting:,} observations wait for sessions that are not over."] if card.waiting else []
    counted += [f"{count:,} observations have no outcome: {reason}." for reason, count in card.lost.items()]
    notes = "".join(f"<li>{_safe(note)}</li>" for note in (*result.notes, *counted))
    rows = "".join(
        f"<dt>{_safe(key)}</dt><dd>{_safe(_said(value))}</dd>" for key, value in card.settings.items()
    )
    return (
        "<h2>What was found in the files, and what was judged</h2>"
        + (f"<ul>{notes}</ul>" if notes else '<p class="faint">Nothing to remark.</p>')
        + f"<h2>Settings</h2><dl>{rows}</dl>"
    )


# --- numbers and words ----------------------------------------------------------------------------


def _named(card: Scorecard, name: str) -> Group | None:
    return next((group for group in (*card.groups, *card.baselines) if group.name == name), None)


def _horizon(card: Scorecard) -> int:
    return int(card.settings.get("horizon_sessions", 21))


def _least(card: Scorecard) -> float | None:
    least = card.settings.get("small_sample_below")
    return float(least) if isinstance(least, int | float) else None


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _dates(card: Scorecard) -> str:
    if card.first is None or card.last is None:
        return ""
    return f", {card.first} to {card.last}"


def _percent(value: float | None, unit: str = "") -> str:
    return MISSING if value is None else f"{100 * value:.1f}{unit}"


def _points(value: float | None) -> str:
    # Adding 0.0 takes the minus from a zero.
    return MISSING if value is None else f"{round(100 * value, 2) + 0.0:+.2f}"


def _against(over: float | None) -> str:
    return "" if over is None else f", {_points(over)} against the universe of the same sessions"


def _interval(group: Group) -> str:
    if group.ci_low is None or group.ci_high is None:
        return MISSING
    return f"{100 * group.ci_low:.1f} to {100 * group.ci_high:.1f}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_said(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _safe(text: str) -> str:
    return escape("".join(letter if letter.isprintable() else "?" for letter in str(text)), quote=True)
