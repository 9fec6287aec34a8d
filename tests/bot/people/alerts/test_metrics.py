"""Levels in the unit of the cards, and the band each may swing in."""

from __future__ import annotations

import pytest

from bot.failures import InputError
from bot.people.alerts.metrics import EVERY_METRIC, NAME_METRICS, PAIR_METRICS
from engine.screen.glossary import GLOSSARY


@pytest.mark.parametrize(
    ("column", "typed", "kept", "shown"),
    [
        ("iv30", "27.4", 0.274, "27.4 %"),
        ("iv30", "20 %", 0.20, "20 %"),
        ("hv30", "33,3", 0.333, "33.3 %"),
        ("vrp_tactical", "1.3", 1.30, "1.30"),
        ("vrp_tactical", "1.305x", 1.305, "1.305"),
        ("iv_percentile", "80", 80.0, "80"),
        ("iv_percentile", "82.5", 82.5, "82.5"),
        ("spot", "$1234.5", 1234.5, "1234.50"),
        ("skew_25", "4.5", 0.045, "4.5 points"),
        ("yield", "6", 0.06, "6 %"),
        ("spread_variance", "-.02", -0.02, "-0.02"),
        ("earnings_days", "10", 10.0, "10 days"),
    ],
)
def test_a_level_is_kept_in_the_engines_unit(column: str, typed: str, kept: float, shown: str) -> None:
    metric = NAME_METRICS[column]
    assert metric.parse(typed) == kept
    assert metric.level_text(kept) == shown
    assert metric.parse(metric.level_text(kept).split()[0]) == kept


@pytest.mark.parametrize("typed", ["", "-", ".", "1e3", "inf", "nan", "1,234", "1.2.3", "--1", "５", "1_0"])
def test_what_is_no_plain_number_is_refused(typed: str) -> None:
    with pytest.raises(InputError, match="The level of Spot is typed in dollars"):
        NAME_METRICS["spot"].parse(typed)


@pytest.mark.parametrize(
    ("column", "level", "band"),
    [
        ("vrp_tactical", 1.30, 0.026),
        ("vrp_tactical", 0.50, 0.02),
        ("iv30", 0.40, 0.008),
        ("iv30", 0.10, 0.005),
        ("iv_percentile", 80.0, 2.0),
        ("iv_percentile", 10.0, 2.0),
        ("spot", 250.0, 5.0),
        ("earnings_days", 10.0, 1.0),
        ("spread", -0.5, 0.02),
        ("correlation", 0.75, 0.02),
    ],
)
def test_the_band_is_two_percent_of_the_level_and_a_step_at_least(
    column: str, level: float, band: float
) -> None:
    assert EVERY_METRIC[column].band(level) == pytest.approx(band)


@pytest.mark.parametrize(
    ("column", "value", "level", "shown"),
    [
        ("vrp_tactical", 1.42, 1.30, "1.42"),
        ("vrp_tactical", 1.3004, 1.30, "1.3004"),
        ("vrp_tactical", 1.30, 1.30, "1.30"),
        ("iv30", 0.2741, 0.274, "27.41 %"),
        ("iv_percentile", 80.2, 80.0, "80.2"),
        ("iv_percentile", 88.3, 80.0, "88"),
        ("vrp_tactical", 1.31, 1.305, "1.310"),
        ("spread_vol", -0.0001, None, "0.0 points"),
        ("iv30", None, 0.2, "?"),
        ("iv30", float("nan"), 0.2, "?"),
    ],
)
def test_a_value_never_reads_like_a_level_it_is_not_at(
    column: str, value: float | None, level: float | None, shown: str
) -> None:
    assert EVERY_METRIC[column].text(value, level) == shown


def test_every_metric_of_a_name_is_a_column_of_the_glossary() -> None:
    assert NAME_METRICS.keys() - GLOSSARY.keys() == {"score"}
    assert not NAME_METRICS.keys() & PAIR_METRICS.keys()
    titles = [metric.title for metric in EVERY_METRIC.values()]
    assert len(titles) == len(set(titles))
