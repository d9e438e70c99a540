"""Files that runs wrote, which patterns do not match: stages, logs and reports, finished or not."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from bertdata.storage.files import is_file, read_bytes
from bertdata.storage.locations import Address, Location, is_inside
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

    def __init__(self, output: Location | None = None) -> None:
        self._output = output
        self._stages: dict[Location, bool] = {}
        self._runs: dict[Location, bool] = {}

    def holds(self, path: Location, top: Location) -> bool:
        """Whether a run wrote a file that was found below the folder `top`.

        All files in the current run's folder count, unless `top` is in it. `top` itself may be the
        folder of a stage: a user who names it wants its files.
        """
        output = self._output
        if output and is_inside(path, output) and not is_inside(top, output):
            return True
        folder = top
        for name in _parts_below(path, top):
            if name in _RUN_FILES and self._is_run(folder):
                return True
            folder /= name
            if folder != path and self._is_stage(folder):
                return True
        return False

    def _is_run(self, folder: Location) -> bool:
        if folder not in self._runs:
            self._runs[folder] = any(self._is_stage(folder / stage) for stage in _STAGES)
        return self._runs[folder]

    def _is_stage(self, folder: Location) -> bool:
        if folder not in self._stages:
            self._stages[folder] = _is_stage(folder)
        return self._stages[folder]


def _parts_below(path: Location, top: Location) -> tuple[str, ...]:
    texts = (item.path if isinstance(item, Address) else str(item) for item in (path, top))
    found, above = map(PurePosixPath, texts)
    return found.relative_to(above).parts


def _is_stage(folder: Location) -> bool:
    """Whether a stage or the trainer made a folder, finished or not."""
    if is_file(folder / _PROGRESS / "plan.json"):
        return True
    if all(is_file(folder / name) for name in _MODEL_FILES):
        return True
    try:
        manifest = json.loads(read_bytes(folder / FILE_NAME))
        return str(manifest["format"]).startswith(_FORMAT_PREFIX)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
