"""What a number means: the glossary as cards."""

from __future__ import annotations

from bot.cards.card import Card
from bot.cards.evidence import Evidence, method_lines, method_table
from bot.cards.facts import ADVICE
from bot.cards.table import pairs
from bot.cards.text import escaped
from engine.screen.glossary import METRICS, TERMS, Metric, explain, suggestions

_UNITS = {
    "volatility": "annualised fraction, shown in percent",
    "ratio": "ratio",
    "percent": "fraction, shown in percent",
    "percentile": "0..100",
    "price": "currency of the quote",
    "days": "calendar days",
    "count": "count",
    "points": "fraction, shown in volatility points",
    "text": "word",
    "flag": "yes or no",
}
_HEADERS = (
    ("IV%", "IV30"),
    ("RV%", "HV of the lens's short window"),
    ("VRP", "IV30 / that HV"),
    ("IVP", "percentile of IV30 in its record"),
    ("ERNd", "calendar days to earnings"),
    ("TAG", "signal; * a remark below"),
    ("?", "missing"),
    ("-", "not applicable"),
)


def method_card(word: str | None, evidence: Evidence | None = None) -> Card:
    """Formula and source of one metric, or, without a word, the headers of the table and all words.

    A word that parts names into groups has what became of them beside it, as far as `evidence` holds it.
    An unknown word gives a card of state "error" that names the nearest ones.
    """
    if word is None or not word.strip():
        return _overview()
    metric = explain(word)
    return _entry(metric, evidence) if metric is not None else _unknown(word)


def _entry(metric: Metric, evidence: Evidence | None) -> Card:
    return Card(
        title=f"Method · {escaped(metric.title)}",
        state="info",
        table=method_table(metric.column, evidence),
        sentence=escaped(metric.formula, 800),
        details=(
            f"**Unit** {_UNITS[metric.kind]}",
            f"**Source** {escaped(metric.source, 200)}",
            f"**Column** {escaped(metric.column)}",
            *method_lines(metric.column, evidence),
        ),
        footer=ADVICE,
    )


def _unknown(word: str) -> Card:
    near = ", ".join(escaped(title) for title in suggestions(word))
    return Card(
        title="Method",
        state="error",
        headline=f"{escaped(word, 60)} is no word of the method.",
        sentence=f"Nearest: {near}." if near else "/method without a word lists them all.",
        footer=ADVICE,
    )


def _overview() -> Card:
    words = ", ".join(escaped(metric.title) for metric in (*TERMS, *METRICS))
    return Card(
        title="Method",
        state="info",
        headline="Implied volatility against the movement that was: what the options charge for.",
        table=pairs(_HEADERS),
        sentence="/method with one of these words gives its formula and source.",
        details=(words,),
        footer=ADVICE,
    )
