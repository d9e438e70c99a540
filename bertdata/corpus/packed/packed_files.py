"""The text files of an input file: the file itself, or the files packed in it.

A tar archive, compressed or not, and a ZIP archive are read member by member. The kind of a file is
found from its first bytes, not its name: compressed files under other names are read too, also in
several layers. A file that is not text is reported instead of read.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from bertdata.corpus.compression import (
    FREE_BYTES,
    decompress,
    find_compression,
    is_compressed,
    read_blocks,
    read_range,
    unreadable,
)
from bertdata.corpus.config import CorpusConfig, FilePart
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.packed.archives import (
    Member,
    is_office,
    is_tar,
    iter_tar,
    iter_zip,
    member_name,
)
from bertdata.corpus.packed.signatures import (
    OFFICE,
    SIGNATURE_BYTES,
    ZIP,
    name_archive,
    name_binary,
)
from bertdata.errors import InputError
from bertdata.storage.files import size_of
from bertdata.storage.locations import Location, locate

_MAX_LAYERS = 8  # archives and compressions inside each other
_UNPACK = "unpack it, and name its files in paths"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFile:
    """A text file. `name`: for ids. `beginning`: of the file, even if `blocks` start later.

    `offset`: of the first byte of `blocks` in the file. `problem`: what it is if it is not text.
    """

    name: str
    beginning: bytes
    blocks: Iterator[bytes]
    offset: int = 0
    problem: str = ""


def iter_files(part: FilePart, corpus: CorpusConfig) -> Generator[TextFile]:
    """The file of a part, or the members of that archive, one at a time.

    Raises InputError when the file or its content cannot be read, and for unsupported archives.
    """
    path = locate(part.path)
    if _is_misnamed(path):
        blocks = read_range(path, 0, None)
    else:
        blocks = read_blocks(path, part.start, part.stop, corpus.max_compression_ratio)
    with contextlib.closing(blocks):
        if part.start:  # planned as lines of an uncompressed file
            beginning = read_beginning(path)
            yield TextFile(name=part.name, beginning=beginning, blocks=blocks, offset=part.start)
        else:
            yield from _Unpacker(part, corpus).open(part.name, blocks)


def read_files(
    part: FilePart,
    corpus: CorpusConfig,
    read_file: Callable[[TextFile, CorpusConfig], Iterator[Document | Rejection]],
) -> Iterator[Document | Rejection]:
    """The results of `read_file` for each text file; others are rejected. Raises InputError."""
    with contextlib.closing(iter_files(part, corpus)) as files:
        for file in files:
            if file.problem:
                yield _refusal(file, corpus)
            else:
                yield from read_file(file, corpus)


def _refusal(file: TextFile, corpus: CorpusConfig) -> Rejection:
    """The rejection of a file that is not text."""
    detail = f"{file.problem}, not text"
    return Rejection(source=corpus.name, document=file.name, reason="not_text", detail=detail)


def is_packed(beginning: bytes) -> bool:
    """Whether a file with this beginning is an archive, compressed, or known not to be text."""
    return bool(
        find_compression(beginning)
        or is_tar(beginning)
        or name_archive(beginning)
        or name_binary(beginning)
    )


def _is_misnamed(path: Location) -> bool:
    """Whether a file's content is packed in a different way than its suffix says."""
    if not is_compressed(path):
        return False
    with contextlib.closing(read_range(path, 0, None, SIGNATURE_BYTES)) as blocks:
        beginning, _ = peek(blocks)
    return is_packed(beginning) and find_compression(beginning) != path.suffix.lower()


def check_no_archive(path: Location, corpus: CorpusConfig) -> None:
    """Raise InputError for an archive in a format that does not read archives."""
    beginning = read_beginning(path)
    kind = "a tar archive" if is_tar(beginning) else name_archive(beginning)
    if kind:
        raise InputError(
            f'{path} is {kind}, which format = "{corpus.format}" does not read; {_UNPACK}'
        )


def read_beginning(path: Location) -> bytes:
    """The first bytes of a file, decompressed; fewer if it is damaged."""
    read = read_range(path, 0, None) if _is_misnamed(path) else read_blocks(path)
    with contextlib.closing(read) as blocks:
        beginning, _ = peek(blocks)
        return beginning


