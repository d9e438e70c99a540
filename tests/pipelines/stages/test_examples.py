"""The steps of the examples stage, as plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertdata.errors import DataError, InputError
from bertdata.examples.statistics import no_examples
from bertdata.plans.examples import ExamplesGroup, ExamplesWork
from bertdata.progress.plan import StagePlan
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.sentences import files as sentence_files
from bertdata.storage.schema import SENTENCES
from bertdata.storage.shards import open_arrow
from pipelines.stages import examples
from pipelines.stages.examples import (
    Lazy,
    check_file,
    create_held_out,
    make_examples,
    open_examples,
    open_pools,
    read_pools,
    select_held_out,
    write_held_out,
    write_shards,
)
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> StagePlan:
    """Of sentences in several files."""
    folder = tmp_path_factory.mktemp("examples")
    write_books(folder / "books")
    stages = Stages(folder / "books", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertdata.corpus.partitions._PARTITION_BYTES", 4000)
        patch.setattr("bertdata.corpus.partitions._MIN_FILE_BYTES", 8000)
        make_stage(stages.sentences())
    make_stage(stages.vocabulary())
    return stages.examples()


def work_of(plan: StagePlan) -> ExamplesWork:
    assert isinstance(plan.work, ExamplesWork)
    return plan.work


def group_of(*pools: tuple[int, int], shards: int = 1) -> ExamplesGroup:
    return ExamplesGroup(number=1, pools=pools, shards=tuple(range(shards)))


def write(folder: Path, work: ExamplesWork, group: ExamplesGroup) -> FileRecord:
    made = open_examples(open_pools(group, work), work)
    workplace = Workplace(folder=folder / "x" / "y")
    (record,) = write_shards(made, work, workplace)
    assert workplace.read_records() == {group.number: record}
    return record


def held_out_of(work: ExamplesWork) -> list[pa.Table]:
    """The held-out documents of each file."""
    return [
        table
        for file in range(work.sentences.layout.num_files)
        for table in select_held_out(file, work)
    ]


def rows_of(folder: Path, record: FileRecord) -> pa.Table:
    return pa.concat_tables(pa.ipc.open_file(folder / s.path).read_all() for s in record.shards)


def test_a_lazy_iterable_is_made_each_time_it_is_iterated() -> None:
    made: list[int] = []

    def make(count: int) -> Iterator[int]:
        made.append(count)
        yield from range(count)

    lazy = Lazy(make, (3,))
    assert made == []
    assert list(lazy) == list(lazy) == [0, 1, 2]
    assert made == [3, 3]


def test_nothing_is_read_before_its_turn(plan: StagePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    work, read = work_of(plan), []

    def note(*arguments: Any) -> Iterator[list[pa.Table]]:
        for pool in arguments[-1]:
            read.append(pool)
            yield [SENTENCES.empty_table()]

    monkeypatch.setattr(examples, "read_ranges", note)
    made = open_examples(open_pools(group_of((0, 1), (1, 2)), work), work)
    assert read == []
    batches = iter(made.batches)
    for number, pool in enumerate([(0, 1), (1, 2)], start=1):
        assert next(batches).num_rows == 0
        assert (len(read), read[-1]) == (number, pool)


def test_a_group_opens_each_of_its_files_once(
    plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pools it has; and none that holds nothing of them."""
    work, opened = work_of(plan), []

    def note(location: Path, **options: Any) -> Any:
        opened.append(location.name)
        return open_arrow(location, **options)

    monkeypatch.setattr(sentence_files, "open_arrow", note)
    layout, names = work.sentences.layout, work.sentences.names
    assert layout.num_partitions > layout.num_files > 2
    for first, end in ((0, layout.num_partitions), layout.ranges[1]):
        opened.clear()
        pools = list(read_pools(group_of(*((n, n + 1) for n in range(first, end))), work))
        assert len(pools) == end - first > 1
        assert opened == (names if first == 0 else names[1:2])


