"""Numbers and names in messages."""

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


def duration(seconds: float) -> str:
    """1.44 -> "1.4 s"; 108.4 -> "1 min 48 s"; 5025 -> "1 h 23 min"."""
    if seconds < 10:
        return f"{round(seconds, 1):g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def repeated_ids(count: int) -> str:
    """A message about documents with the id of an earlier document and a different text."""
    documents = "1 document repeats" if count == 1 else f"{number(count)} documents repeat"
    return (
        f"{documents} the id of another with a different text; they are kept as different documents"
    )


def printable(text: str) -> str:
    r"""The text on one line, with control and unpaired characters as escapes such as `\x1b`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
