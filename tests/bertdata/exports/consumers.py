"""Programs that read exports with the real TensorFlow and streaming, of `make consumers`."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

_PYTHON = Path(__file__).parents[3] / "build" / "consumers" / "bin" / "python"

# streaming imports torchvision for data sets of pictures; the environment does without.
_WITHOUT_PICTURES = """
import sys, types
from importlib.machinery import ModuleSpec
for name in ("torchvision", "torchvision.datasets", "torchvision.transforms.functional"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__spec__ = ModuleSpec(name, None)
sys.modules["torchvision.datasets"].VisionDataset = object
sys.modules["torchvision.datasets"].CIFAR10 = object
sys.modules["torchvision.transforms.functional"].to_tensor = None
"""


def program_of(folder: Path) -> str:
    """The program in the card of an export, for this folder."""
    card = (folder / "README.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    return str(program).replace("FOLDER", str(folder))


def run_consumer(package: str, program: str, folder: Path) -> list[Any]:
    """Run a program in the consumers' environment; what its last line printed, from JSON.

    Skips the test where that environment is missing.
    """
    if not _PYTHON.exists():
        pytest.skip(f"{package} is not installed: make consumers")
    script = folder / "program.py"
    script.write_text(_WITHOUT_PICTURES + program)
    command = [str(_PYTHON), "-I", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))
