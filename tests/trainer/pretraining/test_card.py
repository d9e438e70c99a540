"""The card of a trained model: the hub reads its head, people the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from tests.example_folder import Folders, write_folders
from trainer.pretrain import pretrain
from trainer.pretraining.config import TrainConfig

SMALL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "batch_size": 4, "threads": 1}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path)


def test_it_says_what_was_trained_and_reached(folders: Folders, s3: Address) -> None:
    config = TrainConfig.of(steps=2, device="cpu", **SMALL)
    for output in (folders.root / "model", s3 / "model"):
        results = pretrain(
            examples=folders.examples, vocab=folders.vocab, output=output, config=config, seed=3
        )
    assert results is not None
    text = read_bytes(folders.root / "model" / "README.md").decode()
    assert read_bytes(s3 / "model" / "README.md").decode() == text
    card = ModelCard(text)
    assert card.data.license == "unknown"
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "fill-mask"
    for line in (
        f"| parameters | {results.parameters:,} |",
        "| layers, width, heads | 1, 16, 2 |",
        "| vocabulary | 50 pieces |",
        "| examples | 37 |",
        f"| `content_sha256` of the examples | {read_manifest(folders.examples).content_sha256} |",
        "| next-sentence prediction | yes |",
        "| steps | 2 |",
        "| started from | random values |",
        "| `seed` | 3 |",
        f"| NSP accuracy | {results.nsp_accuracy:.1%} |",
    ):
        assert line in text.splitlines()
    assert f"| MLM loss | {results.mlm_loss:.3f}" in text
    assert "None" not in text


def test_without_validation_and_pairs(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_validation=0, config={"next_sentence": False})
    config = TrainConfig.of(steps=1, device="cpu", **SMALL)
    output = tmp_path / "model"
    pretrain(examples=folders.examples, vocab=folders.vocab, output=output, config=config)
    text = (output / "README.md").read_text()
    assert "| next-sentence prediction | no |" in text
    assert "MLM accuracy" not in text
    assert "None" not in text
