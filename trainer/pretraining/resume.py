"""The output folder of a run before its first step: continued, or cleared of an earlier run."""

from __future__ import annotations

import json

from bertdata.config import Table
from bertdata.errors import ConfigError, DataError
from bertdata.storage.files import exists, read_bytes, remove_file, remove_folder
from bertdata.storage.locations import Location
from bertdata.storage.writing import write_json
from trainer.models.weights import WEIGHTS_NAME
from trainer.pretraining.checkpoint.folder import newest_checkpoint, remove_leftovers
from trainer.pretraining.checkpoint.loading import load_checkpoint
from trainer.pretraining.checkpoint.progress import Limits
from trainer.pretraining.phase import ATTENTION_NAME
from trainer.pretraining.run import CHECKPOINTS_NAME, Run

_RUN_NAME = "run.json"
_NO_LIMIT = 2**62


def prepare(run: Run, *, resume: bool) -> None:
    """Load the newest checkpoint of the same run, or clear what an earlier run left.

    Raises ConfigError if the output folder holds a different run, or a model of another origin.
    """
    checkpoints = run.output / CHECKPOINTS_NAME
    if run.ranks.is_first:
        _prepare_folder(run, checkpoints, resume)
    run.ranks.wait_for_first()  # the others wait until the folder is ready
    if newest := newest_checkpoint(checkpoints):
        run.progress, run.best = load_checkpoint(
            newest, run.model, run.optimizers, identity=run.identity, limits=_limits_of(run)
        )
        run.writer.last_step = run.progress.steps
    else:
        run.optimizers.make_state()
    if run.ranks.is_first:
        write_json(run.output / _RUN_NAME, run.identity)
        if run.config.reports.checkpoint_every:
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
    if newest_checkpoint(checkpoints) or (resume and has_model):
        _check_same_run(run.output / _RUN_NAME, run.identity)


def _limits_of(run: Run) -> Limits:
    budget, batches = run.budget, run.config.batches
    batch_size = max(batches.batch_size, batches.phase2_batch_size or 0)
    step_tokens = batches.batch_tokens or batch_size * run.model.config.max_positions
    # The last step may take a run over its tokens.
    return Limits(
        steps=int(budget.total) if budget.unit == "steps" else _NO_LIMIT,
        tokens=int(budget.total) + step_tokens if budget.unit == "tokens" else _NO_LIMIT,
        step_tokens=step_tokens,
        phases=len(run.readers.phases),
        has_best=run.config.length.early_stop_evaluations > 0,
    )


def _check_same_run(path: Location, identity: Table) -> None:
    if not exists(path):
        return
    try:
        earlier = dict(json.loads(read_bytes(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is damaged; delete {path.parent} to train again") from error
    for name in sorted(earlier.keys() | identity.keys()):
        old, new = earlier.get(name), identity.get(name)
        if old != new:
            raise ConfigError(
                f"{path.parent} holds a run with {name} = {old}, not {new}; "
                "choose another --output, or delete that folder to train again"
            )
