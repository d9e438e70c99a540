"""What a stage will do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bertdata.config import Table
from bertdata.progress.workplace import FOLDER, FileRecord, Workplace
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest, make_manifest
from bertdata.storage.shards import Shard

_DIGEST_LETTERS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class StagePlan:
    """What a stage will do.

    `stage`: its name, also the folder's. `config`, `inputs`: as in the manifest to be; a folder
    made with others is refused. `units`: how the work is cut, as plain values. `work`: what its
    pipeline needs. `text_bytes`: about how much text there is to go through. `num_parts`: records
    of files that it leaves; `num_passing_parts`: before that, units whose tables wait in files,
    where they do. `num_documents`: to go through, 0 where only the end shows it. `notices`: lines
    for whoever runs it. `free_keys`: names in `config`, such as "vocab.size", that only the end of
    the stage depends on: while it is unfinished, they may change.
    """

    stage: str
    folder: Location
    config: Table
    inputs: Table
    units: Sequence[object] = ()
    work: object = None
    text_bytes: int = 0
    num_parts: int = 1
    num_passing_parts: int = 0
    num_documents: int = 0
    notices: tuple[str, ...] = ()
    free_keys: tuple[str, ...] = ()

    def without_work(self) -> StagePlan:
        """What the manifest needs of the plan."""
        return replace(self, units=(), work=None)

    def make_manifest(self, counts: Table, shards: Iterable[Shard]) -> Manifest:
        """The manifest of the stage, once its files are there."""
        return make_manifest(
            self.stage, config=self.config, inputs=self.inputs, counts=counts, shards=shards
        )

    def finish_alone(self, records: Sequence[FileRecord]) -> Manifest:
        """The manifest of a stage that one worker finishes, with one record."""
        (record,) = records
        return self.make_manifest(record.counts, record.shards)

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


def _without(config: Table, names: Sequence[str]) -> Table:
    """A configuration without keys such as "vocab.size"."""
    return {
        part: {key: found for key, found in values.items() if f"{part}.{key}" not in names}
        if isinstance(values, Mapping)
        else values
        for part, values in config.items()
    }
