"""A fresh record for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.record import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "variance.db") as opened:
        yield opened
