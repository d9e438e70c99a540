"""Bytes to text: byte order marks, the corpus's encoding, its rule for invalid bytes.

UTF-16 and UTF-32 are read if a byte order mark or the configuration says so. Their lines cannot be
found in the bytes, so such files are decoded from their start and passed on as UTF-8.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from bertdata.corpus.config import CorpusConfig, encoding_name
from bertdata.corpus.documents import Rejection, find_surrogate, replace_surrogates
from bertdata.errors import InputError

_PLAIN_FORMATS = ("text", "lines")  # plain text without a container
_BOM = b"\xef\xbb\xbf"
# UTF-32's first: the little-endian one begins with UTF-16's.
_WIDE_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode(
    data: bytes, corpus: CorpusConfig, document: str, offset: int = 0, encoding: str = "utf-8"
) -> str | Rejection:
    """The text of bytes that start at byte `offset` of their file; a UTF-8 BOM at 0 is dropped.

    Invalid bytes reject the document, with their position, or become U+FFFD. A document over the
    maximum size is rejected too, and so is a plain file with a NUL, unless encoding_errors =
    "replace".
    """
    if len(data) > corpus.max_document_bytes:
        return too_long(corpus, document)
    if offset == 0 and data.startswith(_BOM):
        data, offset, encoding = data[len(_BOM) :], len(_BOM), "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if corpus.encoding_errors == "replace":
            return data.decode(encoding, "replace")
        name = "UTF-8" if encoding == "utf-8" else encoding
        detail = f"byte {offset + error.start:,} is not {name} ({error.reason})"
        return _invalid(corpus, document, detail, encoding)
    if "\0" not in text:
        return text
    if _looks_wide(text):
        detail = 'every other byte is 0: if it is UTF-16, say so with encoding = "utf-16-le"'
        return Rejection(
            source=corpus.name, document=document, reason="invalid_encoding", detail=detail
        )
    if corpus.format in _PLAIN_FORMATS and corpus.encoding_errors == "strict":
        detail = f"character {text.index(chr(0)):,} is NUL, which only files of other kinds hold"
        return Rejection(source=corpus.name, document=document, reason="not_text", detail=detail)
    return text


def decode_file(data: bytes, corpus: CorpusConfig, document: str) -> str | Rejection:
    """The text of a whole file; its byte order mark overrides the configuration."""
    encoding = find_encoding(data, corpus)
    text = decode(data, corpus, document, encoding=encoding)
    if isinstance(text, Rejection) or not encoding.startswith("utf-"):
        return text
    return text.removeprefix("\ufeff") if encoding != "utf-8" else text


def too_long(corpus: CorpusConfig, document: str) -> Rejection:
    """The rejection of a document over the corpus's maximum size."""
    detail = f"over max_document_bytes = {corpus.max_document_bytes:,}"
    return Rejection(source=corpus.name, document=document, reason="too_long", detail=detail)


def find_encoding(beginning: bytes, corpus: CorpusConfig) -> str:
    """The encoding of a file with this beginning: "utf-8", or Python's name of another one."""
    for mark, encoding in _WIDE_BOMS.items():
        if beginning.startswith(mark):
            return encoding
    if beginning.startswith(_BOM):
        return "utf-8"
    encoding = encoding_name(corpus.encoding)
    return f"{encoding}-le" if encoding in _WIDE_BOMS.values() else encoding


def is_wide(beginning: bytes, corpus: CorpusConfig) -> bool:
    """Whether a file with this beginning is in UTF-16 or UTF-32."""
    return find_encoding(beginning, corpus).startswith(("utf-16", "utf-32"))


def to_utf8(
    blocks: Iterable[bytes], encoding: str, corpus: CorpusConfig, name: str
) -> Iterator[bytes]:
    """Blocks of a whole file in UTF-16 or UTF-32, as blocks of UTF-8 without a byte order mark.

    Raises InputError for invalid bytes, unless encoding_errors = "replace".
    """
    decoder = codecs.getincrementaldecoder(encoding)(corpus.encoding_errors)
    read = 0
    for block in blocks:
        yield _decode_block(decoder, block, name, read)
        read += len(block)
    yield _decode_block(decoder, b"", name, read, final=True)


def without_surrogates(text: str, corpus: CorpusConfig, document: str) -> str | Rejection:
    r"""The text if UTF-8 can encode it: a JSON escape may be half a character, as in "\ud83d"."""
    index = find_surrogate(text)
    if index is None:
        return text
    if corpus.encoding_errors == "replace":
        return replace_surrogates(text)
    return _invalid(corpus, document, f"character {index:,} is half a surrogate pair", "utf-8")


def _looks_wide(text: str) -> bool:
    """Whether every other character of the beginning is 0, as in UTF-16 without a mark."""
    even, odd = text[:64:2], text[1:64:2]
    zeros = sorted((even.count("\0") / len(even), odd.count("\0") / max(1, len(odd))))
    return len(text) >= 4 and zeros[0] < 0.2 and zeros[1] > 0.8


def _decode_block(
    decoder: codecs.IncrementalDecoder, block: bytes, name: str, read: int, final: bool = False
) -> bytes:
    try:
        text = decoder.decode(block, final)
    except UnicodeDecodeError as error:
        message = f"{name}: {error.encoding} cannot be read near byte {read:,} ({error.reason})"
        raise InputError(message) from error
    return text.encode("utf-8")


def _invalid(corpus: CorpusConfig, document: str, detail: str, encoding: str) -> Rejection:
    return Rejection(
        source=corpus.name,
        document=document,
        reason="invalid_utf8" if encoding == "utf-8" else "invalid_encoding",
        detail=detail,
    )