def peek(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of blocks, and the same blocks; damage is raised when it is reached again."""
    taken: list[bytes] = []
    rest: Iterable[bytes] = blocks
    try:
        while sum(map(len, taken)) < SIGNATURE_BYTES and (block := next(blocks, b"")):
            taken.append(block)
    except InputError as error:
        rest = _fail(error)
    beginning = b"".join(taken)
    return beginning, itertools.chain((beginning,) if beginning else (), rest)


def _fail(error: InputError) -> Iterator[bytes]:
    raise error
    yield b""


class Allowance:
    """What a file may still unpack to: 64 MiB in all, or `max_ratio` times its size if more."""

    def __init__(self, path: Location, max_ratio: int) -> None:
        self._path = path
        self._max_ratio = max_ratio
        try:
            self._bytes_left = max(FREE_BYTES, max_ratio * size_of(path))
        except OSError as error:
            raise unreadable(path, error) from error

    def take(self, count: int) -> None:
        """Count so many unpacked bytes. Raises InputError when there are too many in all."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            ratio = f"{self._max_ratio:,}"
            raise InputError(f"{self._path} holds over {ratio} times what it takes: a bomb")


class _Unpacker:
    """Unpacks one file; the total output is limited by the file's size."""

    def __init__(self, part: FilePart, corpus: CorpusConfig) -> None:
        self._path = locate(part.path)
        self._name = part.name
        self._corpus = corpus
        self._allowance: Allowance | None = None

    def open(self, name: str, blocks: Iterator[bytes], layers: int = 0) -> Iterator[TextFile]:
        """The files in `blocks`; `layers`: number of archives and compressions around them."""
        beginning, blocks = peek(blocks)
        if layers > _MAX_LAYERS:
            yield self._refuse(name, f"packed more than {_MAX_LAYERS} times", is_archive=True)
        elif compression := find_compression(beginning):
            max_ratio = self._corpus.max_compression_ratio
            inner = decompress(blocks, compression, self._describe(name), max_ratio)
            yield from self.open(name, self._limit(inner), layers + 1)
        elif is_tar(beginning):
            yield from self._open_members(name, iter_tar(blocks, self._describe(name)), layers)
        elif problem := name_binary(beginning):
            yield self._refuse(name, problem)
        elif problem := name_archive(beginning):
            yield from self._open_archive(name, problem, layers)
        else:
            yield TextFile(name=name, beginning=beginning, blocks=blocks)

    def _open_archive(self, name: str, kind: str, layers: int) -> Iterator[TextFile]:
        """The members of a ZIP archive, which must be the file itself."""
        if kind != ZIP or layers or (is_compressed(self._path) and not _is_misnamed(self._path)):
            yield self._refuse(name, kind, is_archive=True)
        elif is_office(self._path):
            yield self._refuse(name, OFFICE)
        else:
            yield from self._open_members(name, iter_zip(self._path), layers)

    def _open_members(
        self, name: str, members: Iterable[Member], layers: int
    ) -> Iterator[TextFile]:
        for member in members:
            inner = member_name(name, member.name)
            if member.problem:
                yield self._refuse(inner, member.problem)
            else:
                yield from self.open(inner, self._limit(member.blocks), layers + 1)

    def _refuse(self, name: str, problem: str, *, is_archive: bool = False) -> TextFile:
        """A file with a problem; an error if more than one document would be lost."""
        is_whole = name == self._name
        if is_whole and is_archive:
            raise InputError(f"{self._path} is {problem}, which is not read; {_UNPACK}")
        if is_whole and self._corpus.format != "text":
            raise InputError(f"{self._path} is {problem}, not text")
        return TextFile(name=name, beginning=b"", blocks=iter(()), problem=problem)

    def _limit(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if self._allowance is None:
                self._allowance = Allowance(self._path, self._corpus.max_compression_ratio)
            self._allowance.take(len(block))
            yield block

    def _describe(self, name: str) -> str:
        """The file for messages: its path, and the member in it."""
        return str(self._path) + name.removeprefix(self._name)