def test_pools_of_a_split_hold_its_documents_alone(plan: StagePlan) -> None:
    work = work_of(plan)
    end = work.sentences.layout.num_partitions
    assert len(work.sentences.shards) > 1
    tables = {"train": list(read_pools(group_of((0, end)), work)), "validation": held_out_of(work)}
    ids = {
        split: {i for table in some for i in table["document_id"].to_pylist()}
        for split, some in tables.items()
    }
    assert ids["train"]
    assert ids["validation"]
    assert not ids["train"] & ids["validation"]
    cut = read_pools(group_of(*((n, n + 1) for n in range(end))), work)
    assert {i for table in cut for i in table["document_id"].to_pylist()} == ids["train"]


def test_one_worker_reads_many_pools_into_one_shard(plan: StagePlan, tmp_path: Path) -> None:
    work = work_of(plan)
    apart = [write(tmp_path / str(pool), work, group_of(pool)) for pool in ((0, 3), (3, 6))]
    together = write(tmp_path / "together", work, group_of((0, 3), (3, 6)))
    counts = [record.counts["train"]["examples"] for record in (*apart, together)]
    assert counts[2] == counts[0] + counts[1]
    assert min(counts) > 0
    assert [shard.rows for shard in together.shards] == [counts[2]]


def test_one_pool_is_cut_into_several_shards(plan: StagePlan, tmp_path: Path) -> None:
    work = work_of(plan)
    whole = write(tmp_path / "whole", work, group_of((0, 3)))
    cut = write(tmp_path / "cut", work, group_of((0, 3), shards=3))
    assert [s.path for s in cut.shards] == [f"train-0000{n}-of-00003.arrow" for n in range(3)]
    assert rows_of(tmp_path / "cut", cut).equals(rows_of(tmp_path / "whole", whole))
    assert cut.counts == whole.counts


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_shards_hold_the_same_examples(
    compression: str, plan: StagePlan, tmp_path: Path
) -> None:
    work, records = work_of(plan), {}
    for name in ("none", compression):
        config = replace(work.examples, compression=name)
        records[name] = write(tmp_path / name, replace(work, examples=config), group_of((0, 9)))
    plain, packed = records["none"], records[compression]
    assert sum(s.bytes for s in packed.shards) < sum(s.bytes for s in plain.shards)
    assert rows_of(tmp_path / compression, packed).equals(rows_of(tmp_path / "none", plain))


def test_held_out_documents_are_in_their_pools(plan: StagePlan) -> None:
    work = work_of(plan)
    for table in held_out_of(work):
        partitions = work.sentences.layout.partitions_of(table["document_id"].to_numpy())
        for pool, partition in zip(table["pool"].to_pylist(), partitions.tolist()):
            first, end = work.held_out[pool]
            assert first <= partition < end


def test_each_pool_may_be_a_single_partition(plan: StagePlan) -> None:
    end = work_of(plan).sentences.layout.num_partitions
    work = replace(work_of(plan), held_out=tuple((n, n + 1) for n in range(end)))
    for table in held_out_of(work):
        partitions = work.sentences.layout.partitions_of(table["document_id"].to_numpy())
        assert table["pool"].to_pylist() == partitions.tolist()


def test_a_held_out_record_that_comes_twice_counts_once(plan: StagePlan) -> None:
    counts = {**no_examples(), "examples": 5, "pieces": 50}
    training = FileRecord(number=1, shards=(), counts={"train": counts})
    held_out = FileRecord(number=0, shards=(), counts={"validation": counts})
    manifest = examples._finish(plan, 128, [training], [], [held_out, held_out])
    assert [manifest.counts[name]["examples"] for name in ("train", "validation")] == [5, 5]


