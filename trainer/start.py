"""The model that a run starts from."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from bertdata.errors import ConfigError
from bertdata.randomness import derive_key
from bertdata.reader import ExampleReader
from trainer.config import TrainConfig, model_config
from trainer.cooccurrence import cooccurrence_embeddings
from trainer.export import check_model, load_encoder
from trainer.model import Bert, add_to_tokens, set_sinusoidal_positions, set_unigram_bias
from trainer.yardstick import count_masked_pieces


def new_model(config: TrainConfig, seed: int, reader: ExampleReader) -> Bert:
    """A model as `config` asks for: from `init_from`, or random with the named starts.

    Heads of pre-training that `init_from` lacks, as a BertModel does, have a random start.

    Raises ConfigError when it does not fit the vocabulary.
    """
    if config.init_from is not None:
        torch.manual_seed(derive_key(seed, "initial parameters") >> 1)
        check_model(Path(config.init_from))
        model, missing = load_encoder(Path(config.init_from))
        if missing:
            text = f"not in {config.init_from}, so at a random start: {', '.join(missing)}"
            print(text, file=sys.stderr)
        _check_vocabulary(model, reader)
        return model
    return _random_model(config, seed, reader)


def check_lengths(model: Bert, reader: ExampleReader, *, is_new: bool) -> None:
    """Raise ConfigError when a row is longer than what the model can read.

    `is_new`: its shape follows from the configuration, not from `init_from`.
    """
    longest, most = reader.longest_row(), model.config.max_positions
    if longest > most:
        way_out = f"set max_positions to {longest}, or " if is_new else ""
        raise ConfigError(
            f"the longest {reader.split} example has {longest} pieces, the model reads {most}; "
            f"{way_out}make the examples with [examples] max_seq_length = {most}"
        )


def _check_vocabulary(model: Bert, reader: ExampleReader) -> None:
    if (size := model.config.vocab_size) != reader.vocabulary.size:
        raise ConfigError(
            f"init_from has {size} pieces, the vocabulary {reader.vocabulary.size}; "
            "make the examples with the vocab.txt of init_from"
        )


def _random_model(config: TrainConfig, seed: int, reader: ExampleReader) -> Bert:
    vocabulary = reader.vocabulary
    shape = model_config(config, vocab_size=vocabulary.size, pad_id=vocabulary.special.pad)
    torch.manual_seed(derive_key(seed, "initial parameters") >> 1)
    model = Bert(shape)
    if config.token_init == "cooccurrence":
        add_to_tokens(model, cooccurrence_embeddings(reader, shape.hidden_size, seed=seed))
    if config.position_init == "sinusoidal":
        set_sinusoidal_positions(model)
    if config.output_bias_init == "unigram":
        set_unigram_bias(model, torch.from_numpy(count_masked_pieces(reader, seed=seed)))
    return model
