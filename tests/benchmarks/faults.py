"""Runs that are killed and interrupted at random moments, then run again: is all as it would be?

    python -m tests.benchmarks.faults --times 20

The moments are spread over the whole run, from the start of Python on (of workers and the trainer:
over the time that they live), at random within equal parts of it. After each fault, no process may
be left within a second, and every stage that says it is complete must be whole; once run again,
or once the run itself has tried again, all must be as in the run that nothing disturbed: content
hashes, the model's bytes, the names of all files, nothing left in the folder for temporary files.
An interrupted run must say so in one line and exit 130, after SIGTERM 143. A worker that hangs (it
is stopped) is noticed once its job has not computed for 15 seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bertdata.storage.manifest import find_damage, is_complete, read_manifest
from bertdata.storage.shards import sha256_of
from flows.server.temporary import temporary_server
from tests.benchmarks.corpus import write_corpus
from tests.benchmarks.tables import Row, Table, to_text
from tests.process_tree import (
    Process,
    find_processes,
    find_trainers,
    find_workers,
    marked,
    wait_until_gone,
)
from trainer.pretraining.checkpoint.folder import newest_checkpoint

TEXT_BYTES = 2_500_000  # over the size from which a run has workers
END_SECONDS = 10.0
_GONE_SECONDS = 1.0
STAGES = ("sentences", "vocab", "examples", "model")
MESSAGE = "bertdata: stopped; the same command continues where it was"
MISSED, END = "(after its end)", "report and end"
_POLL_SECONDS, _WATCH_SECONDS = 0.01, 0.1
_CONFIG = """
seed = 11
[[corpus]]
name = "text"
format = "jsonl"
paths = ["text/*.jsonl"]
[cleaning]
duplicate_sentences = "drop"
[vocab]
size = 1000
[examples]
max_seq_length = 64
dupe_factor = 2
num_shards = 12
validation_fraction = 0.02
[runner]
workers = 2
idle_timeout_minutes = 0.25
[train]
hidden_size = 32
num_layers = 1
num_heads = 1
steps = 40
batch_size = 8
checkpoint_every = 10
log_every = 20
threads = 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A fault: what is sent to whom. `target`: "driver", "group", "worker" or "trainer"."""

    name: str
    target: str
    number: signal.Signals

    @property
    def is_interrupt(self) -> bool:
        return self.number in (signal.SIGTERM, signal.SIGINT)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="kill-driver", target="driver", number=signal.SIGKILL),
        Kind(name="kill-worker", target="worker", number=signal.SIGKILL),
        Kind(name="hang-worker", target="worker", number=signal.SIGSTOP),
        Kind(name="kill-trainer", target="trainer", number=signal.SIGKILL),
        Kind(name="sigterm", target="driver", number=signal.SIGTERM),
        Kind(name="ctrl-c", target="group", number=signal.SIGINT),
        Kind(name="sigint-driver", target="driver", number=signal.SIGINT),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Undisturbed:
    """What a run leaves that nothing disturbs, and when its processes live.

    `temporary`: what torch leaves in the folder for temporary files. `spans`: for each target, the
    stretches of its life as (stage, seconds).
    """

    content: dict[str, str]
    names: frozenset[str]
    temporary: frozenset[str]
    spans: dict[str, list[tuple[str, float]]]


@dataclass(slots=True)
class Outcome:
    """What became of one fault. `stage`: where it landed. `problems`: what is not as it must be."""

    stage: str
    end_seconds: float
    status: int
    problems: list[str] = field(default_factory=list)


class Command:
    """`bertdata run` in a process group of its own, all of its processes marked."""

    def __init__(self, folder: Path, output: Path, server: dict[str, str]) -> None:
        self.output = output
        self.temporary = output.with_name(f"{output.name}.tmp")
        self.temporary.mkdir(parents=True)
        self._log = output.with_name(f"{output.name}.log")
        self._arguments = ["run", str(folder / "run.toml"), "--output", str(output)]
        self._environment = {
            **os.environ,
            **server,
            "TMPDIR": str(self.temporary),
        }

    def start(
        self,
        environment: Mapping[str, str] = MappingProxyType({}),
        before: Callable[[], None] | None = None,
    ) -> tuple[subprocess.Popen[str], str]:
        """Start it; the process and the mark of all of its processes.

        `before`: called in the new process.
        """
        environment, mark = marked({**self._environment, **environment})
        with self._log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows", *self._arguments],
                preexec_fn=before,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                env=environment,
                process_group=0,
            )
        return process, mark

    def errors(self) -> str:
        """What it said on stderr."""
        return self._log.read_text()


def prepare(folder: Path, text_bytes: int = TEXT_BYTES) -> None:
    """Write the corpus (the beginning of the demo's real text) and the configuration."""
    write_corpus(folder / "text", text_bytes)
    (folder / "run.toml").write_text(_CONFIG)


def run_undisturbed(folder: Path, server: dict[str, str]) -> Undisturbed:
    """Run once, to see what is there when."""
    command = Command(folder, folder / "undisturbed", server)
    process, mark = command.start()
    spans = _watch(process, mark, command.output)
    if process.returncode:
        raise SystemExit(f"the undisturbed run failed: {command.errors()}")
    content, names = read_output(command.output)
    return Undisturbed(
        content=content, names=names, temporary=_read_temporary(command), spans=spans
    )


def run_kind(
    kind: Kind,
    times: int,
    folder: Path,
    server: dict[str, str],
    undisturbed: Undisturbed,
    seed: int,
    again: bool = True,
) -> Iterator[Outcome]:
    """The fault at `times` moments, a line printed for each. `again`: run again after each."""
    for number, (stage, seconds) in enumerate(_moments(kind, times, undisturbed, seed)):
        command = Command(folder, folder / f"{kind.name}-{number}", server)
        outcome = _disturb(kind, command, stage, seconds, undisturbed, again)
        said = "; ".join(outcome.problems) or "as undisturbed"
        print(
            f"{kind.name} {number + 1}: after {seconds:.2f} s, in {outcome.stage}, "
            f"exit {outcome.status}, ended in {outcome.end_seconds:.2f} s: {said}",
            flush=True,
        )
        if not outcome.problems:
            shutil.rmtree(command.output, ignore_errors=True)
            shutil.rmtree(command.temporary)
        yield outcome


def fault_table(outcomes: dict[str, list[Outcome]]) -> Table:
    """A row for each kind of fault."""
    return Table(title="Faults at random moments, then run again", rows=tuple(_rows(outcomes)))


def _rows(outcomes: dict[str, list[Outcome]]) -> Iterator[Row]:
    for name, found in outcomes.items():
        stages = Counter(outcome.stage for outcome in found)
        yield {
            "fault": name,
            "times": len(found),
            "as undisturbed": sum(not outcome.problems for outcome in found),
            "slowest end, s": max((o.end_seconds for o in found if o.status), default=None),
            "exit": ", ".join(map(str, sorted({outcome.status for outcome in found}))),
            "landed in": ", ".join(f"{stage} {count}" for stage, count in stages.items()),
        }


def _moments(
    kind: Kind, times: int, undisturbed: Undisturbed, seed: int
) -> Iterator[tuple[str, float]]:
    """(stage, seconds since the target is in it), spread over all of the target's life."""
    spans = undisturbed.spans[kind.target]
    total = sum(seconds for _, seconds in spans)
    generator = random.Random(f"{seed} {kind.name}")
    for number in range(times):
        moment = (number + generator.random()) / times * total
        for stage, seconds in spans:
            if moment < seconds:
                yield stage, moment
                break
            moment -= seconds


def _watch(
    process: subprocess.Popen[str], mark: str, output: Path
) -> dict[str, list[tuple[str, float]]]:
    """Wait for a run's end; how long driver, workers and trainer lived in each stage."""
    lives: dict[str, dict[str, list[float]]] = {target: {} for target in _FIND}
    while process.poll() is None:
        stage, now = find_stage(output), time.monotonic()
        for target, find in _FIND.items():
            if find(mark, process):
                lives[target].setdefault(stage, [now, now])[1] = now
        time.sleep(_WATCH_SECONDS)
    return {
        target: [(stage, last - first) for stage, (first, last) in stages.items()]
        for target, stages in lives.items()
    }


def find_stage(output: Path) -> str:
    """How far a run is, as its folder shows."""
    if not (output / "sentences").exists():
        return "start-up"
    unfinished = (stage for stage in STAGES if not is_complete(output / stage))
    return next(unfinished, END)


def _disturb(
    kind: Kind,
    command: Command,
    stage: str,
    seconds: float,
    undisturbed: Undisturbed,
    again: bool,
) -> Outcome:
    process, mark = command.start()
    where, target = _wait_for(kind, process, mark, command.output, stage, seconds)
    struck = time.monotonic()
    if target:
        send = os.killpg if kind.target == "group" else os.kill
        send(target, kind.number)
    status = process.wait()
    outcome = Outcome(where, time.monotonic() - struck, status)
    outcome.problems += _check_after(kind, outcome, command, mark)
    if status and not again:
        return outcome
    if status:  # else the run itself tried again
        process, mark = command.start()
        if process.wait():
            outcome.problems.append(f"run again: exit {process.returncode}: {command.errors()}")
    outcome.problems += _check_end(command, mark, undisturbed)
    return outcome


def _wait_for(
    kind: Kind,
    process: subprocess.Popen[str],
    mark: str,
    output: Path,
    stage: str,
    seconds: float,
) -> tuple[str, int]:
    """Wait for the moment: where the run is then, and the process to strike, 0 if it has ended."""
    find = _FIND[kind.target]
    while process.poll() is None:
        if find_stage(output) == stage and (targets := find(mark, process)):
            time.sleep(seconds)
            if process.poll() is None and Path(f"/proc/{targets[0]}").exists():
                return find_stage(output), targets[0]
            break
        time.sleep(_POLL_SECONDS)
    return MISSED, 0


def _check_after(kind: Kind, outcome: Outcome, command: Command, mark: str) -> Iterator[str]:
    if left := wait_until_gone(mark, _GONE_SECONDS):
        yield f"left behind: {_describe(left)}"
        for process in left:
            os.kill(process.pid, signal.SIGKILL)
    for stage in STAGES:
        folder = command.output / stage
        if is_complete(folder):
            yield from find_damage(folder, read_manifest(folder))
    if outcome.stage != MISSED and kind.is_interrupt:
        if outcome.end_seconds > END_SECONDS:
            yield "took too long to end"
        # A run that is over, but for its own ending, is done.
        is_done = outcome.status == 0 and outcome.stage == END
        is_right = (outcome.status, command.errors().strip()) == (128 + kind.number, MESSAGE)
        if not is_done and not is_right:
            yield f"exit {outcome.status}, said: {command.errors().strip()!r}"


def _check_end(command: Command, mark: str, undisturbed: Undisturbed) -> Iterator[str]:
    if left := wait_until_gone(mark, END_SECONDS):
        yield f"left behind at the end: {_describe(left)}"
    content, names = read_output(command.output)
    if content != undisturbed.content:
        yield f"other content: {content}"
    if names != undisturbed.names:
        yield f"other files: {sorted(names ^ undisturbed.names)}"
    if strays := _read_temporary(command) - undisturbed.temporary:
        yield f"temporary files: {sorted(strays)}"


def read_output(output: Path) -> tuple[dict[str, str], frozenset[str]]:
    """Content hashes of stages and the model's bytes; the names of all files."""
    content = {
        stage: read_manifest(output / stage).content_sha256
        for stage in STAGES
        if is_complete(output / stage)
    }
    weights = output / "model" / "model.safetensors"
    if weights.exists():
        content["weights"] = sha256_of(weights)
    files = (path for path in output.rglob("*") if path.is_file())
    # TensorBoard's files have the time in their names, and each start begins one. A trainer that is
    # asked to end writes a checkpoint of its own, which may still be there beside the newest.
    newest = newest_checkpoint(output / "model" / "checkpoints")
    names = (
        path.relative_to(output)
        for path in files
        if not path.name.endswith("-stalled.log")  # which is to stay
        and "tensorboard" not in path.parts
        and ("checkpoints" not in path.parts or path == newest)
    )
    return content, frozenset(map(str, names))


def _read_temporary(command: Command) -> frozenset[str]:
    """Names of what is left; not of what belonged to a process that was killed: it cannot go."""
    names = (path.name for path in command.temporary.iterdir())
    return frozenset(name for name in names if not name.startswith(("pymp-", "bertdata-")))


def _describe(processes: Sequence[Process]) -> str:
    return ", ".join(f"{process.pid} {process.command}" for process in processes)


def _find_driver(mark: str, process: subprocess.Popen[str]) -> list[int]:
    return [process.pid]


_FIND: dict[str, Callable[[str, subprocess.Popen[str]], list[int]]] = {
    "driver": _find_driver,
    "group": _find_driver,
    "worker": lambda mark, process: find_workers(find_processes(mark)),
    "trainer": lambda mark, process: find_trainers(find_processes(mark)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the kinds wanted and print the table; 1 when anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.faults", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="of each kind (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (1)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of the kinds, with commas")
    parser.add_argument("--ends-only", action="store_true", help="do not run again after each")
    parser.add_argument("--folder", type=Path, help="where to work; what failed stays there")
    options = parser.parse_args(arguments)
    # A shell lets what it starts in the background ignore Ctrl-C, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bertdata-faults-"))
    prepare(folder)
    with temporary_server() as (process, wait):
        wait()
        server = process.for_clients
        undisturbed = run_undisturbed(folder, server)
        runs = {
            name: run_kind(
                KINDS[name],
                options.times,
                folder,
                server,
                undisturbed,
                options.seed,
                again=not options.ends_only,
            )
            for name in options.kinds.split(",")
        }
        # In turn, so that what was done so far is of all kinds.
        rounds = [dict(zip(runs, outcomes)) for outcomes in zip(*runs.values())]
    outcomes = {name: [one[name] for one in rounds] for name in runs}
    print(to_text(fault_table(outcomes)))
    return int(any(outcome.problems for found in outcomes.values() for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
