"""Corpora on other storage: the same files, units and documents as from a disk."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from bertdata.corpus import config as corpus_config
from bertdata.corpus.compression import read_range
from bertdata.corpus.config import (
    CorpusConfig,
    InputUnit,
    find_inputs,
    fingerprint,
    list_inputs,
    version_of,
)
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.errors import BertdataError, ConfigError, InputError, StorageError
from bertdata.storage.files import remove_file
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.writing import atomic_file
from tests import closing_storage
from tests.bertdata.corpus.formats.web.test_pages import HTML, record, response
from tests.bertdata.corpus.formats.wikipedia.test_articles import END, HEAD, multistream, page
from tests.bertdata.corpus.packed.test_archives import TEXTS, pack_tar, pack_zip

Item = Document | Rejection


def make_rows(count: int) -> pa.Table:
    draw = random.Random(5)
    texts = [
        None if i % 50 == 7 else f"Text {i} " + "word " * draw.randrange(9) for i in range(count)
    ]
    return pa.table(
        {
            "text": pa.array(texts),
            "kind": pa.array(["a" if i % 3 else "b" for i in range(count)]).dictionary_encode(),
            "more": [[i] * (i % 3) for i in range(count)],
        }
    )


def write_arrow(table: pa.Table, new: Callable[..., Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=40)
    return sink.getvalue()


def write_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=40)
    return sink.getvalue()


ROWS = make_rows(600)
JSONL = b"".join(b'{"text": "Some words, %d of them."}\n' % i for i in range(400))
LINES = b"".join(b"Line %d.\n%s" % (i, b"\n" * (i % 3 == 0)) for i in range(900))
PAGES = [HEAD, *(page(f"P{i}", f"Text '''{i}''' of it.") for i in range(60)), END]
RECORDS = [
    record("conversion", b"Text %d." % i, WARC_Target_URI=f"http://a/{i}") for i in range(90)
]
FILES: dict[str, tuple[str, dict[str, bytes]]] = {
    "text": ("text", {"a.txt": b"One.", "b/c.txt": b"Two \xff.", "b/d.pdf": b"%PDF-1.4"}),
    "lines": ("lines", {"a.txt": LINES, "b.txt.xz": lzma.compress(LINES)}),
    "jsonl": ("jsonl", {"a.jsonl": JSONL, "deep/b.jsonl.bz2": bz2.compress(JSONL)}),
    "json": ("jsonl", {"a.json": json.dumps([{"text": f"t{i}"} for i in range(400)]).encode()}),
    "zst": ("jsonl", {"a.zst": zstandard.compress(JSONL), "b": gzip.compress(JSONL)}),
    "parquet": ("parquet", {"a.parquet": write_parquet(ROWS), "b": write_parquet(ROWS[:0])}),
    "arrow file": ("arrow", {"a.arrow": write_arrow(ROWS, pa.ipc.new_file)}),
    "arrow stream": ("arrow", {"a.arrow": write_arrow(ROWS, pa.ipc.new_stream)}),
    "arrow lz4": ("arrow", {"a": write_arrow(ROWS, pa.ipc.new_file, compression="lz4")}),
    "arrow zstd": ("arrow", {"a": write_arrow(ROWS, pa.ipc.new_stream, compression="zstd")}),
    "arrow old": ("arrow", {"a": write_arrow(ROWS, pa.ipc.new_stream, use_legacy_format=True)}),
    "wikipedia": ("wikipedia-xml", {"a.xml": "".join(PAGES).encode()}),
    "dump": (
        "wikipedia-xml",
        {"d-multistream.xml.bz2": multistream(PAGES, 5), "d-multistream-index.txt": b"5:7:P"},
    ),
    "wet": ("wet", {"a.wet.gz": b"".join(map(gzip.compress, RECORDS))}),
    "warc": ("warc", {"a.warc": response(HTML.encode()) * 3}),
    "tar": ("text", {"a.tar": pack_tar(TEXTS), "b.tar.gz": gzip.compress(pack_tar(TEXTS))}),
    "zip": ("text", {"a.zip": pack_zip(TEXTS), "b.zip": pack_zip({"x.jsonl": JSONL})}),
}  # fmt: skip


@pytest.fixture(params=["s3", "closing"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    closing_storage.register()
    name = "s3" if request.param == "s3" else ""
    found = request.getfixturevalue(name) if name else locate(f"closing://{tmp_path}/there")
    assert isinstance(found, Address)
    return found


def plant(folder: Location, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(data)


def make(format_: str, *paths: object, **values: Any) -> CorpusConfig:
    return CorpusConfig(name="c", format=format_, paths=tuple(map(str, paths)), **values)


def read(corpus: CorpusConfig, unit_bytes: int = 1000, base: Location = Path()) -> list[Item]:
    units = plan_units(corpus, list_inputs(corpus, base), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def names(corpus: CorpusConfig, base: Location = Path()) -> list[str]:
    return [file.name for file in list_inputs(corpus, base)]


def without_place(units: tuple[InputUnit, ...]) -> list[tuple[Any, int]]:
    """Units without what differs from storage to storage: addresses and times."""
    return [
        (tuple(replace(part, path="", version="") for part in unit.parts), unit.bytes)
        for unit in units
    ]


@pytest.mark.parametrize("kind", FILES)
def test_units_and_documents_are_those_of_a_disk(kind: str, there: Address, tmp_path: Path) -> None:
    format_, files = FILES[kind]
    plant(tmp_path / "here", files)
    plant(there, files)
    home, away = make(format_, "**"), make(format_, there / "**")
    here = list_inputs(home, tmp_path / "here")
    found = list_inputs(away, Path())
    assert [(file.name, file.bytes, file.fingerprint) for file in found] == [
        (file.name, file.bytes, file.fingerprint) for file in here
    ]
    for unit_bytes in (700, 1 << 30):
        units = plan_units(away, found, unit_bytes)
        local = plan_units(home, here, unit_bytes)
        assert without_place(units) == without_place(local)
        items = [item for unit in units for item in read_unit(unit)]
        assert items == [item for unit in local for item in read_unit(unit)]
    assert len(items) > 2


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "b.txt"]),
        ("?.t[x]t", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "deep/c.txt", "deep/er/d.txt"]),
        ("**", ["a.txt", "b.txt", "deep/c.txt", "deep/er/d.txt", "e.md"]),
        ("deep/**", ["c.txt", "er/d.txt"]),
        ("*/*.txt", ["deep/c.txt"]),
        ("*/er/d.txt", ["deep/er/d.txt"]),
        ("**/er/**/d.*", ["deep/er/d.txt"]),
        (".hidden/*", ["f.txt"]),
        (".*/f.txt", [".hidden/f.txt"]),
        ("deep/../a.txt", ["a.txt"]),
    ],
)
def test_patterns(pattern: str, wanted: list[str], there: Address) -> None:
    files = (
        "a.txt",
        "b.txt",
        "e.md",
        "deep/c.txt",
        "deep/er/d.txt",
        ".hidden/f.txt",
        "deep/.g.txt",
    )
    plant(there, dict.fromkeys(files, b"x"))
    assert names(make("text", f"{there}/{pattern}")) == wanted
    assert names(make("text", pattern), there) == wanted


@pytest.mark.parametrize(
    "name", ["notes [1].txt", "what?.txt", "a*b.txt", "[x]/[y]/z.txt", "page?id=3", "a b%20c.txt"]
)
def test_a_file_of_that_very_name_is_found_before_a_glob(name: str, there: Address) -> None:
    others = ("notes 1.txt", "whaty.txt", "axb.txt", "x/y/z.txt")
    plant(there, dict.fromkeys((name, *others), b"Text."))
    (file,) = list_inputs(make("text", there / name), Path())
    assert (file.path, file.name) == (str(there / name), Path(name).name)
    assert name in names(make("text", there / "**"))
    (item,) = read(make("text", there / name))
    assert isinstance(item, Document)


def test_names_are_relative_to_what_the_patterns_share(there: Address, s3: Address) -> None:
    plant(there, {"x/one/a.txt": b"1", "x/two/a.txt": b"2"})
    corpus = make("text", there / "x/one/*.txt", there / "x/two/*.txt", there / "x/*/a.txt")
    assert names(corpus) == ["one/a.txt", "two/a.txt"]
    plant(s3, {"a.txt": b"1"})
    other = s3.parent / "other"
    plant(other, {"a.txt": b"2"})
    assert names(make("text", s3 / "*", other / "*")) == ["folder/a.txt", "other/a.txt"]


@pytest.mark.usefixtures("s3")
def test_addresses_on_a_bucket_itself_and_with_options(new_bucket: Callable[[], str]) -> None:
    bucket = new_bucket()
    plant(locate(bucket), {"folder/a.txt": b"1"})
    assert names(make("text", f"{bucket}/**")) == ["folder/a.txt"]
    pattern = f"{bucket}/folder/*.txt?region=us-east-1"
    corpus = make("text", pattern, f"{bucket}/folder/a.txt")
    (file,) = list_inputs(corpus, Path())
    assert file.name == "a.txt"
    assert len(read(corpus)) == 1


def test_files_by_their_url_are_local(tmp_path: Path) -> None:
    plant(tmp_path, {"a b.txt": b"x"})
    corpus = make("text", f"file://{tmp_path}/a%20b.txt", tmp_path / "*.txt")
    assert [file.path for file in list_inputs(corpus, Path())] == [str(tmp_path / "a b.txt")]


def test_a_corpus_is_on_one_kind_of_storage(there: Address, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mixes paths and addresses"):
        list_inputs(make("text", "a.txt", tmp_path / "b.txt"), there)


def test_each_pattern_must_match(there: Address) -> None:
    plant(there, {"folder/a.txt": b"x"})
    for name, more in (("*.md", ""), ("none/a.txt", ""), ("folder", "; folders, pipes and")):
        with pytest.raises(InputError) as raised:
            list_inputs(make("text", there / name), Path())
        assert str(raised.value).startswith(f"no file matches {there / name} (corpus 'c'){more}")
    with pytest.raises(BertdataError, match=r"cannot use nowhere://x/y: "):
        list_inputs(make("text", "nowhere://x/y"), Path())


def test_what_runs_wrote_is_not_input(there: Address) -> None:
    manifest = b'{"format": "bertdata-vocab"}'
    run = ("vocab/vocab.txt", "train.log", "model/x.txt", "mine.txt")
    plant(there, {f"runs/one/{name}": b"x" for name in run})
    plant(there, {"runs/one/vocab/manifest.json": manifest, "a.txt": b"x", "out/b.txt": b"x"})
    plant(there, {"half/sentences/.progress/plan.json": b"", "half/sentences/c.txt": b"x"})
    found = find_inputs(make("text", there / "**/*.txt"), Path(), there / "out")
    assert [file.name for file in found.files] == ["a.txt", "runs/one/mine.txt"]
    assert found.own == tuple(
        str(there / name)
        for name in (
            *("half/sentences/c.txt", "out/b.txt"),
            *("runs/one/model/x.txt", "runs/one/vocab/vocab.txt"),
        )
    )
    assert names(make("text", there / "runs/one/vocab/*.txt")) == ["vocab.txt"]


def test_saved_datasets(there: Address, tmp_path: Path) -> None:
    dataset = datasets.Dataset.from_dict({"text": ["a", "b", "c"]})
    both = datasets.DatasetDict({"train": dataset, "test [1]": dataset.select([2, 0])})
    both.save_to_disk(str(tmp_path / "both"))
    dataset.save_to_disk(str(tmp_path / "both" / "alone"), num_shards=2)
    for path in (tmp_path / "both").rglob("*.*"):
        plant(there, {path.relative_to(tmp_path).as_posix(): path.read_bytes()})
    for name in ("both", "both/alone"):
        assert read(make("arrow", there / name)) == read(make("arrow", name), base=tmp_path)
        assert names(make("arrow", name), there) == names(make("arrow", name), tmp_path)
    remove_file(there / "both/alone/data-00001-of-00002.arrow")
    with pytest.raises(InputError, match=r"no file matches .*data-00001-of-00002\.arrow"):
        read(make("arrow", there / "both/alone"))
    plant(there, {"both/alone/state.json": b"[]"})
    with pytest.raises(InputError, match=r"state\.json does not describe a saved dataset"):
        read(make("arrow", there / "both/alone"))


def test_fingerprints_and_versions(there: Address, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3_000_000)
    for folder in (there, tmp_path / "here"):
        plant(folder, {"small": data[:300_000], "large": data, "empty": b""})
    for name in ("small", "large", "empty"):
        assert fingerprint(there / name) == fingerprint(tmp_path / "here" / name)
    version = version_of(there / "small")
    assert version.startswith("300000 bytes, changed at ")
    plant(there, {"small": data[:300_001]})
    assert version_of(there / "small") != version
    assert version_of(there / "none") == corpus_config.GONE


# faults


@pytest.mark.parametrize("on_bad_file", ["stop", "skip"])
@pytest.mark.parametrize("kind", ["text", "jsonl", "parquet", "arrow stream", "zip", "dump", "wet"])
def test_a_file_that_vanishes(kind: str, on_bad_file: str, there: Address) -> None:
    format_, files = FILES[kind]
    plant(there, files)
    corpus = make(format_, there / "**", on_bad_file=on_bad_file)
    units = plan_units(corpus, list_inputs(corpus, Path()), 1 << 30)
    for name in files:
        remove_file(there / name)
    if on_bad_file == "stop":
        with pytest.raises(InputError, match=r"cannot (read|be read).* on_bad_file = "):
            [item for unit in units for item in read_unit(unit)]
    else:
        items = [item for unit in units for item in read_unit(unit)]
        assert {item.reason for item in items if isinstance(item, Rejection)} == {"unreadable_file"}
        assert len(items) == sum(len(unit.parts) for unit in units)


@pytest.mark.parametrize("on_bad_file", ["stop", "skip"])
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "arrow file"])
def test_a_file_that_changes(kind: str, on_bad_file: str, there: Address) -> None:
    format_, files = FILES[kind]
    (name, data), *_ = files.items()
    plant(there, {name: data})
    corpus = make(format_, there / name, on_bad_file=on_bad_file)
    unit, *_ = plan_units(corpus, list_inputs(corpus, Path()), 1000)
    plant(there, {name: data[:-20]})
    with pytest.raises(InputError, match=r"changed while it was read; run again"):
        list(read_unit(unit))


@pytest.mark.parametrize(
    ("format_", "data"),
    [
        ("jsonl", gzip.compress(JSONL)[:-9]),
        ("text", pack_zip(TEXTS)[:-30]),
        ("text", pack_tar(TEXTS)[:700]),
        ("parquet", b"PAR1 and nothing more"),
        ("arrow", write_arrow(ROWS, pa.ipc.new_stream)[:9000]),
        ("arrow", write_arrow(ROWS, pa.ipc.new_file)[:9000]),
        ("arrow", b"\xff\xff\xff\xff\x00\x00\x00\x10" * 9),
        ("arrow", b""),
        ("wet", gzip.compress(RECORDS[0])[:-9]),
        ("wikipedia-xml", bz2.compress("".join(PAGES).encode())[:-9]),
    ],
)
def test_damaged_files_are_as_on_a_disk(
    format_: str, data: bytes, there: Address, tmp_path: Path
) -> None:
    suffix = {"jsonl": ".gz", "wet": ".gz", "wikipedia-xml": ".bz2"}.get(format_, "")
    plant(there, {f"a{suffix}": data})
    plant(tmp_path / "here", {f"a{suffix}": data})
    items = read(make(format_, there / "a*", on_bad_file="skip"))
    local = read(make(format_, "a*", on_bad_file="skip"), base=tmp_path / "here")
    assert items[:-1] == local[:-1]
    for item in (items[-1], local[-1]):
        assert isinstance(item, Rejection)
        assert item.reason == "unreadable_file"
    with pytest.raises(InputError, match=r"on_bad_file = ") as raised:
        read(make(format_, there / "a*"))
    assert f"{there}/a" in str(raised.value)


class _StorageError(Exception):
    """What a storage's own library raises."""


