"""Lines are in the file at once on a disk, soon at an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from trainer.pretraining.measures import line_file
from trainer.pretraining.measures.line_file import LineFile


def test_on_a_disk_each_line_is_appended(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "a.txt", "one\n")
    file.append("two\n")
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\n"
    file.flush()
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\n"


def test_at_an_address_the_file_is_sent_now_and_then(
    s3: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(line_file.time, "monotonic", lambda: now)
    file = LineFile(s3 / "a.txt", "one\n")
    file.append("two\n")
    assert read_bytes(s3 / "a.txt") == b"one\n"
    now = 106.0
    file.append("three\n")
    assert read_bytes(s3 / "a.txt") == b"one\ntwo\nthree\n"
    file.append("four\n")
    assert read_bytes(s3 / "a.txt") == b"one\ntwo\nthree\n"
    file.flush()
    assert read_bytes(s3 / "a.txt") == b"one\ntwo\nthree\nfour\n"
