"""One name through the record: where its IV30 stands, how often it was listed, what became of its rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from bot.cards.card import Attachment, Button, Card
from bot.cards.facts import ADVICE, SIMULATED, day
from bot.cards.history_chart import describe_history, history_chart, history_drawable, ratio_columns
from bot.cards.table import MISSING, grouped, pairs, percent, ratio, whole
from bot.cards.text import clean, dotted, escaped, plural
from engine.record.names import NameClose, NameHistory, Standing
from engine.rules import Rules

_SYMBOL = 20
_VERSIONS = 3
WORD = "IV percentile"
"""The word of the method behind the card."""


def history_card(history: NameHistory, rules: Rules) -> Card:
    """A name's official closes of a window with their picture; `rules` give lens and thresholds.

    Without any volatility there is no picture. `history` holds at least one close.
    """
    drawn = history_drawable(history)
    return Card(
        title=_title(history),
        state="info",
        headline=_headline(history),
        table=pairs(_facts(history, rules)),
        sentence=_sentence(history),
        details=tuple(filter(None, _details(history))),
        asof=_footnote(history),
        footer=_footer(history),
        buttons=_buttons(history),
        image=_image(history, rules) if drawn else None,
    )


def _title(history: NameHistory) -> str:
    company = history.company
    named = escaped(company) if company and company != history.symbol else ""
    mark = SIMULATED if history.realm == "simulated" else ""
    return dotted((mark, f"History {escaped(history.symbol, _SYMBOL)}", named))


def _headline(history: NameHistory) -> str:
    first, last = history.closes[0].session, history.closes[-1].session
    own, imported = _counts(history)
    parts = [
        f"{plural(own, 'own close')}" if own else "",
        f"{grouped(imported)} imported" if imported else "",
    ]
    span = day(last) if first == last else f"{day(first)} to {day(last)}"
    return f"{span}: {', '.join(filter(None, parts))}"


def _counts(history: NameHistory) -> tuple[int, int]:
    own = len(history.own)
    return own, len(history.closes) - own


def _facts(history: NameHistory, rules: Rules) -> list[tuple[str, str]]:
    """The table: at most 40 columns."""
    facts: list[tuple[str, str]] = []
    standing = history.standing
    if standing is not None:
        facts += [
            ("IV30 %", f"{percent(standing.iv30)}  on {standing.session.isoformat()}"),
            ("IV rank", whole(standing.rank)),
            ("IV percentile", f"{whole(standing.percentile)}  {_n(standing)}"),
            ("Year's range %", f"{percent(standing.low)} to {percent(standing.high)}"),
        ]
    latest = _latest_own(history)
    if latest is not None:
        structural, tactical = ratio_columns(rules)
        apart = standing is not None and standing.session != latest.session
        when = f"  on {latest.session.isoformat()}" if apart else ""
        facts += [
            ("HV30 %", f"{percent(latest.number('hv30'))}{when}"),
            ("Structural", f"{ratio(latest.number(structural))}  {_DENOMINATORS[structural]}"),
            ("Tactical", f"{ratio(latest.number(tactical))}  {_DENOMINATORS[tactical]}"),
        ]
        measured = [close for close in history.own if close.iv30 is not None]
        listed = sum(close.listed for close in measured)
        facts.append(("Listed", f"{grouped(listed)} of {grouped(len(measured))} days measured"))
    return facts


_DENOMINATORS = {
    "vrp_structural": "IV30/HV90",
    "vrp_tactical": "IV30/HV30",
    "structural_252": "IV30/HV252",
    "tactical_20": "IV30/HV20",
}


def _n(standing: Standing) -> str:
    return f"n={standing.n}" if standing.n >= standing.least else f"n={standing.n} of {standing.least}"


def _latest_own(history: NameHistory) -> NameClose | None:
    return history.own[-1] if history.own else None


def _sentence(history: NameHistory) -> str:
    """What the numbers cannot say by themselves: a short record, and what fills it."""
    standing = history.standing
    if standing is None:
        return "No IV30 of this name could be measured on these days."
    said = []
    if standing.n < standing.least:
        said.append(
            f"The record is short: n={standing.n} of {standing.least}, so rank and percentile are not known."
        )
    if standing.imported:
        said.append(
            f"{grouped(standing.imported)} of the {grouped(standing.n)} values behind rank and percentile "
            "were imported; their IV30 may follow another definition."
        )
    return " ".join(said)


def _details(history: NameHistory) -> tuple[str, ...]:
    return (
        _stretch(history),
        _methods(history),
        _imports(history),
        _earnings(history),
        _changes("Rules", [close.rules_hash for close in history.own], history.own),
        _changes("Engine", [close.engine_version for close in history.own], history.own),
        _corrections(history),
    )


def _stretch(history: NameHistory) -> str:
    """The last run of listed closes, one after another."""
    stretches = [list(group) for listed, group in groupby(history.own, lambda close: close.listed) if listed]
    if not stretches:
        return "**Listed** on none of these days" if history.own else ""
    last = stretches[-1]
    first, end = last[0].session, last[-1].session
    until = (
        f"on {day(end)}" if len(last) == 1 else f"{day(first)} to {day(end)}, {plural(len(last), 'close')}"
    )
    going = ", the latest among them" if last[-1] is history.own[-1] and len(last) > 1 else ""
    return f"**Last listed** {until}{going}"


def _methods(history: NameHistory) -> str:
    methods = Counter(
        str(close.values.get("iv_method") or "") for close in history.own if close.iv30 is not None
    )
    if not methods:
        return ""
    unmeasured = sum(close.iv30 is None for close in history.own)
    said = [f"{escaped(method) or MISSING} {grouped(count)}" for method, count in methods.most_common()]
    return "**IV30 by method** " + dotted(
        (*said, f"not measured {grouped(unmeasured)}" if unmeasured else "")
    )


def _imports(history: NameHistory) -> str:
    origins = Counter(close.origin for close in history.closes if close.imported)
    if not origins:
        return ""
    said = [f"{escaped(origin, 40)} {grouped(count)}" for origin, count in origins.most_common(_VERSIONS)]
    rest = len(origins) - len(said)
    more = f"and {plural(rest, 'further source')}" if rest > 0 else ""
    return "**Imported IV30**, drawn as dots: " + dotted((*said, more))


def _earnings(history: NameHistory) -> str:
    if not history.earnings:
        return ""
    shown = [day(each) for each in history.earnings[-4:]]
    earlier = len(history.earnings) - len(shown)
    return "**Earnings reported** " + dotted((*shown, f"{earlier} earlier" if earlier else ""))


def _changes(what: str, versions: Sequence[str | None], closes: Sequence[NameClose]) -> str:
    """The versions a period was judged by, with the first session of each stretch; empty for one alone."""
    if len(set(versions)) < 2:
        return ""
    stretches = [
        (version, next(group)[1].session)
        for version, group in groupby(zip(versions, closes, strict=True), key=lambda each: each[0])
    ]
    shown = [
        f"{escaped(version or MISSING, 20)} from {day(since)}" for version, since in stretches[-_VERSIONS:]
    ]
    earlier = len(stretches) - len(shown)
    return f"**{what} changed** " + dotted(
        (f"{plural(earlier, 'change')} earlier" if earlier else "", *shown)
    )


def _corrections(history: NameHistory) -> str:
    if not history.corrected:
        return ""
    closes = plural(history.corrected, "close")
    return f"**Corrected later** {closes}; what was stored before stays in the record"


def _footnote(history: NameHistory) -> str:
    """What counts, and what the picture leaves out."""
    values = (
        "own closes first, imports only where none has IV30" if _counts(history)[1] else "own closes only"
    )
    return (
        f"Official closes, each as it was judged on its day; rank and percentile over 252 sessions, {values}."
    )


def _footer(history: NameHistory) -> str:
    latest = _latest_own(history)
    run = (
        (
            f"run {latest.run_id}",
            f"rules {clean(latest.rules_hash or MISSING, 20)}",
            f"engine {clean(latest.engine_version or MISSING, 20)}",
        )
        if latest is not None
        else ()
    )
    mark = SIMULATED if history.realm == "simulated" else ""
    return dotted((mark, f"{history.closes[-1].session.isoformat()}/close", *run, ADVICE))


def _buttons(history: NameHistory) -> tuple[Button, ...]:
    latest = _latest_own(history)
    method = Button("Method", "method", 0 if latest is None else latest.run_id or 0, WORD)
    if latest is None or latest.run_id is None:
        return (method,)
    name = clean(history.symbol, 12)
    return (
        Button(f"Why {name}", "why", latest.run_id, history.symbol),
        Button(f"Chart {name}", "vrp", latest.run_id, history.symbol),
        method,
    )


def _image(history: NameHistory, rules: Rules) -> Attachment:
    mark = f"{SIMULATED}_" if history.realm == "simulated" else ""
    return Attachment(
        f"{mark}history.png",
        history_chart(history, rules),
        describe_history(history, rules),
    )
