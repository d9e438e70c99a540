"""Which of equal documents is kept, against a dictionary of those seen before."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.duplicates.find import find_duplicates
from bertdata.storage.schema import fingerprints_schema
from bertdata.storage.shards import write_arrow

HASHES = st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1).map(lambda n: n % 7))


def write_fingerprints(path: Path, hashes: list[tuple[int, int]], seed: int) -> Path:
    """Of the documents of a unit, in an order that is not theirs."""
    schema = fingerprints_schema(0, 0, sentences=False)
    order = np.random.default_rng(seed).permutation(len(hashes)).tolist()
    rows = [
        {"document_id": n, "number": n, "place": "", "hash_high": hashes[n][0] << 62 | hashes[n][0]}
        | {"name_hash": n, "hash_low": hashes[n][1]}
        for n in order
    ]
    write_arrow(path, schema, pa.Table.from_pylist(rows, schema=schema).to_batches(3))
    return path


@given(units=st.lists(st.lists(HASHES, max_size=12), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("hashes_at_once", [2, 1000])
def test_the_first_of_equal_ones_is_kept(
    units: list[list[tuple[int, int]]], hashes_at_once: int
) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertdata.duplicates.find._HASHES_AT_ONCE", hashes_at_once)
        paths = [write_fingerprints(Path(folder) / f"{n}", u, n) for n, u in enumerate(units)]
        found = find_duplicates(paths, exact=True)
    first: dict[tuple[int, int], int] = {}
    pairs = [pair for unit in units for pair in unit]
    wanted = [first.setdefault(pair, n) for n, pair in enumerate(pairs)]
    gone = [n for n, first_n in enumerate(wanted) if n != first_n]
    assert found.dropped.tolist() == gone
    assert found.kept.tolist() == [wanted[n] for n in gone]
    assert found.exact.all()
    ids = [n for unit in units for n in range(len(unit))]
    assert found.kept_ids.tolist() == [ids[wanted[n]] for n in gone]
