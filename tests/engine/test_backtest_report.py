"""The report of a backtest as a page and as a picture."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.cli.backtest_pictures import cumulated, quantile, rebinned
from engine.cli.backtest_report import headline, write_report
from engine.errors import ConfigError
from engine.proof.result import Backtest, Curve, Group, Scorecard, Whipsaw

GROUPS = ("all", "RICH", "regime NORMAL", "normal", "severe expansion", "both gates", "neither", "listed")
HOSTILE = '<script>alert(1)</script>\x1b[31m & "A" \'$1$'


def a_group(name: str, n: int = 1200, mean: float | None = 0.0123, worst: float | None = -0.871) -> Group:
    if not n:
        return Group(name, 0, 0.0, None, None, None, None, None, None)
    return Group(name, n, n / 20, 0.585, 0.501, 0.664, mean, 0.0289, worst, 0.004, 83, 229)


def a_backtest(benchmark: str = "SPY", sessions: int = 250) -> Backtest:
    """Known outcomes but for the last 21 sessions; no listed name on the first half."""
    days = np.arange("2024-01-02", 10_000, dtype="datetime64[D]")[: 2 * sessions]
    days = days[np.is_busday(days)][:sessions]
    known = np.where(np.arange(len(days)) < len(days) - 21, 0.021, np.nan)
    listed = np.where(np.arange(len(days)) < len(days) // 2, np.nan, known)
    ones = np.ones(len(days), dtype=np.int64)
    curves = (Curve("universe", known, ones), Curve("listed", listed, ones), Curve(benchmark, -known, ones))
    edges = np.round(np.arange(-200, 201) * 0.005, 3)
    counts = np.zeros(400, dtype=np.int64)
    counts[195:215], counts[26] = 50, 1
    card = Scorecard(
        groups=tuple(a_group(name, 0 if name == "neither" else 1200) for name in GROUPS),
        baselines=(a_group("universe"), a_group(benchmark, 200)),
        whipsaw=(Whipsaw("quarterly", 812, 0.1949), Whipsaw("yearly", 0, None)),
        first=date(2024, 1, 2),
        last=date(2024, 12, 2),
        waiting=1743,
        lost={"the name stopped trading": 12},
        settings={
            "horizon_sessions": 21,
            "small_sample_below": 100,
            "gates_judged": ["structural", "tactical"],
        },
    )
    return Backtest(
        scorecard=card,
        lenses={"quarterly": (a_group("both gates"),), "yearly": (a_group("listed"),)},
        thresholds=(a_group("structural > 1.20"),),
        sessions=days,
        curves=curves,
        edges=edges,
        counts={"universe": counts, "listed": counts // 2},
        notes=("3 lines repeated word for word merged.",),
    )


def written(result: Backtest, path: Path) -> str:
    write_report(result, path)
    return path.read_text(encoding="utf-8")


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name.split(":")[-1] in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_page_says_in_plain_words_what_was_found(tmp_path: Path) -> None:
    words = _Page(written(a_backtest(), tmp_path / "report.html")).words
    assert "83 names on 229 sessions, 2024-01-02 to 2024-12-02: on 58.5 % of 1,200 observations" in words
    assert "The 95 % interval is 50.1 to 66.4 %" in words
    assert "about 60 independent observations" in words
    assert "+1.23 points of volatility in the mean, +2.89 in the median, -87.10 at worst" in words
    assert "It is no claim of profit" in words
    assert "cohorts run at the same time" in words
    assert "1,743 observations wait" in words
    assert "12 observations have no outcome: the name stopped trading." in words
    assert "structural, tactical" in words


def test_a_page_holds_every_table_and_three_pictures(tmp_path: Path) -> None:
    page = _Page(written(a_backtest(), tmp_path / "report.html"))
    for title in (
        *("All, and the baselines", "Is the dual filter needed?", "By zone", "By threshold", "By regime"),
        *("By lens: quarterly", "By lens: yearly", "By gate", "Whipsaw", "Settings"),
    ):
        assert title in page.words
    assert page.tags.count("svg") == 3
    assert "structural > 1.20" in page.words
    assert "19.5 %" in page.words  # whipsaw
    assert "60 small" in page.words  # effective n below the 100 of the settings


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path: Path) -> None:
    text = written(a_backtest(), tmp_path / "report.html")
    page = _Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert all(target.startswith("#") for target in page.targets)
    assert "url(http" not in text
    assert "@import" not in text
    assert 'name="viewport"' in text
    assert "prefers-color-scheme:dark" in text


def test_pictures_on_a_page_take_its_colours_and_share_no_id(tmp_path: Path) -> None:
    text = written(a_backtest(), tmp_path / "report.html")
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    for picture in pictures:
        ElementTree.fromstring(picture)
        assert "var(--faint)" in picture
        assert "#0000f" not in picture
        assert re.search(r'aria-label="[^"]{40,}"', picture)
    ids = re.findall(r' id="([^"]+)"', "".join(pictures))
    assert len(ids) == len(set(ids))


def test_what_a_file_said_is_shown_and_never_run(tmp_path: Path) -> None:
    result = a_backtest(benchmark=HOSTILE)
    card = replace(result.scorecard, groups=(*result.scorecard.groups, a_group(HOSTILE)))
    result = replace(result, scorecard=card, notes=(HOSTILE, "a \ud800 half"))
    page = _Page(written(result, tmp_path / "report.html"))
    assert "script" not in page.tags
    assert "\x1b" not in page.words
    assert page.words.count("alert(1)") >= 3


def test_the_same_backtest_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    assert written(a_backtest(), first) == written(a_backtest(), second)


def test_a_picture_is_written_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "report.PNG"
    write_report(a_backtest(), path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1000
        assert picture.height > 800
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 30


@pytest.mark.parametrize("name", ["report.pdf", "report", "report.svg"])
def test_another_kind_of_file_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.html or \.png"):
        write_report(a_backtest(), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        write_report(a_backtest(), tmp_path / "nowhere" / "report.html")


@pytest.mark.parametrize("suffix", ["html", "png"])
def test_a_past_without_a_single_outcome_has_a_report_too(tmp_path: Path, suffix: str) -> None:
    result = a_backtest(sessions=1)
    empty = {name: np.zeros(400, dtype=np.int64) for name in result.counts}
    card = replace(
        result.scorecard,
        groups=tuple(a_group(name, 0) for name in GROUPS),
        baselines=(a_group("universe", 0), a_group("SPY", 0)),
        first=None,
        last=None,
    )
    curves = tuple(replace(curve, mean_gap=np.array([np.nan])) for curve in result.curves)
    result = replace(result, scorecard=card, counts=empty, curves=curves)
    write_report(result, tmp_path / f"report.{suffix}")
    assert headline(result)[0] == "No observation has a known outcome yet, so there is nothing to say."


def test_the_equity_adds_a_21st_of_each_mean_gap_and_nothing_where_none_is_listed() -> None:
    universe, listed, _ = a_backtest().curves
    assert cumulated(universe, 21)[-1] == pytest.approx(229 * 0.021 / 21)
    assert cumulated(listed, 21)[124] == 0.0
    assert cumulated(listed, 21)[-1] == pytest.approx((229 - 125) * 0.021 / 21)


def test_bars_lose_no_outcome_and_the_outermost_gather_the_tail() -> None:
    result = a_backtest()
    counts = [result.counts["universe"], result.counts["listed"]]
    bars, merged = rebinned(result.edges, counts)
    assert [each.sum() for each in merged] == [each.sum() for each in counts]
    assert len(bars) == len(merged[0]) + 1
    assert bars[0] > -0.05  # the one outcome at -87 points is gathered, not given 180 empty bars
    assert np.allclose(np.diff(bars), bars[1] - bars[0])


@given(
    counts=st.lists(st.integers(0, 50), min_size=1, max_size=60),
    below=st.integers(0, 60),
    width=st.sampled_from([0.0001, 0.005, 0.02]),
)
def test_whatever_the_outcomes_bars_keep_them_apart_at_zero(
    counts: list[int], below: int, width: float
) -> None:
    edges = np.round((np.arange(len(counts) + 1) - min(below, len(counts))) * width, 6)
    bars, (merged,) = rebinned(edges, [np.array(counts, dtype=np.int64)])
    assert merged.sum() == sum(counts)
    assert len(bars) == len(merged) + 1
    assert len(merged) <= 45
    if bars[0] < 0 < bars[-1]:
        losses = sum(count for count, edge in zip(counts, edges[:-1], strict=True) if edge < 0)
        assert merged[bars[:-1] < -1e-9].sum() == losses


def test_quantiles_are_read_from_the_histogram() -> None:
    edges = np.array([-0.02, -0.01, 0.0, 0.01])
    assert quantile(edges, np.array([1, 9, 90]), 0.05) == pytest.approx(0.0)
    assert quantile(edges, np.array([5, 5, 90]), 0.05) == pytest.approx(-0.01)
    assert quantile(edges, np.array([0, 0, 0]), 0.05) is None


def test_the_command_line_starts_without_matplotlib() -> None:
    code = "import sys, engine.cli.backtest_report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_past_of_two_years_and_a_half_finds_its_dates(tmp_path: Path) -> None:
    """Too few labels allowed for its months, and too short for years: the axis warned."""
    write_report(a_backtest(sessions=700), tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 0


def test_a_long_past_is_drawn_quickly(tmp_path: Path) -> None:
    result = a_backtest(sessions=6000)
    write_report(a_backtest(), tmp_path / "first.html")
    start = time.perf_counter()
    write_report(result, tmp_path / "report.html")
    assert time.perf_counter() - start < 10.0
    assert (tmp_path / "report.html").stat().st_size < 1_500_000
