"""Files on other storage: a file system of Beam's own kind, kept in a dictionary."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.documents import Document, Rejection
from bertdata.corpus.formats.registry import read_unit
from bertdata.corpus.units import plan_units
from bertdata.errors import InputError
from bertdata.sentences.splitter import SentencesConfig
from pipelines.jobs import command, sentences
from pipelines.options import RunnerConfig, beam_arguments
from pipelines.plans import Corpora, plan_sentences
from pipelines.progress import write_plan
from pipelines.remote_files import list_remote_inputs, read_anywhere
from tests.bertdata.corpus.packed.test_archives import pack_tar

STORED: dict[str, bytes] = {}


class MemoryFileSystem(FileSystem):  # type: ignore[misc]
    """What readers need of a file system; addresses begin with memory://."""

    @classmethod
    def scheme(cls) -> str:
        return "memory"

    def has_dirs(self) -> bool:
        return False

    def split(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return folder, name

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path, data in STORED.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data), 5.0)

    def open(self, path: str, *_: Any, **__: Any) -> io.BytesIO:
        if path not in STORED:
            raise BeamIOError("no such file", {path: "gone"})
        return io.BytesIO(STORED[path])

    def checksum(self, path: str) -> str:
        return str(len(STORED[path]))

    def exists(self, path: str) -> bool:
        return path in STORED

    def size(self, path: str) -> int:
        return len(STORED[path])

    def metadata(self, path: str) -> FileMetadata:
        return FileMetadata(path, len(STORED[path]), 5.0)

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    join = mkdirs = create = copy = rename = last_updated = delete = _unused


@pytest.fixture(autouse=True)
def stored() -> Iterator[dict[str, bytes]]:
    STORED.clear()
    yield STORED
    STORED.clear()


def read(**values: Any) -> list[Document | Rejection]:
    corpus = CorpusConfig(name="c", **values)
    units = plan_units(corpus, list_remote_inputs(corpus), 1000)
    return [item for unit in units for item in read_anywhere(unit)]


def fill(stored: dict[str, bytes], folder: Path) -> None:
    """Files of several formats, here and on the other storage."""
    lines = "".join(json.dumps({"text": f"Text {i}."}) + "\n" for i in range(300)).encode()
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "a.jsonl").write_bytes(lines)
    (folder / "in" / "deep" / "b.jsonl.bz2").write_bytes(bz2.compress(lines))
    pq.write_table(pa.table({"text": ["x", "y"]}), folder / "in" / "t.parquet")
    for path in folder.rglob("*.*"):
        stored[f"memory://bucket/{path.relative_to(folder).as_posix()}"] = path.read_bytes()


def test_the_same_documents_as_at_home(stored: dict[str, bytes], tmp_path: Path) -> None:
    fill(stored, tmp_path)
    for format_, patterns in [
        ("jsonl", ("in/a.jsonl", "in/deep/*.bz2")),
        ("jsonl", ("in/*.jsonl",)),
        ("parquet", ("in/*.parquet",)),
    ]:
        home = CorpusConfig(name="c", format=format_, paths=patterns)
        files = list_inputs(home, tmp_path)
        expected = [item for unit in plan_units(home, files, 1 << 30) for item in read_unit(unit)]
        addresses = tuple(f"memory://bucket/{pattern}" for pattern in patterns)
        assert read(format=format_, paths=addresses) == expected
        remote = list_remote_inputs(CorpusConfig(name="c", format=format_, paths=addresses))
        assert [(file.name, file.bytes) for file in remote] == [
            (file.name, file.bytes) for file in files
        ]
        assert len({file.fingerprint for file in remote}) == len(files)


def test_a_whole_job(stored: dict[str, bytes], tmp_path: Path) -> None:
    fill(stored, tmp_path)
    hashes = []
    for base, pattern in [(tmp_path, "in/*.jsonl"), (Path(), "memory://bucket/in/*.jsonl")]:
        corpus = CorpusConfig(name="c", format="jsonl", paths=(pattern,))
        output = tmp_path / str(len(hashes)) / "sentences"
        corpora = Corpora(configs=(corpus,), base=str(base))
        plan = plan_sentences(output, corpora, SentencesConfig(), 1)
        write_plan(plan)
        options = beam_arguments(RunnerConfig(workers=1))
        manifest = command.run(plan, sentences.JOB, options)
        assert manifest.counts["documents_written"] == 300
        hashes.append(manifest.content_sha256)
    assert hashes[0] == hashes[1]


def test_what_is_not_there(stored: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"no file matches memory://bucket/\*\.txt"):
        read(format="text", paths=("memory://bucket/*.txt",))
    with pytest.raises(InputError, match=r"cannot list nowhere://x/y: .*"):
        read(format="text", paths=("nowhere://x/y",))


def test_a_file_that_vanishes(stored: dict[str, bytes]) -> None:
    stored["memory://bucket/a.txt"] = b"text"
    for on_bad_file in ("stop", "skip"):
        corpus = CorpusConfig(
            name="c", format="text", paths=("memory://bucket/*",), on_bad_file=on_bad_file
        )
        stored["memory://bucket/a.txt"] = b"text"
        (unit,) = plan_units(corpus, list_remote_inputs(corpus), 1000)
        stored.clear()
        if on_bad_file == "stop":
            with pytest.raises(InputError, match=r"cannot read memory://bucket/a\.txt: .*"):
                list(read_anywhere(unit))
        else:
            (item,) = read_anywhere(unit)
            assert isinstance(item, Rejection)
            assert (item.document, item.reason) == ("a.txt", "unreadable_file")


def test_archives_and_names_that_look_like_globs(stored: dict[str, bytes]) -> None:
    stored["memory://bucket/notes [1].txt"] = b"One."
    stored["memory://bucket/b.tar.gz"] = gzip.compress(pack_tar({"x/a.txt": b"Two.", "b": b"\0"}))
    items = read(format="text", paths=("memory://bucket/notes [1].txt", "memory://bucket/*.gz"))
    assert [item.document for item in items] == [
        *("b.tar.gz/x/a.txt", "b.tar.gz/b", "notes [1].txt"),
    ]
    assert [type(item) for item in items] == [Document, Rejection, Document]
