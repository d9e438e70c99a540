"""Fine-tuning learns, keeps its best, says how good, and gives what transformers loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertdata.errors import BertdataError, ConfigError, DataError, InputError
from bertdata.storage.files import list_files, read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.shards import sha256_of
from bertdata.storage.writing import write_json
from tests.copies import copy_folder
from tests.trainer.task_files import (
    make_tagged,
    make_texts,
    read_jsonl,
    write_jsonl,
    write_model,
    write_tsv,
)
from trainer.models.export import load_encoder, load_shape
from trainer.tuning.__main__ import main
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.finetune import finetune
from trainer.tuning.training import is_better

transformers = pytest.importorskip("transformers")

QUICK = ("--learning-rate=1e-2", "--epochs=8", "--batch-size=8", "--threads=1")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


def run(model: Path, *arguments: str | Path) -> int:
    return main([str(model), *QUICK, *map(str, arguments)])


def load(kind: str, folder: Path) -> Any:
    """Their model; nothing may be missing, unexpected, mismatched or newly initialised."""
    cls = getattr(transformers, kind)
    theirs, info = cls.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    return theirs.eval()


def read_results(folder: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    return results


def test_classification_loads_in_transformers_and_predicts_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(80))
    dev = write_tsv(tmp_path / "dev.tsv", make_texts(20, seed=1))
    test = write_tsv(tmp_path / "test.tsv", [(t,) for t, _ in make_texts(10, seed=2)], "text")
    output = tmp_path / "out"
    files = ("--train", train, "--validation", dev, "--test", test, "--output", output)
    assert run(model, *files) == 0
    results = read_results(output)
    assert results["labels"] == ["neg", "pos"]
    assert results["rows"] == {"train": 80, "validation": 20, "test": 10}
    assert results["validation"]["accuracy"]["mean"] == 1.0
    assert "test" not in results  # it has no labels
    assert "the best model, of seed 1, is in" in capsys.readouterr().out
    theirs = load("AutoModelForSequenceClassification", output)
    assert theirs.config.id2label == {0: "neg", 1: "pos"}
    tokenizer = transformers.AutoTokenizer.from_pretrained(output)
    texts = [text for text, _ in make_texts(10, seed=2)]
    with torch.no_grad():
        shares = theirs(**tokenizer(texts, padding=True, return_tensors="pt")).logits.softmax(1)
    ours = read_jsonl(output / "predictions-test.jsonl")
    assert [row["prediction"] for row in ours] == [
        theirs.config.id2label[i] for i in shares.argmax(1).tolist()
    ]
    found = [row["probability"] for row in ours]
    np.testing.assert_allclose(found, shares.max(1).values.numpy(), atol=1e-5)
    assert ours[0]["row"] == "test.tsv line 2"
    labelled = read_jsonl(output / "predictions-validation.jsonl")
    assert [row["label"] for row in labelled] == [label for _, label in make_texts(20, seed=1)]


def test_pairs_are_told_apart(model: Path, tmp_path: Path) -> None:
    second = make_texts(200, seed=3)[::-1]
    rows = [
        {"a": text, "b": other, "is_b_good": int(label == "pos")}
        for (text, _), (other, label) in zip(make_texts(100) * 2, second)
    ]
    train = write_jsonl(tmp_path / "train.jsonl", rows)
    output = tmp_path / "out"
    columns = ("--text=a", "--text-pair=b", "--label=is_b_good", "--select-by=mcc")
    assert run(model, "--train", train, "--output", output, *columns) == 0
    results = read_results(output)
    assert results["labels"] == ["0", "1"]
    assert results["rows"] == {"train": 180, "validation": 20}
    assert results["validation"]["mcc"]["mean"] > 0.9
    load("AutoModelForSequenceClassification", output)


def test_regression(model: Path, tmp_path: Path) -> None:
    rows = [(text, 3.5 if label == "pos" else 1.5) for text, label in make_texts(120)]
    train = write_tsv(tmp_path / "train.csv", [(f"{t},{v}",) for t, v in rows], "text,label")
    output = tmp_path / "out"
    assert run(model, "--task=regression", "--train", train, "--output", output) == 0
    results = read_results(output)
    assert results["labels"] == []
    assert results["validation"]["pearson"]["mean"] > 0.95
    assert set(results["validation"]) == {"pearson", "spearman", "loss"}
    theirs = load("AutoModelForSequenceClassification", output)
    assert (theirs.config.problem_type, theirs.config.num_labels) == ("regression", 1)
    assert 1 < read_jsonl(output / "predictions-validation.jsonl")[0]["prediction"] < 4


def test_tagging_in_all_its_forms(model: Path, tmp_path: Path) -> None:
    tagged = make_tagged(60)
    rows = [{"tokens": words, "tags": tags} for words, tags in tagged]
    train = write_jsonl(tmp_path / "train.jsonl", rows)
    lines = ["\n".join(f"{w}\t{t}" for w, t in zip(*row)) for row in make_tagged(12, seed=1)]
    dev = tmp_path / "dev.tsv"
    dev.write_text("tokens\ttags\n" + "\n\n".join(lines) + "\n\n")
    joined = [(" ".join(words), " ".join(tags)) for words, tags in make_tagged(12, seed=2)]
    long = ("good very " * 30, "B-GOOD I-GOOD " * 30)
    test = write_tsv(tmp_path / "test.tsv", [*joined, long], "tokens\ttags")
    output = tmp_path / "out"
    columns = ("--task=tagging", "--text=tokens", "--label=tags")
    files = ("--train", train, "--validation", dev, "--test", test, "--output", output)
    assert run(model, *files, *columns, "--select-by=f1") == 0
    results = read_results(output)
    assert results["labels"] == ["B-GOOD", "I-GOOD", "O"]
    assert results["rows"] == {"train": 60, "validation": 12, "test": 13}
    assert results["texts_cut"] == {"train": 0, "validation": 0, "test": 1}
    assert results["test"]["f1"]["mean"] > 0.8
    predictions = read_jsonl(output / "predictions-test.jsonl")
    assert predictions[0]["label"] == joined[0][1].split()
    assert len(predictions[0]["prediction"]) == len(predictions[0]["label"])
    # 24 pieces are read: [CLS], 22 words, [SEP].
    assert None not in predictions[-1]["prediction"][:22]
    assert predictions[-1]["prediction"][22:] == [None] * 38
    theirs = load("AutoModelForTokenClassification", output)
    assert theirs.config.architectures == ["BertForTokenClassification"]


def test_the_same_seeds_give_the_same_bytes(model: Path, tmp_path: Path) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(40))
    for name in ("a", "b"):
        arguments = ("--train", train, "--output", tmp_path / name, "--seeds=3,1", "--epochs=2")
        assert run(model, *arguments) == 0
    for name in ("model.safetensors", "results.json", "predictions-validation.jsonl"):
        assert sha256_of(tmp_path / "a" / name) == sha256_of(tmp_path / "b" / name)


def test_a_finished_model_is_replaced_only_when_asked(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, output = write_tsv(tmp_path / "train.tsv", make_texts(24)), tmp_path / "out"
    arguments = ("--train", train, "--epochs=1", "--output")
    assert run(model, *arguments, output) == 0
    before = sha256_of(output / "model.safetensors")
    assert run(model, *arguments, output, "--seeds=2") == 2
    assert sha256_of(output / "model.safetensors") == before
    *_, error = capsys.readouterr().err.splitlines()
    assert error.endswith("choose another --output, or add --overwrite to replace it")
    assert run(model, *arguments, tmp_path / "other", "--seeds=2") == 0
    (output / "predictions-test.jsonl").touch()  # of an earlier --test
    assert run(model, *arguments, output, "--seeds=2", "--overwrite") == 0
    assert not (output / "predictions-test.jsonl").exists()
    for name in ("model.safetensors", "results.json"):
        assert sha256_of(output / name) == sha256_of(tmp_path / "other" / name) != before


def test_a_run_that_was_cut_short_is_run_again(model: Path, tmp_path: Path) -> None:
    train, output = write_tsv(tmp_path / "train.tsv", make_texts(24)), tmp_path / "out"
    arguments = ("--train", train, "--epochs=1", "--output", output)
    assert run(model, *arguments) == 0
    write_json(output / "results.json", {**read_results(output), "finished": False})
    assert run(model, *arguments) == 0
    assert read_results(output)["finished"] is True


def test_the_best_epoch_of_the_best_seed_is_kept(model: Path, tmp_path: Path) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(40))
    dev = write_tsv(tmp_path / "dev.tsv", make_texts(30, seed=1))
    output = tmp_path / "out"
    config = FinetuneConfig(
        seeds=(1, 2, 3), epochs=3, learning_rate=3e-3, batch_size=8, select_by="loss", threads=1
    )
    results = finetune(model=model, train=train, validation=dev, output=output, config=config)
    losses = {}
    for seed in results["seeds"]:
        by_epoch = [epoch["validation"]["loss"] for epoch in seed["epochs"]]
        assert len(by_epoch) == 3
        assert seed["validation"]["loss"] == min(by_epoch) == by_epoch[seed["best_epoch"] - 1]
        losses[seed["seed"]] = min(by_epoch)
    assert len(set(losses.values())) == 3
    assert results["best_seed"] == min(losses, key=lambda seed: losses[seed])
    spread = results["validation"]["loss"]
    assert spread["mean"] == pytest.approx(np.mean(list(losses.values())))
    assert spread["std"] == pytest.approx(np.std(list(losses.values()), ddof=1))
    predictions = read_jsonl(output / "predictions-validation.jsonl")
    likelihoods = [
        p["probability"] if p["prediction"] == p["label"] else 1 - p["probability"]
        for p in predictions
    ]
    assert -np.log(likelihoods).mean() == pytest.approx(min(losses.values()), abs=1e-4)


def test_from_scratch_takes_the_shape_alone(model: Path, tmp_path: Path) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(24))
    outputs = []
    for name, more in (("a", ()), ("b", ("--from-scratch",)), ("c", ("--from-scratch",))):
        if name == "c":
            write_model(tmp_path / "other", layer_norm_eps=1e-12)
        arguments = ("--train", train, "--output", tmp_path / name, "--epochs=1", *more)
        assert run(model, *arguments) == 0
        outputs.append(sha256_of(tmp_path / name / "model.safetensors"))
    assert outputs[0] != outputs[1] == outputs[2]


def test_a_folder_of_another_kind_is_not_written_over(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(24))
    other = write_model(tmp_path / "other")
    assert run(model, "--train", train, "--output", model) == 2
    assert run(model, "--train", train, "--output", other) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "holds the model to start from; choose another --output" in errors[0]
    assert "holds a model of another kind" in errors[1]


def test_encoders_of_any_bert_folder(model: Path, tmp_path: Path) -> None:
    ours, _ = load_encoder(model)
    for kind in ("BertModel", "BertForMaskedLM", "BertForTokenClassification"):
        theirs = getattr(transformers, kind).from_pretrained(model)
        theirs.save_pretrained(tmp_path / kind)
        found, _ = load_encoder(tmp_path / kind)
        for name, value in ours.layers.state_dict().items():
            assert torch.equal(found.layers.state_dict()[name], value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no complete model"):
        load_encoder(tmp_path / "empty")


def test_dropout_is_the_same_everywhere(model: Path) -> None:
    table = json.loads((model / "config.json").read_bytes())
    write_json(model / "config.json", {**table, "attention_probs_dropout_prob": 0.3})
    shape = load_shape(model, dropout=0.2)
    assert (shape.dropout, shape.attention_dropout_or_dropout) == (0.2, 0.2)
    assert load_shape(model).attention_dropout_or_dropout == 0.3


def test_the_better_score_is_chosen() -> None:
    assert is_better({"loss": 1.0}, {"loss": 2.0}, "loss")
    assert not is_better({"f1": 0.5, "loss": 1.0}, {"f1": 0.5, "loss": 1.0}, "f1")
    assert is_better({"f1": 0.5, "loss": 0.9}, {"f1": 0.5, "loss": 1.0}, "f1")
    assert not is_better({"f1": 0.4, "loss": 0.9}, {"f1": 0.5, "loss": 1.0}, "f1")


@pytest.mark.parametrize(
    ("train", "arguments", "status", "message"),
    [
        ("", (), 1, "train.tsv has no rows"),
        ("text\tlabel\n", (), 1, "train.tsv has no rows"),
        ("sentence\tlabel\na\t1\n", (), 2, "no column 'text'; known: label, sentence"),
        ("txt\tlabel\na\t1\n", (), 2, "no column 'text'; did you mean 'txt'?"),
        ("text\tlabel\na\t\n", (), 1, "train.tsv line 2: 'label' is '', not a label"),
        ("text\tlabel\na\t1\nb\t1\n", (), 1, "has only one label, '1'; a task needs at least two"),
        ("text\tlabel\na\tx\n", ("--task=regression",), 1, "'label' is 'x', not a number"),
        ("text\tlabel\n" + "a\t1\nb\t0\n" * 9, ("--device=none",), 2, "there is no device 'none'"),
        ("text\tlabel\na\t1\n", ("--task=regression",), 2, "has one row, too few to hold"),
        ("text\tlabel\na b\tX\n", ("--task=tagging",), 1, "line 2 has 2 words but 1 tags"),
        ("text\tlabel\na\tX\n", ("--task=tagging", "--text-pair=b"), 2, "tagging takes one text"),
        ("text\tlabel\na\t1\n", ("--select-by=pearson",), 2, "select_by must be one of accuracy"),
        ("text\tlabel\na\t1\n", ("--seeds=1,1",), 2, "seeds must be different"),
        ("text\tlabel\na\t1\n", ("--epochs=0",), 2, "epochs must be from 1"),
    ],
)
def test_mistakes_are_one_line(
    train: str,
    arguments: tuple[str, ...],
    status: int,
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "train.tsv").write_text(train)
    paths = ("--train", tmp_path / "train.tsv", "--output", tmp_path / "out")
    assert run(model, *paths, *arguments) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_labels_that_training_has_not_seen_are_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(8))
    dev = write_tsv(tmp_path / "dev.tsv", [("good", "pos"), ("bad", "ne")])
    files = ("--train", train, "--validation", dev, "--output", tmp_path / "out")
    assert run(model, *files) == 1
    assert "dev.tsv line 3 has no training label 'ne'; did you mean 'neg'?" in (
        capsys.readouterr().err
    )


def test_a_label_may_be_held_out_whole(model: Path, tmp_path: Path) -> None:
    rows = [*make_texts(20), ("a film", "rare")]
    train = write_tsv(tmp_path / "train.tsv", rows)
    config = FinetuneConfig(epochs=1, threads=1)
    results = finetune(model=model, train=train, output=tmp_path / "out", config=config)
    assert results["labels"] == ["neg", "pos", "rare"]


def test_labels_are_in_all_test_rows_or_in_none(model: Path, tmp_path: Path) -> None:
    train = write_tsv(tmp_path / "train.tsv", make_texts(8))
    test = write_jsonl(tmp_path / "test.jsonl", [{"text": "good", "label": "pos"}, {"text": "bad"}])
    config = FinetuneConfig(epochs=1, threads=1)
    with pytest.raises(InputError, match=r"test.jsonl line 2: 'label' must be in all rows or"):
        finetune(model=model, train=train, test=test, output=tmp_path / "out", config=config)


@pytest.mark.parametrize(
    ("task", "labels", "hidden"),
    [
        ("classification", (1, 0), -1),
        ("classification", (1, 0), None),
        ("classification", ("pos", "neg"), -1),
        ("classification", ("pos", "neg"), ""),
        ("regression", (3.5, 1.5), -1.0),
        ("regression", (3.5, 1.5), None),
    ],
)
def test_test_files_without_their_labels_are_only_predicted(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    task: str,
    labels: tuple[Any, Any],
    hidden: Any,
) -> None:
    """As GLUE's test files come."""
    rows = [{"text": text, "label": labels[label == "neg"]} for text, label in make_texts(24)]
    train = write_jsonl(tmp_path / "train.jsonl", rows)
    test = write_jsonl(tmp_path / "test.jsonl", [{**row, "label": hidden} for row in rows[:5]])
    config = FinetuneConfig(task=task, epochs=1, threads=1)
    output = tmp_path / "out"
    results = finetune(model=model, train=train, test=test, output=output, config=config)
    assert "test" not in results
    predictions = read_jsonl(output / "predictions-test.jsonl")
    assert len(predictions) == 5
    assert all("prediction" in row and "label" not in row for row in predictions)
    said = capsys.readouterr().out.splitlines()
    assert said.count("test: no labels (missing, empty or -1): predicted, not scored") == 1


