"""Files that are not UTF-8: marked, configured, or refused."""

from __future__ import annotations

import codecs
import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.config import CorpusConfig, encoding_name, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError

Item = Document | Rejection
TEXT = "Grüße aus Čáslav.\r\nЗдравствуй, 東京 𝄞!\n"
CONTENT = {
    "text": TEXT,
    "lines": "First one.\nÄ second 東京.\n\nThird 𝄞.\n",
    "jsonl": '{"text": "Grüße"}\n{"text": "東京 𝄞", "id": "Ä"}\n',
}
BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


def read(
    folder: Path, format_: str, data: bytes, unit_bytes: int = 20, **values: str
) -> list[Item]:
    (folder / "f").write_bytes(data)
    corpus = CorpusConfig(name="c", format=format_, paths=("f",), **values)
    units = plan_units(corpus, list_inputs(corpus, folder), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def texts(items: list[Item]) -> list[str]:
    return [item.text if isinstance(item, Document) else item.reason for item in items]


@pytest.mark.parametrize("format_", CONTENT)
@pytest.mark.parametrize("encoding", BOMS)
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, format_: str, encoding: str) -> None:
    data = BOMS[encoding] + CONTENT[format_].encode(encoding)
    expected = read(tmp_path, format_, CONTENT[format_].encode())
    for values in ({}, {"encoding": "latin-1"}):
        assert texts(read(tmp_path, format_, data, **values)) == texts(expected)
    if encoding != "utf-8":
        # Without the mark it has to be said.
        assert texts(read(tmp_path, format_, data[len(BOMS[encoding]) :], encoding=encoding)) == (
            texts(expected)
        )


@pytest.mark.parametrize("format_", CONTENT)
def test_a_configured_encoding(tmp_path: Path, format_: str) -> None:
    content = CONTENT[format_].replace("東京", "ß").replace("𝄞", "é").replace("Čá", "Ça")
    content = content.replace("Здравствуй", "Olá")
    expected = texts(read(tmp_path, format_, content.encode()))
    for encoding in ("latin-1", "cp1252"):
        found = texts(read(tmp_path, format_, content.encode(encoding), encoding=encoding))
        assert found == expected


def test_compressed_files_too(tmp_path: Path) -> None:
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")))
    corpus = CorpusConfig(name="c", format="text", paths=("f.gz",))
    (unit,) = plan_units(corpus, list_inputs(corpus, tmp_path), 100)
    assert texts(list(read_unit(unit))) == [TEXT]


def test_utf16_that_nothing_marks_is_rejected(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        (item,) = read(tmp_path, "text", "Plain English text.".encode(encoding))
        assert isinstance(item, Rejection)
        assert item.reason == "invalid_encoding"
        assert 'encoding = "utf-16-le"' in item.detail


def test_what_is_not_in_the_encoding_is_rejected_or_replaced(tmp_path: Path) -> None:
    data = b"One \x81 two.\n\nThree.\n"
    (bad, good) = read(tmp_path, "lines", data, encoding="cp1252")
    assert isinstance(bad, Rejection)
    assert (bad.reason, bad.detail[:21]) == ("invalid_encoding", "byte 4 is not cp1252 ")
    assert isinstance(good, Document)
    replaced = read(tmp_path, "lines", data, encoding="cp1252", encoding_errors="replace")
    assert texts(replaced) == ["One \ufffd two.", "Three."]


def test_damaged_utf16(tmp_path: Path) -> None:
    data = codecs.BOM_UTF16_LE + "Text.\n".encode("utf-16-le") + b"\x00\xd8a"
    (item,) = read(tmp_path, "text", data)
    assert texts([item]) == ["invalid_encoding"]
    with pytest.raises(InputError, match=r"utf-16-le cannot be read near byte 17"):
        read(tmp_path, "lines", data)
    assert texts(read(tmp_path, "lines", data, on_bad_file="skip")) == ["unreadable_file"]
    (item,) = read(tmp_path, "lines", data, encoding_errors="replace")
    assert texts([item]) == ["Text.\n\ufffd"]


def test_names_of_encodings() -> None:
    assert encoding_name("UTF8") == encoding_name("utf-8-sig") == "utf-8"
    assert encoding_name("latin-1") == encoding_name("ISO-8859-1") == "iso8859-1"
    for name in ("gbk", "big5", "shift_jis", "euc_kr", "koi8-r", "utf-16-le", "cp1251", "euc_jp"):
        assert encoding_name(name)


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "latin-1", "gbk", "utf-16"]))
def test_any_bytes_are_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, encoding: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for format_ in CONTENT:
        read(folder, format_, data, encoding=encoding, on_bad_file="skip")


def test_real_speeches_in_latin1(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "us-presidents" / "inaugural.zip") as archive:
        archive.extractall(tmp_path)
    values = {"name": "c", "format": "text", "paths": ("inaugural/*.txt",)}
    strict, latin = (CorpusConfig(**values, **more) for more in ({}, {"encoding": "latin-1"}))  # type: ignore[arg-type]

    def reasons(corpus: CorpusConfig) -> list[str]:
        units = plan_units(corpus, list_inputs(corpus, tmp_path), 1 << 20)
        items = [item for unit in units for item in read_unit(unit)]
        return [item.reason for item in items if isinstance(item, Rejection)]

    assert set(reasons(strict)) == {"invalid_utf8"}
    assert reasons(latin) == []


def test_what_is_blank_in_utf8_alone_cuts_no_document(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"one\n\xe3\x80\x80\ntwo\n" * 4 + b"\nend\n")
    corpus = CorpusConfig(name="c", format="lines", paths=("f",), encoding="cp1252")
    files = list_inputs(corpus, tmp_path)
    whole, cut = (
        [item for unit in plan_units(corpus, files, size) for item in read_unit(unit)]
        for size in (1 << 40, 5)
    )
    assert whole == cut
    assert len(whole) == 2


@pytest.mark.parametrize("format_", ["lines", "jsonl"])
def test_a_byte_order_mark_inside_a_file_is_text(tmp_path: Path, format_: str) -> None:
    lines = {
        "lines": "\ufeffOne.\n\n\ufeffTwo.\n",
        "jsonl": '{"text": "One."}\n{"text": "\ufeffTwo."}',
    }
    assert texts(read(tmp_path, format_, lines[format_].encode())) == ["One.", "\ufeffTwo."]


def test_only_the_first_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "text", "\ufeff\ufeffOne.\ufeff".encode())) == ["\ufeffOne.\ufeff"]
