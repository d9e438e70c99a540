"""Packed batches: fixed shapes, every sequence once, and the same losses as padded ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import Folders, write_folders
from tests.trainer.models.test_bert import make_model
from trainer.attention import PackedAttention, choose_kernel
from trainer.batch import PackedBatch, PackShape, PaddedBatch, to_device, to_packed, to_tensors
from trainer.decoder_loss import DecoderLoss, whole_decoder_loss
from trainer.models.bert import Bert, pad_vocabulary, strip_vocabulary
from trainer.objectives import LossSums, pretraining_losses
from trainer.pretraining.batches import PackedBatches, pack_shape

NSP_HEAD = ("pooler.", "next_sentence.")
SHAPE = PackShape(tokens=300, sequences=14, predictions=64, length=24)


@pytest.fixture(scope="module", params=["static", "dynamic"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    config = {"masking": request.param, "masked_lm_prob": 0.15, "max_predictions_per_seq": 5}
    config["whole_word_mask"] = False
    return write_folders(tmp_path_factory.mktemp("data"), config=config)


@pytest.fixture(scope="module")
def reader(folders: Folders) -> ExampleReader:
    return ExampleReader(folders.examples, folders.vocabulary)


def losses_and_gradients(model: Bert, losses: LossSums) -> tuple[torch.Tensor, ...]:
    gradients = torch.autograd.grad(losses.mlm + losses.nsp, list(model.parameters()))
    return (losses.mlm, losses.nsp, losses.mlm_right, losses.nsp_right, *gradients)


@pytest.mark.parametrize("kernel", ["plain", "math"])
def test_packed_equals_padded(reader: ExampleReader, kernel: str) -> None:
    model = make_model()
    compact = reader.batch_at(seed=3, position=5, batch_size=11)
    padded, packed = to_tensors(compact, pad_id=0), to_packed(compact, SHAPE, pad_id=0)
    expected = losses_and_gradients(model, pretraining_losses(model, padded, DecoderLoss()))
    found = losses_and_gradients(
        model, pretraining_losses(model, packed, whole_decoder_loss, kernel)
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.float(), theirs.float(), rtol=1e-5, atol=1e-5)
    assert packed.counts.tokens == padded.counts.tokens
    assert packed.counts.squared_lengths == np.square(compact.lengths).sum()


def test_each_example_alone_gives_the_same_as_in_its_pack(reader: ExampleReader) -> None:
    model = make_model().eval()
    compact = reader.batch_at(seed=3, position=0, batch_size=9)
    packed = pretraining_losses(model, to_packed(compact, SHAPE, pad_id=0), whole_decoder_loss)
    alone = [
        pretraining_losses(
            model, to_tensors(reader.batch_at(3, i, 1), pad_id=0), whole_decoder_loss
        )
        for i in range(9)
    ]
    torch.testing.assert_close(packed.mlm, sum(sums.mlm for sums in alone), rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(packed.nsp, sum(sums.nsp for sums in alone), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("is_packed", [False, True])
def test_the_head_at_masked_places_equals_the_head_everywhere(
    reader: ExampleReader, is_packed: bool
) -> None:
    model = make_model()
    compact = reader.batch_at(seed=3, position=5, batch_size=11)
    padded = to_tensors(compact, pad_id=0)
    batch = to_packed(compact, SHAPE, pad_id=0) if is_packed else padded
    decoder_loss = whole_decoder_loss if is_packed else DecoderLoss()
    found = pretraining_losses(model, batch, decoder_loss).mlm
    expected = full_head_loss(model, padded, to_padded(compact, pad_id=0)["labels"])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    used = [p for name, p in model.named_parameters() if not name.startswith(NSP_HEAD)]
    per_piece = 1 / padded.counts.masked
    pairs = zip(*(torch.autograd.grad(loss * per_piece, used) for loss in (found, expected)))
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def full_head_loss(
    model: Bert, batch: PaddedBatch, labels_BL: npt.NDArray[np.int64]
) -> torch.Tensor:
    """Every piece scored at every place, those that are not asked for left out of the sum."""
    hidden_BLD = model.encode(batch.input_ids_BL, batch.token_type_ids_BL, batch.real_BL)
    logits = model.mlm_logits(hidden_BLD.flatten(0, 1))
    return functional.cross_entropy(
        logits, torch.from_numpy(labels_BL).flatten(), reduction="sum", ignore_index=-100
    )


def test_shapes_never_change_and_no_sequence_is_lost(reader: ExampleReader) -> None:
    batches = PackedBatches(reader, batch_tokens=240, seed=7, parts=2)
    shapes, seen, position = set(), [], 0
    for _ in range(20):
        step = batches.rows_at(position)
        seen += [row for part in step.rows for row in part.tolist()]
        assert len(seen) == step.next_position
        for part in range(2):
            batch = batches.read(step, part)
            assert batch.counts.sequences == len(step.rows[part]) > 0
            assert batch.counts.places == 120
            shapes.add(shapes_of(batch))
        position = step.next_position
    assert len(shapes) == 1
    assert seen == reader.rows_at(7, 0, len(seen))[0].tolist()
    counted = Counter(seen[: reader.num_rows])
    assert set(counted.values()) == {1}


def shapes_of(batch: PackedBatch) -> tuple[tuple[int, ...], ...]:
    sequences = batch.sequences
    tensors = (batch.input_ids_T, batch.wanted_Q, batch.masked_ids_N, sequences.offsets)
    more = (batch.next_sentence_labels_G, sequences.places_GL, sequences.grid_places_T)
    return tuple(tuple(tensor.shape) for tensor in (*tensors, *more))


def test_packs_are_nearly_full(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_train=600)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    batches = PackedBatches(reader, batch_tokens=2048, seed=1)
    position, counts = 0, []
    for _ in range(4):
        step = batches.rows_at(position)
        counts.append(batches.read(step, 0).counts)
        position = step.next_position
    assert sum(c.tokens for c in counts) / sum(c.places for c in counts) > 0.98


def test_offsets_cover_all_tokens_in_slots_no_longer_than_a_sequence(
    reader: ExampleReader,
) -> None:
    for number in (1, 2, 11):
        compact = reader.batch_at(seed=0, position=0, batch_size=number)
        offsets = to_packed(compact, SHAPE, pad_id=0).sequences.offsets
        lengths = offsets.diff()
        assert offsets.dtype == torch.int32
        assert (offsets[0], offsets[-1]) == (0, SHAPE.tokens)
        assert lengths[:number].tolist() == compact.lengths.tolist()
        assert lengths.min() >= 0
        assert lengths.max() <= SHAPE.length


def test_a_budget_below_the_longest_row_is_refused(reader: ExampleReader) -> None:
    with pytest.raises(ConfigError, match="do not hold the longest row, 24"):
        PackedBatches(reader, batch_tokens=48, seed=0, parts=2)


@pytest.mark.parametrize("kernel", ["plain", "math"])
def test_all_work_is_done_where_the_batch_is(reader: ExampleReader, kernel: str) -> None:
    """On a device that computes nothing but shapes, and refuses what is elsewhere."""
    device = torch.device("meta")
    compact = reader.batch_at(seed=3, position=5, batch_size=11)
    batch = to_device(to_packed(compact, SHAPE, pad_id=0), device)
    model = make_model().to(device)
    sums = pretraining_losses(model, batch, whole_decoder_loss, kernel)
    sums.total(batch.counts, next_sentence=True).backward()
    assert sums.stacked().device == device
    assert all(p.grad is not None and p.grad.device == device for p in model.parameters())


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_validation=0)
    reader = ExampleReader(folders.examples, folders.vocabulary, split="validation")
    with pytest.raises(DataError, match="there are no validation examples to pack"):
        pack_shape(reader, 100)


def test_one_graph_is_compiled_for_all_batches(tmp_path: Path) -> None:
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    folders = write_folders(tmp_path)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    model = make_model(num_layers=1)
    batches = PackedBatches(reader, batch_tokens=160, seed=7)
    compiled = torch.compile(packed_loss, fullgraph=True, dynamic=False, backend="aot_eager")
    position = 0
    for _ in range(4):
        step = batches.rows_at(position)
        position = step.next_position
        batch = batches.read(step, 0)
        expected = packed_loss(model, batch)
        torch.testing.assert_close(compiled(model, batch), expected, rtol=1e-5, atol=1e-5)
        compiled(model, batch).backward()
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def packed_loss(model: Bert, batch: PackedBatch) -> torch.Tensor:
    sums = pretraining_losses(model, batch, whole_decoder_loss, "math")
    return sums.mlm + sums.nsp


def test_the_kernel_is_one_that_computes_the_same(reader: ExampleReader) -> None:
    compact = reader.batch_at(seed=0, position=0, batch_size=9)
    sequences = to_packed(compact, SHAPE, pad_id=0).sequences
    kernel, milliseconds = choose_kernel(
        sequences, num_heads=2, width=16, dtype=torch.float32, dropout=0.1
    )
    assert {"plain", "math"} <= set(milliseconds)
    assert milliseconds[kernel] == min(milliseconds.values())


def test_varlen_has_no_dropout(reader: ExampleReader) -> None:
    sequences = to_packed(reader.batch_at(0, 0, 3), SHAPE, pad_id=0).sequences
    values = torch.zeros(SHAPE.tokens, 16)
    with pytest.raises(BertdataError, match="set attention_dropout = 0"):
        PackedAttention(sequences, "varlen")(values, values, values, num_heads=2, dropout=0.1)


def test_shapes_come_from_the_lengths(reader: ExampleReader) -> None:
    shape = pack_shape(reader, 1000)
    assert (shape.tokens, shape.length) == (1000, 24)
    lengths = reader.lengths_of(np.arange(reader.num_rows))
    assert 1000 / lengths.mean() < shape.sequences < 1.3 * 1000 / lengths.mean()
    assert shape.predictions % 64 == 0


def test_a_filled_vocabulary_changes_no_loss_and_no_gradient(reader: ExampleReader) -> None:
    plain, filled = make_model(), make_model()
    pad_vocabulary(filled, 64)
    assert filled.embeddings.token.weight.shape[0] == 64
    compact = reader.batch_at(seed=3, position=5, batch_size=11)
    packed = to_packed(compact, SHAPE, pad_id=0)
    expected = losses_and_gradients(plain, pretraining_losses(plain, packed, whole_decoder_loss))
    found = losses_and_gradients(filled, pretraining_losses(filled, packed, whole_decoder_loss))
    for ours, theirs in zip(found, expected, strict=True):
        if ours.shape != theirs.shape:
            assert not ours[50:].any()
            ours = ours[:50]
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for name, parameter in strip_vocabulary(filled).items():
        assert torch.equal(parameter, plain.state_dict()[name]), name
