"""Files of sentences: every document in its partition, every one accounted for."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.partitions import assign_partitions
from bertdata.errors import DataError
from bertdata.sentences import files as sentence_files
from bertdata.sentences.files import PoolReader, iterate_sentences, write_sentences
from bertdata.storage.shards import open_arrow

texts = st.lists(st.text("ab. ", min_size=1, max_size=20), max_size=20)


def split_words(texts: pa.StringArray) -> pa.ListArray:
    return pa.array([text.split() for text in texts.to_pylist()], pa.list_(pa.string()))


def _documents(texts: list[str]) -> list[Document | Rejection]:
    return [
        Document(source="s", document=f"d{number}", text=text)
        if text.strip()
        else Rejection(source="t", document=f"d{number}", reason="empty", detail="")
        for number, text in enumerate(texts)
    ]


@given(texts, st.integers(1, 7), st.integers(1, 60))
def test_every_document_is_found_in_its_partition(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], partitions: int, round_size: int
) -> None:
    folder = tmp_path_factory.mktemp("sentences")
    path, rejected = folder / "s.arrow", folder / "r.arrow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_files, "_ROUND_BYTES", 20 * round_size)
        patch.setattr(sentence_files, "_BATCH_BYTES", 1)
        patch.setattr(sentence_files, "_BLOCK_CHARACTERS", round_size)
        shards, counts = write_sentences(
            path, rejected, _documents(texts), split_words, partitions, seed=3
        )
    kept = {f"d{n}": text.split() for n, text in enumerate(texts) if text.strip()}
    found = {}
    reader = PoolReader([path], partitions)
    for partition in range(partitions):
        table = reader.read(partition, partition + 1)
        ids = table["document_id"].to_numpy()
        assert (assign_partitions(ids, partitions, 3) == partition).all()
        assert table.num_rows == counts["documents_per_partition"][partition]
        found.update(zip(table["document"].to_pylist(), table["sentences"].to_pylist()))
    assert found == kept
    assert counts["documents_read"] == len(texts)
    assert counts["documents_written"] == len(kept) == shards[0].rows
    assert (
        counts["documents_rejected"] == len(texts) - len(kept) == counts["rejected"].get("empty", 0)
    )
    assert rejected.exists() == (len(kept) < len(texts)) == (len(shards) == 2)
    sentences = [s for batch in iterate_sentences(path) for s in batch.to_pylist()]
    assert counts["sentences"] == len(sentences)
    assert counts["text_bytes"] == sum(len(s.encode()) for s in sentences)


def test_given_sentences_are_not_split_again(tmp_path: Path) -> None:
    document = Document(source="s", document="d", text="", sentences=("a b.", "c. d."))
    path = tmp_path / "s.arrow"
    write_sentences(path, tmp_path / "r.arrow", [document], split_words, 2, seed=1)
    table = PoolReader([path], 2).read(0, 2)
    assert table["sentences"].to_pylist() == [["a b.", "c. d."]]


@pytest.mark.parametrize("most_open", [0, 2, 128])
def test_several_files_make_one_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_open: int
) -> None:
    monkeypatch.setattr(sentence_files, "_MAX_OPEN_FILES", most_open)
    paths = [tmp_path / f"{n}.arrow" for n in range(3)]
    for number, path in enumerate(paths):
        documents = [Document(source="s", document=f"{number}.{i}", text="x") for i in range(5)]
        write_sentences(path, tmp_path / "r.arrow", documents, split_words, 4, seed=1)
    reader = PoolReader(paths, 4)
    everything = reader.read(0, 4)
    assert everything.num_rows == 15
    halves = [reader.read(first, first + 2) for first in (0, 2)]
    assert min(half.num_rows for half in halves) > 0
    found = [name for half in halves for name in half["document"].to_pylist()]
    assert sorted(found) == sorted(everything["document"].to_pylist())
    assert reader.read(0, 4).equals(everything)


def test_files_of_other_partitions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.arrow"
    write_sentences(path, tmp_path / "r.arrow", [], split_words, 3, seed=1)
    with open_arrow(path) as reader:
        assert reader.num_record_batches == 3
    with pytest.raises(DataError, match="not a multiple of 2"):
        PoolReader([path], 2).read(0, 1)


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.arrow"
    table = pa.table({"x": [1]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="format version none"):
        PoolReader([path], 1).read(0, 1)
    table = table.replace_schema_metadata({"bertdata.version": "1"})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="has columns x: int64, expected document_id"):
        PoolReader([path], 1).read(0, 1)
