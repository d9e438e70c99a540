"""Jobs as processes of their own: `python -m pipelines.jobs.NAME --plan PLAN [--report REPORT] …`.

A process gives its memory back, can be killed, and gets the main thread that some runners need.
All further arguments are Beam's options.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertdata.errors import BertdataError, CrashError, MemoryUsedUpError
from bertdata.storage.manifest import Manifest, write_manifest
from bertdata.storage.writing import write_json
from pipelines.options import make_runner, num_processes, num_seats
from pipelines.processes import FAILED
from pipelines.progress import (
    StagePlan,
    UnitRecord,
    clear_failures,
    clear_progress,
    give_units_back,
    raise_failure,
    read_plan,
    read_records,
    written_bytes,
)
from pipelines.transforms import find_error, sample_states_often
from pipelines.units import NO_MEMORY, OpenWorker, Round, Unit, prepare_worker

_REPORT_SECONDS = 2.0

_Finish = Callable[[StagePlan, Mapping[int, UnitRecord]], Manifest]
_RoundsLeft = Sequence[tuple[Round, Sequence[Unit]]]
_Workers = Callable[[_RoundsLeft], AbstractContextManager[Any]]
_LaterRounds = Callable[[StagePlan], Sequence[Round]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a job does with a plan: its units, then later rounds on what these made, then the end.

    `finish`: takes the records of the plan's own units and gives the manifest. The files of records
    are on disk then; those that it makes itself it has to wait for.
    """

    open_worker: OpenWorker
    finish: _Finish
    later_rounds: _LaterRounds = lambda _: ()

    def rounds(self, plan: StagePlan) -> list[Round]:
        """All rounds of work in order."""
        return [Round(plan=plan, open_worker=self.open_worker), *self.later_rounds(plan)]


def main(job: Job, arguments: Sequence[str] | None = None, *, forks: bool = False) -> int:
    """Run one job; 0 done, 1 failed with the reason in the report and on stderr.

    `forks`: worker processes are forks of this one, in which no other thread may run then.
    """
    known, beam_options = _parse(arguments)
    logging.getLogger().setLevel(logging.WARNING)
    try:
        plan = read_plan(known.plan)

        def give_up(death: str) -> None:
            os._exit(_fail(_lost_worker(plan, death), known.report))

        workers: _Workers = nullcontext
        if forks:
            workers = functools.partial(_fork_workers, beam_options, plan.path, give_up)
        manifest = run(plan, job, beam_options, workers)
    except BertdataError as error:
        return _fail(error, known.report)
    except MemoryError:
        return _fail(MemoryUsedUpError(NO_MEMORY), known.report)
    if known.report is not None:
        write_json(known.report, {"content_sha256": manifest.content_sha256})
    return 0


def _fail(error: BertdataError, report: Path | None) -> int:
    """Say why: in the report, else on stdout for a program, and on stderr for people."""
    failure = {"type": type(error).__name__, "message": str(error)}
    if report is None:
        print(f"{FAILED}{json.dumps(failure)}", flush=True)
    else:
        write_json(report, {"error": failure})
    with contextlib.suppress(OSError):  # it may be a file on a full disk
        print(f"error: {error}", file=sys.stderr, flush=True)
    return 1


def run_process(job: Job, arguments: Sequence[str]) -> int:
    """`main` as all that a process does: its worker processes are forks of it."""
    sample_states_often()
    return main(job, arguments, forks=True)


@contextmanager
def _fork_workers(
    beam_options: Sequence[str], failures: Path, give_up: Callable[[str], None], left: _RoundsLeft
) -> Iterator[None]:
    """Worker processes, where more than one is wanted, that prepare for the first round."""
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipelines.workers import forked_workers, watched_workers

    def prepare() -> None:
        (round_, _), *_ = left
        prepare_worker(round_, failures)

    count = num_processes(PipelineOptions(list(beam_options)))
    with forked_workers(count, prepare), watched_workers(give_up):
        yield


