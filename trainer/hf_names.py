"""Our names and Hugging Face's, both ways: parameters and configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from bertdata.errors import ConfigError
from trainer.config import ModelConfig

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
_DEFAULTS = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0}
_FROM_MODULES = {theirs: ours for ours, theirs in _MODULES.items()}
_FROM_LAYER_MODULES = {theirs: ours for ours, theirs in _LAYER_MODULES.items()}
# Copies of tied parameters and fixed tables that some files carry beside the parameters.
_REDUNDANT = ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "position_ids")


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
    if not any(name.startswith(_PREFIXES) for name in parameters):
        parameters = {f"bert.{name}": value for name, value in parameters.items()}
    named = {from_hf_name(n): value for n, value in parameters.items() if n.startswith(_PREFIXES)}
    return {name: value for name, value in named.items() if name is not None}


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
    if table.get("model_type") != "bert":
        raise ConfigError(f"model_type must be 'bert', got {table.get('model_type')!r}")
    if table.get("position_embedding_type", "absolute") != "absolute":
        raise ConfigError(f"cannot use {table['position_embedding_type']!r} position embeddings")
    table = {**_DEFAULTS, **table}
    missing = [theirs for theirs in _CONFIG.values() if theirs not in table]
    if missing:
        raise ConfigError(f"config.json lacks {missing[0]!r}")
    values = {ours: table[theirs] for ours, theirs in _CONFIG.items()}
    attention_dropout = table.get("attention_probs_dropout_prob", values["dropout"])
    if attention_dropout != values["dropout"]:
        values["attention_dropout"] = attention_dropout
    return ModelConfig(**values)
