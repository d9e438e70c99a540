"""Kinds of files by their first bytes."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from bertdata.corpus.packed.signatures import OFFICE, ZIP, name_archive, name_binary


def _zip_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


def _array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (_zip_of("[Content_Types].xml"), OFFICE),
        (_array(), "a NumPy array"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b"GIF89a is not an image when text follows", ""),
        (b"BM is how a sentence may begin", ""),
        ("Ein gewöhnlicher Satz.".encode(), ""),
        (b"", ""),
    ],
)
def test_binary_files_are_named_and_text_is_not(beginning: bytes, kind: str) -> None:
    assert name_binary(beginning) == kind


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (_zip_of("a.txt"), ZIP),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07\x00", "a RAR archive"),
        (b"07070 is a number", ""),
        (b"PK is not an archive by itself", ""),
    ],
)
def test_archives_are_named(beginning: bytes, kind: str) -> None:
    assert name_archive(beginning) == kind
