"""English templates of dates. An age that depends on the day of reading is not shown."""

from __future__ import annotations

import calendar
from collections.abc import Sequence

from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import Arguments


def show_date(arguments: Arguments) -> str | None:
    """{{birth date|1809|2|12}} -> "February 12, 1809"; with df=yes "12 February 1809"."""
    return _format(arguments.numbered[:3], day_first=_is_set(arguments, "df"))


def show_as_of(arguments: Arguments) -> str | None:
    """{{as of|2014|5|lc=y}} -> "as of May 2014"."""
    if arguments.get("alt"):
        return arguments["alt"]
    date = _format(arguments.numbered[:3], day_first=arguments.get("df") != "US")
    if date is None:
        return None
    words = "since" if _is_set(arguments, "since") else "as of"
    return f"{words if _is_set(arguments, 'lc') else words.capitalize()} {date}"


def _is_set(arguments: Arguments, name: str) -> bool:
    return arguments.get(name, "")[:1].lower() == "y"


def _format(parts: Sequence[str], *, day_first: bool) -> str | None:
    """A date of year, month and day, or of as many of them as given."""
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return parts[0] if parts and parts[0][0].isdecimal() else None
    if not all(part.isdecimal() for part in parts) or not 1 <= int(parts[1]) <= 12:
        return None
    year, month = parts[0], calendar.month_name[int(parts[1])]
    if len(parts) == 2:
        return f"{month} {year}"
    day = int(parts[2])
    return f"{day} {month} {year}" if day_first else f"{month} {day}, {year}"
