"""A job says, returns and raises what its function does, and ends with whoever asked for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from bertdata import errors
from bertdata.errors import BertdataError, CrashError
from bertdata.import_path import PACKAGES
from flows.processes.fork_server import fork, fork_environment, prepare_jobs
from flows.processes.job_process import work
from flows.processes.jobs import JobDiedError, _start, run_job
from flows.processes.watchdog import Patience
from tests.flows import some_jobs
from tests.process_tree import (
    find_processes,
    marked,
    start_fork_server_again,
    wait_until_gone,
)

JOBS = some_jobs.__name__


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for temporary files, whose path is short enough for sockets."""
    prepare_jobs()  # its own files are elsewhere
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
        monkeypatch.undo()


def test_lines_are_passed_on_and_the_result_comes_back(log: Path) -> None:
    said: list[str] = []
    assert run_job(f"{JOBS}:speak", (["one", "zwei ü"],), log, said.append) == 2
    assert said == ["one", "zwei ü"]
    assert log.read_bytes() == b""


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
def test_an_error_of_our_own_keeps_its_type_and_message(name: str, log: Path) -> None:
    with pytest.raises(BertdataError, match=r"^what is wrong$") as caught:
        run_job(f"{JOBS}:fail", (name, "what is wrong"), log, print)
    assert type(caught.value) is getattr(errors, name)


def test_any_other_error_is_in_the_log(log: Path) -> None:
    with pytest.raises(JobDiedError) as caught:
        run_job(f"{JOBS}:fail", ("ValueError", "a number"), log, print)
    assert caught.value.status == 1
    assert log.read_text().startswith("Traceback")
    assert log.read_text().endswith("ValueError: a number\n")


@pytest.mark.parametrize("function", ["no_such_module:work", f"{JOBS}:no_such_function"])
def test_a_function_that_is_missing_is_named_in_the_log(function: str, log: Path) -> None:
    with pytest.raises(JobDiedError):
        run_job(function, (), log, print)
    assert "no_such" in log.read_text().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_job_that_is_killed(number: signal.Signals, log: Path) -> None:
    with pytest.raises(JobDiedError) as caught:
        run_job(f"{JOBS}:die", (number,), log, print)
    assert caught.value.status == -number


def test_a_job_that_leaves(log: Path) -> None:
    with pytest.raises(JobDiedError) as caught:
        run_job(f"{JOBS}:leave", (3,), log, print)
    assert caught.value.status == 3


def test_a_job_that_hangs_is_ended_with_its_workers(log: Path, temporary: Path, mark: str) -> None:
    prepare_jobs()
    run_job(f"{JOBS}:speak", ([],), log, print)  # the fork server is ready
    with pytest.raises(CrashError, match=r"the job made no progress for 0\.01 minutes and was"):
        run_job(f"{JOBS}:wait_with_workers", (2,), log, print, Patience(idle=0.6))
    stacks = log.with_name("log-stalled").read_text()
    assert stacks.count("--- where process") == 3  # the job and its workers
    assert "some_jobs.py" in stacks
    assert "in _serve" in stacks
    assert len(find_processes(mark)) == 2  # the fork server and the resource tracker
    assert list(temporary.glob("*/tmp*")) == []


