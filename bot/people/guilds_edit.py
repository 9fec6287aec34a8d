"""What a manager may choose, field by field: checked against the rules, the channel and the role."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import discord

from bot.answers import UNIVERSES, Scope
from bot.cards.server import SPOKEN_RUNS, sample
from bot.cards.table import LANGUAGES
from bot.failures import InputError
from bot.inputs import one_of
from bot.people.guilds import GuildSettings
from bot.posting import PostChannel, missing_permissions
from engine.errors import ConfigError
from engine.rules import TUNABLE, Rules
from engine.screen.result import Screen

Edit = Callable[[GuildSettings], GuildSettings]

NONE = "none"
PLACES = ("channel", "role")
"""Fields that Discord has a say in."""
FIELDS = ("channel", "runs", "profile", "universe", "sector", "role", "numbers", *TUNABLE)
RUN_CHOICES = {spoken: runs for runs, spoken in SPOKEN_RUNS.items()}
NOTHING_STORED = "Nothing was stored."
_NUMBER = re.compile(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?")
_MENTION = re.compile(r"<(?:#|@&)([0-9]{15,20})>|([0-9]{15,20})")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What there is to choose from; `screen` is the market at hand, if any."""

    rules: Rules
    sectors: Sequence[str]
    screen: Screen | None

    def profile(self, typed: str) -> str:
        """The profile meant. Raises InputError."""
        return one_of(typed, list(self.rules.profiles), "profile")

    def scope(self, universe: str, sector: str) -> str:
        """Scope.text for a kind and a sector, both checked. Raises InputError when no name is left."""
        scope = Scope(
            one_of(universe, list(UNIVERSES), "universe"),
            one_of(sector, self.sectors, "sector") if sector else "",
        )
        if self.screen is not None:
            scope.require(self.screen)
        return scope.text


def edit_of(field: str, typed: str, allowed: Allowed) -> Edit:
    """The change a manager asked for, of a field outside PLACES. Raises InputError now or when applied."""
    match field:
        case "runs":
            runs = RUN_CHOICES[one_of(typed, list(RUN_CHOICES), "choice of runs")]
            return lambda settings: replace(settings, runs=runs)
        case "profile":
            profile = allowed.profile(typed)
            return lambda settings: _valid(replace(settings, profile=profile), allowed.rules)
        case "universe":
            return lambda settings: replace(
                settings, scope=allowed.scope(typed, Scope.parse(settings.scope).sector)
            )
        case "sector":
            sector = "" if _none(typed) else typed
            return lambda settings: replace(
                settings, scope=allowed.scope(Scope.parse(settings.scope).universe, sector)
            )
        case "numbers":
            language = one_of(typed, list(LANGUAGES), "language of numbers")
            return lambda settings: replace(settings, numbers=language)
        case _:
            value = None if _none(typed) else number(typed)
            return lambda settings: _valid(_tuned(settings, field, value), allowed.rules)


def number(typed: str) -> float:
    """`1.15` or `1,15`. Raises InputError for anything else, and where a comma may part thousands."""
    text = typed.strip()
    if not _NUMBER.fullmatch(text):
        raise InputError("A threshold is a number such as 1.15, or none for the profile's own.")
    if len(text.partition(",")[2]) == 3:
        raise InputError("Write the number without marks between thousands, such as 1500 or 1.15.")
    return float(text.replace(",", "."))


def _none(typed: str) -> bool:
    return typed.strip().casefold() == NONE


def _tuned(settings: GuildSettings, name: str, value: float | None) -> GuildSettings:
    others = {key: each for key, each in settings.thresholds if key != name}
    chosen = others if value is None else others | {name: value}
    return replace(settings, thresholds=tuple(sorted(chosen.items())))


def _valid(settings: GuildSettings, rules: Rules) -> GuildSettings:
    try:
        settings.rules(rules)
    except ConfigError as error:
        raise InputError(f"{error}. {NOTHING_STORED}") from None
    return settings


