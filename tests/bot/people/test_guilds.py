"""What servers chose: kept over a restart, told apart by server, with who changed what and when."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.people.guilds import KEPT_CHANGES, Guilds, GuildSettings
from engine.errors import ConfigError
from engine.record.store import Store
from engine.rules import load_rules
from tests.bot.conftest import CONFIG

NOW = datetime(2026, 11, 20, 21, 16, tzinfo=UTC)
DESK, OTHER = 1_456_074_443_980_800_013, 77
MANAGER = 1_456_074_443_980_800_014


def chosen(guild_id: int = DESK, **changes: object) -> GuildSettings:
    settings = GuildSettings(
        guild_id=guild_id,
        channel_id=501,
        runs=frozenset({"open", "close"}),
        profile="balanced",
        thresholds=(),
        scope="",
        role_id=None,
        numbers="en",
        configured_by=None,
        configured_at=NOW,
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "record.db") as store:
        yield store


@pytest.fixture
def guilds(store: Store) -> Guilds:
    return Guilds(store)


def test_a_server_that_was_never_set_up_has_nothing(guilds: Guilds) -> None:
    assert guilds.get(DESK) is None
    assert guilds.numbers(DESK) is None
    assert guilds.changes(DESK) == []
    assert guilds.posting("close") == []
    assert guilds.edit(DESK, lambda settings: settings, MANAGER, NOW) is None
    assert guilds.reset(DESK, MANAGER, NOW) is False


def test_settings_outlive_the_process(tmp_path: Path) -> None:
    wanted = chosen(
        runs=frozenset({"close"}),
        thresholds=(("price_min", 12.5), ("vrp_tactical_threshold", 1.4)),
        scope="etfs/Energy",
        role_id=2**62,
        numbers="de",
    )
    with Store.open(tmp_path / "record.db") as store:
        stored = Guilds(store).save(wanted, MANAGER, NOW)
        Guilds(store).mark_broken(DESK, 501, "the channel was deleted", NOW + timedelta(hours=1))
    assert stored == replace(wanted, configured_by=MANAGER)
    with Store.open(tmp_path / "record.db") as store:
        again = Guilds(store).get(DESK)
    assert again is not None
    assert again.mended() == stored
    assert (again.broken, again.broken_at) == ("the channel was deleted", NOW + timedelta(hours=1))


def test_every_changed_field_is_a_line_with_who_and_when(guilds: Guilds) -> None:
    guilds.save(chosen(), MANAGER, NOW)
    later = NOW + timedelta(minutes=5)
    guilds.save(chosen(profile="broad", role_id=9, thresholds=(("price_min", 10.0),)), 12, later)
    lines = guilds.changes(DESK, 3)
    assert {(line.field, line.before, line.after) for line in lines} == {
        ("profile", "balanced", "broad"),
        ("thresholds", None, "price_min 10"),
        ("role", None, "9"),
    }
    assert {(line.changed_by, line.changed_at) for line in lines} == {(12, later)}
    first = guilds.changes(DESK, 50)[3:]
    assert {(line.field, line.after) for line in first} == {
        ("channel", "501"),
        ("runs", "open, close"),
        ("profile", "balanced"),
        ("numbers", "en"),
    }
    assert {(line.changed_by, line.changed_at, line.before) for line in first} == {(MANAGER, NOW, None)}


def test_the_same_again_is_no_change(guilds: Guilds) -> None:
    guilds.save(chosen(), MANAGER, NOW)
    before = guilds.changes(DESK, 50)
    guilds.save(chosen(), 12, NOW + timedelta(days=1))
    assert guilds.changes(DESK, 50) == before


def test_the_history_has_an_end(guilds: Guilds) -> None:
    for number in range(KEPT_CHANGES + 5):
        guilds.save(chosen(channel_id=number), MANAGER, NOW)
    lines = guilds.changes(DESK, 10 * KEPT_CHANGES)
    assert len(lines) == KEPT_CHANGES
    assert lines[0].after == str(KEPT_CHANGES + 4)


def test_an_edit_sees_what_another_manager_just_stored(guilds: Guilds) -> None:
    guilds.save(chosen(), MANAGER, NOW)
    started, threads = threading.Barrier(2), []
    for edit in (
        lambda settings: replace(settings, profile="broad"),
        lambda settings: replace(settings, numbers="de"),
    ):

        def work(edit: object = edit) -> None:
            started.wait()
            guilds.edit(DESK, edit, 12, NOW)  # type: ignore[arg-type]

        threads.append(threading.Thread(target=work))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settings = guilds.get(DESK)
    assert settings is not None
    assert (settings.profile, settings.numbers) == ("broad", "de")


def test_an_edit_that_is_refused_changes_nothing(guilds: Guilds) -> None:
    stored = guilds.save(chosen(), MANAGER, NOW)

    def refuse(settings: GuildSettings) -> GuildSettings:
        raise ConfigError("no")

    with pytest.raises(ConfigError):
        guilds.edit(DESK, refuse, 12, NOW)
    assert guilds.get(DESK) == stored


def test_posts_go_to_servers_that_want_the_run_and_can_take_it(guilds: Guilds) -> None:
    guilds.save(chosen(1), MANAGER, NOW)
    guilds.save(chosen(2, runs=frozenset({"close"})), MANAGER, NOW)
    guilds.save(chosen(3), MANAGER, NOW)
    guilds.mark_broken(3, 501, "gone", NOW)
    assert [settings.guild_id for settings in guilds.posting("close")] == [1, 2]
    assert [settings.guild_id for settings in guilds.posting("open")] == [1]
    assert guilds.posting("weekly") == []


def test_a_channel_breaks_once_until_it_is_mended(guilds: Guilds) -> None:
    guilds.save(chosen(), MANAGER, NOW)
    assert not guilds.mark_broken(DESK, 999, "another channel", NOW)
    assert guilds.mark_broken(DESK, 501, "gone", NOW)
    assert not guilds.mark_broken(DESK, 501, "gone again", NOW)
    assert [settings.guild_id for settings in guilds.untold()] == [DESK]
    guilds.mark_told(DESK)
    assert guilds.untold() == []
    assert guilds.mend(DESK, 501)
    assert not guilds.mend(DESK, 501)
    assert guilds.get(DESK) == replace(chosen(), configured_by=MANAGER)
    assert guilds.mark_broken(DESK, 501, "gone", NOW), "the next failure is news again"
    assert [settings.told for settings in guilds.untold()] == [False]


def test_a_role_that_is_gone_is_dropped_and_written_down(guilds: Guilds) -> None:
    guilds.save(chosen(role_id=9), MANAGER, NOW)
    assert not guilds.drop_role(DESK, 10, NOW)
    assert guilds.drop_role(DESK, 9, NOW)
    settings = guilds.get(DESK)
    assert settings is not None
    assert settings.role_id is None
    line = guilds.changes(DESK, 1)[0]
    assert (line.field, line.before, line.after, line.changed_by) == ("role", "9", None, None)


def test_a_reset_leaves_the_history_and_says_who(guilds: Guilds) -> None:
    guilds.save(chosen(), MANAGER, NOW)
    assert guilds.reset(DESK, 12, NOW)
    assert guilds.get(DESK) is None
    line = guilds.changes(DESK, 1)[0]
    assert (line.field, line.changed_by, line.after) == ("settings", 12, None)


def test_one_server_never_touches_another(guilds: Guilds) -> None:
    guilds.save(chosen(DESK), MANAGER, NOW)
    other = guilds.save(chosen(OTHER, profile="broad", role_id=9), 12, NOW)
    history = guilds.changes(OTHER, 50)
    guilds.edit(DESK, lambda settings: replace(settings, guild_id=OTHER, profile="wide"), MANAGER, NOW)
    guilds.mark_broken(DESK, 501, "gone", NOW)
    guilds.mark_told(DESK)
    guilds.drop_role(DESK, 9, NOW)
    guilds.reset(DESK, MANAGER, NOW)
    guilds.forget(DESK)
    assert guilds.get(OTHER) == other
    assert guilds.changes(OTHER, 50) == history
    assert guilds.get(DESK) is None
    assert guilds.changes(DESK, 50) == []


def test_what_is_forgotten_is_gone_from_the_file(tmp_path: Path) -> None:
    with Store.open(tmp_path / "record.db") as store:
        guilds = Guilds(store)
        guilds.save(chosen(), MANAGER, NOW)
        guilds.forget(DESK)
    with Store.open(tmp_path / "record.db") as store, store.reading() as db:
        for table in ("guilds", "guild_changes"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_the_rules_of_a_server_are_its_profile_with_its_thresholds() -> None:
    rules = load_rules(CONFIG)
    own = chosen(profile="broad", thresholds=(("price_min", 12.5),)).rules(rules)
    assert (own.gates.price_min, own.gates.slippage_max_percent) == (12.5, 10.0)
    assert own.profile.startswith("broad+")
    assert chosen().rules(rules) == rules
    with pytest.raises(ConfigError, match="unknown profile 'gone'"):
        chosen(profile="gone").rules(rules)
