"""The corpora in a file or folder: which files are one, how it names them, what is left out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig, find_inputs
from bertdata.errors import InputError
from bertdata.storage.locations import Address
from bertdata.storage.writing import write_text
from flows.guess.corpora import Found, guess_corpora
from tests.flows.guess.river_files import (
    HTML,
    LINES,
    PROSE,
    SENTENCES,
    write_parquet,
    write_stream,
    write_zip,
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    return folder


def guess(texts: Path) -> Found:
    """What a folder holds, and that its patterns match just the files that were counted."""
    found = guess_corpora(texts, "texts")
    for one in found.guesses:
        files = find_inputs(one.corpus, texts.parent).files
        assert sum(file.bytes for file in files) == one.bytes
    return found


def corpora(texts: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    found = [one.corpus for one in guess(texts).guesses]
    return [(corpus.name, corpus.format, tuple(corpus.paths)) for corpus in found]


# what is found


def test_files_of_one_ending_are_one_corpus(texts: Path) -> None:
    (texts / "a.jsonl").write_text(LINES)
    (texts / "b.jsonl").write_text(LINES)
    (one,) = guess(texts).guesses
    assert one.corpus == CorpusConfig(
        name="texts", format="jsonl", paths=("texts/*.jsonl",), text_field="content", id_field=""
    )
    assert one.reasons == (
        "2 files, 1.4 kB: JSON objects",
        'text_field = "content": 172 characters on average; other fields: url, title',
        "no id_field: a document is named after its file and place",
    )
    assert one.texts == (PROSE * 2,) * 6
    assert (one.bytes, one.is_compressed) == (2 * len(LINES), False)


@pytest.mark.parametrize(
    ("name", "text", "reasons"),
    [
        (
            "a.txt",
            PROSE,
            [
                "1 file, 86 bytes: a document per file",
                "one document: pairs need several; several in one file are JSON lines, or lines",
            ],
        ),
        (
            "a.txt.gz",
            SENTENCES,
            [
                "1 file, 73 bytes, compressed (.gz): "
                "a sentence per line, a blank line between documents"
            ],
        ),
    ],
)
def test_one_file_is_named_by_its_place(
    name: str, text: str, reasons: list[str], texts: Path
) -> None:
    data = text.encode()
    (texts / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    found = guess_corpora(texts / name, f"made/{name}")
    (one,) = found.guesses
    assert (one.corpus.name, one.corpus.paths) == ("a", (f"made/{name}",))
    assert list(one.reasons) == reasons
    assert one.is_compressed is name.endswith(".gz")


def test_an_archive_may_hold_several_documents(texts: Path) -> None:
    write_zip(texts / "a.zip")
    (one,) = guess(texts).guesses
    assert len(one.reasons) == 1


def test_parquet_is_compressed(texts: Path) -> None:
    write_parquet(texts / "a.parquet")
    (one,) = guess(texts).guesses
    assert one.is_compressed
    assert (one.corpus.text_field, one.corpus.id_field) == ("content", "url")


def test_an_encoding_is_named(texts: Path) -> None:
    text = "Müller hört die Glocken, und die Stadt ist schön und für alle groß. " * 9
    (texts / "a.txt").write_bytes(text.encode("cp1252"))
    (one,) = guess(texts).guesses
    assert one.corpus.encoding == "cp1252"
    assert one.reasons[-1] == 'encoding = "cp1252": the text is not UTF-8'


def test_a_saved_dataset_is_one_corpus(texts: Path) -> None:
    write_stream(texts / "data-00000-of-00001.arrow")
    files = [{"filename": "data-00000-of-00001.arrow"}]
    (texts / "state.json").write_text(json.dumps({"_data_files": files}))
    (one,) = guess(texts).guesses
    assert (one.corpus.name, one.corpus.format) == ("texts", "arrow")
    assert (one.corpus.paths, one.corpus.text_field) == (("texts",), "content")
    (texts / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(InputError, match="is a saved dataset without Arrow files; save it again"):
        guess_corpora(texts, "texts")


def test_other_storage(s3: Address) -> None:
    write_text(s3 / "texts" / "inner" / "a.jsonl", LINES)
    write_text(s3 / "texts" / ".hidden" / "b.jsonl", LINES)
    (one,) = guess_corpora(s3 / "texts", "shown").guesses
    assert (one.corpus.paths, one.bytes) == (("shown/**/*.jsonl",), len(LINES))
    with pytest.raises(InputError, match=rf"cannot read {s3}/none: .*; name a file or folder"):
        guess_corpora(s3 / "none", "shown")


# how files are named


def test_different_files_become_different_corpora(texts: Path) -> None:
    for number in range(3):
        (texts / f"{number}.txt").write_text(PROSE * (number + 1))
    (texts / "3.txt").write_text(LINES)
    (texts / "4.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    assert corpora(texts) == [
        ("texts-jsonl", "jsonl", ("texts/*.jsonl.gz",)),
        ("texts-text", "text", ("texts/0.txt", "texts/1.txt", "texts/2.txt")),
        ("texts-jsonl-2", "jsonl", ("texts/3.txt",)),
    ]


def test_an_ending_inside_another_is_no_glob(texts: Path) -> None:
    (texts / "a.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    (texts / "b.gz").write_bytes(gzip.compress(PROSE.encode()))
    assert [paths for _, _, paths in corpora(texts)] == [("texts/b.gz",), ("texts/*.jsonl.gz",)]


def test_files_in_folders_and_without_an_ending(texts: Path) -> None:
    (texts / "in" / "side").mkdir(parents=True)
    for name in ("a.txt", "in/b.txt", "in/side/c.txt", "in/README"):
        (texts / name).write_text(PROSE)
    found = [paths for _, _, paths in corpora(texts)]
    assert found == [("texts/in/README",), ("texts/**/*.txt",)]


def test_links_are_followed_as_in_a_run(texts: Path) -> None:
    (texts.parent / "elsewhere").mkdir()
    (texts.parent / "elsewhere" / "a.txt").write_text(PROSE)
    (texts / "linked").symlink_to(texts.parent / "elsewhere")
    assert corpora(texts) == [("texts", "text", ("texts/**/*.txt",))]


# what is left out


def test_what_runs_wrote_and_hidden_files_are_not_input(texts: Path) -> None:
    (texts / "a.txt").write_text(PROSE)
    (texts / ".hidden.txt").write_text(LINES)
    (texts / ".git").mkdir()
    (texts / ".git" / "b.txt").write_text(LINES)
    run = texts.parent / "run"
    (run / "sentences").mkdir(parents=True)
    (run / "sentences" / "manifest.json").write_text('{"format": "bertdata-sentences"}')
    (run / "report.html").write_text(HTML)
    (texts / "run").symlink_to(run)
    found = guess_corpora(texts, "texts")
    assert found.left_out == ()
    (one,) = found.guesses
    assert (one.corpus.format, one.bytes) == ("text", len(PROSE))


def test_files_that_are_no_input_are_left_out_with_a_reason(texts: Path) -> None:
    (texts / "a.txt").write_text(PROSE)
    (texts / "b.html").write_text(HTML)
    for number in range(3):
        (texts / f"{number}.jsonl").write_text('{"a": 1}\n')
    found = guess(texts)
    assert [one.corpus.format for one in found.guesses] == ["text"]
    assert found.left_out == (
        "b.html: a web page; pages are read from WARC files",
        "0.jsonl and 2 more: no field with texts (a); write a text into one of them",
    )


def test_a_link_to_nothing_is_left_out_as_a_run_would_stop_at_it(texts: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (texts / name).write_text(PROSE)
    (texts / "broken.txt").symlink_to("nothing")
    assert corpora(texts) == [("texts", "text", ("texts/a.txt", "texts/b.txt"))]
    (line,) = guess(texts).left_out
    assert line.startswith(f"broken.txt: cannot read {texts / 'broken.txt'}: No such file")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"data": {"paragraphs": ["The river."]}}', "no field with texts (data); write"),
        ('{"a": 1}\n{"b": 2}\n', "no field with texts (a, b); write a text into one of them"),
        (json.dumps({"n" * 99 + str(i): 1 for i in range(9)}), f"texts ({'n' * 99}0); write"),
        ("", "a.txt: empty"),
    ],
)
def test_a_file_without_text_is_refused_with_a_reason(data: str, message: str, texts: Path) -> None:
    (texts / "a.txt").write_text(data)
    for place in (texts, texts / "a.txt"):
        with pytest.raises(InputError) as caught:
            guess_corpora(place, "texts")
        assert str(caught.value).startswith(f"{place} holds no text that is read: ")
        assert message in str(caught.value)


def test_no_file_is_refused(texts: Path) -> None:
    with pytest.raises(InputError) as caught:
        guess_corpora(texts, "texts")
    assert str(caught.value) == (
        f"{texts} holds no text that is read; name a file or folder of texts"
    )
    with pytest.raises(InputError) as caught:
        guess_corpora(texts / "a.txt", "texts")
    assert str(caught.value) == (
        f"cannot read {texts / 'a.txt'}: No such file or directory; name a file or folder of texts"
    )


def test_many_files_of_different_kinds_are_to_be_sorted(texts: Path) -> None:
    for number in range(250):
        (texts / f"{number:03}.dat").write_text(LINES if number % 4 else PROSE)
    (texts / "000.dat").write_text(LINES)
    with pytest.raises(InputError) as caught:
        guess_corpora(texts, "texts")
    assert str(caught.value) == (
        "files *.dat hold different things (jsonl and text); put them into folders"
    )


@pytest.mark.parametrize(("count", "is_seen"), [(199, True), (200, False)])
def test_of_many_files_some_are_looked_at(count: int, is_seen: bool, texts: Path) -> None:
    """Of 200, every other one; the first is one of those."""
    for number in range(count):
        (texts / f"{number:03}.txt").write_text(PROSE)
    (texts / "001.txt").write_text(LINES)
    assert len(guess(texts).guesses) == 1 + is_seen
