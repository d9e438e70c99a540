"""Pre-training: examples in, a model in the Hugging Face format out.

    python -m trainer.pretrain --examples DIR --vocab DIR --output DIR [--seed N] [--steps N ...]

Every field of `trainer.config.TrainConfig` is an option. The same command in the same output folder
goes on from its newest checkpoint and ends with the same bytes as a run that was never stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from bertdata.config import to_table
from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.randomness import derive_key
from bertdata.reader import ExampleReader
from bertdata.shards import write_json
from bertdata.vocabulary import read_vocabulary
from trainer import checkpoint
from trainer.config import TrainConfig, model_config
from trainer.cooccurrence import cooccurrence_embeddings
from trainer.data import TrainBatches, validation_batches
from trainer.entropy import count_masked_pieces, unigram_entropy
from trainer.export import export_model, load_model
from trainer.loop import Evaluation, StepResult, TrainStep, evaluate
from trainer.losses import Candidates, DecoderLoss
from trainer.metrics import Metrics, say
from trainer.model import Bert, add_to_tokens, set_sinusoidal_positions, set_unigram_bias
from trainer.optim import Optimizers

RUN_NAME = "run.json"
RESULTS_NAME = "results.json"
TIMING_NAME = "timing.json"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# What may change between a run and its continuation: it does not shape the model.
_FREE_FIELDS = ("log_every", "evaluate_every", "checkpoint_every", "keep_checkpoints")


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What a finished run reached on the validation split; losses and entropy in nats.

    `unigram_entropy`: of the pieces to predict in the validation split. `tokens`: trained on,
    padding not counted. None: there is no validation split, or there are no pairs.
    """

    mlm_loss: float | None
    unigram_entropy: float | None
    mlm_accuracy: float | None
    nsp_accuracy: float | None
    steps: int
    tokens: int
    parameters: int


class Run:
    """One training run in its output folder."""

    def __init__(
        self, *, examples: Path, vocab: Path, output: Path, config: TrainConfig, seed: int
    ) -> None:
        self.config, self.seed, self.output, self.vocab = config, seed, output, vocab
        vocabulary = read_vocabulary(vocab / "vocab.txt")
        self.train_reader = ExampleReader(examples, vocabulary, split="train")
        self.validation_reader = ExampleReader(examples, vocabulary, split="validation")
        self.model = _new_model(config, seed, self.train_reader)
        self.optimizers = Optimizers(self.model, config)
        self.steps_done, self.tokens_done = 0, 0

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.output / checkpoint.FOLDER_NAME

    def prepare(self, *, resume: bool) -> None:
        """Take the newest checkpoint of the same run, or drop what an earlier run left."""
        if not resume:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
            (self.output / RUN_NAME).unlink(missing_ok=True)
        description = _describe(self.config, self.seed, self.train_reader)
        _check_same_run(self.output / RUN_NAME, description)
        write_json(self.output / RUN_NAME, description)
        if newest := checkpoint.newest_checkpoint(self.checkpoints):
            progress = checkpoint.load_checkpoint(newest, self.model, self.optimizers)
            self.steps_done, self.tokens_done = progress.steps, progress.tokens

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Do the steps that are left, or fewer when asked to stop; ends with a checkpoint."""
        batches = TrainBatches(
            self.train_reader,
            batch_size=self.config.batch_size,
            seed=self.seed,
            window=self.config.group_by_length,
        )
        train_step = TrainStep(
            self.model,
            self.optimizers,
            self.config,
            seed=self.seed,
            next_sentence=self.train_reader.next_sentence,
            decoder_loss=self._decoder_loss(),
        )
        log = _Log(self.output, self.config, self.steps_done)
        while self.steps_done < self.config.steps and not should_stop():
            result = train_step(self.steps_done, batches.batch_at(self.steps_done))
            self.steps_done += 1
            self.tokens_done += result.num_tokens
            log.add(self.steps_done, result)
            if _is_due(self.steps_done, self.config.evaluate_every):
                log.add_evaluation(self.steps_done, self.evaluate())
            if _is_due(self.steps_done, self.config.checkpoint_every):
                self.save()
        self.save()

    def _decoder_loss(self) -> DecoderLoss:
        if not self.config.output_candidates:
            return DecoderLoss()
        counts_V = torch.from_numpy(count_masked_pieces(self.train_reader, seed=self.seed))
        return DecoderLoss(Candidates(counts_V, self.config.output_candidates))

    def evaluate(self) -> Evaluation:
        """The model on the whole validation split."""
        batches = validation_batches(self.validation_reader, self.config.batch_size, self.seed)
        return evaluate(self.model, batches, next_sentence=self.train_reader.next_sentence)

    def save(self) -> None:
        """Write a checkpoint of what is done so far."""
        checkpoint.save_checkpoint(
            self.checkpoints,
            checkpoint.Progress(steps=self.steps_done, tokens=self.tokens_done),
            self.model,
            self.optimizers,
            keep=self.config.keep_checkpoints,
        )

    def finish(self) -> Results:
        """Evaluate, export, write the summary."""
        evaluation = self.evaluate()
        counts = count_masked_pieces(self.validation_reader, seed=self.seed)
        results = Results(
            mlm_loss=evaluation.mlm_loss,
            unigram_entropy=unigram_entropy(counts) if counts.any() else None,
            mlm_accuracy=evaluation.mlm_accuracy,
            nsp_accuracy=evaluation.nsp_accuracy,
            steps=self.steps_done,
            tokens=self.tokens_done,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
        )
        export_model(self.model, self.output, vocab=self.vocab)
        write_json(self.output / RESULTS_NAME, asdict(results))
        return results


def pretrain(
    *,
    examples: Path,
    vocab: Path,
    output: Path,
    config: TrainConfig,
    seed: int = 0,
    resume: bool = True,
    should_stop: Callable[[], bool] = lambda: False,
) -> Results | None:
    """Train to the end and export, or until `should_stop`; None when stopped before the end.

    `examples`, `vocab`: finished stages. `output`: gets checkpoints, metrics.jsonl, the exported
    model, results.json and timing.json. Raises ConfigError when `output` holds another run.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    started = time.perf_counter()
    run = Run(examples=examples, vocab=vocab, output=output, config=config, seed=seed)
    run.prepare(resume=resume)
    prepared = time.perf_counter()
    run.train(should_stop)
    trained = time.perf_counter()
    if run.steps_done < config.steps:
        return None
    results = run.finish()
    finished = time.perf_counter()
    seconds = {"prepare": prepared - started, "train": trained - prepared}
    seconds["evaluate_and_export"] = finished - trained
    write_json(output / TIMING_NAME, seconds)
    say({**asdict(results), "seconds": finished - started})
    return results


