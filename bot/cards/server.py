"""What a server chose, as its managers see it, and the words that go to its channel and its keepers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bot.cards.card import Card
from bot.cards.facts import ADVICE, KINDS
from bot.cards.table import LANGUAGES, fixed, numbers, pairs, plain
from bot.cards.text import clean, dotted, escaped, stamp
from bot.people.guilds import Change, GuildSettings

SPOKEN_RUNS = {
    frozenset({"open", "close", "weekly"}): "open and close and weekly",
    frozenset({"open", "close"}): "open and close",
    frozenset({"close", "weekly"}): "close and weekly",
    frozenset({"close"}): "close only",
    frozenset({"open", "weekly"}): "open and weekly",
    frozenset({"open"}): "open only",
    frozenset({"weekly"}): "weekly only",
}
"""What may be chosen, and how it is said."""
HOW_TO_SET_UP = "/setup channel:#a-channel sends a test post there and begins."
ONLY_POSTS = (
    "Profile, thresholds and universe are those of the posts; /screen and the other commands keep the "
    "bot's own. The language of numbers holds for every answer in this server."
)
_VALUE = 120
_SAMPLE = 1234.5


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Settings with what has to be looked up around them.

    `universe` in words, empty for all names; `usual` holds the profile's value of each own threshold, as
    far as the profile still exists.
    """

    settings: GuildSettings
    universe: str
    usual: Mapping[str, float]
    next_run: datetime | None
    next_kind: str | None
    changes: Sequence[Change] = ()
    unheard: str | None = None
    """The month of the last monthly note, when it reached nobody."""


def settings_card(facts: ServerFacts, lead: str = "") -> Card:
    """Everything a server chose, when its next run is, and the last changes with who and when."""
    settings = facts.settings
    with numbers(settings.numbers):
        return Card(
            title="Settings of this server",
            state="degraded" if settings.broken else "info",
            headline="\n".join(filter(None, (lead, _broken(settings)))),
            table=pairs(_entries(facts)),
            sentence=_next(facts),
            details=(
                f"**Channel** <#{settings.channel_id}>",
                f"**Mentions** {_role(settings.role_id)}",
                *_unheard(facts.unheard),
                *_history(facts.changes),
                ONLY_POSTS,
            ),
            footer=ADVICE,
        )


def unset_card(changes: Sequence[Change] = ()) -> Card:
    """A server that gets no posts, and how that is changed."""
    return Card(
        title="Settings of this server",
        state="info",
        headline="This server is not set up: it gets no posts. Commands work all the same.",
        sentence=HOW_TO_SET_UP,
        details=_history(changes),
        footer=ADVICE,
    )


def trial_card(facts: ServerFacts) -> Card:
    """The test post: what will come here, and when next."""
    settings = facts.settings
    with numbers(settings.numbers):
        return Card(
            title="Test post",
            state="info",
            headline=f"This channel gets {_spoken_posts(settings.runs)}.",
            table=pairs(_entries(facts)),
            sentence=_next(facts),
            details=(f"**Mentions** {_role(settings.role_id)}",),
            footer=ADVICE,
        )


def reset_card(settings: GuildSettings) -> Card:
    """The question before everything a server chose is given up."""
    return Card(
        title="Reset the settings of this server?",
        state="info",
        headline="Posts end, and everything chosen here is given up.",
        sentence="The history of changes and the server's own pairs (/pair list) stay until the bot leaves.",
        details=(f"**Channel** <#{settings.channel_id}>",),
        footer=ADVICE,
    )


def done_card(text: str) -> Card:
    """One sentence that something was done, or left."""
    return Card(title="Settings of this server", state="info", headline=text, footer=ADVICE)


