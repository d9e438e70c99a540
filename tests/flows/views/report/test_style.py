"""The colours of the report can be told apart, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flows.views.report

_STYLE = Path(flows.views.report.__file__).parent / "templates" / "style.css"
_TEXT, _SIGN = 4.5, 3.0  # contrasts that WCAG 2.2 asks for, AA


def schemes() -> dict[str, dict[str, str]]:
    """The colours of each scheme by name."""
    light, dark = re.findall(r":root \{(.*?)\}", _STYLE.read_text(), re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w-]+): (#\w{6})", text))
        for name, text in (("light", light), ("dark", dark))
    }


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrasts(scheme: str) -> None:
    colours = schemes()[scheme]
    texts = [(text, ground) for text in ("text", "faint") for ground in ("page", "card")]
    texts += [("text", "a"), ("text", "b"), ("on-masked", "masked"), ("mark", "page")]
    texts += [("bad", "page"), ("first", "page")]
    signs = [(line, "card") for line in ("first", "second", "mark")]
    signs += [("bad", "a"), ("bad", "b"), ("masked", "a"), ("masked", "b")]
    for pairs, wanted in ((texts, _TEXT), (signs, _SIGN)):
        for one, other in pairs:
            assert contrast(colours[one], colours[other]) >= wanted, (one, other)


def test_both_schemes_name_the_same_colours() -> None:
    found = schemes()
    assert set(found["light"]) == set(found["dark"])
    used = set(re.findall(r"var\(--([\w-]+)\)", _STYLE.read_text()))
    assert used <= set(found["light"])
