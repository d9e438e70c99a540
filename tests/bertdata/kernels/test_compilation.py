"""Loops that the installation compiled are used also where nothing can be written beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.another_user import as_another_user

# Imports a module like ours and says how often its loop came out of the cache, and from where.
PROGRAM = """
import numpy as np
from package.loops import double
assert double(np.arange(3)) == 6
print(sum(double.stats.cache_hits.values()), double.stats.cache_path)
"""
LOOPS = """
from bertdata.kernels.compilation import kernel

@kernel
def double(values):
    total = 0
    for value in values:
        total += 2 * value
    return total
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose loop was compiled once."""
    folder = tmp_path_factory.mktemp("compiled") / "package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "loops.py").write_text(LOOPS)
    assert _run(folder) == ["0", str(folder / "__pycache__")]
    return folder


@pytest.fixture
def package(compiled: Path, tmp_path: Path) -> Path:
    """A copy of it, for a test alone."""
    return shutil.copytree(compiled, tmp_path / "package")


def test_compiled_loops_lie_beside_the_source(compiled: Path) -> None:
    assert _run(compiled) == ["1", str(compiled / "__pycache__")]


def test_compiled_loops_are_made_again_once_what_they_inline_is_newer(package: Path) -> None:
    """As after an update: numba itself looks at the loop's own file alone."""
    for index in (package / "__pycache__").glob("*.nbi"):
        os.utime(index, (1e9, 1e9))
    assert _run(package)[0] == "0"
    assert _run(package)[0] == "1"


@pytest.mark.parametrize("has_home", [True, False])
def test_compiled_loops_are_read_where_nothing_can_be_written(
    package: Path, has_home: bool
) -> None:
    public = package.parent / "public"
    public.mkdir()
    public.chmod(0o777)
    for folder in (package.parent, *package.parent.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    home = public if has_home else Path("/dev/null")
    settings = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(public)}
    hits, used = _run(package, as_another_user(), **settings)
    assert hits == "1"
    assert Path(used).is_relative_to(public)
    # A temporary folder is gone with the process.
    assert Path(used).exists() == has_home


def _run(package: Path, before: Sequence[str] = (), **settings: str) -> list[str]:
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, **settings}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [*before, sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
