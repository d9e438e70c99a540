"""The trainer and the reader run where nothing of the pipeline is installed."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = ("apache_beam", "prefect", "nltk", "numba", "vocab", "pipelines", "flows")
TRAINER = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "trainer").rglob("*.py")
)

# All that a machine needs to train, as the README says.
NEEDED = {"torch", "numpy", "pyarrow", "tokenizers", "safetensors"}

_IMPORT_ALL = r"""
import importlib, sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it now fails
for name in sys.argv[2].split(","):
    importlib.import_module(name)
for name, module in sys.modules.items():
    print(name, getattr(module, "__file__", None), sep="\t")
"""


@functools.cache
def import_without(blocked: tuple[str, ...], *modules: str) -> dict[str, str]:
    """Import modules in a fresh process; returns all that it has then, and their files."""
    command = [sys.executable, "-c", _IMPORT_ALL, ",".join(blocked), ",".join(modules)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


def test_every_trainer_module_imports_without_the_pipeline() -> None:
    assert len(TRAINER) > 40
    assert "torch" in import_without(BLOCKED, *TRAINER)


def test_a_machine_that_trains_needs_five_packages() -> None:
    """What our files import when the trainer is imported, the core's among them."""
    ours = {"bertdata", "trainer"}
    found = import_without(BLOCKED, *TRAINER).items()
    files = [Path(file) for name, file in found if name.partition(".")[0] in ours]
    assert len(files) > 60
    imported = {name for file in files for name in imported_at_once(ast.parse(file.read_text()))}
    assert imported - set(sys.stdlib_module_names) - ours == NEEDED


def imported_at_once(module: ast.Module) -> Iterator[str]:
    """Top-level packages that a module imports when it is imported itself."""
    for node in module.body:
        match node:
            case ast.Import():
                yield from (alias.name.partition(".")[0] for alias in node.names)
            case ast.ImportFrom(module=str(name)):
                yield name.partition(".")[0]


@pytest.mark.parametrize(
    "module",
    [
        "trainer.pretraining.config",
        "trainer.tuning.config",
        "trainer.features.config",
        "bertdata.reader",
        "bertdata.reader.collation",
    ],
)
def test_torch_is_not_imported_where_it_is_not_needed(module: str) -> None:
    import_without((*BLOCKED, "torch"), module)
