"""Cards: Hugging Face's hub reads the head, people the rest."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given
from hypothesis import strategies as st

from bertdata.exports.cards import make_card, table_lines

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.just("é"))
NAMES = st.text("abc_", min_size=1)
LISTS = st.lists(TEXTS, min_size=1, max_size=3)
TABLES = st.dictionaries(NAMES, TEXTS | LISTS, min_size=1, max_size=3)
HEADS = st.dictionaries(
    NAMES, TEXTS | LISTS | st.lists(TABLES, min_size=1, max_size=3), min_size=1, max_size=4
)


@given(HEADS)
def test_the_head_is_read_as_it_is_meant(head: dict[str, Any]) -> None:
    _, text, _ = make_card(head, []).split("---\n")
    assert yaml.safe_load(text) == head


def test_norwegian_is_a_language() -> None:
    card = make_card({"license": "unknown", "language": ["no"]}, ["# Text"])
    for kind in (DatasetCard, ModelCard):
        read = kind(card)
        assert read.data.language == ["no"]
        assert read.text.strip() == "# Text"


def test_tables() -> None:
    rows = {"examples": 12345, "pairs": True, "seed": "12345"}
    assert list(table_lines(rows))[2:] == [
        "| examples | 12,345 |",
        "| pairs | yes |",
        "| seed | 12345 |",
    ]


@pytest.mark.parametrize("value", ["a: b", "- c", "'", '"', "# d", "é", "1"])
def test_texts_that_mean_something_in_yaml(value: str) -> None:
    assert yaml.safe_load(make_card({"a": value}, []).split("---\n")[1]) == {"a": value}
