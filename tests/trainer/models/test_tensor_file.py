"""Tensors are written as the library writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.models.tensor_file import bytes_of, write_tensors


@pytest.mark.parametrize("metadata", [{"format": "pt"}, {"a": 'é "quoted" \n \x7f'}])
def test_the_bytes_are_those_of_the_library(tmp_path: Path, metadata: dict[str, str]) -> None:
    tensors = {
        "b.weight": torch.randn(3, 5),
        "a": torch.tensor(2.5),
        "b.bias": torch.randn(7).requires_grad_(),
        "B": torch.zeros(0, 4),
        "é": torch.randn(1, 2, 3),
    }
    write_tensors(tmp_path / "ours", tensors, metadata)
    save_file(tensors, tmp_path / "theirs", metadata)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_bytes_are_not_copied() -> None:
    tensor = torch.zeros(2, 3)
    view = bytes_of(tensor)
    tensor[0, 0] = 1
    assert view.nbytes == 24
    assert bytes(view[:4]) == b"\0\0\x80\x3f"
    with pytest.raises(RuntimeError):
        bytes_of(tensor.T)
