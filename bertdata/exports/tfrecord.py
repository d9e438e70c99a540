"""TFRecord files as the original's `create_pretraining_data.py` writes them.

A record is an Example of TensorFlow with seven features: lists of 64-bit integers, of floats for
the weights. All rows are padded to `max_seq_length` pieces and `max_predictions_per_seq`
predictions, since the original's `run_pretraining.py` reads lists of fixed lengths.

A record is its length (uint64), the length's checksum (uint32), the Example, its checksum. The
bytes of an Example are those of `SerializeToString(deterministic=True)`: features by name.
Protocol Buffers write a field as its number and kind in one byte, then its length and its content:

    Example  { features = 1: Features }
    Features { feature = 1: map from name (key = 1) to Feature (value = 2) }
    Feature  { float_list = 2: list, or int64_list = 3: list }
    list     { value = 1: integers of 7 bits a byte, or floats of 4 bytes }

Shapes: B rows, L places of a row, S bytes of the longest integer.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import AnyArray, BoolArray, Int64Array, offsets_of, pad_rows, places_within
from bertdata.errors import damaged_file
from bertdata.exports.checksums import checksums_of
from bertdata.exports.rows import ShardRows
from bertdata.storage.locations import Location

_Features = Mapping[str, AnyArray]

_FLOAT_LIST, _INT64_LIST = 2, 3
_MASK_DELTA = np.uint32(0xA282EAD8)


def write_tfrecord(path: Path, rows: ShardRows) -> None:
    """Write the rows of a shard as a TFRecord file.

    Raises DataError for a row that is longer than the examples' configuration says.
    """
    with path.open("wb") as file:
        for block in rows.blocks:
            features = _to_features(block, rows)
            file.writelines(_to_records(list(_encode(features))))


def _to_features(block: pa.RecordBatch, rows: ShardRows) -> _Features:
    """The original's features by name: tables of shape B L, integers or floats."""
    config = rows.examples.config
    length = config.max_seq_length
    real_BL = _places_of(block, "input_ids", length, rows.path)
    predicted_BL = _places_of(block, "masked_lm_ids", config.max_predictions_per_seq, rows.path)
    starts = block.column("segment_b_start").to_numpy()
    in_a_BL = places_within(np.minimum(starts, length), length)

    def pad(name: str, places_BL: BoolArray, filling: int = 0) -> Int64Array:
        return pad_rows(block.column(name).flatten().to_numpy(), places_BL, filling)

    return {
        "input_ids": pad("input_ids", real_BL, rows.examples.pad_id),
        "input_mask": real_BL.astype(np.int64),
        "masked_lm_ids": pad("masked_lm_ids", predicted_BL),
        "masked_lm_positions": pad("masked_lm_positions", predicted_BL),
        "masked_lm_weights": predicted_BL.astype("<f4"),
        "next_sentence_labels": block.column("next_sentence_label").to_numpy()[:, None],
        "segment_ids": (real_BL & ~in_a_BL).astype(np.int64),
    }


def _places_of(block: pa.RecordBatch, name: str, width: int, shard: Location) -> BoolArray:
    """Which places of the padded rows hold values, bool of shape B `width`."""
    lengths = np.diff(block.column(name).offsets.to_numpy())
    if (longest := int(lengths.max(initial=0))) > width:
        raise damaged_file(f"{shard} has a row of {longest} {name}, its manifest allows {width}")
    return places_within(lengths, width)


def _encode(features: _Features) -> Iterator[bytes]:
    """The Example of each row."""
    packed = [
        [(_opening(name, kind, len(values)), values) for values in rows]
        for name, kind, rows in map(_pack, features, features.values())
    ]
    for row in zip(*packed):
        content = b"".join(itertools.chain.from_iterable(row))
        yield b"\x0a" + _to_varint(len(content)) + content


def _pack(name: str, table_BL: AnyArray) -> tuple[str, int, list[bytes]]:
    """A feature's name, the kind of its list, and the bytes of the list's values in each row."""
    if table_BL.dtype.kind == "f":
        return name, _FLOAT_LIST, [row.tobytes() for row in table_BL]
    data, offsets = _to_varints(table_BL)
    bounds = itertools.pairwise(offsets.tolist())
    return name, _INT64_LIST, [data[start:end] for start, end in bounds]


def _to_varints(table_BL: AnyArray) -> tuple[bytes, Int64Array]:
    """The integers of all rows, 7 bits a byte, lowest first; and where each row starts.

    All bytes of an integer but the last have the highest bit set.
    """
    longest = len(_to_varint(int(table_BL.max(initial=0))))
    shifts_S = 7 * np.arange(longest, dtype=np.uint32)
    septets_BLS = table_BL[..., None].astype(np.uint32) >> shifts_S
    is_used_BLS = septets_BLS > 0
    is_used_BLS[..., 0] = True  # zero has a byte, too
    has_more_BLS = np.zeros_like(is_used_BLS)
    has_more_BLS[..., :-1] = is_used_BLS[..., 1:]
    bytes_BLS = (septets_BLS & 0x7F).astype(np.uint8) | has_more_BLS.astype(np.uint8) << 7
    return bytes_BLS[is_used_BLS].tobytes(), offsets_of(np.count_nonzero(is_used_BLS, axis=(1, 2)))


@functools.cache
def _opening(name: str, kind: int, num_bytes: int) -> bytes:
    """All that a feature has before its values, of which there are `num_bytes` bytes."""
    opening = b""
    for field in (1, kind, 2):  # the list's values, the list, the map's value
        opening = _to_tag(field) + _to_varint(len(opening) + num_bytes) + opening
    opening = _to_tag(1) + _to_varint(len(name)) + name.encode() + opening
    return _to_tag(1) + _to_varint(len(opening) + num_bytes) + opening


def _to_tag(field: int) -> bytes:
    """The number of a field that has a length before its content."""
    return bytes([field << 3 | 2])


def _to_varint(number: int) -> bytes:
    """300 -> b"\\xac\\x02"."""
    septets = []
    while number > 0x7F:
        septets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*septets, number])


def _to_records(examples: list[bytes]) -> Iterator[bytes]:
    """The records of a file: length, checksum, Example, checksum."""
    sizes = np.array([len(example) for example in examples], dtype="<u8")
    lengths = sizes.tobytes()
    places = np.arange(0, len(lengths) + 1, 8)
    before = _mask(lengths, places)
    after = _mask(b"".join(examples), offsets_of(sizes.astype(np.int64)))
    for row, example in enumerate(examples):
        yield lengths[8 * row : 8 * row + 8] + before[row] + example + after[row]


def _mask(data: bytes, offsets: Int64Array) -> list[bytes]:
    """The checksum of each row as TFRecord stores it, so that it differs from the CRC itself."""
    found = checksums_of(data, offsets)
    masked = ((found >> 15) | (found << 17)) + _MASK_DELTA
    return [checksum.tobytes() for checksum in masked.astype("<u4")]
