"""A server's own pairs, as those who manage it see them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.card import Card
from bot.cards.facts import ADVICE
from bot.cards.table import Column, layout, ratio
from bot.cards.text import dotted, escaped, plural, stamp
from bot.people.pairs import MOST, OwnPair
from engine.rules import Pair

_TITLE = "Pairs of this server"


def added_card(pair: Pair, count: int) -> Card:
    """A pair was kept, of `count` now."""
    return Card(
        title=_TITLE,
        state="info",
        headline=f"{_legs(pair)} is kept as {escaped(pair.id)}",
        sentence=(
            f"Below a correlation of {ratio(pair.correlation_threshold)} it counts as broken. /pairs shows "
            "it at once; every run from the next on stores it, for the closing post and for /alert add."
        ),
        details=(f"{count} of {MOST} pairs.",),
        footer=ADVICE,
    )


def removed_card(pair: Pair) -> Card:
    """A pair was given up."""
    return Card(
        title=_TITLE,
        state="info",
        headline=f"{_legs(pair)} is not kept any more",
        sentence="Alerts on it stay silent while no server keeps it; /alert list shows one's own.",
        footer=ADVICE,
    )


def kept_card(own: Sequence[OwnPair]) -> Card:
    """Every own pair with its threshold, who added it and when."""
    if not own:
        return Card(
            title=_TITLE,
            state="info",
            headline="This server has no pairs of its own",
            sentence="/pair add keeps one; /pairs shows those of every server.",
            footer=ADVICE,
        )
    pairs = [each.pair for each in own]
    return Card(
        title=_TITLE,
        state="info",
        headline=f"{plural(len(own), 'pair')} of {MOST}",
        table=layout(
            (
                Column("PAIR", [f"{pair.leg_a}/{pair.leg_b}" for pair in pairs], right=False, flexible=True),
                Column("BROKEN BELOW", [ratio(pair.correlation_threshold) for pair in pairs]),
            )
        ),
        details=tuple(map(_line, own)),
        footer=ADVICE,
    )


def _line(own: OwnPair) -> str:
    person = f"<@{own.added_by}>" if own.added_by is not None else "somebody whose data was deleted"
    return dotted((escaped(own.pair.id), person, stamp(own.added_at, "d")))


def _legs(pair: Pair) -> str:
    return f"{escaped(pair.leg_a)} / {escaped(pair.leg_b)}"
