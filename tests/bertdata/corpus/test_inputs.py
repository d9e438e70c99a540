"""Patterns, links to folders, and files with several names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig, list_inputs
from bertdata.corpus.inputs import _entries, each_once, match_pattern, read_pattern
from bertdata.errors import InputError


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


@pytest.mark.parametrize(
    ("pattern", "link"),
    [
        ("**/*.txt", "out.txt"),
        ("**/*.txt", "out"),
        ("*/*.txt", "out.txt"),
        ("in/*.txt", "out.txt"),
        ("in/out.txt", "out.txt"),
        ("*/*/*.txt", "out"),
    ],
)
def test_links_out_of_the_folder_can_be_forbidden(tmp_path: Path, pattern: str, link: str) -> None:
    """Links within the folder are followed, and the folder itself may be one."""
    given, outside = tmp_path / "given", tmp_path / "private"
    (given / "in").mkdir(parents=True)
    outside.mkdir()
    (outside / "out.txt").write_text("private")
    (given / "in" / "a.txt").write_text("a")
    (given / "z.txt").symlink_to("in/a.txt")
    (tmp_path / "top").symlink_to(given)

    def names(*paths: str, follow_links: bool = False) -> list[str]:
        corpus = CorpusConfig(name="c", format="text", paths=paths, follow_links=follow_links)
        return [Path(file.name).name for file in list_inputs(corpus, tmp_path / "top")]

    assert names("*.txt") == ["z.txt"]
    assert names("**/*.txt") == ["a.txt"]
    (given / "in" / link).symlink_to(outside / "out.txt" if link == "out.txt" else outside)
    assert "out.txt" in names(pattern, follow_links=True)
    with pytest.raises(InputError, match=r"leads out of its folder, to .*private.*follow_links"):
        names(pattern)


def test_a_forbidden_folder_is_not_even_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub" / "out").symlink_to("/proc")
    listed: list[str] = []
    monkeypatch.setattr(
        "bertdata.corpus.inputs._entries", lambda name: listed.append(name) or _entries(name)
    )
    pattern = read_pattern(Path("**/*.txt"), folder)
    with pytest.raises(InputError, match="leads out of its folder, to /proc"):
        list(match_pattern(pattern, follow_links=False))
    assert not any(name.endswith("out") for name in listed)
