"""One training run in its output folder: what it starts from, its steps, what it leaves."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bertdata.arrays import Float64Array
from bertdata.config import to_table
from bertdata.errors import ConfigError, DataError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.manifest import check_stage
from bertdata.storage.shards import write_json
from bertdata.tokens.tokenizer_settings import TOKENIZER_FILES, VOCABULARY_NAME
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from trainer.models.bert import pad_vocabulary, strip_vocabulary
from trainer.models.export import export_model
from trainer.models.weights import WEIGHTS_NAME
from trainer.optim.optimizers import Optimizers
from trainer.pretraining import checkpoint
from trainer.pretraining.batches import validation_batches, validation_rows
from trainer.pretraining.checkpoint import CheckpointWriter, Parameters, Progress
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.length import Budget
from trainer.pretraining.loop import ATTENTION_NAME, Steps, is_due
from trainer.pretraining.measures.evaluation import Evaluation, evaluate
from trainer.pretraining.measures.flops import peak_flops
from trainer.pretraining.measures.metrics import Log
from trainer.pretraining.measures.yardstick import Yardstick, measure_yardstick
from trainer.pretraining.start.model import check_examples, new_model
from trainer.ranks import Ranks

RUN_NAME = "run.json"
_GPU_VOCABULARY_MULTIPLE = 64
# What may change between a run and its continuation: it does not shape the model.
_FREE_FIELDS = (
    "log_every",
    "evaluate_every",
    "checkpoint_every",
    "keep_checkpoints",
    "loader_workers",
    "max_skipped_steps",
    "peak_tflops",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What a finished run reached on the validation split; losses in nats.

    `unigram_loss`: of the frequencies of pieces in the training split, on the same pieces
    (`trainer.pretraining.measures.yardstick`); `below_unigram`: how far `mlm_loss` is below it. Each has its standard
    error; `is_reliable`: whether there are validation pieces enough for the difference to mean
    something. `steps`, `tokens` (padding not counted): trained on; `exported_step`: the step whose
    parameters were exported and evaluated, which is the last one unless the run could stop early.
    None: there is no validation split, or too little of it for an error, or there are no pairs.
    """

    mlm_loss: float | None
    mlm_loss_error: float | None
    unigram_loss: float | None
    unigram_loss_error: float | None
    below_unigram: float | None
    below_unigram_error: float | None
    is_reliable: bool
    validation_pieces: int
    validation_documents: int
    mlm_accuracy: float | None
    nsp_accuracy: float | None
    steps: int
    exported_step: int
    tokens: int
    parameters: int


