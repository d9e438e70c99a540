"""A stage while it is being made: its plan, and a record of every finished unit of work.

`<stage>/.progress/` holds `plan.json` and `unit-00007.json` files. A killed run leaves them; the
next run with the same plan goes on with the units that have no record. A finished stage has none.
"""

from __future__ import annotations

import contextlib
import enum
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

from bertdata import errors
from bertdata.config import Table
from bertdata.errors import BertdataError, ConfigError
from bertdata.storage.manifest import FILE_NAME, is_complete, read_manifest
from bertdata.storage.shards import Shard, check_inside, sync_files
from bertdata.storage.writing import write_json

FOLDER = ".progress"
_UNUSABLE = "unusable"  # an empty file where what was done is of no use
_CHECKED = "checked"  # a folder of empty files named as the input files that a worker checks


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitRecord:
    """What one finished unit of work wrote and counted.

    `round`: of those that work on the same units one after the other, the last that it went
    through, from 0. `replaced`: files, named as shards are, that no one needs once this is written.
    """

    unit: int
    shards: tuple[Shard, ...]
    counts: Table
    round: int = 0
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """What a stage will do.

    `stage`: its name, also the folder's. `config`, `inputs`: as in the manifest to be; a folder
    made with others is refused. `units`: one table per unit of work. `spec`: what workers need.
    `text_bytes`: about how much text there is to go through. `notices`: lines for whoever runs it.
    `free_keys`: names in `config`, such as "vocab.size", that only the end of the stage depends on:
    while it is unfinished, they may change.
    """

    stage: str
    folder: str
    config: Table
    inputs: Table
    units: tuple[Table, ...]
    spec: Table
    text_bytes: int
    notices: tuple[str, ...] = ()
    free_keys: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return Path(self.folder)


def write_plan(plan: StagePlan) -> Path:
    """Write the plan where jobs find it; returns its path."""
    path = plan.path / FOLDER / "plan.json"
    write_json(path, asdict(plan))
    return path


def read_plan(path: Path) -> StagePlan:
    """The plan that `write_plan` wrote."""
    table = json.loads(path.read_bytes())
    lists = {name: tuple(table.get(name, ())) for name in ("units", "notices", "free_keys")}
    return StagePlan(**{**table, **lists})


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
    if not is_complete(plan.path):
        return _find_unfinished_state(plan)
    manifest = read_manifest(plan.path)
    _check_same(plan, manifest.config, manifest.inputs)
    is_whole = all(_is_there(plan.path, shard) for shard in manifest.shards)
    return StageState.COMPLETE if is_whole else StageState.DAMAGED


def _mend(plan: StagePlan, state: StageState) -> None:
    """Remove what does not belong into the folder of a stage that is in this state."""
    if state is StageState.DAMAGED:
        (plan.path / FILE_NAME).unlink()  # the stage is no longer complete, and now says so
    elif state is not StageState.UNFINISHED:
        clear_progress(plan.path)  # a run killed right after its manifest leaves it behind


def prepare_stage(plan: StagePlan) -> StageState:
    """Make the folder of a stage ready; returns the state it was found in.

    Raises ConfigError as `find_state`.
    """
    state = find_state(plan)
    _mend(plan, state)
    return state


def write_record(plan_folder: Path, record: UnitRecord) -> None:
    """Note a finished unit, once its files are on disk; then remove those that it replaced."""
    sync_files(plan_folder, record.shards)
    write_json(_record_path(plan_folder, record.unit), asdict(record))
    for path in record.replaced:
        with contextlib.suppress(OSError):  # it goes with all that only an unfinished stage needs
            (plan_folder / path).unlink()


def read_records(plan_folder: Path, round_: int = 0) -> dict[int, UnitRecord]:
    """Records of units that went through a round and whose files are there, by unit."""
    records = (_read_record(path) for path in sorted(_progress(plan_folder).glob("unit-*.json")))
    return {
        record.unit: record
        for record in records
        if record.round >= round_ and all(_is_there(plan_folder, shard) for shard in record.shards)
    }


def read_record(plan_folder: Path, unit: int) -> UnitRecord:
    """The record of a unit that has one."""
    return _read_record(_record_path(plan_folder, unit))


def take_unit(plan_folder: Path, unit: int, round_: int = 0) -> bool:
    """Whether a unit is the caller's to do: the first worker of a machine that asks gets it."""
    return _take(_taken(plan_folder, round_) / str(unit))


def take_check(plan_folder: Path, name: str) -> bool:
    """Whether an input file is the caller's to check: the first worker that asks checks it.

    The others may read it meanwhile, as a stage with a failed unit is never finished.
    """
    folder = _progress(plan_folder) / _CHECKED
    folder.mkdir(parents=True, exist_ok=True)
    return _take(folder / name)


