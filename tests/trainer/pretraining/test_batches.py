"""Batches by step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from trainer.batch import PaddedBatch, to_tensors
from trainer.pretraining.batches import PaddedBatches, validation_batches


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