class Run:
    """One training run, as one of its ranks sees it."""

    def __init__(
        self,
        examples: Path,
        vocab: Path,
        output: Path,
        *,
        config: TrainConfig,
        seed: int,
        ranks: Ranks,
    ) -> None:
        self.config, self.seed, self.ranks = config, seed, ranks
        self.output, self.vocab = output, vocab
        if ranks.is_first:
            check_stage(vocab, TOKENIZER_FILES)
        self.readers = _open_readers(
            examples, read_vocabulary(_vocabulary_of(vocab)), config, ranks
        )
        _check_early_stop(config, self.readers.validation)
        model = new_model(config, seed, self.readers.phases[0])
        for reader in (*self.readers.phases, self.readers.validation):
            check_examples(model, reader, is_new=config.init_from is None)
        on_gpu = ranks.device.type == "cuda"
        default_multiple = _GPU_VOCABULARY_MULTIPLE if on_gpu else 1
        pad_vocabulary(model, config.vocabulary_multiple or default_multiple)
        self.model = model.to(ranks.device)
        self.optimizers = Optimizers(self.model, config)
        self.progress = Progress()
        self._best: Parameters | None = None  # where runs stop early, those of the best evaluation
        self._steps_saved = 0
        self.budget = Budget.of(config)
        keep = config.keep_checkpoints
        self._writer = CheckpointWriter(self.checkpoints, self.model, self.optimizers, keep=keep)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.output / checkpoint.FOLDER_NAME

    def prepare(self, *, resume: bool) -> None:
        """Take the newest checkpoint of the same run, or drop what an earlier run left.

        Raises ConfigError where the output folder holds another run, or a model of another origin.
        """
        if self.ranks.is_first:
            has_model = (self.output / WEIGHTS_NAME).exists()
            if has_model and not (self.output / RUN_NAME).exists():
                raise ConfigError(
                    f"{self.output} holds a model that was not trained there; "
                    "choose another --output"
                )
            if not resume:
                shutil.rmtree(self.checkpoints, ignore_errors=True)
                for name in (RUN_NAME, ATTENTION_NAME):
                    (self.output / name).unlink(missing_ok=True)
            checkpoint.remove_leftovers(self.checkpoints)
            description = self._describe()
            if checkpoint.newest_checkpoint(self.checkpoints) or (resume and has_model):
                _check_same_run(self.output / RUN_NAME, description)
            write_json(self.output / RUN_NAME, description)
        self.ranks.from_first(None)  # the others wait until the folder is as it should be
        if newest := checkpoint.newest_checkpoint(self.checkpoints):
            self.progress, self._best = checkpoint.load_checkpoint(
                newest, self.model, self.optimizers
            )
            self._steps_saved = self.progress.steps
        else:
            self.optimizers.make_state()
        if self.ranks.is_first and self.config.checkpoint_every:
            self._writer.make_room()

    def train(self, should_stop: Callable[[], bool]) -> bool:
        """Do the steps that are left, or fewer when asked to stop; ends with a checkpoint.

        Gives whether the run is done.
        """
        steps = Steps(self, self._log())
        try:
            while not (is_done := self._is_done()) and not self._is_asked_to_stop(should_stop):
                steps.do_next()
                if is_due(self.progress.steps, self.config.checkpoint_every):
                    self.save()
            steps.end(is_done=is_done)
            self.save()
            return is_done
        finally:
            steps.close()
            self._writer.finish()

    def used(self) -> float:
        """What is used of the budget."""
        amount: float = getattr(self.progress, self.budget.unit)
        return amount

    def evaluate(self) -> Evaluation:
        """The model on the whole validation split."""
        batches = validation_batches(
            self.readers.validation,
            self.config.batch_size,
            self.seed,
            rank=self.ranks.rank,
            num_ranks=self.ranks.size,
        )
        pairs = self.readers.phases[0].next_sentence
        return evaluate(self.model, batches, next_sentence=pairs, ranks=self.ranks)

    def note_evaluation(self, evaluation: Evaluation) -> None:
        """Keep count of the best loss so far; of equal ones, the first counts as the best."""
        progress, loss = self.progress, evaluation.mlm_loss
        best = math.inf if progress.best_loss is None else progress.best_loss
        if loss is None or not loss < best:  # nor is a loss that is not a number
            progress.evaluations_since_best += 1
            return
        progress.best_loss, progress.best_step = loss, progress.steps
        progress.evaluations_since_best = 0
        if self.config.early_stop_evaluations:
            state = self.model.state_dict()
            self._best = {name: value.detach().cpu().clone() for name, value in state.items()}

    def save(self) -> None:
        """Begin to write a checkpoint of what is done so far, unless there is one."""
        if self.ranks.is_first and self._steps_saved != self.progress.steps:
            self._writer.start(self.progress, self._best)
            self._steps_saved = self.progress.steps

    @property
    def longest_wait(self) -> float:
        """Seconds for which the slowest checkpoint held the training up; 0: none did."""
        return max(self._writer.waits, default=0.0)

    def wait_until_copied(self) -> None:
        """Wait until a checkpoint under way no longer needs the parameters."""
        self._writer.wait_until_copied()

    def finish(self) -> Results:
        """Evaluate and export: the last parameters, or the best where runs stop early."""
        evaluation = self.evaluate()
        exported_step = self.progress.steps
        if self._is_worse_than_best(evaluation):
            assert self._best is not None
            self.model.load_state_dict(self._best)
            exported_step = self.progress.best_step
            evaluation = self.evaluate()
        losses_R = self._all_row_losses(evaluation)
        if self.ranks.is_first:
            export_model(self.model, self.output, vocab=self.vocab)
        return self._results(evaluation, exported_step, losses_R)

    def _is_worse_than_best(self, evaluation: Evaluation) -> bool:
        """Whether an earlier evaluation is kept that was better than the one of the last step."""
        best, loss = self.progress.best_loss, evaluation.mlm_loss
        if self._best is None or best is None or self.progress.best_step == self.progress.steps:
            return False
        return loss is None or not loss < best  # true also of a loss that is not finite

    def _all_row_losses(self, evaluation: Evaluation) -> Float64Array:
        """The MLM loss of each row of the validation split, from all ranks."""
        reader = self.readers.validation
        losses_R = torch.zeros(reader.num_rows, dtype=torch.float64)
        rows = validation_rows(
            reader, self.config.batch_size, rank=self.ranks.rank, num_ranks=self.ranks.size
        )
        if rows:
            losses_R[torch.from_numpy(np.concatenate(rows))] = torch.from_numpy(
                evaluation.row_losses
            )
        return np.asarray(self.ranks.sum_tensor(losses_R).numpy())

    def _results(
        self, evaluation: Evaluation, exported_step: int, losses_R: Float64Array
    ) -> Results:
        found = measure_yardstick(
            self.readers.phases[0], self.readers.validation, losses_R, seed=self.seed
        )
        return Results(
            mlm_loss=evaluation.mlm_loss,
            **_describe_yardstick(found),
            mlm_accuracy=evaluation.mlm_accuracy,
            nsp_accuracy=evaluation.nsp_accuracy,
            steps=self.progress.steps,
            exported_step=exported_step,
            tokens=self.progress.tokens,
            parameters=sum(value.numel() for value in strip_vocabulary(self.model).values()),
        )

    def _is_done(self) -> bool:
        """Whether the budget is used up, or the evaluations stopped getting better."""
        patience = self.config.early_stop_evaluations
        if patience and self.progress.evaluations_since_best >= patience:
            return True
        return self.used() >= self.budget.total

    def _is_asked_to_stop(self, should_stop: Callable[[], bool]) -> bool:
        """Whether any rank is; from here on all ranks have the first one's clock."""
        seconds = self.progress.seconds if self.ranks.is_first else 0.0
        asked, self.progress.seconds = self.ranks.sum([should_stop(), seconds])
        return asked > 0

    def _log(self) -> Log | None:
        if not self.ranks.is_first:
            return None
        peak = peak_flops(self.ranks.device, self.config.peak_tflops)
        return Log(
            self.output,
            steps_done=self.progress.steps,
            device=self.ranks.device,
            peak_flops=None if peak is None else peak * self.ranks.size,
        )

    def _describe(self) -> dict[str, Any]:
        """All that shapes the model, to be compared when a run goes on."""
        free = set(_FREE_FIELDS)
        if self.config.early_stop_evaluations:
            free.remove("evaluate_every")  # then it decides which parameters are exported
        table = {k: v for k, v in to_table(self.config).items() if k not in free}
        first, *later = self.readers.phases
        return {
            **table,
            "seed": self.seed,
            "examples": first.manifest.content_sha256,
            "vocabulary": first.vocabulary.fingerprint,
            **({"phase2_examples": later[0].manifest.content_sha256} if later else {}),
        }


