"""What a bad day would do to a book: a line a scenario, how often such a day comes, who loses most."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.card import Attachment, Card
from bot.cards.facts import day
from bot.cards.portfolio_charts import describe, drawable, stress_chart
from bot.cards.portfolio_remarks import left_out
from bot.cards.portfolio_words import Market, asof_of, money, money_text, sentences_of, worded
from bot.cards.table import Column, fixed, grouped, known, layout, percent, percent_text, plain
from bot.cards.text import clean, escaped, plural
from engine.portfolio.result import Analysis, StressLine

_WORST = 5
_OFTEN = 0.2
"""From this share of days on `1 day in n` says less than the percent."""
_BENCHMARK = 6


def stress_card(analysis: Analysis, market: Market) -> Card:
    """Every scenario revalued, the worst legs of the worst one, and the picture where there is a surface.

    Scenarios that could not be revalued show `?`; without any the card says so.
    """
    worst = worst_of(analysis.stress.lines)
    return Card(
        title=market.title("Stress of your book", day(analysis.session)),
        state=market.run.state,
        headline="\n".join(filter(None, (market.note, *_headline(worst, analysis)))),
        table="\n\n".join(filter(None, (scenario_table(analysis, market), _worst_table(worst)))),
        sentence=_sentence(worst),
        details=_details(analysis, market),
        asof=asof_of(analysis),
        footer=market.footer,
        image=_image(analysis, market),
    )


def worst_of(lines: Sequence[StressLine]) -> StressLine | None:
    """The scenario with the least profit or loss; None when nothing could be revalued."""
    valued = [line for line in lines if known(line.pl) is not None]
    return min(valued, key=lambda line: line.pl or 0.0, default=None)


def scenario_table(analysis: Analysis, market: Market) -> str:
    """Label, move of the benchmark, volatility points, profit or loss, its share of net liquidation."""
    lines = analysis.stress.lines
    if not lines:
        return ""
    columns = [
        Column("SCENARIO", [clean(line.label, 40) for line in lines], right=False, flexible=True),
        Column(f"{clean(market.benchmark, _BENCHMARK)}%", [_points(100 * line.move) for line in lines]),
        Column("VIXp", [_points(line.vol_points) for line in lines]),
        Column("P/L", [money(line.pl, 7) for line in lines]),
    ]
    net = analysis.net_liquidation
    if net is not None and net > 0:
        columns.append(Column("NL%", [_share(line.pl, net) for line in lines]))
    return layout(columns)


def frequency_text(share: float | None) -> str:
    """`about 1 day in 400 (0.25 %)`; `never in that record`, `not known`."""
    number = known(share)
    if number is None:
        return "not known"
    if number <= 0:
        return "never in that record"
    percents = f"{plain(round(100 * number, 2 if number < 0.1 else 1))} %"
    return (
        f"{percents} of days"
        if number >= _OFTEN
        else f"about 1 day in {grouped(round(1 / number))} ({percents})"
    )


def _points(value: float) -> str:
    """`-5`, `+2.5`, `0`."""
    return ("+" if value > 0 else "") + plain(round(value, 2) + 0.0)


def _share(pl: float | None, net: float) -> str:
    number = known(pl)
    return percent(None if number is None else number / net, 5)


def _headline(worst: StressLine | None, analysis: Analysis) -> tuple[str, ...]:
    if worst is None:
        return ("Nothing of this book could be revalued",)
    net, totals = analysis.net_liquidation, analysis.totals
    share = f", {percent_text((worst.pl or 0.0) / net)} of net liquidation" if net and net > 0 else ""
    held = f"Over {totals.legs - totals.left_out} of {plural(totals.legs, 'leg')}" if totals.left_out else ""
    return f"Worst: {escaped(worst.label, 40)}, P/L {money_text(worst.pl)}{share}", held


def _worst_table(worst: StressLine | None) -> str:
    """The legs that lose most in the worst scenario."""
    losing = [(text, pl) for text, pl in (worst.worst if worst else ()) if known(pl) is not None and pl < 0]
    if not losing:
        return ""
    shown = losing[:_WORST]
    return layout(
        (
            Column("LEGS THAT LOSE MOST IN IT", [clean(text, 40) for text, _ in shown], False, True),
            Column("P/L", [money(pl, 7) for _, pl in shown]),
        )
    )


def _sentence(worst: StressLine | None) -> str:
    if worst is None:
        return ""
    if (worst.pl or 0.0) >= 0:
        return "No scenario loses money."
    if known(worst.frequency) is None:
        return ""
    return f"A day with such a move: {frequency_text(worst.frequency)}."


def _details(analysis: Analysis, market: Market) -> tuple[str, ...]:
    stress = analysis.stress
    return (
        *_frequencies(stress.lines),
        f"VIX at {fixed(stress.vix, 2)} points ({worded(stress.vix_source, 120)}).",
        *left_out(analysis.positions),
        *sentences_of(stress.notes),
        f"Every leg is revalued at once. {escaped(market.benchmark, 10)}% is the move of the benchmark, each "
        "name's by its beta; VIXp the change of the VIX in points, each volatility's in proportion.",
    )


def _frequencies(lines: Sequence[StressLine]) -> tuple[str, ...]:
    """How often a day with each move comes, the source once where it is the same."""
    known_lines = [line for line in lines if known(line.frequency) is not None]
    by_source: dict[str, list[str]] = {}
    for line in known_lines:
        words = f"{escaped(line.label, 40)} {frequency_text(line.frequency)}"
        by_source.setdefault(line.frequency_source, []).append(words)
    return tuple(
        f"**How often** {'; '.join(words)}" + (f" ({worded(source, 120)})." if source else ".")
        for source, words in by_source.items()
    )


def _image(analysis: Analysis, market: Market) -> Attachment | None:
    if not drawable(analysis.stress):
        return None
    return Attachment(
        "stress.png",
        stress_chart(analysis, market.benchmark, market.run.simulated),
        describe(analysis, market.benchmark, market.run.simulated),
    )