def _take(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise BertdataError(f"cannot write {path}: {error.strerror}") from error
    return True


def give_units_back(plan_folder: Path, round_: int = 0) -> None:
    """Let all units and checks be taken again."""
    shutil.rmtree(_progress(plan_folder) / _CHECKED, ignore_errors=True)
    shutil.rmtree(_taken(plan_folder, round_), ignore_errors=True)
    _taken(plan_folder, round_).mkdir(parents=True)


def write_failure(plan_folder: Path, unit: int, error: BertdataError) -> None:
    """Note that a unit failed for a reason the user can read."""
    failure = {"type": type(error).__name__, "message": str(error)}
    write_json(_progress(plan_folder) / f"failed-{unit:05d}.json", failure)


def has_failed(plan_folder: Path) -> bool:
    """Whether a unit failed, so that the others need not start."""
    return any(_progress(plan_folder).glob("failed-*.json"))


def raise_failure(plan_folder: Path) -> None:
    """Raise the error of the first failed unit, if one failed."""
    for path in sorted(_progress(plan_folder).glob("failed-*.json")):
        failure = json.loads(path.read_bytes())
        raise error_named(failure["type"], failure["message"])


def mark_unusable(plan_folder: Path) -> None:
    """Note that what was done is of no use, so that another configuration may take its place."""
    (_progress(plan_folder) / _UNUSABLE).touch()


def clear_failures(plan_folder: Path) -> None:
    """Forget failures of an earlier attempt."""
    for path in _progress(plan_folder).glob("failed-*.json"):
        path.unlink()


def clear_progress(plan_folder: Path) -> None:
    """Remove what only an unfinished stage needs, and what killed workers left half-written."""
    shutil.rmtree(_progress(plan_folder), ignore_errors=True)
    for path in plan_folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def written_bytes(plan_folder: Path) -> int:
    """Bytes of all files of a stage so far, also of those that are being written."""
    total = 0
    for folder in (plan_folder, _progress(plan_folder)):
        for path in folder.glob("*"):
            with contextlib.suppress(OSError):  # renamed meanwhile
                total += path.stat().st_size
    return total


def error_named(name: str, message: str) -> BertdataError:
    """An error of bertdata by the name of its class."""
    kind = getattr(errors, name, BertdataError)
    return kind(message) if issubclass(kind, BertdataError) else BertdataError(message)


def describe_differences(old: object, new: object, name: str = "") -> list[str]:
    """Lines such as "examples.max_seq_length 128, now 512" for each value that differs."""
    if _has_names(old) and _has_names(new):
        old, new = ({item["name"]: item for item in items} for items in (old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        prefix = f"{name}." if name else ""
        return [
            line
            for key in keys
            for line in describe_differences(old.get(key), new.get(key), f"{prefix}{key}")
        ]
    if old == new:
        return []
    if _is_long(old) or _is_long(new):
        return [f"{name} differ"]
    return [f"{name} was {json.dumps(old)}, now {json.dumps(new)}"]


def _find_unfinished_state(plan: StagePlan) -> StageState:
    path = plan.path / FOLDER / "plan.json"
    if not path.is_file():
        return StageState.UNFINISHED
    old = read_plan(path)
    found = _differences(plan, old.config, old.inputs, free_keys=plan.free_keys)
    if found and _has_records(plan.path) and not (_progress(plan.path) / _UNUSABLE).exists():
        raise _made_differently(plan, found)
    has_other_units = [dict(unit) for unit in old.units] != [dict(unit) for unit in plan.units]
    return StageState.OUTDATED if has_other_units or found else StageState.UNFINISHED


def _check_same(plan: StagePlan, config: Table, inputs: Table) -> None:
    if found := _differences(plan, config, inputs):
        raise _made_differently(plan, found)


def _made_differently(plan: StagePlan, differences: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{plan.folder} was made with a different configuration: {'; '.join(differences[:5])}; "
        "choose another --output or delete that folder"
    )


def _differences(
    plan: StagePlan,
    config: Table,
    inputs: Table,
    *,
    free_keys: Sequence[str] = (),
) -> list[str]:
    found = describe_differences(config, _plain(plan.config))
    found = [line for line in found if line.partition(" ")[0] not in free_keys]
    return found + describe_differences(inputs, _plain(plan.inputs))


def _has_records(plan_folder: Path) -> bool:
    return any(_progress(plan_folder).glob("unit-*.json"))


def _plain(table: Table) -> object:
    """As it would be read back from JSON."""
    return json.loads(json.dumps(table))


def _record_path(plan_folder: Path, unit: int) -> Path:
    return _progress(plan_folder) / f"unit-{unit:05d}.json"


def _read_record(path: Path) -> UnitRecord:
    table = json.loads(path.read_bytes())
    shards = tuple(Shard(**shard) for shard in table.pop("shards"))
    record = UnitRecord(shards=shards, **{**table, "replaced": ()})
    for shard in record.shards:
        check_inside(path.parent.parent, shard.path)
    return record


def _is_there(folder: Path, shard: Shard) -> bool:
    path = folder / shard.path
    return path.is_file() and path.stat().st_size == shard.bytes


def _progress(plan_folder: Path) -> Path:
    return plan_folder / FOLDER


def _taken(plan_folder: Path, round_: int) -> Path:
    return _progress(plan_folder) / f"taken-{round_}"


def _has_names(value: object) -> TypeGuard[list[Table]]:
    """Whether a value is a list of tables that tell each other apart by a name of their own."""
    if not isinstance(value, list) or not value:
        return False
    names = [item.get("name") for item in value if isinstance(item, Mapping)]
    return len(names) == len(value) == len({*names} - {None})


def _is_long(value: object) -> bool:
    return len(json.dumps(value)) > 80
