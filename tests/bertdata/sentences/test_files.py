"""Files of sentences: every document in its partition, every one accounted for."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.find import DROPPED
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.errors import DataError
from bertdata.sentences import files as sentence_files
from bertdata.sentences.blocks import blocks_schema
from bertdata.sentences.files import iterate_sentences, read_documents, read_ranges, write_file
from bertdata.storage.schema import REJECTED, SENTENCES
from bertdata.storage.shards import open_arrow
from tests.block_tables import BarSplitter, documents_of, make_blocks, rows_of_file

texts = st.lists(st.text("ab| ", max_size=12), max_size=20)
layouts = st.builds(
    lambda files, more: Layout(num_partitions=files + more, num_files=files, seed=3),
    st.integers(1, 4),
    st.integers(0, 5),
)


def write_all(
    folder: Path, items: list[Document | Rejection], layout: Layout, size: int = 3, seed: int = 0
) -> dict[int, dict[str, object]]:
    """The files of all documents, whose blocks come in some order; the counts of each."""
    blocks = list(make_blocks(items, layout, size))
    random.Random(seed).shuffle(blocks)
    empty = blocks_schema(Fingerprints()).empty_table()
    found = {}
    for number in range(layout.num_files):
        rows = [empty, *rows_of_file(blocks, number)]
        found[number] = write_file(folder, number, layout, rows, []).counts
    return found


def names_of(folder: Path, kind: str = "sentences") -> list[str]:
    return sorted(path.name for path in folder.glob(f"{kind}-*"))


def read_all(folder: Path, layout: Layout, first: int, end: int) -> list[dict[str, object]]:
    tables = read_documents(folder, names_of(folder), layout, first, end)
    return [row for table in tables for row in table.to_pylist()]


@given(texts, layouts, st.integers(1, 5), st.integers(0, 3))
def test_a_partition_holds_its_documents_in_the_order_of_the_input(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    layout: Layout,
    size: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("sentences")
    items = documents_of(texts)
    counts = write_all(folder, items, layout, size, seed)
    wanted: dict[int, list[str]] = defaultdict(list)
    for block in make_blocks(items, layout, size):
        partitions = layout.partitions_of(block["document_id"].to_numpy()).tolist()
        for row, partition in zip(block.to_pylist(), partitions):
            if not row["reason"]:
                wanted[partition].append(row["document"])
    per_partition = [n for table in counts.values() for n in table["documents_per_partition"]]
    for partition in range(layout.num_partitions):
        rows = read_all(folder, layout, partition, partition + 1)
        assert [row["document"] for row in rows] == wanted[partition]
        assert per_partition[partition] == len(rows)
    split = BarSplitter().split_all(pa.array(texts, pa.string())).to_pylist()
    found = {row["document"]: row["sentences"] for row in read_all(folder, layout, 0, 99)}
    assert found == {f"d{n}": split[n] for n, text in enumerate(texts) if text.strip()}


@given(texts, layouts)
def test_every_document_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], layout: Layout
) -> None:
    folder = tmp_path_factory.mktemp("sentences")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_files, "_REJECTED_ROWS", 2)
        counts = write_all(folder, documents_of(texts), layout)
    total: Counter[str] = Counter()
    for number, table in counts.items():
        ending = f"{number:05d}-of-{layout.num_files:05d}.arrow"
        sentences = [
            s
            for batch in iterate_sentences(folder / f"sentences-{ending}")
            for s in batch.to_pylist()
        ]
        assert table["sentences"] == len(sentences)
        assert table["text_bytes"] == sum(len(s.encode()) for s in sentences)
        rejected = folder / f"rejected-{ending}"
        assert rejected.exists() == bool(table["documents_rejected"])
        total.update({name: count for name, count in table.items() if isinstance(count, int)})
    gone = sum(not text.strip() for text in texts)
    assert total["documents_read"] == len(texts)
    assert total["documents_written"] == len(texts) - gone
    assert total["documents_rejected"] == gone
    rows = []
    for name in names_of(folder, "rejected"):
        with open_arrow(folder / name) as reader:
            assert reader.schema == REJECTED
            rows += reader.read_all().to_pylist()
    assert sorted(row["document"] for row in rows) == sorted(
        f"d{n}" for n, text in enumerate(texts) if not text.strip()
    )


def test_sentences_that_are_dropped_are_counted(tmp_path: Path) -> None:
    """Also the first one of a document; not whole documents, which are rejected."""
    layout = Layout(num_partitions=1, num_files=1, seed=1)
    (block,) = make_blocks(documents_of(["a|b|c", "d", "e|f"]), layout, 3)
    first, second, third = block["order"].to_pylist()
    rows = [(first, 0), (first, 2), (second, -1), (third, 1)]
    dropped = pa.Table.from_pylist(
        [
            {"order": order, "file": 0, "sentence": n, "reason": "duplicate", "detail": "before"}
            for order, n in rows
        ],
        schema=DROPPED,
    )
    counts = write_file(tmp_path, 0, layout, [block], [dropped]).counts
    assert (counts["sentences_dropped"], counts["sentences"]) == (3, 2)
    assert counts["rejected"] == {"duplicate": 1}


def test_the_record_names_its_files_and_documents(tmp_path: Path) -> None:
    layout = Layout(num_partitions=2, num_files=1, seed=1)
    (block,) = make_blocks(documents_of(["a|b", "", "c"]), layout, 3)
    written = write_file(tmp_path, 0, layout, [block], [])
    assert [(shard.path, shard.rows) for shard in written.shards] == [
        ("sentences-00000-of-00001.arrow", 2),
        ("rejected-00000-of-00001.arrow", 1),
    ]
    assert written.kept.to_pylist() == [
        {"document_id": row["document_id"], "name_hash": row["name_hash"]}
        for row in block.to_pylist()
        if not row["reason"]
    ]
    assert written.counts["sources"] == {"s": {"written": 2, "rejected": 1}}
    assert written.counts["rejected"] == {"empty": 1}


def test_pools_lie_across_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(num_partitions=7, num_files=3, seed=1)
    write_all(tmp_path, documents_of([f"text {n}" for n in range(60)]), layout)
    everything = read_all(tmp_path, layout, 0, 7)
    assert len(everything) == 60
    for first, end in ((0, 7), (1, 5), (2, 3), (4, 4)):
        pieces = [
            read_all(tmp_path, layout, *part) for part in ((0, first), (first, end), (end, 7))
        ]
        assert [row for piece in pieces for row in piece] == everything
    monkeypatch.setattr(sentence_files, "_READ_BYTES", 1)
    assert read_all(tmp_path, layout, 0, 7) == everything
    tables = list(read_documents(tmp_path, names_of(tmp_path), layout, 0, 7))
    assert len(tables) == 7


@pytest.mark.parametrize("ranges", [[(0, 7)], [(0, 1), (1, 5), (5, 7)], [(2, 3), (3, 3), (3, 6)]])
def test_ranges_that_follow_each_other_are_read_at_one_go(
    ranges: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(num_partitions=7, num_files=3, seed=1)
    write_all(tmp_path, documents_of([f"text {n}" for n in range(60)]), layout)
    wanted = [read_all(tmp_path, layout, *some) for some in ranges]
    opened = []

    def note(location: Path, **options: Any) -> Any:
        opened.append(location.name)
        return open_arrow(location, **options)

    monkeypatch.setattr(sentence_files, "open_arrow", note)
    monkeypatch.setattr(sentence_files, "_READ_BYTES", 1)
    found = read_ranges(tmp_path, names_of(tmp_path), layout, ranges)
    assert [[row for table in some for row in table.to_pylist()] for some in found] == wanted
    files = layout.files_of(np.arange(ranges[0][0], ranges[-1][1]))
    assert opened == [names_of(tmp_path)[number] for number in np.unique(files)]


def test_files_of_other_partitions_are_refused(tmp_path: Path) -> None:
    layout = Layout(num_partitions=3, num_files=1, seed=1)
    write_all(tmp_path, [], layout)
    with open_arrow(tmp_path / names_of(tmp_path)[0]) as reader:
        assert reader.num_record_batches == 3
    other = Layout(num_partitions=2, num_files=1, seed=1)
    with pytest.raises(DataError, match="has 3 batches, expected 2"):
        read_all(tmp_path, other, 0, 1)


def write_table(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    layout = Layout(num_partitions=1, num_files=1, seed=1)
    path = tmp_path / "sentences-00000-of-00001.arrow"
    table = pa.table({"x": [1]})
    write_table(path, table)
    with pytest.raises(DataError, match="format version none"):
        read_all(tmp_path, layout, 0, 1)
    write_table(path, table.replace_schema_metadata({"bertdata.version": "2"}))
    with pytest.raises(DataError, match="has columns x: int64, expected document_id"):
        read_all(tmp_path, layout, 0, 1)


def test_files_of_the_first_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "sentences-00000-of-00001.arrow"
    old = SENTENCES.with_metadata({"bertdata.version": "1"})
    write_table(path, old.empty_table())
    with pytest.raises(DataError, match="has format version 1, this program reads 2"):
        read_all(tmp_path, Layout(num_partitions=1, num_files=1, seed=1), 0, 1)
    with pytest.raises(DataError, match="has format version 1, this program reads 2"):
        list(iterate_sentences(path))
