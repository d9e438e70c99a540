"""The steps that find duplicates, as plain functions: buckets together find what one table does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.find import DROPPED, find_equal, list_sentences
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.progress.runs import Grouped, name_table
from pipelines.stages.duplicates import (
    DROPPED_TAGS,
    add_bucket,
    attach_in_bucket,
    bands_of,
    equal_in_bucket,
    fingerprints_for,
    pairs_in_bucket,
    repeated_in_bucket,
    select_kept,
    sentences_in_file,
    similar_in_bucket,
)
from pipelines.tables import KeepTables
from tests.block_tables import make_blocks
from tests.pipelines.beam_runs import collect

LAYOUT = Layout(num_partitions=4, num_files=2, seed=1)
ALL = Fingerprints(similar=True, sentences=True)
NUM_BUCKETS = 3
HASHES = ("order", "file", "document_id", "hash_high", "hash_low")
SIGNED = ("order", "file", "document_id", "signature")


def some_items() -> list[Document | Rejection]:
    """Texts of long sentences, of which some are equal, similar, or have sentences in common."""
    chance = random.Random(5)
    said = [
        " ".join(f"{chance.choice('abcdefgh')}{chance.randrange(99)}" for _ in range(40))
        for _ in range(12)
    ]
    texts = ["|".join(chance.sample(said, 6)) for _ in range(10)]
    texts += [texts[3], texts[5] + "|x", "", texts[3], texts[0].replace("a1", "b1"), said[2]]
    return [
        Document(source="s", document=str(n), text=text, place=f"line {n}")
        if text
        else Rejection(source="s", document=str(n), reason="empty", detail="-")
        for n, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def blocks() -> list[pa.Table]:
    found = make_blocks(some_items(), LAYOUT, 4, ALL)
    return [name_table(table, f"{number:05d}") for number, table in enumerate(found)]


def in_buckets(
    tables: dict[str, tuple[list[pa.Table], str]],
    function: Callable[[Grouped], Iterator[pa.Table]],
) -> list[pa.Table]:
    """What a function finds in all buckets. `tables`: by tag, and the column of their buckets."""
    bucketed = {
        tag: [add_bucket(table, by, NUM_BUCKETS) for table in given]
        for tag, (given, by) in tables.items()
    }
    found = []
    for bucket in range(NUM_BUCKETS):
        grouped = {tag: of_key(some, "bucket", bucket) for tag, some in bucketed.items()}
        made = list(function((bucket, grouped)))
        names = [table.schema.metadata[b"bertdata.name"] for table in made]
        assert names in ([], [f"{bucket:05d}".encode()])
        found += made
    return found


def of_key(tables: list[pa.Table], by: str, key: int) -> list[pa.Table]:
    parts = [table.filter(pa.compute.equal(table[by], key)) for table in tables]
    return [part for part in parts if len(part)]


def rows(tables: list[pa.Table]) -> list[str]:
    return sorted(str(row) for table in tables for row in table.to_pylist())


def similar(blocks: list[pa.Table], similarity: float = 0.8) -> list[pa.Table]:
    signed = [select_kept(block, SIGNED) for block in blocks]
    bands = [bands_of(table) for table in signed]
    pairs = in_buckets({"bands": (bands, "key")}, pairs_in_bucket)
    halves = in_buckets(
        {"pairs": (pairs, "earlier"), "earlier": (signed, "order")}, attach_in_bucket
    )
    return in_buckets(
        {"halves": (halves, "later"), "later": (signed, "order")},
        lambda grouped: similar_in_bucket(grouped, similarity),
    )


def test_the_fingerprints_that_a_cleaning_needs() -> None:
    assert fingerprints_for(CleaningConfig()) == Fingerprints()
    cleaning = CleaningConfig(near_duplicates="drop", duplicate_sentences="drop")
    assert fingerprints_for(cleaning) == ALL


def test_rejected_documents_are_not_compared(blocks: list[pa.Table], tmp_path: Path) -> None:
    tables = [select_kept(block, HASHES) for block in blocks]
    assert [table.column_names for table in tables] == [list(HASHES)] * len(blocks)
    assert sum(map(len, tables)) == len(some_items()) - 1
    named = [table.schema.metadata[b"bertdata.name"] for table in tables]
    assert named == [f"{number:05d}".encode() for number in range(len(blocks))]
    made = collect(
        lambda pipeline: (
            pipeline
            | beam.Create(blocks).with_output_types(pa.Table)
            | KeepTables("documents", "file", tmp_path)
            | beam.Map(select_kept, ("order", "document_id"))
        )
    )
    assert rows(made) == rows([table.select(["order", "document_id"]) for table in tables])


def test_buckets_find_equal_documents(blocks: list[pa.Table]) -> None:
    hashes = [select_kept(block, HASHES) for block in blocks]
    found = in_buckets({"hashes": (hashes, "hash_high")}, equal_in_bucket)
    whole = find_equal(pa.concat_tables(hashes))
    assert rows(found) == rows([whole])
    assert len(whole) == 2


def test_buckets_find_similar_documents(blocks: list[pa.Table]) -> None:
    found = [row for table in similar(blocks) for row in table.to_pylist()]
    orders = [order for block in blocks for order in block["order"].to_pylist()]
    assert {orders.index(row["order"]) for row in found} == {10, 11, 13}
    assert all(row["detail"].startswith("much the same text as document_id ") for row in found)
    assert {row["reason"] for row in found} == {"near_duplicate"}
    assert rows(similar(blocks[::-1])) == rows(similar(blocks))


def test_buckets_find_repeated_sentences_of_kept_documents(blocks: list[pa.Table]) -> None:
    hashes = [select_kept(block, HASHES) for block in blocks]
    equal = find_equal(pa.concat_tables(hashes))
    hashed = [select_kept(block, ("order", "file", "sentence_hashes")) for block in blocks]
    listed = []
    for file in range(LAYOUT.num_files):
        of_file = {
            "hashed": of_key(hashed, "file", file),
            "equal": of_key([equal], "file", file),
        }
        listed += sentences_in_file((file, of_file))
    assert rows(listed) == rows([list_sentences(pa.concat_tables(hashed), equal)])
    found = in_buckets({"sentences": (listed, "hash")}, repeated_in_bucket)
    seen: set[str] = set()
    wanted = []
    gone = set(equal["order"].to_pylist())
    for block in blocks:
        for row in block.to_pylist():
            for place, sentence in enumerate(row["sentences"] if row["order"] not in gone else ()):
                if sentence in seen and len(sentence) >= 40:
                    wanted.append((row["order"], place))
                seen.add(sentence)
    places = [(r["order"], r["sentence"]) for table in found for r in table.to_pylist()]
    assert sorted(places) == wanted
    assert len(wanted) > 10


@pytest.mark.parametrize("tag", DROPPED_TAGS[:2])
def test_documents_that_are_dropped_make_no_sentence_repeated(
    tag: str, blocks: list[pa.Table]
) -> None:
    """Whether they are equal to another or similar."""
    hashed = [select_kept(block, ("order", "file", "sentence_hashes")) for block in blocks]
    orders = pa.concat_tables(hashed)["order"].to_pylist()
    row = {"file": 0, "sentence": -1, "reason": "duplicate", "detail": "before"}
    dropped = pa.Table.from_pylist([{"order": orders[0], **row}], schema=DROPPED)
    (whole,) = sentences_in_file((0, {"hashed": hashed}))
    (left,) = sentences_in_file((0, {"hashed": hashed, tag: [dropped]}))
    assert set(left["order"].to_pylist()) == set(whole["order"].to_pylist()) - {orders[0]}
    assert len(left) < len(whole)


@pytest.mark.parametrize(
    ("function", "tags"),
    [
        (equal_in_bucket, ["hashes"]),
        (pairs_in_bucket, ["bands"]),
        (attach_in_bucket, ["pairs", "earlier"]),
        (lambda grouped: similar_in_bucket(grouped, 0.8), ["halves", "later"]),
        (sentences_in_file, ["hashed"]),
        (repeated_in_bucket, ["sentences"]),
    ],
)
def test_an_empty_bucket_is_nothing(
    function: Callable[[Grouped], Iterator[pa.Table]], tags: list[str]
) -> None:
    assert list(function((0, {tag: [] for tag in tags}))) == []


def test_documents_without_any_duplicate_are_no_rows(blocks: list[pa.Table]) -> None:
    hashes = select_kept(blocks[0], HASHES)
    (found,) = equal_in_bucket((0, {"hashes": [hashes]}))
    assert found.schema.remove_metadata() == DROPPED
    assert found.num_rows == 0
    bands = bands_of(select_kept(blocks[0], SIGNED))
    (pairs,) = pairs_in_bucket((0, {"bands": [bands.slice(0, 1)]}))
    assert pairs.num_rows == 0
    assert add_bucket(pairs, "earlier", 3).num_rows == 0


def test_the_bucket_of_a_value_is_its_own() -> None:
    table = name_table(pa.table({"x": pa.array(range(3000), pa.uint64())}), "name")
    whole = add_bucket(table, "x", NUM_BUCKETS)
    assert whole.schema.metadata == table.schema.metadata
    part = add_bucket(table.slice(100, 5), "x", NUM_BUCKETS)
    assert part["bucket"].to_pylist() == whole["bucket"].to_pylist()[100:105]
    sizes = [whole["bucket"].to_pylist().count(bucket) for bucket in range(NUM_BUCKETS)]
    assert min(sizes) > 800
