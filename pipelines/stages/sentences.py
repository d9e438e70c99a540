"""Corpora -> documents -> cleaned -> sentences -> without duplicates -> `sentences/`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders.coders import Coder, PickleCoder
from apache_beam.coders.typecoders import registry
from apache_beam.pvalue import DoOutputsTuple, PBegin, PCollection, TaggedOutput

from bertdata.cleaning.cleaner import CleaningConfig, make_cleaner
from bertdata.config import Table
from bertdata.corpus.config import InputUnit
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.identity import count_repeated_ids, hash_rows
from bertdata.corpus.kept_share import describe_loss, is_enough, is_lost, read_rejected
from bertdata.corpus.partitions import Layout
from bertdata.errors import InputError
from bertdata.examples.statistics import add_counts
from bertdata.grouping import fill_groups
from bertdata.plans.sentences import SentencesWork
from bertdata.progress.plan import StagePlan
from bertdata.progress.runs import Grouped, find_runs, name_table
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.sentences.blocks import blocks_schema, first_order, make_block
from bertdata.sentences.files import write_file
from bertdata.sentences.splitter import SentencesConfig, SentenceSplitter, load_splitter
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from bertdata.storage.shards import open_arrow
from pipelines.stages.duplicates import DROPPED_TAGS, FindDuplicates, add_bucket, fingerprints_for
from pipelines.steps import Step, WriteManifest, count
from pipelines.tables import CoGroupTables, KeepTables

_Clean = Callable[[Iterable[Document | Rejection]], Iterator[Document | Rejection]]

_BLOCK_CHARACTERS = 4 << 20
_NAME_COLUMNS = ["document_id", "name_hash"]
_LAST = "last"  # ends the name of a unit's last block


class Block(NamedTuple):
    """Neighbouring documents of a unit. `name`: unit and number; `order`: of the first one."""

    name: str
    order: int
    items: list[Document | Rejection]


class BlockCoder(Coder):
    """A block as Beam pickles it: needed only where a runner keeps the steps around it apart."""

    def encode(self, value: Block) -> bytes:
        return PickleCoder().encode(value)

    def decode(self, encoded: bytes) -> Block:
        return PickleCoder().decode(encoded)

    def estimate_size(self, value: Block) -> int:
        """Not known: Beam would encode a block to find out, which takes longer than to make it."""
        return _BLOCK_CHARACTERS

    def to_type_hint(self) -> type:
        return Block


registry.register_coder(Block, BlockCoder)


@dataclass(eq=False)
class MakeSentences(beam.PTransform):
    """The whole stage."""

    plan: StagePlan
    work: SentencesWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[str]:
        work, workplace = self.work, self.workplace
        units, files = _find_read(workplace.spill), workplace.read_records()
        documents = (
            begin
            | ReadDocuments(work, workplace, tuple(units))
            | CleanDocuments(work.cleaning, workplace)
            | SplitSentences(work, workplace)
            | KeepTables("documents", "file", workplace.spill, _runs_of(units))
        )
        dropped = documents | FindDuplicates(work, workplace)
        written = (
            {"documents": documents, **dropped}
            | CoGroupTables("file", _without(files, work.layout.num_files), workplace.spill)
            | WriteSentences(work, workplace)
        )
        repeated = written.names | CountRepeatedIds(work, workplace, tuple(files.values()))
        finish = functools.partial(
            _finish, self.plan.without_work(), work.without_units(), workplace
        )
        return written.files | WriteManifest(workplace, finish, tuple(files.values()), [repeated])


@dataclass(eq=False)
class ReadDocuments(beam.PTransform):
    """Units of input, the largest first, each read by one worker: blocks of documents."""

    work: SentencesWork
    workplace: Workplace
    done: Sequence[int]

    def expand(self, begin: PBegin) -> PCollection[Block]:
        units = [pair for pair in enumerate(self.work.units) if pair[0] not in self.done]
        units.sort(key=lambda pair: -pair[1].bytes)
        read = beam.ParDo(Step(read_blocks, self.workplace)).with_output_types(Block)
        return begin | beam.Create(units) | "Read" >> read


@dataclass(eq=False)
class CleanDocuments(beam.PTransform):
    """Each document as it is, changed, or its rejection."""

    config: CleaningConfig
    workplace: Workplace

    def expand(self, blocks: PCollection[Block]) -> PCollection[Block]:
        clean = beam.ParDo(Step(clean_block, self.workplace, self.config))
        return blocks | "Clean" >> clean.with_output_types(Block)


@dataclass(eq=False)
class SplitSentences(beam.PTransform):
    """Blocks to tables as `bertdata.sentences.blocks` describes them."""

    work: SentencesWork
    workplace: Workplace

    def expand(self, blocks: PCollection[Block]) -> PCollection[pa.Table]:
        step = Step(split_block, self.workplace, self.work.without_units())
        return blocks | "Split" >> beam.ParDo(step).with_output_types(pa.Table)


@dataclass(eq=False)
class WriteSentences(beam.PTransform):
    """Files of sentences: their records as `files`, the names of their documents as `names`."""

    work: SentencesWork
    workplace: Workplace

    def expand(self, grouped: PCollection[Grouped]) -> DoOutputsTuple:
        schema = blocks_schema(fingerprints_for(self.work.cleaning))
        step = Step(write_sentences, self.workplace, self.workplace, self.work.layout, schema)
        return grouped | "Write" >> beam.ParDo(step).with_outputs("names", main="files")


@dataclass(eq=False)
class CountRepeatedIds(beam.PTransform):
    """How many documents have the id of an earlier one of their corpus, and another text."""

    work: SentencesWork
    workplace: Workplace
    done: Sequence[FileRecord]

    def expand(self, names: PCollection[pa.Table]) -> PCollection[int]:
        buckets = range(self.work.num_buckets)
        old = (
            names.pipeline
            | "Finished before" >> beam.Create(list(self.done))
            | "Names"
            >> beam.ParDo(
                Step(read_names, self.workplace, self.workplace.stage_folder)
            ).with_output_types(pa.Table)
        )
        by_name = {
            tag: some | f"By name, {tag}" >> beam.Map(add_bucket, "name_hash", len(buckets))
            for tag, some in {"new": names, "old": old}.items()
        }
        grouped = by_name | CoGroupTables("bucket", buckets, self.workplace.spill)
        return grouped | "Count" >> beam.ParDo(Step(count_repeated, self.workplace))


def read_blocks(unit: tuple[int, InputUnit]) -> Iterator[Block]:
    """The documents of a unit in order, some megabytes at a time; the last block says so."""
    number, found = unit
    groups = fill_groups(read_unit(found), _BLOCK_CHARACTERS, _characters)
    items, place, index = next(groups, []), 0, 0
    while True:
        following = next(groups, None)
        name = f"{number:05d}-{index:05d}" + ("" if following else f"-{_LAST}")
        yield Block(name, first_order(number, place), items)
        if following is None:
            return
        items, place, index = following, place + len(items), index + 1


def clean_block(block: Block, config: CleaningConfig) -> Iterator[Block]:
    """The block with its documents cleaned."""
    yield block._replace(items=list(_load_cleaner(config)(block.items)))


def split_block(block: Block, work: SentencesWork) -> Iterator[pa.Table]:
    """The block as a table, named like the block."""
    splitter = _load_splitter(work.sentences, work.punkt)
    fingerprints = fingerprints_for(work.cleaning)
    table = make_block(block.items, block.order, splitter, work.layout, fingerprints)
    yield name_table(table, block.name)


def write_sentences(
    grouped: Grouped, workplace: Workplace, layout: Layout, schema: pa.Schema
) -> Iterator[FileRecord | TaggedOutput]:
    """Write one file and its record; also the names of its documents."""
    number, tables = grouped
    blocks = itertools.chain([schema.empty_table()], tables["documents"])
    dropped = [table for tag in DROPPED_TAGS if tag in tables for table in tables[tag]]
    written = write_file(workplace.stage_folder, number, layout, blocks, dropped)
    record = FileRecord(number=number, shards=written.shards, counts=written.counts)
    workplace.write_record(record)
    count(written.counts)
    yield record
    yield TaggedOutput("names", name_table(written.kept, f"{number:05d}"))


def read_names(record: FileRecord, folder: Location) -> Iterator[pa.Table]:
    """The names of the documents of a file that an earlier run wrote."""
    with open_arrow(folder / record.shards[0].path) as reader:
        batches = map(reader.get_batch, range(reader.num_record_batches))
        tables = [
            pa.table([batch.column("document_id"), pa.array(hash_rows(batch).names)], _NAME_COLUMNS)
            for batch in batches
        ]
    yield name_table(pa.concat_tables(tables), f"{record.number:05d}")


def count_repeated(grouped: Grouped) -> Iterator[int]:
    """`count_repeated_ids` for the names in one bucket."""
    _, tables = grouped
    found = [table for tag in ("new", "old") for table in tables[tag]]
    if found:
        table = pa.concat_tables(found)
        ids, names = (table[name].to_numpy() for name in _NAME_COLUMNS)
        yield count_repeated_ids(ids, names)


def _finish(
    plan: StagePlan,
    work: SentencesWork,
    workplace: Workplace,
    records: Sequence[FileRecord],
    repeated: Sequence[int],
) -> Manifest:
    """Add up the counts. Raises InputError when too little is kept of a corpus."""
    counts = _add_up(records) | {"repeated_ids": sum(repeated)}
    try:
        _check_kept(plan, work, records, counts)
    except InputError:
        workplace.mark_unusable()
        raise
    shards = [shard for record in records for shard in record.shards]
    return plan.make_manifest(counts, shards)


def _add_up(records: Sequence[FileRecord]) -> dict[str, object]:
    """The counts of all files; their partitions stand one after the other."""
    per_partition = "documents_per_partition"
    others = [{**record.counts, per_partition: []} for record in records]
    partitions = [count for record in records for count in record.counts[per_partition]]
    return {**add_counts(others), per_partition: partitions}


def _check_kept(
    plan: StagePlan, work: SentencesWork, records: Sequence[FileRecord], counts: Table
) -> None:
    """Raise InputError where less is kept of a corpus than its `min_kept_share`, or nothing."""
    for name, minimum in work.min_kept_shares.items():
        outcomes = counts.get("sources", {}).get(name, {})
        written, rejected = (outcomes.get(key, 0) for key in ("written", "rejected"))
        if is_enough(written, rejected, minimum):
            continue
        paths = [shard.path for record in records for shard in record.shards]
        files = [plan.folder / path for path in paths if path.startswith("rejected-")]
        found = read_rejected(files, name)
        if is_lost(written, found, minimum):
            what = describe_loss(name, written, found, minimum)
            where = f"; rejected documents are listed in {plan.folder}/rejected-*.arrow"
            raise InputError(f"{what}{where if files else ''}")
    if not counts.get("documents_written"):
        raise InputError(
            "no document of the corpora can be used; check [[corpus]] paths and format"
        )


def _find_read(spill: Location | None) -> dict[int, list[Location]]:
    """The runs of units that an earlier attempt read whole, by unit."""
    units: dict[int, dict[str, Location]] = {}
    for name, location in find_runs(spill, "documents").items():
        number, index = name.split("-", 1)
        units.setdefault(int(number), {})[index] = location
    return {
        number: [found[index] for index in sorted(found)]
        for number, found in units.items()
        if max(found) == f"{len(found) - 1:05d}-{_LAST}"
    }


def _without(done: Mapping[int, FileRecord], count: int) -> list[int]:
    """The numbers below `count` that are not done."""
    return [number for number in range(count) if number not in done]


def _runs_of(units: Mapping[int, Sequence[Location]]) -> list[Location]:
    return [run for runs in units.values() for run in runs]


def _characters(item: Document | Rejection) -> int:
    return len(item.text) if isinstance(item, Document) else 0


@functools.cache
def _load_cleaner(config: CleaningConfig) -> _Clean:
    """Once a process, whatever number of bundles it gets."""
    return make_cleaner(config)


@functools.cache
def _load_splitter(config: SentencesConfig, punkt: Location | None) -> SentenceSplitter:
    return load_splitter(config.language, punkt)
