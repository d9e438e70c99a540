"""The encoding of a text file: UTF-8, a byte order mark, or the likeliest of a few others."""

from __future__ import annotations

import codecs

from flows.guess.languages import guess_language

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
# Common ones, of which the one that makes most words of a language is taken.
_SCORED_BYTES = 1 << 15
_OTHERS = ("cp1252", "cp1250", "cp1251", "shift_jis", "gb18030")


def find_text(data: bytes) -> tuple[str, str]:
    """(encoding, text) of the beginning of a file; ("", "") if it is not text.

    "utf-8" also stands for files with a byte order mark, which need no configuration.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return "utf-8", data.decode(encoding, "ignore")
    if (text := _decode(data, "utf-8")) is not None:
        return ("utf-8", text) if "\0" not in text else ("", "")
    if _is_mostly_utf8(text := data.decode("utf-8", "replace")):
        return "utf-8", text
    scores = {encoding: _score(data, encoding) for encoding in _OTHERS}
    best = max(scores, key=lambda encoding: scores[encoding])
    return (best, _decode(data, best) or "") if scores[best] else ("", "")


def _is_mostly_utf8(text: str) -> bool:
    """Whether a few bytes are damaged; in another encoding no letter beyond ASCII is valid."""
    bad = text.count("\ufffd")
    return sum(not char.isascii() for char in text) > 10 * bad


def _score(data: bytes, encoding: str) -> float:
    """How much a text looks like a language in an encoding; 0 if it is not text in it."""
    text = _decode(data[:_SCORED_BYTES], encoding)
    return 0.0 if text is None or "\0" in text else guess_language([text]).score


def _decode(data: bytes, encoding: str) -> str | None:
    """The text, without a last character that is cut; None if anything else is invalid."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        return decoder.decode(data)
    except UnicodeDecodeError:
        return None