def test_a_loss_that_is_not_finite_stops(model: Path, tmp_path: Path) -> None:
    rows = [(text, 1e38 if label == "pos" else -1e38) for text, label in make_texts(16)]
    train = write_tsv(tmp_path / "train.tsv", rows)
    config = FinetuneConfig(task="regression", threads=1)
    with pytest.raises(BertdataError, match="the loss is inf at step 0; lower --learning-rate"):
        finetune(model=model, train=train, output=tmp_path / "out", config=config)


def test_configurations_that_cannot_be_meant() -> None:
    with pytest.raises(ConfigError, match="task must be one of classification"):
        FinetuneConfig(task="translation")
    with pytest.raises(ConfigError, match="learning_rate must be above 0"):
        FinetuneConfig(learning_rate=0.0)


def test_all_at_an_address(
    model: Path, tmp_path: Path, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tsv(tmp_path / "train.tsv", make_texts(40))
    write_tsv(tmp_path / "test.tsv", make_texts(10, seed=1))
    copy_folder(tmp_path, s3)
    for place in (tmp_path, s3):
        files = (f"--train={place}/train.tsv", f"--test={place}/test.tsv", f"--output={place}/out")
        assert main([f"{place}/model", *files, "--epochs=1", "--threads=1"]) == 0
    names = [found.path for found in list_files(tmp_path / "out")]
    assert [found.path for found in list_files(s3 / "out")] == names
    for name in names:
        text = read_bytes(s3 / "out" / name).replace(str(s3).encode(), str(tmp_path).encode())
        assert text == read_bytes(tmp_path / "out" / name)
    capsys.readouterr()
    assert main([f"{s3}/model", f"--train={s3}/train.tsv", f"--output={s3}/out"]) == 2
    assert main([f"{s3}/model", f"--train={s3}/train.tsv", f"--output={s3}/model"]) == 2
    assert main([f"{s3}/model", f"--train={s3}/train.tsv", "--output=s3://no-such-bucket"]) == 1
    finished, same, unwritable = capsys.readouterr().err.splitlines()
    assert unwritable.startswith("error: cannot write s3://no-such-bucket/.")
    assert finished.startswith(f"error: {s3}/out holds a finished model; choose another --output")
    assert same == f"error: {s3}/model holds the model to start from; choose another --output"
