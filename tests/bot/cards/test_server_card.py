"""The settings of a server as its managers read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.facts import asof, profile_name
from bot.cards.server import ServerFacts, broken_card, settings_card, trial_card, unset_card
from bot.people.guilds import Change, GuildSettings
from engine.rules import TUNABLE
from tests.bot.cards.builders import a_run

NOW = datetime(2026, 11, 20, 21, 16, tzinfo=UTC)
SETTINGS = GuildSettings(
    guild_id=1,
    channel_id=501,
    runs=frozenset({"open", "close"}),
    profile="balanced",
    thresholds=(("price_min", 1250.5),),
    scope="",
    role_id=77,
    numbers="de",
    configured_by=12,
    configured_at=NOW,
)
FACTS = ServerFacts(SETTINGS, "", {"price_min": 25.0}, NOW, "close")


def change(field: str, before: str | None, after: str | None, **others: object) -> Change:
    return replace(Change(12, NOW, field, before, after), **others)  # type: ignore[arg-type]


def test_everything_chosen_is_there_in_the_servers_own_numbers() -> None:
    card = settings_card(FACTS)
    assert card.table.splitlines() == [
        "runs       open and close",
        "profile    balanced",
        "universe   all names",
        "numbers    1.234,5 (de)",
        "price_min  1.250,5 (not 25)",
    ]
    assert "Next closing run: <t:1795209360:f>" in card.sentence
    assert card.details[:2] == ("**Channel** <#501>", "**Mentions** <@&77>")


@pytest.mark.parametrize("name", TUNABLE)
def test_the_longest_threshold_fits_the_table(name: str) -> None:
    facts = ServerFacts(replace(SETTINGS, thresholds=((name, 1.125),)), "", {name: 99.75}, None, None)
    last = settings_card(facts).table.splitlines()[-1]
    assert len(last) <= TABLE_WIDTH
    assert last.endswith("1,125 (not 99,75)") or "…" in last


def test_changes_of_one_moment_are_one_line() -> None:
    later = NOW + timedelta(minutes=1)
    changes = [
        change("numbers", "en", "de", changed_at=later),
        change("universe", "all names", "etfs", changed_at=later, changed_by=13),
        change("runs", None, "open, close"),
        change("channel", None, "501"),
        change("role", "77", None, changed_by=None, changed_at=NOW - timedelta(days=1)),
        change("settings", "501", None, changed_at=NOW - timedelta(days=2)),
    ]
    history = unset_card(changes).details
    assert history == (
        "**Last changes**",
        "<t:1795209420:f> · <@12> · numbers 1,234.5 to 1.234,5",
        "<t:1795209420:f> · <@13> · universe all names to etfs",
        "<t:1795209360:f> · <@12> · channel <#501>, runs open and close",
        "<t:1795122960:f> · nobody · role <@&77> to none",
        "<t:1795036560:f> · <@12> · reset",
    )


def test_a_broken_channel_is_the_headline() -> None:
    broken = replace(SETTINGS, broken="the channel was deleted", broken_at=NOW)
    card = settings_card(replace(FACTS, settings=broken))
    assert card.state == "degraded"
    assert card.headline == "No posts since <t:1795209360:f>: the channel was deleted"
    assert "/config test tries this one again" in card.sentence


def test_a_server_with_a_hostile_name_is_harmless() -> None:
    text = to_message(broken_card("**@everyone** [x](http://y)", SETTINGS, "no permission"))["embeds"][0]
    assert "@everyone" not in text.title
    assert "](http" not in text.title


def test_a_test_post_says_what_will_come() -> None:
    card = trial_card(FACTS)
    assert card.headline == "This channel gets the screen: open and close."
    weekly = replace(SETTINGS, runs=frozenset({"close", "weekly"}))
    both = trial_card(replace(FACTS, settings=weekly))
    assert both.headline == "This channel gets the screen: close only; the scorecard once a week."
    only = trial_card(replace(FACTS, settings=replace(SETTINGS, runs=frozenset({"weekly"}))))
    assert only.headline == "This channel gets the scorecard once a week."
    assert "price_min  1.250,5" in card.table
    assert trial_card(replace(FACTS, next_run=None)).sentence == "No run is planned."


def test_own_thresholds_are_said_in_words() -> None:
    assert profile_name("balanced+3fa2c1") == "balanced with own thresholds"
    assert profile_name("high_quality") == "high\\_quality"
    assert profile_name("a+b") == "a+b"
    assert "profile balanced with own thresholds" in asof(a_run(profile="balanced+3fa2c1"))