def require_postable(channel: PostChannel) -> None:
    """Raise InputError naming every permission a post would lack."""
    missing = [name.replace("_", " ").title() for name in missing_permissions(channel)]
    if missing:
        *others, last = missing
        named = f"{', '.join(others)} and {last}" if others else last
        raise InputError(
            f"In #{channel.name} I lack {named}; grant it in the channel's settings and try again. "
            f"{NOTHING_STORED}"
        )


def require_mentionable(role: discord.Role, channel: PostChannel) -> None:
    """Raise InputError when a post could not mention the role, or would mention everybody."""
    if role.is_default():
        raise InputError(f"I never mention everyone; choose a role, or none. {NOTHING_STORED}")
    may = role.mentionable or channel.permissions_for(channel.guild.me).mention_everyone
    if not may:
        raise InputError(
            f"I may not mention {role.name}: let anyone mention it in the role's settings. {NOTHING_STORED}"
        )


def role_from(guild: discord.Guild, typed: str) -> discord.Role | None:
    """The role meant by mention, id or name; None for `none`. Raises InputError."""
    if _none(typed):
        return None
    known = _id_in(typed)
    name = typed.strip().lstrip("@").casefold()
    named = [role for role in guild.roles if role.name.lstrip("@").casefold() == name]
    role = guild.get_role(known) if known else named[0] if len(named) == 1 else None
    if role is None:
        raise InputError("There is no such role here, or several; pick one from the list, or none.")
    return role


async def channel_from(guild: discord.Guild, typed: str) -> PostChannel:
    """The channel meant by mention, id or name. Raises InputError."""
    known = _id_in(typed)
    name = typed.strip().lstrip("#").casefold()
    named = [place for place in places_of(guild) if place.name.casefold() == name]
    place: PostChannel | None = named[0] if len(named) == 1 else None
    if known:
        place = await channel_of(guild, known)
    if place is None:
        raise InputError("There is no such text channel or thread here, or several; pick one from the list.")
    return place


def places_of(guild: discord.Guild) -> list[PostChannel]:
    """Every text channel and live thread of the server."""
    return [*guild.text_channels, *guild.threads]


async def channel_of(guild: discord.Guild, channel_id: int) -> PostChannel | None:
    """A text channel or thread of the server, None when it is gone or hidden from the bot."""
    place = guild.get_channel_or_thread(channel_id)
    if place is None:
        # Threads at rest are not in memory.
        try:
            place = await guild.fetch_channel(channel_id)
        except (discord.Forbidden, discord.NotFound, discord.InvalidData):
            return None
    return place if isinstance(place, discord.TextChannel | discord.Thread) else None


def suggestions(field: str, settings: GuildSettings | None, allowed: Allowed) -> list[tuple[str, str]]:
    """(label, value) to pick from, of a field outside PLACES."""
    match field:
        case "runs":
            return [(spoken, spoken) for spoken in RUN_CHOICES]
        case "profile":
            return [(name, name) for name in allowed.rules.profiles]
        case "universe":
            return [(name, name) for name in UNIVERSES]
        case "sector":
            return [("none: every sector", NONE), *((name, name) for name in allowed.sectors)]
        case "numbers":
            return [(f"{sample(name)} ({name})", name) for name in LANGUAGES]
        case name if name in TUNABLE:
            return _threshold_choices(name, settings, allowed.rules)
        case _:
            return []


def _threshold_choices(name: str, settings: GuildSettings | None, rules: Rules) -> list[tuple[str, str]]:
    profile = settings.profile if settings is not None and settings.profile in rules.profiles else None
    usual = rules.using(profile).threshold(name)
    own = dict(settings.thresholds).get(name) if settings is not None else None
    kept = [(f"{own:g}: as it is", f"{own:g}")] if own is not None else []
    return [*kept, (f"none: the profile's own {usual:g} ({TUNABLE[name]})", NONE)]


def _id_in(typed: str) -> int | None:
    found = _MENTION.fullmatch(typed.strip())
    return int(found[1] or found[2]) if found else None
