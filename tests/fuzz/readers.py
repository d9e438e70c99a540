"""Every reader: any bytes are documents and counted rejections, and nothing else comes of them."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import lzma
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import REASONS, Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.formats.web.http_responses import parse_response
from bertdata.corpus.formats.wikipedia.wikitext import clean_wikitext
from bertdata.corpus.partitions import Layout
from bertdata.corpus.units import plan_units
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.errors import BertdataError
from bertdata.sentences.blocks import make_block
from bertdata.sentences.files import write_file
from bertdata.sentences.splitter import SentenceSplitter, load_splitter
from bertdata.storage.schema import REJECTED, SENTENCES
from bertdata.storage.shards import open_arrow
from tests.bertdata.corpus.formats.web.test_pages import HTML, record, response
from tests.bertdata.corpus.formats.wikipedia.test_articles import END, HEAD, multistream, page
from tests.bertdata.corpus.packed.test_archives import pack_tar, pack_zip
from tests.fuzz.targets import Target

Item = Document | Rejection
Pack = Callable[[bytes], bytes]

_TEXT = "The river runs. It's late!\n\n東京は首都。 Dr. Smith said: “No.”\r\nEnd\n".encode()
_JSONL = b'{"text": "One. Two.", "id": 7}\n\n{"text": "caf\\u00e9 \\ud83d\\ude00", "id": "x"}\n'
_XML = HEAD + "".join(
    (
        page("A &amp; B", "'''A''' is [[b|c]].{{d|{{e}}}}&lt;ref&gt;f&lt;/ref&gt;\n{|\n|g\n|}"),
        page("R", "#REDIRECT [[A]]"),
        page("T", "x", ns=1),
    )
)
_WET = record("warcinfo", b"a: b") + record(
    "conversion", b"One line.\nAnother.", Content_Type="text/plain", WARC_Target_URI="http://a.b/"
)
_WARC = (
    response(HTML.encode())
    + response(gzip.compress(HTML.encode()), Content_Encoding="gzip")
    + response(b"5\r\n<p>ab\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    + record("revisit", b"", WARC_Target_URI="http://a.b/c")
)
_WIKITEXT = (
    b"'''A''' is [[letter|''first'']].{{cite|{{a}}}}<ref name=x>y</ref>\n== B ==\n* [[File:x.jpg|"
    b"thumb|z [[w]]]]\n{|\n|a\n|}\n-{zh:a;en:b}- &amp; <nowiki>[[</nowiki> [http://a b] (; )<!-- c"
    b" -->"
)

_PACKINGS: dict[str, Pack] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}
_XML_TOKENS = (
    *(b"<page>", b"</page>", b"<text>", b"</text>", b"<revision>", b"<title>", b"</mediawiki>"),
    *(b'<!DOCTYPE a [<!ENTITY b "c">]>', b"&b;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<ns>"),
    *(b"&#0;", b"&lt;", b"<siteinfo>", b"</siteinfo>", b"<redirect/>", b"<?xml encoding='x'?>"),
)
_WARC_TOKENS = (
    *(b"WARC/1.0\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n"),
    *(b"WARC-Type: response\r\n", b"WARC-Type: conversion\r\n", b"HTTP/1.1 200 OK\r\n", b"<p>"),
    *(b"Content-Type: text/html\r\n", b"charset=utf-16", b"Transfer-Encoding: chunked\r\n", b"ff"),
)
_WIKI_TOKENS = (
    *(
        b"{{",
        b"}}",
        b"{{{",
        b"[[",
        b"]]",
        b"[",
        b"]",
        b"|",
        b"{|\n",
        b"\n|}",
        b"''",
        b"\n==",
        b"==",
    ),
    *(b"(", b")", b",", b";", b"\n*", b"<ref>", b"</ref>", b"<ref/>", b"<br>", b"<!--", b"-->"),
    *(b"<nowiki>", b"</nowiki>", b"<table>", b"</table>", b"File:", b"http://", b"&#91;", b"-{"),
    *(
        b"}-",
        b"{{lang|x|",
        b"{{convert|1|m",
        b"__TOC__",
        b"\n----",
        b"<div ",
        b"\xe3\x80\x82",
        b"\n",
    ),
)
_JSON_TOKENS = (
    *(b'{"text": "', b'"}\n', b"\\ud800", b"\\u0000", b"NaN", b"1e999", b"[", b"{", b"null"),
    *(b'"id": ', b'"text": ', b"\\", b'"', b"\n", b"true", b","),
)


def reader_targets(shared: Path | None) -> Iterator[Target]:
    """One for each format and compression. `shared`: the folder of real corpora, if there is."""
    real = _read_real(shared)
    texts = [_TEXT, *real["text"]]
    for format_ in ("text", "lines"):
        yield _target(format_, "", texts, (b"\n", b"\n\n", b". "))
    yield _target("jsonl", "", [_JSONL, *real["jsonl"]], _JSON_TOKENS)
    dumps = [(_XML + END).encode(), *real["wikipedia-xml"]]
    arrays = [b'[{"text": "One."}, {"text": "Two."}]', b'{\n "text": "{]"\n}\n{\n"text": "b"}']
    yield _target("jsonl", ".json", arrays, _JSON_TOKENS)
    files = {"a.jsonl": _JSONL, "b/c.jsonl.gz": gzip.compress(_JSONL), "d.png": b"\x89PNG\r\n"}
    archives = [pack_tar(files), gzip.compress(pack_tar(files)), pack_zip(files)]
    yield _target("jsonl", ".archive", archives, (b"ustar", b"PK\x03\x04", b"\0" * 512))
    yield _target("text", ".archive", archives, (b"ustar", b"PK\x03\x04", b"\0" * 512))
    yield _target("wikipedia-xml", "", dumps, _XML_TOKENS)
    yield _target("wet", "", [_WET, *real["wet"]], _WARC_TOKENS)
    yield _target("warc", "", [_WARC, *real["warc"]], _WARC_TOKENS)
    for suffix, pack in _PACKINGS.items():
        yield _target("jsonl", suffix, [pack(_JSONL), pack(_JSONL) * 3])
    many = HEAD, *[page(str(n), f"Text {n}. [[a]]") for n in range(9)], END
    yield _target("wikipedia-xml", ".bz2", [multistream(list(many), 2), bz2.compress(dumps[0])])
    members = [gzip.compress(_WET) * 4, gzip.compress(_WARC) * 3]
    yield _target("wet", ".gz", [members[0], gzip.compress(_WET * 3)])
    yield _target("warc", ".gz", [members[1], *real["warc.gz"]])
    yield _target("parquet", "", list(_make_parquet()))
    yield _target("arrow", "", list(_make_arrow()))
    yield Target(
        name="saved", seeds=_SAVED, tokens=(*_JSON_TOKENS, b"../", b"a.arrow"), check=_check_saved
    )
    yield Target(name="wikitext", seeds=[_WIKITEXT], tokens=_WIKI_TOKENS, check=_check_wikitext)
    yield Target(
        name="http",
        seeds=[_WARC[_WARC.find(b"HTTP") :], b"HTTP/1.0 404\n\nx"],
        tokens=(*_WARC_TOKENS, b"Content-Encoding: deflate\r\n", b"\r\n"),
        check=_check_response,
    )


def check_file(path: Path, corpus: CorpusConfig, random: Random) -> None:
    """Whatever lies at `path`, it is documents and rejections, the same for any units."""
    try:
        inputs = list_inputs(corpus, path.parent)
    except BertdataError:
        return  # a folder that says it holds what it does not
    whole = _read(corpus, path.parent, 1 << 40)
    for item in whole:
        _check_item(item)
    cut = _read(corpus, path.parent, random.choice((50, 200, 1000)))
    damaged = [any(map(_is_damage, items)) for items in (whole, cut)]
    if not any(damaged):
        assert [_outcome(item) for item in whole] == [_outcome(item) for item in cut]
    if random.random() < 0.1:
        _check_stop(corpus, path.parent, damaged[0])
        _check_accounts(whole, path.parent)
    assert inputs


def _target(
    format_: str,
    suffix: str,
    seeds: list[bytes],
    tokens: tuple[bytes, ...] = (b"BZh9", b"\x1f\x8b"),
) -> Target:
    def check(data: bytes, folder: Path, random: Random) -> None:
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        check_file(path, _draw_corpus(format_, path.name, random), random)

    return Target(name=f"{format_}{suffix}", seeds=seeds, tokens=tokens, check=check)


def _draw_corpus(format_: str, pattern: str, random: Random) -> CorpusConfig:
    values: dict[str, Any] = {"encoding_errors": random.choice(("strict", "replace"))}
    if format_ in ("text", "lines", "jsonl"):
        encodings = ("utf-8", "utf-8", "latin-1", "utf-16", "utf-32", "gbk", "shift_jis", "cp1252")
        values["encoding"] = random.choice(encodings)
    values["max_document_bytes"] = random.choice((40, 1 << 20))
    return CorpusConfig(name="c", format=format_, paths=(pattern,), on_bad_file="skip", **values)


def _read(corpus: CorpusConfig, folder: Path, unit_bytes: int) -> list[Item]:
    units = plan_units(corpus, list_inputs(corpus, folder), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def _check_item(item: Item) -> None:
    item.document.encode()
    assert item.document
    if isinstance(item, Rejection):
        assert item.reason in REASONS
        item.detail.encode()
        assert item.detail
    else:
        item.text.encode()
        item.place.encode()
        assert item.text.strip()
        assert item.sentences is None or all(item.sentences)


def _is_damage(item: Item) -> bool:
    return isinstance(item, Rejection) and item.reason == "unreadable_file"


def _outcome(item: Item) -> str:
    return item.text if isinstance(item, Document) else item.reason


def _check_stop(corpus: CorpusConfig, folder: Path, is_damaged: bool) -> None:
    """With on_bad_file = "stop" a damaged file is an error, and nothing else is."""
    table = {name: getattr(corpus, name) for name in corpus.__dataclass_fields__}
    strict = CorpusConfig(**{**table, "on_bad_file": "stop"})
    try:
        _read(strict, folder, 1 << 40)
    except BertdataError:
        assert is_damaged
    else:
        assert not is_damaged


@cache
def _splitter() -> SentenceSplitter:
    return load_splitter("english")


def _check_accounts(items: list[Item], folder: Path) -> None:
    """read = written + rejected, by the rows of the files."""
    layout = Layout(num_partitions=2, num_files=1, seed=1)
    fingerprints = Fingerprints(similar=True, sentences=True)
    block = make_block(items, 0, _splitter(), layout, fingerprints)
    block.validate(full=True)
    written = write_file(folder, 0, layout, [block], [])
    assert written.counts["documents_read"] == len(items) == sum(s.rows for s in written.shards)
    for shard, schema in zip(written.shards, (SENTENCES, REJECTED)):
        with open_arrow(folder / shard.path) as reader:
            assert reader.schema == schema
            reader.read_all().validate(full=True)


def _check_wikitext(data: bytes, folder: Path, random: Random) -> None:
    prose = clean_wikitext(data.decode("utf-8", "replace"))
    assert "\x02" not in prose
    prose.encode()


def _check_response(data: bytes, folder: Path, random: Random) -> None:
    try:
        parse_response(data)
    except ValueError:
        return


_SAVED = (
    b'{"_data_files": [{"filename": "data.arrow"}], "_fingerprint": "1"}',
    b'{"splits": ["train", "test"]}',
)


def _check_saved(data: bytes, folder: Path, random: Random) -> None:
    saved = folder / "saved"
    for name in ("", "train", "test"):
        (saved / name).mkdir(parents=True, exist_ok=True)
        (saved / name / "state.json").write_bytes(_SAVED[0])
        (saved / name / "data.arrow").write_bytes(next(_make_arrow()))
    (saved / "dataset_dict.json").unlink(missing_ok=True)
    name = random.choice(("state.json", "dataset_dict.json", "train/state.json"))
    (saved / name).write_bytes(data)
    if name.startswith("train"):
        (saved / "dataset_dict.json").write_bytes(_SAVED[1])
    corpus = CorpusConfig(name="c", format="arrow", paths=("saved",), on_bad_file="skip")
    check_file(saved, corpus, random)


def _tables() -> Iterator[pa.Table]:
    texts = ["One. Two.", "", "東京は。", None, "x" * 300]
    ids = ["a", "b", None, "d", "e"]
    yield pa.table({"text": texts, "id": ids})
    yield pa.table({"text": pa.array(texts, pa.large_string()), "id": pa.array(range(5))})
    yield pa.table({"text": pa.array(texts).dictionary_encode(), "n": [[1], [], None, [2], [3]]})
    yield pa.table({"text": pa.array(texts, pa.string_view()), "s": [{"a": 1}] * 5})


def _make_parquet() -> Iterator[bytes]:
    for table, compression in itertools.product(_tables(), ("none", "zstd")):
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=2, compression=compression)
        yield sink.getvalue()


def _make_arrow() -> Iterator[bytes]:
    for table, open_ in itertools.product(_tables(), (pa.ipc.new_file, pa.ipc.new_stream)):
        sink = io.BytesIO()
        with open_(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        yield sink.getvalue()


def _read_real(shared: Path | None) -> dict[str, list[bytes]]:
    """Some small real files by format."""
    names = ("text", "jsonl", "wikipedia-xml", "wet", "warc", "warc.gz")
    found: dict[str, list[bytes]] = {name: [] for name in names}
    if shared is None:
        return found
    found["text"].append((shared / "google-bert-sample/sample_text.txt").read_bytes())
    with gzip.open(shared / "parallel-pud/th.jsonl.gz") as file:
        found["jsonl"].append(b"".join(itertools.islice(file, 5)))
    (dump,) = (shared / "wikipedia-dump").iterdir()
    with bz2.open(dump) as file:
        found["wikipedia-xml"].append(file.read(60_000))
    found["wet"].append(gzip.decompress((shared / "warc/whirlwind.warc.wet.gz").read_bytes()))
    found["warc"].append((shared / "warc/example.warc").read_bytes())
    found["warc"].append((shared / "warc/example-iana.org-chunked.warc").read_bytes())
    found["warc.gz"].append((shared / "warc/example.warc.gz").read_bytes())
    assert json.loads(found["jsonl"][0].split(b"\n")[0])
    return found
