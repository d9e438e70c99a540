"""`sentences/` and a vocabulary -> groups -> pools of documents -> examples -> `examples/`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PBegin, PCollection

from bertdata.config import Table
from bertdata.corpus.partitions import split_evenly
from bertdata.errors import DataError, InputError
from bertdata.examples.make import (
    create_examples,
    cut_into_blocks,
    select_split,
    tokenize_documents,
)
from bertdata.examples.statistics import (
    ExampleCounts,
    add_counts,
    count_examples,
    no_examples,
    with_shares,
)
from bertdata.plans.examples import ExamplesGroup, ExamplesWork
from bertdata.plans.finished import SENTENCES_FORMAT, SentencesInput
from bertdata.progress.plan import StagePlan
from bertdata.progress.runs import Grouped, name_table
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.sentences.files import read_documents, read_ranges
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest, check_shard
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import Shard, write_arrow
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from pipelines.steps import Step, WriteManifest, count
from pipelines.tables import CoGroupTables, GatherTables

_T = TypeVar("_T")
_TRAIN, _HELD_OUT_SPLIT = "train", "validation"
_HELD_OUT = 0  # the number of its record; those of groups begin with 1


class Pools(NamedTuple):
    """A group of shards, and its pools one after the other: tables of documents."""

    group: ExamplesGroup
    tables: Iterable[pa.Table]


class Examples(NamedTuple):
    """A group of shards, and the examples of each of its pools: record batches."""

    group: ExamplesGroup
    batches: Iterable[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Lazy(Generic[_T]):
    """An iterable that is made where it is iterated; what is sent there is how to make it."""

    make: Callable[..., Iterator[_T]]
    arguments: tuple[object, ...]

    def __iter__(self) -> Iterator[_T]:
        return self.make(*self.arguments)


@dataclass(eq=False)
class MakeExamples(beam.PTransform):
    """The whole stage."""

    plan: StagePlan
    work: ExamplesWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[str]:
        work, workplace = self.work, self.workplace
        done = workplace.read_records()
        groups = [group for group in work.groups if group.number not in done]

        checked = begin | CheckShards(work.sentences, workplace)
        training = (
            begin
            | "Groups" >> beam.Create(groups)
            | ReadPools(work)
            | CreateExamples(work)
            | WriteShards(work, workplace)
        )
        held_out = begin | MakeHeldOut(work, workplace, is_done=_HELD_OUT in done)
        length = work.examples.max_seq_length
        finish = functools.partial(_finish, self.plan.without_work(), length)
        others = [checked, held_out]
        return training | WriteManifest(workplace, finish, tuple(done.values()), others)


@dataclass(eq=False)
class CheckShards(beam.PTransform):
    """The files of a finished stage, each compared with its manifest while others read it.

    Nothing is complete before all are checked.
    """

    sentences: SentencesInput
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[str]:
        step = Step(check_file, self.workplace, self.sentences.folder, self.workplace)
        return begin | beam.Create(list(self.sentences.shards)) | beam.ParDo(step)


@dataclass(eq=False)
class ReadPools(beam.PTransform):
    """Groups of shards to their pools, each read when it is its turn."""

    work: ExamplesWork

    def expand(self, groups: PCollection[ExamplesGroup]) -> PCollection[Pools]:
        return groups | beam.Map(open_pools, self.work.without_groups())


@dataclass(eq=False)
class CreateExamples(beam.PTransform):
    """Pools to examples: tokenized, paired, masked, shuffled."""

    work: ExamplesWork

    def expand(self, pools: PCollection[Pools]) -> PCollection[Examples]:
        return pools | beam.Map(open_examples, self.work.without_groups())


@dataclass(eq=False)
class WriteShards(beam.PTransform):
    """Examples to shards: the records of what was written."""

    work: ExamplesWork
    workplace: Workplace

    def expand(self, examples: PCollection[Examples]) -> PCollection[FileRecord]:
        step = Step(write_shards, self.workplace, self.work.without_groups(), self.workplace)
        return examples | beam.ParDo(step)


@dataclass(eq=False)
class MakeHeldOut(beam.PTransform):
    """Files -> held-out documents -> pools -> examples -> the one shard: its record.

    Held-out documents lie in all files. Each file is looked at by one worker, so that nobody has to
    open all of them.
    """

    work: ExamplesWork
    workplace: Workplace
    is_done: bool

    def expand(self, begin: PBegin) -> PCollection[FileRecord]:
        work, workplace = self.work.without_groups(), self.workplace
        is_wanted = work.held_out and not self.is_done
        files = range(work.sentences.layout.num_files if is_wanted else 0)
        select = beam.ParDo(Step(select_held_out, workplace, work))
        create = beam.ParDo(Step(create_held_out, workplace, work))
        write = beam.ParDo(Step(write_held_out, workplace, work, workplace))
        documents = begin | "Files" >> beam.Create(list(files)) | select.with_output_types(pa.Table)
        return (
            {"held out": documents}
            | CoGroupTables("pool", range(len(work.held_out) if is_wanted else 0), workplace.spill)
            | "Create" >> create.with_output_types(pa.Table)
            | GatherTables("examples", workplace.spill)
            | "Write" >> write
        )


def check_file(shard: Shard, folder: Location, workplace: Workplace) -> Iterator[str]:
    """Raise DataError unless a file is as its manifest says; others may have read it meanwhile."""
    try:
        check_shard(folder, shard, SENTENCES_FORMAT)
    except DataError:
        workplace.distrust()
        raise
    yield shard.path


def open_pools(group: ExamplesGroup, work: ExamplesWork) -> Pools:
    """The pools of a group; nothing is read yet."""
    return Pools(group, Lazy(read_pools, (group, work)))


def open_examples(pools: Pools, work: ExamplesWork) -> Examples:
    """The examples of each pool; nothing is made yet."""
    return Examples(pools.group, Lazy(make_examples, (pools.tables, work)))


def read_pools(group: ExamplesGroup, work: ExamplesWork) -> Iterator[pa.Table]:
    """The documents of each pool of a group that are trained on."""
    sentences = work.sentences
    for parts in read_ranges(sentences.folder, sentences.names, sentences.layout, group.pools):
        yield pa.concat_tables(_select(work, parts, _TRAIN))


def make_examples(pools: Iterable[pa.Table], work: ExamplesWork) -> Iterator[pa.RecordBatch]:
    """The training examples of each pool."""
    for table in pools:
        yield _create(table, work, work.examples.dupe_factor)


def write_shards(
    examples: Examples, work: ExamplesWork, workplace: Workplace
) -> Iterator[FileRecord]:
    """Write one shard with all batches, or the one batch cut into several shards."""
    group, total = examples.group, work.examples.num_shards
    names = [f"{_TRAIN}-{number:05d}-of-{total:05d}.arrow" for number in group.shards]
    counted = _Counted(examples.batches, work)
    if len(names) == 1:
        shards = [_write_shard(workplace.stage_folder / names[0], counted, work)]
    else:
        (batch,) = counted
        shards = [
            _write_shard(workplace.stage_folder / name, [batch.slice(start, end - start)], work)
            for name, (start, end) in zip(names, split_evenly(batch.num_rows, len(names)))
        ]
    yield _record(group.number, _TRAIN, shards, counted, workplace)


def select_held_out(file: int, work: ExamplesWork) -> Iterator[pa.Table]:
    """The held-out documents of a file, with their pools."""
    sentences, layout = work.sentences, work.sentences.layout
    parts = read_documents(sentences.folder, sentences.names, layout, *layout.ranges[file])
    found = pa.concat_tables(_select(work, parts, _HELD_OUT_SPLIT))
    ends = np.array([end for _, end in work.held_out])
    partitions = layout.partitions_of(found["document_id"].to_numpy())
    pools = np.searchsorted(ends, partitions, side="right").astype(np.int32)
    yield name_table(found.append_column("pool", pa.array(pools)), f"{file:05d}")


def create_held_out(grouped: Grouped, work: ExamplesWork) -> Iterator[pa.Table]:
    """The examples of a pool of held-out documents, each document once."""
    pool, tables = grouped
    if found := list(tables["held out"]):
        documents = pa.concat_tables(found).drop_columns(["pool"]).combine_chunks()
        examples = pa.Table.from_batches([_create(documents, work, passes=1)])
        pools = pa.array(np.full(len(examples), pool, np.int32))
        yield name_table(examples.append_column("pool", pools), f"{pool:05d}")


def write_held_out(
    tables: Iterable[pa.Table], work: ExamplesWork, workplace: Workplace
) -> Iterator[FileRecord]:
    """Write all examples of held-out documents, pool after pool."""
    pools = [table for table in tables if len(table)]
    pools.sort(key=lambda table: table["pool"][0].as_py())
    schema = examples_schema(_load_vocabulary(work.vocabulary, work.vocabulary_sha256).size)
    plain = (table.select(schema.names).cast(schema).combine_chunks() for table in pools)
    batches = (batch for table in plain for batch in table.to_batches())
    counted = _Counted(batches, work)
    name = f"{_HELD_OUT_SPLIT}-00000-of-00001.arrow"
    shard = _write_shard(workplace.stage_folder / name, counted, work)
    yield _record(_HELD_OUT, _HELD_OUT_SPLIT, [shard], counted, workplace)


def _select(work: ExamplesWork, parts: Iterable[pa.Table], split: str) -> list[pa.Table]:
    """The documents of a split, some megabytes at a time."""
    fraction = work.examples.validation_fraction
    return [select_split(part, split, fraction, work.seed) for part in parts]


def _create(documents: pa.Table, work: ExamplesWork, passes: int) -> pa.RecordBatch:
    vocabulary = _load_vocabulary(work.vocabulary, work.vocabulary_sha256)
    tokenizer = _load_tokenizer(work.vocabulary, work.vocabulary_sha256, work.tokenization)
    tokenized = tokenize_documents(documents, tokenizer)
    return create_examples(tokenized, work.examples, vocabulary, work.seed, passes)


class _Counted:
    """Batches of examples, and what was counted of those that passed."""

    def __init__(self, batches: Iterable[pa.RecordBatch], work: ExamplesWork) -> None:
        self._batches = batches
        self._work = work
        self.counts: list[ExampleCounts] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        mask = _load_vocabulary(self._work.vocabulary, self._work.vocabulary_sha256).special.mask
        for batch in self._batches:
            self.counts.append(count_examples(batch, mask))
            yield batch
            del batch  # else it is there until the next one is made


def _record(
    number: int, split: str, shards: Sequence[Shard], counted: _Counted, workplace: Workplace
) -> FileRecord:
    counts = add_counts(counted.counts) or no_examples()
    record = FileRecord(number=number, shards=tuple(shards), counts={split: counts})
    workplace.write_record(record)
    count({f"{split} examples": counts["examples"]})
    return record


def _write_shard(
    location: Location, batches: Iterable[pa.RecordBatch], work: ExamplesWork
) -> Shard:
    vocabulary = _load_vocabulary(work.vocabulary, work.vocabulary_sha256)
    compression = None if work.examples.compression == "none" else work.examples.compression
    blocks = _cut(batches, work.examples.max_seq_length)
    return write_arrow(location, examples_schema(vocabulary.size), blocks, compression)


def _cut(batches: Iterable[pa.RecordBatch], max_seq_length: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from cut_into_blocks(batch, max_seq_length)
        del batch  # else it is there until the next one is made


def _finish(
    plan: StagePlan,
    max_seq_length: int,
    training: Sequence[FileRecord],
    checked: Sequence[str],
    held_out: Sequence[FileRecord],
) -> Manifest:
    """Add up the counts of each split. Raises InputError when there is no training example."""
    records = [*held_out[:1], *training]
    counts: dict[str, Table] = {}
    for split in (_TRAIN, _HELD_OUT_SPLIT):
        found = [record.counts[split] for record in records if split in record.counts]
        if found:
            counts[split] = with_shares(add_counts(found), max_seq_length)
    if not counts["train"]["examples"]:
        raise InputError(
            "the corpus is too small for a single training example; add text, or lower "
            "[examples] validation_fraction"
        )
    shards = [shard for record in records for shard in record.shards]
    return plan.make_manifest(counts, shards)


@functools.cache
def _load_vocabulary(location: Location, sha256: str) -> Vocabulary:
    """The vocabulary that was planned with, once a process, whatever number of bundles it gets."""
    vocabulary = read_vocabulary(location)
    if vocabulary.fingerprint != sha256:
        raise DataError(
            f"{location} changed while it was read; run again once nothing writes to it"
        )
    return vocabulary


@functools.cache
def _load_tokenizer(
    location: Location, sha256: str, config: TokenizationConfig
) -> SentenceTokenizer:
    return SentenceTokenizer(_load_vocabulary(location, sha256), config)
