"""Differences between two configurations, by name."""

from __future__ import annotations

from bertdata.progress.differences import describe_differences


def test_a_changed_file_is_named() -> None:
    old = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 2}]}
    new = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 3}]}
    assert describe_differences(old, new) == ["wiki.b.txt.bytes was 2, now 3"]


def test_long_differences_are_not_spelled_out() -> None:
    assert describe_differences({"a": list(range(90))}, {"a": [1]}) == ["a differ"]
    assert describe_differences({"a": 1}, {"b": 1}) == ["a was 1, now null", "b was null, now 1"]
