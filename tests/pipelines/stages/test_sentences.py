"""The steps of the sentences stage, as plain functions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.partitions import Layout
from bertdata.duplicates.find import DROPPED
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.errors import InputError
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import SentencesWork, plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.runs import name_table
from bertdata.progress.workplace import FileRecord
from bertdata.sentences.blocks import blocks_schema, first_order
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.shards import write_passing
from pipelines.stages import sentences
from pipelines.stages.sentences import (
    Block,
    BlockCoder,
    ReadDocuments,
    _add_up,
    _find_read,
    clean_block,
    count_repeated,
    read_blocks,
    read_names,
    split_block,
    write_sentences,
)
from tests.block_tables import documents_of, make_blocks, rows_of_file

TEXTS = ["One is here. Two is there.", "", "Three.", "Four and more. Five."]
LAYOUT = Layout(num_partitions=3, num_files=2, seed=1)


@pytest.fixture
def plan(tmp_path: Path) -> StagePlan:
    lines = [json.dumps({"id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(TEXTS)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    corpus = CorpusConfig(name="c", format="jsonl", paths=("*.jsonl",), id_field="id")
    corpora = Corpora(configs=(corpus,), base=str(tmp_path))
    return plan_sentences(tmp_path / "sentences", corpora, SentencesConfig(), 1)


def work_of(plan: StagePlan) -> SentencesWork:
    assert isinstance(plan.work, SentencesWork)
    return plan.work


@pytest.mark.parametrize(
    ("characters", "sizes"), [(1, [1, 2, 1]), (30, [3, 1]), (10_000, [4])], ids=str
)
def test_blocks_are_numbered_and_the_last_one_says_so(
    characters: int, sizes: list[int], plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "_BLOCK_CHARACTERS", characters)
    (unit,) = work_of(plan).units
    blocks = list(read_blocks((7, unit)))
    assert [len(block.items) for block in blocks] == sizes
    names = [f"00007-{number:05d}" for number in range(len(sizes))]
    assert [block.name for block in blocks] == [*names[:-1], f"{names[-1]}-last"]
    places = [sum(sizes[:number]) for number in range(len(sizes))]
    assert [block.order for block in blocks] == [first_order(7, place) for place in places]
    assert [item.document for block in blocks for item in block.items] == ["d0", "d1", "d2", "d3"]


def test_a_unit_without_documents_is_an_empty_last_block(
    plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it counts as read."""
    monkeypatch.setattr(sentences, "read_unit", lambda unit: iter(()))
    (unit,) = work_of(plan).units
    assert list(read_blocks((0, unit))) == [Block("00000-00000-last", 0, [])]
    (table,) = split_block(Block("00000-00000-last", 0, []), work_of(plan))
    assert table.num_rows == 0


def test_a_block_is_cleaned_and_split_under_its_name(plan: StagePlan) -> None:
    (unit,) = work_of(plan).units
    (block,) = read_blocks((0, unit))
    (cleaned,) = clean_block(block, CleaningConfig(min_characters=10))
    assert cleaned[:2] == block[:2]
    kinds = [Document, Rejection, Rejection, Document]
    assert [type(item) for item in cleaned.items] == kinds
    (table,) = split_block(cleaned, work_of(plan))
    assert table.schema.metadata == {b"bertdata.name": b"00000-00000-last"}
    assert table["reason"].to_pylist() == ["", "empty", "too_short", ""]
    assert table["sentences"].to_pylist() == [
        ["One is here.", "Two is there."],
        [],
        [],
        ["Four and more.", "Five."],
    ]


def test_a_block_travels_as_it_is() -> None:
    block = Block("00000-00001", 5, documents_of(TEXTS))
    coder = BlockCoder()
    assert coder.decode(coder.encode(block)) == block
    assert coder.estimate_size(block) > 0


def write(plan: StagePlan, number: int, dropped: list[pa.Table] | None = None) -> list[Any]:
    blocks = list(make_blocks(documents_of(TEXTS, "c"), LAYOUT, 2))
    tables = {"documents": rows_of_file(blocks, number), "equal": dropped or []}
    schema = blocks_schema(Fingerprints())
    return list(write_sentences((number, tables), plan.workplace, LAYOUT, schema))


def test_a_file_is_written_with_its_record_and_the_names_of_its_documents(plan: StagePlan) -> None:
    records = []
    for number in range(LAYOUT.num_files):
        record, tagged = write(plan, number)
        assert isinstance(tagged, beam.pvalue.TaggedOutput)
        assert tagged.tag == "names"
        (read,) = read_names(record, plan.folder)
        for table in (tagged.value, read):  # as they are written, and as a later run finds them
            assert table.schema.metadata == {b"bertdata.name": f"{number:05d}".encode()}
        assert sorted(map(str, read.to_pylist())) == sorted(map(str, tagged.value.to_pylist()))
        records.append(record)
    assert list(plan.workplace.read_records().values()) == records
    assert sum(record.counts["documents_written"] for record in records) == 3
    assert sum(record.counts["documents_rejected"] for record in records) == 1


