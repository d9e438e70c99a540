"""What machines do: disks that are full, memory that runs out, workers that die or hang.

Real stages in real processes, without Prefect: what failed ends with one line and leaves nothing
that could be taken for whole; once there is room again, the result is that of a run without faults.
"""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from bertdata.errors import BertdataError, CrashError, MemoryUsedUpError
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.storage.manifest import find_damage, is_complete, read_manifest
from flows import stages
from flows.config import Run, load_config
from flows.paths import RunPaths
from flows.processes.jobs import run_job
from pipelines import options
from tests.flows_fixtures import MAKERS
from tests.limits import mount_small_disk
from tests.process_tree import (
    find_processes,
    find_workers,
    start_fork_server_again,
    wait_until_gone,
)

# Bytes left: for nothing, for the plan alone, for tables that wait, for some files, for nearly all.
ROOMS = (0, 6_000, 12_000, 18_000, 60_000)


@pytest.fixture(autouse=True)
def nothing_is_left(mark: str) -> Iterator[None]:
    """After each test there are only the fork server and Python's resource tracker."""
    yield
    assert len(wait_until_gone(mark, 2, but=2)) <= 2


@pytest.fixture
def open_run(small_config: Path) -> Iterator[Run]:
    """The small run without an output folder of its own."""
    config = load_config(small_config)
    return Run(config=config, base=small_config.parent, paths=RunPaths(Path("nowhere")))


def in_folder(run: Run, output: Path) -> Run:
    return dataclasses.replace(run, paths=RunPaths(output))


def hashes(output: Path) -> list[str]:
    return [read_manifest(output / stage).content_sha256 for stage in MAKERS]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    with mount_small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


def fill(disk: Path, room: int) -> Path:
    """Fill a disk but for `room` bytes with a file."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - room))
    return ballast


def error_of(make: Callable[[Run, stages.Say], object], run: Run) -> BertdataError | None:
    try:
        make(run, print)
    except BertdataError as error:
        return error
    return None


def test_a_full_disk_in_every_stage(
    open_run: Run, small_disk: Path, finished: Path, request: pytest.FixtureRequest
) -> None:
    run = in_folder(open_run, small_disk / "run")
    for stage, make in MAKERS.items():
        folder = small_disk / "run" / stage
        for room in ROOMS[-1:] if stage == "model" else ROOMS:
            ballast = fill(small_disk, room)
            error = error_of(make, run)
            if error is None:
                assert room == ROOMS[-1]
            else:
                assert re.fullmatch("cannot .*No space left on device; .*", str(error))
                assert not isinstance(error, CrashError)
                assert not is_complete(folder)
            ballast.unlink()
        if stage == "model":
            request.getfixturevalue("trainer_in_process")  # there is room: no process need fail
        make(run, print)
        assert find_damage(folder, read_manifest(folder)) == []
    assert hashes(run.paths.output) == hashes(finished)
    assert not list(small_disk.rglob(".*"))


def test_a_disk_that_may_only_be_read(open_run: Run, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(BertdataError, match="Read-only file system"):
        stages.make_sentences(in_folder(open_run, small_disk / "run"), print)


def warm_up() -> None:
    """Have a fork server that is ready for jobs."""
    run_job("tests.flows.some_jobs:speak", ([],), Path(os.devnull), print)


def plan_books(run: Run, folder: Path, *more: str) -> StagePlan:
    """A plan of few books of their own, and what `more` patterns match."""
    books = folder / "books"
    books.mkdir(parents=True)
    for number in range(4):
        (books / f"{number}.txt").write_text("One sentence. And two. " * 50 * (number + 1))
    (corpus,) = run.config.corpus
    corpus = dataclasses.replace(corpus, paths=(*corpus.paths, *more))
    corpora = Corpora(configs=(corpus,), base=str(folder))
    return plan_sentences(folder / "run" / "sentences", corpora, run.config.sentences, seed=1)


def make_pipe(folder: Path) -> None:
    """Let the largest book, already planned, become what nobody ever reads to its end."""
    (folder / "books" / "3.txt").unlink()
    os.mkfifo(folder / "books" / "3.txt")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_hangs_is_ended(
    workers: int, open_run: Run, tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "_SMALL_TEXT_BYTES", 0)
    plan = plan_books(open_run, tmp_path)
    make_pipe(tmp_path)
    runner = options.RunnerConfig(workers=workers, stall_timeout_minutes=0.05)
    warm_up()
    message = r"the sentences job made no progress for 0\.05 minutes and was ended; "
    with pytest.raises(CrashError, match=message):
        stages._make(plan, runner, print)
    assert find_workers(find_processes(mark)) == []


@pytest.mark.parametrize(
    ("number", "workers", "struck"),
    [(signal.SIGKILL, 2, 1), (signal.SIGKILL, 4, 1), (signal.SIGSEGV, 2, 2)],
)
def test_a_worker_that_is_killed_is_named(
    number: signal.Signals,
    workers: int,
    struck: int,
    open_run: Run,
    tmp_path: Path,
    mark: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also while the runner waits for a different one, which will never be done."""
    monkeypatch.setattr(options, "_SMALL_TEXT_BYTES", 0)
    plan = plan_books(open_run, tmp_path)
    make_pipe(tmp_path)
    killer = threading.Thread(target=strike, args=(mark, number, workers, struck))
    killer.start()
    with pytest.raises(CrashError) as caught:
        stages._make(plan, options.RunnerConfig(workers=workers), print)
    assert str(caught.value) == (
        f"sentences: a worker was killed by {number.name}; "
        "if memory ran out, lower [runner] workers; run again to continue"
    )
    killer.join()
    assert find_workers(find_processes(mark)) == []


def test_a_worker_that_is_stopped_is_ended(
    open_run: Run, tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "_SMALL_TEXT_BYTES", 0)
    plan = plan_books(open_run, tmp_path)
    make_pipe(tmp_path)
    killer = threading.Thread(target=strike, args=(mark, signal.SIGSTOP, 2, 2))
    killer.start()
    runner = options.RunnerConfig(workers=2, stall_timeout_minutes=0.1)
    with pytest.raises(CrashError, match=r"the sentences job made no progress for 0\.1 minutes"):
        stages._make(plan, runner, print)
    killer.join()
    assert find_workers(find_processes(mark)) == []


def strike(mark: str, number: signal.Signals, workers: int, struck: int) -> None:
    """Send a signal to some of the workers once they are at work."""
    while len(found := find_workers(find_processes(mark))) < workers:
        time.sleep(0.02)
    time.sleep(2)
    for pid in found[:struck]:
        os.kill(pid, number)


def test_memory_that_runs_out_is_named(open_run: Run, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"a" * 250_000_000)
    plan = plan_books(open_run, tmp_path, "*.txt")
    warm_up()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    used = int(Path(f"/proc/{server}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(server, resource.RLIMIT_AS, (used + 600_000_000,) * 2)
    with pytest.raises(MemoryUsedUpError, match="needs more memory than there is; lower"):
        stages._make(plan, options.RunnerConfig(workers=1), print)
    start_fork_server_again()  # without the limit
    assert not is_complete(plan.folder)
