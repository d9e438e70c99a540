"""How far a stage is, every few seconds while it is being made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bertdata.errors import DataError
from bertdata.progress.plan import StagePlan
from bertdata.storage.files import list_files
from bertdata.storage.locations import Location
from bertdata.storage.shards import open_arrow

_SECONDS, _SECONDS_AWAY = 2.0, 10.0  # between two looks, at a disk and at other storage


@dataclass(frozen=True, kw_only=True, slots=True)
class StageProgress:
    """How far a stage is; as text, one line. A part is a unit of input, a file or some files.

    `documents`: gone through so far, None where nobody can say; `bytes`: the same of text, about;
    `total_documents`, `total_bytes`: of the whole stage, 0 if not known. `bytes_per_second`,
    `seconds_left`: None before this run has finished a part.
    """

    stage: str
    done: int
    total: int
    documents: int | None = None
    total_documents: int = 0
    bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float | None = None
    seconds_left: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.stage}: {self.done} of {self.total} parts"]
        if self.bytes_per_second is not None and self.seconds_left is not None:
            speed = f"{self.bytes_per_second / 1e6:.1f} MB/s"
            parts += [speed, f"about {self.seconds_left:.0f} s left"]
        return ", ".join(parts)


class ProgressLines:
    """Says how many parts of a stage are done, and about how long the others take.

    Nothing is said where nothing was written since the last line: silence is how others tell that a
    job hangs.
    """

    def __init__(
        self, plan: StagePlan, spill: Location | None, say: Callable[[StageProgress], None]
    ) -> None:
        self._plan = plan
        self._spill = spill
        self._say = say
        self._total = plan.num_parts + (plan.num_passing_parts if spill else 0)
        self._documents = _DocumentsRead(spill)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _report(self) -> None:
        seconds = _SECONDS if isinstance(self._plan.folder, Path) else _SECONDS_AWAY
        started, (at_start, seen) = time.monotonic(), self._look()
        while not self._stop.wait(seconds):
            done, written = self._look()
            if written != seen:
                seen = written
                self._say(self._describe(done, at_start, time.monotonic() - started))

    def _look(self) -> tuple[int, int]:
        """The number of parts that are done, and the number of bytes written so far."""
        folders = [self._plan.workplace.folder, *([self._spill] if self._spill else [])]
        files = [file for folder in folders for file in list_files(folder)]
        done = sum(_is_part(file.path) for file in files)
        return done, sum(file.bytes for file in files)

    def _describe(self, done: int, at_start: int, seconds: float) -> StageProgress:
        """`at_start`: parts that an earlier run had finished; `seconds`: since this one began."""
        plan, total = self._plan, self._total
        speed = left = None
        if done > at_start:
            left = max(0, total - done) / (done - at_start) * seconds
            speed = plan.text_bytes * (done - at_start) / total / seconds
        share, documents = min(done, total) / total, plan.num_documents
        return StageProgress(
            stage=plan.stage,
            done=min(done, total),
            total=total,
            documents=round(documents * share) if documents else self._documents.count(),
            total_documents=documents,
            bytes=round(plan.text_bytes * share),
            total_bytes=plan.text_bytes,
            bytes_per_second=speed,
            seconds_left=left,
        )


class _DocumentsRead:
    """Counts the documents in the blocks that wait in a folder of this machine."""

    def __init__(self, folder: Location | None) -> None:
        self._folder = folder if isinstance(folder, Path) else None
        self._rows: dict[str, int] = {}

    def count(self) -> int | None:
        """How many there are so far; None without such a folder. Each file is opened once."""
        if self._folder is None:
            return None
        for file in list_files(self._folder):
            if file.path.startswith("documents-") and file.path not in self._rows:
                self._rows[file.path] = _count_rows(self._folder / file.path)
        return sum(self._rows.values())


def _count_rows(path: Location) -> int:
    try:
        with open_arrow(path) as reader:
            batches = range(reader.num_record_batches)
            return sum(reader.get_batch(number).num_rows for number in batches)
    except DataError:  # left from a power cut: the stage makes it again
        return 0


def _is_part(name: str) -> bool:
    """Whether a file of the progress folder says that a part is done."""
    is_unit = name.startswith("documents-") and name.endswith("-last.arrow")
    return is_unit or name.startswith(("file-", "words-"))
