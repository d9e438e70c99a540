"""Running a stage: its pipeline on the runner that was configured, in a process of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from bertdata.errors import BertdataError, CrashError, DataError
from bertdata.progress.lines import ProgressLines, StageProgress
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, clear_progress, find_state
from bertdata.progress.workplace import error_named
from bertdata.storage.files import remove_folder
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import is_complete, read_manifest
from pipelines.options import RunnerConfig, beam_arguments, describe_failure, open_runner
from pipelines.stages.examples import MakeExamples
from pipelines.stages.punkt import MakePunkt
from pipelines.stages.sentences import MakeSentences
from pipelines.stages.vocabulary import MakeVocabulary

_STAGES: dict[str, Callable[..., beam.PTransform]] = {
    "punkt": MakePunkt,
    "sentences": MakeSentences,
    "vocab": MakeVocabulary,
    "examples": MakeExamples,
}
_STEP_IN_TEXT = re.compile(r" \[while running .*$")
_ERROR_IN_TEXT = re.compile(
    r"^(?:\w+: )*bertdata\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE
)


def run_stage(plan: StagePlan, runner: RunnerConfig, say: Callable[[StageProgress], None]) -> str:
    """Run the pipeline of a stage; returns the stage's content hash.

    `say`: called with how far it is, in a thread. What an earlier run finished is not done
    again. Raises the error of whatever failed first, and CrashError when a worker died.
    """
    logging.getLogger().setLevel(logging.ERROR)
    plan.workplace.start_again()
    spill = _spill_folder(plan, runner)
    try:
        _make(plan, runner, spill, say)
    except Exception:
        # On an object store, where nothing can be held, another run may have made the same.
        if find_state(plan) is not StageState.COMPLETE:
            raise
    if not is_complete(plan.folder):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    clear_progress(plan.folder)
    if spill is not None:
        remove_folder(spill)
    return read_manifest(plan.folder).content_sha256


def _make(
    plan: StagePlan,
    runner: RunnerConfig,
    spill: Location | None,
    say: Callable[[StageProgress], None],
) -> None:
    with open_runner(runner) as (beam_runner, find_death), ProgressLines(plan, spill, say):
        try:
            _run_pipeline(plan, runner, beam_runner, spill)
        except Exception as error:
            if (death := find_death()) is not None:
                raise _lose_worker(plan, death) from error
            raise


def _stage_transform(plan: StagePlan, spill: Location | None) -> beam.PTransform:
    """The pipeline of a stage, as one transform. `spill`: as in Workplace."""
    return _STAGES[plan.stage](plan, plan.work, replace(plan.workplace, spill=spill))


def _spill_folder(plan: StagePlan, runner: RunnerConfig) -> Location | None:
    """The folder in which tables wait for others; None: in the runner."""
    if runner.spill == "none":
        return None
    if runner.spill:
        return locate(runner.spill) / f"{plan.stage}-{plan.digest}"
    return plan.workplace.waiting if runner.name == "direct" else None


def _run_pipeline(
    plan: StagePlan, config: RunnerConfig, runner: Any, spill: Location | None
) -> None:
    try:
        pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(beam_arguments(config)))
        _ = pipeline | plan.stage.capitalize() >> _stage_transform(plan, spill)
        pipeline.run().wait_until_finish()
    except Exception as error:
        plan.workplace.raise_failure()  # the cause, if this is a consequence
        if isinstance(error, BertdataError):
            raise type(error)(_STEP_IN_TEXT.sub("", str(error))) from error
        if found := _find_error(error):
            raise found from error
        if config.name == "direct":
            raise
        what = describe_failure(config.name, error)
        raise BertdataError(f"{config.name} did not make {plan.stage}: {what}") from error
    plan.workplace.raise_failure()


def _find_error(raised: BaseException) -> BertdataError | None:
    """The error of bertdata's own that a runner made the text of another error, if it did."""
    found = _ERROR_IN_TEXT.findall(str(raised))
    return error_named(*found[-1]) if found else None


def _lose_worker(plan: StagePlan, death: str) -> CrashError:
    return CrashError(
        f"a worker of the {plan.stage} job {death}; "
        "if memory ran out, lower [runner] workers; run again to continue"
    )
