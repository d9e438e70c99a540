"""Equality with transformers' BERT, and training it from our shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertdata.collation import ExampleCollator
from bertdata.reader import ExampleReader, to_padded
from tests.example_folder import Folders, write_folders
from tests.trainer.test_model import make_model
from trainer.config import TrainConfig, model_config
from trainer.data import to_tensors
from trainer.export import export_model, load_model
from trainer.losses import DecoderLoss, pretraining_losses
from trainer.model import Bert

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_folders(tmp_path_factory.mktemp("data"))


@pytest.fixture(params=["gelu", "gelu_new"])
def exported(request: pytest.FixtureRequest, folders: Folders, tmp_path: Path) -> tuple[Bert, Path]:
    """A model whose every parameter differs from its start, and its folder."""
    model = make_model(hidden_act=request.param).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    export_model(model, tmp_path, vocab=folders.vocab)
    return model, tmp_path


def load_theirs(folder: Path) -> Any:
    """Their model; nothing may be missing, unexpected, mismatched or newly initialised."""
    theirs, info = transformers.BertForPreTraining.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    return theirs.eval()


def read_batch(folders: Folders) -> Any:
    reader = ExampleReader(folders.examples, folders.vocabulary)
    return reader.read(np.arange(12))


def test_same_weights_give_the_same_logits(exported: tuple[Bert, Path], folders: Folders) -> None:
    ours, folder = exported
    theirs = load_theirs(folder)
    batch = read_batch(folders)
    padded = {k: torch.from_numpy(v) for k, v in to_padded(batch, pad_id=0).items()}
    tensors = to_tensors(batch, pad_id=0)
    with torch.no_grad():
        output = theirs(**padded)
        hidden_BLD = ours.encode(tensors.input_ids_BL, tensors.token_type_ids_BL, tensors.real_BL)
        mlm_logits = ours.mlm_logits(hidden_BLD)
        nsp_logits = ours.nsp_logits(hidden_BLD[:, 0])
    real = padded["attention_mask"].bool()
    torch.testing.assert_close(mlm_logits[real], output.prediction_logits[real], rtol=0, atol=1e-5)
    torch.testing.assert_close(nsp_logits, output.seq_relationship_logits, rtol=0, atol=1e-5)


def test_same_loss_and_gradients(exported: tuple[Bert, Path], folders: Folders) -> None:
    ours, folder = exported
    theirs = load_theirs(folder)
    batch = read_batch(folders)
    padded = {k: torch.from_numpy(v) for k, v in to_padded(batch, pad_id=0).items()}
    tensors = to_tensors(batch, pad_id=0)
    loss = pretraining_losses(ours, tensors, DecoderLoss()).total(
        tensors.counts, next_sentence=True
    )
    loss.backward()
    output = theirs(**padded)
    output.loss.backward()
    torch.testing.assert_close(loss, output.loss, rtol=1e-6, atol=1e-6)
    named = dict(theirs.named_parameters())
    gradients = [
        (ours.embeddings.token, named["bert.embeddings.word_embeddings.weight"]),
        (ours.layers[0].query, named["bert.encoder.layer.0.attention.self.query.weight"]),
        (ours.pooler, named["bert.pooler.dense.weight"]),
    ]
    for module, parameter in gradients:
        torch.testing.assert_close(module.weight.grad, parameter.grad, rtol=0, atol=1e-4)


def test_their_folder_loads_as_ours(exported: tuple[Bert, Path], tmp_path: Path) -> None:
    ours, folder = exported
    load_theirs(folder).save_pretrained(tmp_path / "theirs")
    back = load_model(tmp_path / "theirs")
    assert back.config == ours.config
    for name, parameter in ours.state_dict().items():
        assert torch.equal(back.state_dict()[name], parameter), name


@pytest.mark.parametrize("name", ["tiny", "mini"])
def test_as_many_parameters_as_theirs(name: str) -> None:
    shape = model_config(TrainConfig(model=name), vocab_size=30522, pad_id=0)
    with torch.device("meta"):
        ours = Bert(shape)
        config = transformers.BertConfig(
            hidden_size=shape.hidden_size,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_heads,
            intermediate_size=shape.intermediate_size,
        )
        theirs = transformers.BertForPreTraining(config)
    assert sum(p.numel() for p in ours.parameters()) == theirs.num_parameters()


def test_their_trainer_learns_from_our_shards(folders: Folders, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    files = sorted(str(path) for path in folders.examples.glob("train-*.arrow"))
    rows = datasets.load_dataset(
        "arrow", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert rows.num_rows == len(folders.train)
    export_model(make_model(), tmp_path / "start", vocab=folders.vocab)
    model = load_theirs(tmp_path / "start")
    trainer = transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=str(tmp_path / "out"),
            max_steps=6,
            per_device_train_batch_size=8,
            learning_rate=1e-2,
            remove_unused_columns=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=rows,
        data_collator=ExampleCollator(pad_id=0, convert=torch.from_numpy),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
