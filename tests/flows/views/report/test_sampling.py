"""Samples are spread over what there is, and always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.storage.manifest import make_manifest
from bertdata.storage.shards import write_arrow
from flows.views.report.sampling import measure_lengths, sample_batches, spread


@given(st.integers(0, 1000), st.integers(1, 50))
def test_spread(size: int, count: int) -> None:
    found = spread(range(size), count)
    assert len(found) == min(size, count)
    assert found == sorted(set(found))
    assert found[:1] == list(range(size))[:1]


@pytest.mark.parametrize(("max_batches", "wanted"), [(1, 8), (16, 16), (1000, 80)])
def test_batches_of_many_files_are_bounded(tmp_path: Path, max_batches: int, wanted: int) -> None:
    schema = pa.schema([pa.field("n", pa.int64())])
    schema = schema.with_metadata({"bertdata.version": "1"})
    shards = [
        write_arrow(
            tmp_path / f"train-{number:02d}.arrow",
            schema,
            [pa.RecordBatch.from_pydict({"n": [batch]}, schema) for batch in range(10)],
        )
        for number in range(20)
    ]
    manifest = make_manifest("examples", config={}, inputs={}, counts={}, shards=shards)
    batches = list(sample_batches(tmp_path, manifest, "train-", schema, max_batches=max_batches))
    assert len(batches) == wanted  # of eight files, of each as many and one at least
    assert list(sample_batches(tmp_path, manifest, "none-", schema, max_batches=8)) == []


def test_lengths() -> None:
    found = measure_lengths(np.arange(1, 101))
    assert found is not None
    assert (found.number, found.median, found.high, found.longest) == (100, 50, 95, 100)
    assert sum(found.counts) == 100
    assert measure_lengths(np.zeros(0, np.int64)) is None
