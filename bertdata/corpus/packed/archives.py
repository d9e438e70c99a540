"""Members of tar and ZIP archives, one after the other, each as blocks of bytes.

A tar is read as a stream, so it may be compressed or inside another archive; a ZIP must be a file
of its own. Folders, links, devices and files that macOS adds are not members.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import IO, cast

from bertdata.corpus.compression import BLOCK_BYTES
from bertdata.corpus.documents import printable_name
from bertdata.errors import InputError
from bertdata.storage.files import open_file
from bertdata.storage.locations import Address, Location

_TAR_HEADER_BYTES = 512
_ZIP_FETCH_BYTES = 4 << 20  # zipfile reads by kilobytes: so much is fetched from other storage

_USTAR_AT = 257
_MAX_NAME_BYTES = 1 << 20
_LONG_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_TAR_ERRORS = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError)
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. `blocks` must be read before the next member is requested.

    `problem`: why it cannot be read although the archive is intact, or "".
    """

    name: str
    blocks: Iterator[bytes]
    problem: str = ""


def is_tar(beginning: bytes) -> bool:
    """Whether a file with this beginning is a tar archive, also one without the word "ustar"."""
    if beginning[_USTAR_AT : _USTAR_AT + 8] in (b"ustar\x0000", b"ustar  \x00"):
        return True
    try:
        header = tarfile.TarInfo.frombuf(beginning[:_TAR_HEADER_BYTES], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return bool(header.name)


def iter_tar(blocks: Iterator[bytes], name: str) -> Iterator[Member]:
    """Each file in a tar archive, in order.

    `name`: of the archive, for messages. Raises InputError when it is damaged or cut short.
    """
    stream = _BlockStream(blocks)
    try:
        # Zeros that end one archive may be followed by another: `cat a.tar b.tar`.
        with tarfile.open(
            fileobj=stream, mode="r|", tarinfo=_TarHeader, ignore_zeros=True
        ) as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would grow with each member
                if info.isreg() and _is_content(info.name):
                    problem = "a sparse file" if info.issparse() else ""  # could claim any size
                    yield Member(info.name, _read_tar_member(archive, info, name), problem)
        if stream.tail.strip(b"\0"):
            raise tarfile.ReadError("the end is missing")
    except _TAR_ERRORS as error:
        raise _damaged("tar", name, f"near byte {stream.position:,}", error) from error


def is_office(path: Location) -> bool:
    """Whether a ZIP archive is a document of Microsoft Office. Raises InputError as `iter_zip`."""
    try:
        with _open_zip(path) as archive:
            return "[Content_Types].xml" in archive.namelist()
    except _ZIP_ERRORS as error:
        raise _damaged("ZIP", str(path), "at its directory", error) from error


def iter_zip(path: Location) -> Iterator[Member]:
    """Each file in a ZIP archive, in the order of its directory.

    Raises InputError when it is damaged, encrypted, or compressed in an unsupported way.
    """
    try:
        with _open_zip(path) as archive:
            for info in archive.infolist():
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                if not info.is_dir() and not is_link and _is_content(info.filename):
                    with contextlib.closing(_read_zip_member(archive, info, path)) as blocks:
                        yield Member(info.filename, blocks)
    except _ZIP_ERRORS as error:
        raise _damaged("ZIP", str(path), "at its directory", error) from error


@contextlib.contextmanager
def _open_zip(path: Location) -> Iterator[zipfile.ZipFile]:
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open_file(path))
        if isinstance(path, Address):
            raw = cast(io.RawIOBase, file)
            file = stack.enter_context(io.BufferedReader(raw, _ZIP_FETCH_BYTES))
        yield stack.enter_context(zipfile.ZipFile(file))


def member_name(archive: str, member: str) -> str:
    """The id of a member: the archive's name and its own, as in "books.tar/a/b.txt"."""
    parts = [part for part in member.split("/") if part not in ("", ".")]
    return printable_name("/".join([archive, *parts]))


def _is_content(name: str) -> bool:
    """Whether a member is content: not an AppleDouble fork or folder view that macOS adds."""
    *folders, last = name.split("/")
    return "__MACOSX" not in folders and not last.startswith("._") and last != ".DS_Store"


class _TarHeader(tarfile.TarInfo):
    """A damaged header is an error here; tarfile itself silently takes it for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _TarHeader:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise ValueError(str(error)) from error
            raise  # the end
        if header.size < 0 or (header.type in _LONG_HEADERS and header.size > _MAX_NAME_BYTES):
            raise ValueError(f"a header of {header.size:,} bytes")
        return header


class _BlockStream(io.RawIOBase):
    """Blocks as a file object for tarfile. `tail`: the last bytes read, at most 512."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""
        self._at = 0
        self.position = 0
        self.tail = b""

    def read(self, size: int = -1, /) -> bytes:
        if self._at == len(self._block):
            self._block, self._at = next(self._blocks, b""), 0
        piece = self._block[self._at : self._at + size]
        self._at += len(piece)
        self.position += len(piece)
        self.tail = (self.tail + piece)[-_TAR_HEADER_BYTES:]
        return piece


def _read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> Iterator[bytes]:
    where = f"in its member {printable_name(info.name)}"
    try:
        file = archive.extractfile(info)
        assert file is not None
        yield from _read_blocks(file)
    except _TAR_ERRORS as error:
        raise _damaged("tar", name, where, error) from error


def _read_zip_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Location
) -> Generator[bytes]:
    try:
        with archive.open(info) as file:
            yield from _read_blocks(file)
    except _ZIP_ERRORS as error:
        where = f"in its member {printable_name(info.filename)}"
        raise _damaged("ZIP", str(path), where, error) from error


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK_BYTES):
        yield block


def _damaged(kind: str, name: str, where: str, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{name} is a {kind} archive that cannot be read {where} ({reason})")
