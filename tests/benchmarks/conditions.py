"""Runs under bad conditions: little memory, few open files, a closed folder.

    python -m tests.benchmarks.conditions

Under each condition a run either ends well or with one clear line and exit code 1; afterwards the
same command, under good conditions, ends with the same bytes as a run that nothing disturbed.
Conditions that come in the middle come once in each stage.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flows.server.temporary import temporary_server
from tests.benchmarks.faults import STAGES, Command, find_stage, prepare, read_output
from tests.benchmarks.tables import Row, Table, to_text
from tests.process_tree import find_processes

_MEMORY = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0)  # GB of addresses a process
_MEMORY_TOGETHER = (300, 500, 700, 1000)  # MB of all processes of a run
_CGROUP = Path("/sys/fs/cgroup/memory/bertdata-conditions")  # version 1 of control groups
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What is different for a run.

    `limits`: of its processes, as `resource` names them. `memory`: bytes for all of its processes
    together, by a control group of Linux; 0: no limit. `umask`, `environment`: with which it is
    started. `act`: called with the trial once the run is in `stage`; without it, the stages before
    `stage` are complete when the run starts.
    """

    name: str
    limits: Mapping[int, int] = field(default_factory=dict)
    memory: int = 0
    umask: int = 0o022
    environment: Mapping[str, str] = field(default_factory=dict)
    act: Callable[[Trial], None] | None = None
    stage: str = ""


@dataclass(slots=True)
class Trial:
    """One run under a condition."""

    condition: Condition
    folder: Path
    command: Command
    process: subprocess.Popen[str] | None = None
    mark: str = ""

    def run(self) -> tuple[int, str]:
        """Run; the exit status and what was said on stderr."""
        condition = self.condition

        def prepare_process() -> None:
            os.umask(condition.umask)
            if condition.memory:
                (_CGROUP / "cgroup.procs").write_text(str(os.getpid()))
            for limit, value in condition.limits.items():
                resource.setrlimit(limit, (value, value))

        if condition.memory:
            _CGROUP.mkdir(exist_ok=True)
            (_CGROUP / "memory.limit_in_bytes").write_text(str(condition.memory))
        self.process, self.mark = self.command.start(
            environment=condition.environment, before=prepare_process
        )
        if condition.act is not None:
            while (
                self.process.poll() is None and find_stage(self.command.output) != condition.stage
            ):
                time.sleep(_POLL_SECONDS)
            time.sleep(0.2)
            condition.act(self)
        return self.process.wait(), self.command.errors()


def conditions() -> Iterator[Condition]:
    """All of them."""
    for stage in STAGES:
        yield from _limits_from(stage)
    yield Condition(name="umask 077", umask=0o077)
    yield Condition(name="umask 000", umask=0)
    for stage in STAGES:
        yield Condition(name=f"SIGSTOP for a minute in {stage}", stage=stage, act=stop_for_a_minute)
        yield Condition(name=f"output read-only from {stage} on", stage=stage, act=close_folder)
        yield Condition(name=f"an input changes in {stage}", stage=stage, act=change_input)
        yield Condition(name=f"an input is deleted in {stage}", stage=stage, act=delete_input)


def _limits_from(stage: str) -> Iterator[Condition]:
    """Limits of a run that begins with a stage."""
    for gigabytes in _MEMORY:
        limits = {resource.RLIMIT_AS: int(gigabytes * 1e9)}
        yield Condition(
            name=f"ulimit -v {gigabytes:g} GB from {stage} on", limits=limits, stage=stage
        )
    if os.access(_CGROUP.parent, os.W_OK):
        for megabytes in _MEMORY_TOGETHER:
            name = f"cgroup of {megabytes} MB from {stage} on"
            yield Condition(name=name, memory=megabytes << 20, stage=stage)
    files = {resource.RLIMIT_NOFILE: 64}
    yield Condition(name=f"ulimit -n 64 from {stage} on", limits=files, stage=stage)