class _Failing(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise _StorageError("try again later\nand more")


@pytest.mark.parametrize("kind", FILES)
def test_a_storage_that_fails_is_a_bad_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing_storage.register()
    folder = locate(f"closing://{tmp_path}/there")
    format_, files = FILES[kind]
    plant(folder, files)
    corpus = make(format_, folder / "**", on_bad_file="skip")
    units = plan_units(corpus, list_inputs(corpus, Path()), 1000)
    monkeypatch.setattr(
        closing_storage.ClosingFileSystem, "_open", lambda *_, **__: _Failing(bytes(9000))
    )
    for items in ([item for unit in units for item in read_unit(unit)], read(corpus)):
        assert {item.reason for item in items if isinstance(item, Rejection)} == {"unreadable_file"}
        assert all("_StorageError: try again later" in str(item) for item in items)
    with pytest.raises(InputError, match="_StorageError: try again later; replace the file"):
        read(replace(corpus, on_bad_file="stop"))


@contextmanager
def answering(status: int, head_status: int | None = None) -> Iterator[str]:
    """The address of a server that has these answers to everything."""

    class _Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(status)

        def do_HEAD(self) -> None:
            self._answer(head_status or status)

        def _answer(self, code: int) -> None:
            self.send_response(code)
            self.send_header("Content-Length", "900" if code < 400 else "0")
            self.send_header("Last-Modified", "Sun, 29 Nov 2026 05:00:00 GMT")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_refuses_is_one_line(s3: Address) -> None:
    with answering(403) as host:
        options = f"?endpoint_override={host}&scheme=http"
        for pattern in ("*.txt", "a.txt"):
            with pytest.raises(
                InputError, match=r"cannot list s3://bucket/.*txt\?endpoint"
            ) as raised:
                list_inputs(make("text", f"s3://bucket/{pattern}{options}"), Path())
            assert len(str(raised.value).splitlines()) == 1


def test_a_server_that_fails_says_nothing_about_a_file(s3: Address) -> None:
    with answering(500) as host:
        address = f"s3://bucket/*.txt?endpoint_override={host}&scheme=http"
        with pytest.raises(StorageError, match=r"storage does not answer: .*500") as raised:
            list_inputs(make("text", address, on_bad_file="skip"), Path())
        assert len(str(raised.value).splitlines()) == 1


def test_content_that_a_server_does_not_send_is_a_bad_file(s3: Address) -> None:
    with answering(403, 200) as host:
        address = f"s3://bucket/a.txt?endpoint_override={host}&scheme=http&region=us-east-1"
        (item,) = read(make("text", address, on_bad_file="skip"))
        assert isinstance(item, Rejection)
        assert (item.document, item.reason) == ("a.txt", "unreadable_file")
        assert "AWS Error" in item.detail
        with pytest.raises(InputError, match=r"cannot read s3://bucket/a\.txt.* on_bad_file = "):
            read(make("text", address))


def test_few_requests_fetch_what_is_read(s3: Address, fetched: list[int]) -> None:
    data = random.Random(2).randbytes(30_000_000)
    plant(s3, {"a.txt": data, "b.zip": pack_zip({"a.bin": data[:9_000_000]})})
    assert b"".join(read_range(s3 / "a.txt", 5, None, 1 << 14)) == data[5:]
    assert len(fetched) < 12
    assert max(fetched) <= 8 << 20
    fetched.clear()
    blocks = read_range(s3 / "a.txt", 5, 20_000_005)
    assert {len(next(blocks)) for _ in range(3)} == {1 << 20}
    assert fetched == [8 << 20]
    blocks.close()
    fetched.clear()
    next(read_range(s3 / "a.txt", 5, None, 1 << 16))
    assert fetched == [1 << 18]
    fetched.clear()
    list(read(make("text", s3 / "b.zip", encoding="latin-1")))
    assert len(fetched) < 30  # 16 of them samples
