"""Wikitext to prose: what a reader of the page would read aloud, headings and paragraphs kept.

`cleaning` has the steps in order; each of the other modules handles one part of wikitext:
`elements` (comments, nowiki, tags), `variants` (-{…}-), `brackets` (templates, tables, links),
`templates` (those with a plain rendering), `quotes` ('' and '''), `gaps` (the text on both sides of
something removed), `paragraphs`, `namespaces` and `marks`.
"""

from __future__ import annotations

from bertdata.corpus.formats.wikipedia.wikitext.cleaning import clean_wikitext
from bertdata.corpus.formats.wikipedia.wikitext.namespaces import Namespaces, make_namespaces

__all__ = ["Namespaces", "clean_wikitext", "make_namespaces"]
