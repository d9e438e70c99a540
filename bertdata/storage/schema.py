"""The Arrow schemas of everything on disk, and their version.

The version is in each file's metadata under "bertdata.version"; it changes when a column does.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bertdata.errors import DataError, damaged_file

_VERSION = 1
_SENTENCES_VERSION = 2  # since a file holds a range of partitions
MAX_PIECES = 512  # per example
_WIDE_VOCABULARY = 65_536  # with more pieces an id no longer fits in 16 bits

_METADATA = {"bertdata.version": str(_VERSION)}
_SENTENCES_METADATA = {"bertdata.version": str(_SENTENCES_VERSION)}

SENTENCES = pa.schema(
    [
        pa.field("document_id", pa.uint64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("sentences", pa.list_(pa.string()), nullable=False),
    ],
    metadata=_SENTENCES_METADATA,
)

REJECTED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ],
    metadata=_METADATA,
)

WORD_COUNTS = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ],
    metadata=_METADATA,
)


def piece_dtype(vocabulary_size: int) -> type[np.uint16] | type[np.uint32]:
    """The type of piece ids: uint16 up to 65,536 pieces, otherwise uint32."""
    return np.uint32 if vocabulary_size > _WIDE_VOCABULARY else np.uint16


def examples_schema(vocabulary_size: int) -> pa.Schema:
    """The columns of `examples/*.arrow` (the README describes them one by one)."""
    piece = pa.from_numpy_dtype(piece_dtype(vocabulary_size))
    return pa.schema(
        [
            pa.field("input_ids", pa.list_(piece), nullable=False),
            pa.field("segment_b_start", pa.uint16(), nullable=False),
            pa.field("masked_lm_positions", pa.list_(pa.uint16()), nullable=False),
            pa.field("masked_lm_ids", pa.list_(piece), nullable=False),
            pa.field("next_sentence_label", pa.uint8(), nullable=False),
            pa.field("document_id", pa.uint64(), nullable=False),
        ],
        metadata=_METADATA,
    )


def check_schema(found: pa.Schema, wanted: pa.Schema, where: str) -> None:
    """Raise DataError unless a file has these columns, in this version."""
    version, known = (
        (schema.metadata or {}).get(b"bertdata.version", b"none").decode()
        for schema in (found, wanted)
    )
    if version != known:
        raise DataError(
            f"{where} has format version {version}, this program reads {known}; "
            "make it again in another --output"
        )
    if not found.equals(wanted):
        raise damaged_file(f"{where} has columns {_columns(found)}, expected {_columns(wanted)}")


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
