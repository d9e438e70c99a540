"""Tensors written in the safetensors format.

The bytes are those of the library's own writer, which is not used: it writes under a name of its
own, which a killed process leaves behind, and hides why a file could not be written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_ALIGNMENT = 8
_LENGTH_BYTES = 8


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors of single precision in the host's memory, without a copy of them.

    Raises OSError.
    """
    header = _header(tensors, metadata)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(_LENGTH_BYTES, "little"))
        file.write(header)
        for name in sorted(tensors):
            file.write(bytes_of(tensors[name]))


def bytes_of(tensor: Tensor) -> memoryview:
    """Return the bytes of a contiguous tensor, without a copy of them."""
    return tensor.detach().view(-1).view(torch.uint8).numpy().data


def _header(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return what the file says of its tensors, with spaces up to a multiple of 8 bytes."""
    table: dict[str, object] = {"__metadata__": dict(metadata)}
    start = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        assert tensor.dtype is torch.float32, name
        end = start + tensor.nbytes
        table[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    header = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    return header + b" " * (-len(header) % _ALIGNMENT)
