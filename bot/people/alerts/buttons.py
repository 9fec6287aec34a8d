"""Buttons under an alert: snooze, edit, off. They work after a restart, and for the rule's owner alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import discord

from bot.buttons import RunButton, message_of
from bot.cards.alerts import begun_card, said_card
from bot.cards.card import PREFIX, Button
from bot.cards.text import stamp
from bot.failures import InputError, Reported
from bot.people.alerts.book import Alerts
from bot.people.alerts.home import home_of, market_hint, own_rules
from bot.people.alerts.inputs import cooldown_of, days_of
from bot.people.alerts.rules import CROSSINGS, LEVELLED, News, Rule
from bot.people.alerts.words import hours_text

if TYPE_CHECKING:
    from bot.app import VarianceBot

Action = Literal["snooze", "edit", "off", "on", "list"]
LABELS: dict[Action, str] = {
    "snooze": "Snooze 1 day",
    "edit": "Edit",
    "off": "Off",
    "on": "On again",
    "list": "My rules",
}
SNOOZE = timedelta(days=1)
NOT_YOURS = "These buttons are for the person whose rule this is; /alert add makes your own."
GONE = "That rule is gone; /alert list shows yours."
Pressed = discord.Interaction[Any]


class AlertButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:alert:(?P<action>{'|'.join(LABELS)}):(?P<user_id>[0-9]{{1,20}}):(?P<rule_id>[0-9]{{1,18}})",
):
    """`variance:alert:action:owner:rule`."""

    def __init__(self, action: Action, user_id: int, rule_id: int) -> None:
        super().__init__(
            discord.ui.Button(
                label=LABELS[action],
                style=discord.ButtonStyle.secondary,
                custom_id=f"{PREFIX}:alert:{action}:{user_id}:{rule_id}",
            )
        )
        self.action = action
        self.user_id = user_id
        self.rule_id = rule_id

    @classmethod
    async def from_custom_id(
        cls, interaction: Pressed, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> AlertButton:
        """The button somebody pressed, read off its id."""
        # The template lets nothing else through.
        return cls(cast("Action", match["action"]), int(match["user_id"]), int(match["rule_id"]))

    async def callback(self, interaction: Pressed) -> None:
        """Do it for the owner; others get one sentence, and nothing of the rule."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            if interaction.user.id != self.user_id:
                raise InputError(NOT_YOURS)
            if self.action == "list":
                await show_rules(interaction)
                return
            alerts = home_of(bot).alerts
            rule = await bot.service.desk(lambda: alerts.find(self.user_id, self.rule_id))
            if rule is None:
                raise InputError(GONE)
            if self.action == "edit":
                await interaction.response.send_modal(EditModal(alerts, rule))
                return
            await self._act(interaction, alerts, rule)

    async def _act(self, interaction: Pressed, alerts: Alerts, rule: Rule) -> None:
        bot: VarianceBot = interaction.client
        user_id, hint = self.user_id, market_hint(bot)
        if self.action == "snooze":
            until = bot.now() + SNOOZE
            await bot.service.desk(lambda: alerts.snooze(user_id, rule.id, until))
            await say(interaction, f"Rule #{rule.number} is silent until {stamp(until)}.")
            return
        on = self.action == "on"
        await bot.service.desk(lambda: alerts.switch(user_id, rule.id, on, hint))
        text = f"Rule #{rule.number} is on again." if on else f"Rule #{rule.number} is off."
        await say(interaction, text, AlertButton("off" if on else "on", user_id, rule.id))


class EditModal(discord.ui.Modal):
    """Level and pause of one rule."""

    def __init__(self, alerts: Alerts, rule: Rule) -> None:
        super().__init__(title=f"Rule #{rule.number}", timeout=900.0)
        self._alerts = alerts
        self._rule = rule
        wish = rule.wish
        self._level: discord.ui.TextInput[Any] | None = None
        if wish.condition in LEVELLED:
            crossing = wish.condition in CROSSINGS and wish.watched is not None
            text = f"Level of {wish.watched.title}" if crossing and wish.watched else "Days before the report"
            self._level = _field("level", self._shown_level())
            self.add_item(discord.ui.Label(text=text[:45], component=self._level))
        self._pause = _field("pause", f"{wish.cooldown / 3600:g}")
        self.add_item(discord.ui.Label(text="Pause after a firing, in hours", component=self._pause))

    def _shown_level(self) -> str:
        wish = self._rule.wish
        if wish.level is None:
            return ""
        if wish.condition == "earnings" or wish.watched is None:
            return f"{wish.level:g}"
        return wish.watched.level_text(wish.level)

    async def on_submit(self, interaction: Pressed) -> None:
        """Take both, or say in one sentence why not."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "settings")
            level, pause = self._parsed_level(), cooldown_of(self._pause.value)
            hint, rule = market_hint(bot), self._rule
            begun = await bot.service.desk(
                lambda: self._alerts.edit(rule.user_id, rule.id, level, pause, hint)
            )
            if begun is None:
                raise InputError(GONE)
            card = begun_card(f"Rule #{rule.number} changed, pause {hours_text(pause)}", begun)
            await interaction.response.send_message(ephemeral=True, **message_of(card))

    def _parsed_level(self) -> float | None:
        wish = self._rule.wish
        if self._level is None:
            return wish.level
        if wish.condition == "earnings" or wish.watched is None:
            return days_of(self._level.value)
        return wish.watched.parse(self._level.value)


def buttons() -> tuple[type[discord.ui.DynamicItem[Any]], ...]:
    """Buttons that find their way back after a restart."""
    return (AlertButton,)


def news_view(news: News) -> discord.ui.View:
    """The buttons under one firing."""
    view = _view(*(AlertButton(action, news.user_id, news.rule_id) for action in ("snooze", "edit", "off")))
    if news.wish.subject != "pair":
        view.add_item(RunButton.of(Button(f"Why {news.symbol}", "why", news.run.run_id, news.symbol)))
    return view


def rule_view(rule: Rule, news: News | None) -> discord.ui.View:
    """The buttons under a test, with or without a firing to show."""
    return digest_view(rule.user_id) if news is None else news_view(news)


def digest_view(user_id: int) -> discord.ui.View:
    """The button under several firings."""
    return _view(AlertButton("list", user_id, 0))


async def show_rules(interaction: Pressed) -> None:
    """Answer with the person's rules; what could not be delivered is on it and counts as read then."""
    bot: VarianceBot = interaction.client
    user_id, home = interaction.user.id, home_of(bot)
    await interaction.response.defer(thinking=True, ephemeral=True)
    async with home.showing:
        card, letters = await own_rules(bot, user_id)
        await interaction.followup.send(ephemeral=True, **message_of(card))
        if letters:
            now = bot.now()
            await bot.service.desk(lambda: home.deliveries.shown(user_id, letters, now))


async def say(interaction: Pressed, text: str, *items: AlertButton) -> None:
    """Answer the owner alone, in one sentence."""
    message = message_of(said_card(text))
    if items:
        message["view"] = _view(*items)
    await interaction.response.send_message(ephemeral=True, **message)


def _field(custom_id: str, default: str) -> discord.ui.TextInput[Any]:
    return discord.ui.TextInput(custom_id=custom_id, default=default, max_length=20)


def _view(*items: AlertButton) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    # The ids carry everything; a view that listens would be kept in memory for every message ever sent.
    view.stop()
    return view
