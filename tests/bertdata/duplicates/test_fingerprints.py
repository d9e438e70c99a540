"""Fingerprints beside a file of sentences."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bertdata.corpus.documents import Document
from bertdata.corpus.identity import hash_documents
from bertdata.duplicates.fingerprints import FingerprintWriter
from bertdata.storage.schema import SENTENCES
from bertdata.storage.shards import open_arrow

LONG = "A sentence that is certainly longer than forty bytes."
TEXTS = [[LONG, "Short."], ["Short."], [LONG]]


def write(path: Path, *, similar: bool, sentences: bool) -> pa.Table:
    """The fingerprints of three documents, whose rows are written in reverse order."""
    writer = FingerprintWriter(path, similar, sentences)
    documents = [
        Document(source="c", document=str(n), text=" ".join(text), place=f"line {n}")
        for n, text in enumerate(TEXTS)
    ]
    lists = pa.array(TEXTS, pa.list_(pa.string()))
    hashes = hash_documents((("c", str(n)) for n in range(3)), lists)
    columns = [pa.array(hashes.document_ids()), ["c"] * 3, ["0", "1", "2"], lists]
    batch = pa.record_batch(columns, schema=SENTENCES)
    extended = writer.extend(batch, documents, hashes)
    shuffled = writer.split_off(extended.take(pa.array([2, 1, 0])))
    assert shuffled.equals(batch.take(pa.array([2, 1, 0])))
    writer.write()
    with open_arrow(path) as reader:
        return reader.read_all()


def test_rows_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    table = write(tmp_path / "f.arrow", similar=False, sentences=False)
    assert table["number"].to_pylist() == [2, 1, 0]
    assert table["place"].to_pylist() == ["line 2", "line 1", "line 0"]
    assert "signature" not in table.column_names


def test_short_sentences_have_no_hash_and_equal_ones_the_same(tmp_path: Path) -> None:
    table = write(tmp_path / "f.arrow", similar=False, sentences=True)
    third, second, first = table["sentence_hashes"].to_pylist()
    assert second == [0]
    assert first[1] == 0
    assert first[0] == third[0] != 0


def test_similar_documents_have_band_keys_and_signatures(tmp_path: Path) -> None:
    table = write(tmp_path / "f.arrow", similar=True, sentences=False)
    assert sum(name.startswith("band_") for name in table.column_names) == 25
    assert len(table["signature"][0]) == 125
