"""The same bytes with any number of workers, through files or a shuffle, on any storage.

Other runners: test_apart.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.fs
import pytest

from bertdata.storage.files import list_files, remove_folder
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.manifest import find_damage, read_manifest
from bertdata.storage.writing import write_text
from pipelines.options import RunnerConfig
from tests import closing_storage
from tests.copies import copy_folder
from tests.golden.make import HASHES
from tests.pipelines.corpus import Stages, write_books
from tests.runs import make_stage

GOLDEN = json.loads(HASHES.read_text())


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "books"
    write_books(folder)
    return folder


def make_all(corpus: Path | str, output: Location, runner: RunnerConfig) -> dict[str, str]:
    """The content hashes of all stages."""
    stages = Stages(corpus, output)  # type: ignore[arg-type]
    stages = replace(stages, examples_config=replace(stages.examples_config, compression="none"))
    hashes = {}
    for plan_stage in (stages.sentences, stages.vocabulary, stages.examples):
        plan = plan_stage()
        hashes[plan.stage] = make_stage(plan, runner).content_sha256
        assert find_damage(plan.folder, read_manifest(plan.folder)) == []
        names = {file.path for file in list_files(plan.folder, recursive=True)}
        shards = {shard.path for shard in read_manifest(plan.folder).shards}
        assert names == {"manifest.json", *shards}  # nothing is left
    return hashes


@pytest.mark.parametrize("spill", [None, "none"])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_any_number_of_workers(
    workers: int, spill: str | None, books: Path, tmp_path: Path
) -> None:
    assert make_all(books, tmp_path, RunnerConfig(workers=workers, spill=spill)) == GOLDEN


@pytest.mark.parametrize("spill", [None, "none"])
def test_every_bundle_twice(spill: str | None, books: Path, tmp_path: Path) -> None:
    runner = RunnerConfig(workers=1, spill=spill, options=("--direct_runner_bundle_repeat=1",))
    assert make_all(books, tmp_path, runner) == GOLDEN


def test_text_waits_in_another_folder(books: Path, tmp_path: Path) -> None:
    runner = RunnerConfig(workers=2, spill=str(tmp_path / "fast"))
    assert make_all(books, tmp_path / "out", runner) == GOLDEN
    assert list_files(tmp_path / "fast", recursive=True) == []


@pytest.fixture
def bucket(s3: Address, new_bucket: Callable[[], str], books: Path) -> str:
    """The address of the books on an S3 server: all that workers and driver share."""
    address = f"{new_bucket()}/in"
    system, path = pyarrow.fs.FileSystem.from_uri(address)
    pyarrow.fs.copy_files(str(books), path, destination_filesystem=system)
    return address


@pytest.mark.parametrize("workers", [1, 2])
def test_on_object_storage(workers: int, bucket: str, s3: Address) -> None:
    assert make_all(bucket, s3, RunnerConfig(workers=workers)) == GOLDEN


def test_on_google_cloud_storage(books: Path, gs: Address) -> None:
    copy_folder(books, gs / "in")
    assert make_all(str(gs / "in"), gs / "out", RunnerConfig(workers=2)) == GOLDEN


def test_on_a_storage_that_publishes_at_close_and_cannot_rename(
    books: Path, tmp_path: Path
) -> None:
    closing_storage.register()
    output = locate(f"closing://{tmp_path}/out")
    assert make_all(f"closing://{books}", output, RunnerConfig(workers=1)) == GOLDEN


HDFS = os.environ.get("BERTDATA_TEST_HDFS", "")


@pytest.mark.skipif(not HDFS, reason="BERTDATA_TEST_HDFS names no folder of an HDFS")
@pytest.mark.parametrize("workers", [1, 2])
def test_hdfs(workers: int, books: Path) -> None:
    folder = locate(HDFS)
    for book in books.iterdir():
        write_text(folder / f"books/{book.name}", book.read_text())
    remove_folder(folder / "out")
    corpus = f"{HDFS}/books"
    assert make_all(corpus, folder / "out", RunnerConfig(workers=workers)) == GOLDEN
    assert make_all(corpus, folder / "out", RunnerConfig(workers=workers)) == GOLDEN  # complete
