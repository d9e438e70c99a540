"""`python -m tests.benchmarks`: all benchmarks, or some; tables printed at the end and written."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bertdata.processes.cores import available_cores
from bertdata.sentences.files import iterate_sentences
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.paths import RunPaths
from tests.benchmarks import kernels
from tests.benchmarks.baseline import BaselineCost, baseline_table, ratio_table, run_baseline
from tests.benchmarks.corpus import CorpusFile, count_repetition, take_files, write_corpus
from tests.benchmarks.fixed import run_fixed
from tests.benchmarks.job import JobCost, job_table, middle_run, run_job, size_table
from tests.benchmarks.material import make_vocabulary, prepare
from tests.benchmarks.scaling import run_scaling, scaling_table, write_plots
from tests.benchmarks.tables import Row, Table, megabytes, to_text, write_results

PARTS = ("job", "baseline", "kernels", "scaling", "fixed")
_MEGABYTE = 1_000_000


@dataclass
class Bench:
    """What has been measured so far. `work`: a folder for corpora and runs, removed at the end."""

    options: argparse.Namespace
    work: Path
    tables: list[Table] = field(default_factory=list)
    facts: Row = field(default_factory=dict)
    files: list[CorpusFile] = field(default_factory=list)
    jobs: list[JobCost] = field(default_factory=list)
    baseline: BaselineCost | None = None
    vocabulary: Vocabulary | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = make_parser().parse_args(arguments)
    # Cores are used by processes, not by threads within one.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bertdata-bench-") as folder:
        bench = Bench(options=options, work=Path(folder))
        _step("corpus", lambda: make_corpus(bench))
        for part in PARTS:
            if part in options.only:
                _step(part, lambda part=part: _RUN[part](bench))  # type: ignore[misc]
    if bench.jobs and bench.baseline is not None:
        bench.tables.insert(0, ratio_table(bench.jobs, bench.baseline))
    bench.facts["seconds for all benchmarks"] = time.perf_counter() - started
    for name, value in bench.facts.items():
        print(f"{name}: {value:,.4g}" if isinstance(value, float) else f"{name}: {value}")
    for table in bench.tables:
        print(to_text(table))
    write_results(options.output, bench.tables, bench.facts)
    print(f"\nwritten to {options.output}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options, with defaults that take about ten minutes on two cores."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_parts, default=PARTS, metavar="PART,…", help=f"of {', '.join(PARTS)}")
    add("--output", type=Path, default=Path("runs/bench"), help="folder for the results")
    add("--megabytes", type=float, default=400, help="text of the whole job (400)")
    add("--job-repeats", type=int, default=3, help="of the whole job; the middle run counts (3)")
    add("--workers", type=_numbers, default=[1, 2], help="numbers of workers to compare (1,2)")
    add("--baseline-megabytes", type=float, default=3, help="text of the baseline (3)")
    add("--kernel-megabytes", type=float, default=8, help="text of the kernels (8)")
    add("--scaling", type=_numbers, default=[8, 32, 128], help="MB of text (8,32,128)")
    add("--scaling-workers", type=_numbers, default=[2], help="numbers of workers (2)")
    add("--repeats", type=int, default=3, help="of each kernel; the median counts (3)")
    add("--vocabulary-size", type=int, default=30_522, help="pieces (30522)")
    add("--distinct-words", type=int, default=1_000_000, help="words to train from (1000000)")
    return parser


def make_corpus(bench: Bench) -> None:
    """Write as much text as the parts need; note what it is."""
    options = bench.options
    sizes = {
        "job": options.megabytes,
        "baseline": options.baseline_megabytes,
        "kernels": 4 * options.kernel_megabytes,
        "scaling": max(options.scaling),
        "fixed": 0,
    }
    most = max(max(sizes[part] for part in options.only), 0.1)
    bench.files = write_corpus(bench.work / "texts", int(most * _MEGABYTE))
    bench.facts |= {
        "machine": f"{available_cores()} cores, {platform.machine()}",
        "Python": platform.python_version(),
        "text, MB": megabytes(sum(file.text_bytes for file in bench.files)),
        "documents": sum(file.documents for file in bench.files),
    }


def run_jobs(bench: Bench) -> None:
    """The whole job for each number of workers, in turn; of several runs the middle one counts."""
    options = bench.options
    files = take_files(bench.files, int(options.megabytes * _MEGABYTE))
    folder = bench.work / "job"
    runs: dict[int, list[JobCost]] = {workers: [] for workers in options.workers}
    for _ in range(options.job_repeats):
        for workers, found in runs.items():
            shutil.rmtree(folder, ignore_errors=True)
            size = options.vocabulary_size
            found.append(run_job(files, folder, workers=workers, vocabulary_size=size))
    bench.jobs = [middle_run(found) for found in runs.values()]
    paths = RunPaths(folder)
    bench.vocabulary = read_vocabulary(paths.vocab / "vocab.txt")
    sentences = [
        batch for path in paths.sentences.glob("s*.arrow") for batch in iterate_sentences(path)
    ]
    bench.facts |= count_repetition(pa.chunked_array(sentences))
    bench.tables += [job_table(bench.jobs, list(runs.values())), size_table(bench.jobs[0])]
    shutil.rmtree(folder)


def run_plain(bench: Bench) -> None:
    """The baseline, with the job's vocabulary where there is one."""
    vocabulary = bench.vocabulary or _train_vocabulary(bench)
    text_bytes = int(bench.options.baseline_megabytes * _MEGABYTE)
    bench.baseline = run_baseline(bench.files, text_bytes, vocabulary, bench.work)
    bench.tables.append(baseline_table(bench.baseline))


