"""The model that a run starts from, and whether it fits the examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bertdata.errors import ConfigError
from bertdata.notices import note
from bertdata.randomness import derive_key
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.locations import Location, locate
from trainer.models.bert import Bert, add_to_tokens, set_sinusoidal_positions, set_unigram_bias
from trainer.models.export import check_model, load_encoder
from trainer.models.tokenizer_check import check_tokenizer
from trainer.pretraining.config import ModelOptions
from trainer.pretraining.measures.piece_counts import count_masked_pieces
from trainer.pretraining.start.cooccurrence import cooccurrence_embeddings
from trainer.ranks import is_first_rank


def new_model(options: ModelOptions, seed: int, reader: ExampleReader) -> Bert:
    """Make the model that `options` asks for: from `init_from`, or random with the named starts.

    Heads of pre-training that `init_from` lacks, as a BertModel does, have a random start; a notice
    names them. Raises ConfigError if it does not fit the examples or their vocabulary.
    """
    if options.init_from is None:
        return _random_model(options, seed, reader)
    folder = locate(options.init_from)
    check_model(folder)
    check_tokenizer(folder, reader)
    torch.manual_seed(derive_key(seed, "initial parameters") >> 1)
    model, missing = load_encoder(folder, needs_tied_decoder=True)
    _check_rows(model, reader)
    if is_first_rank():
        _note_differences(folder, model, missing, reader)
    return model


def _note_differences(
    folder: Location, model: Bert, missing: Sequence[str], reader: ExampleReader
) -> None:
    if missing:
        heads = ", ".join(dict.fromkeys(name.partition(".")[0] for name in missing))
        note(f"{folder} lacks some heads, which have a random start: {heads}")
    if spare := model.config.vocab_size - reader.vocabulary.size:
        note(f"{folder} has {spare} more rows of embeddings than pieces; they are kept")


def check_examples(model: Bert, reader: ExampleReader, *, is_new: bool) -> None:
    """Raise ConfigError if a row is longer, or has more segments, than the model can read.

    `is_new`: whether its shape follows from the configuration, not from `init_from`.
    """
    _check_segments(model, reader)
    longest, max_length = reader.longest_row(), model.config.max_positions
    if longest > max_length:
        way_out = f"set max_positions to {longest}, or " if is_new else ""
        raise ConfigError(
            f"the longest {reader.split} example has {longest} pieces, "
            f"the model reads {max_length}; {way_out}make the examples with "
            f"[examples] max_seq_length = {max_length}"
        )


def _check_rows(model: Bert, reader: ExampleReader) -> None:
    if (size := model.config.vocab_size) < reader.vocabulary.size:
        raise ConfigError(
            f"init_from has {size} pieces, the vocabulary {reader.vocabulary.size}; "
            "make the examples with [vocab] file = the vocabulary of init_from"
        )


def _check_segments(model: Bert, reader: ExampleReader) -> None:
    if model.config.num_segments < 2 and reader.next_sentence:
        raise ConfigError(
            "init_from has one segment embedding (type_vocab_size 1), but the examples are pairs "
            "of two segments; make them with [examples] next_sentence = false"
        )


def _random_model(options: ModelOptions, seed: int, reader: ExampleReader) -> Bert:
    vocabulary = reader.vocabulary
    shape = options.shape(vocab_size=vocabulary.size, pad_id=vocabulary.special.pad)
    torch.manual_seed(derive_key(seed, "initial parameters") >> 1)
    model = Bert(shape)
    if options.token_init == "cooccurrence":
        add_to_tokens(model, cooccurrence_embeddings(reader, shape.hidden_size, seed=seed))
    if options.position_init == "sinusoidal":
        set_sinusoidal_positions(model)
    if options.output_bias_init == "unigram":
        set_unigram_bias(model, torch.from_numpy(count_masked_pieces(reader, seed=seed)))
    return model
