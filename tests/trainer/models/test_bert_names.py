"""The name table goes both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bertdata.errors import ConfigError
from tests.trainer.models.test_bert import make_model
from trainer.models.bert_names import (
    from_hf_config,
    from_hf_name,
    from_hf_parameters,
    to_hf_config,
    to_hf_name,
    to_hf_parameters,
)


def test_there_and_back() -> None:
    model = make_model()
    theirs = to_hf_parameters(model.state_dict())
    assert len(theirs) == len(model.state_dict())
    assert all(name.startswith(("bert.", "cls.")) for name in theirs)
    back = from_hf_parameters(theirs)
    assert back.keys() == model.state_dict().keys()
    assert from_hf_config(to_hf_config(model.config)) == model.config


def test_names() -> None:
    theirs = "bert.encoder.layer.11.attention.self.query.weight"
    assert to_hf_name("layers.11.query.weight") == theirs
    assert from_hf_name(theirs) == "layers.11.query.weight"
    assert from_hf_name("bert.embeddings.LayerNorm.gamma") == "embeddings.norm.weight"
    assert from_hf_name("cls.predictions.bias") == "output_bias"
    assert from_hf_name("cls.predictions.decoder.weight") is None


def test_copies_of_tied_parameters_are_left_out() -> None:
    tied = {"cls.predictions.decoder.bias": torch.zeros(1), "cls.predictions.bias": torch.ones(1)}
    assert from_hf_parameters(tied).keys() == {"output_bias"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "model_type must be 'bert', got 'roberta'"),
        ({"position_embedding_type": "relative_key"}, "must be 'absolute', got 'relative_key'"),
        ({"hidden_act": "relu"}, "hidden_act must be one of gelu, gelu_new; got 'relu'"),
    ],
)
def test_other_models_are_refused(change: dict[str, Any], message: str) -> None:
    table = {**to_hf_config(make_model().config), **change}
    with pytest.raises(ConfigError, match=message):
        from_hf_config(table)


def test_a_missing_key_is_named() -> None:
    table = to_hf_config(make_model().config)
    del table["vocab_size"]
    with pytest.raises(ConfigError, match=r"config\.json lacks 'vocab_size'"):
        from_hf_config(table)