def test_held_out_documents_are_gone_through_once(plan: StagePlan, tmp_path: Path) -> None:
    """And training documents `dupe_factor` times."""
    work, counts = work_of(plan), {}
    for factor in (1, 3):
        changed = replace(work, examples=replace(work.examples, dupe_factor=factor))
        grouped = {"held out": held_out_of(changed)}
        held_out = [*create_held_out((0, grouped), changed)]
        workplace = Workplace(folder=tmp_path / str(factor) / "y" / "z")
        (record,) = write_held_out(held_out, changed, workplace)
        counts["validation", factor] = record.counts["validation"]["examples"]
        pools = read_pools(group_of((0, 9)), changed)
        counts["train", factor] = sum(b.num_rows for b in make_examples(pools, changed))
    assert counts["validation", 1] == counts["validation", 3] > 0
    assert counts["train", 3] > 2 * counts["train", 1]


def test_held_out_examples_are_written_pool_after_pool(plan: StagePlan, tmp_path: Path) -> None:
    """Whichever comes first of the workers that made them."""
    work = work_of(plan)
    (made,) = create_held_out((0, {"held out": held_out_of(work)}), work)
    size = len(made) // 3
    pools = [made.slice(n * size, size) for n in range(3)]
    numbers = [pa.array([number] * size, pa.int32()) for number in range(3)]
    pools = [t.set_column(t.num_columns - 1, "pool", n) for t, n in zip(pools, numbers)]
    found = []
    for name, order in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
        workplace = Workplace(folder=tmp_path / name / "y" / "z")
        (record,) = write_held_out([pools[n] for n in order], work, workplace)
        found.append(record.shards)
    assert found[0] == found[1]
    assert found[0][0].rows == 3 * size > 0


def test_nothing_held_out_is_an_empty_shard(plan: StagePlan, tmp_path: Path) -> None:
    workplace = Workplace(folder=tmp_path / "y" / "z")
    (record,) = write_held_out([], work_of(plan), workplace)
    assert record.counts["validation"]["examples"] == 0
    assert [shard.rows for shard in record.shards] == [0]


def test_a_file_is_as_its_manifest_says(plan: StagePlan, tmp_path: Path) -> None:
    sentences = work_of(plan).sentences
    shard = sentences.shards[0]
    workplace = Workplace(folder=tmp_path / "y" / "z")
    assert list(check_file(shard, sentences.folder, workplace)) == [shard.path]
    with pytest.raises(DataError, match="sha256"):
        list(check_file(replace(shard, sha256="0" * 64), sentences.folder, workplace))


def test_what_was_made_beside_a_damaged_file_is_made_again(plan: StagePlan, tmp_path: Path) -> None:
    """It may have been made from that file."""
    sentences = work_of(plan).sentences
    workplace = Workplace(folder=tmp_path / "y" / "z")
    workplace.write_record(FileRecord(number=1, shards=(), counts={}))
    list(check_file(sentences.shards[0], sentences.folder, workplace))
    workplace.start_again()
    assert list(workplace.read_records()) == [1]
    with pytest.raises(DataError, match="sha256"):
        list(check_file(replace(sentences.shards[0], sha256="0" * 64), sentences.folder, workplace))
    workplace.start_again()
    assert workplace.read_records() == {}


def test_a_corpus_without_training_examples_is_refused(plan: StagePlan) -> None:
    names = ("examples", "pieces", "predicted", "masked", "kept", "replaced", "random_next")
    counts = dict.fromkeys(names, 0)
    records = [
        FileRecord(number=group.number, shards=(), counts={"train": counts})
        for group in work_of(plan).groups
    ]
    with pytest.raises(InputError, match="too small for a single training example"):
        examples._finish(plan, 128, records, [], [])


def test_a_vocabulary_that_changed_meanwhile_is_not_used(plan: StagePlan, tmp_path: Path) -> None:
    work = replace(work_of(plan), vocabulary_sha256="0" * 64)
    with pytest.raises(DataError, match=r"vocab\.txt changed while it was read; run again once"):
        write(tmp_path, work, group_of((0, 1)))


def test_the_largest_groups_come_first(plan: StagePlan) -> None:
    work = work_of(plan)
    assert [group.number for group in work.groups] == list(range(1, len(work.groups) + 1))
    assert plan.units == [work.held_out, *map(asdict, work.groups)]
