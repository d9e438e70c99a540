from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from bertdata.errors import VocabularyError
from bertdata.vocabulary import (
    SPECIAL_PIECES,
    SpecialIds,
    Vocabulary,
    read_vocabulary,
    write_vocabulary,
)

TINY = Vocabulary((*SPECIAL_PIECES, "hu", "##g", "##"))


def test_tiny_vocabulary() -> None:
    assert TINY.size == 8
    assert TINY.ids["##g"] == 6
    assert TINY.special == SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
    np.testing.assert_array_equal(TINY.continuation, [False] * 6 + [True, True])


def test_vocabulary_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TINY.tokens = ()  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        TINY.continuation[0] = True


def test_write_then_read_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    write_vocabulary(path, TINY)
    assert path.read_bytes() == b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhu\n##g\n##\n"
    assert read_vocabulary(path) == TINY
    assert TINY.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [entry.name for entry in tmp_path.iterdir()] == ["vocab.txt"]


def test_last_line_end_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(TINY.to_text().encode().rstrip(b"\n"))
    assert read_vocabulary(path) == TINY


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("bert-base-uncased", 30522),
        ("bert-base-cased", 28996),
        ("bert-base-chinese", 21128),
        ("bert-base-multilingual-cased", 119547),
    ],
)
def test_reads_the_published_vocabularies(shared_data: Path, name: str, size: int) -> None:
    path = shared_data / "vocab" / f"{name}-vocab.txt"
    vocabulary = read_vocabulary(path)
    assert vocabulary.size == size
    assert vocabulary.special == SpecialIds(pad=0, unk=100, cls=101, sep=102, mask=103)
    assert vocabulary.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_unicode_line_separators_are_pieces(shared_data: Path) -> None:
    vocabulary = read_vocabulary(shared_data / "vocab" / "bert-base-chinese-vocab.txt")
    assert vocabulary.ids["\u2028"] == 343


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", r"vocab\.txt: .* lacks the special piece \[MASK\]"),
        (TINY.to_text().encode() + b"hu\n", "'hu' appears twice, as 5 and 8"),
        (TINY.to_text().encode() + b"\nz\n", r"piece 8 \(line 9\) is empty"),
        (b"", r"piece 0 \(line 1\) is empty"),
        (b"[PAD]\n\xff\n", "not UTF-8 at byte 6"),
        (TINY.to_text().replace("\n", "\r\n").encode(), "Windows line ends"),
    ],
)
def test_bad_file_is_one_clear_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(data)
    with pytest.raises(VocabularyError, match=message) as caught:
        read_vocabulary(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"none\.txt: No such file"):
        read_vocabulary(tmp_path / "none.txt")


def test_piece_with_a_line_end_is_refused() -> None:
    with pytest.raises(VocabularyError, match="holds a line end"):
        Vocabulary((*SPECIAL_PIECES, "a\nb"))
