"""An evaluation is a mean over a whole split, row by row the same, and without dropout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from tests.trainer.models.test_bert import make_model
from tests.trainer.steps import ALONE
from trainer.batch import PaddedBatch, to_tensors
from trainer.models.bert import Bert
from trainer.pretraining.measures.evaluation import Evaluation, evaluate


@pytest.fixture
def reader(tmp_path: Path) -> ExampleReader:
    folders = write_folders(tmp_path)
    return ExampleReader(folders.examples, folders.vocabulary, split="validation")


def batches(reader: ExampleReader, batch_size: int) -> Iterator[PaddedBatch]:
    for start in range(0, reader.num_rows, batch_size):
        rows = np.arange(start, min(start + batch_size, reader.num_rows))
        yield to_tensors(reader.read(rows), pad_id=0)


def row_by_row(model: Bert, reader: ExampleReader) -> tuple[list[float], list[int], list[float]]:
    """Of each row: the summed loss of its pieces, how many are right, the loss of its pair."""
    losses, right, pairs = [], [], []
    for row in range(reader.num_rows):
        padded = {
            name: torch.from_numpy(values)
            for name, values in to_padded(reader.read(np.array([row])), pad_id=0).items()
        }
        states = model.encode(padded["input_ids"], padded["token_type_ids"], None)
        labels, is_wanted = padded["labels"], padded["labels"] != -100
        scores = model.mlm_logits(states[is_wanted])
        losses.append(functional.cross_entropy(scores, labels[is_wanted], reduction="sum").item())
        right.append(int((scores.argmax(dim=1) == labels[is_wanted]).sum()))
        scores = model.nsp_logits(states[:, 0])
        pairs.append(functional.cross_entropy(scores, padded["next_sentence_label"]).item())
    return losses, right, pairs


@pytest.mark.parametrize("batch_size", [1, 4, 9])
def test_all_numbers_are_means_over_the_split(reader: ExampleReader, batch_size: int) -> None:
    model = make_model(dropout=0.5).eval()
    with torch.no_grad():
        model.output_bias[5] = 9.0  # the answer to all, which is right here and there
    losses, right, pairs = row_by_row(model, reader)
    model.train()  # as a training leaves it
    found = evaluate(model, batches(reader, batch_size), next_sentence=True, ranks=ALONE)
    masked = int(reader.predictions_of(np.arange(reader.num_rows)).sum())
    assert (found.num_masked, found.num_sequences) == (masked, 9)
    assert found.row_losses.tolist() == pytest.approx(losses, rel=1e-5)
    assert found.mlm_loss == pytest.approx(sum(losses) / masked, rel=1e-5)
    assert found.mlm_accuracy == pytest.approx(sum(right) / masked)
    assert 0 < sum(right) < masked
    assert found.nsp_loss == pytest.approx(sum(pairs) / 9, rel=1e-5)
    assert found.nsp_accuracy is not None
    assert 0 <= found.nsp_accuracy <= 1


def test_single_segments_have_no_numbers_of_pairs(reader: ExampleReader) -> None:
    found = evaluate(make_model(), batches(reader, 4), next_sentence=False, ranks=ALONE)
    assert (found.nsp_loss, found.nsp_accuracy) == (None, None)
    assert found.mlm_loss is not None


def test_an_empty_split_has_no_means() -> None:
    found: Evaluation = evaluate(make_model(), [], next_sentence=True, ranks=ALONE)
    assert set(found.numbers().values()) == {None, 0}
    assert len(found.row_losses) == 0
