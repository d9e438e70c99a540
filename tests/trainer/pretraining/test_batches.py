"""Batches by step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from bertdata.errors import ConfigError
from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from trainer.batch import PackShape, PaddedBatch, to_tensors
from trainer.pretraining.batches import (
    PackedBatches,
    PaddedBatches,
    _num_fitting,
    pack_shape,
    validation_batches,
)


@pytest.fixture
def reader(tmp_path: Path) -> ExampleReader:
    folders = write_folders(tmp_path)
    return ExampleReader(folders.examples, folders.vocabulary)


def rows_of(batch: PaddedBatch) -> list[tuple[int, ...]]:
    return [tuple(row) for row in batch.input_ids_BL.tolist()]


def batch_at(batches: PaddedBatches, step: int) -> PaddedBatch:
    return batches.read(batches.rows_at(step * 4), 0)


def test_tensors_say_the_same_as_the_padded_batch(reader: ExampleReader) -> None:
    compact = reader.batch_at(1, 0, 6)
    batch, padded = to_tensors(compact, pad_id=0), to_padded(compact, pad_id=0)
    labels_BL = torch.full_like(batch.input_ids_BL, -100)
    rows_N = batch.masked_places_N // batch.wanted_BQ.shape[1]
    labels_BL[rows_N, batch.wanted_BQ.flatten()[batch.masked_places_N]] = batch.masked_ids_N
    assert not batch.wanted_BQ[:, 0].any()
    assert labels_BL.tolist() == padded["labels"].tolist()
    assert batch.input_ids_BL.tolist() == padded["input_ids"].tolist()
    assert batch.token_type_ids_BL.tolist() == padded["token_type_ids"].tolist()
    assert batch.real_BL is not None
    assert batch.real_BL.tolist() == padded["attention_mask"].astype(bool).tolist()
    assert batch.counts.tokens == padded["attention_mask"].sum()


def test_rows_of_one_length_have_no_padding_mask(reader: ExampleReader) -> None:
    assert to_tensors(reader.batch_at(1, 0, 1), pad_id=0).real_BL is None


def test_batches_share_few_lengths(reader: ExampleReader) -> None:
    longest = reader.longest_row()
    batches = PaddedBatches(reader, batch_size=4, seed=5)
    found = [batch_at(batches, step) for step in range(30)]
    found += validation_batches(reader, 4, 0)
    for batch in found:
        rows, length = batch.input_ids_BL.shape
        row_lengths = (batch.input_ids_BL != 0).sum(dim=1)
        assert length == longest or (length % 8 == 0 and length < row_lengths.max() + 8)
        assert batch.counts.places == rows * length


def test_any_step_can_be_asked_for(reader: ExampleReader) -> None:
    forward = PaddedBatches(reader, batch_size=4, seed=5, window=3)
    backward = PaddedBatches(reader, batch_size=4, seed=5, window=3)
    ahead = [rows_of(batch_at(forward, step)) for step in range(20)]
    assert ahead == [rows_of(batch_at(backward, step)) for step in reversed(range(20))][::-1]


@pytest.mark.parametrize(
    ("seed", "position", "rows", "epochs"),
    [
        (5, 0, [[35, 5], [36, 4]], [[0, 0], [0, 0]]),
        (5, 4, [[9, 0], [27, 12]], [[0, 0], [0, 0]]),
        (5, 12, [[17, 15], [21, 7]], [[0, 0], [0, 0]]),
        (5, 36, [[28, 6], [16, 26]], [[1, 1], [1, 1]]),
        (5, 48, [[18, 27], [14, 36]], [[1, 1], [1, 1]]),
        (6, 0, [[0, 13], [12, 11]], [[0, 0], [0, 0]]),
        (6, 12, [[6, 30], [23, 18]], [[0, 0], [0, 0]]),
        (6, 48, [[9, 29], [0, 18]], [[1, 1], [1, 1]]),
    ],
)
def test_the_rows_of_a_step_never_change(
    reader: ExampleReader,
    seed: int,
    position: int,
    rows: list[list[int]],
    epochs: list[list[int]],
) -> None:
    """Of three batches cut together, in two parts; of 37 rows an epoch."""
    step = PaddedBatches(reader, batch_size=4, seed=seed, window=3, parts=2).rows_at(position)
    assert [part.tolist() for part in step.rows] == rows
    assert [part.tolist() for part in step.epochs] == epochs
    assert step.next_position == position + 4


@pytest.mark.parametrize(
    ("seed", "position", "rows", "following"),
    [
        (5, 0, [[23, 35, 9], [36, 4]], 5),
        (5, 5, [[6, 12, 5], [22, 19, 27, 0]], 12),
        (6, 0, [[9, 16, 8], [12, 0, 13]], 6),
        (6, 6, [[5, 1], [14, 22, 11]], 11),
    ],
)
def test_the_rows_of_a_pack_never_change(
    reader: ExampleReader, seed: int, position: int, rows: list[list[int]], following: int
) -> None:
    step = PackedBatches(reader, batch_tokens=120, seed=seed, parts=2).rows_at(position)
    assert [part.tolist() for part in step.rows] == rows
    assert step.next_position == following


def test_each_row_of_a_window_keeps_its_epoch(reader: ExampleReader) -> None:
    """An epoch ends within a window; masks are those of the epoch in which a row comes."""
    batches = PaddedBatches(reader, batch_size=4, seed=5, window=10)
    taken = [batches.rows_at(position) for position in range(0, 80, 4)]
    pairs = {(row, epoch) for s in taken for row, epoch in zip(s.rows[0], s.epochs[0])}
    assert {(row, epoch) for row in range(37) for epoch in (0, 1)} <= pairs


@pytest.mark.parametrize(
    ("lengths", "predictions", "fitting"),
    [
        ([5, 4], [1, 1], 2),  # one of ten tokens is left
        ([5, 5], [1, 1], 1),
        ([3, 3], [2, 2], 2),  # as many predictions as there is room for
        ([3, 3], [2, 3], 1),
        ([2, 2, 2, 2], [1, 1, 1, 1], 3),
    ],
)
def test_a_pack_is_full_at_its_limits(
    lengths: list[int], predictions: list[int], fitting: int
) -> None:
    shape = PackShape(tokens=10, sequences=3, predictions=4, length=8)
    assert _num_fitting(np.array(lengths), np.array(predictions), shape) == fitting


def test_a_pack_holds_the_longest_row_and_one_more_token(reader: ExampleReader) -> None:
    longest = reader.longest_row()
    assert pack_shape(reader, longest + 1).length == longest
    with pytest.raises(ConfigError, match=f"{longest} tokens per micro-batch do not hold"):
        pack_shape(reader, longest)


def test_grouping_by_length_pads_less_and_drops_nothing(reader: ExampleReader) -> None:
    plain = PaddedBatches(reader, batch_size=4, seed=5)
    grouped = PaddedBatches(reader, batch_size=4, seed=5, window=8)

    def rows_and_places(batches: PaddedBatches) -> tuple[Counter[tuple[int, ...]], int]:
        taken = [batch_at(batches, step) for step in range(8)]
        stripped = [
            tuple(row[:n])
            for batch in taken
            for row, n in zip(rows_of(batch), _lengths(batch), strict=True)
        ]
        return Counter(stripped), sum(batch.input_ids_BL.numel() for batch in taken)

    plain_rows, plain_places = rows_and_places(plain)
    grouped_rows, grouped_places = rows_and_places(grouped)
    assert plain_rows == grouped_rows
    assert grouped_places < plain_places


def test_validation_is_seen_once(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary, split="validation")
    sizes = [len(batch.next_sentence_labels_B) for batch in validation_batches(reader, 4, 0)]
    assert sizes == [4, 4, 1]


def _lengths(batch: PaddedBatch) -> list[int]:
    if batch.real_BL is None:
        return [batch.input_ids_BL.shape[1]] * len(batch.input_ids_BL)
    lengths: list[int] = batch.real_BL.sum(dim=1).tolist()
    return lengths
