from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.storage.locations import Address, is_address, is_inside, locate


@pytest.mark.parametrize(
    ("text", "root", "path", "query"),
    [
        ("s3://bucket/run/a.txt", "s3://bucket", "run/a.txt", ""),
        ("S3://bucket//run/../b/", "s3://bucket", "b", ""),
        ("s3://bucket", "s3://bucket", "", ""),
        ("s3://bucket/run?region=eu", "s3://bucket", "run", "region=eu"),
        ("gs://bucket/a?.txt", "gs://bucket", "a?.txt", ""),
        ("s3://bucket/year=1/a.txt", "s3://bucket", "year=1/a.txt", ""),
        ("closing:///tmp/x", "closing://", "tmp/x", ""),
    ],
)
def test_addresses(text: str, root: str, path: str, query: str) -> None:
    assert locate(text) == Address(root, path, query)


@pytest.mark.parametrize("name", ["page.php?id=3", "a?id=3?", "a?b=c?d=e", "a?", "?=", "b=c", "?"])
def test_a_name_with_a_question_mark_is_found_again(name: str) -> None:
    address = locate("s3://bucket/run") / name
    assert locate(str(address)) == address


def test_paths() -> None:
    assert locate("runs/a") == Path("runs/a")
    assert locate("file:///tmp/a%20b") == Path("/tmp/a b")
    assert not is_address("file:///tmp/a")
    assert not is_address("C:\\a")
    assert locate(Path("a")) == Path("a")


def test_parts() -> None:
    address = locate("s3://bucket/run/a.tar.gz?region=eu")
    assert str(address) == "s3://bucket/run/a.tar.gz?region=eu"
    assert (address.name, address.stem, address.suffix) == ("a.tar.gz", "a.tar", ".gz")
    assert address.parent / "b" == address.with_name("b") == locate("s3://bucket/run/b?region=eu")


def test_inside() -> None:
    folder = locate("s3://bucket/run")
    assert is_inside(folder / "a", folder)
    assert is_inside(folder, locate("s3://bucket"))
    assert not is_inside(locate("s3://bucket/running/a"), folder)
    assert not is_inside(Path("/run/a"), folder)
    assert is_inside(Path("/run/a"), Path("/run"))
