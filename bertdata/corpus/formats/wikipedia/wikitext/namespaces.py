"""What a link points to: a page, a file, or something beside the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FILE_NAMES = ("file", "image", "media")
_CATEGORY_NAMES = ("category",)
_MEDIA_FILE = re.compile(
    r"\.(?:jpe?g|png|svg|gif|webp|tiff?|xcf|djvu|pdf|stl|midi?|og[agv]|opus|mp3|flac|wav|webm|mpe?g)"
    r"\s*$",
    re.IGNORECASE,
)
# Two or three letters, or the long codes: [[de:Seite]] links the page to its translation.
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,}){0,2}|simple|be-x-old")
_NOT_LANGUAGES = frozenset(("doi", "rfc", "pmid", "mw", "irc", "hdl", "oai"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Namespaces:
    """The names, in lower case, that a wiki uses for the namespaces whose links are not prose.

    English names are valid on every wiki.
    """

    files: frozenset[str] = frozenset(_FILE_NAMES)
    categories: frozenset[str] = frozenset(_CATEGORY_NAMES)

    def is_file(self, target: str) -> bool:
        """Whether a link to this target shows a file."""
        prefix, colon, rest = target.partition(":")
        return bool(colon and prefix.strip()) and (
            _lower(prefix) in self.files or bool(_MEDIA_FILE.search(rest))
        )

    def is_aside(self, target: str) -> bool:
        """Whether a link to this target is shown beside the page: a category or a translation."""
        prefix, colon, _ = target.partition(":")
        name = prefix.strip()
        if not colon or not name:
            return False
        is_language = bool(_LANGUAGE.fullmatch(name)) and name not in _NOT_LANGUAGES
        return is_language or _lower(name) in self.categories


def make_namespaces(names: Iterable[tuple[int, str]]) -> Namespaces:
    """The names from the (key, name) pairs of a dump's <siteinfo>."""
    known = [(key, _lower(name)) for key, name in names if name]
    files = {name for key, name in known if key in (-2, 6)}
    categories = {name for key, name in known if key == 14}
    return Namespaces(
        files=frozenset(files.union(_FILE_NAMES)),
        categories=frozenset(categories.union(_CATEGORY_NAMES)),
    )


def _lower(name: str) -> str:
    return name.strip().lower().replace("_", " ")
