"""Files that runs wrote, which patterns do not match: stages, logs and reports, finished or not."""

from __future__ import annotations

import json
from pathlib import Path

from bertdata.storage.manifest import FILE_NAME

_STAGES = ("punkt", "sentences", "vocab", "examples", "model")
_FORMAT_PREFIX = "bertdata-"
_PROGRESS = ".progress"
_MODEL_FILES = ("model.safetensors", "results.json")
_RUN_FILES = frozenset(
    (*_STAGES, "report.html", "train.log", *(f"{stage}.log" for stage in _STAGES))
)


class OwnFiles:
    """Finds out which files runs wrote. `output`: the folder of the current run, if known."""

    def __init__(self, output: Path | None = None) -> None:
        self._output = output
        self._stages: dict[Path, bool] = {}
        self._runs: dict[Path, bool] = {}

    def holds(self, path: Path, top: Path) -> bool:
        """Whether a run wrote a file that was found below the folder `top`.

        All files in the current run's folder count, unless `top` is in it. `top` itself may be the
        folder of a stage: a user who names it wants its files.
        """
        output = self._output
        if output and path.is_relative_to(output) and not top.is_relative_to(output):
            return True
        folder = top
        for name in path.relative_to(top).parts:
            if name in _RUN_FILES and self._is_run(folder):
                return True
            folder /= name
            if folder != path and self._is_stage(folder):
                return True
        return False

    def _is_run(self, folder: Path) -> bool:
        if folder not in self._runs:
            self._runs[folder] = any(self._is_stage(folder / stage) for stage in _STAGES)
        return self._runs[folder]

    def _is_stage(self, folder: Path) -> bool:
        if folder not in self._stages:
            self._stages[folder] = _is_stage(folder)
        return self._stages[folder]


def _is_stage(folder: Path) -> bool:
    """Whether a stage or the trainer made a folder, finished or not."""
    if (folder / _PROGRESS / "plan.json").is_file():
        return True
    if all((folder / name).is_file() for name in _MODEL_FILES):
        return True
    try:
        manifest = json.loads((folder / FILE_NAME).read_bytes())
        return str(manifest["format"]).startswith(_FORMAT_PREFIX)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
