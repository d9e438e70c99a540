"""As many cores as this process may use, not as the machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bertdata.processes.cores import available_cores

_LIMITED = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from bertdata.processes.cores import available_cores
print(available_cores(), os.cpu_count())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be limited here")
def test_a_limited_process_has_fewer() -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITED], capture_output=True, check=True)
    assert done.stdout.split() == [b"1", str(os.cpu_count()).encode()]
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
