"""HTTP responses as crawlers store them: status, type, charset and the decoded body."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bertdata.formats.warc_records import parse_headers

MOST_BODY_BYTES = 64 << 20
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?\s+(\d{3})\b")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """`content_type`: in lower case, without parameters; `charset`: as the server says, or ""."""

    status: int
    content_type: str
    charset: str
    body: bytes


def parse_response(data: bytes) -> Response:
    """A stored response. Raises ValueError with the reason when it cannot be decoded.

    Crawlers that store the body decoded often leave the old headers: chunks and compression are
    undone only where the body has them.
    """
    status = _STATUS.match(data)
    end = _HEAD_END.search(data)
    if status is None or end is None:
        raise ValueError("no HTTP status line and headers")
    headers = parse_headers(data[: end.start()].split(b"\n")[1:])
    body = data[end.end() :]
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _join_chunks(body)
    body = _decompress(body, headers.get("content-encoding", "").lower().strip())
    content_type, charset = parse_content_type(headers)
    return Response(status=int(status[1]), content_type=content_type, charset=charset, body=body)


def parse_content_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """(type, charset) of the Content-Type among headers.

    parse_content_type({"content-type": "Text/HTML; charset=utf-8"}) -> ("text/html", "utf-8")
    """
    value = headers.get("content-type", "")
    charset = _CHARSET.search(value)
    return value.partition(";")[0].strip().lower(), charset[1] if charset else ""


def _join_chunks(body: bytes) -> bytes:
    try:
        return b"".join(_iter_chunks(body))
    except ValueError:
        return body  # stored decoded


def _iter_chunks(body: bytes) -> Iterator[bytes]:
    position = 0
    while True:
        end = body.find(b"\n", position)
        size = body[position:end].partition(b";")[0].strip()
        if end < 0 or not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
            raise ValueError("no chunk size")
        length = int(size, 16)
        if not length:
            return
        yield body[end + 1 : end + 1 + length]
        position = end + 1 + length
        position += 2 if body[position : position + 2] == b"\r\n" else 1


def _decompress(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity", "none") or not body:
        return body
    if encoding in ("gzip", "x-gzip"):
        return _inflate(body, 16 + zlib.MAX_WBITS) if body.startswith(b"\x1f\x8b") else body
    if encoding == "deflate":
        is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        return _inflate(body, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
    if body.lstrip()[:1] == b"<":
        return body  # stored decoded
    raise ValueError(f"Content-Encoding {encoding[:40]!r} is not read")


def _inflate(body: bytes, window_bits: int) -> bytes:
    decompressor = zlib.decompressobj(wbits=window_bits)
    try:
        text = decompressor.decompress(body, MOST_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(f"the compressed body is damaged ({error})") from error
    if decompressor.unconsumed_tail:
        raise ValueError(f"the body holds more than {MOST_BODY_BYTES:,} bytes")
    if not decompressor.eof:
        raise ValueError("the compressed body is cut short")
    return text
