"""`manifest.json`: what a finished stage consists of, and what it was made from.

It is written last, so a folder that has one is complete. Its content does not depend on the time,
the machine or the number of workers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from bertdata.config import Table
from bertdata.errors import DataError
from bertdata.storage.files import is_file, size_of
from bertdata.storage.foreign import read_foreign, with_way_out
from bertdata.storage.locations import Location
from bertdata.storage.shards import Shard, check_inside, first_line, sha256_of
from bertdata.storage.writing import sync, write_json

_VERSION = 1
# Files of sentences hold ranges of partitions since version 2.
_VERSIONS = {"bertdata-sentences": 2}
FILE_NAME = "manifest.json"
_MAX_BYTES = 1 << 30  # a terabyte of text has some ten megabytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A finished stage.

    `format`: "bertdata-sentences", "-vocab", "-examples" or "-model". `config`: the configuration
    values that shape the result. `inputs`: fingerprints of what the stage was made from. `counts`:
    numbers of documents, examples, … `shards`: the stage's files. `content_sha256`: hash of the
    names, rows and bytes of all shards.
    """

    format: str
    version: int = _VERSION
    config: Table
    inputs: Table
    counts: Table
    shards: tuple[Shard, ...]
    content_sha256: str


def make_manifest(
    kind: str,
    *,
    config: Table,
    inputs: Table,
    counts: Table,
    shards: Iterable[Shard],
) -> Manifest:
    """A manifest with its shards in order of name and their content hash."""
    ordered = tuple(sorted(shards, key=lambda shard: shard.path))
    return Manifest(
        format=f"bertdata-{kind}",
        version=_VERSIONS.get(f"bertdata-{kind}", _VERSION),
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


def write_manifest(folder: Location, manifest: Manifest) -> None:
    """Write `folder`/manifest.json atomically: from now on the stage is complete."""
    sync(folder)  # a manifest must not outlive a power cut that its files do not
    write_json(folder / FILE_NAME, asdict(manifest))
    sync(folder)


def read_manifest(folder: Location) -> Manifest:
    """The manifest of a finished stage.

    Raises DataError when the manifest is missing, damaged, or names files outside its folder.
    """
    path = folder / FILE_NAME
    try:
        table = json.loads(read_foreign(path, _MAX_BYTES))
        shards = tuple(_read_shard(shard) for shard in table.pop("shards"))
        manifest = Manifest(shards=shards, **table)
        _check_text(manifest.format)
        for shard in shards:
            check_inside(folder, shard.path)
    except FileNotFoundError:
        raise DataError(
            f"{folder} is not complete: it has no {FILE_NAME}; name a finished folder, or first: "
            f"bertdata run CONFIG.toml --output {folder.parent}"
        ) from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {with_way_out(first_line(error))}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise damaged_manifest(folder, first_line(error)) from error
    known = _VERSIONS.get(str(manifest.format), _VERSION)
    if manifest.version != known:
        raise DataError(
            f"{path} has version {manifest.version}, this program reads {known}; "
            "make the stage again in another --output"
        )
    return manifest


def damaged_manifest(folder: Location, reason: str) -> DataError:
    """The error for a manifest that no stage can have. A stage made again has the same bytes."""
    return DataError(
        f"{folder / FILE_NAME} is damaged ({reason}); restore it, or delete it (only this file) "
        f"and run again the command that made {folder}"
    )


def _read_shard(table: Table) -> Shard:
    shard = Shard(**table)
    _check_text(shard.path, shard.sha256)
    return shard


def _check_text(*values: object) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r:.60} is not a text")


@contextlib.contextmanager
def manifest_errors_as_data_errors(folder: Location) -> Iterator[None]:
    """Turn errors that a manifest's values cause, where they are used, into DataError.

    Covers missing keys and values of a wrong type or range.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise damaged_manifest(folder, what) from error


def is_complete(folder: Location) -> bool:
    """Whether a stage folder has its manifest."""
    return is_file(folder / FILE_NAME)


def find_damage(folder: Location, manifest: Manifest) -> list[str]:
    """One line for each shard that is missing or has a different size or checksum."""
    return [line for shard in manifest.shards if (line := _damage(folder, shard))]


def check_stage(folder: Location, paths: Iterable[str]) -> None:
    """`check_shards` for a stage's folder; a folder without a manifest passes.

    Raises DataError as `check_shards` and `read_manifest` do.
    """
    if is_complete(folder):
        check_shards(folder, read_manifest(folder), paths)


def check_shards(folder: Location, manifest: Manifest, paths: Iterable[str]) -> None:
    """Raise DataError for the first of these files that differs from the stage's manifest.

    Files that the manifest does not name are ignored.
    """
    wanted = set(paths)
    for shard in manifest.shards:
        if shard.path in wanted:
            check_shard(folder, shard, manifest.format)


def check_shard(folder: Location, shard: Shard, kind: str) -> None:
    """Raise DataError when a file is missing or its bytes differ from its manifest.

    `kind`: the manifest's format. The message names a way out that keeps everything made from the
    file: a stage made again from the same inputs has the same bytes.
    """
    if damage := _damage(folder, shard):
        command = _COMMANDS.get(kind, "run")
        raise DataError(
            f"{damage}; restore the file, or delete it (only this file) and run "
            f"bertdata {command} CONFIG.toml --output {folder.parent}, which makes the same file"
        )


_COMMANDS = {
    "bertdata-punkt": "sentences",
    "bertdata-sentences": "sentences",
    "bertdata-vocab": "vocab",
    "bertdata-examples": "examples",
    "bertdata-model": "train",
}


def _damage(folder: Location, shard: Shard) -> str | None:
    path = folder / shard.path
    try:
        is_there = is_file(path)
    except OSError as error:  # a name too long for any file
        return f"{path}: {error.strerror}"
    if not is_there:
        return f"{path}: missing"
    if (size := size_of(path)) != shard.bytes:
        return f"{path}: {size} bytes, the manifest says {shard.bytes}"
    if (digest := sha256_of(path)) != shard.sha256:
        return f"{path}: sha256 {digest[:12]}…, the manifest says {shard.sha256[:12]}…"
    return None
