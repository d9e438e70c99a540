"""Plots as SVG: bars, measured beside configured shares, lines on linear or log axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from flows.views.report_html import element
from flows.wording import number, percent

_WIDTH, _HEIGHT = 560, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 48
_SHARE_ROW, _SHARE_LEFT, _SHARE_RIGHT = 34, 130, 140
_CHARACTER_WIDTH = 7  # of the 12-pixel font, roughly

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line of a plot. `color`: "first", "second" or "mark" (dashed). `dots`: at each point.

    A single point is drawn as a dot.
    """

    name: str
    color: str
    points: Sequence[Point]
    dots: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """An axis: its title, and whether it is logarithmic, with values above 0."""

    title: str
    is_log: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scale:
    """Maps values from `low` to `high` to pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._straight(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        ticks = log_ticks(self.low, self.high) if self.is_log else []
        # Within one power of ten, round numbers are more useful.
        return ticks if len(ticks) > 1 else nice_ticks(self.low, self.high)

    def _straight(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def bar_plot(
    bars: Sequence[tuple[str, float]], *, x_title: str, y_title: str, label: str
) -> Element:
    """Vertical bars: (name, value of at least 0); names show on hover, first and last below."""
    maximum = max((value for _, value in bars), default=0) or 1
    y = _vertical(0, maximum, is_log=False)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(bars))
    shapes = [
        _hover(
            element(
                "rect",
                x=round(_LEFT + place * step + step * 0.08, 1),
                y=y(value),
                width=round(step * 0.84, 1),
                height=round(y(0) - y(value), 1),
                class_="first",
            ),
            f"{name}: {number(value)}",
        )
        for place, (name, value) in enumerate(bars)
    ]
    ends = [] if not bars else [bars[0][0], bars[-1][0]]
    names = [
        _text(name, x, _HEIGHT - _BOTTOM + 18, anchor)
        for name, x, anchor in zip(ends, (_LEFT, _WIDTH - _RIGHT), ("start", "end"))
    ]
    return _svg(label, _HEIGHT, *_y_axis(y, y_title), *shapes, *names, _x_title(x_title))


def share_plot(shares: Sequence[tuple[str, float, float]], *, label: str) -> Element:
    """Horizontal bars: (name, measured share, configured share), with a tick at the latter."""
    scale = _Scale(low=0, high=1, start=_SHARE_LEFT, end=_WIDTH - _SHARE_RIGHT)
    shapes: list[Element] = []
    for place, (name, measured, wanted) in enumerate(shares):
        top = 8 + place * _SHARE_ROW
        width = round(scale(measured) - _SHARE_LEFT, 1)
        shapes += [
            _text(name, _SHARE_LEFT - 8, top + 15, "end"),
            element("rect", x=_SHARE_LEFT, y=top, width=width, height=20, class_="first"),
            element("rect", x=scale(wanted) - 1.5, y=top - 4, width=3, height=28, class_="second"),
            _text(
                f"{percent(measured)}, configured {percent(wanted)}",
                _WIDTH - _SHARE_RIGHT + 8,
                top + 15,
                "start",
            ),
        ]
    return _svg(label, 8 + len(shares) * _SHARE_ROW, *shapes)


def line_plot(series: Sequence[Series], *, x_axis: Axis, y_axis: Axis, label: str) -> Element:
    """Lines; points that are not finite are left out."""
    kept = [(one, [p for p in one.points if all(map(math.isfinite, p))]) for one in series]
    xs = [x for _, points in kept for x, _ in points] or [1.0]
    ys = [y for _, points in kept for _, y in points] or [1.0]
    x = _horizontal(min(xs), max(xs), is_log=x_axis.is_log)
    y = _vertical(min(ys), max(ys), is_log=y_axis.is_log)
    shapes = [shape for one, points in kept for shape in _line(one, points, x, y)]
    return _svg(
        label,
        _HEIGHT,
        *_y_axis(y, y_axis.title),
        *_x_axis(x),
        *shapes,
        *_legend([one for one, points in kept if points]),
        _x_title(x_axis.title),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers within [low, high]."""
    rough = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(tick * step, 12) for tick in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """The powers of ten within [low, high]."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return [10.0**power for power in powers]


def _vertical(low: float, high: float, *, is_log: bool) -> _Scale:
    low, high = _widen(low, high, is_log)
    return _Scale(low=low, high=high, start=_HEIGHT - _BOTTOM, end=_TOP, is_log=is_log)


def _horizontal(low: float, high: float, *, is_log: bool) -> _Scale:
    if low == high:
        low, high = _widen(low, high, is_log)
    return _Scale(low=low, high=high, start=_LEFT, end=_WIDTH - _RIGHT, is_log=is_log)


def _widen(low: float, high: float, is_log: bool) -> tuple[float, float]:
    """A range that is not empty, with a margin; a range that starts at 0 keeps its start."""
    if is_log:
        return (low / 1.1, high * 1.1) if low < high else (low / 10, high * 10)
    room = (high - low) * 0.05 or abs(high) * 0.1 or 1
    return (low if low == 0 else low - room, high + room)


def _y_axis(scale: _Scale, title: str) -> Iterator[Element]:
    yield _text(title, 4, 14, "start")
    for tick in scale.ticks():
        y = scale(tick)
        yield element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield _text(_tick_text(tick), _LEFT - 8, y + 4, "end")


def _x_axis(scale: _Scale) -> Iterator[Element]:
    foot = _HEIGHT - _BOTTOM
    for tick in scale.ticks():
        x = scale(tick)
        yield element("line", x1=x, x2=x, y1=foot, y2=foot + 5, class_="grid")
        yield _text(_tick_text(tick), x, foot + 18, "middle")


def _line(series: Series, points: Sequence[Point], x: _Scale, y: _Scale) -> Iterator[Element]:
    places = " ".join(f"{x(a)},{y(b)}" for a, b in points)
    yield element("polyline", points=places, class_=f"line {series.color}")
    if series.dots or len(points) == 1:
        for a, b in points:
            dot = element("circle", cx=x(a), cy=y(b), r=4, class_=series.color)
            yield _hover(dot, f"{series.name}, {number(a)}: {b:.3f}")


def _legend(series: Sequence[Series]) -> Iterator[Element]:
    """Names with their colours, at the right; omitted for a single line."""
    if len(series) < 2:
        return
    widths = [32 + _CHARACTER_WIDTH * len(one.name) for one in series]
    left = _WIDTH - _RIGHT - sum(widths)
    for one, width in zip(series, widths):
        yield element("rect", x=round(left, 1), y=5, width=10, height=10, class_=one.color)
        yield _text(one.name, left + 15, 14, "start")
        left += width


def _x_title(title: str) -> Element:
    return _text(title, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "middle")


def _text(text: str, x: float, y: float, anchor: str) -> Element:
    return element("text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor)


def _hover(shape: Element, text: str) -> Element:
    shape.append(element("title", text))
    return shape


def _svg(label: str, height: int, *shapes: Element) -> Element:
    box = f"0 0 {_WIDTH} {height}"
    return element("svg", *shapes, viewBox=box, role="img", aria_label=label)


def _tick_text(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"