@dataclass(frozen=True, slots=True)
class _Readers:
    """The examples of phase 1 and, where there is one, 2; and those to validate with."""

    phases: Sequence[ExampleReader]
    validation: ExampleReader


def _open_readers(
    examples: Path, vocabulary: Vocabulary, config: TrainConfig, ranks: Ranks
) -> _Readers:
    """Only the first rank reads every byte to compare checksums."""
    verify = ranks.is_first
    folders = [examples, *([Path(config.phase2_examples)] if config.phase2_examples else [])]
    phases = [ExampleReader(f, vocabulary, verify_checksums=verify) for f in folders]
    validation = ExampleReader(examples, vocabulary, split="validation", verify_checksums=verify)
    return _Readers(phases, validation)


def _describe_yardstick(found: Yardstick | None) -> dict[str, Any]:
    """The fields of `Results` that compare the model with the unigram model."""
    return {
        "mlm_loss_error": found and found.mlm_loss.error,
        "unigram_loss": found and found.unigram_loss.value,
        "unigram_loss_error": found and found.unigram_loss.error,
        "below_unigram": found and found.below.value,
        "below_unigram_error": found and found.below.error,
        "is_reliable": found is not None and found.is_reliable,
        "validation_pieces": found.num_pieces if found else 0,
        "validation_documents": found.num_documents if found else 0,
    }


def _check_early_stop(config: TrainConfig, validation: ExampleReader) -> None:
    if config.early_stop_evaluations and not validation.num_rows:
        raise ConfigError(
            "early_stop_evaluations needs validation examples, and there are none; set it to 0, "
            "or make examples with [examples] validation_fraction above 0"
        )


def _vocabulary_of(folder: Path) -> Path:
    """Of a vocabulary's folder the file that the examples were made with, else what is there."""
    path = folder / VOCABULARY_NAME
    return path if path.exists() else folder


def _check_same_run(path: Path, description: dict[str, Any]) -> None:
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is damaged; delete {path.parent} to train again") from error
    for name in sorted(earlier.keys() | description.keys()):
        old, new = earlier.get(name), description.get(name)
        if old != new:
            raise ConfigError(
                f"{path.parent} holds a run with {name} = {old}, not {new}; "
                "choose another --output, or delete that folder to train again"
            )