def run(
    plan: StagePlan, job: Job, beam_options: Sequence[str], workers: _Workers = nullcontext
) -> Manifest:
    """Run the units that have no record yet, then finish the stage: its manifest comes last."""
    run_missing_units(job.rounds(plan), beam_options, workers)
    manifest = job.finish(plan, read_records(plan.path))
    write_manifest(plan.path, manifest)
    clear_progress(plan.path)
    return manifest


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """A job's own arguments, and Beam's options."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--plan", type=Path, required=True, help="plan.json of the stage")
    parser.add_argument("--report", type=Path, help="JSON file for the outcome")
    return parser.parse_known_args(arguments)


def run_missing_units(
    rounds: Sequence[Round], beam_options: Sequence[str], workers: _Workers = nullcontext
) -> None:
    """Run the units that have no record yet. Raises the error of one that failed.

    `workers`: gives the processes that do them, where the runner has none of its own.
    """
    plan = rounds[0].plan
    if left := begin_rounds(rounds):
        with workers(left):
            try:
                _run_rounds(left, plan.path, beam_options)
            except BertdataError:
                raise
            except Exception as error:
                raise _explain(plan, error) from error
    raise_failure(plan.path)


def begin_rounds(rounds: Sequence[Round]) -> _RoundsLeft:
    """Forget what failed before; the rounds that have units without a record, and these."""
    clear_failures(rounds[0].plan.path)
    left = [(round_, units) for round_ in rounds if (units := round_.units_left())]
    for round_, _ in left:
        give_units_back(round_.plan.path, round_.number)
    return left


def _explain(plan: StagePlan, error: Exception) -> Exception:
    """What a runner raises, as an error with a reason where that can be told."""
    from pipelines.workers import find_death

    if (death := find_death()) is not None:
        return _lost_worker(plan, death)
    return find_error(error) or error


def _lost_worker(plan: StagePlan, death: str) -> CrashError:
    return CrashError(
        f"a worker of the {plan.stage} job {death}; "
        "if memory ran out, lower [runner] workers; run again to continue"
    )


def _run_rounds(rounds: _RoundsLeft, failures: Path, beam_options: Sequence[str]) -> None:
    """The Beam pipeline of every job: some units of each round, round after round."""
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipelines.transforms import RunRounds

    options = PipelineOptions(list(beam_options))
    with (
        _Progress([round_ for round_, _ in rounds]),
        beam.Pipeline(runner=make_runner(options), options=options) as pipeline,
    ):
        # Beam removes its folder for temporary files at the end alone; nothing here uses it.
        shutil.rmtree(pipeline.local_tempdir)
        name = rounds[0][0].plan.stage.capitalize()
        _ = pipeline | name >> RunRounds(rounds, failures, num_seats(options))


class _Progress:
    """Prints a line every few seconds while the units run: how many are done, and what is left.

    None where nothing was written since the last: silence is how others tell that a job hangs.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._rounds = list(rounds)
        self._seen: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._start_round()

    def _start_round(self) -> None:
        self._started = time.monotonic()
        self._at_start = len(self._rounds[0].read_records())

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _report(self) -> None:
        while not self._stop.wait(_REPORT_SECONDS):
            round_ = self._rounds[0]
            plan, records = round_.plan, round_.read_records()
            seen = plan.stage, len(records), written_bytes(plan.path)
            if seen != self._seen:
                self._seen = seen
                seconds = time.monotonic() - self._started
                print(progress_line(plan, records, self._at_start, seconds), flush=True)
            if len(records) == len(plan.units) and len(self._rounds) > 1:
                del self._rounds[0]
                self._start_round()


def progress_line(
    plan: StagePlan, records: Mapping[int, UnitRecord], at_start: int, seconds: float
) -> str:
    """One line: parts done, what they counted, speed, time left.

    `at_start`: parts that an earlier run had finished; `seconds`: since this one began.
    """
    total, done = len(plan.units), len(records)
    parts = [f"{plan.stage}: {done} of {total} parts"]
    sums = {key: sum(record.counts.get(key, 0) for record in records.values()) for key in _COUNTED}
    parts += [text.format(sums[key]) for key, text in _COUNTED.items() if sums[key]]
    if done > at_start:
        share = (done - at_start) / done
        if sums["text_bytes"]:
            parts.append(f"{sums['text_bytes'] / 1e6 * share / seconds:.1f} MB/s")
        parts.append(f"about {seconds * (total - done) / (done - at_start):.0f} s left")
    return ", ".join(parts)


_COUNTED = {
    "documents_written": "{:,} documents",
    "examples": "{:,} examples",
    "text_bytes": "{:,} bytes of text",
}