def run_kernels(bench: Bench) -> None:
    """The kernels of all stages, the vocabulary trainer, the reader."""
    options = bench.options
    text_bytes = int(options.kernel_megabytes * _MEGABYTE)
    folder = bench.work / "kernels"
    size = options.vocabulary_size
    material = prepare(bench.files, folder, text_bytes=text_bytes, vocabulary_size=size)
    bench.tables += [
        kernels.run_kernels(material, folder, options.repeats),
        kernels.vocabulary_training(material, options.distinct_words, small=400),
        kernels.reading(material, options.repeats),
    ]


def run_scales(bench: Bench) -> None:
    """Growing text, and the plots."""
    options = bench.options
    sizes = [number * _MEGABYTE for number in options.scaling]
    size = options.vocabulary_size
    scales = {
        workers: run_scaling(bench.files, sizes, bench.work, workers=workers, vocabulary_size=size)
        for workers in options.scaling_workers
    }
    bench.tables += [scaling_table(found, workers) for workers, found in scales.items()]
    write_plots(options.output / "scaling.html", scales)


def run_fixed_costs(bench: Bench) -> None:
    """The fixed costs."""
    bench.tables.append(run_fixed(bench.work / "fixed", bench.options.workers))


def _train_vocabulary(bench: Bench) -> Vocabulary:
    paths = RunPaths(bench.work / "vocabulary")
    make_vocabulary(bench.files, paths, bench.options.vocabulary_size)
    return read_vocabulary(paths.vocab / "vocab.txt")


def _step(name: str, work: Callable[[], None]) -> None:
    started = time.perf_counter()
    print(f"{name} …", file=sys.stderr, flush=True)
    work()
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def _parts(text: str) -> list[str]:
    parts = text.split(",")
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"no part {sorted(unknown)}; there are {', '.join(PARTS)}")
    return parts


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


_RUN: dict[str, Callable[[Bench], None]] = {
    "job": run_jobs,
    "baseline": run_plain,
    "kernels": run_kernels,
    "scaling": run_scales,
    "fixed": run_fixed_costs,
}


if __name__ == "__main__":
    raise SystemExit(main())
