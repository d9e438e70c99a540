"""Blocks: a row per document in order, for the file of its partition, whatever the cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.identity import hash_documents
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.sentences import blocks
from bertdata.sentences.blocks import blocks_schema, first_order, make_block
from tests.block_tables import BarSplitter, documents_of

NOTHING = Fingerprints()
ALL = Fingerprints(similar=True, sentences=True)

layouts = st.builds(
    lambda files, more: Layout(num_partitions=files + more, num_files=files, seed=3),
    st.integers(1, 4),
    st.integers(0, 5),
)
texts = st.lists(st.text("ab| ", max_size=12), max_size=12)


@given(texts, layouts, st.integers(0, 3), st.integers(0, 9))
def test_a_row_per_document_in_order_for_the_file_of_its_partition(
    texts: list[str], layout: Layout, unit: int, place: int
) -> None:
    items = documents_of(texts)
    table = make_block(items, first_order(unit, place), BarSplitter(), layout, NOTHING)
    table.validate(full=True)
    assert table["document"].to_pylist() == [item.document for item in items]
    assert table["order"].to_pylist() == [first_order(unit, place + n) for n in range(len(items))]
    is_kept = np.array([isinstance(item, Document) for item in items], np.bool_)
    assert [reason == "" for reason in table["reason"].to_pylist()] == is_kept.tolist()
    ids, files = table["document_id"].to_numpy(), table["file"].to_numpy()
    assert (ids[~is_kept] == 0).all()
    assert (files[~is_kept] == unit % layout.num_files).all()
    ranges = np.array([layout.ranges[file] for file in files[is_kept]]).reshape(-1, 2)
    partitions = layout.partitions_of(ids[is_kept])
    assert ((ranges[:, 0] <= partitions) & (partitions < ranges[:, 1])).all()


@given(texts, st.integers(1, 20))
def test_how_much_is_split_at_a_time_changes_nothing(texts: list[str], characters: int) -> None:
    layout = Layout(num_partitions=4, num_files=2, seed=1)
    items = documents_of(texts)
    whole = make_block(items, 5, BarSplitter(), layout, ALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_SPLIT_CHARACTERS", characters)
        cut = make_block(items, 5, BarSplitter(), layout, ALL)
    assert whole.schema == cut.schema == blocks_schema(ALL)
    assert whole.combine_chunks().equals(cut.combine_chunks())


def test_ids_are_of_name_and_sentences() -> None:
    items = documents_of(["one|two", "", "three"])
    table = make_block(items, 0, BarSplitter(), Layout(num_partitions=1, num_files=1, seed=0), ALL)
    lists = pa.array([["one", "two"], [], ["three"]], pa.list_(pa.string()))
    hashes = hash_documents([("s", f"d{n}") for n in range(3)], lists)
    ids = hashes.document_ids().tolist()
    assert table["document_id"].to_pylist() == [ids[0], 0, ids[2]]
    assert table["name_hash"].to_pylist() == hashes.names.tolist()
    halves = zip(table["hash_high"].to_pylist(), table["hash_low"].to_pylist())
    assert list(map(list, halves)) == hashes.texts.tolist()
    assert table["place"].to_pylist() == ["line 0", "", "line 2"]
    assert table["detail"].to_pylist() == ["", "-", ""]


def test_given_sentences_are_not_split_again() -> None:
    items = [
        Document(source="s", document="d", text="", sentences=("a|b.", "c d.")),
        Rejection(source="s", document="e", reason="empty", detail="-"),
    ]
    layout = Layout(num_partitions=2, num_files=1, seed=1)
    table = make_block(items, 0, BarSplitter(), layout, NOTHING)
    assert table["sentences"].to_pylist() == [["a|b.", "c d."], []]


def test_lines_that_cleaning_dropped_are_noted() -> None:
    items = [Document(source="s", document="d", text="a", lines_dropped=3), *documents_of([""])]
    layout = Layout(num_partitions=1, num_files=1, seed=1)
    table = make_block(items, 0, BarSplitter(), layout, NOTHING)
    assert table["lines_dropped"].to_pylist() == [3, 0]


def test_units_come_one_after_the_other() -> None:
    assert first_order(0) == 0
    assert first_order(1) > first_order(0, 2**32 - 1)
    assert first_order(70_000, 5) > first_order(70_000, 4) > first_order(69_999, 2**31)
