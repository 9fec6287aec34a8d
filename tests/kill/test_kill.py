"""A few kills of the real process, and that a lost or doubled post would be told."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from tests.discord_server.state import Message, User
from tests.kill.campaign import sorted_by_run
from tests.kill.tally import Kill, Round, Tally
from tests.kill.worlds import BEFORE, in_worlds


async def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    tally = await in_worlds(tmp_path, kills=2, seed=5, workers=1, servers=6)
    assert [str(each) for each in tally.wrong()] == []
    assert tally.last_line == "kills 2, lost 0, doubled 0"
    assert "2026-03-07/weekly" in {key for key, _ in tally.rounds[0].got}


A, B, C = (("2026-03-02/close", channel) for channel in "abc")


def test_lost_and_doubled_posts_are_told_in_the_row_of_the_last_kill_before_them() -> None:
    first = Kill("posting, sending", {A: "posting, sending", B: "posting, pending"}, takeover=False)
    second = Kill("posting, sending", {B: "posting, sending"}, takeover=True)
    heads = ["Closing screen | Late: this run was due"]
    tally = Tally([Round((first, second), {A: heads * 2, B: [], C: heads})])
    assert tally.last_line == "kills 2, lost 1, doubled 1"
    (told,) = map(str, tally.wrong())
    assert told.startswith(
        "after kills at ['posting, sending', 'posting, sending']:\n2026-03-02/close in a: ["
    )
    shown = io.StringIO()
    tally.show(Console(file=shown, width=200))
    rows = [line.split() for line in shown.getvalue().splitlines()]
    assert ["posting,", "sending", "2", "1", "2", "1", "1", "1", "0"] in rows
    assert ["settled", "before", "a", "kill", "0", "0", "1", "0", "0", "1", "0"] in rows
    assert ["all", "2", "1", "3", "1", "1", "2", "0"] in rows


def test_a_run_that_never_ended_is_told_with_the_last_words_of_its_process() -> None:
    tally = Tally([Round((), {A: ["Opening screen"]}, ended=5, trouble="stuck\nwhy")])
    assert tally.last_line == "kills 0, lost 0, doubled 0"
    assert [str(each) for each in tally.wrong()] == ["after kills at []:\nstuck\nwhy"]


def test_a_notice_of_two_runs_counts_for_both_and_a_message_of_none_as_doubled() -> None:
    user = User("1", "variance", bot=True)
    keys = ("2026-03-02/open", "2026-03-02/close")
    sent = [
        Message(
            "1",
            "7",
            user,
            BEFORE,
            {"embeds": [{"title": "2 runs skipped", "footer": {"text": " · ".join(keys)}}]},
        ),
        Message("2", "7", user, BEFORE, {"embeds": [{"title": "Screen"}]}, nonce="of no run"),
    ]
    got, strange = sorted_by_run(keys, {"7": sent})
    assert got == {(key, "7"): ["2 runs skipped | "] for key in keys}
    assert strange == ("Screen | ",)
    assert Tally([Round((), got, strange)]).last_line == "kills 0, lost 0, doubled 1"
