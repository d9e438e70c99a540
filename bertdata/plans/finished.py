"""Finished stages, as the plans of later ones read them."""

from __future__ import annotations

from dataclasses import dataclass

from bertdata.corpus.partitions import Layout
from bertdata.errors import DataError
from bertdata.storage.locations import Location
from bertdata.storage.manifest import (
    Manifest,
    is_complete,
    manifest_errors_as_data_errors,
    read_manifest,
)
from bertdata.storage.shards import Shard

SENTENCES_FORMAT = "bertdata-sentences"


@dataclass(frozen=True, kw_only=True, slots=True)
class SentencesInput:
    """The finished files of `sentences/`, in order, as later stages read them."""

    folder: Location
    shards: tuple[Shard, ...]
    layout: Layout

    @property
    def names(self) -> list[str]:
        """The files' names."""
        return [shard.path for shard in self.shards]

    @property
    def num_documents(self) -> int:
        """The documents in all files."""
        return sum(shard.rows for shard in self.shards)


def find_finished(folder: Location, stage: str) -> Manifest:
    """The manifest of a stage. Raises DataError unless it is complete and of that kind."""
    if not is_complete(folder):
        raise DataError(
            f"{folder} is missing or not complete; first: bertdata {stage} CONFIG.toml "
            f"--output {folder.parent}"
        )
    manifest = read_manifest(folder)
    if manifest.format != f"bertdata-{stage}":
        raise DataError(
            f"{folder} holds {manifest.format}, not bertdata-{stage}; choose another --output"
        )
    return manifest


def find_sentences(folder: Location, manifest: Manifest) -> SentencesInput:
    """The files of a finished stage `sentences/`."""
    shards = [shard for shard in manifest.shards if shard.path.startswith("sentences-")]
    with manifest_errors_as_data_errors(folder):
        layout = Layout(
            num_partitions=len(manifest.counts["documents_per_partition"]),
            num_files=len(shards),
            seed=manifest.config["seed"],
        )
    return SentencesInput(folder=folder, shards=tuple(shards), layout=layout)