def broken_card(server: str, settings: GuildSettings, reason: str) -> Card:
    """What a keeper of a server is told once, when its channel takes no posts any more."""
    return Card(
        title=f"Posts to {escaped(server, 60)} have stopped",
        state="degraded",
        headline=escaped(f"{reason[:1].upper()}{reason[1:]}", 300),
        sentence=(
            "Nothing is sent there until somebody who manages the server chooses a channel with "
            "/config set field:channel, or repairs this one and tries it with /config test."
        ),
        details=(f"**Channel** <#{settings.channel_id}>", "This is said once."),
        footer=ADVICE,
    )


def spoken_runs(runs: frozenset[str]) -> str:
    """`open and close`, `close only`."""
    return SPOKEN_RUNS.get(runs) or ", ".join(sorted(runs))


def _spoken_posts(runs: frozenset[str]) -> str:
    """What the runs bring, in the order of a day: the screens, the scorecard."""
    screens = runs - {"weekly"}
    parts = [f"the screen: {spoken_runs(screens)}"] if screens else []
    return "; ".join([*parts, *(["the scorecard once a week"] if "weekly" in runs else [])])


def sample(language: str) -> str:
    """What numbers look like in a language: `1.234,5`."""
    with numbers(language):
        return fixed(_SAMPLE, 1, 9)


def _unheard(month: str | None) -> tuple[str, ...]:
    if month is None:
        return ()
    return (
        f"The note on calibration of {clean(month, 7)} reached nobody: direct messages are closed. "
        "/calibrate says the same.",
    )


def _broken(settings: GuildSettings) -> str:
    if settings.broken is None:
        return ""
    since = f" since {stamp(settings.broken_at)}" if settings.broken_at is not None else ""
    return f"No posts{since}: {escaped(settings.broken, 300)}"


def _entries(facts: ServerFacts) -> list[tuple[str, str]]:
    settings = facts.settings
    return [
        ("runs", spoken_runs(settings.runs)),
        ("profile", clean(settings.profile, 30)),
        ("universe", clean(facts.universe, 30) or "all names"),
        ("numbers", f"{sample(settings.numbers)} ({settings.numbers})"),
        *((name, _own(value, facts.usual.get(name))) for name, value in settings.thresholds),
    ]


def _own(value: float, usual: float | None) -> str:
    return plain(value) + (f" (not {plain(usual)})" if usual is not None else "")


def _next(facts: ServerFacts) -> str:
    if facts.settings.broken is not None:
        return "/config set field:channel chooses another; /config test tries this one again."
    if facts.next_run is None:
        return "No run is planned."
    kind = KINDS.get(facts.next_kind or "", facts.next_kind or "").lower()
    return f"Next {kind} run: {stamp(facts.next_run)} ({stamp(facts.next_run, 'R')})."


def _history(changes: Sequence[Change]) -> tuple[str, ...]:
    """One line for what one person changed at one time, the latest first."""
    times = groupby(changes, key=lambda change: (change.changed_at, change.changed_by))
    lines = [_line(who, when, reversed(list(together))) for (when, who), together in times]
    return ("**Last changes**", *lines) if lines else ()


def _line(who: int | None, when: datetime, together: Iterable[Change]) -> str:
    person = f"<@{who}>" if who is not None else "nobody"
    return dotted((stamp(when), person, ", ".join(map(_change, together))))


def _change(change: Change) -> str:
    if change.field == "settings":
        return "reset"
    before, after = (_said(change.field, value) for value in (change.before, change.after))
    turn = after if change.before is None else f"{before} to {after}"
    return f"{escaped(change.field)} {turn}"


def _said(field: str, value: str | None) -> str:
    if value is None:
        return "none"
    match field:
        case "channel":
            return f"<#{value}>"
        case "role":
            return _role(int(value))
        case "runs":
            return spoken_runs(frozenset(value.split(", ")))
        case "numbers" if value in LANGUAGES:
            return sample(value)
        case _:
            return escaped(value, _VALUE)


def _role(role_id: int | None) -> str:
    return "nobody" if role_id is None else f"<@&{role_id}>"
