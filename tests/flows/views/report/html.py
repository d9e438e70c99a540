"""A strict reader of the report's HTML."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Checker(HTMLParser):
    """Collects tags, attributes and text; fails on a tag that is not closed by its own end."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.text += " "
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str | None]:
        """The values of an attribute, on whatever elements."""
        return [value for key, value in self.attributes if key == name]


def parse(html: str) -> _Checker:
    """Read a page. In `text`, white space and starts of elements are one space."""
    checker = _Checker()
    checker.feed(html)
    checker.close()
    assert not checker.open
    checker.text = " ".join(checker.text.split())
    return checker
