"""Parts of large files, always the same ones, and the distribution of lengths in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa

from bertdata.arrays import IntegerArray
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from bertdata.storage.schema import check_schema
from bertdata.storage.shards import open_arrow

_MAX_FILES = 8
_NUM_BINS = 40

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """How long some things are. `counts[i]`: of those in [edges[i], edges[i + 1]).

    `high`: 95% are at most so long. `is_log`: the edges are evenly spread on a logarithmic axis.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    number: int
    median: int
    high: int
    longest: int
    is_log: bool = False


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most `count` of the items, evenly spaced from the first one on."""
    taken = min(count, len(items))
    return [items[place * len(items) // taken] for place in range(taken)]


def sample_batches(
    folder: Location, manifest: Manifest, prefix: str, schema: pa.Schema, *, max_batches: int
) -> Iterator[pa.RecordBatch]:
    """Record batches of some of a stage's files, evenly spaced: all of them if there are few.

    `prefix`: of the files' names, such as "train-".
    """
    files = spread(
        [shard for shard in manifest.shards if shard.path.startswith(prefix)], _MAX_FILES
    )
    for shard in files:
        with open_arrow(folder / shard.path) as reader:
            check_schema(reader.schema, schema, str(folder / shard.path))
            numbers = range(reader.num_record_batches)
            for number in spread(numbers, max(1, max_batches // len(files))):
                yield reader.get_batch(number)


def measure_lengths(lengths: IntegerArray, *, is_log: bool = False) -> Lengths | None:
    """The distribution of lengths of at least 0; None if there are none.

    On a linear axis, the last bin also has the longest hundredth: a few outliers would flatten
    everything else.
    """
    if not len(lengths):
        return None
    median, high, end = (int(np.quantile(lengths, share)) for share in (0.5, 0.95, 0.99))
    longest = int(lengths.max())
    edges = _log_edges(lengths) if is_log else _linear_edges(end)
    counts, _ = np.histogram(np.clip(lengths, edges[0], edges[-1] - 0.5), edges)
    return Lengths(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        number=len(lengths),
        median=median,
        high=high,
        longest=longest,
        is_log=is_log,
    )


def _linear_edges(end: int) -> IntegerArray:
    width = -(-(end + 1) // _NUM_BINS)
    return np.arange(0, end + 1 + width, width)


def _log_edges(lengths: IntegerArray) -> IntegerArray:
    ends = max(1, int(lengths.min())), int(lengths.max()) + 1
    return np.unique(np.geomspace(min(ends), max(ends) + 1, _NUM_BINS).round().astype(np.int64))
