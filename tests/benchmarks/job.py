"""The whole job without training: the stages a run calls, through real Beam processes."""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.storage.manifest import Manifest, read_manifest
from flows import stages
from flows.config import Run, RunConfig
from flows.paths import RunPaths
from flows.processes.jobs import run_job as run_in_a_job
from pipelines.options import RunnerConfig
from tests.benchmarks.corpus import CorpusFile
from tests.benchmarks.measure import Cost, Peak, add_costs, cost_of_children
from tests.benchmarks.tables import Row, Table, megabytes
from vocab.config import VocabConfig

DUPE_FACTOR = 5
MAX_SEQ_LENGTH = 128

START = "start, once a run"
GIVEN, TRAINED = "whole job, vocabulary given", "whole job, vocabulary trained"

_STAGES = {
    "sentences": stages.make_sentences,
    "vocab": stages.make_vocabulary,
    "examples": stages.make_examples,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobCost:
    """What one run of the job cost, by stage and for the whole, and what it made.

    `costs`: START, "sentences", "vocabulary taken over", "vocabulary trained", "examples", GIVEN,
    TRAINED.
    """

    workers: int
    text_bytes: int
    costs: Mapping[str, Cost]
    documents: int
    examples: int
    pieces: int
    example_bytes: int
    content: str

    def speed(self, part: str) -> float:
        """Megabytes of text per core-second."""
        return megabytes(self.text_bytes) / self.costs[part].cpu_seconds


def middle_run(runs: Sequence[JobCost]) -> JobCost:
    """Of several runs the one whose time, once started, is in the middle."""
    return sorted(runs, key=_seconds_started)[(len(runs) - 1) // 2]


def _seconds_started(job: JobCost, part: str = GIVEN) -> float:
    return job.costs[part].wall_seconds - job.costs[START].wall_seconds


def job_table(jobs: Sequence[JobCost], runs: Sequence[Sequence[JobCost]]) -> Table:
    """A row for each stage and number of workers. `runs`: of each of `jobs`, all there were."""
    _check_same([run.content for found in runs for run in found])
    rows = tuple(_row(job, part) for job in jobs for part in job.costs)
    return Table(
        title="The job: dupe_factor 5, length 128, static masks",
        rows=rows,
        note="MB: of raw text, in millions of bytes; per second and core-second of all processes. "
        "Memory: the peak of each process, with the pages of mapped files that it touched; "
        "private, without them, in brackets. All numbers of workers wrote the same bytes. "
        + " ".join(_speed_ups(runs)),
    )


def size_table(job: JobCost) -> Table:
    """How large the examples are."""
    row = {
        "examples": job.examples,
        "pieces": job.pieces,
        "MB": megabytes(job.example_bytes),
        "bytes a piece": job.example_bytes / job.pieces,
        "wanted": "at most 2.6",
    }
    return Table(title="Size of the examples (pieces: all that is no padding)", rows=(row,))


def run_job(
    files: Sequence[CorpusFile], folder: Path, *, workers: int, vocabulary_size: int
) -> JobCost:
    """All stages once; the vocabulary is trained and, beside that, taken over from a file.

    The examples are those of the trained vocabulary in both cases, so are made once only. Starting
    the process that all stages share has a row of its own, and is part of the whole.
    """
    paths = RunPaths(folder)
    config = make_config(files, workers=workers, vocabulary_size=vocabulary_size)
    costs = {START: cost_of_children(_start_fork_server)[1]}
    costs |= {stage: run_stage(stage, config, paths) for stage in ("sentences", "vocab")}
    costs["vocabulary taken over"] = _take_vocabulary_over(config, paths)
    costs["vocabulary trained"] = costs.pop("vocab")
    costs["examples"] = run_stage("examples", config, paths)
    for whole, vocabulary in ((GIVEN, "taken over"), (TRAINED, "trained")):
        parts = (START, "sentences", f"vocabulary {vocabulary}", "examples")
        costs[whole] = add_costs(*(costs[part] for part in parts))
    return _describe(files, paths, workers, costs)


def _start_fork_server() -> None:
    """Start it, if it does not run, and wait until it answers."""
    with tempfile.TemporaryDirectory() as folder:
        run_in_a_job("builtins:bool", [], Path(folder) / "log", _say_nothing)


def run_stage(stage: str, config: RunConfig, paths: RunPaths) -> Cost:
    """One stage through the function that a run calls."""
    run = Run(config=config, base=paths.output, paths=paths)
    return cost_of_children(lambda: _STAGES[stage](run, _say_nothing))[1]


def make_config(
    files: Sequence[CorpusFile],
    *,
    workers: int,
    vocabulary_size: int,
    vocabulary_file: Path | None = None,
    masking: str = "static",
    num_shards: int = 64,
) -> RunConfig:
    """The configuration of a run over jsonl files."""
    corpus = CorpusConfig(
        name="bench", format="jsonl", paths=tuple(str(file.path) for file in files)
    )
    file = None if vocabulary_file is None else str(vocabulary_file)
    return RunConfig(
        corpus=(corpus,),
        vocab=VocabConfig(size=vocabulary_size, file=file),
        examples=ExamplesConfig(
            max_seq_length=MAX_SEQ_LENGTH,
            dupe_factor=DUPE_FACTOR,
            masking=masking,
            num_shards=num_shards,
        ),
        runner=RunnerConfig(workers=workers),
    )


def describe_memory(peaks: Sequence[Peak]) -> str:
    """ "worker 410 (300), worker 400 (290), driver 300 (200)": largest of each kind's rank, in MB.

    Of several stages the process with the most of each kind is shown.
    """
    names = ("worker", "driver", "fork server")
    kinds = {kind: [p for p in peaks if p.kind == kind] for kind in names}
    return ", ".join(
        f"{kind} {megabytes(peak.resident):.0f} ({megabytes(peak.private):.0f})"
        for kind, found in kinds.items()
        for peak in sorted(found, key=lambda peak: -peak.resident)
    )


def _take_vocabulary_over(config: RunConfig, paths: RunPaths) -> Cost:
    other = RunPaths(paths.output / "taken-over")
    vocab = VocabConfig(size=config.vocab.size, file=str(paths.vocab / "vocab.txt"))
    taking = RunConfig(corpus=config.corpus, vocab=vocab, runner=config.runner)
    cost = run_stage("vocab", taking, other)
    shutil.rmtree(other.output)
    return cost


def _describe(
    files: Sequence[CorpusFile], paths: RunPaths, workers: int, costs: Mapping[str, Cost]
) -> JobCost:
    examples = read_manifest(paths.examples)
    return JobCost(
        workers=workers,
        text_bytes=sum(file.text_bytes for file in files),
        costs=costs,
        documents=sum(file.documents for file in files),
        examples=_sum_counts(examples, "examples"),
        pieces=_sum_counts(examples, "pieces"),
        example_bytes=sum(shard.bytes for shard in examples.shards),
        content=examples.content_sha256,
    )


def _sum_counts(manifest: Manifest, key: str) -> int:
    return sum(split[key] for split in manifest.counts.values())


def _row(job: JobCost, part: str) -> Row:
    cost = job.costs[part]
    is_whole = part in (GIVEN, TRAINED)
    makes_examples = is_whole or part == "examples"
    return {
        "workers": job.workers,
        "part": part,
        "MB/s": megabytes(job.text_bytes) / cost.wall_seconds,
        "MB/core-s": job.speed(part),
        "documents/s": job.documents / cost.wall_seconds,
        "examples/s": job.examples / cost.wall_seconds if makes_examples else None,
        "seconds": cost.wall_seconds,
        "core-s": cost.cpu_seconds,
        "peak memory, MB": None if is_whole else describe_memory(cost.peaks),
    }


def _speed_ups(runs: Sequence[Sequence[JobCost]]) -> list[str]:
    """How much faster more workers are than the first number of them, in pairs of runs.

    The two of a pair ran one after the other: a machine that is slower for minutes slows both. The
    pair in the middle counts.
    """
    first, *others = runs
    lines = []
    for found, part in itertools.product(others, (GIVEN, TRAINED)):
        whole = [
            a.costs[part].wall_seconds / b.costs[part].wall_seconds for a, b in zip(first, found)
        ]
        ratios = [
            _seconds_started(a, part) / _seconds_started(b, part) for a, b in zip(first, found)
        ]
        lines.append(
            f"{found[0].workers} workers do {statistics.median(ratios):.2f}x the work of "
            f"{first[0].workers}, once started ({part}; of the pairs "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)} the one in the middle), with the "
            f"start {statistics.median(whole):.2f}x."
        )
    return lines


def _check_same(contents: Sequence[str]) -> None:
    if len(set(contents)) > 1:
        raise AssertionError("runs with other numbers of workers wrote other bytes")


def _say_nothing(line: str) -> Any:
    return None
