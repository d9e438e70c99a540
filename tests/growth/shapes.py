"""Texts that are hard for parsers: runs of one character, nested and unclosed markup."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

Shape = Callable[[int], str]

_RUNS = (
    *("a", " ", "\n", "\r", ".", "?", "'", '"', "(", "[", "{", "}", "<", ">", "&", "=", "-", "*"),
    *(
        "|",
        "#",
        ":",
        ",",
        "\\",
        "\t",
        "_",
        "1",
        "é",
        "\u0301",
        "\u00a0",
        "漢",
        "。",
        "「",
        "ก",
        "।",
    ),
)
# Repeated as often as fits.
_UNITS = (
    *(
        "a ",
        "a\n",
        "a. ",
        "A. B ",
        "a\n\n",
        " \n",
        "\r\n",
        '."',
        ".)",
        "。」",
        "「。",
        '。"',
        "ก ",
        "!a",
    ),
    *(
        "<div>",
        "<div>a",
        "<p>",
        "<p><b>x",
        "<table>",
        "<table><tr><td>",
        "<ul><li>",
        "<span>",
        "<a>",
    ),
    *("<!--", "<!-- -->", "<script>", "</p>", "<svg>", "<select><option>", "<article>x", "<a b='"),
    *(
        "&amp;",
        "&#1",
        "[[",
        "[[a|",
        "[[a]]",
        "{{",
        "{{a|",
        "{{{",
        "{|\n",
        "{|\n|a\n",
        "'''",
        "-{",
        "]]",
    ),
    *(
        "-{a:b;",
        "<ref>",
        "<nowiki>",
        "[http://a ",
        "== a ==\n",
        "* a\n",
        "__A",
        "|a=",
        ";;",
        "}}",
        "a{{b}}",
    ),
    *(
        '{"a":',
        "[{",
        '{"',
        '"\\',
        "a: b\n",
        " a\n",
        "a;b=c\n",
        "<page>",
        "<text>",
        "</page>",
        "Ã¼",
        "a-",
    ),
)
# An opening and its closing, each in half of the text.
_NESTS = (
    *(
        ("<div>", "</div>"),
        ("<b>", "</b>"),
        ("<table><tr><td>", "</td></tr></table>"),
        ("[[a|", "]]"),
    ),
    *(("{{a|", "}}"), ("{{lang|a|", "}}"), ("{|\n|", "\n|}"), ("-{", "}-"), ("(", ")"), ("[", "]")),
    *(
        ('"', "”"),
        ("「", "」"),
        ("<div>", "</p>"),
        ("<ref>", "</ref>"),
        ('{"a":', "}"),
        ("<div>", "<br>x"),
    ),
)


def _repeat(unit: str, size: int) -> str:
    return unit * (size // len(unit))


def _enclose(unit: str, size: int) -> str:
    return f"x{unit * size}x"


def _nest(opening: str, closing: str, size: int) -> str:
    count = size // (len(opening) + len(closing))
    return opening * count + "x" + closing * count


def _number(template: str, size: int) -> str:
    """The template with a different number each time."""
    return "".join(template.format(number) for number in range(size // (len(template) + 3)))


SHAPES: dict[str, Shape] = {
    **{f"{unit!r}…": partial(_repeat, unit) for unit in (*_RUNS, *_UNITS)},
    **{f"x{unit!r}…x": partial(_enclose, unit) for unit in _RUNS},
    **{
        f"{opening!r}…{closing!r}…": partial(_nest, opening, closing) for opening, closing in _NESTS
    },
    **{
        f"{template!r}": partial(_number, template)
        for template in (
            "<b c={}>",
            "<p><b c={}>x",
            "<font size={}>x",
            "w{} ",
            "w{}. W",
            "&a{};",
            "a{}: b\n",
        )
    },
    "attributes": lambda size: f"<p {_number('a{}=1 ', size)}>x",
    "attributes of <html>": partial(_number, "<html a{}=1>"),
    "comments in a script": lambda size: "<script>" + _repeat("<!--", size) + "</script>",
    "options": lambda size: "<select>" + _repeat("<option>x", size),
    "one word, then text": lambda size: "a" * (size // 2) + _repeat(" b.", size // 2),
}
