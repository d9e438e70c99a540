"""MediaWiki dumps: every page accounted for, however the file is compressed, cut or damaged."""

from __future__ import annotations

import bz2
import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.formats.wikipedia import pages as mediawiki_pages
from bertdata.corpus.formats.wikipedia.pages import iter_pages
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError

Item = Document | Rejection
HEAD = (
    '<mediawiki xml:lang="de">\n<siteinfo><namespaces><namespace key="6">Datei</namespace>'
    "</namespaces></siteinfo>\n"
)
END = "</mediawiki>\n"


def page(title: str, text: str, *, ns: int = 0, more: str = "", model: str = "wikitext") -> str:
    return (
        f"  <page>\n<title>{title}</title><ns>{ns}</ns><id>7</id>{more}<revision><id>1</id>"
        f'<model>{model}</model><text xml:space="preserve">{text}</text></revision>\n  </page>\n'
    )


def read(path: Path, unit_bytes: int = 1 << 40, **values: str) -> list[Item]:
    corpus = CorpusConfig(name="w", format="wikipedia-xml", paths=(path.name,), **values)
    units = plan_units(corpus, list_inputs(corpus, path.parent), unit_bytes)
    return [item for unit in units for item in read_unit(unit)]


def read_text(tmp_path: Path, text: str, **values: str) -> list[Item]:
    path = tmp_path / "dump.xml"
    path.write_bytes(text.encode())
    return read(path, **values)


def outcomes(items: list[Item]) -> list[tuple[str, str]]:
    return [
        (item.document, item.text if isinstance(item, Document) else item.reason) for item in items
    ]


def test_each_page_is_a_document_or_a_rejection(tmp_path: Path) -> None:
    dump = HEAD + "".join(
        [
            page("A &amp; B", "It is ''so''. [[Datei:x|y]]&lt;ref&gt;z&lt;/ref&gt;"),
            page("Old", "#REDIRECT [[A]]"),
            page("New", "#WEITERLEITUNG [[A]]", more='<redirect title="A" />'),
            page("Talk:A", "Hello.", ns=1),
            page("Nothing", "{{stub}}"),
            page("Gone", "").replace('<text xml:space="preserve"></text>', "<text deleted='1'/>"),
            page("Data", "{}", model="json"),
            page("Bad", "a <b> c"),
            page("Entity", "a &nope; c"),
            page("", "Text."),
            page("Last", "One.").replace(
                "</revision>", "</revision><revision><text>Two.</text></revision>"
            ),
        ]
    )
    items = read_text(tmp_path, dump + END)
    names = [name for name, _ in outcomes(items)]
    assert [outcome for _, outcome in outcomes(items)] == [
        "It is so.",
        "redirect",
        "redirect",
        "other_namespace",
        "empty",
        "empty",
        "not_text",
        "invalid_xml",
        "invalid_xml",
        "Text.",
        "Two.",
    ]
    assert names[:2] == ["A & B", "Old"]
    assert names[7] == f"dump.xml@{dump.index('<page>', dump.index('Data'))}"
    detail = items[7].detail if isinstance(items[7], Rejection) else ""
    assert detail.startswith(f"dump.xml, page at byte {int(names[7].split('@')[1]):,}: mismatched")


@pytest.mark.parametrize(
    ("language", "text"), [("sr", "реч A je"), ("en", "реч -{A}- je"), ("", "реч A je")]
)
def test_the_language_of_the_wiki_says_whether_it_has_variants(
    tmp_path: Path, language: str, text: str
) -> None:
    head = HEAD.replace(' xml:lang="de"', f' xml:lang="{language}"' if language else "")
    items = read_text(tmp_path, head + page("A", "реч -{A}- je") + END)
    assert outcomes(items) == [("A", text)]


def test_bytes_that_are_not_utf8_cost_their_page_alone(tmp_path: Path) -> None:
    dump = (HEAD + page("A", "a") + page("B", "b€") + page("C", "c") + END).encode()
    (tmp_path / "d.xml").write_bytes(dump.replace("€".encode(), b"\xff"))
    items = read(tmp_path / "d.xml")
    assert [outcome for _, outcome in outcomes(items)] == ["a", "invalid_utf8", "c"]
    (_, replaced, _) = read(tmp_path / "d.xml", encoding_errors="replace")
    assert isinstance(replaced, Document)
    assert replaced.text == "b\ufffd"


def test_damage_between_and_inside_pages(tmp_path: Path) -> None:
    whole = page("A", "a")
    items = read_text(tmp_path, HEAD + whole.replace("</page>", "") + whole + "junk" + whole + END)
    assert [outcome for _, outcome in outcomes(items)] == ["invalid_xml", "a", "invalid_xml", "a"]


def test_a_dump_that_ends_inside_a_page(tmp_path: Path) -> None:
    dump = HEAD + page("A", "a") + page("B", "b")[:-20]
    items = read_text(tmp_path, dump)
    assert [outcome for _, outcome in outcomes(items)] == ["a", "invalid_xml"]


def test_what_is_not_a_dump_is_a_bad_file(tmp_path: Path) -> None:
    for text in ("", "<html></html>", page("A", "a")):
        with pytest.raises(InputError, match="does not begin with <mediawiki>"):
            read_text(tmp_path, text)
        (item,) = read_text(tmp_path, text, on_bad_file="skip")
        assert isinstance(item, Rejection)
        assert item.reason == "unreadable_file"


