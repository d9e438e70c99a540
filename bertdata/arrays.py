"""Types of numpy arrays, and rows of different lengths: one after the other, or padded.

Shape suffixes: B rows, L places of a padded row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BoolArray: TypeAlias = npt.NDArray[np.bool_]
ByteArray: TypeAlias = npt.NDArray[np.uint8]
UInt16Array: TypeAlias = npt.NDArray[np.uint16]
UInt32Array: TypeAlias = npt.NDArray[np.uint32]
UInt64Array: TypeAlias = npt.NDArray[np.uint64]
Int32Array: TypeAlias = npt.NDArray[np.int32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
Float64Array: TypeAlias = npt.NDArray[np.float64]

# Ids of pieces: 16 bits where the vocabulary allows it, otherwise 32 bits.
PieceArray: TypeAlias = npt.NDArray[np.unsignedinteger]
IntegerArray: TypeAlias = npt.NDArray[np.integer]
FloatArray: TypeAlias = npt.NDArray[np.floating]
AnyArray: TypeAlias = npt.NDArray[Any]


def offsets_of(lengths: IntegerArray | BoolArray | Sequence[int]) -> Int64Array:
    """Where each row starts when all rows lie one after the other, and where the last one ends.

    offsets_of([2, 0, 3]) -> [0, 2, 2, 5]
    """
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def places_within(lengths: IntegerArray, width: int) -> BoolArray:
    """Which of `width` places of each row come before the row's length; bool of shape B width.

    `lengths`: B, none above `width`.
    """
    small = np.min_scalar_type(width)  # the fewer bytes, the more places are compared at once
    return np.arange(width, dtype=small) < lengths.astype(small)[:, None]


def pad_rows(values: IntegerArray | Sequence[int], real_BL: BoolArray, filling: int) -> Int64Array:
    """Rows of values, one after the other, as a table with `filling` where `real_BL` is False."""
    padded_BL = np.full(real_BL.shape, filling, dtype=np.int64)
    padded_BL[real_BL] = values
    return padded_BL


def as_array(column: pa.ChunkedArray) -> pa.Array:
    """A column of a table as one array."""
    combined = column.combine_chunks()
    return combined.combine_chunks() if isinstance(combined, pa.ChunkedArray) else combined
