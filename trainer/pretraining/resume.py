"""The output folder of a run before its first step: continued, or cleared of an earlier run."""

from __future__ import annotations

import json

from bertdata.config import to_table
from bertdata.errors import ConfigError, DataError
from bertdata.storage.files import exists, read_bytes, remove_file, remove_folder
from bertdata.storage.locations import Location
from bertdata.storage.writing import write_json
from trainer.models.weights import WEIGHTS_NAME
from trainer.pretraining.checkpoint import load_checkpoint, newest_checkpoint, remove_leftovers
from trainer.pretraining.phase import ATTENTION_NAME
from trainer.pretraining.run import CHECKPOINTS_NAME, Run

_RUN_NAME = "run.json"
# What may change between a run and its continuation: it does not shape the model.
_FREE_KEYS = (
    "log_every",
    "evaluate_every",
    "checkpoint_every",
    "keep_checkpoints",
    "loader_workers",
    "max_skipped_steps",
    "peak_tflops",
)


def prepare(run: Run, *, resume: bool) -> None:
    """Load the newest checkpoint of the same run, or clear what an earlier run left.

    Raises ConfigError if the output folder holds a different run, or a model of another origin.
    """
    checkpoints = run.output / CHECKPOINTS_NAME
    if run.ranks.is_first:
        _prepare_folder(run, checkpoints, resume)
    run.ranks.wait_for_first()  # the others wait until the folder is ready
    if newest := newest_checkpoint(checkpoints):
        run.progress, run.best = load_checkpoint(newest, run.model, run.optimizers)
        run.writer.last_step = run.progress.steps
    else:
        run.optimizers.make_state()
    if run.ranks.is_first and run.config.reports.checkpoint_every:
        run.writer.make_room()


def _prepare_folder(run: Run, checkpoints: Location, resume: bool) -> None:
    has_model = exists(run.output / WEIGHTS_NAME)
    if has_model and not exists(run.output / _RUN_NAME):
        raise ConfigError(
            f"{run.output} holds a model that was not trained there; choose another --output"
        )
    if not resume:
        remove_folder(checkpoints)
        for name in (_RUN_NAME, ATTENTION_NAME):
            remove_file(run.output / name)
    remove_leftovers(checkpoints)
    description = _describe(run)
    if newest_checkpoint(checkpoints) or (resume and has_model):
        _check_same_run(run.output / _RUN_NAME, description)
    write_json(run.output / _RUN_NAME, description)


def _describe(run: Run) -> dict[str, object]:
    """Return all that shapes the model, to be compared when the run is continued."""
    free = set(_FREE_KEYS)
    if run.config.length.early_stop_evaluations:
        free.remove("evaluate_every")  # then it decides which parameters are exported
    first, *later = run.readers.phases
    return {
        **{key: value for key, value in to_table(run.config).items() if key not in free},
        "seed": run.seed,
        "examples": first.manifest.content_sha256,
        "vocabulary": first.vocabulary.fingerprint,
        **({"phase2_examples": later[0].manifest.content_sha256} if later else {}),
    }


def _check_same_run(path: Location, description: dict[str, object]) -> None:
    if not exists(path):
        return
    try:
        earlier = json.loads(read_bytes(path))
    except ValueError as error:
        raise DataError(f"{path} is damaged; delete {path.parent} to train again") from error
    for name in sorted(earlier.keys() | description.keys()):
        old, new = earlier.get(name), description.get(name)
        if old != new:
            raise ConfigError(
                f"{path.parent} holds a run with {name} = {old}, not {new}; "
                "choose another --output, or delete that folder to train again"
            )
