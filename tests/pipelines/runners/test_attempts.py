"""Work that is done twice, at the same moment or after an attempt that was cut off: same bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bertdata.progress.plan import StagePlan
from bertdata.progress.state import prepare_stage, write_plan
from bertdata.storage.files import list_files
from bertdata.storage.locations import Location
from flows.processes.jobs import JobDiedError, run_job
from pipelines.options import RunnerConfig
from tests.pipelines.corpus import Stages
from tests.pipelines.runners.test_matrix import GOLDEN, books, bucket
from tests.runs import make_stage

__all__ = ["books", "bucket"]
_MAX_STEPS = 400


@pytest.mark.parametrize("where", ["disk", "s3"])
def test_two_attempts_at_the_same_moment(
    where: str, books: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    output: Location = tmp_path
    corpus = str(books)
    if where == "s3":
        output, corpus = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
    stages = Stages(corpus, output)  # type: ignore[arg-type]
    for plan_stage in (stages.sentences, stages.vocabulary):
        plan = plan_stage()
        with ThreadPoolExecutor(2) as pool:
            attempts = [pool.submit(make_stage, plan, RunnerConfig(workers=2)) for _ in "ab"]
        found = {attempt.result().content_sha256 for attempt in attempts}
        assert found == {GOLDEN[plan.stage]}
        left = [file.path for file in list_files(plan.folder, recursive=True, with_temporary=True)]
        assert [path for path in left if path.startswith(".")] == []


def test_an_attempt_that_is_cut_off_at_every_other_step(books: Path, tmp_path: Path) -> None:
    for step in range(0, _MAX_STEPS, 2):
        plan = Stages(books, tmp_path / str(step)).sentences()
        is_whole = _run_until(plan, step, tmp_path / "log")
        prepare_stage(plan)
        if not is_whole:
            assert make_stage(plan).content_sha256 == GOLDEN["sentences"]
        left = [file.path for file in list_files(plan.folder, recursive=True, with_temporary=True)]
        assert sorted(left) == ["manifest.json", "sentences-00000-of-00001.arrow"]
        if is_whole:
            return
    raise AssertionError("the stage never came to its end")


def _run_until(plan: StagePlan, step: int, log: Path) -> bool:
    """Whether a stage came to its end before that many steps of its writing."""
    write_plan(plan)
    function = "tests.pipelines.runners.cut_off:run_until"
    try:
        run_job(function, (plan, step), log, print)
    except JobDiedError as error:
        return error.status != 9
    return True
