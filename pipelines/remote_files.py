"""Corpora on other storage, through Beam's file systems: gs://, s3://, hdfs:// and others.

A worker fetches one file at a time to a temporary folder, reads it as any other and removes it. So
every format and compression is read from everywhere, and a damaged file is found as at home; but a
remote file is never cut between workers.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from bertdata.corpus.config import (
    GONE,
    CorpusConfig,
    FilePart,
    InputFile,
    InputUnit,
    check_unchanged,
    is_dump_index,
    is_remote,
    skippable,
    unreadable_file,
)
from bertdata.corpus.documents import Document, Rejection, printable_name
from bertdata.corpus.formats.registry import read_unit
from bertdata.errors import InputError
from bertdata.storage.shards import first_line

_WILDCARD = re.compile(r"[*?\[]")
_BLOCK_BYTES = 1 << 20
# Whatever a storage's own library raises is about that storage, never about us.
_STORAGE_ERRORS = (BeamIOError, OSError, ValueError, ImportError, RuntimeError)


def list_remote_inputs(corpus: CorpusConfig) -> tuple[InputFile, ...]:
    """The files of a corpus whose paths are addresses, each once, sorted by name.

    Raises InputError when a pattern matches no file or the storage does not answer.
    """
    found: dict[str, FileMetadata] = {}
    for pattern in corpus.paths:
        found.update((file.path, file) for file in _match(corpus, pattern))
    root = _common_folder([_literal_folder(pattern) for pattern in corpus.paths])
    files = [path for path in found if not is_dump_index(corpus, PurePosixPath(path).name)]
    named = sorted((path.removeprefix(root).lstrip("/"), path) for path in files)
    return tuple(_describe(found[path], name) for name, path in named)


def read_anywhere(unit: InputUnit) -> Iterator[Document | Rejection]:
    """`read_unit`, with files on other storage fetched first, one at a time."""
    if not any(is_remote(part.path) for part in unit.parts):
        yield from read_unit(unit)
        return
    for part in unit.parts:
        with tempfile.TemporaryDirectory(prefix="bertdata-") as folder:
            try:
                local = _fetch(part, Path(folder))
            except InputError as error:
                if unit.corpus.on_bad_file == "stop":
                    raise skippable(error) from error
                yield unreadable_file(unit.corpus, part, error)
                continue
            check_unchanged(part, _version_of(part))
            yield from read_unit(replace(unit, parts=(local,)))


def _match(corpus: CorpusConfig, pattern: str) -> list[FileMetadata]:
    """The files that match; a name that looks like a glob but matches nothing is taken as it is."""
    found = _list(pattern)
    if not found and _WILDCARD.search(pattern):
        found = _list_literally(pattern)
    if not found:
        raise InputError(f"no file matches {pattern} (corpus {corpus.name!r})")
    return found


def _list(pattern: str) -> list[FileMetadata]:
    try:
        (result,) = FileSystems.match([pattern])
    except _STORAGE_ERRORS as error:
        raise InputError(f"cannot list {pattern}: {first_line(error)}") from error
    return list(result.metadata_list)


def _list_literally(path: str) -> list[FileMetadata]:
    """The file of that very name, if it is there."""
    return [file for file in _list(_WILDCARD.sub("?", path)) if file.path == path]


def _describe(file: FileMetadata, name: str) -> InputFile:
    try:
        checksum = FileSystems.checksum(file.path)
    except _STORAGE_ERRORS as error:
        raise InputError(f"cannot read {file.path}: {first_line(error)}") from error
    content = f"{file.size_in_bytes} {checksum}"
    if checksum == str(file.size_in_bytes):  # a storage without checksums says the size
        content += f" {file.last_updated_in_seconds}"
    digest = hashlib.sha256(content.encode()).hexdigest()
    return InputFile(
        path=file.path,
        name=printable_name(name),
        bytes=file.size_in_bytes,
        fingerprint=digest,
        version=digest,
    )


def _fetch(part: FilePart, folder: Path) -> FilePart:
    """The part as one of a local copy, whose suffixes are those of the original."""
    local = folder / PurePosixPath(part.path).name
    try:
        with (
            FileSystems.open(part.path, compression_type=CompressionTypes.UNCOMPRESSED) as source,
            local.open("wb") as target,
        ):
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
    except _STORAGE_ERRORS as error:
        raise InputError(f"cannot read {part.path}: {first_line(error)}") from error
    return replace(part, path=str(local), version="")


def _version_of(part: FilePart) -> str:
    try:
        found = _list_literally(part.path)
    except InputError:
        return GONE
    return next((_describe(file, part.name).version for file in found), GONE)


def _literal_folder(pattern: str) -> str:
    """The folder above the first part of an address with a wildcard, or above the file."""
    scheme, _, rest = pattern.partition("://")
    literal: list[str] = []
    for part in rest.split("/")[:-1]:
        if _WILDCARD.search(part):
            break
        literal.append(part)
    return f"{scheme}://{'/'.join(literal)}"


def _common_folder(folders: list[str]) -> str:
    parts = [folder.split("/") for folder in folders]
    common: list[str] = []
    for level in zip(*parts):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return "/".join(common)
