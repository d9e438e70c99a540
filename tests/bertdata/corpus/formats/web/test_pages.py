"""WET and WARC: real captures, every kind of record and response, damage."""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.formats.web import http_codings, warc_records
from bertdata.corpus.formats.web import pages as web
from bertdata.corpus.formats.web.http_responses import parse_response
from bertdata.corpus.formats.web.warc_records import iter_records, parse_headers
from bertdata.corpus.units import plan_units
from bertdata.errors import ConfigError, InputError

Item = Document | Rejection
PROSE = "The river runs past the old mill and on to the sea, as it has for a thousand years. "
HTML = (
    f"<html><head><title>T</title></head><body><article><p>{PROSE * 3}</p></article></body></html>"
)


def record(kind: str, content: bytes, **headers: str) -> bytes:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"WARC-Type": kind, **names, "Content-Length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"WARC/1.0\r\n{lines}\r\n".encode() + content + b"\r\n\r\n"


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    given = {"Content-Type": "text/html; charset=utf-8"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    http = f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body
    return record(
        "response",
        http,
        Content_Type="application/http; msgtype=response",
        WARC_Target_URI="http://a.b/",
    )


def read_file(path: Path, format_: str, unit_bytes: int = 1 << 40, **values: Any) -> list[Item]:
    corpus = CorpusConfig(name="c", format=format_, paths=(path.name,), **values)
    units = plan_units(corpus, list_inputs(corpus, path.parent), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def read(tmp_path: Path, data: bytes, format_: str = "warc", **values: Any) -> list[Item]:
    (tmp_path / "f.warc").write_bytes(data)
    return read_file(tmp_path / "f.warc", format_, **values)


def outcome(item: Item) -> str:
    return item.text if isinstance(item, Document) else item.reason


# real files


def test_a_real_wet_file(shared_data: Path) -> None:
    (item,) = read_file(shared_data / "warc" / "whirlwind.warc.wet.gz", "wet")
    assert isinstance(item, Document)
    assert item.document == "https://an.wikipedia.org/wiki/Escopete"
    assert item.text.startswith(
        "Escopete - Biquipedia, a enciclopedia libre\n\nIr al contenido\n\n"
    )
    assert len(item.text.split("\n\n")) > 100


def test_a_real_capture(shared_data: Path) -> None:
    (item,) = read_file(shared_data / "warc" / "whirlwind.warc.gz", "warc")
    assert isinstance(item, Document)
    assert item.text.startswith("Escopete\n\n")
    assert "Creyar cuenta" not in item.text  # the menu
    assert "provincia de Guadalachara" in item.text


def test_a_real_crawl(shared_data: Path) -> None:
    items = read_file(shared_data / "warc" / "warcfile.warc.gz", "warc")
    texts = {item.document: item.text for item in items if isinstance(item, Document)}
    assert len(items) == len(texts) == 16
    assert "Стратегия пожарной безопасности" in texts["http://01spb.ru/company/"]  # windows-1251
    assert "TEL：0512-55111066" in texts["http://037426.cn/"]  # gb2312
    dutch = texts["http://0900-hovenier.nl/gelderland/oosterbeek/"]
    assert dutch.startswith("Hovenier in Oosterbeek\n\nBent u verhuisd")


def test_real_chunks_and_revisits(shared_data: Path) -> None:
    (item,) = read_file(shared_data / "warc" / "example-iana.org-chunked.warc", "warc")
    assert outcome(item).startswith(
        "Internet Assigned Numbers Authority\n\nThe global coordination"
    )
    for name in ("example.warc", "example.warc.gz"):
        items = read_file(shared_data / "warc" / name, "warc")
        assert [type(item) for item in items] == [Document, Rejection]
        assert outcome(items[1]) == "duplicate"


# records


def test_every_response_is_accounted_for(tmp_path: Path) -> None:
    body = HTML.encode()
    chunked = b"5\r\n" + body[:5] + b"\r\n%x;x=y\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n"
    data = b"".join(
        [
            record("warcinfo", b"software: x"),
            record("request", b"GET / HTTP/1.1\r\n\r\n"),
            response(body),
            response(chunked, Transfer_Encoding="chunked"),
            response(body, Transfer_Encoding="chunked"),  # stored joined
            response(gzip.compress(body), Content_Encoding="gzip"),
            response(zlib.compress(body), Content_Encoding="deflate"),
            response(zlib.compress(body)[2:-4], Content_Encoding="deflate"),
            response(body, Content_Encoding="br"),  # stored decoded
            response(b"Plain.\nText.", Content_Type="text/plain"),
            record("resource", body, Content_Type="text/html", WARC_Target_URI="<http://a.b/>"),
            response(b"\x8b\x00", Content_Encoding="br"),
            response(gzip.compress(body)[:-20], Content_Encoding="gzip"),
            response(b"\x89PNG", Content_Type="image/png"),
            response(body, "404 Not Found"),
            response(b"<html><body></body></html>"),
            record("response", b"no http", Content_Type="application/http"),
            record("metadata", b"x"),
        ]
    )
    items = read(tmp_path, data)
    outcomes = [outcome(item) for item in items]
    assert outcomes[:7] == [PROSE.strip() + (" " + PROSE.strip()) * 2] * 7
    assert outcomes[7] == "Plain.\n\nText."
    assert outcomes[8] == outcomes[0]
    assert outcomes[9:] == [
        "invalid_http",
        "invalid_http",
        "not_text",
        "http_error",
        "empty",
        "invalid_http",
    ]
    assert {item.document for item in items[:9]} == {"http://a.b/"}
    assert isinstance(items[-2], Rejection)
    assert items[-2].detail.startswith("f.warc, record at byte ")


def chunks(body: bytes, size: int, end: str = "0\r\n\r\n", extension: str = "") -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    packed = [b"%x%s\r\n%s\r\n" % (len(piece), extension.encode(), piece) for piece in pieces]
    return b"".join(packed) + end.encode()


def body_of(body: bytes, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return parse_response(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body).body


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize(
    ("end", "extension"),
    [
        ("0\r\n\r\n", ""),
        ("0\r\nX-Note: end\r\nDigest: 40\r\n\r\n", ';own="1"'),
        ("0;x\r\n\r\n", "  "),
    ],
)
def test_chunks_with_extensions_and_trailers(size: int, end: str, extension: str) -> None:
    body = chunks(HTML.encode(), size, end, extension)
    assert body_of(body, Transfer_Encoding="chunked") == HTML.encode()
    assert body_of(chunks(b"", size, end, extension), Transfer_Encoding="chunked") == b""


def test_a_body_cut_anywhere_keeps_its_whole_chunks() -> None:
    size = 64
    text = HTML.encode()[: 5 * size]
    body = chunks(text, size)
    first = len(b"40\r\n") + size
    for stop in range(first, len(body)):
        kept = body_of(body[:stop], Transfer_Encoding="chunked")
        assert text.startswith(kept)
        assert len(kept) == min(len(text), (stop - first) // (first + 2) * size + size)
    for stop in range(len(b"40\r\n"), first):
        with pytest.raises(ValueError, match="cut inside its first chunk"):
            body_of(body[:stop], Transfer_Encoding="chunked")


def test_damaged_chunks_keep_the_whole_ones_before() -> None:
    body = chunks(b"abcdefgh", 4).replace(b"\r\n4\r\nefgh", b"\r\nxyz\r\nefgh")
    assert body_of(body, Transfer_Encoding="chunked") == b"abcd"
    body = chunks(b"abcdefgh", 4).replace(b"efgh", b"efghij")
    assert body_of(body, Transfer_Encoding="chunked") == b"abcd"


@pytest.mark.parametrize(
    "body",
    [
        HTML.encode(),
        b"5\r\nrooms and a kitchen, and more text than that.",
        b"Ada\r\nLovelace",
        b"cafe and cake",
    ],
)
def test_a_body_stored_without_its_chunks_is_kept(body: bytes) -> None:
    assert body_of(body, Transfer_Encoding="chunked") == body


BODIES = [
    HTML.encode(),
    b"Plain text, which begins with no tag.",
    "東京は首都。".encode("shift_jis"),
]
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("text", BODIES)
def test_codings_are_undone_or_were_already(coding: str, text: bytes) -> None:
    packed = CODINGS[coding](text)
    assert body_of(packed, Content_Encoding=coding.upper()) == text
    assert body_of(text, Content_Encoding=coding) == text
    assert body_of(chunks(packed, 9), Transfer_Encoding=f"{coding}, chunked") == text
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        body_of(CODINGS[coding](os.urandom(300))[:-9], Content_Encoding=coding)


@pytest.mark.parametrize("second", CODINGS)
@pytest.mark.parametrize("first", CODINGS)
def test_several_codings(first: str, second: str) -> None:
    packed = CODINGS[second](CODINGS[first](HTML.encode()))
    assert body_of(packed, Content_Encoding=f"{first} , {second}") == HTML.encode()


def test_a_coding_that_is_not_read_is_named() -> None:
    assert body_of(b"Text.", Content_Encoding="utf-8") == b"Text."
    with pytest.raises(ValueError, match="Content-Encoding 'dcb' is not read"):
        body_of(b"\xffDCB\x00\x01", Content_Encoding="dcb")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bodies_that_unpack_to_too_much_are_refused(
    coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_codings, "_MAX_BODY_BYTES", 1 << 20)
    assert body_of(CODINGS[coding](bytes(1 << 19)), Content_Encoding=coding) == bytes(1 << 19)
    with pytest.raises(ValueError, match="holds more than 1,048,576 bytes"):
        body_of(CODINGS[coding](bytes(3 << 20)), Content_Encoding=coding)


def test_field_pages(shared_data: Path) -> None:
    items = read_file(shared_data / "field" / "c14-pages.warc.gz", "warc")
    assert all(isinstance(item, Document) for item in items)
    assert len(items) == 10
    assert not [item for item in items if re.search(r"\b(40|31|32)\b", outcome(item))]
    assert outcome(items[8]).endswith("repairs the hull and paints the deck.")


@pytest.mark.parametrize("content_type", ["text/html", "text/plain"])
def test_a_page_that_is_another_file_is_named(tmp_path: Path, content_type: str) -> None:
    data = response(b"%PDF-1.4\n1 0 obj", Content_Type=content_type)
    (item,) = read(tmp_path, data)
    assert isinstance(item, Rejection)
    assert item.reason == "not_text"
    assert item.detail.endswith("its content is a PDF document")


def test_charsets(tmp_path: Path) -> None:
    html = f"<html><body><article><p>{PROSE} Grüße ß.</p></article></body></html>"
    meta = html.replace("<html>", '<html><head><meta charset="windows-1252"></head>')
    data = b"".join(
        [
            response(html.encode("latin-1"), Content_Type="text/html; charset=ISO-8859-1"),
            response(meta.encode("cp1252"), Content_Type="text/html"),
            response(html.encode(), Content_Type="text/html; charset=no-such"),
            response(html.encode("cp1252"), Content_Type="text/html; charset=utf-8"),  # a lie
        ]
    )
    assert [outcome(item)[-8:] for item in read(tmp_path, data)] == ["Grüße ß."] * 4


def test_wet_takes_texts_alone(tmp_path: Path) -> None:
    def text(content: bytes, **headers: str) -> bytes:
        return record("conversion", content, **headers)

    data = b"".join(
        [
            record("warcinfo", b"x"),
            text(b"One.\n\n Two. \n", Content_Type="text/plain", WARC_Target_URI="http://a.b/"),
            text(b"caf\xe9", Content_Type="text/plain"),
            text(b"{}", Content_Type="application/json"),
            text(b""),
        ]
    )
    items = read(tmp_path, data, "wet")
    assert [outcome(item) for item in items] == [
        "One.\n\nTwo.",
        "invalid_utf8",
        "not_text",
        "empty",
    ]
    assert items[1].document == f"f.warc@{data.rindex(b'WARC/', 0, data.index(b'caf'))}"


def test_too_long_records_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_records, "MAX_RECORD_BYTES", 1000)
    data = response(b"x" * 5_000_000) + response(HTML.encode())
    assert [outcome(item)[:9] for item in read(tmp_path, data)] == ["too_long", "The river"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no warc at all\n", "where WARC/1 is expected in the WARC record at byte 0"),
        (b"WARC/1.0\r\nContent-Length: 5", "the file ends in the WARC record at byte 0"),
        (b"WARC/1.0\r\nContent-Length: -5\r\n\r\n", "Content-Length is '-5'"),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", "Content-Length is ''"),
        (response(b"x" * 100)[:-50], "the file ends in the WARC record at byte 0"),
        (record("request", b"x" * 100)[:-50], "the file ends"),
        (b"WARC/1.0\r\n" + b"a: b\r\n" * 300_000, "the headers have no end"),
    ],
)
def test_damage_says_where(tmp_path: Path, data: bytes, message: str) -> None:
    whole = response(HTML.encode())
    for start in (b"", whole):
        with pytest.raises(InputError, match=message.replace("byte 0", f"byte {len(start)}")):
            read(tmp_path, start + data)
        items = read(tmp_path, start + data, on_bad_file="skip")
        assert outcome(items[-1]) == "unreadable_file"
        assert len(items) == bool(start) + 1


def test_members_are_cut_between_workers(tmp_path: Path) -> None:
    texts = [f"Text number {i}. " * (i % 5 + 1) for i in range(200)]
    records = [
        record("conversion", text.encode(), WARC_Target_URI=f"http://{i}/")
        for i, text in enumerate(texts)
    ]
    path = tmp_path / "f.wet.gz"
    path.write_bytes(b"".join(map(gzip.compress, records)))
    corpus = CorpusConfig(name="c", format="wet", paths=("f.wet.gz",))
    units = plan_units(corpus, list_inputs(corpus, tmp_path), 3000)
    assert len(units) > 5
    for unit_bytes in (100, 3000, 1 << 40):
        items = read_file(path, "wet", unit_bytes)
        assert [item.document for item in items] == [f"http://{i}/" for i in range(200)]
        assert [outcome(item) for item in items] == [text.strip() for text in texts]
    path.write_bytes(gzip.compress(b"".join(records)))  # one member: one unit
    assert len(read_file(path, "wet", 100)) == 200


def test_without_resiliparse_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resiliparse.extract.html2text", None)
    web._load_extractor.cache_clear()
    with pytest.raises(ConfigError, match=r"needs the package resiliparse: pip install"):
        read(tmp_path, response(HTML.encode()), on_bad_file="skip")
    assert len(read(tmp_path, record("conversion", b"Text."), "wet")) == 1


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_records_or_damage(data: bytes, size: int) -> None:
    for start in (b"", b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 3\r\n\r\n"):
        whole = start + data
        blocks = [whole[i : i + size] for i in range(0, len(whole), size)]
        try:
            found = list(iter_records(blocks, frozenset(("response",)), "f"))
        except InputError:
            continue
        assert all(whole[record.offset :].startswith(b"WARC/") for record in found)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "zstd", "identity"]))
