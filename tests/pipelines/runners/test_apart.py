"""The same bytes on every runner, with workers that share nothing with the driver but an S3 bucket.

No folder, no project, no /tmp, as machines of a cluster. The pool of workers runs in a mount
namespace of its own, with an empty /tmp and nothing where the project lies; its packages are a copy
elsewhere. Where the user may not make such a namespace, it sees what the driver sees.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bertdata.storage.locations import Address
from pipelines.options import RunnerConfig
from tests.pipelines.runners.servers import job_service, prism, worker_pool
from tests.pipelines.runners.test_matrix import GOLDEN, books, bucket, make_all

__all__ = ["books", "bucket"]

_EXTERNAL = "--environment_type=EXTERNAL"
_PROJECT = Path(__file__).resolve().parents[3]
_PACKAGES = ("bertdata", "vocab", "pipelines")
# $1: the environment, $2: its copy elsewhere, $3: what is hidden.
_HIDE = (
    'mount --bind "$1" "$2" && mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs "$3" '
    '&& shift 3 && cd / && exec "$@"'
)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Path]:
    """A folder outside /tmp and the project, with a copy of the packages that workers need."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="bertdata-apart-"))
    for package in _PACKAGES:  # with what is compiled of them
        shutil.copytree(_PROJECT / package, folder / "site" / package)
    shutil.copytree(_PROJECT / "tests" / "children", folder / "children")
    (folder / "environment").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def pool(elsewhere: Path, tmp_path: Path, s3: Address) -> Iterator[str]:
    """The address of a pool of workers that see neither the project nor the files of the test."""
    log = tmp_path / "pool.log"
    hide = [_HIDE, "sh", sys.prefix, str(elsewhere / "environment"), str(_PROJECT)]
    wrapper = ["unshare", "--mount", "sh", "-c", *hide]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        with worker_pool(log) as address:
            yield address
        return
    check = [*wrapper, "test", "-e", str(_PROJECT / "pyproject.toml")]
    assert subprocess.run(check, check=False).returncode == 1
    programs = elsewhere / "environment" / "bin"
    environment = {
        "PYTHONPATH": os.pathsep.join([str(elsewhere / "children"), str(elsewhere / "site")]),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    with worker_pool(log, wrapper, str(programs / "python"), environment) as address:
        yield address


@pytest.fixture(params=["embedded", "job service", "prism", "prism by its program"])
def runner(
    request: pytest.FixtureRequest, pool: str, tmp_path: Path, s3: Address
) -> Iterator[RunnerConfig]:
    """A runner whose workers are those of the pool, in processes of their own."""
    workers = (_EXTERNAL, f"--environment_config={pool}")
    with ExitStack() as stack:
        if request.param == "embedded":
            yield RunnerConfig(workers=2, options=workers)
        elif request.param == "job service":
            endpoint = stack.enter_context(job_service(tmp_path / "service.log"))
            options = (f"--job_endpoint={endpoint}", *workers)
            yield RunnerConfig(name="PortableRunner", options=options)
        elif request.param == "prism":
            program = request.getfixturevalue("prism_program")
            endpoint = stack.enter_context(prism(program, tmp_path / "prism.log"))
            options = (f"--job_endpoint={endpoint}", *workers)
            yield RunnerConfig(name="PortableRunner", options=options)
        else:
            program = request.getfixturevalue("prism_program")
            options = (f"--prism_location={program}", *workers)
            yield RunnerConfig(name="PrismRunner", options=options)


def test_a_bucket_is_all_that_is_shared(runner: RunnerConfig, bucket: str, s3: Address) -> None:
    assert make_all(bucket, s3, runner) == GOLDEN
