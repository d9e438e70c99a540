"""HTTP responses as crawlers store them: status, type, charset and the decoded body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bertdata.corpus.compression import MAX_RATIO
from bertdata.corpus.formats.web.http_codings import join_chunks, undo_codings
from bertdata.corpus.formats.web.warc_records import parse_headers

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?\s+(\d{3})\b")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Response:
    """`content_type`: in lower case, without parameters; `charset`: from the server, or ""."""

    status: int
    content_type: str
    charset: str
    body: bytes


def parse_response(data: bytes, max_ratio: int = MAX_RATIO) -> _Response:
    """A stored response. Raises ValueError with the reason when it cannot be decoded.

    `body`: without chunks and compression. If chunks are cut short, the complete ones are kept.
    `max_ratio`: as for `undo_codings`.
    """
    status = _STATUS.match(data)
    end = _HEAD_END.search(data)
    if status is None or end is None:
        raise ValueError("no HTTP status line and headers")
    headers = parse_headers(data[: end.start()].split(b"\n")[1:])
    body = data[end.end() :]
    transfer = headers.get("transfer-encoding", "")
    if "chunked" in transfer.lower():
        body = join_chunks(body)
    body = undo_codings(body, transfer, max_ratio)
    body = undo_codings(body, headers.get("content-encoding", ""), max_ratio)
    content_type, charset = parse_content_type(headers)
    return _Response(status=int(status[1]), content_type=content_type, charset=charset, body=body)


def parse_content_type(headers: Mapping[str, str]) -> tuple[str, str]:
    """(type, charset) of the Content-Type among headers.

    parse_content_type({"content-type": "Text/HTML; charset=utf-8"}) -> ("text/html", "utf-8")
    """
    value = headers.get("content-type", "")
    charset = _CHARSET.search(value)
    return value.partition(";")[0].strip().lower(), charset[1] if charset else ""
