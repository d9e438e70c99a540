"""Models to and from folders in Hugging Face's format."""

from __future__ import annotations

import dataclasses
import json

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from bertdata.errors import ConfigError, DataError
from bertdata.storage.files import exists, iterate_blocks, read_bytes, remove_file
from bertdata.storage.locations import Location
from bertdata.storage.manifest import check_stage
from bertdata.storage.shards import first_line
from bertdata.storage.writing import atomic_file, write_json
from bertdata.tokens.tokenizer_settings import TOKENIZER_FILES
from trainer.models.bert import Bert, strip_vocabulary
from trainer.models.bert_names import (
    from_hf_config,
    from_hf_parameters,
    has_own_decoder,
    to_hf_config,
    to_hf_name,
    to_hf_parameters,
)
from trainer.models.weights import WEIGHTS_NAME, find_weights, read_weights
from trainer.shape import ModelConfig

CONFIG_NAME = "config.json"
_HEADS = ("pooler.", "transform.", "transform_norm.", "output_bias", "next_sentence.")


def check_model(folder: Location) -> None:
    """Raise DataError if a run's `model/` differs from its manifest; other folders have none."""
    check_stage(folder, (CONFIG_NAME, WEIGHTS_NAME, *TOKENIZER_FILES))


def copy_tokenizer(source: Location, folder: Location) -> None:
    """Copy the tokenizer's files that exist; remove those of an earlier tokenizer."""
    for name in TOKENIZER_FILES:
        if not exists(source / name):
            remove_file(folder / name)
        else:
            with atomic_file(folder / name) as temporary, temporary.open("wb") as file:
                file.writelines(iterate_blocks(source / name))


def export_model(model: Bert, folder: Location, *, vocab: Location) -> None:
    """Write a folder that `transformers.BertForPreTraining.from_pretrained` loads.

    `vocab`: the folder from which vocab.txt and the tokenizer's files are copied. The weights are
    written last, and every file is complete or absent.
    """
    copy_tokenizer(vocab, folder)
    write_json(folder / CONFIG_NAME, to_hf_config(model.config))
    parameters = to_hf_parameters(_to_host(strip_vocabulary(model)))
    with atomic_file(folder / WEIGHTS_NAME) as temporary:
        try:
            save_file(parameters, temporary, metadata={"format": "pt"})
        except SafetensorError as error:
            raise OSError(first_line(error)) from error


def _to_host(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in parameters.items()}


def load_model(folder: Location) -> Bert:
    """Load a Hugging Face BERT folder, with both heads of pre-training.

    Raises DataError if a parameter is missing or has another shape.
    """
    model, missing = load_encoder(folder, needs_tied_decoder=True)
    if missing:
        raise DataError(f"{find_weights(folder)} lacks {to_hf_name(missing[0])}")
    return model


def load_encoder(
    folder: Location, *, dropout: float | None = None, needs_tied_decoder: bool = False
) -> tuple[Bert, list[str]]:
    """Load a model whose folder may lack heads; return it, and the names of missing parameters.

    Missing heads have a random start. Reads any BERT of transformers, such as a plain BertModel or
    a fine-tuned one; the heads of other tasks are left out. `dropout`: replaces the folder's own.
    `needs_tied_decoder`: whether the masked-language-model head will be used.

    Raises DataError if the encoder is incomplete, ConfigError if that head is to be used and has a
    matrix of its own.
    """
    model = new_bert(load_shape(folder, dropout=dropout))
    weights = find_weights(folder)
    parameters = read_weights(weights)
    if needs_tied_decoder and has_own_decoder(parameters, _read_config(folder)):
        raise ConfigError(
            f"{folder} predicts pieces with a matrix of its own (tie_word_embeddings is false); "
            "pre-training can use only the embeddings; use it for fine-tuning or features"
        )
    try:
        found = from_hf_parameters(parameters)
    except KeyError as error:
        raise DataError(f"{weights} has {error}, which no BERT has") from error
    missing = [name for name in model.state_dict() if name not in found]
    if encoder := [name for name in missing if not name.startswith(_HEADS)]:
        raise DataError(f"{weights} lacks {to_hf_name(encoder[0])}; is it a BERT?")
    try:
        model.load_state_dict(found, strict=False)
    except RuntimeError as error:
        raise DataError(f"{weights} does not fit: {' '.join(str(error).split())}") from error
    return model, missing


def load_shape(folder: Location, *, dropout: float | None = None) -> ModelConfig:
    """Return the shape that a folder's config.json describes.

    Raises DataError if there is none, ConfigError if it describes another kind of model.
    """
    try:
        config = from_hf_config(_read_config(folder))
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from error
    if dropout is None:
        return config
    return dataclasses.replace(config, dropout=dropout, attention_dropout=None)


def _read_config(folder: Location) -> dict[str, object]:
    try:
        table = json.loads(read_bytes(folder / CONFIG_NAME))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no complete model: {first_line(error)}") from error
    if not isinstance(table, dict):
        raise DataError(f"{folder} holds no complete model: {CONFIG_NAME} has no settings")
    return table


def new_bert(config: ModelConfig) -> Bert:
    """Make a model with a random start, without changing the state of torch's generator."""
    with torch.random.fork_rng(devices=[]):
        return Bert(config)
