"""Numbers and names as people read them."""

from __future__ import annotations

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def number(value: float) -> str:
    """1234567 -> "1,234,567"."""
    return f"{value:,.0f}"


def size(num_bytes: float) -> str:
    """16600000 -> "16.6 MB"; powers of ten."""
    for unit, name in _SIZES:
        if num_bytes >= unit:
            return f"{num_bytes / unit:.1f} {name}"
    return f"{num_bytes:.0f} bytes"


def percent(share: float) -> str:
    """0.1493 -> "14.9%"."""
    return f"{share:.1%}"


def repeated_ids(count: int) -> str:
    """About documents whose id an earlier document of their corpus has, with another text."""
    documents = "1 document repeats" if count == 1 else f"{number(count)} documents repeat"
    return f"{documents} the id of another with a different text; the text tells them apart"


def printable(text: str) -> str:
    r"""The text on one line: what would steer a terminal, or is none, is spelled out as `\x1b`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
