"""The same corpus gives the same bytes, on every machine and in every version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.golden.make import HASHES, make_hashes


def test_the_bytes_are_those_of_ever(tmp_path: Path) -> None:
    assert make_hashes(tmp_path) == json.loads(HASHES.read_text())


# Compiling takes ten seconds: what is up to date is kept.
COMPILED = Path(__file__).parents[2] / "build" / "generic-processor"


def test_any_processor_makes_the_same_bytes(tmp_path: Path) -> None:
    """Compiled for the least that all x86-64 (or ARM) processors have, not for this one."""
    work = "import json, sys; from pathlib import Path; from tests.golden.make import make_hashes; "
    work += "from numba.core import config; assert config.CPU_NAME == 'generic'; "
    work += "print(json.dumps(make_hashes(Path(sys.argv[1]))))"
    generic = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(COMPILED),
    }
    done = subprocess.run(
        [sys.executable, "-c", work, str(tmp_path)],
        env={**os.environ, **generic},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads(HASHES.read_text())
    assert any(COMPILED.rglob("*.nbc"))
