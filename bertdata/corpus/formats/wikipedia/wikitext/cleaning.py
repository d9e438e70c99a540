"""The steps from the wikitext of a page to its prose."""

from __future__ import annotations

import html
import re

from bertdata.corpus.formats.wikipedia.wikitext.brackets import resolve_brackets
from bertdata.corpus.formats.wikipedia.wikitext.elements import (
    remove_comments,
    remove_elements,
    remove_readings,
    remove_tags,
)
from bertdata.corpus.formats.wikipedia.wikitext.gaps import close_gaps
from bertdata.corpus.formats.wikipedia.wikitext.marks import (
    ANY_MARK,
    BREAK,
    GAP,
    protect,
    unprotect,
)
from bertdata.corpus.formats.wikipedia.wikitext.namespaces import Namespaces
from bertdata.corpus.formats.wikipedia.wikitext.paragraphs import (
    drop_empty_sections,
    split_paragraphs,
)
from bertdata.corpus.formats.wikipedia.wikitext.quotes import remove_quotes
from bertdata.corpus.formats.wikipedia.wikitext.variants import choose_variants

_EXTERNAL = re.compile(r"\[(?:[a-zA-Z]{3,9}:)?//[^\s\[\]]*+[ \t]*+([^\[\]\n]*+)\]")
# __NOTOC__ and the like in any language, but not __init__.
_MAGIC_WORD = re.compile(r"__(?:(?!__)[^\W\da-z]){2,40}__")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def clean_wikitext(
    wikitext: str, namespaces: Namespaces | None = None, language: str | None = None
) -> str:
    """The prose of a page; blank lines between paragraphs, headings and list items.

    A heading without prose below it, such as that of a list of references, is dropped. `language`:
    the wiki's, as "zh"; it decides whether -{…}- is always markup. None (unknown): it is.

    clean_wikitext("'''A''' is [[letter|the first]].{{cite}}") -> "A is the first."
    """
    text = remove_comments(ANY_MARK.sub("", wikitext))
    text = remove_readings(remove_elements(text))
    if "-{" in text:
        text = choose_variants(text, language)
    text = resolve_brackets(text, namespaces or Namespaces())
    text = remove_quotes(remove_tags(text))
    text = text.replace(BREAK, "\n")
    text = _EXTERNAL.sub(_show_external, text)
    text = _MAGIC_WORD.sub("", text)
    text = _ENTITY.sub(_unescape, text)
    text = close_gaps(text)
    return unprotect("\n\n".join(drop_empty_sections(split_paragraphs(text))))


def _show_external(match: re.Match[str]) -> str:
    return match[1] or GAP


def _unescape(match: re.Match[str]) -> str:
    char = html.unescape(match[0])
    return " " if char == "\xa0" else protect(char)
