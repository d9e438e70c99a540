"""The tests of growth with every instruction counted, by valgrind: an hour or more.

    python -m tests.growth [arguments of pytest, such as -k splitter]

Where the kernel lets a process count its own instructions, plain pytest counts them as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.growth.counting import CALLGRIND

_TESTS = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(Path(__file__).parent))
# Valgrind's processor is different; one that both have lets it use what numba has compiled.
_PROCESSOR = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}


def main(arguments: Sequence[str]) -> int:
    """Run the tests as usual, which compiles the kernels, then under valgrind."""
    with tempfile.TemporaryDirectory(prefix="bertdata-growth-") as folder:
        environment = {**os.environ, **_PROCESSOR, "NUMBA_CACHE_DIR": f"{folder}/numba"}
        command = [*_TESTS, *arguments]
        return _run(command, environment) or _run(
            [
                "valgrind",
                "--tool=callgrind",
                "--dump-after=getppid",
                f"--callgrind-out-file={folder}/out",
                *command,
                "-v",
            ],
            {**environment, CALLGRIND: f"{folder}/out"},
        )


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
