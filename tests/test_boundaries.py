"""The trainer and the reader run where nothing of the pipeline is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = ("apache_beam", "prefect", "nltk", "numba", "vocab", "pipelines", "flows")
TRAINER = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "trainer").rglob("*.py")
)

_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # importing it now fails
for name in sys.argv[2].split(","):
    importlib.import_module(name)
print("torch" in sys.modules)
"""


def import_without(blocked: tuple[str, ...], modules: list[str]) -> str:
    """Import modules in a fresh process; returns what it printed: whether torch came along."""
    command = [sys.executable, "-c", _IMPORT_ALL, ",".join(blocked), ",".join(modules)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_trainer_module_imports_without_the_pipeline() -> None:
    assert len(TRAINER) > 40
    assert import_without(BLOCKED, TRAINER) == "True"


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
    import_without((*BLOCKED, "torch"), [module])
