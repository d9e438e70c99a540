"""The language converter's -{…}-: the first variant is shown."""

from __future__ import annotations

import pytest

from bertdata.corpus.formats.wikipedia.wikitext.variants import choose_variants


@pytest.mark.parametrize(
    ("wikitext", "language", "shown"),
    [
        ("a-{zh-hans:计算机; zh-hant:電腦}-b", "zh", "a计算机b"),
        ("a-{zh-hans:计算机; zh-hant:電腦}-b", "en", "a计算机b"),
        ("-{text}-", "zh-yue", "text"),
        ("-{text}-", "sr", "text"),
        ("-{text}-", None, "text"),
        ("-{text}-", "en", "-{text}-"),
        ("a-{H|zh-hans:x; zh-hant:y}-b", "zh", "ab"),
        ("a-{T|title}-b", "zh", "ab"),
        ("-{zh|-{zh-hans:x; zh-hant:y}-}-", "zh", "x"),
    ],
)
def test_one_variant_is_shown(wikitext: str, language: str | None, shown: str) -> None:
    assert choose_variants(wikitext, language) == shown
