"""The form of a run's parameters: keys of the TOML file, their sentences, its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bertdata.config import key_docs, keys, to_table
from bertdata.errors import ConfigError
from flows import end_to_end
from flows.config import DEMO_CONFIG, PARTS, RunConfig, load_config, read_config

FLOWS = ("run", "sentences", "vocab", "examples", "train")


def schema_of(flow: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(end_to_end, flow).parameters.model_dump()
    return found


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_has_the_same_form(flow: str) -> None:
    schema = schema_of(flow)
    assert schema == schema_of("run")
    assert schema["required"] == ["config", "base", "output"]
    properties = schema["properties"].values()
    assert all(len(shown["description"]) > 20 for shown in properties)


def test_the_form_has_every_key_with_title_default_and_sentence() -> None:
    config = schema_of("run")["properties"]["config"]["properties"]
    assert list(config) == ["corpus", "seed", *PARTS]
    for name, kind in PARTS.items():
        table = config[name]["properties"]
        assert list(table) == keys(kind)
        assert all(shown["title"] == key for key, shown in table.items())
        docs = {key: text[:1].upper() + text[1:] for key, text in key_docs(kind).items()}
        assert {key: shown["description"] for key, shown in table.items()} == docs
    assert config["train"]["properties"]["batch_size"] == {
        "title": "batch_size",
        "type": "integer",
        "default": 64,
        "description": "Sequences per step, padded to the longest.",
    }
    assert config["train"]["properties"]["optimizer"]["enum"] == ["adamw", "muon"]
    corpus = config["corpus"]["items"]
    assert corpus["required"] == ["name", "format"]
    assert corpus["properties"]["paths"]["items"]["type"] == "string"
    assert "enum" not in corpus["properties"]["name"]


def test_defaults_of_the_form_are_those_of_the_file() -> None:
    config = schema_of("run")["properties"]["config"]["properties"]
    shown = {
        name: {
            key: value["default"]
            for key, value in table["properties"].items()
            if "default" in value
        }
        for name, table in config.items()
        if name in PARTS
    }
    assert read_config(shown) == RunConfig()


def test_what_the_form_sends_is_read_like_the_file() -> None:
    config = load_config(DEMO_CONFIG)
    sent = json.loads(json.dumps(to_table(config)))
    given = {"config": sent, "base": "/texts", "output": "runs/x"}
    assert end_to_end.run.validate_parameters(given)["config"] == config
    assert end_to_end.run.validate_parameters({**given, "config": config})["config"] == config


def test_a_wrong_key_has_the_message_of_the_file() -> None:
    given = {"config": {"vocab": {"sise": 3}}, "base": "", "output": ""}
    with pytest.raises(ConfigError, match=r"\[vocab\] has no key 'sise'; did you mean 'size'\?"):
        end_to_end.run.validate_parameters(given)
