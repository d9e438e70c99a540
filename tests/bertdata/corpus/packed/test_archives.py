"""What no text is: archives are read member by member, other files are named."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from bertdata.corpus import compression
from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.packed import packed_files
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError

Item = Document | Rejection
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
TEXTS = {
    "a/ferry.txt": b"The ferry leaves.",
    "a/lamp.txt": b"A lamp burned.",
    "z.md": b"# Z",
    "n" * 150 + "/long.txt": b"Long name.",
}
LINES = b'{"text": "One."}\n\n{"text": "Two.", "id": 7}\n'


def pack_tar(
    files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT, extra: tuple[tarfile.TarInfo, ...] = ()
) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=kind) as archive:
        for info in extra:
            archive.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def pack_zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def read(
    folder: Path, format_: str, name: str, data: bytes, unit_bytes: int = 1 << 40, **values: Any
) -> list[Item]:
    (folder / name).write_bytes(data)
    corpus = CorpusConfig(name="c", format=format_, paths=(name,), **values)
    units = plan_units(corpus, list_inputs(corpus, folder), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def found(items: list[Item]) -> dict[str, str]:
    return {
        item.document: item.text if isinstance(item, Document) else item.reason for item in items
    }


def wanted(name: str) -> dict[str, str]:
    return {f"{name}/{member}": data.decode() for member, data in TEXTS.items()}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_each_file_in_a_tar_is_a_document(tmp_path: Path, kind: int, suffix: str) -> None:
    files = {
        name: data for name, data in TEXTS.items() if kind != tarfile.USTAR_FORMAT or "/" in name
    }
    data = PACK[suffix](pack_tar(files, kind))
    for name in (f"books.tar{suffix}", "books", "books.txt", "books.tgz"):
        if suffix or name != "books.tar":
            items = read(tmp_path, "text", name, data)
            assert found(items) == {f"{name}/{key}": text.decode() for key, text in files.items()}


def test_a_tar_without_the_word_ustar(tmp_path: Path) -> None:
    data = bytearray(pack_tar({"a.txt": b"Old."}, tarfile.USTAR_FORMAT))
    data[257:265] = bytes(8)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert found(read(tmp_path, "text", "f", bytes(data))) == {"f/a.txt": "Old."}


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_each_file_in_a_zip_is_a_document(tmp_path: Path, method: int) -> None:
    for name in ("books.zip", "books.txt"):
        items = read(tmp_path, "text", name, pack_zip(TEXTS, method))
        assert found(items) == wanted(name)


@pytest.mark.parametrize("pack", [pack_tar, pack_zip])
@pytest.mark.parametrize("unit_bytes", [10, 1 << 40])
def test_files_of_records_in_archives(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes], unit_bytes: int
) -> None:
    data = pack(
        {"a.jsonl": LINES, "b.jsonl.gz": gzip.compress(LINES), "c": LINES.decode().encode("utf-16")}
    )
    for name in ("f.jsonl", "f"):
        items = read(tmp_path, "jsonl", name, data, unit_bytes, id_field="id")
        assert [item.document for item in items] == [
            *(f"{name}/a.jsonl@0", "7", f"{name}/b.jsonl.gz@0", "7", f"{name}/c@0", "7"),
        ]
        assert [item.text for item in items if isinstance(item, Document)] == ["One.", "Two."] * 3
        assert isinstance(items[1], Document)
        assert items[1].place == f"{name}/a.jsonl, line at byte 18"
    data = pack({"a": b"One.\nTwo.\n\nThree.", "b": b"Four."})
    items = read(tmp_path, "lines", "f", data, unit_bytes)
    assert found(items) == {"f/a@0": "One.\nTwo.", "f/a@11": "Three.", "f/b@0": "Four."}


@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix])
def test_what_is_compressed_is_read_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    once = PACK[suffix](LINES)
    for name, data in [
        ("f", once),
        (f"f{suffix}", PACK[suffix](once)),
        ("f.txt", PACK[".gz"](once)),
    ]:
        for unit_bytes in (10, 1 << 40):
            items = read(tmp_path, "jsonl", name, data, unit_bytes)
            assert [item.text for item in items if isinstance(item, Document)] == ["One.", "Two."]


@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix])
def test_what_is_packed_in_another_way_than_its_name_says(tmp_path: Path, suffix: str) -> None:
    name = f"f{suffix}"
    for pack in (pack_tar, pack_zip):
        assert found(read(tmp_path, "text", name, pack(TEXTS))) == wanted(name)
        with pytest.raises(InputError, match=r"archive, which format = .* does not read"):
            read(tmp_path, "warc", name, pack(TEXTS))
    for other in PACK:
        if other not in ("", suffix):
            assert len(read(tmp_path, "jsonl", name, PACK[other](LINES))) == 2
    with pytest.raises(InputError, match="is damaged or cut short"):
        read(tmp_path, "text", name, b"Plain text.")


def test_a_tar_of_compressed_tars(tmp_path: Path) -> None:
    inner = {f"part-{n}.xz": lzma.compress(pack_tar({f"{n}.txt": b"Text."})) for n in range(2)}
    items = read(tmp_path, "text", "all.tar.gz", gzip.compress(pack_tar(inner)))
    assert list(found(items)) == ["all.tar.gz/part-0.xz/0.txt", "all.tar.gz/part-1.xz/1.txt"]


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "a.txt"
    return info


def test_folders_links_devices_and_forks_are_no_documents(tmp_path: Path) -> None:
    kinds = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE
    extra = tuple(link(f"x{number}.txt", kind) for number, kind in enumerate(kinds))
    forks = {"./._a.txt": b"\0\5\x16\7", "__MACOSX/b.txt": b"x", "d/.DS_Store": b"\0\0\0\1Bud1"}
    data = pack_tar({**forks, "./a.txt": b"Text."}, extra=extra)
    assert found(read(tmp_path, "text", "f", data)) == {"f/a.txt": "Text."}
    data = pack_zip({**forks, "d/": b"", "a.txt": b"Text."})
    assert found(read(tmp_path, "text", "f", data)) == {"f/a.txt": "Text."}


@pytest.mark.parametrize("pack", [pack_tar, pack_zip])
def test_members_that_are_no_text_are_named(
    tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = {
        "a.txt": b"Text.",
        "b.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "c.zip": pack_zip(TEXTS),
        "d.bin": b"a\0b",
        "e.txt": b"caf\xe9",
        "f.txt": b"",
        "g.txt": b"x" * 100,
    }
    items = read(tmp_path, "text", "f", pack(files), max_document_bytes=50)
    assert list(found(items).values()) == [
        *("Text.", "not_text", "not_text", "not_text", "invalid_utf8", "empty", "too_long"),
    ]
    details = [item.detail for item in items if isinstance(item, Rejection)]
    assert details[:2] == ["a PNG image, not text", "a ZIP archive, not text"]


def make_sqlite(folder: Path) -> bytes:
    database = sqlite3.connect(folder / "made.db")
    database.execute("create table t (a text)")
    database.commit()
    database.close()
    return (folder / "made.db").read_bytes()


def make_parquet(folder: Path) -> bytes:
    pq.write_table(pa.table({"text": ["a"]}), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def make_arrow(kind: Callable[..., Any]) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"text": ["a"]})
    with kind(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


OFFICE = pack_zip(
    {"_rels/.rels": b"x" * 99, "word/document.xml": b"<x/>", "[Content_Types].xml": b"<x/>"}
)
BINARIES: list[tuple[str, Callable[[Path], bytes]]] = [
    ("a PDF document", lambda _: b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n"),
    ("a Word, Excel or PowerPoint document", lambda _: OFFICE),
    (
        "an OpenDocument file",
        lambda _: pack_zip({"mimetype": b"application/vnd.oasis.opendocument.text"}, 0),
    ),
    ("an EPUB book", lambda _: pack_zip({"mimetype": b"application/epub+zip"}, 0)),
    ("an RTF document", lambda _: rb"{\rtf1\ansi Text.}"),
    ("a PNG image", lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("a JPEG image", lambda _: b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
    ("a GIF image", lambda _: b"GIF89a\x01\0\x01\0\x80"),
    ("a SQLite database", make_sqlite),
    ('a Parquet file, which format = "parquet" reads', make_parquet),
    ('an Arrow file, which format = "arrow" reads', lambda _: make_arrow(pa.ipc.new_file)),
    ('an Arrow file, which format = "arrow" reads', lambda _: make_arrow(pa.ipc.new_stream)),
]


@pytest.mark.parametrize(("kind", "make"), BINARIES, ids=[kind for kind, _ in BINARIES])
@pytest.mark.parametrize("packed", [False, True])
def test_files_that_are_no_text_are_named(
    tmp_path: Path, kind: str, make: Callable[[Path], bytes], packed: bool
) -> None:
    data = make(tmp_path)
    if packed and data == OFFICE:
        data = pack_zip({"[Content_Types].xml": b"<x/>"})  # in a compressed file, by its first name
    data = gzip.compress(data) if packed else data
    for name in ("f.gz",) if packed else ("f.txt", "f"):
        for values in ({}, {"encoding": "latin-1"}, {"encoding_errors": "replace"}):
            (item,) = read(tmp_path, "text", name, data, **values)
            assert isinstance(item, Rejection)
            assert (item.reason, item.detail) == ("not_text", f"{kind}, not text")
        for format_ in ("lines", "jsonl"):
            for unit_bytes in (10, 1 << 40):
                with pytest.raises(
                    InputError, match=f"{name} is {kind}, not text; replace the file"
                ):
                    read(tmp_path, format_, name, data, unit_bytes)
            (item,) = read(tmp_path, format_, name, data, on_bad_file="skip")
            assert isinstance(item, Rejection)
            assert item.reason == "unreadable_file"


TEXT_LIKE_BINARIES = [
    *(b"GIF89a is a format of images.", b"ID3 tags hold titles.", b"PAR1 is how Parquet begins."),
    *(b"BM is short.", b"RIFF is a format.", b"PK is short for Parker.", b"MZ begins programs."),
    *(b"7z and Rar! are archives.", b"070707 is a number.", b"Obj of desire.", b"ustar " * 60),
]


@pytest.mark.parametrize("data", TEXT_LIKE_BINARIES)
def test_text_that_begins_like_another_file_is_text(tmp_path: Path, data: bytes) -> None:
    assert found(read(tmp_path, "text", "f", data)) == {"f": data.decode()}


@pytest.mark.parametrize("format_", ["text", "lines", "jsonl"])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive"),
        (gzip.compress(pack_zip(TEXTS)), "a ZIP archive"),
        (b"\x04\x22\x4d\x18xx", "a file packed with lz4"),
    ],
)
def test_archives_that_are_not_read_are_refused(
    tmp_path: Path, format_: str, data: bytes, kind: str
) -> None:
    with pytest.raises(InputError, match=f"f is {kind}, which is not read; unpack it, and name"):
        read(tmp_path, format_, "f", data)
    (item,) = read(tmp_path, format_, "f", data, on_bad_file="skip")
    assert isinstance(item, Rejection)
    assert item.reason == "unreadable_file"


@pytest.mark.parametrize("format_", ["wikipedia-xml", "wet", "warc", "parquet", "arrow"])
@pytest.mark.parametrize("kind", ["tar", "ZIP"])
def test_formats_that_read_no_archives_say_so(tmp_path: Path, format_: str, kind: str) -> None:
    pack = pack_tar if kind == "tar" else pack_zip
    data = pack({"dump.xml": b"<mediawiki><page><title>A</title></page></mediawiki>"})
    (item,) = read(tmp_path, format_, "f", data, on_bad_file="skip")
    assert isinstance(item, Rejection)
    assert f'f is a {kind} archive, which format = "{format_}" does not read' in item.detail


def test_archives_after_each_other_are_all_read(tmp_path: Path) -> None:
    data = pack_tar({"a": b"One."}) + pack_tar({"b": b"Two."})
    assert found(read(tmp_path, "text", "f", data)) == {"f/a": "One.", "f/b": "Two."}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_no_cut_tar_passes_for_whole(tmp_path: Path, suffix: str) -> None:
    files = {f"{number}.txt": b"Text %d. " % number * 80 for number in range(5)}
    data = pack_tar(files)
    end = len(data.rstrip(b"\0"))
    for stop in (*range(600, end, 97), *range(512, end, 512)):
        name = f"f.tar{suffix}"
        items = read(tmp_path, "text", name, PACK[suffix](data[:stop]), on_bad_file="skip")
        assert isinstance(items[-1], Rejection)
        assert items[-1].reason == "unreadable_file"
        assert "tar archive that cannot be read" in items[-1].detail
        for item in items[:-1]:
            assert isinstance(item, Document)
            assert item.text.encode() == files[item.document.rpartition("/")[2]]


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    data = bytearray(pack_tar({"a": b"One.", "b": b"Two.", "c": b"Three."}))
    data[1024 + 20] ^= 1
    with pytest.raises(InputError, match=r"f is a tar archive that cannot be read near byte .*bad"):
        read(tmp_path, "text", "f", bytes(data))
    items = read(tmp_path, "text", "f", bytes(data), on_bad_file="skip")
    assert list(found(items).values()) == ["One.", "unreadable_file"]


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_damaged_zip_says_so(tmp_path: Path, place: float) -> None:
    data = bytearray(pack_zip({"a": os.urandom(3000).hex().encode(), "b": b"Two."}))
    at = int(len(data) * place)
    with pytest.raises(InputError, match=r"f is a ZIP archive that cannot be read at its dir"):
        read(tmp_path, "text", "f", bytes(data[:at]))
    if place < 0.9:
        damaged = data[:at] + bytes(9) + data[at + 9 :]
        with pytest.raises(InputError, match=r"cannot be read in its member a \("):
            read(tmp_path, "text", "f", bytes(damaged))


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    data = bytearray(pack_zip({"a": b"One."}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    with pytest.raises(InputError, match=r"in its member a \(File .* is encrypted"):
        read(tmp_path, "text", "f", bytes(data))


def test_sparse_files_are_named(tmp_path: Path) -> None:
    info = tarfile.TarInfo("s")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + pack_tar({"a": b"Text."})
    assert found(read(tmp_path, "text", "f", data)) == {"f/s": "not_text", "f/a": "Text."}


def test_headers_that_claim_much_are_damage(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)
    with pytest.raises(InputError, match="a header of 1,073,741,824 bytes"):
        read(tmp_path, "text", "f", data)


def test_bombs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compression, packed_files):
        monkeypatch.setattr(module, "FREE_BYTES", 2 << 20)
    zeros = (b"a" * 1023 + b"\n") * (4 << 10)
    bombs = {
        "zip": pack_zip({"a": zeros}),
        "tar.gz": gzip.compress(pack_tar({"a": zeros})),
        "nested": gzip.compress(gzip.compress(gzip.compress(zeros))),
        "many": pack_zip({str(number): zeros[: 1 << 20] for number in range(4)}),
    }
    for name, data in bombs.items():
        with pytest.raises(InputError, match=r"over 100 times what .*: a bomb"):
            read(tmp_path, "lines", name, data, max_compression_ratio=100)
        assert read(tmp_path, "lines", name, data, max_compression_ratio=1 << 20)


def test_layers_are_counted(tmp_path: Path) -> None:
    data = b"Text."
    for _ in range(20):
        data = gzip.compress(data)
    with pytest.raises(InputError, match="packed more than 8 times"):
        read(tmp_path, "text", "f", data)


def test_memory_does_not_grow_with_an_archive(tmp_path: Path) -> None:
    """A header alone takes over a kilobyte of memory in Python's `tarfile`."""
    peaks = []
    for count in (200, 4_000):
        data = pack_tar({str(number): b"Text." for number in range(count)}, tarfile.USTAR_FORMAT)
        (tmp_path / "f").write_bytes(data)
        corpus = CorpusConfig(name="c", format="text", paths=("f",))
        (unit,) = plan_units(corpus, list_inputs(corpus, tmp_path), 1 << 40)
        del data
        tracemalloc.start()
        assert sum(1 for _ in read_unit(unit)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (2 << 20)


def test_field_archives(shared_data: Path) -> None:
    for name, format_, ids in [
        ("c07-books.tar.gz", "text", ["books/ferry.txt", "books/lamp.txt"]),
        ("c07-notes.jsonl.tar.gz", "jsonl", ["notes.jsonl@0", "notes.jsonl@38"]),
    ]:
        corpus = CorpusConfig(name="c", format=format_, paths=(name,))
        units = plan_units(corpus, list_inputs(corpus, shared_data / "field"), 1 << 40)
        items = [item for unit in units for item in read_unit(unit)]
        assert [item.document for item in items] == [f"{name}/{key}" for key in ids]
        assert all(isinstance(item, Document) for item in items)
