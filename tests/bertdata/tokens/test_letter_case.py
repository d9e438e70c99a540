"""Whether a vocabulary has capital letters."""

from __future__ import annotations

from bertdata.tokens.letter_case import is_cased, is_uncased

SMALL = [f"word{number}" for number in range(1000)]


def test_special_pieces_do_not_count() -> None:
    assert not is_cased([*SMALL, "[CLS]", "<S>", "[UNUSED1]"])
    assert is_uncased([*SMALL, "[CLS]"])


def test_a_few_oddities_do_not_make_a_vocabulary_cased() -> None:
    assert not is_cased([*SMALL, "McX", "QX"])
    assert is_cased([*SMALL, *(f"Word{number}" for number in range(20))])
    assert is_cased(["A", "B", "C", "d"])  # a share, in a small vocabulary


def test_a_script_without_case_is_neither() -> None:
    pieces = [chr(0x4E00 + number) for number in range(100)]
    assert not is_cased(pieces)
    assert not is_uncased(pieces)
