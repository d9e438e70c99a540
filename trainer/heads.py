"""A model with a head for a task: encoder, dropout, one dense layer.

For a text or pair the layer reads the pooled state of [CLS], for tagging the state of each word's
first piece (Devlin et al. 2019, sections 4.1 and 5.3). It is written under the names that
transformers' BertForSequenceClassification and BertForTokenClassification have.

Shapes: B batch, L length, D width, Q wanted positions in a row, N of them that count, C outputs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bertdata.errors import ConfigError, DataError
from bertdata.shards import atomic_file, first_line, write_json
from trainer.config import ModelConfig
from trainer.export import CONFIG_NAME, WEIGHTS_NAME, copy_tokenizer
from trainer.hf_names import from_hf_config, from_hf_parameters, to_hf_config, to_hf_name
from trainer.model import Bert
from trainer.text_input import TextBatch

_INITIAL_SCALE = 0.02
_ENCODER_PREFIXES = ("embeddings.", "layers.")
_POOLER_PREFIX = "pooler."
_ARCHITECTURES = {False: "BertForSequenceClassification", True: "BertForTokenClassification"}


class TaskModel(nn.Module):
    """An encoder and a head with `num_outputs` scores, for the whole text or `per_word`."""

    def __init__(self, bert: Bert, num_outputs: int, *, per_word: bool) -> None:
        super().__init__()
        self.bert = bert
        self.per_word = per_word
        self.dropout = nn.Dropout(bert.config.dropout)
        self.classifier = nn.Linear(bert.config.hidden_size, num_outputs)
        nn.init.trunc_normal_(self.classifier.weight, std=_INITIAL_SCALE, a=-0.04, b=0.04)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, batch: TextBatch, wanted_BQ: Tensor, places_N: Tensor) -> Tensor:
        """Scores N C at the wanted positions; `places_N`: which of the flattened B Q count."""
        hidden_BQD = self.bert.encode(
            batch.input_ids_BL, batch.token_type_ids_BL, batch.real_BL, wanted_BQ
        )
        hidden_ND = hidden_BQD.flatten(0, 1).index_select(0, places_N)
        if not self.per_word:
            hidden_ND = torch.tanh(self.bert.pooler(hidden_ND))
        logits_NC: Tensor = self.classifier(self.dropout(hidden_ND))
        return logits_NC

    def used_parameters(self) -> dict[str, nn.Parameter]:
        """All but the heads of pre-training, which a task leaves alone."""
        return {name: p for name, p in self.named_parameters() if self._is_used(name)}

    def _is_used(self, name: str) -> bool:
        if not name.startswith("bert."):
            return True
        prefixes = _ENCODER_PREFIXES if self.per_word else (*_ENCODER_PREFIXES, _POOLER_PREFIX)
        return name.removeprefix("bert.").startswith(prefixes)


def load_encoder(folder: Path, *, dropout: float | None = None) -> Bert:
    """The encoder of any Hugging Face BERT folder; heads that it lacks are left as they start.

    `dropout`: replaces the folder's own. Also reads folders of plain BertModel, whose parameters
    have no "bert." before them, and of fine-tuned models. Raises DataError when the encoder is not
    whole.
    """
    config = load_shape(folder, dropout=dropout)
    weights = folder / WEIGHTS_NAME
    try:
        named = _encoder_parameters(load_file(weights))
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{folder} holds no whole model: {first_line(error)}") from error
    bert = new_bert(config)
    wanted = {n for n in bert.state_dict() if n.startswith(_ENCODER_PREFIXES)}
    if missing := sorted(wanted - named.keys()):
        raise DataError(f"{weights} lacks {to_hf_name(missing[0])}; is it a BERT?")
    try:
        bert.load_state_dict(named, strict=False)
    except RuntimeError as error:
        raise DataError(f"{weights} does not fit: {' '.join(str(error).split())}") from error
    return bert


def load_shape(folder: Path, *, dropout: float | None = None) -> ModelConfig:
    """The shape that a folder's config.json describes. Raises DataError when there is none."""
    try:
        config = from_hf_config(json.loads((folder / CONFIG_NAME).read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no whole model: {first_line(error)}") from error
    if dropout is None:
        return config
    return dataclasses.replace(config, dropout=dropout, attention_dropout=None)


def new_bert(config: ModelConfig) -> Bert:
    """A model at its random start, leaving torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        return Bert(config)


def find_device(name: str) -> torch.device:
    """A device by torch's name; "" is the first GPU, or the CPU where there is none."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ConfigError(f"there is no device {name!r}; try cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"there is no device {name!r} here; leave --device out")
    return device


def export_task_model(
    model: TaskModel, config: dict[str, Any], folder: Path, *, tokenizer: Path
) -> None:
    """Write a folder that `transformers.AutoModelFor…Classification.from_pretrained` loads.

    `config`: the contents of config.json. `tokenizer`: the folder whose tokenizer goes along.
    """
    copy_tokenizer(tokenizer, folder)
    write_json(folder / CONFIG_NAME, config)
    used = model.used_parameters()
    named = {_to_hf_name(name): value.detach().cpu().contiguous() for name, value in used.items()}
    with atomic_file(folder / WEIGHTS_NAME) as temporary:
        save_file(named, temporary, metadata={"format": "pt"})


def task_config(model: TaskModel, labels: Sequence[str]) -> dict[str, Any]:
    """The contents of config.json; no labels stand for one number."""
    names = list(labels) or ["LABEL_0"]
    table = to_hf_config(model.bert.config)
    table["architectures"] = [_ARCHITECTURES[model.per_word]]
    table["id2label"] = {str(i): name for i, name in enumerate(names)}
    table["label2id"] = {name: i for i, name in enumerate(names)}
    table["classifier_dropout"] = None
    if not model.per_word:
        kind = "single_label_classification" if labels else "regression"
        table["problem_type"] = kind
    return table


def _to_hf_name(name: str) -> str:
    return to_hf_name(name.removeprefix("bert.")) if name.startswith("bert.") else name


def _encoder_parameters(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of embeddings, layers and pooler, under our names."""
    has_prefix = any(name.startswith("bert.") for name in parameters)
    full = parameters if has_prefix else {f"bert.{n}": p for n, p in parameters.items()}
    encoder = {name: p for name, p in full.items() if name.startswith("bert.")}
    try:
        return from_hf_parameters(encoder)
    except KeyError as error:
        raise DataError(f"the weights have {error}, which no BERT has") from error
