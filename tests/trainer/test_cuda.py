"""What only a GPU can show: kernels, compilation, pinned copies. Skipped where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import Folders, write_folders
from tests.trainer.models.test_bert import make_model
from tests.trainer.pretraining.test_gradients import check_that_a_broken_step_changes_nothing
from tests.trainer.test_pretrain import CONFIG, run
from trainer.attention import choose_kernel
from trainer.batch import to_device
from trainer.decoder_loss import whole_decoder_loss
from trainer.objectives import pretraining_losses
from trainer.pretraining.batches import PackedBatches
from trainer.ranks import Ranks

if not torch.cuda.is_available():
    pytest.skip("there is no GPU here", allow_module_level=True)

# Heads 64 wide, as flash attention wants them.
PACKED = CONFIG.replaced(
    hidden_size=128,
    device="cuda",
    batch_tokens=512,
    accumulate=2,
    group_by_length=1,
    precision="bf16",
    attention_dropout=0.0,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_folders(tmp_path_factory.mktemp("data"), num_train=200)


def test_flash_attention_passes_the_numeric_test(folders: Folders) -> None:
    reader = ExampleReader(folders.examples, folders.vocabulary)
    batches = PackedBatches(reader, batch_tokens=2048, seed=0)
    batch = to_device(batches.read(batches.rows_at(0), 0), torch.device("cuda"))
    _, milliseconds = choose_kernel(
        batch.sequences, num_heads=2, width=128, dtype=torch.bfloat16, dropout=0.0
    )
    assert "varlen" in milliseconds
    assert len(milliseconds) > 2


@pytest.mark.parametrize("kernel", ["plain", "efficient", "math"])
def test_the_same_losses_as_on_a_cpu(folders: Folders, kernel: str) -> None:
    reader = ExampleReader(folders.examples, folders.vocabulary)
    batches = PackedBatches(reader, batch_tokens=512, seed=0)
    batch = batches.read(batches.rows_at(0), 0)
    model = make_model()
    expected = pretraining_losses(model, batch, whole_decoder_loss).stacked()
    device = torch.device("cuda")
    moved = to_device(batch, device)
    found = pretraining_losses(model.to(device), moved, whole_decoder_loss, kernel).stacked()
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_a_compiled_run_learns_as_an_eager_one_and_goes_on(
    folders: Folders, tmp_path: Path
) -> None:
    eager = run(folders, tmp_path / "eager", PACKED.replaced(compile="off", dropout=0.0))
    compiled = PACKED.replaced(compile="on", dropout=0.0)
    whole = run(folders, tmp_path / "whole", compiled)
    assert run(folders, tmp_path / "resumed", compiled, stop_after=7) is None
    resumed = run(folders, tmp_path / "resumed", compiled)
    assert eager is not None
    assert whole is not None
    assert resumed is not None
    assert whole.mlm_loss == pytest.approx(eager.mlm_loss, rel=0.01)
    assert resumed.mlm_loss == pytest.approx(whole.mlm_loss, rel=0.01)
    chosen = json.loads((tmp_path / "whole" / "attention.json").read_text())["1"]
    assert chosen["kernel"] in chosen["milliseconds"]


def test_padded_batches_and_muon_run_too(folders: Folders, tmp_path: Path) -> None:
    config = CONFIG.replaced(device="cuda", optimizer="muon", output_candidates=20)
    assert run(folders, tmp_path, config) is not None


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(optimizer: str) -> None:
    ranks = Ranks(device=torch.device("cuda"))
    check_that_a_broken_step_changes_nothing(ranks, optimizer)
