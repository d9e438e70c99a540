"""Where the work on one plan is noted: a record of everything finished, and what failed first.

All of it lies in `<stage>/.progress/<digest of the plan>/`: `plan.json`, a record for each finished
file, tables that wait for others, and the reason of a failure. A finished stage has none.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata

from bertdata.config import Table
from bertdata.errors import BertdataError, DataError, MemoryUsedUpError, StorageError
from bertdata.progress.failures import error_named
from bertdata.storage.files import is_file, list_files, read_bytes, remove_file
from bertdata.storage.locations import Location
from bertdata.storage.shards import Shard, check_inside, first_line, sync_files
from bertdata.storage.writing import write_json

FOLDER = ".progress"
FAILURE, UNUSABLE = "failed.json", "unusable"
_DISTRUSTED = "distrusted"  # a file where what was made may be wrong
_WAITING = "waiting"  # the folder of tables that wait for others
_NO_MEMORY = (
    "a worker needs more memory than there is; lower [runner] workers, or "
    "[[corpus]] max_document_bytes if a document is very long"
)


# Kept, since it is asked for again and again and each answer is parsed from the package's files.
_version = functools.cache(metadata.version)


def _versions() -> dict[str, str]:
    """What must be equal on all machines of a run, or they would not write the same bytes."""
    return {name: _version(name) for name in ("bertdata", "pyarrow", "apache-beam")}


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
            if (found := _version(name)) != planned:
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
        sizes = sizes_of(self.stage_folder)
        names = [file.path for file in list_files(self.folder) if file.path.startswith("file-")]
        records = [self._read_record(name) for name in names]
        return {
            record.number: record
            for record in records
            if all(sizes.get(shard.path) == shard.bytes for shard in record.shards)
        }

    def mark_unusable(self) -> None:
        """Note that what was done is of no use, so that a different plan may take its place."""
        write_json(self.folder / UNUSABLE, True)

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Note why the work in this context failed, where the driver can read it."""
        try:
            yield
        except BertdataError as error:
            self._note(error)
            raise
        except OSError as error:
            problem = StorageError(f"{first_line(error)}; run again when that is solved")
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
        return self.folder / FAILURE

    def _note(self, error: BertdataError) -> None:
        failure = {"type": type(error).__name__, "message": str(error)}
        with contextlib.suppress(BertdataError, OSError):  # such as a full disk: it is raised
            if not is_file(self._failure):  # the first one is reported
                write_json(self._failure, failure)

    def _read_record(self, name: str) -> FileRecord:
        table = json.loads(read_bytes(self.folder / name))
        shards = tuple(Shard(**shard) for shard in table.pop("shards"))
        for shard in shards:
            check_inside(self.stage_folder, shard.path)
        return FileRecord(shards=shards, **table)


def sizes_of(folder: Location) -> dict[str, int]:
    """The sizes of the files in a folder, by name."""
    return {file.path: file.bytes for file in list_files(folder)}
