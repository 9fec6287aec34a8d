"""The scorecard as it stands on a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from rich.console import Console

from engine.cli.proof_sheets import points, scorecard_sheet
from engine.proof.result import Group, Scorecard, Whipsaw

ALL = Group("all", 1234, 208.4, 0.872, 0.8199, 0.9108, 0.04113, 0.0395, -0.6204, 0.0, 12, 110)
RICH = Group("RICH", 40, 9.6, 0.5, 0.2366, 0.7634, -0.00001, 0.0021, -0.11, -0.0412, 6, 20)
FAIR = Group("FAIR", 0, 0.0, None, None, None, None, None, None)
CARD = Scorecard(
    groups=(ALL, RICH, FAIR),
    baselines=(replace(ALL, name="universe"), replace(RICH, name="[red]")),
    whipsaw=(Whipsaw("quarterly", 1500, 0.3421), Whipsaw("yearly", 0, None)),
    first=date(2024, 1, 2),
    last=date(2024, 6, 28),
    waiting=2520,
    lost={"no close": 3, "not traded any more": 21},
    settings={
        "lens": "quarterly",
        "horizon_sessions": 21,
        "whipsaw_sessions": 10,
        "small_sample_below": 30,
        "median": "exact",
    },
)


def shown(card: Scorecard, width: int = 200) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(scorecard_sheet(card))
    return [line.rstrip() for line in capture.get().splitlines()]


def cells(lines: list[str], name: str) -> list[str]:
    return next(line for line in lines if line.startswith(name)).split()


def test_figures_in_percent_and_points() -> None:
    lines = shown(CARD)
    assert lines[0] == "Scorecard · 2024-01-02 to 2024-06-28"
    assert lines[1] == "1,234 observations of 12 names on 110 sessions · quarterly lens"
    figures = ["87.2", "82.0..91.1", "+4.11", "+3.95", "-62.04", "+0.00"]
    assert cells(lines, "all") == ["all", "1,234", "208", *figures]
    figures = ["50.0", "23.7..76.3", "+0.00", "+0.21", "-11.00", "-4.12"]
    assert cells(lines, "RICH") == ["RICH", "40", "10*", *figures]
    assert cells(lines, "FAIR") == ["FAIR", "0", *["?"] * 7]
    rules = [place for place, line in enumerate(lines) if line.startswith("──")]
    baselines = next(place for place, line in enumerate(lines) if line.startswith("universe"))
    assert rules[-1] == baselines - 1
    assert lines[baselines + 1].startswith("[red]")  # a name of a file is no style


def test_one_of_each_is_no_plural() -> None:
    alone = replace(CARD, groups=(replace(CARD.groups[0], n=1, names=1, sessions=1),))
    assert shown(alone)[1].startswith("1 observation of 1 name on 1 session · ")


def test_footnotes_say_what_it_is_and_is_not() -> None:
    text = " ".join(" ".join(shown(CARD)).split())
    for words in (
        "a hit is a gap above 0",
        "Windows overlap and names move together",
        "small sample, worth fewer than 30 independent observations: RICH.",
        "quarterly lens: 34.2 % of 1,500 listed name-days left the list within 10 sessions.",
        "yearly lens: no listed name with 10 sessions after it yet.",
        "Waiting for the end of their window: 2,520 observations.",
        "Without an outcome for good: no close 3, not traded any more 21.",
        "no claim of profit",
    ):
        assert words in text
    assert "Medians" not in text
    folded = replace(CARD, settings={**CARD.settings, "median": "exact up to 100000 observations"})
    assert "Medians are exact up to 100000 observations." in " ".join(shown(folded))


def test_many_small_samples_are_not_all_named() -> None:
    many = replace(CARD, groups=(ALL, *(replace(RICH, name=f"N{place}") for place in range(11))))
    assert any("N0, N1, N2, N3, N4, N5, N6, N7 and 3 more." in line for line in shown(many))


def test_without_an_outcome_there_is_no_table() -> None:
    nothing = replace(CARD, groups=(FAIR,), baselines=(), first=None, last=None)
    lines = shown(nothing)
    assert lines[0] == "Scorecard"
    assert "No observation has an outcome yet." in lines
    assert not any("Eff. n" in line for line in lines)


def test_points() -> None:
    assert [points(gap) for gap in (0.0411, -0.0411, -0.000001, None)] == ["+4.11", "-4.11", "+0.00", "?"]
