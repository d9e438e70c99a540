"""Numbers with their units, or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.marks import GAP
from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import (
    Arguments,
    parse_arguments,
)
from bertdata.corpus.formats.wikipedia.wikitext.templates.quantities import (
    show_converted,
    show_fraction,
    show_power,
    show_quantity,
    show_uncertain,
)


@pytest.mark.parametrize(
    ("show", "parts", "shown"),
    [
        (show_converted, ["10", "km", "mi"], "10 km"),
        (show_converted, ["10", "and", "20", "km", "mi"], "10 and 20 km"),
        (show_converted, ["6", "ft", "2", "in", "cm"], "6 ft 2 in"),
        (show_converted, ["20", "C", "F"], "20 °C"),
        (show_converted, ["3", "e6acre"], "3 million acre"),
        (show_converted, ["2", "sqmi"], "2 sq mi"),
        (show_converted, ["10", "km", "disp=number"], None),  # a number without its unit
        (show_converted, ["10", "and"], None),  # half a range
        (show_converted, ["many", "km"], None),
        (show_quantity, ["10", "à", "20", "km"], "10 à 20 km"),
        (show_quantity, ["5", "km", "2"], "5 km2"),
        (show_uncertain, ["1.5", "0.2", "e=6", "u=kg"], "1.5 ± 0.2×10^6 kg"),
        (show_uncertain, ["1.5", "(2)"], "1.5(2)"),
        (show_fraction, ["3"], f"{GAP}1/3{GAP}"),
        (show_fraction, ["1", "2", "3"], f"{GAP}1 2/3{GAP}"),
        (show_fraction, [], None),
        (show_power, ["-20"], "×10^-20"),
    ],
)
def test_quantities(
    show: Callable[[Arguments], str | None], parts: list[str], shown: str | None
) -> None:
    assert show(parse_arguments(parts)) == shown
