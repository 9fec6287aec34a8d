"""The matrix of faults, each a test of its own; `make faults` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cases import cases
from tests.faults.world import Case, World, world_without_waiting


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with world_without_waiting() as made:
        yield made


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_a_fault_is_told_counted_and_stops_nobody_else(world: World, case: Case, tmp_path: Path) -> None:
    outcome = world.suffer(case, tmp_path)
    assert outcome.wrong == [], outcome.text
