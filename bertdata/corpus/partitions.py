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
_MAX_PARTITIONS = 4096
_MIN_POOL_DOCUMENTS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardGroup:
    """Shards that are made together, and the pools written to them.

    A pool is a range [first, end) of partitions; random Bs are drawn within a pool.
    """

    pools: tuple[tuple[int, int], ...]
    shards: tuple[int, ...]


def count_partitions(text_bytes: int) -> int:
    """The number of partitions of a corpus of this size: one per 2 MB, up to 4096.

    So all cores have work, and the memory of a pool is the same for any corpus up to 8 GB. Beyond
    that partitions grow instead: each is a batch in each round of each sentence file, and too many
    batches would take more space than their text.
    """
    return max(1, min(_MAX_PARTITIONS, -(-text_bytes // _PARTITION_BYTES)))


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
