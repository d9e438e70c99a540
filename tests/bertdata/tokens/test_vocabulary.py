from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from bertdata.errors import VocabularyError
from bertdata.storage.locations import Address
from bertdata.tokens import vocabulary
from bertdata.tokens.vocabulary import (
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


def test_a_byte_order_mark_is_not_part_of_a_piece(tmp_path: Path) -> None:
    text = "".join(f"{piece}\n" for piece in (*SPECIAL_PIECES, "a"))
    (tmp_path / "vocab.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_vocabulary(tmp_path / "vocab.txt").tokens == (*SPECIAL_PIECES, "a")


@pytest.mark.parametrize(("size", "is_allowed"), [(6, True), (7, False)])
def test_ids_go_up_to_a_limit(
    size: int, is_allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "_MAX_SIZE", 6)
    pieces = (*SPECIAL_PIECES, "a", "b")[:size]
    table = {"model": {"vocab": {piece: n for n, piece in enumerate(pieces)}}, "added_tokens": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps(table))
    if is_allowed:
        assert read_vocabulary(tmp_path / "tokenizer.json").tokens == pieces
        return
    with pytest.raises(VocabularyError, match="a piece has the id 6; the maximum is 5"):
        read_vocabulary(tmp_path / "tokenizer.json")


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
        (b"", r"lacks the special piece \[PAD\]"),
        (b"[PAD]\n\xff\n", "not UTF-8 at byte 6"),
        (TINY.to_text().encode() + b"a\rb\n", "contains a line end"),
    ],
)
def test_bad_file_is_one_clear_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(data)
    with pytest.raises(VocabularyError, match=message) as caught:
        read_vocabulary(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


IDS = {"hu": 5, "##g": 6, "##": 7}


@pytest.mark.parametrize(
    ("text", "ids", "note"),
    [
        ("hu\n\n##g\n", {"hu": 5, "##g": 7}, "an empty line becomes a piece .*: line 7$"),
        ("hu\n##g\nhu\n", {"##g": 6, "hu": 7}, "the id of its last line: line 6$"),
        ("hu \n ##g\n\t##\n", IDS, "white space .* is ignored: line 6, 7, 8$"),
        ("hu\r\n##g\r\n##\r\n", IDS, ""),
        ("hu\n##g\n##\n\n \n", IDS, ""),
        ("[unused0]\n\n\nhu\n", {"[unused0]": 5, "hu": 8}, "line 7, 8$"),
        ("\n" * 9 + "hu\n", {"hu": 14}, "line 6, 7, 8 and 6 more$"),
    ],
)
def test_every_piece_keeps_the_number_of_its_line(
    tmp_path: Path, text: str, ids: dict[str, int], note: str
) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(("".join(f"{piece}\n" for piece in SPECIAL_PIECES) + text).encode())
    vocabulary = read_vocabulary(path)
    assert {piece: vocabulary.ids[piece] for piece in ids} == ids
    assert vocabulary.size == max(ids.values()) + 1
    assert vocabulary.special == TINY.special
    assert bool(vocabulary.notes) == bool(note)
    assert re.search(note, " ".join(vocabulary.notes))
    write_vocabulary(path, vocabulary)
    again = read_vocabulary(path)
    assert (again, again.notes) == (vocabulary, ())


def test_what_the_message_of_a_missing_special_piece_advises_works(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[unused0]\na\n", encoding="utf-8")
    with pytest.raises(VocabularyError, match=r"write it on the line .* such as \[unused0\]"):
        read_vocabulary(path)
    path.write_text(path.read_text("utf-8").replace("[unused0]", "[MASK]"), encoding="utf-8")
    assert read_vocabulary(path).ids["a"] == 5


@pytest.mark.parametrize("tokens", [(*SPECIAL_PIECES, "a", "a"), (*SPECIAL_PIECES, "", "a")])
def test_what_the_messages_of_bad_pieces_advise_keeps_ids(tokens: tuple[str, ...]) -> None:
    with pytest.raises(VocabularyError, match=r"put a piece .* such as \[unused0\]"):
        Vocabulary(tokens)
    assert Vocabulary((*tokens[:5], "[unused0]", "a")).ids["a"] == 6


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"none\.txt: No such file"):
        read_vocabulary(tmp_path / "none.txt")


def test_piece_with_a_line_end_is_refused() -> None:
    with pytest.raises(VocabularyError, match="contains a line end"):
        Vocabulary((*SPECIAL_PIECES, "a\nb"))


def test_a_vocabulary_may_be_at_an_address(s3: Address) -> None:
    vocabulary = Vocabulary((*SPECIAL_PIECES, "é", "##s"))
    write_vocabulary(s3 / "vocab.txt", vocabulary)
    assert read_vocabulary(s3 / "vocab.txt") == read_vocabulary(str(s3)) == vocabulary
    with pytest.raises(VocabularyError, match=rf"cannot read vocabulary {s3}/none\.txt: "):
        read_vocabulary(s3 / "none.txt")
