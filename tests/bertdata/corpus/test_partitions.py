"""Partitions, pools and shards: all covered, and by nothing but ids and counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.partitions import (
    Layout,
    assign_partitions,
    choose_validation,
    count_partitions,
    count_shards,
    join_small_partitions,
    plan_layout,
    plan_shards,
    plan_validation,
    split_evenly,
)

counts = st.lists(st.integers(0, 60), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("megabytes", "partitions"),
    [(0, 1), (0.1, 1), (2, 1), (5, 3), (64, 32), (8192, 4096), (1_000_000, 500_000)],
)
def test_partitions_grow_with_the_corpus(megabytes: float, partitions: int) -> None:
    assert count_partitions(int(megabytes * 2**20)) == partitions


@pytest.mark.parametrize(
    ("megabytes", "files"),
    [(0, 1), (0.1, 1), (8, 1), (9, 2), (64, 8), (1024, 128), (4096, 128), (8192, 256)],
)
def test_files_grow_with_the_corpus_up_to_32_megabytes(megabytes: float, files: int) -> None:
    layout = plan_layout(int(megabytes * 2**20), seed=7)
    assert (layout.num_files, layout.seed) == (files, 7)
    assert layout.num_partitions == count_partitions(int(megabytes * 2**20))


@given(st.integers(1, 30), st.integers(0, 60), st.integers(0, 3))
def test_a_file_holds_a_range_of_partitions(num_files: int, more: int, seed: int) -> None:
    layout = Layout(num_partitions=num_files + more, num_files=num_files, seed=seed)
    covered = [p for first, end in layout.ranges for p in range(first, end)]
    assert covered == list(range(layout.num_partitions))
    assert all(first < end for first, end in layout.ranges)
    wanted = [number for number, part in enumerate(layout.ranges) for _ in range(*part)]
    assert layout.files_of(np.arange(layout.num_partitions)).tolist() == wanted
    ids = np.arange(200, dtype=np.uint64)
    partitions = layout.partitions_of(ids)
    assert (partitions == assign_partitions(ids, layout.num_partitions, seed)).all()


def test_partitions_and_validation_are_fair_and_seeded() -> None:
    ids = np.arange(100_000, dtype=np.uint64)
    sizes = np.bincount(assign_partitions(ids, 10, seed=1), minlength=10)
    assert abs(sizes - 10_000).max() < 400
    held_out = choose_validation(ids, 0.05, seed=1)
    assert held_out.mean() == pytest.approx(0.05, abs=0.003)
    assert (held_out != choose_validation(ids, 0.05, seed=2)).any()
    assert not choose_validation(ids, 0.0, seed=1).any()


@pytest.mark.parametrize(
    ("seed", "partitions", "held_out"),
    [
        (1, [81, 45, 99, 50, 30, 46, 79, 32], [0, 1, 1, 1, 1, 0, 1, 0]),
        (2, [97, 88, 67, 0, 17, 99, 32, 94], [1, 0, 0, 0, 0, 1, 0, 1]),
    ],
)
def test_where_a_document_lies_never_changes(
    seed: int, partitions: list[int], held_out: list[int]
) -> None:
    ids = np.arange(1, 9, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert assign_partitions(ids, 100, seed).tolist() == partitions
    assert choose_validation(ids, 0.5, seed).tolist() == [bool(flag) for flag in held_out]


def test_a_pool_of_exactly_sixteen_documents_is_large_enough() -> None:
    assert join_small_partitions([16, 16]) == [(0, 1), (1, 2)]
    assert join_small_partitions([15, 1, 16]) == [(0, 2), (2, 3)]
    assert join_small_partitions([16, 15]) == [(0, 2)]


@given(counts)
def test_pools_cover_all_partitions_and_hold_enough_documents(counts: list[int]) -> None:
    pools = join_small_partitions(counts)
    assert [p for first, end in pools for p in range(first, end)] == list(range(len(counts)))
    if sum(counts) >= 16:
        assert all(sum(counts[first:end]) >= 16 for first, end in pools)


@given(st.integers(1, 50), st.integers(1, 50))
def test_every_pool_and_every_shard_is_planned_once(num_pools: int, num_shards: int) -> None:
    pools = [(n, n + 1) for n in range(num_pools)]
    groups = plan_shards(pools, num_shards)
    assert [pool for group in groups for pool in group.pools] == pools
    assert [shard for group in groups for shard in group.shards] == list(range(num_shards))
    assert all(len(group.pools) == 1 or len(group.shards) == 1 for group in groups)


@given(st.integers(1, 40 << 30), st.integers(0, 300))
def test_a_group_of_shards_lies_in_few_files(text_bytes: int, configured: int) -> None:
    """As docs/scale.md says: in three at most, unless fewer shards are configured."""
    num_shards = configured or count_shards(text_bytes)
    layout = plan_layout(text_bytes, seed=1)
    pools = [(number, number + 1) for number in range(layout.num_partitions)]
    files = layout.files_of(np.arange(layout.num_partitions))
    for group in plan_shards(pools, num_shards):
        first, end = group.pools[0][0], group.pools[-1][1]
        in_files = len(np.unique(files[first:end]))
        assert in_files <= -(-layout.num_files // num_shards) + 1
        if num_shards >= count_shards(text_bytes):
            assert in_files <= 3


@given(st.integers(0, 1000), st.integers(1, 50))
def test_split_evenly(count: int, parts: int) -> None:
    sizes = [end - start for start, end in split_evenly(count, parts)]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(0, 300), min_size=1, max_size=400), st.floats(0.001, 0.5))
def test_pools_of_held_out_documents_cover_all_partitions(
    documents: list[int], fraction: float
) -> None:
    pools = plan_validation(documents, fraction)
    assert pools[0][0] == 0
    assert pools[-1][1] == len(documents)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pools))
    assert len(pools) <= max(1, len(documents) * fraction)


def test_held_out_documents_of_a_large_corpus_are_many_pools() -> None:
    assert plan_validation([500] * 200, 0.005) == [(0, 200)]
    assert plan_validation([500] * 4000, 0.005) == [(n, n + 200) for n in range(0, 4000, 200)]
    # Large documents: sixteen at least, though that takes more partitions.
    assert plan_validation([8] * 4000, 0.005) == [
        (0, 400),
        *((n, n + 400) for n in range(400, 4000, 400)),
    ]
