"""Columns of fingerprints beside the rows of documents."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bertdata.corpus.documents import Document, Rejection
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.duplicates.minhash import make_signature

LONG = "A sentence that is certainly longer than forty bytes."
TEXTS = [[LONG, "Short."], [], ["Short."], [LONG]]


def columns(texts: list[list[str]], **wanted: bool) -> pa.Table:
    """The fingerprints of these documents; one without sentences is rejected."""
    items = [
        Document(source="c", document=str(n), text=" ".join(text))
        if text
        else Rejection(source="c", document=str(n), reason="empty", detail="")
        for n, text in enumerate(texts)
    ]
    fingerprints = Fingerprints(**wanted)
    arrays = fingerprints.columns(items, pa.array(texts, pa.list_(pa.string())))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fingerprints.fields))


@pytest.mark.parametrize("similar", [False, True])
@pytest.mark.parametrize("sentences", [False, True])
def test_only_what_is_needed_is_made(similar: bool, sentences: bool) -> None:
    wanted = ["signature"] * similar + ["sentence_hashes"] * sentences
    assert columns(TEXTS, similar=similar, sentences=sentences).column_names == wanted


def test_short_sentences_have_no_hash_and_equal_ones_the_same() -> None:
    first, rejected, second, third = columns(TEXTS, sentences=True)["sentence_hashes"].to_pylist()
    assert second == [0]
    assert rejected == []
    assert first[1] == 0
    assert first[0] == third[0] != 0


def test_forty_bytes_are_counted_not_letters() -> None:
    texts = [["x" * 39, "x" * 40, "é" * 19, "é" * 20]]
    (hashes,) = columns(texts, sentences=True)["sentence_hashes"].to_pylist()
    assert [value != 0 for value in hashes] == [False, True, False, True]


def test_sentences_of_a_slice_are_its_own() -> None:
    lists = pa.array(TEXTS, pa.list_(pa.string()))[2:]
    items = [Document(source="c", document=str(n), text="x") for n in range(2)]
    (found,) = Fingerprints(sentences=True).columns(items, lists)
    whole = columns(TEXTS, sentences=True)["sentence_hashes"].to_pylist()
    assert found.to_pylist() == whole[2:]


def test_signatures_are_of_the_text_and_zero_for_rejected_ones() -> None:
    found = columns(TEXTS, similar=True)["signature"].to_pylist()
    wanted = [make_signature(" ".join(text)).tolist() for text in TEXTS]
    assert found == [wanted[0], [0] * len(wanted[0]), *wanted[2:]]
