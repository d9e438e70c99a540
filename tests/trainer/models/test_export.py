"""Models in the folders that people have: other files, names and shapes than ours."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertdata.errors import ConfigError, DataError
from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.manifest import make_manifest, read_manifest, write_manifest
from bertdata.tokens.tokenizer import TokenizationConfig, save_tokenizer
from bertdata.tokens.vocabulary import Vocabulary
from tests.copies import copy_folder, write_bytes
from tests.example_folder import Folders, finish, write_folders, write_shard
from tests.trainer.models.test_bert import make_model
from tests.trainer.task_files import write_model
from trainer.features.__main__ import main as features
from trainer.features.fill_mask import MaskFiller
from trainer.features.fill_mask import main as fill_mask
from trainer.models.export import export_model, load_encoder, load_model, load_shape
from trainer.pretrain import pretrain
from trainer.pretraining.config import TrainConfig
from trainer.tuning.__main__ import main as finetune

Parameters = dict[str, Tensor]
CONFIG = TrainConfig.of(steps=2, batch_size=4, learning_rate=1e-4, device="cpu", threads=1)


def as_bin(folder: Path, parameters: Parameters) -> None:
    torch.save(parameters, folder / "pytorch_model.bin")


def as_old_bin(folder: Path, parameters: Parameters) -> None:
    torch.save(parameters, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def as_shards(suffix: str) -> Callable[[Path, Parameters], None]:
    def write(folder: Path, parameters: Parameters) -> None:
        stem = "model" if suffix == "safetensors" else "pytorch_model"
        names = sorted(parameters)
        shards = {f"{stem}-{n}-of-00003.{suffix}": names[n::3] for n in range(3)}
        for shard, kept in shards.items():
            part = {name: parameters[name] for name in kept}
            save_file(part, folder / shard) if suffix == "safetensors" else torch.save(
                part, folder / shard
            )
        index = {"weight_map": {name: shard for shard, kept in shards.items() for name in kept}}
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index))

    return write


def with_config(**changes: Any) -> Callable[[Path, Parameters], None]:
    """Change config.json; None takes a key out."""

    def write(folder: Path, parameters: Parameters) -> None:
        save_file(parameters, folder / "model.safetensors")
        table = json.loads((folder / "config.json").read_bytes()) | changes
        kept = {key: value for key, value in table.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(kept))

    return write


def renamed(change: Callable[[str], str]) -> Callable[[Path, Parameters], None]:
    def write(folder: Path, parameters: Parameters) -> None:
        named = {change(name): value for name, value in parameters.items()}
        save_file(named, folder / "model.safetensors")

    return write


def with_copies(folder: Path, parameters: Parameters) -> None:
    """As older versions of transformers wrote it: the decoder and fixed tables too."""
    tied = parameters["bert.embeddings.word_embeddings.weight"].clone()
    bias = parameters.pop("cls.predictions.bias")
    parameters |= {"cls.predictions.decoder.weight": tied, "cls.predictions.decoder.bias": bias}
    parameters["bert.embeddings.position_ids"] = torch.arange(24)[None]
    parameters["classifier.weight"] = torch.zeros(2, 16)
    with_config(tie_word_embeddings=False)(folder, parameters)


def in_half(kind: torch.dtype) -> Callable[[Path, Parameters], None]:
    def write(folder: Path, parameters: Parameters) -> None:
        save_file({n: v.to(kind) for n, v in parameters.items()}, folder / "model.safetensors")

    return write


KINDS: dict[str, Callable[[Path, Parameters], None]] = {
    "pytorch_model.bin": as_bin,
    "pytorch_model.bin of old torch": as_old_bin,
    "shards": as_shards("safetensors"),
    "shards of pytorch_model.bin": as_shards("bin"),
    "no model_type": with_config(model_type=None),
    "no model_type, no architectures": with_config(model_type=None, architectures=None),
    "nothing but the sizes": with_config(
        model_type=None, type_vocab_size=None, pad_token_id=None, layer_norm_eps=None
    ),
    "gelu by another name": with_config(hidden_act="gelu_python"),
    "gamma and beta": renamed(
        lambda name: name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta")
    ),
    "no prefix but of the heads": renamed(lambda name: name.removeprefix("bert.")),
    "copies of tied parameters": with_copies,
    "fp16": in_half(torch.float16),
    "bf16": in_half(torch.bfloat16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_folder_is_the_same_model(tmp_path: Path, kind: str) -> None:
    model = make_model()
    export_model(model, tmp_path, vocab=tmp_path / "none")
    parameters = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    KINDS[kind](tmp_path, parameters)
    back = load_model(tmp_path)
    assert back.config.hidden_act == "gelu"
    for name, value in model.state_dict().items():
        found = back.state_dict()[name]
        assert found.dtype == torch.float32
        tolerance = {"fp16": 1e-3, "bf16": 1e-2}.get(kind, 0)
        torch.testing.assert_close(found, value, rtol=tolerance, atol=tolerance / 10, msg=name)


@pytest.mark.parametrize("kind", list(KINDS)[:5])
def test_every_kind_of_folder_may_be_at_an_address(tmp_path: Path, s3: Address, kind: str) -> None:
    export_model(make_model(), tmp_path, vocab=tmp_path / "none")
    parameters = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    KINDS[kind](tmp_path, parameters)
    copy_folder(tmp_path, s3)
    local, remote = load_model(tmp_path).state_dict(), load_model(s3).state_dict()
    assert local.keys() == remote.keys()
    assert all(torch.equal(local[name], remote[name]) for name in local)


def test_old_weights_at_an_address_are_not_fetched_a_few_bytes_at_a_time(
    tmp_path: Path, s3: Address, fetched: list[int]
) -> None:
    export_model(make_model(), tmp_path, vocab=tmp_path / "none")
    as_old_bin(tmp_path, load_file(tmp_path / "model.safetensors"))
    (tmp_path / "model.safetensors").unlink()
    copy_folder(tmp_path, s3)
    load_model(s3)
    assert 0 < len(fetched) < 40


def test_a_model_is_exported_to_an_address(tmp_path: Path, s3: Address) -> None:
    """The tokenizer of an earlier model goes."""
    source = write_model(tmp_path)
    write_bytes(s3 / "special_tokens_map.json", b"{}")
    export_model(load_model(source), s3, vocab=source)
    for name in (found.path for found in list_files(source)):
        assert read_bytes(s3 / name) == (source / name).read_bytes()
    assert [f.path for f in list_files(s3)] == [f.path for f in list_files(source)]


def test_damaged_weights_at_an_address_are_refused(tmp_path: Path, s3: Address) -> None:
    source = write_model(tmp_path)
    copy_folder(source, s3)
    write_bytes(s3 / "model.safetensors", read_bytes(s3 / "model.safetensors")[:-9])
    with pytest.raises(DataError, match=f"{s3} holds no complete model: "):
        load_model(s3)
    with pytest.raises(DataError, match=f"{s3}/none holds no complete model: "):
        load_model(s3 / "none")


def test_shards_that_are_no_shards(tmp_path: Path) -> None:
    export_model(make_model(), tmp_path, vocab=tmp_path / "none")
    parameters = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"it has neither model\.safetensors nor pytorch_model"):
        load_model(tmp_path)
    as_shards("safetensors")(tmp_path, parameters)
    index = tmp_path / "model.safetensors.index.json"
    text = index.read_text()
    index.write_text(text.replace("model-0", "../model-0"))
    with pytest.raises(DataError, match="which is not a file beside it"):
        load_model(tmp_path)
    index.write_text("{}")
    with pytest.raises(DataError, match="has no weight_map"):
        load_model(tmp_path)
    index.write_text(text)
    (tmp_path / "model-1-of-00003.safetensors").unlink()
    with pytest.raises(DataError, match="holds no complete model"):
        load_model(tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 30, 700, 2000, 5000])
@pytest.mark.parametrize("write", [as_bin, as_old_bin])
def test_a_damaged_bin_is_refused(
    tmp_path: Path, write: Callable[[Path, Parameters], None], cut: int
) -> None:
    export_model(make_model(), tmp_path, vocab=tmp_path / "none")
    parameters = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    write(tmp_path, parameters)
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="holds no complete model"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "got 'roberta'"),
        ({"model_type": "distilbert", "hidden_size": None}, "got 'distilbert'"),
        ({"model_type": "albert"}, "got 'albert'"),
        ({"model_type": None, "architectures": ["RobertaForMaskedLM"]}, "got 'RobertaForMaskedLM'"),
        (
            {"position_embedding_type": "relative_key_query"},
            "must be 'absolute', got 'relative_key_query'",
        ),
        ({"is_decoder": True}, "is_decoder must be false"),
        ({"hidden_act": "relu"}, "got 'relu'"),
    ],
)
def test_other_models_are_refused_by_name_before_the_first_step(
    tmp_path: Path, changes: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path)
    with_config(**changes)(model, load_file(model / "model.safetensors"))
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\ngood\t1\nbad\t0\n" * 4)
    output = tmp_path / "out"
    with pytest.raises(ConfigError, match=message):
        load_shape(model)
    commands: list[tuple[Callable[[list[str]], int], list[str]]] = [
        (fill_mask, ["--model", str(model), "a [MASK]"]),
        (features, [str(model), "--input", str(rows), f"--output={output}.arrow"]),
        (finetune, [str(model), "--train", str(rows), f"--output={output}"]),
    ]
    for command, arguments in commands:
        assert command(arguments) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*.safetensors"))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return write_folders(tmp_path / "data")


def train(folders: Folders, start: Path, output: Path) -> None:
    config = CONFIG.replaced(init_from=str(start))
    pretrain(examples=folders.examples, vocab=folders.vocab, output=output, config=config)


def test_spare_rows_are_kept_and_exported(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, output = tmp_path / "start", tmp_path / "out"
    export_model(make_model(vocab_size=58), start, vocab=folders.vocab)
    train(folders, start, output)
    assert "has 8 more rows of embeddings than pieces; they are kept" in capsys.readouterr().err
    assert load_shape(output).vocab_size == 58
    before, after = (load_model(f).embeddings.token.weight[50:] for f in (start, output))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-2)
    (guesses,) = MaskFiller(output).fill("w1 [MASK]", top=99)
    assert len(guesses) == 50
    assert sum(guess.probability for guess in guesses) < 1


def test_fewer_rows_than_pieces_are_refused(folders: Folders, tmp_path: Path) -> None:
    export_model(make_model(vocab_size=49), tmp_path / "start", vocab=tmp_path / "none")
    with pytest.raises(ConfigError, match="init_from has 49 pieces, the vocabulary 50"):
        train(folders, tmp_path / "start", tmp_path / "out")
    shutil.copy(folders.vocab / "vocab.txt", tmp_path / "start")
    with pytest.raises(ConfigError, match="has 50 pieces, the model has embeddings for 49"):
        MaskFiller(tmp_path / "start")


def to_single_segments(folders: Folders) -> None:
    """What examples with `next_sentence = false` are."""
    for row in folders.train + folders.validation:
        row["segment_b_start"] = len(row["input_ids"])
    shards = [
        write_shard(folders, "train-00000-of-00001.arrow", folders.train),
        write_shard(folders, "validation-00000-of-00001.arrow", folders.validation),
    ]
    finish(folders, shards, {"masking": "static", "next_sentence": False})


def test_one_segment_is_refused_for_pairs_and_fine_without(
    folders: Folders, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    export_model(make_model(num_segments=1), start, vocab=folders.vocab)
    with pytest.raises(ConfigError, match=r"one segment .* set|next_sentence = false"):
        train(folders, start, tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoints").exists()
    to_single_segments(folders)
    train(folders, start, tmp_path / "out")
    assert load_shape(tmp_path / "out").num_segments == 1


def test_one_segment_fine_tunes_on_single_texts_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, num_segments=1)
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tother\tlabel\n" + "good\ta\t1\nbad\tthe\t0\n" * 4)
    arguments = [str(model), "--train", str(rows), f"--output={tmp_path / 'out'}", "--epochs=1"]
    assert finetune([*arguments, "--text-pair=other"]) == 2
    assert "cannot read pairs of texts" in capsys.readouterr().err
    assert finetune(arguments) == 0


def test_what_starts_at_random_is_said(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start"
    export_model(make_model(), start, vocab=folders.vocab)
    parameters = load_file(start / "model.safetensors")
    kept = {n: v for n, v in parameters.items() if not n.startswith(("cls.seq", "bert.pooler"))}
    save_file(kept, start / "model.safetensors")
    train(folders, start, tmp_path / "out")
    said = capsys.readouterr().err
    assert f"{start} lacks some heads, which have a random start: pooler, next_sentence" in said
    assert load_encoder(tmp_path / "out")[1] == []
    with pytest.raises(DataError, match=r"lacks bert\.pooler"):
        MaskFiller(start)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("classification", "has a random start, and so has the pooler, which .*model lacks"),
        ("tagging", "the head of the task has a random start$"),
    ],
)
def test_finetune_says_what_starts_at_random(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, said: str
) -> None:
    model = write_model(tmp_path)
    parameters = load_file(model / "model.safetensors")
    kept = {n: v for n, v in parameters.items() if not n.startswith("bert.pooler")}
    save_file(kept, model / "model.safetensors")
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\n" + "good\t1\nbad\t0\n" * 4)
    arguments = [f"--task={task}", "--train", str(rows), f"--output={tmp_path / 'out'}"]
    assert finetune([str(model), *arguments, "--epochs=1", "--seeds=1,2"]) == 0
    assert len(re.findall(said, capsys.readouterr().err, re.MULTILINE)) == 1


def test_a_decoder_of_its_own_serves_features_but_no_masks(
    folders: Folders, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    export_model(make_model(), start, vocab=folders.vocab)
    parameters = load_file(start / "model.safetensors")
    parameters["cls.predictions.decoder.weight"] = torch.ones(50, 16)
    with_config(tie_word_embeddings=False)(start, parameters)
    for use in (MaskFiller, lambda folder: train(folders, folder, tmp_path / "out")):
        with pytest.raises(ConfigError, match="with a matrix of its own"):
            use(start)
    assert load_encoder(start)[1] == []
    with_config(tie_word_embeddings=True)(start, parameters)
    assert MaskFiller(start).fill("[MASK]")  # transformers ties them then, too


def test_examples_of_another_vocabulary_are_refused(folders: Folders, tmp_path: Path) -> None:
    start = tmp_path / "start"
    tokens = folders.vocabulary.tokens
    other = Vocabulary((*tokens[:7], "other", *tokens[8:]))
    save_tokenizer(tmp_path / "vocab", other, TokenizationConfig(lowercase=False))
    export_model(make_model(), start, vocab=tmp_path / "vocab")
    with pytest.raises(ConfigError, match="piece 7 of init_from is 'other', of the examples 'w2'"):
        train(folders, start, tmp_path / "out")


def test_examples_of_lower_cased_text_are_refused_by_a_cased_model(
    folders: Folders, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    save_tokenizer(tmp_path / "vocab", folders.vocabulary, TokenizationConfig(lowercase=False))
    export_model(make_model(), start, vocab=tmp_path / "vocab")
    say_lowercase(folders, True)
    with pytest.raises(ConfigError, match=r"set \[vocab\] lowercase = false$"):
        train(folders, start, tmp_path / "out")
    say_lowercase(folders, False)
    train(folders, start, tmp_path / "out")


def say_lowercase(folders: Folders, lowercase: bool) -> None:
    """Make the manifest of the examples say how their text was tokenized."""
    old = read_manifest(folders.examples)
    inputs = {"vocabulary": {**old.inputs["vocabulary"], "lowercase": lowercase}}
    manifest = make_manifest(
        "examples", config=old.config, inputs=inputs, counts=old.counts, shards=old.shards
    )
    write_manifest(folders.examples, manifest)


def test_a_folder_as_transformers_5_writes_it_is_used_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path)
    (model / "vocab.txt").unlink()
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\n" + "good film\tg b\nbad film\tb g\n" * 4)
    out = tmp_path / "out"
    assert fill_mask(["--model", str(model), "a [MASK]"]) == 0
    assert features([str(model), "--input", str(rows), f"--output={tmp_path}/f.arrow"]) == 0
    arguments = ["--task=tagging", "--train", str(rows), f"--output={out}", "--epochs=1"]
    assert finetune([str(model), *arguments]) == 0
    assert not (out / "vocab.txt").exists()
    assert (out / "tokenizer.json").read_bytes() == (model / "tokenizer.json").read_bytes()
    assert features([str(out), "--input", str(rows), f"--output={tmp_path}/g.arrow"]) == 0
    assert "error" not in capsys.readouterr().err
