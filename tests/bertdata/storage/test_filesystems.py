"""An address that cannot be used is refused in one line, which says what to change or install."""

from __future__ import annotations

import contextlib
import os

import pytest

from bertdata.errors import BertdataError
from bertdata.storage.filesystems import open_filesystem
from bertdata.storage.locations import locate


@pytest.mark.parametrize(
    ("options", "expected"),
    [("", "-Xrs"), ("-Xmx1g", "-Xmx1g -Xrs"), ("-Xrs -Xmx1g", "-Xrs -Xmx1g")],
)
def test_java_leaves_signals_to_python(
    options: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIBHDFS_OPTS", options)
    with contextlib.suppress(BertdataError):  # where there is no Hadoop
        open_filesystem(locate("hdfs://namenode.invalid:8020/run"))
    assert os.environ["LIBHDFS_OPTS"] == expected


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hdfs://namenode.invalid:8020/run", r"; install Java and Hadoop with libhdfs; set JAVA_"),
        ("s3://bucket/run?colour=blue", r"colour.*; correct the address or its options"),
        ("nowhere://bucket/run", r"no storage named nowhere:// .*; install the fsspec package"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, message: str) -> None:
    with pytest.raises(BertdataError, match=f"^cannot use .*{message}"):
        open_filesystem(locate(address))
