"""Storages that fail for a while, refuse, or are full: one clear line, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bertdata.errors import BertdataError, StorageError
from bertdata.progress.plan import StagePlan
from bertdata.storage.files import list_files
from bertdata.storage.locations import Address, locate
from bertdata.storage.writing import check_writable
from pipelines.options import RunnerConfig
from tests.failing_proxy import FailingProxy, failing_proxy
from tests.pipelines.corpus import Stages
from tests.pipelines.runners.test_matrix import GOLDEN, books, bucket
from tests.runs import make_stage

__all__ = ["books", "bucket"]
_WRITES = ("PUT", "POST")


@pytest.fixture
def proxy(s3: Address, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingProxy]:
    """What stands between this process and the S3 server from now on."""
    with failing_proxy(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield proxy


@pytest.fixture
def plan(bucket: str, proxy: FailingProxy) -> StagePlan:
    """Of sentences from an address to an address whose options name no client made before."""
    corpus = f"{bucket}?region=us-east-1"
    output = locate(corpus).parent / "out"
    return Stages(corpus, output).sentences()  # type: ignore[arg-type]


def test_a_server_that_fails_for_ten_seconds(plan: StagePlan, proxy: FailingProxy) -> None:
    proxy.fail(503, 10, "GET", "HEAD", *_WRITES)
    failures = []
    for _ in range(3):  # as a task of Prefect's tries again
        try:
            assert make_stage(plan).content_sha256 == GOLDEN["sentences"]
        except StorageError as error:
            failures.append(str(error))
        else:
            break
    else:
        raise AssertionError(f"not made: {failures}")
    assert proxy.failed > 0
    assert all(len(failure.splitlines()) == 1 for failure in failures)


def test_a_bucket_that_denies_writing(plan: StagePlan, proxy: FailingProxy) -> None:
    proxy.fail(403, 60, *_WRITES)
    with pytest.raises(StorageError, match=r"cannot write s3://.*") as raised:
        check_writable(plan.folder)
    assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(StorageError, match=r"cannot write s3://"):
        make_stage(plan)
    proxy.fail(403, 0)
    assert list_files(plan.folder) == []
    assert make_stage(plan).content_sha256 == GOLDEN["sentences"]


def test_a_full_spill_disk(books: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted only with the rights of root")
    plan = Stages(books, tmp_path / "out").sentences()
    try:
        with pytest.raises(BertdataError, match=r"cannot write .*No space left") as raised:
            make_stage(plan, RunnerConfig(workers=1, spill=str(disk)))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    assert len(str(raised.value).splitlines()) == 1
    assert make_stage(plan).content_sha256 == GOLDEN["sentences"]
