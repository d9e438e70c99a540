"""Parts of sentences, as a table and rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.word_parts import PartTable

TOGETHER = TokenizationConfig(split_chinese_characters=False)
CASED = TokenizationConfig(lowercase=False)


@pytest.mark.parametrize(
    ("config", "first"),
    [
        (TokenizationConfig(), ["ab", "中", "c", ".", "d"]),
        (TOGETHER, ["ab中c", ".", "d"]),
        (CASED, ["Ab", "中", "c", ".", "D"]),
    ],
)
def test_parts_are_cut_where_words_end(config: TokenizationConfig, first: list[str]) -> None:
    parts = PartTable(config, 100)
    rows, ends = parts.find_rows(pa.array(["Ab中c.D", "", " d  d "]))
    names = parts.table.keys_from(0).to_pylist()
    assert [names[row] for row in rows] == [*first, "d", "d"]
    assert ends.tolist() == [0, len(first), len(first), len(first) + 2]


def test_a_part_keeps_its_row() -> None:
    parts = PartTable(TokenizationConfig(), 100)
    assert parts.find_rows(pa.array(["a b"]))[0].tolist() == [0, 1]
    assert parts.find_rows(pa.array(["c B a"]))[0].tolist() == [2, 1, 0]


def test_text_for_which_no_room_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertdata.tokens.word_parts._TEXT_BYTES", 4)
    parts = PartTable(TokenizationConfig(), 100)
    assert parts.find_rows(pa.array(["a bc", "d ef g"]))[0].tolist() == [0, 1, 2, 3, 4]
    assert parts.find_rows(pa.array(["g a"]))[0].tolist() == [4, 0]
