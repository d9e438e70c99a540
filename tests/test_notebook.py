"""The notebooks of docs/, run as written on a small run: all code cells, in a fresh process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.paths import RunPaths
from tests.runs import make_run, some_documents

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def read_cells(notebook: Path) -> list[dict[str, Any]]:
    return list(json.loads(notebook.read_bytes())["cells"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run up to its examples, as the notebooks' reader has that of the demo."""
    folder = tmp_path_factory.mktemp("notebook")
    paths = make_run(folder, some_documents())
    assert isinstance(paths.output, Path)
    (folder / "docs" / "notebooks").mkdir(parents=True)
    (folder / "runs").mkdir()
    return RunPaths(paths.output.rename(folder / "runs" / "demo"))


def test_a_step_is_trained(run: RunPaths) -> None:
    """One process, as a kernel; the lock has no kernel of Jupyter's."""
    (notebook,) = NOTEBOOKS
    cells = [cell for cell in read_cells(notebook) if cell["cell_type"] == "code"]
    program = "\n\n".join("".join(cell["source"]) for cell in cells)
    assert isinstance(run.output, Path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=run.output.parents[1] / "docs" / "notebooks",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (line,) = re.findall(r"loss ([\d.]+) before the step, ([\d.]+) after it", done.stdout)
    before, after = map(float, line)
    assert after < before < 10
    assert "[CLS] " in done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_small_and_whole(notebook: Path) -> None:
    """As nbformat 4.5 describes them; outputs are text alone."""
    table = json.loads(notebook.read_bytes())
    assert (table["nbformat"], table["nbformat_minor"]) == (4, 5)
    assert notebook.stat().st_size < 20_000
    assert len({cell["id"] for cell in table["cells"]}) == len(table["cells"])
    code = [cell for cell in table["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(output["output_type"] == "stream" for output in outputs)
    assert "loss" in "".join(outputs[-1]["text"])
