"""Temporary folders are gone at their end, also if a signal comes meanwhile."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from bertdata.processes.temporary_folders import temporary_folder


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The usual folder for temporary files, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_this_user_enters_it_and_it_goes_with_its_files(usual: Path) -> None:
    with temporary_folder() as folder, temporary_folder() as other:
        assert folder.parent == usual
        assert folder != other
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
        (folder / "below" / "file").touch()
    assert list(usual.iterdir()) == []


def test_elsewhere(usual: Path) -> None:
    (usual / "else").mkdir()
    with temporary_folder(str(usual / "else")) as folder:
        assert folder.parent == usual / "else"


def test_a_signal_while_it_is_made_leaves_nothing(
    usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def make_until_signal(folder: Path, **how: Any) -> None:
        make(folder, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", make_until_signal)
    with pytest.raises(KeyboardInterrupt), temporary_folder():
        pass
    assert list(usual.iterdir()) == []


def test_what_is_gone_already_does_not_matter(usual: Path) -> None:
    with temporary_folder() as folder:
        folder.rmdir()
