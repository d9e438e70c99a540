"""Templates and parser functions that have a plain rendering on many wikis.

A template that is not listed here is unknown text. So is a listed one that is used in a way not
understood here: a number is never shown without its unit, nor half a range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bertdata.corpus.formats.wikipedia.wikitext.marks import ANY_MARK, BREAK, SEAM, protect
from bertdata.corpus.formats.wikipedia.wikitext.templates.arguments import (
    Arguments,
    parse_arguments,
)
from bertdata.corpus.formats.wikipedia.wikitext.templates.dates import show_as_of, show_date
from bertdata.corpus.formats.wikipedia.wikitext.templates.quantities import (
    show_converted,
    show_fraction,
    show_power,
    show_quantity,
    show_uncertain,
)

_Renderer = Callable[[Arguments], str | None]


def is_known(name: str) -> bool:
    """Whether this template is listed here; if not, its arguments need not be read."""
    return _find(_normalize(name)) is not None


def show_template(name: str, parts: Sequence[str]) -> str | None:
    """What {{name|part|part}} shows, as wikitext; None if that is unknown.

    show_template("lang", ["fr", "mot"]) -> "mot"
    """
    name = _normalize(name)
    renderer = _find(name)
    if renderer is None:
        return None
    _, colon, argument = name.partition(":")
    return renderer(parse_arguments([argument, *parts] if colon else parts))


def _normalize(name: str) -> str:
    """In lower case, with one space between words."""
    return " ".join(name.replace("_", " ").lower().split())


def _find(name: str) -> _Renderer | None:
    function, colon, _ = name.partition(":")
    family = name.partition("-")[0]
    renderer = _RENDERERS.get(function + colon) or (family and _RENDERERS.get(f"{family}-"))
    if renderer:
        return renderer
    return _quotation(name.strip("-")) if _QUOTATION_MARKS.fullmatch(name) else None


def _quotation(marks: str) -> _Renderer:
    """{{'}} -> "'"; German and French {{"|text}} -> '"text"'."""
    marks = protect(marks)
    around = _around(marks, marks)
    return lambda arguments: around(arguments) or marks


def _text(text: str) -> _Renderer:
    return lambda arguments: protect(text)


def _markup(text: str) -> _Renderer:
    return lambda arguments: text


def _argument(*names: str) -> _Renderer:
    """The first of these arguments that is given, unless its text is unknown."""

    def show(arguments: Arguments) -> str | None:
        text = next((arguments[name] for name in names if arguments.get(name)), "")
        return text if ANY_MARK.sub("", text).strip() else None

    return show


def _around(before: str, after: str = "", *names: str) -> _Renderer:
    """The first argument, or the first of `names`, between these two."""
    find = _argument(*names, "1")

    def show(arguments: Arguments) -> str | None:
        text = find(arguments)
        return f"{before}{text}{after}" if text else None

    return show


def _year(before: str) -> _Renderer:
    """{{c.|1850}} -> "c. 1850"; a second year ends a range: "c. 1850 – c. 1900"."""

    def show(arguments: Arguments) -> str:
        years = [year for year in arguments.numbered[:2] if year]
        return " – ".join(before + year for year in years) or before

    return show


def _show_last(arguments: Arguments) -> str | None:
    return arguments.numbered[-1] if arguments.numbered else None


def _show_joined(arguments: Arguments) -> str | None:
    """{{chem|H|2|O}} -> "H2O"."""
    return "".join(arguments.numbered) or None


def _show_nihongo(arguments: Arguments) -> str | None:
    """{{nihongo|English|kanji|rōmaji}} -> "English (kanji, rōmaji)"."""
    english = arguments.get("1", "")
    original = ", ".join(part for part in arguments.numbered[1:3] if part)
    return f"{english} ({original})" if english and original else english or original or None


def _show_missing_link(arguments: Arguments) -> str | None:
    """{{ill|Title|de|Titel}}, formerly {{ill|de|Title}} -> "Title"."""
    label = _argument("lt", "texte", "fr")(arguments)
    titles = (part for part in arguments.numbered if not _LANGUAGE_CODE.fullmatch(part))
    return label or next(titles, None)


_LANGUAGE_CODE = re.compile("[a-z]{2,3}")
# {{'}}, {{' "}}, {{'s}}, {{-"}}: quotation marks with a thin space between or before.
_QUOTATION_MARKS = re.compile("-? *+['’‘\"“”`][ '’‘\"“”`]*+s?-?")

# Texts, and the names of the templates that show them.
_TEXTS = {
    "–": "ndash|en dash|endash|nbndash|–",
    "—": "mdash|em dash|emdash|mdashb|—",
    " – ": "snd|snds|spnd|sndash|spndash|spaced ndash|spaced en dash|space ndash|dash",
    " — ": "smd|smds|spmd|spaced mdash|spaced em dash",
    "-": "hyphen|nbhyph|nbhyphen",
    "−": "minus|−",
    "±": "±|+-|plusminus|plus-minus",
    "×": "×|times",
    " ": "nbsp|nbs|space|spaces|nnbsp|nnbs|ensp|en space|emsp|em space|thinsp|thinspace|thin space|"
    "hairsp|hair space|figure space|pad|gap|espace|espaces",
    " · ": "·|dot|middot|interpunct",
    " • ": "•|bullet",
    " / ": "\\|slash",
    "…": "...|…|ellipsis",
    "'": "apostrophe|apos",
    "|": "!|pipe",
    "=": "=|equals",
    "{": "(",
    "}": ")",
    "{{": "((",
    "}}": "))",
    "[": "!(",
    "]": ")!",
    "°": "deg|degree",
}
_MARKS = {
    BREAK: "break|br|crlf|clear|clr|-|clear left|clear right",
    SEAM: "anchor|anchors|shy|wbr|zwsp|zwj|wj|nowrap begin|nowrap end|defaultsort:|displaytitle:",
}
_MONEY = {"$": "us$|usd", "A$": "a$|aud", "C$": "c$|cad", "£": "gbp", "€": "eur", "₹": "inr"}
_YEARS = {"c. ": "circa|c.|ca.", "fl. ": "fl.|floruit", "r. ": "reign|r."}
_SHIPS = "hmas|hmcs|hms|rms|ss|uss"

# Renderings, and the names of their templates: "lang-" covers all names with this beginning.
_SHOWN: tuple[tuple[_Renderer, str], ...] = (
    # They only format their first argument.
    (
        _argument("1"),
        "nowrap|nobr|nobreak|nobold|noitalic|normal|small|smaller|petit|big|bigger|large|larger|"
        "sub|sup|sc|smallcaps|small caps|em|strong|bold|italic|mono|var|mvar|math|underline|"
        "abbr|abbreviation|abréviation|tooltip|vanchor|visible anchor|linktext|kbd|keypress|"
        "key press|sic|chem2|nastaliq|nq|flag|flagcountry|nts|formatnum:",
    ),
    (_argument("1"), "lang-|ruby|ruby-|furigana|ふりがな|ルビ|読み仮名|読み仮名 ruby不使用"),
    # The first is the language, script, colour or order of the second.
    (_argument("2"), "lang|langue|langx|script|color|colour|couleur|font color|sort"),
    (_show_last, "transl|translit|transliteration|rtl-lang|resize"),
    (_around("⟨", "⟩"), "angbr|angle bracket"),
    (_around("« ", " »"), "citation"),  # of French; English references have named arguments
    (
        _around(BREAK * 2, BREAK * 2, "text", "quote"),
        "quote|blockquote|block quote|bquote|cquote|quotation|zitat",
    ),
    (_show_missing_link, "ill|interlanguage link|lien"),
    (_show_joined, "chem|gaps"),
    (_show_nihongo, "nihongo"),
    (show_converted, "convert|cvt|convertir|converter"),
    (show_quantity, "unité|unidad|nombre|num"),
    (show_uncertain, "val"),
    (show_fraction, "frac|sfrac|fraction"),
    (show_power, "e"),
    (show_as_of, "as of"),
    (
        show_date,
        "birth date|birth date and age|death date|death date and age|start date|"
        "start date and age|end date",
    ),
)


def _list_renderers() -> dict[str, _Renderer]:
    found = [(_text(text), names) for text, names in _TEXTS.items()]
    found += [(_markup(mark), names) for mark, names in _MARKS.items()]
    found += [(_around(symbol), names) for symbol, names in _MONEY.items()]
    found += [(_year(before), names) for before, names in _YEARS.items()]
    found += [(_around(f"{ship.upper()} "), ship) for ship in _SHIPS.split("|")]
    found += _SHOWN
    return {name: renderer for renderer, names in found for name in names.split("|")}


_RENDERERS = _list_renderers()
