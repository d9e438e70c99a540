"""The examples of a run as they are exported: what all shards share, and the rows of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from bertdata.config import read_table
from bertdata.errors import BertdataError, DataError
from bertdata.examples.config import ExamplesConfig
from bertdata.storage.locations import Location
from bertdata.storage.manifest import (
    FILE_NAME,
    Manifest,
    damaged_manifest,
    is_complete,
    manifest_errors_as_data_errors,
    read_manifest,
)
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import Shard, first_line

_FORMAT = "bertdata-examples"
_MAX_SIZE = 1 << 32  # ids have 32 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """A finished `examples/` folder. `pad_id`: the id of [PAD]."""

    folder: Location
    manifest: Manifest
    config: ExamplesConfig
    vocabulary_size: int
    pad_id: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of its shards."""
        return examples_schema(self.vocabulary_size)

    @property
    def has_masks(self) -> bool:
        """Whether the files hold masks; dynamic ones are drawn by the reader."""
        return self.config.masking == "static"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardRows:
    """The rows of one shard, which a writer of a format takes once.

    `path`: the shard; `blocks`: its record batches, in order; `num_rows`: of all of them.
    """

    examples: Examples
    path: Location
    num_rows: int
    blocks: Iterable[pa.RecordBatch]


def split_of(shard: Shard) -> str:
    """The split that a file belongs to, by its name: "train" or "validation"."""
    return shard.path.rpartition("/")[2].partition("-")[0]


def open_examples(folder: Location) -> Examples:
    """The examples in the folder of a run, or in an `examples/` folder itself.

    Raises DataError if there are none.
    """
    inside = folder / "examples"
    examples = inside if is_complete(inside) else folder
    if not is_complete(examples):
        raise DataError(
            f"{folder} has no finished examples; first: bertdata examples CONFIG.toml "
            f"--output {folder}"
        )
    manifest = read_manifest(examples)
    if manifest.format != _FORMAT:
        raise DataError(
            f"{examples} holds {manifest.format}, not {_FORMAT}; name a run or its examples/"
        )
    return _read_settings(examples, manifest)


def _read_settings(folder: Location, manifest: Manifest) -> Examples:
    with manifest_errors_as_data_errors(folder):
        vocabulary = manifest.inputs["vocabulary"]
        size, pad_id = int(vocabulary["size"]), int(vocabulary["special"]["pad"])
        if not 0 <= pad_id < size <= _MAX_SIZE:
            raise ValueError(f"[PAD] is {pad_id} of {size} pieces")
        return Examples(
            folder=folder,
            manifest=manifest,
            config=_read_config(folder, manifest),
            vocabulary_size=size,
            pad_id=pad_id,
        )


def _read_config(folder: Location, manifest: Manifest) -> ExamplesConfig:
    try:
        return read_table(ExamplesConfig, manifest.config["examples"], FILE_NAME)
    except BertdataError as error:
        raise damaged_manifest(folder, first_line(error)) from error
