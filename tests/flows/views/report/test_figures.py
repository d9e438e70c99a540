"""Figures stand for their values, in the colours of the page, with ids of their own."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.views.report.figures import Curve, draw_bins, draw_curves, draw_lengths
from flows.views.report.sampling import measure_lengths


def draw(curves: list[Curve], label: str = "any", *, is_log: bool = False) -> str:
    return draw_curves(curves, "name", x_title="x", y_title="y", label=label, is_log=is_log)


def test_a_line_has_its_points() -> None:
    points = [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]
    svg = draw([Curve(name="a", style="second", points=points)])
    (found,) = re.findall(r'<path d="M ([^"]+)"[^>]*var\(--second\)', svg.replace("\n", " "))
    xs, ys = (list(map(float, re.findall(r"[\d.]+", found)[start::2])) for start in (0, 1))
    assert np.isclose(xs[1] - xs[0], xs[2] - xs[1], atol=0.01)
    assert np.isclose(ys[0] - ys[1], 2 * (ys[0] - ys[2]), atol=0.01)


def test_bars_stand_for_their_values() -> None:
    svg = draw_bins([(1, 4, 5), (5, 8, 10)], "bins", x_title="x", y_title="y", label="bins")
    (found,) = re.findall(r'<path d="([^"]+)"[^>]*var\(--first\)', svg.replace("\n", " "))
    heights = sorted({float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", found)}, reverse=True)
    base, low, high = heights
    assert np.isclose(base - high, 2 * (base - low), atol=0.01)


def test_label_and_size() -> None:
    svg = draw([Curve(name="a", style="first", points=[(1, 2)])], label='"<a>" & b')
    root = ElementTree.fromstring(svg.replace("xlink:", ""))
    assert root.get("role") == "img"
    assert root.get("aria-label") == '"<a>" & b'
    assert root.get("viewBox")
    assert root.get("width") is None
    assert "DejaVu" not in svg
    assert "#0102" not in svg


def test_ids_are_those_of_the_figure_and_used() -> None:
    svg = draw([Curve(name="a", style="first", points=[(1, 2), (3, 4)], dots=True)])
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids
    assert all(id_.startswith("name-") and f"#{id_}" in svg for id_ in ids)


def test_settings_of_others_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    draw([])
    assert dict(mpl.rcParams) == before


numbers = st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf"), -float("inf")])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), max_size=20), st.booleans())
def test_lines_of_any_points(points: list[tuple[float, float]], is_log: bool) -> None:
    if is_log:
        points = [(abs(x) + 1, abs(y) + 1e-3) for x, y in points]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = draw([Curve(name=name, style="mark", points=points) for name in "ab"], is_log=is_log)
    assert "nan" not in svg


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.booleans())
def test_histograms_of_any_lengths(lengths: list[int], is_log: bool) -> None:
    found = measure_lengths(np.array(lengths), is_log=is_log)
    assert found is not None
    assert sum(found.counts) == len(lengths)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_lengths(found, "name", x_title="x", y_title="y", label="any")
