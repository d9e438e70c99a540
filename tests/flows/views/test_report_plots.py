"""Plots stand for their values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.views.report_plots import (
    Axis,
    Series,
    bar_plot,
    line_plot,
    log_ticks,
    nice_ticks,
    share_plot,
)


@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.floats(allow_nan=True, allow_infinity=True))),
    st.booleans(),
)
def test_lines_of_any_points(points: list[tuple[float, float]], is_log: bool) -> None:
    if is_log:
        points = [(x + 1, y) for x, y in points if y >= 1e-3]
    points = [(x, y) for x, y in points if not abs(y) > 1e300]
    series = [Series(name=name, color="first", points=points, dots=True) for name in "ab"]
    axis = Axis(title="t", is_log=is_log)
    plot = line_plot(series, x_axis=axis, y_axis=axis, label="any")
    for dot in plot.iter("circle"):
        assert 0 <= float(dot.get("cx", "nan")) <= 560
        assert 0 <= float(dot.get("cy", "nan")) <= 280


def test_bars_stand_for_their_values() -> None:
    plot = bar_plot([("a", 0), ("b", 5), ("c", 10)], x_title="x", y_title="y", label="bars")
    heights = [float(bar.get("height", "nan")) for bar in plot.iter("rect")]
    assert heights[0] == 0
    assert heights[1] * 2 == pytest.approx(heights[2], abs=0.2)
    assert [title.text for title in plot.iter("title")] == ["a: 0", "b: 5", "c: 10"]
    assert not list(bar_plot([], x_title="x", y_title="y", label="none").iter("rect"))
    bars = list(share_plot([("half", 0.5, 1.0)], label="shares").iter("rect"))
    assert float(bars[0].get("width", "nan")) == pytest.approx((560 - 130 - 140) / 2)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    high = low + width
    if high - low < 1e-9 * abs(high):
        return
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in ticks)


def test_log_ticks() -> None:
    assert log_ticks(0.9, 1100) == [1, 10, 100, 1000]
    assert math.isclose(log_ticks(0.01, 0.1)[0], 0.01)
