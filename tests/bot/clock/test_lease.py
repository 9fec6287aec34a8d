"""One process acts: whoever holds the lease, and nobody else, whatever the clocks say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clock.lease import LIFE, Holder, Lease, LeaseLostError
from engine.record.store import Store

NOW = datetime(2026, 11, 27, 18, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "record.db") as store:
        yield store


def far(name: str) -> Holder:
    """A process of another machine: nobody here can tell whether it lives."""
    return Holder(f"{name} boot pid:[1]", 4711, name)


def holds(store: Store, lease: Lease) -> bool:
    try:
        store.write(lease.require)
    except LeaseLostError:
        return False
    return True


def test_the_second_waits_until_the_first_is_silent_for_a_life(store: Store) -> None:
    first, second = Lease(store, far("a")), Lease(store, far("b"))
    assert first.acquire(NOW)
    assert not second.acquire(NOW + LIFE - SECOND)
    assert first.acquire(NOW + 10 * SECOND)
    assert not second.acquire(NOW + LIFE)
    assert second.acquire(NOW + 10 * SECOND + LIFE)
    assert not holds(store, first)
    assert not first.acquire(NOW + 11 * SECOND + LIFE)


def test_a_lease_given_back_is_free_at_once(store: Store) -> None:
    first, second = Lease(store, far("a")), Lease(store, far("b"))
    assert first.acquire(NOW)
    second.release()  # not its own: nothing happens
    assert not second.acquire(NOW)
    first.release()
    assert second.acquire(NOW)


def test_a_dead_process_of_this_machine_is_followed_at_once(store: Store) -> None:
    script = (
        "import sys; from pathlib import Path; from datetime import datetime;"
        "from bot.clock.lease import Lease; from engine.record.store import Store;"
        "lease = Lease(Store.open(Path(sys.argv[1])));"
        "print(lease.acquire(datetime.fromisoformat(sys.argv[2])), flush=True);"
        "sys.stdin.read()"
    )
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(store.path), NOW.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    mine = Lease(store)
    assert not mine.acquire(NOW + SECOND)
    process.kill()
    process.communicate()
    assert mine.acquire(NOW + SECOND)


def test_an_earlier_life_with_the_same_process_number_is_no_holder(store: Store) -> None:
    me = Holder.this_process()
    assert Lease(store, Holder(me.place, me.pid, "before")).acquire(NOW)
    assert Lease(store, me).acquire(NOW)


def test_a_clock_that_was_set_back_does_not_lock_everybody_out(store: Store) -> None:
    assert Lease(store, far("a")).acquire(NOW)
    assert Lease(store, far("b")).acquire(NOW - timedelta(hours=3))


def test_clocks_that_differ_a_little_take_nothing_from_a_living_holder(store: Store) -> None:
    first, second = Lease(store, far("a")), Lease(store, far("b"))
    assert first.acquire(NOW)
    assert not second.acquire(NOW - SECOND)


def test_a_holder_can_be_read_back() -> None:
    me = Holder.this_process()
    assert Holder.parse(str(me)) == me
    assert Holder.parse(str(Holder("", 3, "x"))) == Holder("", 3, "x")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-90, 90), st.booleans()), min_size=1, max_size=25
    )
)
def test_never_more_than_one_may_act(
    steps: list[tuple[str, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Store.open(tmp_path_factory.mktemp("lease") / "record.db") as store:
        leases = {name: Lease(store, far(name)) for name in "abc"}
        now = NOW
        for name, seconds, release in steps:
            now += seconds * SECOND
            if release:
                leases[name].release()
            elif leases[name].acquire(now):
                assert holds(store, leases[name])
            assert sum(holds(store, lease) for lease in leases.values()) <= 1