def test_all_output_is_in_the_log(log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_job(f"{JOBS}:print_lines", (), log, print)
    assert sorted(log.read_text().splitlines()) == ["of a child", "to stderr", "to stdout"]
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    said: list[str] = []
    run_job(f"{JOBS}:speak", (["hello"],), tmp_path / "none" / "log", said.append)
    assert said == ["hello"]
    with pytest.raises(JobDiedError):
        run_job(f"{JOBS}:fail", ("ValueError", "a number"), Path("/dev/full"), print)


def test_the_environment_is_that_of_the_caller(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_jobs()  # with another environment
    monkeypatch.setenv("BERTDATA_TEST", "now")
    monkeypatch.delenv("HOME")
    monkeypatch.chdir(tmp_path)
    found = run_job(f"{JOBS}:look", (), log, print)
    environment = found["environment"]
    assert (environment["BERTDATA_TEST"], environment.get("HOME")) == ("now", None)
    assert environment["TOKENIZERS_PARALLELISM"] == "false"
    assert environment["MALLOC_ARENA_MAX"] == "1"
    assert found["folder"] == str(tmp_path)
    assert "MALLOC_ARENA_MAX" not in os.environ


def test_an_interrupt_ends_the_job_and_its_workers(log: Path, temporary: Path, mark: str) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(f"{JOBS}:wait_with_workers", (2,), log, interrupt)
    assert len(find_processes(mark)) == 2  # the fork server and the resource tracker
    assert list(temporary.glob("*/tmp*")) == []


def test_a_job_that_ignores_the_interrupt_is_killed(
    log: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.processes.jobs._END_SECONDS", 0.3)
    with pytest.raises(KeyboardInterrupt):
        run_job(f"{JOBS}:be_stubborn", (), log, interrupt)
    assert len(find_processes(mark)) == 2


def test_a_job_ends_also_where_python_ignores_the_signals_exception(
    log: Path, tmp_path: Path
) -> None:
    prepare_jobs()
    receiver, job = _start(log, str(tmp_path), f"{JOBS}:be_in_a_callback", ())
    assert receiver.recv().what == "ready"
    job.terminate()
    job.join(30)
    assert job.exitcode == -signal.SIGALRM
    assert "Exception ignored in" in log.read_text()


def test_a_fork_server_that_died_is_replaced(log: Path) -> None:
    run_job(f"{JOBS}:speak", ([],), log, print)
    first = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert run_job(f"{JOBS}:speak", (["hello"],), log, print) == 1
    assert forkserver._forkserver._forkserver_pid != first  # type: ignore[attr-defined]


def test_a_fork_server_that_dies_meanwhile_is_a_job_that_died(log: Path) -> None:
    start_fork_server_again()
    prepare_jobs()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    killer = threading.Timer(0.3, os.kill, (server, signal.SIGKILL))  # while it imports
    killer.start()
    with pytest.raises(JobDiedError):
        run_job(f"{JOBS}:speak", (["hello"],), log, print)
    killer.join()
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    assert run_job(f"{JOBS}:speak", (["hello"],), log, print) == 1


def test_a_job_removes_nothing_but_its_own_folder(tmp_path: Path) -> None:
    """Its caller may have removed that already: others, which Python takes instead, are not its."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    environment = {**fork_environment(), "TEMP": str(other), "TMP": str(other)}
    gone = str(tmp_path / "gone")
    prepare_jobs()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    arguments = (sender, tmp_path / "log", gone, environment, f"{JOBS}:be_stubborn", ())
    job = fork(work, *arguments)
    sender.close()
    assert receiver.recv().what == "ready"
    job._popen.finalizer()  # type: ignore[attr-defined]  # as this process's death does
    with pytest.raises(EOFError):
        receiver.recv()
    assert list(other.iterdir()) == [other / "file"]


# Never in a function that only a main module calls: a job must not run this file again.
CALLER = """
import sys
from pathlib import Path
from flows.processes.signals import catch_signals, finish
catch_signals()
from flows.processes import fork_server, jobs
Path(sys.argv[1], "runs").open("a").write("x")
say = lambda line: print(line, flush=True)
try:
    if sys.argv[2:] == ["prepare"]:
        fork_server.prepare_jobs()
        say("ready")
        import time
        time.sleep(60)
    jobs.run_job("tests.flows.some_jobs:wait_with_workers", (2,), Path(sys.argv[1], "log"), say)
except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
finally:
    finish()
"""


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["prepare", "work"])
def test_all_processes_end_with_their_caller(
    moment: str, number: signal.Signals, tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    environment, mark = marked(os.environ)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "caller.py"), str(tmp_path), moment],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": _python_path()},
        process_group=0,
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        # As a terminal does, whose Ctrl-C reaches all of the group.
        send = os.killpg if number == signal.SIGINT else os.kill
        send(caller.pid, number)
        _, error = caller.communicate(timeout=10)
    assert wait_until_gone(mark, 2) == []
    assert error == ("" if number == signal.SIGKILL else "stopped\n")
    assert (tmp_path / "runs").read_text() == "x"
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


def _python_path() -> str:
    return os.pathsep.join([os.environ["PYTHONPATH"], str(PACKAGES)])


HOSTILE = """
import pathlib
pathlib.Path(__file__).with_suffix(".ran").touch()
raise SystemExit(f"{__file__} was run")
"""


@pytest.mark.usefixtures("untraced")
def test_files_in_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("json", "grpc", "logging", "multiprocessing", "pipelines", "tempfile"):
        (hostile / f"{name}.py").write_text(HOSTILE)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path; from flows.processes.jobs import run_job; "
        "print(run_job('tests.flows.some_jobs:speak', (['hello'],), Path('log'), print))"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=hostile,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": _python_path()},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n1\n", "")
    assert not list(hostile.glob("*.ran"))


@pytest.mark.usefixtures("untraced")
def test_a_long_path_for_temporary_files(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    (tmp_path / "caller.py").write_text(CALLER)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "caller.py"), str(tmp_path), "work"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": _python_path(), "TMPDIR": str(folder)},
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
        caller.terminate()
        caller.wait(10)
    assert list(folder.iterdir()) == []


def test_a_job_that_speaks_may_take_longer_than_it_may_be_silent(log: Path) -> None:
    patience = Patience(silent=2.0)
    assert run_job(f"{JOBS}:speak_slowly", (14, 0.25), log, lambda line: None, patience) == 14
