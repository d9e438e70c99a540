"""Models to and from folders in Hugging Face's format."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bertdata.config import Table
from bertdata.errors import ConfigError, DataError, MemoryUsedUpError
from bertdata.notices import warn
from bertdata.storage.files import exists, remove_file
from bertdata.storage.foreign import (
    MAX_PIECES_BYTES,
    open_foreign,
    read_foreign,
    read_foreign_table,
    with_way_out,
)
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
from trainer.models.tensor_file import write_tensors
from trainer.models.weights import WEIGHTS_NAME, find_weights, read_weights
from trainer.shape import ModelConfig

CONFIG_NAME = "config.json"
_PARAMETER_BYTES = 4
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_HEADS = ("pooler.", "transform.", "transform_norm.", "output_bias", "next_sentence.")


def check_model(folder: Location) -> None:
    """Raise DataError if a file of a model must not be read, or differs from a run's manifest.

    Folders that no run made have no manifest.
    """
    check_regular(folder, (CONFIG_NAME, *TOKENIZER_FILES))
    check_stage(folder, (CONFIG_NAME, WEIGHTS_NAME, *TOKENIZER_FILES))


def check_regular(folder: Location, names: Iterable[str]) -> None:
    """Raise DataError for the first of these files that must not be read or copied.

    Before hours of work: `bertdata.storage.foreign` says which.
    """
    for name in names:
        try:
            if isinstance(folder, Path) and exists(folder / name):
                open_foreign(folder / name).close()
        except OSError as error:
            reason = with_way_out(first_line(error))
            raise DataError(f"cannot read {folder / name}: {reason}") from error


def copy_tokenizer(source: Location, folder: Location) -> None:
    """Copy the tokenizer's files that exist; remove those of an earlier tokenizer.

    Raises DataError for a file that must not be copied: `bertdata.storage.foreign`.
    """
    for name in TOKENIZER_FILES:
        if not exists(source / name):
            remove_file(folder / name)
            continue
        try:
            data = read_foreign(source / name, MAX_PIECES_BYTES)
        except OSError as error:
            reason = with_way_out(first_line(error))
            raise DataError(f"cannot copy {source / name}: {reason}") from error
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(data)


def export_model(model: Bert, folder: Location, *, vocab: Location) -> None:
    """Write a folder that `transformers.BertForPreTraining.from_pretrained` loads.

    `vocab`: the folder from which vocab.txt and the tokenizer's files are copied. The weights are
    written last, and every file is complete or absent.
    """
    copy_tokenizer(vocab, folder)
    write_json(folder / CONFIG_NAME, to_hf_config(model.config))
    parameters = to_hf_parameters(_to_host(strip_vocabulary(model)))
    with atomic_file(folder / WEIGHTS_NAME) as temporary:
        write_tensors(temporary, parameters, {"format": "pt"})


def _to_host(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu() for name, value in parameters.items()}


def load_model(folder: Location) -> Bert:
    """Load a Hugging Face BERT folder, with both heads of pre-training.

    Raises DataError if a parameter is missing or has another shape.
    """
    model, missing = load_encoder(folder, needs_tied_decoder=True)
    if missing:
        raise DataError(
            f"{find_weights(folder)} lacks {to_hf_name(missing[0])}; "
            "use a model with the heads of pre-training"
        )
    return model


def load_encoder(
    folder: Location, *, dropout: float | None = None, needs_tied_decoder: bool = False
) -> tuple[Bert, list[str]]:
    """Load a model whose folder may lack heads; return it, and the names of missing parameters.

    Missing heads have a random start. Reads any BERT of transformers, such as a plain BertModel or
    a fine-tuned one; the heads of other tasks are left out. `dropout`: replaces the folder's own.
    `needs_tied_decoder`: whether the masked-language-model head will be used.

    Raises DataError if the encoder is incomplete or has numbers that are not finite, ConfigError if
    that head is to be used and has a matrix of its own.
    """
    config = load_shape(folder, dropout=dropout)
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
        raise DataError(f"{weights} has {error!s:.200}, which no BERT has; use a BERT") from error
    wanted = _wanted_shapes(config)
    missing = [name for name in wanted if name not in found]
    if encoder := [name for name in missing if not name.startswith(_HEADS)]:
        raise DataError(f"{weights} lacks {to_hf_name(encoder[0])}; use a complete BERT")
    if left_out := [name for name in found if name not in wanted]:
        warn(f"{weights} has {to_hf_name(left_out[0]):.200}, which {CONFIG_NAME} leaves out")
    found = {name: value for name, value in found.items() if name in wanted}
    _check_memory(wanted)
    _check_parameters(weights, found, wanted)
    model = new_bert(config)
    model.load_state_dict(found, strict=False)
    return model, missing


def _wanted_shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Return the shapes of all parameters; nothing is allocated."""
    with torch.device("meta"):  # which draws no random numbers either
        return {name: value.shape for name, value in Bert(config).state_dict().items()}


def _check_memory(wanted: Mapping[str, torch.Size]) -> None:
    """Raise MemoryUsedUpError if the parameters do not fit into the memory of this machine."""
    needed = _PARAMETER_BYTES * sum(shape.numel() for shape in wanted.values())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise MemoryUsedUpError(
            f"a model of the sizes in {CONFIG_NAME} takes {needed / 2**30:,.0f} GiB, this machine "
            f"has {memory / 2**30:,.0f}; correct the sizes, or use a larger machine"
        )


def _check_parameters(
    weights: Location, found: Mapping[str, Tensor], wanted: Mapping[str, torch.Size]
) -> None:
    """Raise DataError for the first parameter that does not fit, or has a NaN or infinite number.

    Only the shapes are looked at before the numbers of any parameter.
    """
    for name, value in found.items():
        what = f"{weights} does not fit: {to_hf_name(name)}"
        if value.shape != wanted[name]:
            shapes = f"{list(value.shape)}, {CONFIG_NAME} says {list(wanted[name])}"
            raise DataError(f"{what} has the shape {shapes}; use the one of these weights")
        is_plain = value.layout is torch.strided and value.device.type == "cpu"
        if not (is_plain and value.dtype in _FLOATS):
            raise DataError(
                f"{what} has no floating-point numbers but {value.dtype}; save it as float32"
            )
    for name, value in found.items():
        if not value.float().isfinite().all():
            raise DataError(
                f"{weights}: {to_hf_name(name)} has a number that is NaN or infinite; use the "
                "weights of an earlier step, or of another training"
            )


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


def _read_config(folder: Location) -> Table:
    try:
        return read_foreign_table(folder / CONFIG_NAME)
    except (OSError, ValueError) as error:
        reason = with_way_out(first_line(error))
        raise DataError(f"{folder} holds no complete model: {reason}") from error


def new_bert(config: ModelConfig) -> Bert:
    """Make a model with a random start, without changing the state of torch's generator.

    Raises MemoryUsedUpError if it does not fit into memory.
    """
    _check_memory(_wanted_shapes(config))
    try:
        with torch.random.fork_rng(devices=[]):
            return Bert(config)
    except RuntimeError as error:  # torch's own allocator
        raise MemoryUsedUpError(
            f"there is no memory for the model: {first_line(error)}; "
            "make it smaller, or use a larger machine"
        ) from error
