"""The process that runs the jobs of a flow, started early so that it is ready in time."""

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

# glibc gives each thread a heap of its own and keeps its free memory. One thread of a process does
# the work here; Beam's many others would each keep some memory.
# Of Arrow's memory pools jemalloc's keeps the least free memory, and always the same amount; Arrow
# takes a different one where jemalloc is missing.
_MEMORY = {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "jemalloc"}
_hosts: list[subprocess.Popen[str]] = []


def start_host() -> None:
    """Start the process, unless it is running. It ends with this one."""
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
    """End the process and everything that it started."""
    while _hosts:
        host = _hosts.pop()
        end_group(host)
        for pipe in (host.stdin, host.stdout):
            if pipe is not None:
                # A dead process no longer reads what is still in the pipe.
                with contextlib.suppress(OSError):
                    pipe.close()


def run_job(
    module: str,
    arguments: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    stall_seconds: float = 0.0,
) -> int:
    """Run a job; returns its exit status, negative for a signal.

    `say`: called with each line that it prints. `log`: gets its stderr. If the caller is
    interrupted, the job ends. Raises the error that the job reports, and CrashError if it prints
    nothing for `stall_seconds` (0: no limit).
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
            f"{module} made no progress for {stall_seconds / 60:g} minutes and was ended; "
            "run again to continue, or raise [runner] stall_timeout_minutes"
        )
    if failure is not None:
        raise error_named(failure["type"], failure["message"])
    if line.startswith(END):
        return int(line.removeprefix(END))
    # The host itself died, and the job with it.
    end_host()
    return host.returncode
