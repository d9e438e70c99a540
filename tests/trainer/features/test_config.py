"""Checks of the configuration of features."""

from __future__ import annotations

import argparse

import pytest

from bertdata.errors import ConfigError
from trainer.command import take_config
from trainer.features.config import FeaturesConfig, add_arguments


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pooling": "max"}, "pooling must be one of cls, mean, tokens"),
        ({"layers": ()}, "layers must name at least one layer"),
        ({"batch_pieces": 0}, "batch_pieces must be from 1"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeaturesConfig(**values)  # type: ignore[arg-type]


def test_the_unit_has_a_flag_of_its_own() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = vars(parser.parse_args(["model", "--input", "a", "--output", "b", "--by", "sentence"]))
    assert take_config(FeaturesConfig, given) == FeaturesConfig(unit="sentence")
