"""`bertdata init`: files of every format, also misnamed ones, to a configuration that is read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from bertdata.corpus.config import CorpusConfig, find_inputs
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.partitions import plan_layout
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text
from flows.cli import main
from flows.config import RunConfig, load_config
from flows.guess import init
from flows.guess.init import write_configuration
from tests.bertdata.corpus.formats.web.test_pages import record, response

PROSE = "The river was old and it ran to the sea. It is a long way from the hills to the town.\n"
HTML = f"<html><body><article><p>{PROSE * 4}</p></article></body></html>"
RECORDS = [{"url": f"http://a.b/{i}", "title": "It", "content": PROSE * 2} for i in range(3)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)
TABLE = pa.Table.from_pylist(RECORDS)
SENTENCES = "The river was old.\nIt ran to the sea.\n\nThe river is far.\nThe river is near.\n"
DUMP = "<mediawiki>\n" + "".join(
    f"<page><title>P{i}</title><ns>0</ns><revision><text>{PROSE}</text></revision></page>\n"
    for i in range(3)
)


def write_parquet(path: Path) -> None:
    pq.write_table(TABLE, path)


def write_arrow(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


def write_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)


def written(data: str | bytes) -> Callable[[Path], None]:
    return lambda path: void(path.write_bytes(data.encode() if isinstance(data, str) else data))


def void(_: object) -> None:
    """Take a value and return none."""


def write_tar(path: Path) -> None:
    inner = path.with_name(".inner")
    inner.write_text(LINES)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(inner, "a.jsonl")


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", PROSE)
        archive.writestr("b.txt", PROSE * 2)


FIELDS = {"text_field": "content", "id_field": "url"}
CASES: dict[str, tuple[str, Callable[[Path], None], str, dict[str, str]]] = {
    "text": ("a.txt", written(PROSE), "text", {}),
    "text, gzip": ("a.txt.gz", written(gzip.compress(PROSE.encode())), "text", {}),
    "text, UTF-16": ("a.txt", written(PROSE.encode("utf-16")), "text", {}),
    "text, one bad byte": ("a.txt", written(("é" * 99).encode() + b"\xff" + b"a" * 9), "text", {}),
    "text in a ZIP": ("a.zip", write_zip, "text", {}),
    "lines": ("a.txt", written(SENTENCES), "lines", {}),
    "jsonl": ("a.jsonl", written(LINES), "jsonl", FIELDS),
    "jsonl, bz2": ("a.jsonl.bz2", written(bz2.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl, xz": ("a.jsonl.xz", written(lzma.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl, zstd": ("a.zst", written(zstandard.compress(LINES.encode())), "jsonl", FIELDS),
    "jsonl in a tar": ("a.tar.gz", write_tar, "jsonl", FIELDS),
    "jsonl called text": ("a.txt", written(LINES), "jsonl", FIELDS),
    "jsonl, packed, without an ending": (
        "a",
        written(gzip.compress(LINES.encode())),
        "jsonl",
        FIELDS,
    ),
    "an array": ("a.json", written(json.dumps(RECORDS)), "jsonl", FIELDS),
    "objects over several lines": (
        "a.json",
        written(json.dumps(RECORDS, indent=1)),
        "jsonl",
        FIELDS,
    ),
    "parquet": ("a.parquet", write_parquet, "parquet", FIELDS),
    "parquet called text": ("a.txt", write_parquet, "parquet", FIELDS),
    "arrow": ("a.arrow", write_arrow, "arrow", FIELDS),
    "an arrow stream called data": ("a.data", write_stream, "arrow", FIELDS),
    "dump": ("a.xml", written(DUMP + "</mediawiki>"), "wikipedia-xml", {}),
    "dump, bz2": (
        "a.xml.bz2",
        written(bz2.compress(f"{DUMP}</mediawiki>".encode())),
        "wikipedia-xml",
        {},
    ),
    "dump called text": ("a.txt", written(DUMP + "</mediawiki>"), "wikipedia-xml", {}),
    "warc": ("a.warc.gz", written(gzip.compress(response(HTML.encode()))), "warc", {}),
    "wet": (
        "a.wet",
        written(record("conversion", PROSE.encode(), WARC_Target_URI="http://a.b/")),
        "wet",
        {},
    ),
}


def read_documents(config: RunConfig) -> list[Document]:
    """What a run reads with a configuration."""
    documents: list[Document] = []
    for corpus in config.corpus:
        files = find_inputs(corpus, Path()).files
        for unit in plan_units(corpus, files, 1 << 30):
            documents += (item for item in read_unit(unit) if isinstance(item, Document))
    return documents


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()


@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("case", CASES)
def test_each_format_is_found_by_its_content(case: str, place: str) -> None:
    name, write, wanted, fields = CASES[case]
    file = Path("texts") / name
    write(file)
    write_configuration(file if place == "file" else Path("texts"), Path("my.toml"))
    config = load_config(Path("my.toml"))
    (corpus,) = config.corpus
    assert corpus.format == wanted
    assert {"text_field": corpus.text_field, "id_field": corpus.id_field} == (
        fields or {"text_field": "text", "id_field": ""}
    )
    if case != "text, one bad byte":
        documents = read_documents(config)
        assert documents
        assert all("river" in document.text for document in documents)


def test_the_command_shows_what_it_found_and_the_next_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("texts/a.jsonl").write_text(LINES)
    Path("texts/page.html").write_text(HTML)
    assert main(["init", "texts"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "jsonl         texts/*.jsonl: 1 file, 684 bytes: JSON objects",
        '              text_field = "content": 172 characters on average; other fields: title',
        '              id_field = "url": each record has another',
        "language      english: 62% of the words are frequent words of English",
        "left out      page.html: a web page; pages are read from WARC files",
        "written       texts.toml; look at it, then",
        "next          bertdata run texts.toml",
    ]
    assert main(["config", "texts.toml"]) == 0
    assert tuple(load_config(Path("texts.toml")).corpus[0].paths) == ("texts/*.jsonl",)


def test_a_file_that_is_there_is_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    Path("texts/a.txt").write_text(PROSE)
    Path("texts.toml").write_text("mine")
    assert main(["init", "texts"]) == 2
    assert capsys.readouterr().err == (
        "bertdata: texts.toml is there already; name another file with --output\n"
    )
    assert Path("texts.toml").read_text() == "mine"


def test_paths_start_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    Path("texts/in").mkdir()
    Path("texts/in/a.txt").write_text(PROSE)
    Path("made").mkdir()
    write_configuration(Path("texts"), Path("made/my.toml"))
    write_configuration(tmp_path / "texts", Path("made/absolute.toml"))
    (relative,) = load_config(Path("made/my.toml")).corpus
    (absolute,) = load_config(Path("made/absolute.toml")).corpus
    assert relative.paths == ("../texts/**/*.txt",)
    assert absolute.paths == (f"{tmp_path}/texts/**/*.txt",)
    assert find_inputs(relative, Path("made")).files


def test_different_files_become_different_corpora() -> None:
    for number in range(3):
        Path(f"texts/{number}.txt").write_text(PROSE * (number + 1))
    Path("texts/3.txt").write_text(LINES)
    Path("texts/4.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    write_configuration(Path("texts"), Path("my.toml"))
    config = load_config(Path("my.toml"))
    assert [(corpus.name, corpus.format, corpus.paths) for corpus in config.corpus] == [
        ("texts-jsonl", "jsonl", ("texts/*.jsonl.gz",)),
        ("texts-text", "text", ("texts/0.txt", "texts/1.txt", "texts/2.txt")),
        ("texts-jsonl-2", "jsonl", ("texts/3.txt",)),
    ]
    assert len(read_documents(config)) == 9


def test_an_ending_inside_another_is_no_glob() -> None:
    Path("texts/a.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    Path("texts/b.gz").write_bytes(gzip.compress(PROSE.encode()))
    write_configuration(Path("texts"), Path("my.toml"))
    assert sorted(corpus.paths for corpus in load_config(Path("my.toml")).corpus) == [
        ("texts/*.jsonl.gz",),
        ("texts/b.gz",),
    ]


def test_what_runs_wrote_and_hidden_files_are_not_input(finished: Path) -> None:
    Path("texts/a.txt").write_text(PROSE)
    Path("texts/.hidden.txt").write_text(LINES)
    Path("texts/run").symlink_to(finished)
    lines = write_configuration(Path("texts"), Path("my.toml"))
    assert not any("left out" in line for line in lines)
    assert len(read_documents(load_config(Path("my.toml")))) == 1


def test_links_are_followed_as_in_a_run(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text(PROSE)
    Path("texts/linked").symlink_to(tmp_path / "elsewhere")
    Path("texts/broken.txt").symlink_to("nothing")
    write_configuration(Path("texts"), Path("my.toml"))
    assert load_config(Path("my.toml")).corpus[0].paths == ("texts/**/*.txt",)


def test_a_saved_dataset_is_one_corpus() -> None:
    write_stream(Path("texts/data-00000-of-00001.arrow"))
    files = [{"filename": "data-00000-of-00001.arrow"}]
    Path("texts/state.json").write_text(json.dumps({"_data_files": files}))
    write_configuration(Path("texts"), Path("my.toml"))
    (corpus,) = load_config(Path("my.toml")).corpus
    assert (corpus.format, corpus.paths, corpus.text_field) == ("arrow", ("texts",), "content")
    assert len(read_documents(load_config(Path("my.toml")))) == 3


def test_other_storage(s3: Address) -> None:
    write_text(s3 / "texts" / "a.jsonl", LINES)
    write_configuration(s3 / "texts", Path("my.toml"))
    (corpus,) = load_config(Path("my.toml")).corpus
    assert (corpus.format, corpus.paths) == ("jsonl", (str(s3 / "texts" / "*.jsonl"),))
    assert len(read_documents(load_config(Path("my.toml")))) == 3


REFUSED = {
    "nothing": (None, "a.txt: No such file or directory"),
    "empty": (b"", "empty"),
    "blank": (b" \n", "empty"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"0" * 99, "a 7z archive, which is not read; unpack it"),
    "noise": (bytes(range(128, 256)) * 99, "convert it to UTF-8"),
    "csv": (b"a,b\n1,2\n", "a CSV table; save it as Parquet or JSON lines"),
    "xml": (b"<?xml version='1.0'?><a/>", "XML; write its texts as JSON lines"),
    "one object": (b'{"data": {"paragraphs": ["The river."]}}', "no field with texts (data)"),
    "numbers": (b'{"a": 1}\n{"a": 2}\n', "no field with texts (a); write a text into one of them"),
    "an array of arrays": (b'[["a", 1]]', "JSON, but not objects"),
    "a dump without its ending": (
        bz2.compress(f"{DUMP}</mediawiki>".encode()),
        "should end in .bz2",
    ),
    "records without a page": (record("metadata", b"x"), "warc without a text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_input_is_named(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, message = REFUSED[case]
    path = Path("texts") / ("a.csv" if case == "csv" else "a.txt")
    if data is not None:
        path.write_bytes(data)
    assert main(["init", str(path), "--output", "my.toml"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("my.toml").exists()


def test_a_folder_without_text_is_refused() -> None:
    with pytest.raises(InputError, match="texts holds no text that is read; name a file or folder"):
        write_configuration(Path("texts"), None)


def test_many_files_of_different_kinds_are_to_be_sorted() -> None:
    for number in range(250):
        Path(f"texts/{number:03}.dat").write_text(LINES if number % 2 else PROSE)
    Path("texts/000.dat").write_text(LINES)
    with pytest.raises(InputError, match=r"files \*.dat hold different things \(.*put them into"):
        write_configuration(Path("texts"), None)


@pytest.mark.parametrize(
    ("size", "pieces"), [(1_000, 1_000), (500_000, 4_000), (9_000_000, 30_522)]
)
def test_little_text_gets_a_small_vocabulary(size: int, pieces: int) -> None:
    Path("texts/a.txt").write_text((PROSE * (size // len(PROSE) + 1))[:size])
    write_configuration(Path("texts"), Path("my.toml"))
    assert load_config(Path("my.toml")).vocab.size == pieces


def test_other_languages_keep_their_accents() -> None:
    Path("texts/a.txt").write_text(
        "Der Fluss und die Stadt sind alt, und das Haus ist nicht neu. " * 9
    )
    write_configuration(Path("texts"), Path("my.toml"))
    config = load_config(Path("my.toml"))
    assert (config.sentences.language, config.vocab.strip_accents) == ("german", False)


def test_defaults_are_left_out() -> None:
    Path("texts/a.txt").write_text(PROSE)
    write_configuration(Path("texts"), Path("my.toml"))
    assert load_config(Path("my.toml")).corpus == (
        CorpusConfig(name="texts", format="text", paths=("texts/*.txt",)),
    )
    assert "text_field" not in Path("my.toml").read_text()


@pytest.mark.parametrize("text_bytes", [0, 1, 127 << 20, 128 << 20, 400 << 20, 4 << 30, 1 << 40])
def test_a_shard_is_made_from_three_files_of_sentences_at_most(text_bytes: int) -> None:
    num_files = plan_layout(text_bytes, seed=0).num_files
    assert math.ceil(num_files / init._num_shards(text_bytes)) + 1 <= 3


def test_little_text_has_few_shards(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PROSE)
    write_configuration(tmp_path / "a.txt", tmp_path / "a.toml")
    assert load_config(tmp_path / "a.toml").examples.num_shards == 16
