"""What a model starts from follows from the seed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bertdata.reader.example_reader import ExampleReader
from tests.example_folder import write_folders
from trainer.models.export import export_model
from trainer.pretraining.config import ModelOptions
from trainer.pretraining.start.cooccurrence import cooccurrence_embeddings
from trainer.pretraining.start.model import new_model

OPTIONS = ModelOptions(num_layers=1, hidden_size=16, num_heads=2, max_positions=24)
# The seeds of torch never change, or the same configuration would make another model.
SEEDS = {1: 0x106FD9969CD34226, 2: 0x245D9122CC39DFA2}
EMBEDDING_SEEDS = {1: 0x50DC18F77A84A0AF, 2: 0x71AD095C8B7E30E6}


@pytest.fixture
def reader(tmp_path: Path) -> ExampleReader:
    folders = write_folders(tmp_path)
    return ExampleReader(folders.examples, folders.vocabulary)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_parameters_follow_from_the_seed(reader: ExampleReader, seed: int) -> None:
    torch.manual_seed(99)
    model = new_model(OPTIONS, seed, reader)
    assert torch.initial_seed() == SEEDS[seed]
    again = new_model(OPTIONS, seed, reader)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_another_seed_is_another_model(reader: ExampleReader) -> None:
    first, second = (new_model(OPTIONS, seed, reader) for seed in SEEDS)
    assert not torch.equal(first.embeddings.token.weight, second.embeddings.token.weight)


@pytest.mark.parametrize("seed", EMBEDDING_SEEDS)
def test_embeddings_of_neighbours_follow_from_the_seed(reader: ExampleReader, seed: int) -> None:
    torch.manual_seed(99)
    cooccurrence_embeddings(reader, 16, seed=seed)
    assert torch.initial_seed() == EMBEDDING_SEEDS[seed]


def test_heads_that_a_given_model_lacks_follow_from_the_seed(
    reader: ExampleReader, tmp_path: Path
) -> None:
    export_model(new_model(OPTIONS, 3, reader), tmp_path / "given", vocab=tmp_path / "vocab")
    options = ModelOptions(init_from=str(tmp_path / "given"))
    torch.manual_seed(99)
    new_model(options, 1, reader)
    assert torch.initial_seed() == SEEDS[1]
