"""A stage while it is being made: what it is made of, and a record of everything finished.

All of it lies in `<stage>/.progress/<digest of the plan>/`: `plan.json`, a record for each finished
file, tables that wait for others, and the reason of a failure. A killed run leaves it; the next run
with the same plan goes on, and a different plan never meets it. A finished stage has none.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from typing import TypeGuard

from bertdata import errors
from bertdata.config import Table
from bertdata.errors import (
    BertdataError,
    ConfigError,
    DataError,
    MemoryUsedUpError,
    StorageError,
)
from bertdata.storage.files import (
    is_file,
    list_files,
    read_bytes,
    remove_file,
    remove_folder,
    remove_temporary_files,
)
from bertdata.storage.locations import Location
from bertdata.storage.manifest import FILE_NAME, is_complete, read_manifest
from bertdata.storage.shards import Shard, check_inside, first_line, sync_files
from bertdata.storage.writing import write_json

FOLDER = ".progress"
_PLAN, _FAILURE, _UNUSABLE = "plan.json", "failed.json", "unusable"
_DISTRUSTED = "distrusted"  # a file where what was made may be wrong
_WAITING = "waiting"  # the folder of tables that wait for others
_DIGEST_LETTERS = 16
_NO_MEMORY = (
    "a worker needs more memory than there is; lower [runner] workers, or "
    "[[corpus]] max_document_bytes if a document is very long"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """What a stage will do.

    `stage`: its name, also the folder's. `config`, `inputs`: as in the manifest to be; a folder
    made with others is refused. `units`: how the work is cut, as plain values. `work`: what its
    pipeline needs. `text_bytes`: about how much text there is to go through. `notices`: lines for
    whoever runs it. `free_keys`: names in `config`, such as "vocab.size", that only the end of the
    stage depends on: while it is unfinished, they may change.
    """

    stage: str
    folder: Location
    config: Table
    inputs: Table
    units: Sequence[object] = ()
    work: object = None
    text_bytes: int = 0
    notices: tuple[str, ...] = ()
    free_keys: tuple[str, ...] = ()

    def without_work(self) -> StagePlan:
        """What the manifest needs of the plan."""
        return replace(self, units=(), work=None)

    @property
    def workplace(self) -> Workplace:
        """Where the work on exactly this plan is noted."""
        return Workplace(folder=self.folder / FOLDER / self.digest)

    @property
    def digest(self) -> str:
        """The same for plans that lead to the same work."""
        work = [self.stage, _without(self.config, self.free_keys), self.inputs, self.units]
        text = json.dumps(work, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LETTERS]


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
    sizes = _sizes(plan.folder)
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
    told = {"config": plan.config, "inputs": plan.inputs}
    write_json(plan.workplace.folder / _PLAN, told)


def clear_progress(folder: Location) -> None:
    """Remove what only an unfinished stage needs, and what killed workers left half-written."""
    remove_folder(folder / FOLDER)
    remove_temporary_files(folder)


def _versions() -> dict[str, str]:
    """What must be equal on all machines of a run, or they would not write the same bytes."""
    return {name: metadata.version(name) for name in ("bertdata", "pyarrow", "apache-beam")}


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRecord:
    """What one finished part of a stage wrote and counted."""

    number: int
    shards: tuple[Shard, ...]
    counts: Table


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """Where the work on one plan is noted.

    `spill`: a folder that all workers see, in which tables wait for others; None: they wait in the
    runner. `versions`: of what planned the work.
    """

    folder: Location
    spill: Location | None = None
    versions: Mapping[str, str] = field(default_factory=_versions)

    @property
    def stage_folder(self) -> Location:
        """The folder of the stage."""
        return self.folder.parent.parent

    @property
    def waiting(self) -> Location:
        """A folder of the stage's own for tables that wait for others."""
        return self.folder / _WAITING

    def check_versions(self) -> None:
        """Raise DataError on a machine that would write other bytes than the one that planned."""
        for name, planned in self.versions.items():
            if (found := metadata.version(name)) != planned:
                raise DataError(
                    f"a worker has {name} {found}, the run was planned with {planned}; "
                    "install the same version on all machines"
                )

    def write_record(self, record: FileRecord) -> None:
        """Note a finished part, once its files are on disk."""
        sync_files(self.stage_folder, record.shards)
        write_json(self.folder / f"file-{record.number:05d}.json", asdict(record))

    def read_records(self) -> dict[int, FileRecord]:
        """Records of the parts that are finished and whose files are there, by number."""
        sizes = _sizes(self.stage_folder)
        names = [file.path for file in list_files(self.folder) if file.path.startswith("file-")]
        records = [self._read_record(name) for name in names]
        return {
            record.number: record
            for record in records
            if all(sizes.get(shard.path) == shard.bytes for shard in record.shards)
        }

    def mark_unusable(self) -> None:
        """Note that what was done is of no use, so that a different plan may take its place."""
        write_json(self.folder / _UNUSABLE, True)

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Note why the work in this context failed, where the driver can read it."""
        try:
            yield
        except BertdataError as error:
            self._note(error)
            raise
        except OSError as error:
            problem = StorageError(first_line(error))
            self._note(problem)
            raise problem from error
        except MemoryError as error:
            failure = MemoryUsedUpError(_NO_MEMORY)
            self._note(failure)
            raise failure from error

    def check_others(self) -> None:
        """Raise BertdataError when other work failed: then nothing new need be begun."""
        if is_file(self._failure):
            raise BertdataError("stopped, since other work of this stage failed")

    def distrust(self) -> None:
        """Note that what was made so far may have been made from damaged files."""
        write_json(self.folder / _DISTRUSTED, True)

    def start_again(self) -> None:
        """Forget the failure of an earlier attempt, and what it made if that cannot be trusted."""
        remove_file(self._failure)
        if is_file(self.folder / _DISTRUSTED):
            for file in list_files(self.folder):
                if file.path.startswith("file-"):
                    remove_file(self.folder / file.path)
            remove_file(self.folder / _DISTRUSTED)

    def raise_failure(self) -> None:
        """Raise the error that was noted, if one was."""
        if is_file(self._failure):
            failure = json.loads(read_bytes(self._failure))
            raise error_named(failure["type"], failure["message"])

    @property
    def _failure(self) -> Location:
        return self.folder / _FAILURE

    def _note(self, error: BertdataError) -> None:
        failure = {"type": type(error).__name__, "message": str(error)}
        with contextlib.suppress(BertdataError, OSError):  # such as a full disk: it is raised
            if not is_file(self._failure):  # the first one is told
                write_json(self._failure, failure)

    def _read_record(self, name: str) -> FileRecord:
        table = json.loads(read_bytes(self.folder / name))
        shards = tuple(Shard(**shard) for shard in table.pop("shards"))
        for shard in shards:
            check_inside(self.stage_folder, shard.path)
        return FileRecord(shards=shards, **table)


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
    progress = plan.folder / FOLDER
    paths = [file.path for file in list_files(progress, recursive=True)]
    digests = {path.partition("/")[0] for path in paths} - {plan.digest}
    for digest in sorted(digests):
        names = {path.partition("/")[2] for path in paths if path.startswith(f"{digest}/")}
        if _PLAN in names and _UNUSABLE not in names and names - {_PLAN, _FAILURE}:
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


def _sizes(folder: Location) -> dict[str, int]:
    return {file.path: file.bytes for file in list_files(folder)}


def _plain(table: Table) -> object:
    """As it would be read back from JSON."""
    return json.loads(json.dumps(table))


def _without(config: Table, names: Sequence[str]) -> Table:
    """A configuration without keys such as "vocab.size"."""
    return {
        part: {key: found for key, found in values.items() if f"{part}.{key}" not in names}
        if isinstance(values, Mapping)
        else values
        for part, values in config.items()
    }


def _has_names(value: object) -> TypeGuard[list[Table]]:
    """Whether a value is a list of tables that tell each other apart by a name of their own."""
    if not isinstance(value, list) or not value:
        return False
    names = [item.get("name") for item in value if isinstance(item, Mapping)]
    return len(names) == len(value) == len({*names} - {None})


def _is_long(value: object) -> bool:
    return len(json.dumps(value)) > 80