def test_a_page_too_long_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mediawiki_pages, "_MAX_PAGE_BYTES", 100_000)
    monkeypatch.setattr("bertdata.corpus.compression.BLOCK_BYTES", 10_000)
    items = read_text(tmp_path, HEAD + page("A", "a " * 500_000) + page("B", "b") + END)
    assert [outcome for _, outcome in outcomes(items)] == ["invalid_xml", "b"]


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from(
            ["<page>", "</page>", "<page>a</page>", " ", "\n", "junk", "</mediawiki>", "<", "</pa"]
        ),
        max_size=12,
    ),
    st.integers(1, 30),
)
def test_pages_are_found_whatever_the_blocks(pieces: list[str], size: int) -> None:
    data = "".join(pieces).encode()
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    found = list(iter_pages(blocks, 5, has_head=False))
    assert found == list(iter_pages([data], 5, has_head=False))
    for raw in found:
        if raw.data:
            assert data[raw.offset - 5 :].startswith(raw.data)
    assert sum(bool(raw.data) or "page" in raw.problem for raw in found) >= data.count(b"<page>")


def make_pages(number: int) -> list[str]:
    return [page(f"Page {i}", f"Text {i}. " * (i % 7 * 30 + 1)) for i in range(number)]


def multistream(pages: list[str], per_stream: int) -> bytes:
    groups = [pages[i : i + per_stream] for i in range(0, len(pages), per_stream)]
    return b"".join(bz2.compress(s.encode()) for s in [HEAD, *map("".join, groups), END])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    dump = (HEAD + page("Чл", "Едно '''две''' [[Datei:x|y]]€.") * 50 + END).encode(encoding)
    for path in (tmp_path / "d.xml", tmp_path / "d.xml.bz2"):
        path.write_bytes(bz2.compress(dump) if path.suffix == ".bz2" else dump)
        for unit_bytes in (1000, 1 << 40):
            assert outcomes(read(path, unit_bytes)) == [("Чл", "Едно две €.")] * 50


@pytest.mark.parametrize("unit_bytes", [500, 3000, 1 << 40])
def test_units_of_any_size_hold_the_same(tmp_path: Path, unit_bytes: int) -> None:
    pages = make_pages(120)
    whole = (HEAD + "".join(pages) + END).encode()
    (tmp_path / "a.xml").write_bytes(whole)
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(whole))
    (tmp_path / "one.xml.bz2").write_bytes(bz2.compress(whole))
    (tmp_path / "multi.xml.bz2").write_bytes(multistream(pages, 10))
    pieces = [bz2.compress(whole[i : i + 5000]) for i in range(0, len(whole), 5000)]
    (tmp_path / "pieces.xml.bz2").write_bytes(b"".join(pieces))
    expected = [(f"Page {i}", f"Text {i}. " * (i % 7 * 30 + 1)) for i in range(120)]
    for path in sorted(tmp_path.iterdir()):
        found = outcomes(read(path, unit_bytes))
        assert found == [(name, text.strip()) for name, text in expected], path.name


def test_multistream_dumps_are_cut_and_their_index_is_passed_over(tmp_path: Path) -> None:
    name = "xwiki-20240101-pages-articles-multistream"
    (tmp_path / f"{name}.xml.bz2").write_bytes(multistream(make_pages(60), 10))
    (tmp_path / f"{name}-index.txt.bz2").write_bytes(bz2.compress(b"616:10:Page 1\n"))
    (tmp_path / f"{name}-index1.txt-p1p60.bz2").write_bytes(bz2.compress(b"616:10:Page 1\n"))
    corpus = CorpusConfig(name="w", format="wikipedia-xml", paths=("*.bz2",))
    (file,) = list_inputs(corpus, tmp_path)
    units = plan_units(corpus, [file], file.bytes // 4)
    assert len(units) >= 3
    assert sum(1 for unit in units for _ in read_unit(unit)) == 60


def test_a_damaged_stream_says_where(tmp_path: Path) -> None:
    data = bytearray(multistream(make_pages(60), 10))
    data[len(data) // 2] ^= 255
    (tmp_path / "m.xml.bz2").write_bytes(data)
    with pytest.raises(InputError, match=r"damaged or cut short near compressed byte"):
        read(tmp_path / "m.xml.bz2", 500)
    items = read(tmp_path / "m.xml.bz2", 500, on_bad_file="skip")
    counts = Counter(type(item).__name__ for item in items)
    assert counts["Document"] >= 40
    assert counts["Rejection"] >= 1


def test_the_real_excerpt(shared_data: Path) -> None:
    (dump,) = (shared_data / "wikipedia-dump").iterdir()
    items = read(dump)
    reasons = Counter(item.reason for item in items if isinstance(item, Rejection))
    assert reasons == {"redirect": 99, "other_namespace": 1}
    texts = {item.document: item.text for item in items if isinstance(item, Document)}
    assert len(texts) == 106
    achilles = texts["Achilles"]
    assert achilles.startswith("In Greek mythology, Achilles (")
    assert "\n\nEtymology\n\n" in achilles
    assert texts["Anarchism"].startswith("Anarchism is a political philosophy that advocates")