def stop_for_a_minute(trial: Trial) -> None:
    """Stop all processes and let them go on."""
    pids = [process.pid for process in find_processes(trial.mark)]
    for number, seconds in ((signal.SIGSTOP, _STOP_SECONDS), (signal.SIGCONT, 0.0)):
        for pid in pids:
            os.kill(pid, number)
        time.sleep(seconds)


def close_folder(trial: Trial) -> None:
    """Take the right to write from the output folder and all folders in it."""
    for folder in _folders(trial.command.output):
        _change_flag("+i", folder)


def open_folder(trial: Trial) -> None:
    """Give it back."""
    for folder in _folders(trial.command.output):
        _change_flag("-i", folder)


def _folders(output: Path) -> list[Path]:
    return [output, *(path for path in output.rglob("*") if path.is_dir())]


def _change_flag(flag: str, folder: Path) -> None:
    """Even root cannot write to an immutable folder."""
    subprocess.run(["chattr", flag, str(folder)], check=False, capture_output=True)


def change_input(trial: Trial) -> None:
    """Add a document to the input."""
    with _some_input(trial).open("a") as file:
        file.write('{"text": "This came late. Nobody expected it."}\n')


def delete_input(trial: Trial) -> None:
    """Delete an input file."""
    _some_input(trial).unlink()


def _some_input(trial: Trial) -> Path:
    return sorted((trial.folder / "text").iterdir())[-1]


def try_condition(
    condition: Condition, folder: Path, server: dict[str, str], undisturbed: Mapping[str, str]
) -> Row:
    """One run under a condition, and one more; a row of the table."""
    own = Path(tempfile.mkdtemp(dir=folder))
    own.chmod(0o755)
    shutil.copytree(folder / "text", own / "text")
    shutil.copy2(folder / "run.toml", own)
    if condition.act is None and condition.stage:
        for stage in STAGES[: STAGES.index(condition.stage)]:
            shutil.copytree(folder / "undisturbed" / stage, own / "run" / stage)
    trial = Trial(condition, own, Command(own, own / "run", server))
    status, said = trial.run()
    open_folder(trial)
    problems = list(_problems(trial, status, said))
    if status or condition.act in (change_input, delete_input):
        shutil.rmtree(own / "text")
        shutil.copytree(folder / "text", own / "text")
        process, _ = trial.command.start()
        if process.wait():
            problems.append(f"run again: {trial.command.errors()}")
    if read_output(trial.command.output)[0] != undisturbed:
        problems.append("other content")
    shutil.rmtree(own, ignore_errors=True)
    last = said.strip().splitlines()[-1:] or [""]
    row = {"condition": condition.name, "exit": status, "said": last[0][:110]}
    return {**row, "then": "; ".join(problems) or "same bytes"}


def _problems(trial: Trial, status: int, said: str) -> Iterator[str]:
    lines = said.strip().splitlines()
    if status not in (0, 1):
        yield f"exit {status}"
    if status and len(lines) != 1:  # with next to no memory it is one of a library
        yield f"not one line: {said[-600:]!r}"
    mask = trial.condition.umask
    output = trial.command.output
    open_ones = [p for p in output.rglob("*") if p.stat().st_mode & mask & 0o777]
    if open_ones:
        yield f"more rights than umask gives: {open_ones[:3]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all conditions, or some; 1 if any is not as it must be."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.conditions", description=__doc__
    )
    parser.add_argument("--only", default="", help="conditions whose name contains this")
    given = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bertdata-conditions-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        prepare(folder)
        with temporary_server() as (process, wait):
            wait()
            command = Command(folder, folder / "undisturbed", process.for_clients)
            undisturbed_process, _ = command.start()
            if undisturbed_process.wait():
                raise SystemExit(f"the undisturbed run failed: {command.errors()}")
            undisturbed, _names = read_output(command.output)
            for condition in conditions():
                if given.only in condition.name:
                    row = try_condition(condition, folder, process.for_clients, undisturbed)
                    print(row, flush=True)
                    rows.append(row)
    print(to_text(Table(title="Bad conditions", rows=tuple(rows))))
    return int(any(row["then"] != "same bytes" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
