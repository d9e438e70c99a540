"""Bytes to text, under the corpus's rule for what is not UTF-8."""

from __future__ import annotations

from bertdata.corpus import CorpusConfig
from bertdata.documents import Rejection, find_surrogate, replace_surrogates

BOM = b"\xef\xbb\xbf"


def decode(data: bytes, corpus: CorpusConfig, document: str, offset: int = 0) -> str | Rejection:
    """The text of UTF-8 bytes that start at byte `offset` of their file; a BOM at 0 is dropped.

    What is not UTF-8 rejects the document, naming the byte, or becomes U+FFFD.
    """
    if offset == 0 and data.startswith(BOM):
        data, offset = data[len(BOM) :], len(BOM)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if corpus.encoding_errors == "replace":
            return data.decode("utf-8", "replace")
        detail = f"byte {offset + error.start:,} is not UTF-8 ({error.reason})"
        return invalid_utf8(corpus, document, detail)


def without_surrogates(text: str, corpus: CorpusConfig, document: str) -> str | Rejection:
    r"""The text if UTF-8 can hold it: JSON's escapes can spell half a character, as in "\ud83d"."""
    index = find_surrogate(text)
    if index is None:
        return text
    if corpus.encoding_errors == "replace":
        return replace_surrogates(text)
    return invalid_utf8(corpus, document, f"character {index:,} is half a surrogate pair")


def invalid_utf8(corpus: CorpusConfig, document: str, detail: str) -> Rejection:
    """The rejection of a document that is not UTF-8."""
    return Rejection(source=corpus.name, document=document, reason="invalid_utf8", detail=detail)
