"""/alert: rules on names, the watchlist and pairs, told when a stored run makes them true."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import message_of
from bot.cards.alerts import alert_card, begun_card, no_sample_card, settings_card
from bot.cards.embed import to_message
from bot.cards.text import plural, stamp
from bot.failures import InputError, Reported
from bot.inputs import MAX_CHOICES, Choice, choices, matching, ticker
from bot.people.alerts.buttons import rule_view, say, show_rules
from bot.people.alerts.home import home_of, market_hint
from bot.people.alerts.inputs import (
    LEAST_HOURS,
    MOST_DAYS,
    MOST_HOURS,
    USUAL_HOURS,
    settings_from,
    wish_of,
    zones,
)
from bot.people.alerts.metrics import EVERY_METRIC
from bot.people.alerts.quiet import digest_from
from bot.people.alerts.rules import CONDITIONS, Condition, Rule, Subject
from bot.people.alerts.trial import try_way
from bot.posting import missing_permissions

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]
WATCHLIST = "my watchlist"
ALL = "all"
_WHEN = [app_commands.Choice(name=words, value=condition) for condition, words in CONDITIONS.items()]
_SWITCHED_OFF = -1
_FOR = [
    app_commands.Choice(name=name, value=hours)
    for name, hours in (
        *(("4 hours", 4), ("1 day", 24), ("3 days", 72), ("1 week", 168), ("30 days", 720)),
        *(("until I switch it on", _SWITCHED_OFF), ("wake it now", 0)),
    )
]


class AlertCommands(commands.Cog):
    """The rules of a person; everything here is answered to the person alone."""

    alert = app_commands.Group(
        name="alert",
        description="Be told when a name, your watchlist or a pair changes.",
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
    )

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot
        self.alerts = home_of(bot).alerts

    @alert.command(name="add", description="A new rule: on what, and when you want to be told.")
    @app_commands.describe(
        on="A ticker, your watchlist, or a pair",
        when="What must happen",
        metric="Which number, for a crossing, such as VRP tactical",
        level="For a crossing, as the cards show it: 27.4 for a volatility in percent, 1.30 for a ratio",
        days="For earnings: within so many days",
        pause="Hours of silence after a firing, for the same name; 20 when left out",
        deliver="By direct message, or here in this channel",
    )
    @app_commands.choices(when=_WHEN)
    async def add(
        self,
        interaction: Asked,
        on: str,
        when: app_commands.Choice[str],
        metric: str | None = None,
        level: str | None = None,
        days: app_commands.Range[int, 1, MOST_DAYS] | None = None,
        pause: app_commands.Range[int, LEAST_HOURS, MOST_HOURS] = USUAL_HOURS,
        deliver: Literal["dm", "channel"] = "dm",
    ) -> None:
        """Keep a rule, its beginning taken from the newest run."""
        bot = self.bot
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "settings")
            condition: Condition = next(each for each in CONDITIONS if each == when.value)
            await interaction.response.defer(thinking=True, ephemeral=True)
            subject, target = await self._subject(on, interaction.guild_id)
            channel = _chosen_channel(interaction) if deliver == "channel" else None
            wish = wish_of(subject, target, condition, metric, level, days, pause, channel)
            user_id, now, hint = interaction.user.id, bot.now(), market_hint(bot)
            begun = await bot.service.desk(lambda: self.alerts.add(user_id, wish, now, hint))
            card = begun_card(f"Rule #{begun.rule.number} added", begun)
            await interaction.followup.send(ephemeral=True, **message_of(card))

    async def _subject(self, typed: str, guild_id: int | None) -> tuple[Subject, str]:
        """What a rule is to look at. Raises InputError or UnknownSymbolError."""
        word = typed.strip()
        if word.casefold() in (WATCHLIST, "watchlist"):
            return "watchlist", ""
        for pair in await self.bot.answers.relative.known(guild_id):
            if word.casefold() in (pair.id.casefold(), f"{pair.leg_a} / {pair.leg_b}".casefold()):
                return "pair", pair.id
        return "name", self.bot.service.index.require(ticker(word))

    @alert.command(name="list", description="Your rules, how each stands, and what could not be delivered.")
    async def rules(self, interaction: Asked) -> None:
        """Every rule of the person."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "settings")
            await show_rules(interaction)

    @alert.command(name="remove", description="Delete a rule.")
    @app_commands.describe(rule="The number of the rule")
    async def remove(self, interaction: Asked, rule: str) -> None:
        """Delete a rule and what it had still to tell."""
        bot = self.bot
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "settings")
            found = await self._rule(interaction, rule)
            await bot.service.desk(lambda: self.alerts.remove(interaction.user.id, found.number))
            await say(interaction, f"Rule #{found.number} is gone.")

    @alert.command(name="snooze", description="Silence a rule or all of them for a while, or wake them.")
    @app_commands.describe(rule="The number of the rule, or all", duration="How long")
    @app_commands.rename(duration="for")
    @app_commands.choices(duration=_FOR)
    async def snooze(self, interaction: Asked, rule: str, duration: app_commands.Choice[int]) -> None:
        """Silence, switch off or wake."""
        bot, user_id = self.bot, interaction.user.id
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "settings")
            everything = rule.strip().casefold() == ALL
            found = None if everything else await self._rule(interaction, rule)
            which, now, hint = None if found is None else found.id, bot.now(), market_hint(bot)
            until = now + timedelta(hours=duration.value) if duration.value > 0 else None

            def work() -> int:
                if duration.value == _SWITCHED_OFF:
                    return self.alerts.switch(user_id, which, on=False)
                if until is None:
                    self.alerts.switch(user_id, which, on=True, hint=hint)
                return self.alerts.snooze(user_id, which, until)

            count = await bot.service.desk(work)
            what = f"Rule #{found.number}" if found is not None else plural(count, "rule")
            silence = "off" if duration.value == _SWITCHED_OFF else "awake"
            await say(interaction, f"{what}: {silence if until is None else f'silent until {stamp(until)}'}.")

    @alert.command(
        name="test", description="See a rule's message with present values, and try its way to you."
    )
    @app_commands.describe(rule="The number of the rule")
    async def test(self, interaction: Asked, rule: str) -> None:
        """What the message would look like, sent the way it would come."""
        bot = self.bot
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "settings")
            found = await self._rule(interaction, rule)
            await interaction.response.defer(thinking=True, ephemeral=True)
            now, hint = bot.now(), market_hint(bot)
            news = await bot.service.desk(lambda: self.alerts.sample(found, now, hint))
            card = alert_card(news, test=True) if news is not None else no_sample_card(found)
            told = await try_way(bot, found, card, rule_view(found, news))
            card = replace(card, details=(*card.details, told))
            await interaction.followup.send(ephemeral=True, **to_message(card))

    @alert.command(name="settings", description="Quiet hours, a daily digest, your time zone.")
    @app_commands.describe(
        quiet="No messages between two times, such as 22:00-07:00, or off",
        digest="Direct messages gathered into one a day at this time, such as 08:30, or off",
        zone="Your time zone, such as Europe/Berlin",
    )
    async def settings(
        self,
        interaction: Asked,
        quiet: str | None = None,
        digest: str | None = None,
        zone: str | None = None,
    ) -> None:
        """Show the settings, changed where an option says so."""
        bot, user_id = self.bot, interaction.user.id
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "settings")
            present = await bot.service.desk(lambda: self.alerts.settings(user_id))
            # The list of time zones is read off the disk the first time.
            wanted = await bot.service.desk(lambda: settings_from(present, quiet, digest, zone))
            now = bot.now()
            if wanted != present:
                await bot.service.desk(lambda: self.alerts.choose(user_id, wanted, now))
            following = None if wanted.digest_at is None else digest_from(now, wanted)
            card = settings_card(wanted, following)
            await interaction.response.send_message(ephemeral=True, **message_of(card))

    async def _rule(self, interaction: Asked, typed: str) -> Rule:
        """The person's rule of a number. Raises InputError naming what there is."""
        word, user_id = typed.strip().removeprefix("#"), interaction.user.id
        entries = await self.bot.service.desk(lambda: self.alerts.of_person(user_id))
        found = next((rule for rule, _ in entries if str(rule.number) == word), None)
        if found is None:
            numbers = ", ".join(f"#{rule.number}" for rule, _ in entries)
            hint = f"Yours are {numbers}." if numbers else "You have none yet; /alert add makes one."
            raise InputError(f"You have no rule of that number. {hint}")
        return found

    @add.autocomplete("on")
    async def complete_on(self, interaction: Asked, typed: str) -> list[Choice]:
        """The watchlist, pairs (of servers, only this one's), tickers and company names."""
        known = await self.bot.answers.relative.known(interaction.guild_id)
        labels = {f"{pair.leg_a} / {pair.leg_b} ({pair.id})": pair.id for pair in known}
        first = [
            app_commands.Choice(name=each.name, value=labels.get(each.value, each.value))
            for each in matching(typed, (WATCHLIST, *labels))
        ]
        names = self.bot.service.index.complete(typed)
        room = MAX_CHOICES - len(names) if typed.strip() else len(first)
        return self.bot.offered(typed, [*first[: max(room, 3)], *names][:MAX_CHOICES])

    @add.autocomplete("metric")
    async def complete_metric(self, _: Asked, typed: str) -> list[Choice]:
        """Titles of what can be crossed."""
        return self.bot.offered(typed, matching(typed, (metric.title for metric in EVERY_METRIC.values())))

    @remove.autocomplete("rule")
    @test.autocomplete("rule")
    async def complete_rule(self, interaction: Asked, typed: str) -> list[Choice]:
        """The person's own rules in words."""
        return await self._own_rules(interaction.user.id, typed)

    @snooze.autocomplete("rule")
    async def complete_rule_or_all(self, interaction: Asked, typed: str) -> list[Choice]:
        """The person's own rules, or all of them."""
        return [*choices([("all of them", ALL)]), *await self._own_rules(interaction.user.id, typed)][
            :MAX_CHOICES
        ]

    async def _own_rules(self, user_id: int, typed: str) -> list[Choice]:
        entries = await self.bot.service.desk(lambda: self.alerts.of_person(user_id))
        wanted = typed.strip().casefold()
        found = ((f"#{rule.number} {rule.words}", str(rule.number)) for rule, _ in entries)
        return choices((words, number) for words, number in found if wanted in words.casefold())

    @settings.autocomplete("zone")
    async def complete_zone(self, _: Asked, typed: str) -> list[Choice]:
        """IANA time zones."""
        known = await self.bot.service.desk(zones)
        return self.bot.offered(typed, matching(typed.replace(" ", "_"), known))


def _chosen_channel(interaction: Asked) -> tuple[int, int]:
    """The channel a rule is added in. Raises InputError, BotMissingPermissions or MissingPermissions."""
    channel = interaction.channel
    if interaction.guild_id is None or not isinstance(channel, discord.TextChannel):
        raise InputError(
            "Only a server's text channel can take alerts; leave deliver out for direct messages."
        )
    if not interaction.permissions.send_messages:
        raise app_commands.MissingPermissions(["send_messages"])
    missing = missing_permissions(channel)
    if missing:
        raise app_commands.BotMissingPermissions(missing)
    return interaction.guild_id, channel.id