class _Log:
    """Means over the last `log_every` steps, to the terminal and to metrics.jsonl."""

    def __init__(self, output: Path, config: TrainConfig, steps_done: int) -> None:
        self._config = config
        self._metrics = Metrics(output, step=steps_done)
        self._results: list[StepResult] = []
        self._since = time.perf_counter()

    def add(self, step: int, result: StepResult) -> None:
        """Note a step; say something every now and then."""
        self._results.append(result)
        if not (_is_due(step, self._config.log_every) or step == self._config.steps):
            return
        now = time.perf_counter()
        seconds = (now - self._since) / len(self._results)
        values = {
            "step": step,
            "mlm_loss": _mean([r.mlm_loss for r in self._results]),
            "nsp_loss": _mean([r.nsp_loss for r in self._results]),
            "learning_rate": result.learning_rate,
            "gradient_norm": _mean([r.gradient_norm for r in self._results]),
            "tokens_per_second": _mean([r.num_tokens for r in self._results]) / seconds,
            "seconds_left": seconds * (self._config.steps - step),
        }
        self._metrics.write(values)
        say(values)
        self._results, self._since = [], now

    def add_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Note an evaluation; its time is not counted as training."""
        values = {f"validation_{name}": value for name, value in asdict(evaluation).items()}
        self._metrics.write({"step": step, **values})
        say({"step": step, **values})
        self._since = time.perf_counter()


def _new_model(config: TrainConfig, seed: int, reader: ExampleReader) -> Bert:
    vocabulary = reader.vocabulary
    if config.init_from is not None:
        model = load_model(Path(config.init_from))
        if (size := model.config.vocab_size) != vocabulary.size:
            raise ConfigError(
                f"init_from has {size} pieces, the vocabulary {vocabulary.size}; "
                "make the examples with the vocab.txt of init_from"
            )
        return model
    shape = model_config(config, vocab_size=vocabulary.size, pad_id=vocabulary.special.pad)
    torch.manual_seed(derive_key(seed, "initial parameters") >> 1)
    model = Bert(shape)
    if config.token_init == "cooccurrence":
        add_to_tokens(model, cooccurrence_embeddings(reader, shape.hidden_size, seed=seed))
    if config.position_init == "sinusoidal":
        set_sinusoidal_positions(model)
    if config.output_bias_init == "unigram":
        set_unigram_bias(model, torch.from_numpy(count_masked_pieces(reader, seed=seed)))
    return model


def _describe(config: TrainConfig, seed: int, reader: ExampleReader) -> dict[str, Any]:
    """All that shapes the model, to be compared when a run goes on."""
    table = {name: value for name, value in to_table(config).items() if name not in _FREE_FIELDS}
    examples = reader.manifest.content_sha256
    return {
        **table,
        "seed": seed,
        "examples": examples,
        "vocabulary": reader.vocabulary.fingerprint,
    }


def _check_same_run(path: Path, description: dict[str, Any]) -> None:
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path} is damaged; remove {path.parent} to start anew") from error
    for name in sorted(earlier.keys() | description.keys()):
        old, new = earlier.get(name), description.get(name)
        if old != new:
            raise ConfigError(
                f"{path.parent} holds a run with {name} = {old}, not {new}; "
                "choose another output folder, or --no-resume to start anew"
            )


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def make_parser() -> argparse.ArgumentParser:
    """The command line: three folders, a seed, and an option for every field of TrainConfig."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.pretrain", description=(__doc__ or "").splitlines()[0]
    )
    for name in ("examples", "vocab", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    hints = typing.get_type_hints(TrainConfig)
    for field in fields(TrainConfig):
        (kind,) = set(typing.get_args(hints[field.name]) or (hints[field.name],)) - {type(None)}
        flags = dict.fromkeys((f"--{field.name.replace('_', '-')}", f"--{field.name}"))
        help_text = f"default {field.default}"
        parser.add_argument(*flags, type=kind, default=field.default, help=help_text)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    given = vars(make_parser().parse_args(arguments))
    values = {field.name: given.pop(field.name) for field in fields(TrainConfig)}
    try:
        with _stop_on_signal() as stop:
            results = pretrain(config=TrainConfig(**values), should_stop=stop.is_set, **given)
    except BertdataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    if results is None:
        print("stopped after a checkpoint; the same command goes on from there", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set, so that the step under way is finished and saved."""
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in _STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
