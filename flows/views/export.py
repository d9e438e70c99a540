"""`bertdata export`: the examples of a run in another format, and lines about it."""

from __future__ import annotations

import time
from collections.abc import Callable

from bertdata.exports.cards import CARD_NAME
from bertdata.exports.export import export_examples
from bertdata.exports.rows import open_examples
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from flows.wording import duration, number, size

_SECONDS_BETWEEN_LINES = 10.0


def export_run(
    folder: Location, kind: str, output: Location | None, say: Callable[[str], None]
) -> None:
    """Export the examples of a run, or of an `examples/` folder.

    `output`: None means a folder beside `examples/`. `say`: takes the lines to print. Raises
    DataError if there are no examples, ConfigError as `bertdata.exports.export.export_examples`.
    """
    examples = open_examples(folder)
    place = output or examples.folder.parent / f"export-{kind}"
    progress = _Progress(say)
    manifest = export_examples(examples, place, kind, progress.take)
    say(f"{kind}: {progress.summary()}, {_describe(manifest)}")
    card = f"; fill in source and licence in its {CARD_NAME}" if progress.is_new else ""
    say(f"files       {place}{card}")


class _Progress:
    """Passes on a line about files from time to time."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = self._said = time.monotonic()
        self.is_new = False

    def take(self, line: str) -> None:
        """Take a line about a finished file."""
        self.is_new = True
        if time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._say(line)

    def summary(self) -> str:
        """Whether anything was made, and how long it took."""
        seconds = time.monotonic() - self._began
        return f"done in {duration(seconds)}" if self.is_new else "already complete"


def _describe(manifest: Manifest) -> str:
    rows = ", ".join(
        f"{number(counts['examples'])} {split}" for split, counts in manifest.counts.items()
    )
    num_bytes = sum(shard.bytes for shard in manifest.shards)
    return f"{rows} examples in {number(len(manifest.shards))} files, {size(num_bytes)}"
