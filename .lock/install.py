"""Install what the lock names into the environment of the Python that runs this.

    .venv/bin/python .lock/install.py run [TORCH]
    .venv/bin/python .lock/install.py test
    .venv/bin/python .lock/install.py docs
    build/consumers/bin/python .lock/install.py consumers [TORCH]

TORCH is a wheel (a path or an address), the address of an index that has the locked version, or a
requirement such as "torch==2.12.0". Without it, Linux without an NVIDIA driver takes PyTorch's CPU
build: the one on PyPI comes with 5 GB for GPUs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

LOCK = Path(__file__).resolve().parent
LOGS = Path(sys.prefix) / "install-logs"
CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")
PROBE_SECONDS = 4.0
# Compiling everything installed would take most of a minute; what runs import is compiled below.
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile")
PYTHON = (sys.executable, "-c")
ADVICE = """\
What is installed is kept: the same command continues from there. If pypi.org cannot be reached, set
a proxy (HTTPS_PROXY=http://host:port) or another index (PIP_INDEX_URL=https://host/simple)."""


class StepError(Exception):
    """A step that failed: which one, and the end of what it printed."""


class Steps:
    """Runs commands, and prints a line when each begins and when it is done."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = 0
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def run(self, what: str, command: Sequence[str]) -> None:
        """Run a command to its end; what it prints goes to a log. Raises StepError."""
        started = time.monotonic()
        with self._lock:
            self._begun += 1
            step = f"step {self._begun} of {self._total}"
            log = LOGS / f"{self._begun}.log"
            say(f"{step}  {what}")
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=LOCK.parent
                )
            self._running.append(process)
        if process.wait() != 0:
            raise StepError(f"{step} failed: {what}\n{tail(log)}\n(all of it: {log})")
        say(f"{step}  done in {time.monotonic() - started:.0f} s")

    def side_by_side(self, *lanes: Callable[[], None]) -> None:
        """Run functions at the same time; the first error ends what the others run."""
        with ThreadPoolExecutor(len(lanes)) as pool:
            try:
                for lane in as_completed([pool.submit(lane) for lane in lanes]):
                    lane.result()
            except BaseException:
                for process in self._running:
                    process.terminate()
                raise


def main() -> int:
    """Install one file of the lock; returns the exit status."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    LOGS.mkdir(exist_ok=True)
    name, torch = sys.argv[1], "".join(sys.argv[2:])
    try:
        if name == "run":
            install_run(torch)
        elif name == "consumers":
            install_consumers(torch)
        else:
            what = f"{len(read_lock(LOCK / f'{name}.txt'))} packages for `make {name}`"
            Steps(1).run(what, install_file(name))
    except StepError as error:
        print(f"{error}\n{ADVICE}", file=sys.stderr)
        return 1
    return 0


def install_file(name: str) -> list[str]:
    """The command that installs one file of the lock."""
    return [*PIP, "--no-deps", "--requirement", str(LOCK / f"{name}.txt")]


def install_run(torch: str) -> None:
    """What a run needs, and this package; what runs import is compiled, for two cores."""
    packages, locked_torch = split_lock(LOCK / "run.txt")
    steps = Steps(8)

    def install_packages(part: Sequence[str]) -> Callable[[], None]:
        what = f"{len(part)} of {len(packages)} packages"
        return lambda: steps.run(what, [*PIP, "--no-deps", *part])

    def install_itself() -> None:
        steps.run("bertdata", [*PIP, "--no-deps", "--no-build-isolation", "--editable", "."])
        steps.run("compile the loops over text", [sys.executable, "-m", "flows.processes.warm"])

    def install_torch() -> None:
        what, arguments = choose_torch(torch, locked_torch)
        # With what it depends on: on some platforms that is CUDA's libraries.
        steps.run(what, [*PIP, *arguments])
        steps.run("compile the trainer", [*PYTHON, "import trainer.pretrain"])
        steps.run(
            "compile Prefect", [*PYTHON, "import prefect.server.api.server, flows.end_to_end"]
        )
        steps.run("the demo's texts", install_file("demo"))

    # Every other one, so that both take about as long.
    steps.side_by_side(install_packages(packages[::2]), install_packages(packages[1::2]))
    steps.side_by_side(install_itself, install_torch)


def install_consumers(torch: str) -> None:
    """What reads exports elsewhere, in an environment of its own: their pins are not ours."""
    packages, locked_torch = split_lock(LOCK / "consumers.txt")
    what, arguments = choose_torch(torch, locked_torch)
    steps = Steps(2)
    steps.run(f"{len(packages)} packages for `make consumers`", [*PIP, "--no-deps", *packages])
    steps.run(what, [*PIP, *arguments])


def choose_torch(wish: str, locked: str) -> tuple[str, list[str]]:
    """Which build of torch to install: in words, and as arguments of pip."""
    if wish and "://" in wish and not wish.endswith(".whl"):
        return f"{locked} from {wish}", [locked, "--index-url", wish]
    if wish:
        return wish, [wish]
    if not sys.platform.startswith("linux"):
        return f"{locked}, about 0.1 GB", [locked]
    if has_nvidia_driver():
        return f"{locked} for this machine's NVIDIA GPU, about 3 GB", [locked]
    if (reason := why_not(f"{CPU_INDEX}/torch/", locked.replace("==", "-"))) is None:
        return f"{locked}, CPU build, about 0.2 GB", [locked, "--index-url", CPU_INDEX]
    return (
        f"{locked} from the package index, 0.2 to 3 GB (no CPU build from {CPU_INDEX}: {reason})",
        [locked],
    )


def has_nvidia_driver() -> bool:
    """Whether this machine can use CUDA."""
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def why_not(page: str, file: str) -> str | None:
    """Why a package's page of an index cannot be used for a file; None if it can."""
    try:
        with urllib.request.urlopen(page, timeout=PROBE_SECONDS) as answer:
            return None if file.encode() in answer.read() else f"it has no {file}"
    except (OSError, ValueError) as error:
        return str(error)


def split_lock(file: Path) -> tuple[list[str], str]:
    """The requirements of a file of the lock without torch, and the one of torch."""
    packages = read_lock(file)
    locked_torch = next(line for line in packages if line.startswith("torch=="))
    packages.remove(locked_torch)
    return packages, locked_torch


def read_lock(file: Path) -> list[str]:
    """The requirements of a file of the lock."""
    lines = (line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def tail(log: Path) -> str:
    """The last lines of a log, without empty ones and pip's remarks on ignored links."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return "\n".join([line for line in lines if line and "is ignored: it is" not in line][-8:])


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
