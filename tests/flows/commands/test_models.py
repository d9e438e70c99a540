"""Commands that use a model: which one, if none is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertdata.errors import ConfigError
from flows.commands.models import _newest_model


def test_the_newest_model_is_the_one_written_last(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no trained model below"):
        _newest_model(tmp_path)
    for name, time in {"a": 1, "b": 3, "c": 2}.items():
        weights = tmp_path / name / "model" / "model.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
        os.utime(weights, (time, time))
    assert _newest_model(tmp_path) == tmp_path / "b" / "model"
