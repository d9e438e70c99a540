"""Patterns, links to folders, and files with several names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.corpus.inputs import each_once, match_pattern, read_pattern


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.txt", "notes [1].txt", "sub/c.txt", "sub/deep/d.txt", ".hidden/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def matches(pattern: str, folder: Path) -> set[str]:
    found = match_pattern(read_pattern(Path(pattern), folder))
    return {Path(path).relative_to(folder).as_posix() for path in found if Path(path).is_file()}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", {"a.txt"}),
        ("[ab].txt", {"a.txt", "b.txt"}),
        ("sub/*.txt", {"sub/c.txt"}),
        ("**/*.txt", {"a.txt", "b.txt", "notes [1].txt", "sub/c.txt", "sub/deep/d.txt"}),
        ("sub/**", {"sub/c.txt", "sub/deep/d.txt"}),
        ("missing.txt", set()),
    ],
)
def test_patterns(pattern: str, found: set[str], folder: Path) -> None:
    assert matches(pattern, folder) == found


def test_a_file_with_brackets_in_its_name_is_named_literally(folder: Path) -> None:
    pattern = read_pattern(Path("notes [1].txt"), folder)
    assert pattern.is_literal
    assert list(match_pattern(pattern)) == [str(folder / "notes [1].txt")]


def test_a_loop_of_links_ends_and_a_file_counts_once(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "z.txt").symlink_to(folder / "a.txt")
    found = {str(folder / name) for name in matches("**/*.txt", folder)}
    kept = {Path(path).relative_to(folder).as_posix() for path in each_once(found, str(folder))}
    assert kept == {"a.txt", "b.txt", "notes [1].txt", "sub/c.txt", "sub/deep/d.txt"}
