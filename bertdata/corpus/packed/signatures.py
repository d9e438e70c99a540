"""The kinds of files that are not text, by their first bytes, in words for messages."""

from __future__ import annotations

import re

OFFICE = "a Word, Excel or PowerPoint document"
ZIP = "a ZIP archive"
SIGNATURE_BYTES = 1 << 10  # length of a beginning

# Bytes that begin no text: signatures of letters alone need a control character after them.
_DOCUMENTS = (
    (rb"%PDF-\d", "a PDF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (rb"PK\x03\x04.{26,40}\[Content_Types\]", OFFICE),
    (rb"PK\x03\x04.{26}mimetypeapplication/epub", "an EPUB book"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument file"),
    (rb"\{\\rtf1", "an RTF document"),
    (rb"%!PS-Adobe-", "a PostScript document"),
    (rb"\x89PNG\r\n", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8[79]a.{0,8}[\x00-\x08]", "a GIF image"),
    (rb"II\*\x00|MM\x00\*", "a TIFF image"),
    (rb"BM.{4}\x00{4}", "a BMP image"),
    (rb"RIFF.{4}WEBP", "a WebP image"),
    (rb"RIFF.{4}WAVE", "a WAV sound"),
    (rb"ID3[\x02-\x04]\x00", "an MP3 sound"),
    (rb"fLaC\x00", "a FLAC sound"),
    (rb"OggS\x00", "an Ogg sound or video"),
    (rb"\x1aE\xdf\xa3", "a Matroska video"),
    (rb"\x00\x00.{2}ftyp", "an MP4 video or HEIC image"),
    (rb"SQLite format 3\x00", "a SQLite database"),
    (rb"PAR1[\x00-\x1f\x80-\xff]", 'a Parquet file, which format = "parquet" reads'),
    (rb"ARROW1\x00\x00|\xff{4}.{2}\x00\x00", 'an Arrow file, which format = "arrow" reads'),
    (rb"Obj\x01", "an Avro file"),
    (rb"\x89HDF\r\n", "an HDF5 file"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x80[\x02-\x05][\x80-\xff()\]}cX]", "a Python pickle"),
    (rb"\x7fELF|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\x00asm", "a program"),
)
_ARCHIVES = (
    (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", ZIP),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (rb"Rar!\x1a\x07", "a RAR archive"),
    (rb"MSCF\x00{4}", "a CAB archive"),
    (rb"!<arch>\n", "an ar archive"),
    (rb"07070[127][0-9A-Fa-f]{30}|\xc7\x71", "a cpio archive"),
    (rb"\x04\x22\x4d\x18", "a file packed with lz4"),
    (rb"LZIP[\x00-\x02]", "a file packed with lzip"),
    (rb"\x1f\x9d", "a file packed with compress"),
    (rb"\xff\x06\x00\x00sNaPpY", "a file packed with snappy"),
)


def name_archive(beginning: bytes) -> str:
    """The kind of archive, other than tar, with this beginning; "" if it is none."""
    return _name(beginning, _ANY_ARCHIVE, _ARCHIVES)


def name_binary(beginning: bytes) -> str:
    """The kind of file, neither text nor archive, with this beginning; "" if none is known."""
    return _name(beginning, _ANY_DOCUMENT, _DOCUMENTS)


_Table = tuple[tuple[bytes, str], ...]


def _any_of(table: _Table) -> re.Pattern[bytes]:
    """One pattern with a group per entry, because one call is faster than many."""
    return re.compile(b"|".join(b"(%s)" % pattern for pattern, _ in table), re.DOTALL)


def _name(beginning: bytes, pattern: re.Pattern[bytes], table: _Table) -> str:
    found = pattern.match(beginning, 0, SIGNATURE_BYTES)
    return table[found.lastindex - 1][1] if found and found.lastindex else ""


_ANY_DOCUMENT = _any_of(_DOCUMENTS)
_ANY_ARCHIVE = _any_of(_ARCHIVES)
