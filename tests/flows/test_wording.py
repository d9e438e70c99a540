"""Numbers, names and sentences as people read them."""

from __future__ import annotations

import pytest

from flows.wording import duration, number, percent, printable, repeated_ids, size


def test_numbers() -> None:
    assert number(1234567) == "1,234,567"
    assert percent(0.1496) == "15.0%"
    sizes = [size(count) for count in (7, 1500, 16_600_000, 2.5e9)]
    assert sizes == ["7 bytes", "1.5 kB", "16.6 MB", "2.5 GB"]
    edges = [size(count) for count in (999, 1e3, 1e6, 1e9)]
    assert edges == ["999 bytes", "1.0 kB", "1.0 MB", "1.0 GB"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0 s"),
        (1.44, "1.4 s"),
        (9, "9 s"),
        (59.6, "1 min 0 s"),
        (108.4, "1 min 48 s"),
        (5025.0, "1 h 23 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_would_steer_a_terminal_is_escaped() -> None:
    assert printable("a\nb\x1b[0m é\udc80") == "a\\nb\\x1b[0m é\\udc80"


def test_one_document_or_several() -> None:
    assert repeated_ids(1).startswith("1 document repeats the id of another")
    assert repeated_ids(2).startswith("2 documents repeat the id of another")
    assert repeated_ids(1200).startswith("1,200 documents repeat the id of another")
