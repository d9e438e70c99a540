"""The process that runs the jobs of a flow: started early, so that it is ready when wanted."""

from __future__ import annotations

import atexit
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bertdata.errors import CrashError
from flows.processes.children import PIPED, child_environment, end_group, signal_group
from flows.processes.watchdog import Watchdog
from pipelines.processes import END, FAILED
from pipelines.progress import error_named

# In glibc each thread has a heap of its own, which keeps what it once took. Here one thread of a
# process does the work, and Beam's many others would each hold some of the memory.
# Of Arrow's pools jemalloc's holds the least of what is free, and always as much; Arrow takes
# another where there is none.
_MEMORY = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
_hosts: list[subprocess.Popen[str]] = []


def start_host() -> None:
    """Start the process, unless there is one. It ends with this one."""
    if _hosts and _hosts[-1].poll() is None:
        return
    end_host()
    atexit.unregister(end_host)
    atexit.register(end_host)
    _hosts.append(
        subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelines.jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            env={**_MEMORY, **child_environment(), **PIPED},
        )
    )


def end_host() -> None:
    """End the process and all that it started."""
    while _hosts:
        host = _hosts.pop()
        end_group(host)
        for pipe in (host.stdin, host.stdout):
            if pipe is not None:
                # What a dead process did not read is lost with it.
                with contextlib.suppress(OSError):
                    pipe.close()


def run_job(
    module: str,
    arguments: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    stall_seconds: float = 0.0,
) -> int:
    """Run a job; every line it prints goes to `say`, its stderr to `log`.

    Returns its exit status, negative for a signal. When the caller is interrupted the job ends.
    Raises the error that the job names, and CrashError when it says nothing for `stall_seconds`
    (0: for ever).
    """
    start_host()
    (host,) = _hosts
    assert host.stdin is not None
    assert host.stdout is not None
    request = {"module": module, "arguments": list(arguments), "log": str(log)}
    failure = None
    line = ""
    try:
        with Watchdog(stall_seconds, lambda: signal_group(host, signal.SIGKILL)) as dog:
            print(json.dumps(request), file=host.stdin, flush=True)
            for line in host.stdout:
                dog.pat()
                if line.startswith(FAILED):
                    failure = json.loads(line.removeprefix(FAILED))
                elif line.startswith(END):
                    break
                else:
                    say(line.rstrip("\n"))
    except BaseException:
        end_host()
        raise
    if dog.has_bitten:
        end_host()
        raise CrashError(
            f"{module} got nothing done for {stall_seconds / 60:g} minutes and was ended; "
            "run again to continue, or raise [runner] stall_timeout_minutes"
        )
    if failure is not None:
        raise error_named(failure["type"], failure["message"])
    if line.startswith(END):
        return int(line.removeprefix(END))
    # It died itself, and the job with it.
    end_host()
    return host.returncode
