"""`manifest.json`: what a finished stage consists of, and what it was made from.

It is written last, so a folder that has one is complete. Nothing in it depends on the time, the
machine or the number of workers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertdata.errors import DataError
from bertdata.storage.shards import (
    Shard,
    check_inside,
    first_line,
    sha256_of,
    sync_names,
    write_json,
)

_VERSION = 1
FILE_NAME = "manifest.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A finished stage.

    `format`: "bertdata-sentences", "-vocab", "-examples" or "-model". `config`: what shapes the
    result. `inputs`: fingerprints of what it was made from. `counts`: documents, examples, …
    `shards`: its files. `content_sha256` covers names, rows and bytes of all shards.
    """

    format: str
    version: int = _VERSION
    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    counts: Mapping[str, Any]
    shards: tuple[Shard, ...]
    content_sha256: str


def make_manifest(
    kind: str,
    *,
    config: Mapping[str, Any],
    inputs: Mapping[str, Any],
    counts: Mapping[str, Any],
    shards: Iterable[Shard],
) -> Manifest:
    """A manifest with its shards in order of name and their content hash."""
    ordered = tuple(sorted(shards, key=lambda shard: shard.path))
    return Manifest(
        format=f"bertdata-{kind}",
        config=config,
        inputs=inputs,
        counts=counts,
        shards=ordered,
        content_sha256=content_hash(ordered),
    )


def content_hash(shards: Iterable[Shard]) -> str:
    """SHA-256 over each shard's path, rows and SHA-256: equal data, equal value."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(f"{shard.path} {shard.rows} {shard.sha256}\n".encode())
    return digest.hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `folder`/manifest.json atomically: from now on the stage is complete."""
    sync_names(folder)  # it must not be there without the files it names
    write_json(folder / FILE_NAME, asdict(manifest))
    sync_names(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished stage.

    Raises DataError when there is none, it is damaged, or it names files outside its folder.
    """
    path = folder / FILE_NAME
    try:
        table = json.loads(path.read_bytes())
        shards = tuple(Shard(**shard) for shard in table.pop("shards"))
        manifest = Manifest(shards=shards, **table)
        for shard in shards:
            check_inside(folder, shard.path)
    except FileNotFoundError:
        raise DataError(f"{folder} is not complete: it has no {FILE_NAME}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise DataError(f"{path} is damaged: {first_line(error)}") from error
    if manifest.version != _VERSION:
        raise DataError(f"{path} has version {manifest.version}, this program reads {_VERSION}")
    return manifest


@contextlib.contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Where a manifest's values are used: what it lacks or makes no sense becomes a DataError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise DataError(f"{folder / FILE_NAME} is damaged ({what})") from error


def is_complete(folder: Path) -> bool:
    """Whether a stage folder has its manifest."""
    return (folder / FILE_NAME).is_file()


def find_damage(folder: Path, manifest: Manifest) -> list[str]:
    """One line for every shard that is missing, of another size or with another checksum."""
    return [line for shard in manifest.shards if (line := _damage(folder, shard))]


def check_stage(folder: Path, paths: Iterable[str]) -> None:
    """`check_shards` of a stage's folder; one without a manifest is taken as it is.

    Raises DataError as `check_shards` and `read_manifest`.
    """
    if is_complete(folder):
        check_shards(folder, read_manifest(folder), paths)


def check_shards(folder: Path, manifest: Manifest, paths: Iterable[str]) -> None:
    """Raise DataError at the first of these files of a stage that is not as its manifest says.

    Files that the manifest does not name are not looked at.
    """
    wanted = set(paths)
    for shard in manifest.shards:
        if shard.path in wanted:
            check_shard(folder, shard, manifest.format)


def check_shard(folder: Path, shard: Shard, kind: str) -> None:
    """Raise DataError where a file is missing or has other bytes than its manifest says.

    `kind`: the manifest's format. The message names the way out that keeps what was made from the
    file: a stage made again from the same inputs has the same bytes.
    """
    if damage := _damage(folder, shard):
        command = _COMMANDS.get(kind, "run")
        raise DataError(
            f"{damage}; put the file back as it was, or delete it (this file alone) and run "
            f"bertdata {command} CONFIG.toml --output {folder.parent}, which makes the same again"
        )


_COMMANDS = {
    "bertdata-punkt": "sentences",
    "bertdata-sentences": "sentences",
    "bertdata-vocab": "vocab",
    "bertdata-examples": "examples",
    "bertdata-model": "train",
}


def _damage(folder: Path, shard: Shard) -> str | None:
    path = folder / shard.path
    try:
        is_there = path.is_file()
    except OSError as error:  # a name too long for any file
        return f"{path}: {error.strerror}"
    if not is_there:
        return f"{path}: missing"
    if (size := path.stat().st_size) != shard.bytes:
        return f"{path}: {size} bytes, the manifest says {shard.bytes}"
    if (digest := sha256_of(path)) != shard.sha256:
        return f"{path}: sha256 {digest[:12]}…, the manifest says {shard.sha256[:12]}…"
    return None
