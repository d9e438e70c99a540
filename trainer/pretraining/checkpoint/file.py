"""The file of a checkpoint: tensors in the safetensors format, and a JSON text about them.

Its metadata are `checkpoint`, the text, and `sha256`, of the text and of each tensor's name, shape
and bytes: all that is read from the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bertdata.config import Table
from bertdata.errors import DataError
from bertdata.storage.files import iterate_blocks
from bertdata.storage.locations import Location
from bertdata.storage.shards import first_line
from trainer.models.tensor_file import bytes_of, write_tensors

_VERSION = 1
_KEYS = {"version", "identity", "progress"}
_TEXT, _DIGEST = "checkpoint", "sha256"
_GO_BACK = "delete it to go on from the one before"


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a checkpoint holds. `identity`: which run it belongs to."""

    identity: Table
    progress: Table
    tensors: Mapping[str, Tensor]


def write_content(path: Path, content: Content) -> None:
    """Write a checkpoint's file. Raises OSError."""
    table = {
        "version": _VERSION,
        "identity": content.identity,
        "progress": content.progress,
    }
    text = json.dumps(table)
    digest = _digest(text, content.tensors)
    write_tensors(path, content.tensors, {_TEXT: text, _DIGEST: digest})


@contextlib.contextmanager
def open_content(location: Location) -> Iterator[Content]:
    """Open a checkpoint's file, whose tensors can be used within the context.

    Raises DataError if anything in it is not what was written.
    """
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(_on_this_machine(location))
            file = stack.enter_context(safe_open(path, framework="pt"))
            content = _read(file)
        except OSError as error:
            reason = error.strerror or first_line(error)
            raise DataError(
                f"{location} cannot be read: {reason}; make it readable, or {_GO_BACK}"
            ) from error
        except (SafetensorError, ValueError, RuntimeError, LookupError, TypeError) as error:
            raise damaged(location, first_line(error)) from error
        yield content


def damaged(location: Location, reason: str) -> DataError:
    """Return the error for a checkpoint that cannot be used."""
    return DataError(f"{location} is damaged ({reason}); {_GO_BACK}")


@contextlib.contextmanager
def _on_this_machine(location: Location) -> Iterator[Path]:
    """A file that can be memory-mapped: this one, or a copy of it."""
    if isinstance(location, Path):
        with location.open("rb"):  # which says why it cannot be opened
            pass
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="bertdata-") as folder:
        path = Path(folder, "checkpoint")
        with path.open("wb") as file:
            file.writelines(iterate_blocks(location))
        yield path


def _read(file: safe_open) -> Content:
    """Read an open file. Raises ValueError and other errors over what is damaged."""
    metadata = file.metadata() or {}
    if set(metadata) != {_TEXT, _DIGEST}:
        raise ValueError("it is not a checkpoint")
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    if other := [name for name, value in tensors.items() if value.dtype is not torch.float32]:
        raise ValueError(f"{other[0]} is not of single precision")
    if _digest(metadata[_TEXT], tensors) != metadata[_DIGEST]:
        raise ValueError("its checksum is wrong")
    table = json.loads(metadata[_TEXT])
    _check_table(table)
    return Content(identity=table["identity"], progress=table["progress"], tensors=tensors)


def _check_table(table: object) -> None:
    if not isinstance(table, dict) or "version" not in table:
        raise ValueError("it has no version")
    if table["version"] != _VERSION:
        raise ValueError(f"it has version {table['version']}, this program reads {_VERSION}")
    for key in sorted(_KEYS ^ table.keys()):
        raise ValueError(f"it has {'no ' if key in _KEYS else 'an unknown '}key {key!r}")
    for key in ("identity", "progress"):
        if not isinstance(table[key], dict):
            raise ValueError(f"its {key} is not a table")


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(json.dumps([name, list(tensors[name].shape)]).encode())
        digest.update(bytes_of(tensors[name]))
    return digest.hexdigest()
