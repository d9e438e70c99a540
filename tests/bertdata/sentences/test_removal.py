"""A unit's file without duplicates, and the documents that were dropped."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from bertdata.corpus.documents import Rejection
from bertdata.sentences.files import SentenceCounts
from bertdata.sentences.removal import merge_rejections, write_kept
from bertdata.storage.schema import REJECTED, REMOVALS, SENTENCES, fingerprints_schema
from bertdata.storage.shards import open_arrow, write_arrow

TEXTS = [["a", "b"], ["c"], ["d", "e", "f"], ["g"]]
ORDER = [2, 0, 3, 1]  # numbers of the documents in the order of the file


def read(path: Path) -> pa.Table:
    with open_arrow(path) as reader:
        return reader.read_all()


def make_unit(folder: Path) -> tuple[Path, Path]:
    rows = [
        {"document_id": n, "source": "c", "document": f"d{n}", "sentences": TEXTS[n]} for n in ORDER
    ]
    table = pa.Table.from_pylist(rows, schema=SENTENCES)
    write_arrow(folder / "draft.arrow", SENTENCES, table.to_batches(max_chunksize=3))
    schema = fingerprints_schema(0, 0, sentences=False)
    names = ("document_id", "number", "name_hash", "hash_high", "hash_low")
    prints = [{**dict.fromkeys(names, n), "place": f"line {n}" if n else ""} for n in ORDER]
    table = pa.Table.from_pylist(prints, schema=schema)
    write_arrow(folder / "prints.arrow", schema, table.to_batches())
    return folder / "draft.arrow", folder / "prints.arrow"


def removals(*rows: tuple[int, list[int], str]) -> pa.RecordBatch:
    names = ("number", "places", "detail")
    tables = [{**dict(zip(names, row)), "reason": "duplicate"} for row in rows]
    return pa.RecordBatch.from_pylist(tables, schema=REMOVALS)


def test_documents_and_sentences_are_dropped_and_reported(tmp_path: Path) -> None:
    draft, prints = make_unit(tmp_path)
    counts = SentenceCounts(num_partitions=2)
    dropped = removals((0, [1], "-"), (1, [], "equal to d0"), (2, [0, 2], "-"), (3, [0], "all"))
    _, rejections = write_kept(draft, tmp_path / "kept.arrow", prints, dropped, counts)
    kept = read(tmp_path / "kept.arrow")
    assert kept["document"].to_pylist() == ["d2", "d0"]
    assert kept["sentences"].to_pylist() == [["e"], ["a"]]
    assert [(r.document, r.detail) for r in rejections] == [
        ("d3", "line 3: all"),  # it lost its last sentence
        ("d1", "line 1: equal to d0"),
    ]
    assert counts.sentences == 2


def test_without_removals_the_file_is_the_same(tmp_path: Path) -> None:
    draft, prints = make_unit(tmp_path)
    counts = SentenceCounts(num_partitions=2)
    write_kept(draft, tmp_path / "kept.arrow", prints, removals(), counts)
    assert (tmp_path / "kept.arrow").read_bytes() == draft.read_bytes()


def test_later_rejections_follow_those_of_the_draft(tmp_path: Path) -> None:
    def rejection(document: str) -> Rejection:
        return Rejection(source="c", document=document, reason="duplicate", detail="x")

    merge_rejections(tmp_path / "draft.arrow", tmp_path / "missing.arrow", [rejection("d0")])
    path = tmp_path / "all.arrow"
    shard = merge_rejections(path, tmp_path / "draft.arrow", [rejection("d1"), rejection("d2")])
    table = read(path)
    assert table.schema.equals(REJECTED)
    assert table["document"].to_pylist() == ["d0", "d1", "d2"]
    assert shard.rows == 3
