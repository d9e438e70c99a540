"""What a link points to: a page, a file, or something beside the page."""

from __future__ import annotations

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.namespaces import make_namespaces

GERMAN = make_namespaces([(0, ""), (6, "Datei"), (-2, "Medium"), (14, "Kategorie"), (4, "Hilfe")])


@pytest.mark.parametrize(
    ("target", "is_file", "is_aside"),
    [
        ("Seite", False, False),
        ("Datei:Bild", True, False),
        ("File:Bild.png", True, False),
        ("Unknown:x.svg ", True, False),
        ("Kategorie:Buchstaben", False, True),
        (" category :x", False, True),
        ("en:Page", False, True),
        ("be-x-old:x", False, True),
        ("doi:10.1000/1", False, False),
        ("Hilfe:x", False, False),
        (":x", False, False),
    ],
)
def test_targets(target: str, is_file: bool, is_aside: bool) -> None:
    assert GERMAN.is_file(target) == is_file
    assert GERMAN.is_aside(target) == is_aside
