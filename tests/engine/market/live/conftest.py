"""What several live sources' tests need around them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from tests.loopback.yahoo import fresh_yfinance


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Three tries at most, without a wait between them."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def one_yfinance(no_waiting: None) -> None:
    """A yfinance that remembers nothing of the tests before."""
    fresh_yfinance()
