"""A pool of workers: they do the work of a pipeline, end with it, and a death is reported.

Each test is a process of its own: workers are forks, and this one has threads of other tests. Where
a job will do it is a job, which starts sooner. But all that a job started is ended with it: whether
workers end by themselves is seen in a plain process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import CrashError
from flows.processes.jobs import run_job

JOBS = "tests.pipelines.workers.jobs"

pytestmark = pytest.mark.usefixtures("untraced")

_COMMON = """
import os, signal, sys, time
from pathlib import Path
import apache_beam as beam
from pipelines.runners import beam_options, open_runner
from tests.pipelines.workers.jobs import CONFIG, run

folder = Path(sys.argv[1])

def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()
"""


def run_script(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _COMMON + script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


_WORK = """
def note(number):
    # Each waits for the other, so that both have work to do.
    (folder / f"{os.getpid()}-{number}").touch()
    assert wait_for(lambda: len({p.name.split("-")[0] for p in folder.iterdir()}) == 2)

run(note, range(10))
print("driver", os.getpid())
"""


def test_all_workers_do_the_work_of_a_pipeline_and_end(tmp_path: Path) -> None:
    done = run_script(_WORK, tmp_path)
    assert done.returncode == 0, done.stderr
    names = [path.name.split("-") for path in tmp_path.iterdir()]
    assert sorted(int(number) for _, number in names) == list(range(10))
    pids = {int(pid) for pid, _ in names}
    assert len(pids) == 2
    assert f"driver {min(pids)}" not in done.stdout
    assert not any(map(is_alive, pids))


def test_a_killed_worker_ends_the_job_and_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CrashError, match=r"^a worker was killed by SIGKILL; if memory"):
        run_job(f"{JOBS}:kill_a_worker", (), tmp_path / "log", print)


def test_a_death_that_the_runner_does_not_notice_ends_the_job_too(tmp_path: Path) -> None:
    with pytest.raises(CrashError, match=r"^a worker was killed by SIGKILL; if memory"):
        run_job(f"{JOBS}:kill_a_worker_unnoticed", (), tmp_path / "log", print)


def test_a_worker_that_exits_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CrashError, match=r"^a worker exited 3; "):
        run_job(f"{JOBS}:let_a_worker_exit", (), tmp_path / "log", print)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for child processes")
def test_a_pool_ends_with_its_context(tmp_path: Path) -> None:
    """And to be ended is not to die."""
    said: list[Any] = []
    run_job(f"{JOBS}:leave_a_pool", (), tmp_path / "log", said.append)
    (count, death, address), after = said
    assert (count, death) == (3, None)
    assert address.startswith("localhost:")
    assert after == (0, None)


_DRIVER_KILLED = """
def note(number):
    (folder / str(os.getpid())).touch()
    time.sleep(60)

import threading

def kill():
    wait_for(lambda: any(folder.iterdir()))
    os.kill(os.getpid(), signal.SIGKILL)

with open_runner(CONFIG) as runner:
    threading.Thread(target=kill).start()
    pipeline = beam.Pipeline(runner, beam_options(CONFIG))
    _ = pipeline | beam.Create(range(4)) | beam.Map(note)
    pipeline.run().wait_until_finish()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to end them")
def test_workers_end_with_the_job_that_was_killed(tmp_path: Path) -> None:
    done = run_script(_DRIVER_KILLED, tmp_path)
    assert done.returncode == -9
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert pids
    assert os.getpid() not in pids
    deadline = time.monotonic() + 20  # the system may take a moment
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, pids))
