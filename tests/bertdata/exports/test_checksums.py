"""CRC-32C: the published values, and rows of any length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.arrays import offsets_of
from bertdata.exports.checksums import checksums_of


@pytest.mark.parametrize(
    ("data", "checksum"),
    [  # RFC 3720, appendix B.4; the first is the usual check value
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_published_values(data: bytes, checksum: int) -> None:
    assert checksums_of(data, np.array([0, len(data)])).tolist() == [checksum]


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_each_row_has_its_own(rows: list[bytes]) -> None:
    found = checksums_of(b"".join(rows), offsets_of([len(row) for row in rows]))
    alone = [checksums_of(row, np.array([0, len(row)]))[0] for row in rows]
    assert found.tolist() == alone
