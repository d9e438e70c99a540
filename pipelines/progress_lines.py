"""Lines about how far a stage is, every few seconds while it is being made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from bertdata.storage.files import list_files
from bertdata.storage.locations import Location
from pipelines.plans import ExamplesWork, SentencesWork, VocabularyWork
from pipelines.progress import StagePlan

_SECONDS, _SECONDS_AWAY = 2.0, 10.0  # between two looks, at a disk and at other storage


class ProgressLines:
    """Says how many parts of a stage are done, and about how long the others take.

    A part is a unit of input, a file or a group of files. Nothing is said where nothing was written
    since the last line: silence is how others tell that a job hangs.
    """

    def __init__(self, plan: StagePlan, spill: Location | None, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._spill = spill
        self._say = say
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
                taken = time.monotonic() - started
                self._say(_progress_line(self._plan, self._spill, done, at_start, taken))

    def _look(self) -> tuple[int, int]:
        """The number of parts that are done, and the number of bytes written so far."""
        folders = [self._plan.workplace.folder, *([self._spill] if self._spill else [])]
        files = [file for folder in folders for file in list_files(folder)]
        done = sum(_is_part(file.path) for file in files)
        return done, sum(file.bytes for file in files)


def _progress_line(
    plan: StagePlan, spill: Location | None, done: int, at_start: int, seconds: float
) -> str:
    """One line: parts done, time left. `at_start`: parts that an earlier run had finished."""
    total = _count_parts(plan, spill)
    parts = [f"{plan.stage}: {min(done, total)} of {total} parts"]
    if done > at_start:
        left = max(0, total - done) / (done - at_start) * seconds
        speed = plan.text_bytes * (done - at_start) / total / seconds
        parts += [f"{speed / 1e6:.1f} MB/s", f"about {left:.0f} s left"]
    return ", ".join(parts)


def _is_part(name: str) -> bool:
    """Whether a file of the progress folder says that a part is done."""
    is_unit = name.startswith("documents-") and name.endswith("-last.arrow")
    return is_unit or name.startswith(("file-", "words-"))


def _count_parts(plan: StagePlan, spill: Location | None) -> int:
    match plan.work:
        case SentencesWork():
            return plan.work.layout.num_files + (len(plan.work.units) if spill else 0)
        case VocabularyWork():
            return 1 + (len(plan.work.groups) if spill else 0)
        case ExamplesWork():
            return len(plan.work.groups) + bool(plan.work.held_out)
    return 1
