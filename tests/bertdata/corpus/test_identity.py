"""What tells documents apart: corpus, id and text, and nothing else."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.identity import DocumentHashes, count_repeated_ids, hash_documents, hash_rows
from bertdata.storage.schema import SENTENCES

names = st.tuples(st.text("ab", max_size=2), st.text("ab", max_size=2))
texts = st.lists(st.text("xyé", min_size=1, max_size=2), max_size=3)


def hashes_of(documents: list[tuple[tuple[str, str], list[str]]]) -> DocumentHashes:
    sentences = pa.array([text for _, text in documents], pa.list_(pa.string()))
    return hash_documents([name for name, _ in documents], sentences)


def id_of(source: str, document: str, *sentences: str) -> int:
    return int(hashes_of([((source, document), list(sentences))]).document_ids()[0])


def test_the_id_never_changes() -> None:
    """Examples are keyed by it; another value here would mean another result for every run."""
    assert id_of("wiki", "a", "One.", "Two.") == 755601376906192776


def test_the_id_is_of_corpus_and_id_and_text() -> None:
    assert id_of("wiki", "a", "One.") != id_of("wiki", "a", "Two.")
    assert id_of("wiki", "a", "One.") != id_of("web", "a", "One.")
    assert id_of("wiki", "a", "One.") != id_of("wiki", "b", "One.")
    assert id_of("ab", "c", "One.") != id_of("a", "bc", "One.")


@given(st.lists(st.tuples(names, texts), max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_neighbours_and_slices_make_no_difference(
    documents: list[tuple[tuple[str, str], list[str]]], start: int, length: int
) -> None:
    ids = hashes_of(documents).document_ids().tolist()
    assert ids == [id_of(*name, *text) for name, text in documents]
    rows = [
        {"document_id": 0, "source": name[0], "document": name[1], "sentences": text}
        for name, text in documents
    ]
    batch = pa.RecordBatch.from_pylist(rows, SENTENCES).slice(start, length)
    assert hash_rows(batch).document_ids().tolist() == ids[start : start + length]


@given(st.lists(st.tuples(names, texts), max_size=12))
def test_repeated_ids_are_those_of_other_texts(
    documents: list[tuple[tuple[str, str], list[str]]],
) -> None:
    hashes = hashes_of(documents)
    seen: dict[tuple[str, str], set[str]] = {}
    for name, text in documents:
        seen.setdefault(name, set()).add("".join(text))
    wanted = sum(len(different) - 1 for different in seen.values())
    assert count_repeated_ids(hashes.document_ids(), hashes.names) == wanted
