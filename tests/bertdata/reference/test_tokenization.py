"""The original's tokenizer, with a vocabulary of few pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.errors import VocabularyError
from bertdata.reference.tokenization import OriginalTokenizer

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "un",
    "##aff",
    "##able",
    ",",
    "deja",
    "東",
    "Un",
]


@pytest.fixture
def vocab_file(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("unaffable", ["un", "##aff", "##able"]),
        ("Unaffable, déjà", ["un", "##aff", "##able", ",", "deja"]),
        ("un\u00a0un\tun", ["un", "un", "un"]),
        ("unxaffable", ["[UNK]"]),
        ("東東un", ["東", "東", "un"]),
        ("un\u200baff\0able", ["un", "##aff", "##able"]),  # controls are removed
        ("un" + "a" * 199, ["[UNK]"]),
        ("", []),
    ],
)
def test_greedy_longest_match_first(text: str, pieces: list[str], vocab_file: Path) -> None:
    tokenizer = OriginalTokenizer(vocab_file)
    assert [PIECES[id_] for id_ in tokenizer.encode(text)] == pieces


def test_case_and_accents_are_kept_for_a_cased_vocabulary(vocab_file: Path) -> None:
    tokenizer = OriginalTokenizer(vocab_file, lowercase=False)
    assert [PIECES[id_] for id_ in tokenizer.encode("Un déjà")] == ["Un", "[UNK]"]


def test_a_repeated_piece_has_the_id_of_its_last_line(vocab_file: Path) -> None:
    vocab_file.write_text("\n".join([*PIECES, "un"]), encoding="utf-8")
    assert OriginalTokenizer(vocab_file).encode("un") == [len(PIECES)]


@pytest.mark.parametrize("text", ["[CLS]\n[SEP]\n[MASK]\n", ""])
def test_a_missing_special_piece_is_an_error(text: str, vocab_file: Path) -> None:
    vocab_file.write_text(text)
    with pytest.raises(VocabularyError, match=r"lacks \[UNK\]"):
        OriginalTokenizer(vocab_file)
    vocab_file.unlink()
    with pytest.raises(VocabularyError, match="cannot read vocabulary"):
        OriginalTokenizer(vocab_file)
