"""The Arrow schemas of everything on disk, and their version.

The version is in each file's metadata under "bertdata.version"; it changes when a column does.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bertdata.errors import DataError

_VERSION = 1
MAX_PIECES = 512  # per example
_WIDE_VOCABULARY = 65_536  # with more pieces an id no longer fits in 16 bits

_METADATA = {"bertdata.version": str(_VERSION)}

SENTENCES = pa.schema(
    [
        pa.field("document_id", pa.uint64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("sentences", pa.list_(pa.string()), nullable=False),
    ],
    metadata=_METADATA,
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


# What is dropped from a unit of sentences, one row per document, by the document's number in the
# unit: the sentences at `places`, or the whole document if `places` is empty. `reason`, `detail`:
# why a whole document is dropped.
REMOVALS = pa.schema(
    [
        pa.field("number", pa.uint32(), nullable=False),
        pa.field("places", pa.list_(pa.uint32()), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ],
    metadata=_METADATA,
)


def fingerprints_schema(num_bands: int, num_places: int, sentences: bool) -> pa.Schema:
    """The columns by which duplicates are found: one row per document, in the order of its file.

    `number`: index of the document in its unit. `name_hash`: hash of its corpus and id.
    `hash_high`, `hash_low`: halves of the hash of its text. For similar texts: equal values in one
    of `band_00`, `band_01`, … make two documents candidates, and `signature` compares them.
    `sentences`: adds the hash of each sentence, 0 for short ones.
    """
    fields = [
        pa.field("document_id", pa.uint64(), nullable=False),
        pa.field("number", pa.uint32(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        pa.field("name_hash", pa.uint64(), nullable=False),
        pa.field("hash_high", pa.uint64(), nullable=False),
        pa.field("hash_low", pa.uint64(), nullable=False),
    ]
    fields += [pa.field(f"band_{n:02d}", pa.uint64(), nullable=False) for n in range(num_bands)]
    if num_bands:
        fields.append(pa.field("signature", pa.list_(pa.uint32(), num_places), nullable=False))
    if sentences:
        fields.append(pa.field("sentence_hashes", pa.list_(pa.uint64()), nullable=False))
    return pa.schema(fields, metadata=_METADATA)


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
    version = (found.metadata or {}).get(b"bertdata.version", b"none").decode()
    if version != str(_VERSION):
        raise DataError(f"{where} has format version {version}, this program reads {_VERSION}")
    if not found.equals(wanted):
        raise DataError(f"{where} has columns {_columns(found)}, expected {_columns(wanted)}")


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
