"""Where Python imports from: never from the folder in which a command is run.

A user's own `random.py` or `trainer.py` beside a configuration must not replace ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# The folder of our packages: the current folder in a checkout that is not installed.
PACKAGES = Path(__file__).resolve().parents[1]


def leave_current_folder() -> None:
    """Stop importing from the current folder, in this process and in all that it starts."""
    unwanted = set()
    if not sys.flags.safe_path:
        unwanted.add(sys.path[0])
    if "" in _python_path(os.environ):  # an empty entry means the current folder
        unwanted.add(str(Path.cwd()))
    sys.path[:] = [entry for entry in sys.path if entry not in unwanted or _has_packages(entry)]
    os.environ.update(safe_environment(os.environ))


def safe_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, changed so that Python imports nothing from the current folder.

    The folder is kept where this process imports our own packages from it.
    """
    folders = [folder for folder in _python_path(environment) if folder]
    if not sys.flags.safe_path and _has_packages(sys.path[0]):
        folders.insert(0, str(PACKAGES))
    python_path = os.pathsep.join(dict.fromkeys(folders))
    return {**environment, "PYTHONSAFEPATH": "1", "PYTHONPATH": python_path}


def _python_path(environment: Mapping[str, str]) -> list[str]:
    value = environment.get("PYTHONPATH", "")
    return value.split(os.pathsep) if value else []


def _has_packages(entry: str) -> bool:
    return Path(entry or os.curdir).resolve() == PACKAGES
