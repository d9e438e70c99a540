"""The checkpoints in a run's folder: step-NNNNNNNN.safetensors, by their steps."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from bertdata.errors import DataError
from bertdata.storage.files import list_files, remove_file
from bertdata.storage.locations import Location

_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_EARLIER_NAME = re.compile(r"step-\d{8}\.pt")


def path_of(folder: Location, steps: int) -> Location:
    """Return the path of the checkpoint after so many steps."""
    return folder / f"step-{steps:08d}.safetensors"


def steps_of(path: Location) -> int | None:
    """Return the steps in a checkpoint's name; None if it is not the name of one."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else int(match[1])


def all_checkpoints(folder: Location) -> list[Location]:
    """Return the checkpoints in a folder, by their steps."""
    paths = [folder / found.path for found in list_files(folder)]
    return sorted((path for path in paths if steps_of(path) is not None), key=_steps_of)


def newest_checkpoint(folder: Location) -> Location | None:
    """Return the checkpoint with the most steps; None if there is none.

    Raises DataError if there are checkpoints of versions that pickled them: a pickle is a program.
    """
    for found in list_files(folder):
        if _EARLIER_NAME.fullmatch(found.path):
            raise DataError(
                f"{folder / found.path} is a checkpoint of an earlier version, which is not read; "
                f"finish the run with that version, or delete {folder} to train again"
            )
    return next(reversed(all_checkpoints(folder)), None)


def remove_leftovers(folder: Location) -> None:
    """Remove unfinished checkpoints of killed runs."""
    for found in list_files(folder, with_temporary=True):
        if fnmatchcase(found.path, ".step-*.tmp"):
            remove_file(folder / found.path)


def _steps_of(path: Location) -> int:
    return steps_of(path) or 0
