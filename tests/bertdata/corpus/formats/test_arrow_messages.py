"""Arrow files and streams elsewhere: sizes without contents, and batches from the middle."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertdata.corpus.config import CorpusConfig
from bertdata.corpus.formats.arrow_messages import open_stream_at
from bertdata.corpus.formats.tables import Block, arrow_blocks
from bertdata.errors import InputError
from bertdata.storage.filesystems import GuardedFile
from bertdata.storage.locations import Address, locate
from tests import closing_storage

CORPUS = CorpusConfig(name="c", format="arrow", paths=("*",))
COLUMNS: dict[str, pa.Array] = {
    "null": pa.nulls(90),
    "flag": pa.array([None, True, False] * 30),
    "number": pa.array(range(90), pa.int16()),
    "day": pa.array([datetime.date(2020, 1, 1)] * 90),
    "bytes": pa.array([b"ab", b"", None] * 30, pa.large_binary()),
    "view": pa.array(["a" * (i % 40) for i in range(90)], pa.string_view()),
    "fixed": pa.array([[1, 2]] * 90, pa.list_(pa.int8(), 2)),
    "list": pa.array([["x"] * (i % 4) for i in range(90)]),
    "struct": pa.array([{"a": i, "b": None} for i in range(90)]),
    "map": pa.array([[("k", 1)], [], None] * 30, pa.map_(pa.string(), pa.int64())),
    "words": pa.array(["a", "b", None] * 30).dictionary_encode(),
}

OPTIONS: list[dict[str, Any]] = [
    *({}, {"compression": "lz4"}, {"compression": "zstd"}),
    *({"metadata_version": pa.ipc.MetadataVersion.V4}, {"use_legacy_format": True}),
]


@pytest.fixture
def there(tmp_path: Path) -> Address:
    closing_storage.register()
    found = locate(f"closing://{tmp_path}")
    assert isinstance(found, Address)
    return found


def make_batches(*names: str) -> list[pa.RecordBatch]:
    table = pa.table({"text": ["Some text."] * 90, **{name: COLUMNS[name] for name in names}})
    return list(table.to_batches(max_chunksize=20))


def write(path: Path, batches: list[pa.RecordBatch], kind: str, **options: Any) -> None:
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    written = pa.ipc.IpcWriteOptions(**options)
    with new(str(path), batches[0].schema, options=written) as writer:
        for batch in batches:
            writer.write_batch(batch)


def check(there: Address, path: Path, batches: list[pa.RecordBatch]) -> None:
    """Sizes and contents at an address are those on the disk."""
    local = arrow_blocks(path, CORPUS)
    assert arrow_blocks(there / path.name, CORPUS) == local
    assert [block.rows for block in local] == [batch.num_rows for batch in batches]
    if path.suffix == ".stream":
        for start in range(len(batches) + 1):
            assert list(open_stream_at(there / path.name, start)) == batches[start:]


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("names", [*((name,) for name in COLUMNS), tuple(COLUMNS), ()])
def test_any_columns(kind: str, names: tuple[str, ...], there: Address, tmp_path: Path) -> None:
    batches = make_batches(*names)
    for number, options in enumerate(OPTIONS):
        path = tmp_path / f"{number}.{kind}"
        write(path, batches, kind, **options)
        check(there, path, batches)


def test_dictionaries_that_change(there: Address, tmp_path: Path) -> None:
    given = [["a", "b"], ["a", "b", "c"], ["x"], ["x", "y", "x"]]
    batches = [
        pa.record_batch({"text": ["t"] * len(words), "w": pa.array(words).dictionary_encode()})
        for words in given
    ]
    for deltas in (False, True):
        write(tmp_path / "a.stream", batches, "stream", emit_dictionary_deltas=deltas)
        check(there, tmp_path / "a.stream", batches)


def test_a_file_whose_stream_has_other_batches_than_its_end_says(
    there: Address, tmp_path: Path
) -> None:
    batches = make_batches()
    write(tmp_path / "a.file", batches, "file")
    data = bytearray((tmp_path / "a.file").read_bytes())
    first = data.index(b"\xff\xff\xff\xff", 9)  # of a batch, after that of the schema
    data[first : first + 8] = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # as if the stream ended here
    (tmp_path / "a.file").write_bytes(data)
    check_same_outcome(there, tmp_path / "a.file")


def check_same_outcome(there: Address, path: Path) -> None:
    """The same blocks, or an error with the same reason."""
    found = []
    for location in (path, there / path.name):
        try:
            found.append(str(arrow_blocks(location, CORPUS)))
        except InputError as error:
            found.append(str(error).replace(str(location), ""))
    assert found[0] == found[1]


def test_contents_are_not_fetched_for_their_sizes(
    there: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = random.Random(1).randbytes(500_000).hex()
    batches = [pa.record_batch({"text": [text]})] * 20
    write(tmp_path / "a.stream", batches, "stream")
    read, fetched = GuardedFile.read, list[int]()

    def count(file: GuardedFile, size: int | None = -1, /) -> bytes:
        found = read(file, size)
        fetched.append(len(found))
        return found

    monkeypatch.setattr(GuardedFile, "read", count)
    assert arrow_blocks(there / "a.stream", CORPUS) == [Block(rows=1, bytes=1_000_008)] * 20
    assert sum(fetched) < 6_000_000  # of 20, and both files that are one around the other count
    fetched.clear()
    assert next(open_stream_at(there / "a.stream", 19)) == batches[0]
    assert sum(fetched) < 6_000_000


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_no_damage_hangs_or_escapes(kind: str, there: Address, tmp_path: Path) -> None:
    batches = make_batches("list", "words")
    write(tmp_path / "whole", batches, kind)
    data = (tmp_path / "whole").read_bytes()
    draw = random.Random(3)
    for number in range(120):
        damaged = bytearray(data[: draw.randrange(len(data))] if number % 3 == 0 else data)
        for _ in range(number % 3 * 3):
            damaged[draw.randrange(min(1200, len(damaged)))] = draw.choice((0, 1, 127, 255))
        (tmp_path / "a").write_bytes(damaged)
        check_same_outcome(there, tmp_path / "a")
