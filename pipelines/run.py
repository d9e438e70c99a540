"""Running a stage: its pipeline on the runner that was configured, in a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import apache_beam as beam
from apache_beam.runners.runner import PipelineRunner

from bertdata.errors import BertdataError, CrashError, DataError
from bertdata.progress.failures import describe_failure, find_error
from bertdata.progress.lines import ProgressLines, StageProgress
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import StageState, clear_progress, find_state
from bertdata.storage.files import remove_folder
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import is_complete, read_manifest
from pipelines.options import RunnerConfig
from pipelines.runners import beam_options, open_runner
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


def run_stage(plan: StagePlan, runner: RunnerConfig, say: Callable[[StageProgress], None]) -> str:
    """Run the pipeline of a stage; returns the stage's content hash.

    `say`: called with how far it is, in a thread. What an earlier run finished is not done
    again. Raises the error of whatever failed first, and CrashError when a worker died.
    """
    logging.getLogger().setLevel(logging.ERROR)
    spill = _spill_folder(plan, runner)
    try:
        # Workers are forks: the client of a storage (of HDFS a Java machine) starts after them.
        with open_runner(runner) as beam_runner:
            plan.workplace.start_again()
            with ProgressLines(plan, spill, say):
                _run_pipeline(plan, spill, runner, beam_runner)
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


def _spill_folder(plan: StagePlan, runner: RunnerConfig) -> Location | None:
    """The folder in which tables wait for others; None: in the runner."""
    if runner.spill == "none":
        return None
    if runner.spill:
        return locate(runner.spill) / f"{plan.stage}-{plan.digest}"
    return plan.workplace.waiting if runner.name == "direct" else None


def _run_pipeline(
    plan: StagePlan, spill: Location | None, config: RunnerConfig, runner: PipelineRunner
) -> None:
    """Run the pipeline of a stage, as one transform. `spill`: as in Workplace."""
    try:
        stage = _STAGES[plan.stage](plan, plan.work, replace(plan.workplace, spill=spill))
        pipeline = beam.Pipeline(runner=runner, options=beam_options(config))
        _ = pipeline | plan.stage.capitalize() >> stage
        pipeline.run().wait_until_finish()
        plan.workplace.raise_failure()
    except CrashError as error:
        raise CrashError(f"{plan.stage}: {error}") from error
    except Exception as error:
        plan.workplace.raise_failure()  # the cause, if this is a consequence
        if (found := find_error(error)) is not None:
            raise found from error
        if config.name == "direct":
            raise
        what = f"{describe_failure(config.name, error)}; run again to continue"
        raise BertdataError(f"{config.name} did not make {plan.stage}: {what}") from error
