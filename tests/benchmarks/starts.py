"""The same small job many times on a busy machine: does one ever stand still or end differently?

    python -m tests.benchmarks.starts --times 200

Each time all stages are made again, with two workers and with four in turn, while other processes
keep the cores busy. A job that does not compute for 20 seconds counts as one that hangs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bertdata.config import read_table
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import BertdataError
from bertdata.examples.config import ExamplesConfig
from flows import stages
from flows.config import Run, RunConfig
from flows.paths import RunPaths
from pipelines import options
from pipelines.options import RunnerConfig
from tests.benchmarks.corpus import write_corpus
from tests.benchmarks.tables import Table, to_text
from vocab.config import VocabConfig

WORKERS = (2, 4)
_IDLE_MINUTES = 1 / 3
_TEXT_BYTES = 100_000


def run_once(folder: Path, workers: int) -> str:
    """Make all stages in a new folder; returns the examples' content hash, or what went wrong."""
    corpus = {"name": "text", "format": "text", "paths": [f"{folder}/text/*"]}
    config = RunConfig(
        corpus=(read_table(CorpusConfig, corpus, "corpus"),),
        vocab=VocabConfig(size=500),
        examples=ExamplesConfig(num_shards=8, max_seq_length=64),
        runner=RunnerConfig(workers=workers, idle_timeout_minutes=_IDLE_MINUTES),
    )
    with tempfile.TemporaryDirectory(dir=folder) as output:
        run = Run(config=config, base=folder, paths=RunPaths(Path(output)))
        try:
            stages.make_sentences(run, _say_nothing)
            stages.make_vocabulary(run, _say_nothing)
            return stages.make_examples(run, _say_nothing)
        except BertdataError as error:
            return str(error)


def run_often(folder: Path, times: int, workers: int) -> Counter[str]:
    """How often each end was reached."""
    ends: Counter[str] = Counter()
    for number in range(times):
        started = time.monotonic()
        end = run_once(folder, workers)
        ends[end] += 1
        seconds = time.monotonic() - started
        print(f"{workers} workers, {number + 1}: {seconds:.2f} s, {end}", flush=True)
    return ends


@contextmanager
def busy(count: int) -> Iterator[None]:
    """While this lasts, `count` processes keep cores busy."""
    processes = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def _compute() -> None:
    while True:
        pass


def _say_nothing(line: str) -> None:
    """Nobody reads how far it is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print the table; 1 if any end differs from the first."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.starts", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="with each number of workers (200)")
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="other processes (cores)")
    given = parser.parse_args(arguments)
    options._SMALL_TEXT_BYTES = 0  # several workers also for little text
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bertdata-starts-")))
        write_corpus(folder / "text", _TEXT_BYTES)
        stack.enter_context(busy(given.busy))
        ends = {workers: run_often(folder, given.times, workers) for workers in WORKERS}
    rows = tuple(
        {"workers": workers, "end": end, "times": times}
        for workers, found in ends.items()
        for end, times in found.items()
    )
    print(to_text(Table(title="Starts on a busy machine", rows=rows)))
    return int(len({end for found in ends.values() for end in found}) > 1)


if __name__ == "__main__":
    sys.exit(main())
