"""What is in the folder of a stage: complete, unfinished, or made with a different configuration.

`plan.json` beside the records of an unfinished stage says what it is made with. A killed run leaves
it; the next run with the same plan goes on, and a different plan never meets its records.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence

from bertdata.config import Table
from bertdata.errors import ConfigError
from bertdata.progress.differences import describe_differences
from bertdata.progress.plan import StagePlan
from bertdata.progress.workplace import FAILURE, FOLDER, UNUSABLE, sizes_of
from bertdata.storage.files import (
    list_files,
    read_bytes,
    remove_file,
    remove_folder,
    remove_temporary_files,
)
from bertdata.storage.locations import Location
from bertdata.storage.manifest import FILE_NAME, is_complete, read_manifest
from bertdata.storage.writing import write_json

_PLAN = "plan.json"


class StageState(enum.Enum):
    """What is in the folder of a stage."""

    COMPLETE = "complete: its manifest, and all files that the manifest names"
    DAMAGED = "a manifest without some of the files that it names"
    OUTDATED = "unfinished, with progress that this plan cannot use"
    UNFINISHED = "unfinished: nothing, or progress that this plan goes on with"


def find_state(plan: StagePlan) -> StageState:
    """What is in the folder of a stage; nothing in it is changed.

    Raises ConfigError when the folder, complete or not, was made with a different configuration or
    from different inputs.
    """
    if not is_complete(plan.folder):
        return _find_unfinished_state(plan)
    manifest = read_manifest(plan.folder)
    _check_same(plan, manifest.config, manifest.inputs)
    sizes = sizes_of(plan.folder)
    is_whole = all(sizes.get(shard.path) == shard.bytes for shard in manifest.shards)
    return StageState.COMPLETE if is_whole else StageState.DAMAGED


def prepare_stage(plan: StagePlan) -> StageState:
    """Make the folder of a stage ready; returns the state it was found in.

    Raises ConfigError as `find_state`.
    """
    state = find_state(plan)
    if state is StageState.DAMAGED:
        remove_file(plan.folder / FILE_NAME)  # the stage is no longer complete, and now says so
    elif state is StageState.COMPLETE:
        clear_progress(plan.folder)  # a run killed right after its manifest leaves it behind
    elif state is StageState.OUTDATED:
        _clear_everything(plan.folder)
    return state


def write_plan(plan: StagePlan) -> None:
    """Note what is being made, for a run with a different plan."""
    described = {"config": plan.config, "inputs": plan.inputs}
    write_json(plan.workplace.folder / _PLAN, described)


def clear_progress(folder: Location) -> None:
    """Remove what only an unfinished stage needs, and what killed workers left half-written."""
    remove_folder(folder / FOLDER)
    remove_temporary_files(folder)


def _find_unfinished_state(plan: StagePlan) -> StageState:
    progress = plan.folder / FOLDER
    paths = [file.path for file in list_files(progress, recursive=True)]
    digests = {path.partition("/")[0] for path in paths} - {plan.digest}
    for digest in sorted(digests):
        names = {path.partition("/")[2] for path in paths if path.startswith(f"{digest}/")}
        if _PLAN in names and UNUSABLE not in names and names - {_PLAN, FAILURE}:
            old = json.loads(read_bytes(progress / digest / _PLAN))
            _check_same(plan, old["config"], old["inputs"], free_keys=plan.free_keys)
    return StageState.OUTDATED if digests else StageState.UNFINISHED


def _check_same(
    plan: StagePlan, config: Table, inputs: Table, *, free_keys: Sequence[str] = ()
) -> None:
    found = describe_differences(config, _plain(plan.config))
    found = [line for line in found if line.partition(" ")[0] not in free_keys]
    found += describe_differences(inputs, _plain(plan.inputs))
    if found:
        raise ConfigError(
            f"{plan.folder} was made with a different configuration: {'; '.join(found[:5])}; "
            "choose another --output or delete that folder"
        )


def _clear_everything(folder: Location) -> None:
    """Remove the progress of other plans, and the files that they finished."""
    clear_progress(folder)
    for file in list_files(folder):
        if file.path.endswith(".arrow"):
            remove_file(folder / file.path)


def _plain(table: Table) -> object:
    """As it would be read back from JSON."""
    return json.loads(json.dumps(table))
