"""Our names and Hugging Face's, both ways: parameters and configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bertdata.errors import ConfigError
from trainer.shape import ModelConfig

# Ours on the left; a layer's parameters have "layers.N." and "bert.encoder.layer.N." before them.
_MODULES = {
    "embeddings.token": "bert.embeddings.word_embeddings",
    "embeddings.segment": "bert.embeddings.token_type_embeddings",
    "embeddings.position": "bert.embeddings.position_embeddings",
    "embeddings.norm": "bert.embeddings.LayerNorm",
    "pooler": "bert.pooler.dense",
    "transform": "cls.predictions.transform.dense",
    "transform_norm": "cls.predictions.transform.LayerNorm",
    "next_sentence": "cls.seq_relationship",
}
_LAYER_MODULES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "expand": "intermediate.dense",
    "contract": "output.dense",
    "output_norm": "output.LayerNorm",
}
_PREFIXES = ("bert.", "cls.")
# What a plain BertModel, whose names have no "bert." before them, begins with.
_BARE_PREFIXES = ("embeddings.", "encoder.", "pooler.")
_OUTPUT_BIAS = ("output_bias", "cls.predictions.bias")
_CONFIG = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "num_segments": "type_vocab_size",
    "hidden_act": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "layer_norm_eps": "layer_norm_eps",
    "pad_id": "pad_token_id",
}
# What older files leave out, because it never differs there.
_DEFAULTS = {
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "hidden_dropout_prob": 0.1,
}
# Other names of the same two functions.
_ACTIVATIONS = {
    "gelu_python": "gelu",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}
_FROM_MODULES = {theirs: ours for ours, theirs in _MODULES.items()}
_FROM_LAYER_MODULES = {theirs: ours for ours, theirs in _LAYER_MODULES.items()}
_DECODER_WEIGHT = "cls.predictions.decoder.weight"
_DECODER_BIAS = "cls.predictions.decoder.bias"
# Copies of tied parameters and fixed tables that some files carry beside the parameters.
_REDUNDANT = (_DECODER_WEIGHT, _DECODER_BIAS, "position_ids", "embeddings.token_type_ids")


def to_hf_name(name: str) -> str:
    """layers.0.query.weight -> bert.encoder.layer.0.attention.self.query.weight"""
    if name == _OUTPUT_BIAS[0]:
        return _OUTPUT_BIAS[1]
    module, _, kind = name.rpartition(".")
    if match := re.fullmatch(r"layers\.(\d+)\.(\w+)", module):
        return f"bert.encoder.layer.{match[1]}.{_LAYER_MODULES[match[2]]}.{kind}"
    return f"{_MODULES[module]}.{kind}"


def from_hf_name(name: str) -> str | None:
    """The way back; None for a copy of a tied parameter. KeyError for a name BERT does not have."""
    if name.endswith(_REDUNDANT):
        return None
    if name == _OUTPUT_BIAS[1]:
        return _OUTPUT_BIAS[0]
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
    name = name.replace("LayerNorm.beta", "LayerNorm.bias")
    module, _, kind = name.rpartition(".")
    if match := re.fullmatch(r"bert\.encoder\.layer\.(\d+)\.(.+)", module):
        return f"layers.{match[1]}.{_FROM_LAYER_MODULES[match[2]]}.{kind}"
    return f"{_FROM_MODULES[module]}.{kind}"


def to_hf_parameters(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's parameters under Hugging Face's names; the tied decoder is not repeated."""
    return {to_hf_name(name): value for name, value in parameters.items()}


def from_hf_parameters(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back; also from a plain BertModel, whose names have no "bert." before them.

    The heads of other tasks, such as "classifier.weight", are left out. KeyError for a name of
    encoder or head that BERT does not have.
    """
    parameters = {_with_prefix(name): value for name, value in parameters.items()}
    if _DECODER_BIAS in parameters:
        parameters.setdefault(_OUTPUT_BIAS[1], parameters[_DECODER_BIAS])
    named = {from_hf_name(n): value for n, value in parameters.items() if n.startswith(_PREFIXES)}
    return {name: value for name, value in named.items() if name is not None}


def has_own_decoder(parameters: Mapping[str, Tensor], table: Mapping[str, Any]) -> bool:
    """Whether the masked-language-model head scores with a matrix other than the embeddings.

    `parameters`: under Hugging Face's names. `table`: the contents of config.json.
    """
    decoder = parameters.get(_DECODER_WEIGHT)
    embeddings = parameters.get(to_hf_name("embeddings.token.weight"))
    if decoder is None or embeddings is None or table.get("tie_word_embeddings", True):
        return False
    return not torch.equal(decoder, embeddings)


def _with_prefix(name: str) -> str:
    return f"bert.{name}" if name.startswith(_BARE_PREFIXES) else name


def to_hf_config(config: ModelConfig) -> dict[str, Any]:
    """The contents of config.json."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **{theirs: getattr(config, ours) for ours, theirs in _CONFIG.items()},
        "attention_probs_dropout_prob": config.attention_dropout_or_dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
    }


def from_hf_config(table: Mapping[str, Any]) -> ModelConfig:
    """The shape that a config.json describes. Raises ConfigError when it is not a plain BERT."""
    _check_architecture(table)
    given = {key: value for key, value in table.items() if value is not None}
    table = {**_DEFAULTS, **given}
    missing = [theirs for theirs in _CONFIG.values() if theirs not in table]
    if missing:
        raise ConfigError(f"config.json lacks {missing[0]!r}")
    values = {ours: table[theirs] for ours, theirs in _CONFIG.items()}
    values["hidden_act"] = _ACTIVATIONS.get(values["hidden_act"], values["hidden_act"])
    attention_dropout = table.get("attention_probs_dropout_prob", values["dropout"])
    if attention_dropout != values["dropout"]:
        values["attention_dropout"] = attention_dropout
    return ModelConfig(**values)


def _check_architecture(table: Mapping[str, Any]) -> None:
    """Raise ConfigError, naming what the model is, when it is not a plain BERT encoder.

    Old folders do not say: then the names of their classes or weights tell.
    """
    name = table.get("model_type")
    classes = [str(kind) for kind in table.get("architectures") or []]
    if name is None and not all(kind.startswith("Bert") for kind in classes):
        name = classes[0]
    if name not in (None, "bert"):
        raise ConfigError(f"model_type must be 'bert', got {name!r}; only BERT can be read")
    if (positions := table.get("position_embedding_type") or "absolute") != "absolute":
        raise ConfigError(f"cannot use {positions!r} position embeddings, only 'absolute'")
    if table.get("is_decoder"):
        raise ConfigError("cannot use a decoder (is_decoder is true), only an encoder")
