"""BERT in Hugging Face's format: the names of parameters and the configuration, both ways."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bertdata.config import Table
from bertdata.errors import ConfigError
from trainer.models.names import NameTable
from trainer.shape import ModelConfig, check_value

_NAMES = NameTable(
    modules={
        "embeddings.token": "bert.embeddings.word_embeddings",
        "embeddings.segment": "bert.embeddings.token_type_embeddings",
        "embeddings.position": "bert.embeddings.position_embeddings",
        "embeddings.norm": "bert.embeddings.LayerNorm",
        "pooler": "bert.pooler.dense",
        "transform": "cls.predictions.transform.dense",
        "transform_norm": "cls.predictions.transform.LayerNorm",
        "next_sentence": "cls.seq_relationship",
    },
    block_modules={
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attention_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "expand": "intermediate.dense",
        "contract": "output.dense",
        "output_norm": "output.LayerNorm",
    },
    blocks="bert.encoder.layer",
    parameters={"output_bias": "cls.predictions.bias"},
)
_PREFIXES = ("bert.", "cls.")
# The names of a plain BertModel begin with these, without "bert.".
_BARE_PREFIXES = ("embeddings.", "encoder.", "pooler.")
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
_ATTENTION_DROPOUT = "attention_probs_dropout_prob"
# Values of keys that older files leave out.
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
_DECODER_WEIGHT = "cls.predictions.decoder.weight"
_DECODER_BIAS = "cls.predictions.decoder.bias"
# Copies of tied parameters and fixed tables that some files carry beside the parameters.
_REDUNDANT = (_DECODER_WEIGHT, _DECODER_BIAS, "position_ids", "embeddings.token_type_ids")


def to_hf_name(name: str) -> str:
    """layers.0.query.weight -> bert.encoder.layer.0.attention.self.query.weight"""
    return _NAMES.to_hf(name)


def from_hf_name(name: str) -> str | None:
    """Return our name; None for a copy of a tied parameter. Raises KeyError for an unknown name."""
    if name.endswith(_REDUNDANT):
        return None
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
    name = name.replace("LayerNorm.beta", "LayerNorm.bias")
    return _NAMES.from_hf(name)


def to_hf_parameters(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's parameters under Hugging Face's names, without the tied decoder."""
    return {to_hf_name(name): value for name, value in parameters.items()}


def from_hf_parameters(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return parameters under our names; also from a BertModel, whose names lack "bert.".

    The heads of other tasks, such as "classifier.weight", are left out. Raises KeyError for a name
    of encoder or head that BERT does not have.
    """
    parameters = {_with_prefix(name): value for name, value in parameters.items()}
    if _DECODER_BIAS in parameters:
        parameters.setdefault(_NAMES.to_hf("output_bias"), parameters[_DECODER_BIAS])
    named = {from_hf_name(n): value for n, value in parameters.items() if n.startswith(_PREFIXES)}
    return {name: value for name, value in named.items() if name is not None}


def has_own_decoder(parameters: Mapping[str, Tensor], table: Table) -> bool:
    """Whether the masked-language-model head has a matrix other than the embeddings.

    `parameters`: under Hugging Face's names. `table`: the contents of config.json.
    """
    decoder = parameters.get(_DECODER_WEIGHT)
    embeddings = parameters.get(to_hf_name("embeddings.token.weight"))
    if decoder is None or embeddings is None or table.get("tie_word_embeddings", True):
        return False
    return not torch.equal(decoder, embeddings)


def _with_prefix(name: str) -> str:
    return f"bert.{name}" if name.startswith(_BARE_PREFIXES) else name


def to_hf_config(config: ModelConfig) -> dict[str, object]:
    """Return the contents of config.json."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **{theirs: getattr(config, ours) for ours, theirs in _CONFIG.items()},
        _ATTENTION_DROPOUT: config.attention_dropout_or_dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
    }


def from_hf_config(table: Table) -> ModelConfig:
    """Return the shape in a config.json. Raises ConfigError if it is not a plain BERT."""
    _check_architecture(table)
    given = {key: value for key, value in table.items() if value is not None}
    table = {**_DEFAULTS, **given}
    missing = [theirs for theirs in _CONFIG.values() if theirs not in table]
    if missing:
        raise ConfigError(f"config.json lacks {missing[0]!r}; add it there")
    name = table["hidden_act"]
    table["hidden_act"] = _ACTIVATIONS.get(name, name) if isinstance(name, str) else name
    values = {ours: table[theirs] for ours, theirs in _CONFIG.items()}
    attention_dropout = table.get(_ATTENTION_DROPOUT, values["dropout"])
    if attention_dropout != values["dropout"]:
        values["attention_dropout"] = attention_dropout
    for ours, value in values.items():
        check_value(ours, value, _CONFIG.get(ours, _ATTENTION_DROPOUT))
    return ModelConfig(**values)


def _check_architecture(table: Table) -> None:
    """Raise ConfigError, naming the kind of model, if it is not a plain BERT encoder.

    Old folders have no model_type: the names of their classes decide.
    """
    name = table.get("model_type")
    listed = table.get("architectures") or []
    if not isinstance(listed, list):
        raise ConfigError(f"architectures must be a list of names, got {listed!r:.60}")
    classes = [str(kind) for kind in listed]
    if name is None and not all(kind.startswith("Bert") for kind in classes):
        name = classes[0]
    if name not in (None, "bert"):
        raise ConfigError(f"model_type must be 'bert', got {name!r:.60}; only BERT can be read")
    if (positions := table.get("position_embedding_type") or "absolute") != "absolute":
        raise ConfigError(f"position_embedding_type must be 'absolute', got {positions!r:.60}")
    if table.get("is_decoder"):
        raise ConfigError("is_decoder must be false: only an encoder can be read")
