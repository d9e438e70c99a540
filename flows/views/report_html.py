"""HTML as a tree of elements; any text is escaped when it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from flows.wording import printable

_Content = Element | str

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f5f6f8; --line: #d5d9e0;
  --text: #1b1f27; --faint: #5b6472; --first: #2563c9; --second: #c2570c; --mark: #0c7a53; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --card: #1e232b; --line: #39414d;
  --text: #e8ebf0; --faint: #a3adbb; --first: #6ea8ff; --second: #ffa15c; --mark: #4cc38a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 64rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; }
p, figcaption, footer { color: var(--faint); } p { margin: .3rem 0 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1.5rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border-radius: .5rem; padding: .75rem 1rem; }
.tiles strong { display: block; font-size: 1.35rem; line-height: 1.3; }
.tiles span { color: var(--faint); font-size: .85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr));
  gap: 1rem 2rem; align-items: start; }
figure { margin: 1rem 0 0; max-width: 40rem; } figcaption { font-size: .9rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; } .first { fill: var(--first); }
.second { fill: var(--second); } .mark { fill: var(--mark); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.first { stroke: var(--first); } .line.second { stroke: var(--second); }
.line.mark { stroke: var(--mark); stroke-dasharray: 6 4; }
.line.first, .line.second, .line.mark { fill: none; }
table { border-collapse: collapse; margin: .5rem 0; width: 100%; font-size: .95rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left;
  vertical-align: top; } th { font-weight: 600; width: 38%; }
code { font: .85rem ui-monospace, monospace; } summary { cursor: pointer; margin-top: .75rem; }
footer { margin-top: 3rem; font-size: .85rem; }
"""


def element(tag: str, *contents: _Content, **attributes: object) -> Element:
    """An element; attribute names are written without a final "_" and with "-" for "_"."""
    made = Element(tag)
    for name, value in attributes.items():
        made.set(name.rstrip("_").replace("_", "-"), printable(str(value)))
    last: Element | None = None
    for content in contents:
        if isinstance(content, Element):
            made.append(content)
            last = content
        elif last is None:
            made.text = (made.text or "") + printable(content)
        else:
            last.tail = (last.tail or "") + printable(content)
    return made


def page(title: str, body: Iterable[Element]) -> str:
    """A complete HTML page without external resources."""
    style = Element("style")
    style.text = _STYLE
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        style,
    )
    root = element("html", head, element("body", *body), lang="en")
    return (
        "<!DOCTYPE html>\n" + ElementTree.tostring(root, encoding="unicode", method="html") + "\n"
    )


def section(title: str, *contents: Element) -> Element:
    """A titled part of the page."""
    return element("section", element("h2", title), *contents)


def tiles(facts: Iterable[tuple[str, str]]) -> Element:
    """Headline numbers: (number, its name)."""
    return element(
        "ul",
        *(element("li", element("strong", value), element("span", name)) for value, name in facts),
        class_="tiles",
    )


def facts_table(rows: Iterable[tuple[str, str]]) -> Element:
    """A table of names and values."""
    return element(
        "table",
        *(
            element("tr", element("th", name, scope="row"), element("td", value))
            for name, value in rows
        ),
    )


def code_table(rows: Iterable[tuple[str, str]]) -> Element:
    """A table of names and values, both as code."""
    return element(
        "table",
        *(
            element(
                "tr",
                element("th", element("code", name), scope="row"),
                element("td", element("code", value)),
            )
            for name, value in rows
        ),
    )


def plots(figures: Sequence[Element]) -> Element:
    """Figures and tables side by side if there is space."""
    return element("div", *figures, class_="plots")


def figure(plot: Element, caption: str) -> Element:
    """A plot with its caption below."""
    return element("figure", plot, element("figcaption", caption))


def details(title: str, *contents: Element) -> Element:
    """A part that opens on a click."""
    return element("details", element("summary", title), *contents)
