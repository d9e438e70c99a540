"""What a run imports: no package that only tests need, and no file beside its configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
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
    """A folder with a file of each name that leaves a mark if it is run."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(HOSTILE)
    return folder


@pytest.fixture
def hides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide all packages that only tests need.

    Whoever typed `make demo` has none of them; pyarrow and others use some where they are.
    """
    hidden = _modules_of_tests()
    assert {"pandas", "scipy", "transformers"} <= hidden
    monkeypatch.setenv("BERTDATA_TEST_HIDES", " ".join(hidden))


@pytest.mark.usefixtures("untraced", "hides")
def test_a_run_imports_only_what_it_shall(small_config: Path, hostile: Path) -> None:
    """All stages with two worker processes, a temporary Prefect server, training of two ranks."""
    script = str(Path(sys.executable).with_name("bertdata"))
    options = ["--output", "run", "--set=runner.workers=2", "--set=train.processes=2"]
    done = _run([script, "run", str(small_config), *options], hostile)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (hostile / "run").iterdir()}
    assert made == {"sentences", "vocab", "examples", "model", "report.html"}
    assert not list(hostile.glob("*.ran"))
    command = [script, "fill-mask", "--model", "run/model", "one [MASK]"]
    done = _run(command, hostile)
    assert done.returncode == 0, done.stderr
    assert not list(hostile.glob("*.ran"))


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # An empty entry means the current folder: so does `PYTHONPATH=$PYTHONPATH:more` often.
    python_path = os.pathsep.join([os.environ["PYTHONPATH"], str(PACKAGES), "", ""])
    environment = {**os.environ, "PYTHONPATH": python_path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def _modules_of_tests() -> set[str]:
    """Top-level modules of the packages that .lock/test.txt adds to those of .lock/run.txt."""
    packages = _locked("test.txt") - _locked("run.txt")
    found = metadata.packages_distributions().items()
    return {module for module, names in found if packages.issuperset(map(str.lower, names))}


def _locked(name: str) -> set[str]:
    lines = (PACKAGES / ".lock" / name).read_text().splitlines()
    return {line.split("==")[0].lower() for line in lines if "==" in line}
