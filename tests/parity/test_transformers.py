"""Equality with transformers' BERT, and training it from our shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from bertdata.errors import DataError
from bertdata.reader.batches import to_padded
from bertdata.reader.collation import ExampleCollator
from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import Folders, write_folders
from tests.trainer.models.test_bert import make_model
from tests.trainer.steps import TrainStep
from trainer.batch import PackShape, to_packed, to_tensors
from trainer.decoder_loss import DecoderLoss, whole_decoder_loss
from trainer.models.bert import Bert
from trainer.models.bert_names import from_hf_parameters
from trainer.models.export import export_model, load_encoder, load_model
from trainer.objectives import pretraining_losses
from trainer.optim.schedule import make_schedule
from trainer.pretrain import pretrain
from trainer.pretraining.config import MODEL_SIZES, ModelOptions, TrainConfig
from trainer.pretraining.gradients import StepPlan

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
    assert_same(gradients_of(ours), their_gradients(theirs), atol=1e-4)


def gradients_of(model: Bert) -> dict[str, torch.Tensor]:
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def their_gradients(model: Any) -> dict[str, torch.Tensor]:
    return from_hf_parameters({n: p.grad for n, p in model.named_parameters()})


def assert_same(
    ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], *, atol: float
) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=atol, msg=name)


@pytest.mark.parametrize("is_packed", [False, True])
def test_ten_steps_of_adamw_are_the_same(
    exported: tuple[Bert, Path], folders: Folders, is_packed: bool
) -> None:
    """Ours, and theirs by torch's AdamW, clipping and linear decay, as in a recipe."""
    ours, folder = exported
    theirs = load_theirs(folder).train()
    assert theirs.config.hidden_dropout_prob == 0
    config = TrainConfig.of(steps=10, warmup_steps=3, learning_rate=1e-3, max_grad_norm=0.7)
    decoder_loss = whole_decoder_loss if is_packed else DecoderLoss()
    step = TrainStep(ours, config, plan=StepPlan(decoder_loss=decoder_loss))
    our_schedule = make_schedule(config.optimizer, 10, in_steps=True)
    optimizer, schedule = their_adamw(theirs, config)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    shape = PackShape(tokens=200, sequences=9, predictions=64, length=24)
    for number in range(10):
        compact = reader.batch_at(seed=1, position=8 * number, batch_size=8)
        batch = to_packed(compact, shape, pad_id=0) if is_packed else to_tensors(compact, pad_id=0)
        factor = our_schedule.factor(number, number + 1)
        result = step(number, [(0, batch)], batch.counts, factor)
        padded = {k: torch.from_numpy(v) for k, v in to_padded(compact, pad_id=0).items()}
        loss = theirs(**padded).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.7)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        assert result.loss == pytest.approx(loss.item(), abs=1e-5)
        assert result.gradient_norm == pytest.approx(norm.item(), rel=1e-4)
    parameters = from_hf_parameters(dict(theirs.named_parameters()))
    assert_same(dict(ours.named_parameters()), parameters, atol=1e-5)


def their_adamw(model: Any, config: TrainConfig) -> tuple[Any, Any]:
    kept = ("bias", "LayerNorm.weight")
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if not n.endswith(kept)], "weight_decay": 0.01},
        {"params": [p for n, p in named if n.endswith(kept)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.optimizer.learning_rate, eps=1e-6)

    def factor(step: int) -> float:
        return (step + 1) / 3 if step < 3 else (10 - step) / 7

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def test_their_folder_loads_as_ours(exported: tuple[Bert, Path], tmp_path: Path) -> None:
    ours, folder = exported
    load_theirs(folder).save_pretrained(tmp_path / "theirs")
    back = load_model(tmp_path / "theirs")
    assert back.config == ours.config
    for name, parameter in ours.state_dict().items():
        assert torch.equal(back.state_dict()[name], parameter), name


@pytest.mark.parametrize(
    ("kind", "missing", "unexpected"),
    [
        ("BertForPreTraining", (), ()),
        ("BertForMaskedLM", (), ("cls.seq_relationship.", "bert.pooler.")),
        ("BertForNextSentencePrediction", (), ("cls.predictions.",)),
        ("BertModel", (), ("cls.",)),
        ("AutoModelForSequenceClassification", ("classifier.",), ("cls.",)),
        ("AutoModelForTokenClassification", ("classifier.",), ("cls.", "bert.pooler.")),
    ],
)
def test_every_model_of_theirs_takes_all_it_has_a_place_for(
    exported: tuple[Bert, Path], kind: str, missing: tuple[str, ...], unexpected: tuple[str, ...]
) -> None:
    _, folder = exported
    loader = getattr(transformers, kind)
    theirs, info = loader.from_pretrained(folder, output_loading_info=True)
    assert all(name.startswith(missing) for name in info["missing_keys"]), info
    assert all(name.startswith(unexpected) for name in info["unexpected_keys"]), info
    assert not info["mismatched_keys"]
    assert theirs.config.hidden_act == load_model(folder).config.hidden_act


def test_a_folder_of_theirs_is_continued_and_exported(folders: Folders, tmp_path: Path) -> None:
    """From their random start, with our vocabulary filled up to 64 pieces while training."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=folders.vocabulary.size, intermediate_size=32, **shape
    )
    theirs = transformers.BertForPreTraining(config)
    theirs.save_pretrained(tmp_path / "theirs")
    pretrain(
        examples=folders.examples,
        vocab=folders.vocab,
        output=tmp_path / "ours",
        config=TrainConfig.of(
            init_from=str(tmp_path / "theirs"),
            steps=2,
            batch_size=8,
            learning_rate=1e-9,
            vocabulary_multiple=64,
            threads=1,
        ),
    )
    back = load_theirs(tmp_path / "ours")
    assert back.config.vocab_size == 50
    with safe_open(tmp_path / "ours" / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert not any("decoder" in name for name in names)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_folders_without_all_heads_can_be_continued(
    folders: Folders, tmp_path: Path, kind: str
) -> None:
    config = transformers.BertConfig(
        vocab_size=folders.vocabulary.size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    theirs = getattr(transformers, kind)(config)
    theirs.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"lacks (bert\.pooler|cls\.)"):
        load_model(tmp_path)
    ours, missing = load_encoder(tmp_path)
    assert {"next_sentence.weight", "next_sentence.bias"} <= set(missing)
    weight = theirs.get_input_embeddings().weight
    assert torch.equal(ours.embeddings.token.weight, weight)
    assert ours.next_sentence.weight.std() > 0.01


@pytest.mark.parametrize("name", MODEL_SIZES)
def test_as_many_parameters_as_theirs(name: str) -> None:
    shape = ModelOptions(model=name).shape(vocab_size=30522, pad_id=0)
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