def test_a_file_without_rows_is_written_too(plan: StagePlan) -> None:
    schema = blocks_schema(Fingerprints())
    record, tagged = write_sentences((1, {"documents": []}), plan.workplace, LAYOUT, schema)
    first, end = LAYOUT.ranges[1]
    assert record.counts["documents_per_partition"] == [0] * (end - first)
    assert tagged.value.num_rows == 0


def test_what_is_dropped_is_not_among_the_names(plan: StagePlan) -> None:
    block = next(make_blocks(documents_of(TEXTS, "c"), LAYOUT, 4)).to_pylist()[0]
    row = {"order": 0, "file": block["file"], "sentence": -1, "reason": "duplicate", "detail": "x"}
    gone = pa.Table.from_pylist([row], schema=DROPPED)
    record, tagged = write(plan, block["file"], [gone])
    assert record.counts["rejected"]["duplicate"] == 1
    assert block["document_id"] not in tagged.value["document_id"].to_pylist()


def names(*rows: tuple[int, int]) -> pa.Table:
    ids, hashes = zip(*rows)
    columns = [pa.array(ids, pa.uint64()), pa.array(hashes, pa.uint64())]
    return name_table(pa.table(columns, names=["document_id", "name_hash"]), "x")


def test_repeated_ids_are_those_of_another_text() -> None:
    tables = {"new": [names((1, 7), (2, 7)), names((3, 8))], "old": [names((3, 8), (4, 7))]}
    assert list(count_repeated((0, tables))) == [2]
    assert list(count_repeated((0, {"new": [], "old": []}))) == []


def test_too_little_is_an_error_with_the_way_out(plan: StagePlan) -> None:
    counts = {
        "documents_written": 0,
        "documents_per_partition": [0],
        "sources": {"c": {"rejected": 4}},
    }
    record = FileRecord(number=0, shards=(), counts=counts)
    with pytest.raises(InputError, match="corpus 'c'"):
        sentences._finish(plan, work_of(plan), plan.workplace, [record], [])
    names = {path.name for path in plan.workplace.folder.iterdir()}
    assert names == {"unusable"}


def test_partitions_are_counted_in_the_order_of_the_files() -> None:
    records = [
        FileRecord(number=n, shards=(), counts={"documents_per_partition": counts, "n": n})
        for n, counts in enumerate([[3, 0], [5], [7, 1]])
    ]
    assert _add_up(records) == {"documents_per_partition": [3, 0, 5, 7, 1], "n": 3}


@pytest.mark.parametrize(
    ("names", "is_read"),
    [
        (["00000-last"], True),
        (["00000", "00001-last"], True),
        (["00000", "00001"], False),  # the last block did not come
        (["00001-last"], False),  # the first one is lost
        (["00000", "00002-last"], False),
    ],
)
def test_a_unit_is_read_once_all_its_blocks_are_there(
    names: list[str], is_read: bool, tmp_path: Path
) -> None:
    for name in names:
        write_passing(tmp_path / f"documents-00007-{name}.arrow", DROPPED, [])
    found = [tmp_path / f"documents-00007-{name}.arrow" for name in names]
    assert _find_read(tmp_path) == ({7: found} if is_read else {})


def test_the_largest_units_are_read_first(plan: StagePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[Any] = []

    def create(elements: list[Any]) -> beam.PTransform:
        created.extend(elements)
        return CREATE(elements)

    monkeypatch.setattr(sentences.beam, "Create", create)
    (unit,) = work_of(plan).units
    units = tuple(replace(unit, bytes=size) for size in (5, 9, 7, 9))
    work = replace(work_of(plan), units=units)
    _ = beam.Pipeline() | ReadDocuments(work, plan.workplace, (2,))
    assert [(number, found.bytes) for number, found in created] == [(1, 9), (3, 9), (0, 5)]


CREATE = beam.Create


def test_the_counts_of_all_files_are_added_up(plan: StagePlan) -> None:
    records = [write(plan, number)[0] for number in range(LAYOUT.num_files)]
    work = work_of(plan)
    manifest = sentences._finish(plan, work, plan.workplace, records, [1, 2])
    assert manifest.counts["repeated_ids"] == 3
    assert manifest.counts["documents_read"] == 4
    per_partition = manifest.counts["documents_per_partition"]
    assert len(per_partition) == LAYOUT.num_partitions
    assert sum(per_partition) == manifest.counts["documents_written"] == 3
    assert manifest.counts["sources"] == {"c": {"written": 3, "rejected": 1}}
