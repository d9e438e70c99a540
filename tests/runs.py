"""Small real runs without Beam or Prefect: the jobs' own functions, called one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from bertdata.config import read_table
from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest, content_hash, write_manifest
from bertdata.storage.shards import Shard, open_arrow, write_arrow
from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from pipelines.jobs import examples as examples_job
from pipelines.jobs import sentences as sentences_job
from pipelines.jobs import word_counts as word_counts_job
from pipelines.jobs.command import Job
from pipelines.plans import Corpora, plan_examples, plan_sentences, plan_vocabulary
from pipelines.progress import StagePlan, clear_progress, read_records, write_record
from vocab.config import VocabConfig

VOCABULARY_SIZE = 150
NUM_SHARDS = 3

Table = Mapping[str, Any]


def make_run(
    folder: Path,
    documents: Mapping[str, str | bytes],
    *,
    seed: int = 12345,
    corpus: Table | None = None,
    vocab: Table | None = None,
    examples: Table | None = None,
) -> RunPaths:
    """Sentences, vocabulary and examples of `documents` (file name: text) in `folder`/run.

    `corpus`, `vocab`, `examples`: keys of those tables of the configuration that differ.
    """
    texts = folder / "texts"
    texts.mkdir(parents=True)
    for name, text in documents.items():
        (texts / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    paths = RunPaths(folder / "run")
    corpus_table = {"name": "texts", "format": "text", "paths": ["*"], **(corpus or {})}
    corpora = Corpora(configs=(read_table(CorpusConfig, corpus_table, "corpus"),), base=str(texts))
    vocab_table = {"size": VOCABULARY_SIZE, **(vocab or {})}
    examples_table = {
        "max_seq_length": 32,
        "dupe_factor": 2,
        "max_predictions_per_seq": 5,
        "validation_fraction": 0.2,
        "num_shards": NUM_SHARDS,
        **(examples or {}),
    }
    make_stage(
        plan_sentences(paths.sentences, corpora, SentencesConfig(), seed),
        sentences_job.JOB,
    )
    make_stage(
        plan_vocabulary(
            paths.vocab, paths.sentences, read_table(VocabConfig, vocab_table, "vocab")
        ),
        word_counts_job.JOB,
    )
    config = read_table(ExamplesConfig, examples_table, "examples")
    make_stage(
        plan_examples(paths.examples, paths.sentences, paths.vocab, config, seed),
        examples_job.JOB,
    )
    return paths


def make_stage(plan: StagePlan, job: Job) -> Manifest:
    """All units of a stage, one after the other, and its manifest."""
    for round_ in job.rounds(plan):
        work = round_.open_worker(round_.plan.path, round_.plan.spec)
        for unit in round_.plan.units:
            write_record(round_.plan.path, work(unit))
    manifest = job.finish(plan, read_records(plan.path))
    write_manifest(plan.path, manifest)
    clear_progress(plan.path)
    return manifest


def some_documents(count: int = 40) -> dict[str, str]:
    """Documents of a few plain sentences, each a little different, enough for 150 pieces."""
    return {f"doc-{number:02d}.txt": _text(number) for number in range(count)}


def _text(number: int) -> str:
    people = ("Anna", "Boris", "Clara", "David", "Emma")
    things = ("river", "mountain", "library", "garden", "harbour", "market", "castle")
    person, thing = people[number % 5], things[number % 7]
    return " ".join(
        f"{person} walked to the {things[(number + step) % 7]} number {number * step}. "
        f"It was a {'quiet' if step % 2 else 'windy'} day, and the {thing} looked beautiful."
        for step in range(3 + number % 4)
    )


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let `change` edit the manifest's table in place; the content hash is made right again."""
    table = json.loads((folder / "manifest.json").read_bytes())
    change(table)
    table["content_sha256"] = content_hash(Shard(**shard) for shard in table["shards"])
    write_json(folder / "manifest.json", table)


def edit_shard(
    folder: Path, name: str, change: Callable[[list[list[dict[str, Any]]]], object]
) -> None:
    """Let `change` edit the rows of a shard, batch by batch, in place; the manifest follows."""
    with open_arrow(folder / name) as reader:
        schema = reader.schema
        batches = [reader.get_batch(i).to_pylist() for i in range(reader.num_record_batches)]
    change(batches)
    record = write_arrow(
        folder / name, schema, (pa.RecordBatch.from_pylist(rows, schema) for rows in batches)
    )

    def replace_record(table: dict[str, Any]) -> None:
        table["shards"] = [
            asdict(record) if shard["path"] == name else shard for shard in table["shards"]
        ]

    edit_manifest(folder, replace_record)
