"""Small real runs without Prefect: the stages, in this process or in those of their own."""

from __future__ import annotations

import functools
import inspect
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from apache_beam.transforms import core

from bertdata.config import read_table
from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.plans.examples import plan_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import write_plan
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest, content_hash, read_manifest
from bertdata.storage.shards import Shard, open_arrow, write_arrow
from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from flows.processes.jobs import run_job
from pipelines.options import RunnerConfig
from pipelines.run import run_stage
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary

VOCABULARY_SIZE = 150
NUM_SHARDS = 3

Table = Mapping[str, Any]
# The files of stages that were made in this process, by all that they were made of.
_made: dict[str, dict[Path, bytes]] = {}


@functools.cache
def _signature(function: Callable[..., object], is_bound: bool) -> inspect.Signature:
    found = inspect.signature(function)
    return found.replace(parameters=list(found.parameters.values())[is_bound:])


# Beam looks at all methods of every step some eight times: a quarter of what a small stage costs.
core.get_signature = lambda call: _signature(
    getattr(call, "__func__", call), inspect.ismethod(call)
)


def make_run(
    folder: Path,
    documents: Mapping[str, str | bytes],
    *,
    seed: int = 12345,
    corpus: Table | None = None,
    vocab: Table | None = None,
    examples: Table | None = None,
    fresh: bool = False,
) -> RunPaths:
    """Sentences, vocabulary and examples of `documents` (file name: text) in `folder`/run.

    `corpus`, `vocab`, `examples`: keys of those tables of the configuration that differ. A stage
    that was made before of the same is copied, unless it is to be `fresh`: where the making is
    what is tested, or is changed.
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
    make = (lambda plan, *_: make_stage(plan)) if fresh else _make_once
    made_of = (sorted(documents.items()), seed, corpus_table)
    make(plan_sentences(paths.sentences, corpora, SentencesConfig(), seed), made_of)
    vocab_config = read_table(VocabConfig, vocab_table, "vocab")
    make(plan_vocabulary(paths.vocab, paths.sentences, vocab_config), made_of, vocab_table)
    config = read_table(ExamplesConfig, examples_table, "examples")
    plan = plan_examples(paths.examples, paths.sentences, paths.vocab, config, seed)
    make(plan, made_of, vocab_table, examples_table)
    return paths


def _make_once(plan: StagePlan, *made_of: object) -> None:
    """Make a stage, or copy it if it was made of the same before."""
    key = repr(made_of)
    assert isinstance(plan.folder, Path)
    if key not in _made:
        make_stage(plan)
        files = [path for path in plan.folder.rglob("*") if path.is_file()]
        _made[key] = {path.relative_to(plan.folder): path.read_bytes() for path in files}
    for name, content in _made[key].items():
        (plan.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (plan.folder / name).write_bytes(content)


def make_stage(plan: StagePlan, runner: RunnerConfig | None = None) -> Manifest:
    """A stage by its pipeline: in this process, or where there are several workers in a job."""
    runner = runner or RunnerConfig(workers=1)
    write_plan(plan)
    if runner.name == "direct" and runner.num_workers == 1:
        run_stage(plan, runner, _say_nothing)
    else:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            run_job("pipelines.run:run_stage", (plan, runner), log, _say_nothing)
    return read_manifest(plan.folder)


def _say_nothing(progress: object) -> None:
    """Nobody reads how far a test is."""


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
