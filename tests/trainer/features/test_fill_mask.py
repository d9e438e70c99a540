"""Masks in a text are filled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import BertWordPieceTokenizer

from bertdata.errors import ConfigError, DataError
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, write_vocabulary
from tests.trainer.models.test_bert import make_model
from tests.trainer.task_files import make_texts, write_model, write_tsv
from trainer.features.config import FeaturesConfig
from trainer.features.extraction import FeatureExtractor
from trainer.features.fill_mask import MaskFiller, main
from trainer.models.export import export_model
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.finetune import finetune

PIECES = (*SPECIAL_PIECES, "the", "capital", "of", "france", "is", "paris", ".", "##s", "é")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that always says "paris", and next to it "the"."""
    write_vocabulary(tmp_path / "vocab" / "vocab.txt", Vocabulary(PIECES))
    model = make_model(vocab_size=len(PIECES))
    with torch.no_grad():
        model.output_bias[PIECES.index("paris")] = 9.0
        model.output_bias[PIECES.index("the")] = 5.0
    export_model(model, tmp_path / "model", vocab=tmp_path / "vocab")
    return tmp_path / "model"


def test_the_likeliest_pieces_in_order(folder: Path) -> None:
    (guesses,) = MaskFiller(folder).fill("The capital of France is [MASK].")
    assert len(guesses) == 5
    assert [guess.piece for guess in guesses[:2]] == ["paris", "the"]
    probabilities = [guess.probability for guess in guesses]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.9 < probabilities[0] < 1


def test_every_mask_is_filled(folder: Path) -> None:
    assert len(MaskFiller(folder).fill("[MASK] capital[MASK]s of [MASK]", top=2)) == 3


def test_settings_say_how_text_is_cleaned_whatever_tokenizer_json_says(folder: Path) -> None:
    """As in transformers."""
    text = "The [MASK]"
    plain = MaskFiller(folder).fill(text)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False})
    cased = MaskFiller(folder).fill(text)
    tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert MaskFiller(folder).fill(text) == cased != plain
    (folder / "tokenizer_config.json").unlink()
    assert MaskFiller(folder).fill(text) == plain


def test_texts_that_cannot_be_filled(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"the text has no \[MASK\]: 'the capital'"):
        MaskFiller(folder).fill("the capital")
    with pytest.raises(ConfigError, match="the text has 33 pieces, the maximum is 24"):
        MaskFiller(folder).fill("[MASK]" + " the" * 30)


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(folder), "[MASK] of [MASK].", "--top=1"]) == 0
    lines = capsys.readouterr().out.split()
    assert lines[1::2] == ["paris", "paris"]
    assert main(["--model", str(folder), "no mask"]) == 2
    assert main(["--model", str(folder / "none"), "[MASK]"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith("error: the text has no [MASK]")
    assert "holds no complete model" in errors[1]


def test_a_damaged_model_is_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-50])
    with pytest.raises(DataError, match="holds no complete model"):
        MaskFiller(folder)
    weights.write_bytes(whole)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"hidden_size": 16', '"hidden_size": 18'))
    with pytest.raises(DataError, match="does not fit"):
        MaskFiller(folder)


def test_a_damaged_model_folder_is_refused_by_all_who_read_it(tmp_path: Path) -> None:
    """A run's model has a manifest; two swapped lines of its vocab.txt would be other words."""
    model = write_model(tmp_path)
    names = ("config.json", "model.safetensors", "vocab.txt")
    shards = [describe_file(model / name, rows=1) for name in names]
    write_manifest(model, make_manifest("model", config={}, inputs={}, counts={}, shards=shards))
    assert len(MaskFiller(model).fill("the [MASK]")) == 1
    lines = (model / "vocab.txt").read_text().splitlines()
    lines[6], lines[9] = lines[9], lines[6]
    (model / "vocab.txt").write_text("\n".join(lines) + "\n")
    train = write_tsv(tmp_path / "train.tsv", make_texts(8))
    output = tmp_path / "out"
    with pytest.raises(DataError, match=r"vocab\.txt: sha256 .* run bertdata train CONFIG\.toml"):
        MaskFiller(model)
    with pytest.raises(DataError, match=r"vocab\.txt: sha256"):
        finetune(model=model, train=train, output=output, config=FinetuneConfig())
    with pytest.raises(DataError, match=r"vocab\.txt: sha256"):
        FeatureExtractor(model, FeaturesConfig())
