"""The checksum of a checkpoint covers all that is read of it, names and shapes as well."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bertdata.errors import DataError
from trainer.pretraining.checkpoint.file import Content, open_content, write_content

TENSORS = {"bb": torch.arange(6.0).reshape(2, 3), "dd": torch.ones(4)}


def write(path: Path) -> bytes:
    write_content(path, Content(identity={"seed": 1}, progress={"steps": 3}, tensors=TENSORS))
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "file")
    with open_content(tmp_path / "file") as content:
        assert (content.identity, content.progress) == ({"seed": 1}, {"steps": 3})
        assert content.tensors.keys() == TENSORS.keys()
        for name, value in TENSORS.items():
            torch.testing.assert_close(content.tensors[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"shape":[2,3]', b'"shape":[3,2]'),
        (b'"bb"', b'"cc"'),  # of the same place in the order of names
        (b"seed", b"need"),
        (b'\\"steps\\": 3', b'\\"steps\\": 4'),
    ],
)
def test_what_is_changed_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    data = write(tmp_path / "file")
    assert data.count(old) == 1
    (tmp_path / "file").write_bytes(data.replace(old, new))
    with (
        pytest.raises(DataError, match="its checksum is wrong"),
        open_content(tmp_path / "file"),
    ):
        pass
