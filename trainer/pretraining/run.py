"""The plain state of one training run, and how it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bertdata.config import Table, to_table
from bertdata.errors import ConfigError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.files import exists
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import check_stage
from bertdata.tokens.tokenizer_settings import TOKENIZER_FILES, VOCABULARY_NAME
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from trainer.models.bert import Bert, pad_vocabulary
from trainer.models.export import check_regular
from trainer.optim.optimizers import Optimizers
from trainer.pretraining.batches import validation_batches
from trainer.pretraining.checkpoint.progress import Progress
from trainer.pretraining.checkpoint.state import Parameters
from trainer.pretraining.checkpoint.writer import CheckpointWriter
from trainer.pretraining.config import Budget, TrainConfig
from trainer.pretraining.measures.evaluation import Evaluation, evaluate
from trainer.pretraining.start.model import check_examples, new_model
from trainer.ranks import Ranks

CHECKPOINTS_NAME = "checkpoints"
_GPU_VOCABULARY_MULTIPLE = 64
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


@dataclass(frozen=True, slots=True)
class _Readers:
    """The examples of phase 1 and, if there is one, phase 2; and those to validate with."""

    phases: Sequence[ExampleReader]
    validation: ExampleReader


@dataclass(kw_only=True, slots=True)
class Run:
    """One training run, as one of its ranks sees it.

    `identity`: all that shapes the model, to be compared when the run is continued. `best`: the
    parameters of the best evaluation so far, in a run that may stop early.
    """

    config: TrainConfig
    seed: int
    identity: Table
    ranks: Ranks
    output: Location
    vocab: Location
    readers: _Readers
    model: Bert
    optimizers: Optimizers
    writer: CheckpointWriter
    progress: Progress = field(default_factory=Progress)
    best: Parameters | None = None

    @property
    def budget(self) -> Budget:
        """How much the run may use."""
        return self.config.length.budget

    @property
    def used(self) -> float:
        """How much of the budget is used up."""
        amount: float = getattr(self.progress, self.budget.unit)
        return amount

    def save(self) -> None:
        """Begin to write a checkpoint of what is done so far, unless there is one."""
        if self.ranks.is_first:
            self.writer.start(self.progress, self.best)


def open_run(
    examples: Location,
    vocab: Location,
    output: Location,
    *,
    config: TrainConfig,
    seed: int,
    ranks: Ranks,
) -> Run:
    """Open the examples and make the model to start from.

    Raises ConfigError if the configuration, the examples and the model do not fit together.
    """
    check_regular(vocab, TOKENIZER_FILES)
    if ranks.is_first:
        check_stage(vocab, TOKENIZER_FILES)
    readers = _open_readers(examples, read_vocabulary(_vocabulary_of(vocab)), config, ranks)
    _check_early_stop(config, readers.validation)
    model = new_model(config.model, seed, readers.phases[0])
    for reader in (*readers.phases, readers.validation):
        check_examples(model, reader, is_new=config.model.init_from is None)
    default_multiple = _GPU_VOCABULARY_MULTIPLE if ranks.device.type == "cuda" else 1
    pad_vocabulary(model, config.model.vocabulary_multiple or default_multiple)
    model = model.to(ranks.device)
    optimizers = Optimizers(model, config.optimizer, config.machine.precision)
    identity = _describe(config, seed, readers)
    return Run(
        config=config,
        seed=seed,
        identity=identity,
        ranks=ranks,
        output=output,
        vocab=vocab,
        readers=readers,
        model=model,
        optimizers=optimizers,
        writer=CheckpointWriter(
            output / CHECKPOINTS_NAME,
            model,
            optimizers,
            identity=identity,
            keep=config.reports.keep_checkpoints,
        ),
    )


def validate(run: Run) -> Evaluation:
    """Evaluate the model on the whole validation split."""
    batches = validation_batches(
        run.readers.validation,
        run.config.batches.batch_size,
        run.seed,
        rank=run.ranks.rank,
        num_ranks=run.ranks.size,
    )
    pairs = run.readers.phases[0].next_sentence
    return evaluate(run.model, batches, next_sentence=pairs, ranks=run.ranks)


def _open_readers(
    examples: Location, vocabulary: Vocabulary, config: TrainConfig, ranks: Ranks
) -> _Readers:
    """Open all splits. Only the first rank reads every byte to compare checksums."""
    verify = ranks.is_first
    second = config.batches.phase2_examples
    folders = [examples, *([locate(second)] if second else [])]
    phases = [ExampleReader(f, vocabulary, verify_checksums=verify) for f in folders]
    validation = ExampleReader(examples, vocabulary, split="validation", verify_checksums=verify)
    return _Readers(phases, validation)


def _describe(config: TrainConfig, seed: int, readers: _Readers) -> Table:
    """Return all that shapes the model."""
    free = set(_FREE_KEYS)
    if config.length.early_stop_evaluations:
        free.remove("evaluate_every")  # then it decides which parameters are exported
    first, *later = readers.phases
    return {
        **{key: value for key, value in to_table(config).items() if key not in free},
        "seed": seed,
        "examples": first.manifest.content_sha256,
        "vocabulary": first.vocabulary.fingerprint,
        **({"phase2_examples": later[0].manifest.content_sha256} if later else {}),
    }


def _check_early_stop(config: TrainConfig, validation: ExampleReader) -> None:
    if config.length.early_stop_evaluations and not validation.num_rows:
        raise ConfigError(
            "early_stop_evaluations needs validation examples, and there are none; set it to 0, "
            "or make examples with [examples] validation_fraction above 0"
        )


def _vocabulary_of(folder: Location) -> Location:
    """Return the vocabulary file in a folder, or the folder if it has none of that name."""
    path = folder / VOCABULARY_NAME
    return path if exists(path) else folder
