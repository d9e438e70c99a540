"""A trained model to and from a Hugging Face folder."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertdata.errors import DataError
from bertdata.shards import atomic_file, first_line, write_json
from trainer.hf_names import (
    from_hf_config,
    from_hf_parameters,
    to_hf_config,
    to_hf_parameters,
)
from trainer.model import Bert, strip_vocabulary

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
HEADS = ("pooler.", "transform.", "transform_norm.", "output_bias", "next_sentence.")
_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy vocab.txt and, where they are there, the tokenizer files."""
    for name in _TOKENIZER_FILES:
        if (source / name).exists():
            with atomic_file(folder / name) as temporary:
                shutil.copyfile(source / name, temporary)


def export_model(model: Bert, folder: Path, *, vocab: Path) -> None:
    """Write a folder that `transformers.BertForPreTraining.from_pretrained` loads.

    `vocab`: the folder whose vocab.txt and tokenizer files go with it. The weights are written
    last, and each file is whole or not there.
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


def _missing_heads(model: Bert, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the heads start with where the parameters lack them; says so."""
    heads = {n: p for n, p in model.state_dict().items() if n.startswith(HEADS)}
    if missing := sorted(heads.keys() - parameters.keys()):
        print(f"not in the weights, so at a random start: {', '.join(missing)}", file=sys.stderr)
    return heads


def load_model(folder: Path, *, needs_heads: bool = True) -> Bert:
    """The model of a Hugging Face BERT folder.

    Raises DataError when a parameter is missing; without `needs_heads`, those of the pre-training
    heads may be, and have a random start.
    """
    try:
        config = from_hf_config(json.loads((folder / CONFIG_NAME).read_bytes()))
        parameters = from_hf_parameters(load_file(folder / WEIGHTS_NAME))
    except KeyError as error:
        raise DataError(f"{folder / WEIGHTS_NAME} has {error}, which no BERT has") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{folder} holds no whole model: {first_line(error)}") from error
    with torch.random.fork_rng(devices=[]):
        model = Bert(config)
    if not needs_heads:
        parameters = {**_missing_heads(model, parameters), **parameters}
    try:
        model.load_state_dict(parameters)
    except RuntimeError as error:
        details = " ".join(str(error).split())
        raise DataError(f"{folder / WEIGHTS_NAME} does not fit: {details}") from error
    return model
