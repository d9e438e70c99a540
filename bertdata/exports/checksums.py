"""CRC-32C, the checksum of TFRecord files (RFC 3720, appendix B.4)."""

from __future__ import annotations

import numpy as np

from bertdata.arrays import ByteArray, Int64Array, UInt32Array
from bertdata.kernels.compilation import kernel

_POLYNOMIAL = 0x82F63B78
_ALL_BITS = np.uint32(0xFFFFFFFF)


def checksums_of(data: bytes, offsets: Int64Array) -> UInt32Array:
    """The CRC-32C of each row of bytes: row n is `data[offsets[n]:offsets[n + 1]]`.

    checksums_of(b"123456789", np.array([0, 9])) -> [0xE3069283]
    """
    found = np.empty(len(offsets) - 1, dtype=np.uint32)
    _checksum_rows(np.frombuffer(data, dtype=np.uint8), offsets, _TABLE, found)
    return found


def _make_table() -> UInt32Array:
    """What each value of a byte does to the checksum of what follows it."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _make_table()


@kernel
def _checksum_rows(
    data: ByteArray, offsets: Int64Array, table: UInt32Array, found: UInt32Array
) -> None:
    for row in range(len(found)):
        checksum = _ALL_BITS
        for place in range(offsets[row], offsets[row + 1]):
            low_byte = (checksum ^ data[place]) & 0xFF
            checksum = np.uint32(table[low_byte] ^ (checksum >> 8))
        found[row] = checksum ^ _ALL_BITS
