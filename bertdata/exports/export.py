"""Examples in the formats of other programs: one file per shard, and a card.

The manifest is written last, so a folder that has one is complete. Until then `.export.json` names
the examples and the format. Every file is complete or absent, so the next export writes only those
that are missing. A folder that holds anything else is refused, and nothing else is ever removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bertdata.config import check_choice
from bertdata.errors import ConfigError
from bertdata.exports.cards import CARD_NAME
from bertdata.exports.dataset_card import count_rows, make_dataset_card
from bertdata.exports.mds import INDEX_NAME, make_index, write_mds
from bertdata.exports.parquet import write_parquet
from bertdata.exports.rows import Examples, ShardRows, split_of
from bertdata.exports.tfrecord import write_tfrecord
from bertdata.reader.stored_examples import StoredExamples
from bertdata.storage.files import (
    is_file,
    list_files,
    list_folders,
    read_bytes,
    remove_file,
    remove_temporary_files,
)
from bertdata.storage.locations import Location
from bertdata.storage.locks import hold
from bertdata.storage.manifest import (
    FILE_NAME,
    Manifest,
    check_shard,
    is_complete,
    make_manifest,
    read_manifest,
    write_manifest,
)
from bertdata.storage.shards import Shard, describe_file
from bertdata.storage.writing import atomic_file, write_json, write_text

FORMATS: Mapping[str, Callable[[Path, ShardRows], None]] = {
    "tfrecord": write_tfrecord,
    "parquet": write_parquet,
    "mds": write_mds,
}
# In a folder whose export is not finished.
_PLAN_NAME = ".export.json"


def export_examples(
    examples: Examples, output: Location, kind: str, say: Callable[[str], None] = lambda line: None
) -> Manifest:
    """Write examples in another format, or what is missing of it; returns the export's manifest.

    `kind`: a key of `FORMATS`. `say`: takes a line after each file. Raises ConfigError if `output`
    holds anything else, or the format needs masks that the files do not have.
    """
    check_choice("format", kind, FORMATS)
    if kind == "tfrecord" and not examples.has_masks:
        raise ConfigError(
            f'{examples.folder} has no masks, which tfrecord needs: make it with masking = "static"'
        )
    export = _Export(examples=examples, output=output, kind=kind)
    with hold(output):
        return export.find_finished() or export.make(say)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Export:
    """One export: of which examples, where, and in which format."""

    examples: Examples
    output: Location
    kind: str

    def find_finished(self) -> Manifest | None:
        """The manifest if the export is complete.

        Files of another size than it says are removed, and the export is no longer complete. Raises
        ConfigError for another stage or export.
        """
        if not is_complete(self.output):
            return None
        found = read_manifest(self.output)
        self._check_same({"format": found.format, "inputs": found.inputs})
        sizes = {file.path: file.bytes for file in list_files(self.output, recursive=True)}
        wrong = [shard for shard in found.shards if sizes.get(shard.path) != shard.bytes]
        if not wrong:
            self._clear()
            return found
        write_json(self.output / _PLAN_NAME, self._plan)
        remove_file(self.output / FILE_NAME)
        for shard in wrong:
            remove_file(self.output / shard.path)
        return None

    def make(self, say: Callable[[str], None]) -> Manifest:
        """Write what is missing; the manifest last."""
        self._begin()
        shards = self.examples.manifest.shards
        files = []
        for number, shard in enumerate(shards, start=1):
            files.append(self._make_file(shard))
            say(f"{files[-1].path}: {number:,} of {len(shards):,} files")
        if self.kind == "mds":
            files += [self._write_index(split, files) for split in count_rows(self.examples)]
        if not is_file(self.output / CARD_NAME):  # or its owner may have edited it
            write_text(self.output / CARD_NAME, make_dataset_card(self.examples, self.kind))
        manifest = self._describe(files)
        write_manifest(self.output, manifest)
        self._clear()
        return manifest

    def _begin(self) -> None:
        """Note what is being made. Raises ConfigError if the folder holds anything else."""
        plan = self.output / _PLAN_NAME
        if is_file(plan):
            self._check_same(json.loads(read_bytes(plan)))
            return
        found = [file.path for file in list_files(self.output)] + list_folders(self.output)
        if found:
            raise ConfigError(
                f"{self.output} holds something else, such as {found[0]}; choose another --output"
            )
        write_json(plan, self._plan)

    def _check_same(self, found: object) -> None:
        if found != self._plan:
            raise ConfigError(
                f"{self.output} holds another stage, or an export of other examples or in another "
                "format; choose another --output or delete that folder"
            )

    @property
    def _plan(self) -> dict[str, object]:
        return {"format": f"bertdata-{self.kind}", "inputs": self._inputs}

    @property
    def _inputs(self) -> dict[str, object]:
        return {"examples": {"content_sha256": self.examples.manifest.content_sha256}}

    def _make_file(self, shard: Shard) -> Shard:
        """The file for one shard of the examples, written unless it is there."""
        path = self._path_of(shard)
        if is_file(self.output / path):
            return replace(describe_file(self.output / path, shard.rows), path=path)
        check_shard(self.examples.folder, shard, self.examples.manifest.format)
        with atomic_file(self.output / path) as temporary:
            FORMATS[self.kind](temporary, self._rows_of(shard))
            return replace(describe_file(temporary, shard.rows), path=path)

    def _path_of(self, shard: Shard) -> str:
        """The same name with the format's ending; StreamingDataset wants a folder per split."""
        name = f"{shard.path.removesuffix('.arrow')}.{self.kind}"
        return f"{split_of(shard)}/{name}" if self.kind == "mds" else name

    def _rows_of(self, shard: Shard) -> ShardRows:
        examples = self.examples
        stored = StoredExamples(examples.folder, [shard], examples.vocabulary_size)
        return ShardRows(
            examples=examples,
            path=examples.folder / shard.path,
            num_rows=shard.rows,
            blocks=stored.read_blocks(),
        )

    def _write_index(self, split: str, files: Iterable[Shard]) -> Shard:
        path = f"{split}/{INDEX_NAME}"
        own = [file for file in files if file.rows and split_of(file) == split]
        write_json(self.output / path, make_index(self.examples, own))
        return replace(describe_file(self.output / path, rows=0), path=path)

    def _describe(self, files: Iterable[Shard]) -> Manifest:
        return make_manifest(
            self.kind,
            config=self.examples.manifest.config,
            inputs=self._inputs,
            counts={name: {"examples": rows} for name, rows in count_rows(self.examples).items()},
            shards=files,
        )

    def _clear(self) -> None:
        """Remove what only an unfinished export needs, and what a killed one left half-written."""
        remove_file(self.output / _PLAN_NAME)
        for folder in (self.output, *(self.output / name for name in list_folders(self.output))):
            remove_temporary_files(folder)
