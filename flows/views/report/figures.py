"""Figures as SVG inside the page, drawn by matplotlib; their colours are the page's own.

matplotlib is imported when the first one is drawn, and its global settings are left alone.
"""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from flows.views.report.sampling import Lengths
from flows.views.report.training import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (4.6, 2.7)
_PLACE = {"left": 0.15, "right": 0.975, "bottom": 0.18, "top": 0.92}
# Colours that matplotlib is given, and what the page's style sheet calls them.
_COLOURS = {
    "#010203": "--text",
    "#010204": "--faint",
    "#010205": "--line",
    "#010206": "--first",
    "#010207": "--second",
    "#010208": "--mark",
}
_TEXT, _FAINT, _LINE, _FIRST, _SECOND, _MARK = _COLOURS
_SETTINGS: dict[str, object] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's font
    "svg.hashsalt": "bertdata",  # equal figures have equal ids
    "font.size": 10,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "text.color": _TEXT,
    "text.parse_math": False,
    "xtick.color": _LINE,
    "xtick.labelcolor": _FAINT,
    "ytick.color": _LINE,
    "ytick.labelcolor": _FAINT,
    "legend.frameon": False,
    "legend.labelcolor": _TEXT,
    "path.simplify": True,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A line of a figure; `style`: "first", "second" or "mark" (dashed). `dots`: at each point."""

    name: str
    style: str
    points: Sequence[Point]
    dots: bool = False


def draw_lengths(lengths: Lengths, name: str, *, x_title: str, y_title: str, label: str) -> Markup:
    """A histogram of lengths; a dashed line marks the median."""

    def draw(axes: Axes) -> None:
        axes.stairs(lengths.counts, lengths.edges, fill=True, color=_FIRST)
        if lengths.is_log:
            axes.set_xscale("log")
        axes.axvline(lengths.median, color=_MARK, linestyle="--", linewidth=1.4)
        axes.set_xlim(lengths.edges[0], lengths.edges[-1])

    return _draw(name, label, x_title, y_title, draw)


def draw_bins(
    bins: Sequence[tuple[int, int, int]], name: str, *, x_title: str, y_title: str, label: str
) -> Markup:
    """A histogram of (from, to, count), both ends included."""

    def draw(axes: Axes) -> None:
        edges = [bins[0][0] - 0.5, *(last + 0.5 for _, last, _ in bins)]
        axes.stairs([count for _, _, count in bins], edges, fill=True, color=_FIRST)
        axes.set_xlim(edges[0], edges[-1])

    return _draw(name, label, x_title, y_title, draw)


def draw_curves(
    curves: Sequence[Curve],
    name: str,
    *,
    x_title: str,
    y_title: str,
    label: str,
    is_log: bool = False,
    from_zero: bool = False,
) -> Markup:
    """Lines, on two logarithmic axes with `is_log`; points that are not finite are left out."""

    def draw(axes: Axes) -> None:
        if is_log:
            axes.set_xscale("log")
            axes.set_yscale("log")
        for curve in curves:
            _draw_curve(axes, curve)
        if from_zero:
            axes.set_ylim(bottom=0)
        if len(curves) > 1:
            _add_legend(axes, len(curves))

    return _draw(name, label, x_title, y_title, draw)


def _add_legend(axes: Axes, num_curves: int) -> None:
    """Above the axes, where it hides nothing."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.98),
        ncols=num_curves,
        fontsize=9,
        handlelength=1.3,
        columnspacing=1.2,
    )


def _draw_curve(axes: Axes, curve: Curve) -> None:
    points = [point for point in curve.points if all(map(math.isfinite, point))]
    has_dots = curve.dots or len(points) == 1
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color={"first": _FIRST, "second": _SECOND, "mark": _MARK}[curve.style],
        linestyle="--" if curve.style == "mark" else "-",
        linewidth=1.4 if curve.style == "mark" else 1.8,
        marker="o" if has_dots else "",
        markersize=5,
        label=curve.name,
    )


def _draw(
    name: str, label: str, x_title: str, y_title: str, draw: Callable[[Axes], None]
) -> Markup:
    """`name`: of the figure, unique in the page. `label`: what a screen reader says."""
    with _settings():
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        figure = Figure(figsize=_INCHES)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        figure.subplots_adjust(**_PLACE)
        draw(axes)
        axes.set_xlabel(x_title)
        axes.set_ylabel(y_title)
        axes.minorticks_off()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_short)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(file.getvalue(), name, label)


def _short(value: float, _: object = None) -> str:
    """25000 -> "25k"; as short as the ticks of an axis have to be."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


@contextmanager
def _settings() -> Iterator[None]:
    # It warns where it cannot keep a cache of fonts, which nobody needs to know.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):  # type: ignore[arg-type] # names, as in its own files
        yield


def _for_page(svg: str, name: str, label: str) -> Markup:
    """The SVG as a part of a page: colours of its style sheet, ids of its own, a label."""
    _, _, inside = svg[svg.index("<svg") :].partition(">")
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    # Text is in the page's font, of the size that it has here.
    inside = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", inside)
    inside = re.sub(r"font-family: [^;\"]*; ?", "", inside)
    for colour, variable in _COLOURS.items():
        inside = inside.replace(colour, f"var({variable})")
    inside = _own_ids(inside, name)
    width, height = (round(72 * inches, 1) for inches in _INCHES)
    start = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(start + inside)  # it was made here, and the label is escaped


def _own_ids(svg: str, name: str) -> str:
    """The SVG with the ids that it uses, each with the figure's name before it."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
