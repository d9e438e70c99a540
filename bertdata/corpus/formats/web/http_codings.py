"""The encodings of an HTTP body: in chunks, and compressed with one or more codings.

Crawlers that store a decoded body often keep the old headers, so each step is undone only if the
body shows it. A body that is neither encoded as its header says nor plain text is a ValueError.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import zstandard

from bertdata.corpus.compression import MAX_RATIO
from bertdata.errors import ConfigError

_MAX_BODY_BYTES = 64 << 20
_FREE_BODY_BYTES = 1 << 20  # allowed with any ratio: a short page may be a run of one letter
_MAX_CODINGS = 8
_CHUNK_SIZE = re.compile(rb"(?:[0-9a-f]{1,15}|[0-9A-F]{1,15})")
_MAX_SIZE_LINE_BYTES = 1 << 12
_PLAIN_CODINGS = ("", "identity", "none", "chunked")
_GZIP_MAGIC, _ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TEXT_SAMPLE_BYTES = 1 << 12
# All except tab, line ends, form feed, and the escape before a change of character set.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_MAX_ZSTD_WINDOW = 64 << 20
_ZSTD_INPUT_BYTES = 1 << 10  # unpacks to at most 32 MiB per call


class _Limit(NamedTuple):
    """How many bytes a body may unpack to, and the same in words."""

    bytes: int
    description: str


def join_chunks(body: bytes) -> bytes:
    """The body without its chunk sizes; a body that does not begin with a chunk is not changed.

    Of a body that is cut short or damaged, the complete chunks before that place are returned.
    Raises ValueError if there is none.

    join_chunks(b"5\\r\\nRiver\\r\\n4\\r\\n run") -> b"River"
    """
    size = _read_size(body, 0)
    if size is None:
        return body
    start, length = size
    is_whole = start + length <= len(body)
    if is_whole and length and _chunk_end(body, start + length) is None:
        return body  # it does not end where the chunk would
    if not is_whole:
        raise ValueError("the body is cut inside its first chunk")
    return b"".join(_whole_chunks(body))


def undo_codings(body: bytes, codings: str, max_ratio: int = MAX_RATIO) -> bytes:
    """The body before the codings of a header value, such as "gzip, br", were applied in order.

    Raises ValueError when it is damaged, cut short, longer than 64 MiB or in an unknown coding, and
    for more than 1 MiB that is more than `max_ratio` times what it was unpacked from; ConfigError
    without the package brotli where that is needed.
    """
    names = [name.strip() for name in codings.lower().split(",")]
    wanted = [name for name in names if name not in _PLAIN_CODINGS]
    if len(wanted) > _MAX_CODINGS:
        raise ValueError(f"the body is packed {len(wanted):,} times, more than {_MAX_CODINGS}")
    for coding in reversed(wanted):
        if body:
            body = _undo(body, coding, max_ratio)
    return body


def _read_size(body: bytes, position: int) -> tuple[int, int] | None:
    """The start and length of the chunk of the size line at `position`; None without one."""
    end = body.find(b"\n", position, position + _MAX_SIZE_LINE_BYTES)
    size = body[position:end].partition(b";")[0].strip()
    if end < 0 or not _CHUNK_SIZE.fullmatch(size):
        return None
    return end + 1, int(size, 16)


def _chunk_end(body: bytes, position: int) -> int | None:
    """The start of the size line after a chunk that ends at `position`; None if there is none."""
    for line_end in (b"\r\n", b"\n"):
        if body.startswith(line_end, position):
            return position + len(line_end)
    is_cut = body[position:] in (b"", b"\r")
    return len(body) if is_cut else None


def _whole_chunks(body: bytes) -> Iterator[bytes]:
    position: int | None = 0
    while position is not None and (size := _read_size(body, position)) is not None:
        start, length = size
        position = _chunk_end(body, start + length)
        if not length or start + length > len(body) or position is None:
            return
        yield body[start : start + length]


def _undo(body: bytes, coding: str, max_ratio: int) -> bytes:
    undo = _UNDO.get(coding)
    if undo is None and not _is_text(body):
        raise ValueError(f"Content-Encoding {coding[:40]!r} is not read")
    if undo is None:
        return body
    try:
        return undo(body, _find_limit(body, max_ratio))
    except ValueError:
        if _is_text(body):
            return body  # stored decoded
        raise


def _find_limit(body: bytes, max_ratio: int) -> _Limit:
    """How many bytes the body may unpack to."""
    fitting = max(_FREE_BODY_BYTES, max_ratio * len(body))
    if fitting < _MAX_BODY_BYTES:
        return _Limit(fitting, f"{max_ratio:,} times its size: a bomb")
    return _Limit(_MAX_BODY_BYTES, f"{_MAX_BODY_BYTES:,} bytes")


def _is_text(body: bytes) -> bool:
    """Whether bytes are a page or other text: compressed bytes have control characters."""
    return body.lstrip()[:1] == b"<" or not _CONTROLS.search(body, 0, _TEXT_SAMPLE_BYTES)


def _gunzip(body: bytes, limit: _Limit) -> bytes:
    if not body.startswith(_GZIP_MAGIC):
        raise ValueError("the body is not gzip")
    return _inflate(body, 16 + zlib.MAX_WBITS, limit)


def _undo_deflate(body: bytes, limit: _Limit) -> bytes:
    is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflate(body, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS, limit)


def _inflate(body: bytes, window_bits: int, limit: _Limit) -> bytes:
    decompressor = zlib.decompressobj(wbits=window_bits)
    try:
        text = decompressor.decompress(body, limit.bytes)
    except zlib.error as error:
        raise ValueError(f"the compressed body is damaged ({error})") from error
    if decompressor.unconsumed_tail:
        raise _too_long(limit)
    if not decompressor.eof:
        raise _cut_short()
    return text


def _undo_brotli(body: bytes, limit: _Limit) -> bytes:
    try:
        import brotli
    except ImportError as error:
        raise ConfigError(
            "a page packed with brotli needs the package brotli: pip install 'bertdata[web]'"
        ) from error
    decompressor = brotli.Decompressor()
    try:
        text: bytes = decompressor.process(body, output_buffer_limit=limit.bytes)
    except brotli.error as error:
        raise ValueError("the brotli body is damaged") from error
    if decompressor.is_finished():
        return text
    raise _too_long(limit) if len(text) >= limit.bytes else _cut_short()


def _undo_zstd(body: bytes, limit: _Limit) -> bytes:
    if not body.startswith(_ZSTD_MAGIC):
        raise ValueError("the body is not a zstd frame")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW).decompressobj()
    pieces, size = [], 0
    try:
        for start in range(0, len(body), _ZSTD_INPUT_BYTES):
            pieces.append(decompressor.decompress(body[start : start + _ZSTD_INPUT_BYTES]))
            size += len(pieces[-1])
            if size > limit.bytes:
                raise _too_long(limit)
            if decompressor.eof:
                return b"".join(pieces)
    except zstandard.ZstdError as error:
        raise ValueError(f"the zstd body is damaged ({error})") from error
    raise _cut_short()


def _too_long(limit: _Limit) -> ValueError:
    return ValueError(f"the body holds more than {limit.description}")


def _cut_short() -> ValueError:
    return ValueError("the compressed body is cut short")


_UNDO: dict[str, Callable[[bytes, _Limit], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undo_deflate,
    "br": _undo_brotli,
    "zstd": _undo_zstd,
}
