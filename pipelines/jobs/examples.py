"""The job that makes examples: one pool of documents at a time, spread over its shards."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from bertdata.config import Table, read_table
from bertdata.corpus.partitions import split_evenly
from bertdata.errors import DataError, InputError
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import (
    Documents,
    create_examples,
    cut_into_blocks,
    select_split,
    tokenize_documents,
)
from bertdata.examples.statistics import (
    ExampleCounts,
    add_counts,
    count_examples,
    with_shares,
)
from bertdata.sentences.files import PoolReader
from bertdata.storage.manifest import Manifest, check_shard, make_manifest
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import Shard, write_arrow
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from pipelines.jobs.command import Job, run_process
from pipelines.plans import SENTENCES_FORMAT
from pipelines.progress import StagePlan, UnitRecord, take_check
from pipelines.units import Unit, WorkOnUnit
from vocab.config import VocabConfig


def open_worker(folder: Path, spec: Table) -> WorkOnUnit:
    """Load vocabulary and tokenizer once; the function it returns does one group of shards."""
    vocabulary = _read_vocabulary(spec)
    config = read_table(ExamplesConfig, spec["examples"], "[examples]")
    vocab = read_table(VocabConfig, spec["vocab"], "[vocab]")
    tokenizer = SentenceTokenizer(vocabulary, vocab.tokenization)
    schema = examples_schema(vocabulary.size)
    compression = None if config.compression == "none" else config.compression
    shards = {shard["path"]: Shard(**shard) for shard in spec["sentence_shards"]}
    files = [Path(spec["sentences_folder"]) / name for name in shards]

    def check(path: Path) -> None:
        if take_check(folder, path.name):
            check_shard(path.parent, shards[path.name], SENTENCES_FORMAT)

    reader = PoolReader(files, spec["num_partitions"], check)

    def pools(unit: Unit) -> Iterator[Documents]:
        select = functools.partial(
            select_split,
            split=unit["split"],
            fraction=config.validation_fraction,
            seed=spec["seed"],
        )
        for first, end in unit["pools"]:
            yield tokenize_documents(reader.read(first, end, select), tokenizer)

    def make_shards(unit: Unit) -> UnitRecord:
        passes = config.dupe_factor if unit["split"] == "train" else 1
        counts: list[ExampleCounts] = []

        def make_batch(documents: Documents) -> pa.RecordBatch:
            batch = create_examples(documents, config, vocabulary, spec["seed"], passes)
            counts.append(count_examples(batch, vocabulary.special.mask))
            return batch

        def cut(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                yield from cut_into_blocks(batch, config.max_seq_length)
                del batch  # else it is there until the next one is made

        def write(path: Path, batches: Iterable[pa.RecordBatch]) -> Shard:
            return write_arrow(path, schema, cut(batches), compression)

        shards = _write_shards(folder, unit, map(make_batch, pools(unit)), write)
        record_counts = {**add_counts(counts), "split": unit["split"]}
        return UnitRecord(unit=unit["unit"], shards=tuple(shards), counts=record_counts)

    return make_shards


def _read_vocabulary(spec: Table) -> Vocabulary:
    """The vocabulary that was planned with, which was compared with its manifest then."""
    path = Path(spec["vocab_folder"]) / "vocab.txt"
    vocabulary = read_vocabulary(path)
    if vocabulary.fingerprint != spec["vocabulary_sha256"]:
        raise DataError(f"{path} changed while it was read; run again once nothing writes to it")
    return vocabulary


def _write_shards(
    folder: Path,
    unit: Unit,
    batches: Iterable[pa.RecordBatch],
    write: Callable[[Path, Iterable[pa.RecordBatch]], Shard],
) -> list[Shard]:
    """One shard with all batches, one in memory at a time, or one batch cut into several shards."""
    shards = unit["shards"]
    names = [f"{unit['split']}-{n:05d}-of-{unit['num_shards']:05d}.arrow" for n in shards]
    if len(names) == 1:
        return [write(folder / names[0], batches)]
    (batch,) = batches
    bounds = split_evenly(batch.num_rows, len(names))
    return [
        write(folder / name, [batch.slice(start, end - start)])
        for name, (start, end) in zip(names, bounds)
    ]


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Add up the counts of each split. Raises InputError when there is no training example."""
    if len(records) < len(plan.units):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    counts: dict[str, Any] = {}
    for split in ("train", "validation"):
        tables = [
            {key: value for key, value in record.counts.items() if key != "split"}
            for _, record in sorted(records.items())
            if record.counts["split"] == split
        ]
        if tables:
            length = plan.config["examples"]["max_seq_length"]
            counts[split] = with_shares(add_counts(tables), length)
    if not counts["train"]["examples"]:
        raise InputError(
            "the corpus is too small for a single training example; add text, or lower "
            "[examples] validation_fraction"
        )
    shards = [shard for record in records.values() for shard in record.shards]
    return make_manifest(
        plan.stage, config=plan.config, inputs=plan.inputs, counts=counts, shards=shards
    )


JOB = Job(open_worker=open_worker, finish=finish)


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import examples

    raise SystemExit(run_process(examples.JOB, sys.argv[1:]))
