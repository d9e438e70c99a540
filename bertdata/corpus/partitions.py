"""Which documents are together: partitions, pools from which a random B is drawn, shards.

All of it depends only on document ids, sizes and counts; never on workers or order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bertdata.arrays import BoolArray, FloatArray, Int64Array, UInt64Array
from bertdata.randomness import derive_key, derive_keys, uniform_array

_PARTITION_BYTES = 2 << 20
_MIN_POOL_DOCUMENTS = 16
# Files of sentences: enough of them to keep many workers busy, none too large for one's memory.
_MIN_FILE_BYTES, _MAX_FILE_BYTES = 8 << 20, 32 << 20
_NUM_FILES = 128  # aimed at between the two
_MIN_SHARDS = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where each document lies in `sentences/`: a partition, and the file that holds it.

    A file holds neighbouring partitions. `seed`: of the run.
    """

    num_partitions: int
    num_files: int
    seed: int

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The partitions [first, end) of each file."""
        return split_evenly(self.num_partitions, self.num_files)

    def partitions_of(self, document_ids: UInt64Array) -> Int64Array:
        """The partition of each document."""
        return assign_partitions(document_ids, self.num_partitions, self.seed)

    def files_of(self, partitions: Int64Array) -> Int64Array:
        """The file of each partition."""
        ends = np.array([end for _, end in self.ranges])
        return np.searchsorted(ends, partitions, side="right")


def plan_layout(text_bytes: int, seed: int) -> Layout:
    """The layout for about so much text."""
    num_partitions = count_partitions(text_bytes)
    file_bytes = min(_MAX_FILE_BYTES, max(_MIN_FILE_BYTES, text_bytes // _NUM_FILES))
    num_files = min(num_partitions, -(-text_bytes // file_bytes))
    return Layout(num_partitions=num_partitions, num_files=max(1, num_files), seed=seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardGroup:
    """Shards that are made together, and the pools written to them.

    A pool is a range [first, end) of partitions; random Bs are drawn within a pool.
    """

    pools: tuple[tuple[int, int], ...]
    shards: tuple[int, ...]


def count_partitions(text_bytes: int) -> int:
    """The number of partitions of a corpus of this size: one per 2 MB.

    So all cores have work, and the memory of a pool is the same for any corpus.
    """
    return max(1, -(-text_bytes // _PARTITION_BYTES))


def count_shards(text_bytes: int) -> int:
    """The number of shards of a corpus of this size, unless another one is configured.

    So many that the text of a shard lies in three files of sentences at most.
    """
    return max(_MIN_SHARDS, -(-text_bytes // (2 * _MAX_FILE_BYTES)))


def assign_partitions(document_ids: UInt64Array, num_partitions: int, seed: int) -> Int64Array:
    """The partition of each document, by a seeded hash of its id."""
    return (_uniforms(document_ids, seed, "partition") * num_partitions).astype(np.int64)


def choose_validation(document_ids: UInt64Array, fraction: float, seed: int) -> BoolArray:
    """Whether each document is held out, by a seeded hash of its id."""
    return np.asarray(_uniforms(document_ids, seed, "validation") < fraction)


def join_small_partitions(num_documents: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbouring partitions joined into pools of at least 16 documents, if there are as many.

    In a smaller pool, random Bs would come from the same few documents.
    """
    pools: list[tuple[int, int]] = []
    first = waiting = 0
    for partition, count in enumerate(num_documents):
        waiting += count
        if waiting >= _MIN_POOL_DOCUMENTS:
            pools.append((first, partition + 1))
            first, waiting = partition + 1, 0
    if first < len(num_documents):
        # The remaining partitions join the last pool.
        start = pools.pop()[0] if pools else first
        pools.append((start, len(num_documents)))
    return pools


def plan_validation(num_documents: Sequence[int], fraction: float) -> list[tuple[int, int]]:
    """Pools of held-out documents, each from enough partitions to be as large as one partition.

    So the memory of a pool is the same for any corpus; a small corpus has a single pool.
    """
    groups = split_evenly(len(num_documents), max(1, int(len(num_documents) * fraction)))
    held_out = [int(sum(num_documents[first:end]) * fraction) for first, end in groups]
    joined = join_small_partitions(held_out)
    return [(groups[first][0], groups[end - 1][1]) for first, end in joined]


def plan_shards(pools: Sequence[tuple[int, int]], num_shards: int) -> list[ShardGroup]:
    """Distribute pools to shards: several shards per pool, or several pools per shard."""
    if num_shards >= len(pools):
        bounds = split_evenly(num_shards, len(pools))
        return [
            ShardGroup(pools=(pool,), shards=tuple(range(*bound)))
            for pool, bound in zip(pools, bounds)
        ]
    bounds = split_evenly(len(pools), num_shards)
    return [
        ShardGroup(pools=tuple(pools[slice(*bound)]), shards=(shard,))
        for shard, bound in enumerate(bounds)
    ]


def split_evenly(count: int, parts: int) -> list[tuple[int, int]]:
    """Ranges [first, end) that split `count` items into `parts` of nearly equal size."""
    edges = [part * count // parts for part in range(parts + 1)]
    return list(pairwise(edges))


def _uniforms(document_ids: UInt64Array, seed: int, purpose: str) -> FloatArray:
    return uniform_array(derive_keys(derive_key(seed, purpose), document_ids), 1)
