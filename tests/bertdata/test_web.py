"""WET and WARC: real captures, every kind of record and response, damage."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus import CorpusConfig, list_inputs
from bertdata.documents import Document, Rejection
from bertdata.errors import ConfigError, InputError
from bertdata.formats import read_unit, warc_records, web
from bertdata.formats.http_responses import parse_response
from bertdata.formats.warc_records import iter_records
from bertdata.planning import plan_units

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


def read_file(path: Path, format_: str, unit_bytes: int = 1 << 40, **values: str) -> list[Item]:
    corpus = CorpusConfig(name="c", format=format_, paths=(path.name,), **values)
    units = plan_units(corpus, list_inputs(corpus, path.parent), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def read(tmp_path: Path, data: bytes, format_: str = "warc", **values: str) -> list[Item]:
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
    monkeypatch.setattr(warc_records, "MOST_RECORD_BYTES", 1000)
    data = response(b"x" * 5_000_000) + response(HTML.encode())
    assert [outcome(item)[:9] for item in read(tmp_path, data)] == ["too_long", "The river"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no warc at all\n", "where WARC/1 should stand in the WARC record at byte 0"),
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


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "br", "identity"]))
def test_any_bytes_are_a_response_or_not(data: bytes, encoding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {encoding}\r\n\r\n"
    for whole in (data, head.encode() + data):
        try:
            parse_response(whole)
        except ValueError:
            continue
