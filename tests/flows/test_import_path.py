"""Files beside a configuration that are called like modules are never run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertdata.import_path import PACKAGES

HOSTILE = """
import pathlib
pathlib.Path(__file__).with_suffix(".ran").touch()
raise SystemExit(f"{__file__} was run")
"""
NAMES = (
    *("bertdata", "flows", "pipelines", "trainer", "vocab"),
    *("argparse", "copy", "json", "logging", "queue", "random", "statistics", "string"),
    *("apache_beam", "numba", "numpy", "prefect", "pyarrow", "torch", "uvicorn", "grpc"),
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with a file of each name that says that it was run."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(HOSTILE)
    return folder


@pytest.mark.usefixtures("untraced")
def test_a_run_imports_nothing_from_the_current_folder(small_config: Path, hostile: Path) -> None:
    """All stages with two worker processes, a temporary Prefect server, training of two ranks."""
    script = str(Path(sys.executable).with_name("bertdata"))
    options = ["--output", "run", "--set=runner.workers=2", "--set=train.processes=2"]
    done = _run([script, "run", str(small_config), *options], hostile)
    assert done.returncode == 0, done.stderr
    assert not list(hostile.glob("*.ran"))
    done = _run([script, "fill-mask", "--model", "run/model", "one [MASK]"], hostile)
    assert done.returncode == 0, done.stderr
    assert not list(hostile.glob("*.ran"))


def _run(command: list[str], folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    # An empty entry means the current folder: so does `PYTHONPATH=$PYTHONPATH:more` often.
    python_path = os.pathsep.join([str(PACKAGES), "", ""])
    environment = {**os.environ, "PYTHONPATH": python_path, **settings}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
