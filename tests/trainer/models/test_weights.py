"""Which file of weights is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bertdata.errors import DataError
from trainer.models.weights import WEIGHTS_NAME, find_weights, read_weights


def test_safetensors_come_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"it has neither model\.safetensors nor pytorch_model.bin"):
        find_weights(tmp_path)
    torch.save({"a": torch.ones(2), "step": 3}, tmp_path / "pytorch_model.bin")
    assert find_weights(tmp_path).name == "pytorch_model.bin"
    assert read_weights(find_weights(tmp_path)).keys() == {"a"}
    save_file({"b": torch.ones(2)}, tmp_path / WEIGHTS_NAME)
    assert read_weights(find_weights(tmp_path)).keys() == {"b"}