def test_any_bytes_are_a_response_or_not(data: bytes, encoding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {encoding}\r\n\r\n"
    for whole in (data, head.encode() + data):
        try:
            parse_response(whole)
        except ValueError:
            continue


# pages and headers that cost more than their size

DEEP_PAGES = {
    "elements inside too many others": "<div>" * 50_000,
    "a list of over 4,000 options": "<select>" + "<option>x" * 5000,
}


@pytest.mark.parametrize("why", DEEP_PAGES)
def test_a_page_that_costs_too_much_is_rejected_with_its_place(tmp_path: Path, why: str) -> None:
    before, after = response(HTML.encode()), response(HTML.encode())
    data = gzip.compress(before + response(DEEP_PAGES[why].encode()) + after)
    (tmp_path / "f.warc.gz").write_bytes(data)
    first, item, last = read_file(tmp_path / "f.warc.gz", "warc")
    assert outcome(first) == outcome(last) != "too_complex"
    assert isinstance(item, Rejection)
    assert item.reason == "too_complex"
    assert item.detail == f"f.warc.gz, record at byte {len(before)}: {why}"


def test_continued_headers_are_joined(tmp_path: Path) -> None:
    folded = response(
        HTML.encode(), X="a\r\n b\r\n\tc", Content_Type="text/html;\r\n charset=utf-8"
    )
    (item,) = read(tmp_path, folded)
    assert isinstance(item, Document)
    assert parse_headers([b"A: b", b" c", b"\td ", b"e"]) == {"a": "b c d"}


@pytest.mark.parametrize("coding", ["deflate", "br"])
def test_the_ratio_holds_for_bodies(tmp_path: Path, coding: str) -> None:
    body = CODINGS[coding](HTML.encode() + b" " * (8 << 20))
    data = response(body, Content_Encoding=coding) + response(HTML.encode())
    first, second = read(tmp_path, data, max_compression_ratio=100)
    assert isinstance(first, Rejection)
    assert "record at byte 0: the body holds more than 100 times its size: a bomb" in first.detail
    assert outcome(second) != "invalid_http"
    assert outcome(read(tmp_path, data, max_compression_ratio=1 << 20)[0]) != "invalid_http"


def test_codings_are_counted(tmp_path: Path) -> None:
    (item,) = read(tmp_path, response(b"x", Content_Encoding=", ".join(["gzip"] * 9)))
    assert isinstance(item, Rejection)
    assert "packed 9 times, more than 8" in item.detail
