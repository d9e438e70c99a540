"""Files are whole or not there."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.errors import BertdataError, DataError
from bertdata.storage.shards import describe_file, open_arrow, sha256_of, write_arrow
from bertdata.storage.writing import atomic_file, write_json, write_text

SCHEMA = pa.schema([("n", pa.int64())])


def _batch(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(numbers, pa.int64())], schema=SCHEMA)


def test_batches_keep_their_bounds_and_equal_data_makes_equal_bytes(tmp_path: Path) -> None:
    first = write_arrow(tmp_path / "a.arrow", SCHEMA, [_batch(1, 2), _batch(), _batch(3)])
    second = write_arrow(tmp_path / "b.arrow", SCHEMA, [_batch(1, 2), _batch(), _batch(3)])
    assert (first.rows, first.sha256) == (3, second.sha256)
    assert first == describe_file(tmp_path / "a.arrow", rows=3)
    with open_arrow(tmp_path / "a.arrow") as reader:
        assert [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)] == [2, 0, 1]


def test_text_and_json_are_written_as_given(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "a\r\nä")
    assert (tmp_path / "t").read_bytes() == "a\r\nä".encode()
    write_json(tmp_path / "deep" / "j.json", {"ä": [1]})
    assert json.loads((tmp_path / "deep" / "j.json").read_text()) == {"ä": [1]}


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "old")

    def write_half() -> None:
        with atomic_file(tmp_path / "t") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert (tmp_path / "t").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


@pytest.fixture
def strict_umask() -> Iterator[None]:
    previous = os.umask(0o027)
    yield
    os.umask(previous)


def test_permissions_follow_the_umask_of_the_moment(tmp_path: Path, strict_umask: None) -> None:
    write_text(tmp_path / "t", "")
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o640


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit on file sizes makes the same call fail as a full disk does.
    code = (
        "import pathlib, sys, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from bertdata.storage.writing import write_text\n"
        "write_text(pathlib.Path(sys.argv[1]), 'x' * 100_000)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t")],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert f"BertdataError: cannot write {tmp_path / 't'}: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BertdataError, match=r"cannot write .*file/t"):
        write_text(tmp_path / "file" / "t", "")


@pytest.mark.parametrize("damage", ["missing", "cut", "noise"])
def test_what_is_not_an_arrow_file_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_arrow(path, SCHEMA, [_batch(1)])
    content = {"missing": b"", "cut": path.read_bytes()[:-20], "noise": b"noise" * 100}[damage]
    path.write_bytes(content)
    if damage == "missing":
        path.unlink()
    wanted = "is missing; run" if damage == "missing" else "not a complete Arrow file .*; delete it"
    with pytest.raises(DataError, match=wanted), open_arrow(path):
        pass


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"abc")
    assert sha256_of(tmp_path / "t").startswith("ba7816bf8f01cfea")


def test_no_flipped_bit_is_more_than_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    batch = pa.record_batch({"a": [[1], [2, 3], []], "b": ["x", "", "yz"]})
    write_arrow(path, batch.schema, [batch, batch])
    data = path.read_bytes()
    outcomes = set()
    for place in range(len(data)):
        for bit in (1, 128):
            path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            try:
                with open_arrow(path) as reader:
                    for number in range(reader.num_record_batches):
                        reader.get_batch(number).validate(full=True)
            except DataError as error:
                outcomes.add(str(error).split(" is not a complete")[0])
    assert outcomes == {str(path)}
