"""What a stage's process says for people reaches them; its log does not outlive the stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.tokens.tokenizer import TokenizationConfig, save_tokenizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES
from flows import stages
from flows.config import Run, RunConfig
from flows.paths import RunPaths
from flows.terminal.events import Event
from pipelines.options import RunnerConfig
from tests.example_folder import write_folders
from tests.tokenizer_folders import Settings, write_folder
from tests.trainer.models.test_bert import make_model
from trainer.models.export import export_model
from trainer.pretraining.config import TrainConfig
from vocab.config import VocabConfig


def test_of_a_job(tmp_path: Path) -> None:
    given = tmp_path / "given.txt"
    given.write_text("".join(f"{piece}\n" for piece in SPECIAL_PIECES) + "the\n\nof\n")
    config = RunConfig(vocab=VocabConfig(file=str(given)), runner=RunnerConfig(workers=1))
    run = Run(config=config, base=tmp_path, paths=RunPaths(tmp_path / "run"))
    said: list[Event] = []
    stages.make_vocabulary(run, said.append)
    (line,) = [line for line in map(str, said) if line.startswith("note: ")]
    assert line.startswith(f"note: {given}: an empty line")
    assert not list(tmp_path.rglob("*.log"))


def test_the_case_of_the_model_to_start_from_counts_before_there_are_examples(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path / "bert", "5", Settings(lower=False))
    config = RunConfig(train=TrainConfig.of(init_from=str(folder)))
    run = Run(config=config, base=tmp_path, paths=RunPaths(tmp_path / "run"))
    with pytest.raises(ConfigError, match=r"set \[vocab\] lowercase = false$"):
        stages.make_vocabulary(run, print)
    config = replace(config, vocab=VocabConfig(lowercase=False))
    with pytest.raises(DataError, match="first: bertdata sentences"):  # the check is behind
        stages.make_vocabulary(replace(run, config=config), print)


def test_of_training(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    save_tokenizer(folders.vocab, folders.vocabulary, TokenizationConfig(lowercase=False))
    export_model(make_model(vocab_size=58), tmp_path / "start", vocab=folders.vocab)
    train = TrainConfig.of(init_from=str(tmp_path / "start"), steps=1, batch_size=4, threads=1)
    run = Run(config=replace(RunConfig(), train=train), base=tmp_path, paths=RunPaths(tmp_path))
    said: list[Event] = []
    stages.train_model(run, said.append)
    notes = [line for line in map(str, said) if line.startswith("note: ")]
    assert notes == [
        f"note: {tmp_path / 'start'} has 8 more rows of embeddings than pieces; they are kept"
    ]
    assert not list(tmp_path.rglob("*.log"))
