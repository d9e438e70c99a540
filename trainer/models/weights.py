"""The weights of a Hugging Face folder.

They are in safetensors files or PyTorch's own, each in one file or in shards with an index. The
first of these that exists is read, as in `transformers`.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor

from bertdata.errors import DataError
from bertdata.storage.files import exists
from bertdata.storage.foreign import open_foreign, read_foreign_table, with_way_out
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line

WEIGHTS_NAME = "model.safetensors"
_INDEX_SUFFIX = ".index.json"
_NAMES = (
    WEIGHTS_NAME,
    f"{WEIGHTS_NAME}{_INDEX_SUFFIX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{_INDEX_SUFFIX}",
)


def find_weights(folder: Location) -> Location:
    """Return the file of a folder's weights, or of their index. Raises DataError if it has none."""
    for name in _NAMES:
        if exists(folder / name):
            return folder / name
    raise DataError(
        f"{folder} holds no complete model: it has neither {WEIGHTS_NAME} nor "
        "pytorch_model.bin; put one of them there"
    )


def read_weights(path: Location) -> dict[str, Tensor]:
    """Return all parameters of a file, or of the shards of an index, by name.

    Those of a safetensors file of this machine take no memory before they are used. Raises
    DataError if a file is missing or damaged, or holds anything but tensors.
    """
    try:
        if not path.name.endswith(_INDEX_SUFFIX):
            return _read_file(path)
        shards = _shard_names(path)
        return {name: value for shard in shards for name, value in _read_file(shard).items()}
    except (OSError, ValueError, EOFError, SafetensorError, RuntimeError) as error:
        reason = with_way_out(first_line(error))
        raise DataError(f"{path.parent} holds no complete model: {reason}") from error


def _shard_names(index: Location) -> list[Location]:
    weight_map = read_foreign_table(index).get("weight_map")
    if not isinstance(weight_map, Mapping):
        raise ValueError(f"{index.name} has no weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    if outside := [name for name in names if Path(name).name != name]:
        raise ValueError(f"{index.name} names {outside[0]!r}, which is not a file beside it")
    return [index.parent / name for name in names]


def _read_file(path: Location) -> dict[str, Tensor]:
    found = _load_tensors(path) if path.suffix == ".safetensors" else _load_pickled(path)
    if not isinstance(found, Mapping):
        raise ValueError(f"{path.name} holds no parameters by name")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _load_tensors(path: Location) -> dict[str, Tensor]:
    with open_foreign(path) as file:
        if not isinstance(path, Path):
            return dict(load(file.read()))
        # The file that was looked at, whatever its name leads to by now; memory-mapped.
        return dict(load_file(f"/dev/fd/{file.fileno()}"))


def _load_pickled(path: Location) -> object:
    with open_foreign(path) as file:
        try:
            _check_unpacked_size(file)
            found: object = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds over a damaged file
            raise DataError(
                f"{path.parent} holds no complete model: {path.name} is damaged, or holds more "
                f"than tensors and could be a program; save the model as {WEIGHTS_NAME}"
            ) from error
    return found


def _check_unpacked_size(file: BinaryIO) -> None:
    """Raise ValueError for an archive of which more comes out than is in it.

    torch compresses nothing.
    """
    if zipfile.is_zipfile(file):
        size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > size:
                raise ValueError("is compressed")
    file.seek(0)
