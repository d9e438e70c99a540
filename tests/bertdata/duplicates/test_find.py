"""Which of equal and similar documents and sentences are dropped, against plain loops."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.duplicates import find
from bertdata.duplicates.find import (
    DROPPED,
    attach_earlier,
    find_candidates,
    find_equal,
    find_repeated,
    find_similar,
    list_bands,
    list_sentences,
)
from bertdata.duplicates.minhash import NUM_BANDS, NUM_PLACES, estimate_similarity

hashes = st.tuples(st.integers(0, 3).map(lambda n: n << 62 | n), st.integers(0, 6))


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    order = np.random.default_rng(seed).permutation(len(table))
    return table.take(pa.array(order))


def documents_table(**columns: pa.Array) -> pa.Table:
    """`order` 10, 13, 16…; files 0, 1, 0…; ids 1000, 1001…; and other columns."""
    count = len(next(iter(columns.values())))
    return pa.table(
        {
            "order": np.arange(count) * 3 + 10,
            "file": (np.arange(count) % 2).astype(np.int32),
            "document_id": np.arange(count, dtype=np.uint64) + np.uint64(1000),
            **columns,
        }
    )


def test_bands_meet_only_bands_of_their_own_number() -> None:
    """Even of signatures that are the same everywhere."""
    flat = pa.array([7] * NUM_PLACES, pa.uint32())
    table = documents_table(signature=pa.FixedSizeListArray.from_arrays(flat, NUM_PLACES))
    keys = list_bands(table)["key"].to_pylist()
    assert len(keys) == len(set(keys)) == NUM_BANDS


@given(st.lists(hashes, max_size=30), st.integers(0, 5))
def test_the_first_of_equal_documents_is_kept(pairs: list[tuple[int, int]], seed: int) -> None:
    high, low = ([pair[half] for pair in pairs] for half in (0, 1))
    table = documents_table(
        hash_high=pa.array(high, pa.uint64()), hash_low=pa.array(low, pa.uint64())
    )
    found = find_equal(shuffled(table, seed))
    assert found.schema == DROPPED
    first: dict[tuple[int, int], int] = {}
    kept = [first.setdefault(pair, n) for n, pair in enumerate(pairs)]
    assert found.sort_by("order").to_pylist() == [
        {
            "order": n * 3 + 10,
            "file": n % 2,
            "sentence": -1,
            "reason": "duplicate",
            "detail": f"the same text as document_id {1000 + kept[n]}",
        }
        for n in range(len(pairs))
        if kept[n] != n
    ]


def signatures_like(seed: int, count: int) -> np.ndarray:
    """Signatures of a few families, whose members differ from their first in some places."""
    chance = np.random.default_rng(seed)
    families = chance.integers(0, 2**32, (3, NUM_PLACES), dtype=np.uint32)
    signatures = families[chance.integers(0, 3, count)]
    changed = chance.random((count, NUM_PLACES)) < chance.choice([0, 0.1, 0.3, 0.9], (count, 1))
    return np.where(changed, chance.integers(0, 2**32, changed.shape, np.uint32), signatures)


def similar_documents(
    table: pa.Table, similarity: float, mix: Callable[[pa.Table], pa.Table] = lambda table: table
) -> tuple[pa.Table, set[tuple[int, int]]]:
    """All steps one after the other, on rows that `mix` puts in another order; also the pairs."""
    pairs = find_candidates(mix(list_bands(mix(table))))
    halves = attach_earlier(mix(pairs), mix(table))
    found = find_similar(mix(halves), mix(table), similarity)
    return found, {(row["earlier"], row["later"]) for row in pairs.to_pylist()}


@given(st.integers(0, 10**6), st.integers(0, 14), st.sampled_from([0.5, 0.8, 1.0]))
def test_similar_to_any_earlier_document_that_it_met(
    seed: int, count: int, similarity: float
) -> None:
    signatures = signatures_like(seed, count)
    flat = pa.array(signatures.reshape(-1))
    table = documents_table(signature=pa.FixedSizeListArray.from_arrays(flat, NUM_PLACES))
    found, pairs = similar_documents(table, similarity)
    orders = table["order"].to_pylist()
    by_order = dict(zip(orders, signatures))
    keys = signatures.reshape(count, NUM_BANDS, NUM_PLACES // NUM_BANDS)
    assert pairs == _met(keys, orders)
    later: dict[int, list[int]] = {}
    for earlier, one in sorted(pairs):
        assert earlier < one
        if estimate_similarity(by_order[earlier], by_order[one]) >= similarity:
            later.setdefault(one, []).append(earlier)
    ids = dict(zip(orders, table["document_id"].to_pylist()))
    assert {row["order"]: row["detail"] for row in found.to_pylist()} == {
        order: f"much the same text as document_id {ids[earlier[0]]}"
        for order, earlier in later.items()
    }
    kept = set(orders) - set(found["order"].to_pylist())
    similar = {(earlier, one) for one, some in later.items() for earlier in some}
    assert not any(kept.issuperset(pair) for pair in similar)
    again, _ = similar_documents(table, similarity, lambda rows: shuffled(rows, seed))
    assert again.sort_by("order").equals(found.sort_by("order"))


def _met(keys: np.ndarray, orders: list[int]) -> set[tuple[int, int]]:
    """Each document with the first and with the previous one of each band that they share."""
    pairs = set()
    for band in range(NUM_BANDS):
        groups: dict[bytes, list[int]] = {}
        for order, key in zip(orders, keys[:, band]):
            if group := groups.setdefault(key.tobytes(), []):
                pairs |= {(group[0], order), (group[-1], order)}
            group.append(order)
    return pairs


def test_pairs_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = pa.array(signatures_like(4, 40).reshape(-1))
    table = documents_table(signature=pa.FixedSizeListArray.from_arrays(flat, NUM_PLACES))
    found, _ = similar_documents(table, 0.8)
    monkeypatch.setattr(find, "_PAIRS_AT_ONCE", 3)
    assert len(found) > 5
    assert similar_documents(table, 0.8)[0].equals(found)


def test_buckets_of_keys_find_the_same_pairs() -> None:
    flat = pa.array(signatures_like(7, 30).reshape(-1))
    table = documents_table(signature=pa.FixedSizeListArray.from_arrays(flat, NUM_PLACES))
    bands = list_bands(table)
    buckets = bands["key"].to_numpy() % 4
    found = {
        tuple(row.values())
        for bucket in range(4)
        for row in find_candidates(bands.filter(pa.array(buckets == bucket))).to_pylist()
    }
    assert found == {tuple(row.values()) for row in find_candidates(bands).to_pylist()}


texts = st.lists(st.lists(st.integers(0, 4), max_size=6), max_size=10)


@given(texts, st.sets(st.integers(0, 9)), st.integers(0, 5))
def test_repeated_sentences_go_in_the_order_of_the_input(
    texts: list[list[int]], gone: set[int], seed: int
) -> None:
    """0 stands for a sentence without a hash, a short one."""
    table = documents_table(sentence_hashes=pa.array(texts, pa.list_(pa.uint64())))
    dropped = pa.Table.from_pylist(
        [
            {"order": n * 3 + 10, "file": 0, "sentence": -1, "reason": "", "detail": ""}
            for n in gone
        ],
        schema=DROPPED,
    )
    sentences = list_sentences(shuffled(table, seed), dropped)
    found = find_repeated(shuffled(sentences, seed))
    assert found.schema == DROPPED
    seen: set[int] = set()
    wanted = []
    for n, hashes in enumerate(texts):
        for place, value in enumerate(hashes if n not in gone else ()):
            if value in seen:
                wanted.append((n * 3 + 10, n % 2, place))
            seen |= {value} - {0}
    names = ("order", "file", "sentence")
    rows = [tuple(row[name] for name in names) for row in found.to_pylist()]
    assert sorted(rows) == wanted
    assert set(found["detail"].to_pylist()) <= {"all its sentences stood before"}


def test_files_list_their_sentences_apart() -> None:
    """As the stage does: each file's sentences alone, then those of a bucket together."""
    chance = random.Random(3)
    texts = [[chance.randrange(1, 9) for _ in range(4)] for _ in range(12)]
    table = documents_table(sentence_hashes=pa.array(texts, pa.list_(pa.uint64())))
    nothing = DROPPED.empty_table()
    files = [
        list_sentences(table.filter(pa.compute.equal(table["file"], file)), nothing)
        for file in (1, 0)
    ]
    sentences = pa.concat_tables(files)
    parts = [
        find_repeated(sentences.filter(pa.array(sentences["hash"].to_numpy() % 3 == bucket)))
        for bucket in range(3)
    ]
    keys = [("order", "ascending"), ("sentence", "ascending")]
    whole = find_repeated(list_sentences(table, nothing))
    assert pa.concat_tables(parts).sort_by(keys).equals(whole.sort_by(keys))
    assert len(whole) == len([*itertools.chain(*texts)]) - 8
