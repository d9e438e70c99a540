"""Templates of numbers: a value or a range with its unit, as it is read aloud, or nothing.

Numbers are shown as written in the template, without grouping, which differs between languages:
1450 is right in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertdata.corpus.formats.wikipedia.wikitext.marks import GAP
from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import Arguments

_NUMBER = re.compile(r"[-−–+±~]?\.?\d[\d.,/+×^eE⁄ \u00a0½¼¾–−-]*")
# Words between two numbers, and how they are read; also in French and Spanish.
_RANGE_WORDS = {
    **{word: f" {word} " for word in ("and", "or", "to", "by", "à", "et", "ou", "a", "y", "o")},
    **{f"{word}(-)": f" {word} " for word in ("and", "or", "by")},
    **dict.fromkeys(("-", "–", "—", "to(-)", "&ndash;"), "–"),
    **dict.fromkeys(("x", "xx", "*", "×"), " × "),
    **dict.fromkeys(("±", "+/-", "+/−", "+-", "&plusmn;"), " ± "),
    **{word: f"{word} " for word in (",", ", and", ", or")},
    **{word: f" {word} " for word in ("+", "&", "plus", "minus", "to about")},
    "/": "/",
}
_UNIT = re.compile(r"[^\d\s\x01-\x06][^\x01-\x06]*")
# The second part of a height or weight: {{convert|6|ft|2|in|cm}}.
_SMALLER_UNITS = frozenset(("ft", "in", "yd", "oz", "lb", "chain"))
# With these values of `disp` the page shows the unit or the converted number alone.
_PARTS = frozenset(("number", "output number only", "unit", "unit2"))
_LARGE = {"3": "thousand", "6": "million", "9": "billion", "12": "trillion"}
_LARGE_UNIT = re.compile(r"e(3|6|9|12)(\D.*)", re.DOTALL)
_SHORT_UNIT = re.compile(r"(sq|cu)(in|ft|yd|mi|m|km)")


def show_converted(arguments: Arguments) -> str | None:
    """{{convert|10|and|20|km|mi}} -> "10 and 20 km", the quantity as it was given."""
    shown, rest = _read_range(arguments.numbered)
    is_part = arguments.get("disp") in _PARTS
    if is_part or not shown or not rest or not _UNIT.fullmatch(rest[0]):
        return None
    text = shown + _show_unit(rest[0])
    if len(rest) < 3 or not _NUMBER.fullmatch(rest[1]):
        return text
    return f"{text} {rest[1]} {rest[2]}" if rest[2] in _SMALLER_UNITS else None


def show_quantity(arguments: Arguments) -> str | None:
    """French {{unité|10|à|20|km}} -> "10 à 20 km"; {{unité|5|km|2}} -> "5 km2"; {{unité|5 km}}."""
    if len(arguments.numbered) == 1 and _NUMBER.match(arguments["1"]):
        return arguments["1"]
    shown, rest = _read_range(arguments.numbered)
    unit, power = [*rest[:2], "", ""][:2]
    is_understood = len(rest) <= 2 and (not unit or _UNIT.fullmatch(unit))
    if not shown or not is_understood or not (power or "1").isdecimal():
        return None
    return f"{shown}{_show_unit(unit)}{power}".rstrip()


def show_uncertain(arguments: Arguments) -> str | None:
    """{{val|1.5|0.2|e=6|u=kg}} -> "1.5 ± 0.2×10^6 kg"."""
    value, *errors = arguments.numbered or [""]
    if not _NUMBER.fullmatch(value) or len(errors) > 1:
        return None
    error = "".join(errors)
    shown = f"{value}{error}" if error.startswith("(") else " ± ".join(filter(None, (value, error)))
    exponent = f"×10^{arguments['e']}" if arguments.get("e") else ""
    units = [arguments[name] for name in ("u", "ul") if arguments.get(name)]
    if arguments.get("up") or arguments.get("upl"):
        units.append(f"/{arguments.get('up') or arguments['upl']}")
    unit = f" {''.join(units)}" if units else ""
    return f"{arguments.get('p', '')}{shown}{exponent}{unit}{arguments.get('end', '')}"


def show_fraction(arguments: Arguments) -> str | None:
    """{{frac|3}} -> "1/3", {{frac|2|3}} -> "2/3", {{frac|1|2|3}} -> "1 2/3"; 1{{frac|2|3}} too."""
    parts = arguments.numbered
    if not 1 <= len(parts) <= 3 or not all(parts):
        return None
    *whole, above, below = ["1", *parts] if len(parts) == 1 else parts
    return f"{GAP}{' '.join([*whole, f'{above}/{below}'])}{GAP}"


def show_power(arguments: Arguments) -> str | None:
    """3.3{{e|-20}} -> "3.3×10^-20"."""
    return f"×10^{arguments['1']}" if arguments.get("1") else None


def _read_range(parts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """A number or a range of them, and the arguments after it."""
    shown = ""
    for start in range(0, len(parts), 2):
        if not _NUMBER.fullmatch(parts[start]):
            return "", []
        shown += parts[start]
        word = parts[start + 1] if start + 1 < len(parts) else ""
        if word not in _RANGE_WORDS:
            return shown, parts[start + 1 :]
        shown += _RANGE_WORDS[word]
    return "", []


def _show_unit(unit: str) -> str:
    """With a space in front: "C" -> " °C", "sqmi" -> " sq mi", "e6acre" -> " million acre"."""
    if unit in ("C", "F", "C-change", "F-change"):
        return f" °{unit[0]}"
    if large := _LARGE_UNIT.fullmatch(unit):
        return f" {_LARGE[large[1]]}{_show_unit(large[2])}"
    if short := _SHORT_UNIT.fullmatch(unit):
        return f" {short[1]} {short[2]}"
    return f" {unit}"
